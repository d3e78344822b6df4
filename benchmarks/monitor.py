#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the activity monitor costs: the share of a core that its process takes at a given frame rate.

    xvfb-run -a benchmarks/monitor.py [--rate 1000] [--devices 1000] [--active 100] [--antennas 4]
                                      [--seconds 20] [--no-truth]

A second process sends reports over ZeroMQ, each with its channels and, unless told otherwise, with the
truth; the window is drawn all the while. Prints the processor time of the monitor's process, and what it
has counted; the exit code is 1 unless every count is exact.
"""

import argparse
import resource
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pmt
from gnuradio import gr, zeromq
from random_reports import FALSE_ALARMS, KINDS, MISSED, truth_and_report

from gr_jadce.blocks import activity_monitor
from gr_jadce.blocks.support.lifetime import keep_alive
from gr_jadce.reports.pdus import to_pmts

SETTLE = 2.0  # seconds after the first frame until the measurement begins
BURST = 0.01  # seconds of frames sent at once


class sender(gr.basic_block):
    """Publishes frames at a steady rate, then pmt.PMT_EOF."""

    def __init__(self, args):
        gr.basic_block.__init__(self, "sender", in_sig=None, out_sig=None)
        self.message_port_register_out(pmt.intern("out"))
        self._args = args
        self._kinds = [example(args, seed) for seed in range(KINDS)]
        keep_alive(self)

    def send(self, first, count):
        for frame_id in range(first, first + count):
            for message in self._frame(frame_id):
                self.message_port_pub(pmt.intern("out"), message)

    def end(self):
        self.message_port_pub(pmt.intern("out"), pmt.PMT_EOF)

    def _frame(self, frame_id):
        seconds, rest = divmod(frame_id, self._args.rate)
        for kind in self._kinds[frame_id % KINDS]:
            yield from to_pmts(replace(kind, frame_id=frame_id, rx_time=(seconds, rest / self._args.rate)))


def example(args, seed):
    """A frame: its truth, unless that is not wanted, and the report."""
    truth, found = truth_and_report(args, np.random.default_rng(seed))
    return [found] if args.no_truth else [truth, found]


def send(args):
    """Send frames for as long as it takes; print how many."""
    flowgraph, source = gr.top_block(), sender(args)
    flowgraph.msg_connect((source, "out"), (zeromq.push_msg_sink(args.send, 1000, False), "in"))
    flowgraph.start()
    began, sent, last = time.monotonic(), 0, round((SETTLE + args.seconds + 1) * args.rate)
    while sent < last:
        due = min(round((time.monotonic() - began) * args.rate), last)
        source.send(sent, due - sent)
        sent = due
        time.sleep(BURST)
    source.end()
    print(sent, flush=True)
    sys.stdin.read()  # what is on its way would be lost
    flowgraph.stop()
    flowgraph.wait()


def monitor(args, application):
    """Run the monitor in this process, the sender in another; whether all was counted."""
    flowgraph, block = gr.top_block(), activity_monitor()
    source = zeromq.pull_msg_source("tcp://127.0.0.1:*", 100, True)
    flowgraph.msg_connect((source, "out"), (block, "in"))
    window = block.qwidget()
    window.resize(1000, 700)
    window.show()
    flowgraph.start()
    command = [sys.executable, __file__, *sys.argv[1:], "--send", source.last_endpoint()]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        share, rate = measured(application, block, args.seconds)
        sent = int(other.stdout.readline())
        run_while(application, lambda: block.counts().frames < sent, patience=60)
        counts, rejected = block.counts(), block.rejected()
        other.stdin.close()
    window.close()
    flowgraph.stop()
    flowgraph.wait()
    return told(args, share, rate, sent, counts, rejected)


def measured(application, block, seconds):
    """Processor time and frames, both by second, over the time of the measurement."""
    run_while(application, lambda: block.counts().frames == 0, patience=60)
    run_while(application, lambda: True, patience=SETTLE)
    began, used, frames = time.monotonic(), processor_time(), block.counts().frames
    run_while(application, lambda: True, patience=seconds)
    took = time.monotonic() - began
    return (processor_time() - used) / took, (block.counts().frames - frames) / took


def run_while(application, wanted, patience):
    """Let Qt work, in its own event loop, while something is so and patience lasts."""
    from PyQt5.QtCore import QTimer

    end, timer = time.monotonic() + patience, QTimer()
    timer.timeout.connect(lambda: None if wanted() and time.monotonic() < end else application.quit())
    timer.start(20)
    application.exec_()


def processor_time():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def told(args, share, rate, sent, counts, rejected):
    """Print the figures; whether every count is exact."""
    scored = 0 if args.no_truth else sent
    detections = sent * (args.active + FALSE_ALARMS - MISSED)
    expected = (sent, scored, detections, scored * MISSED, scored * FALSE_ALARMS, 0)
    found = (
        counts.frames, counts.frames_scored, counts.detections, counts.missed, counts.false_alarms, rejected
    )  # fmt: skip
    print(f"processor time     {share:.2f} of a core")
    print(f"frames a second    {rate:.0f}")
    print(f"frames sent        {sent}")
    print(f"frames lost        {sent - counts.frames}")
    print("every count exact" if found == expected else f"wrong counts: {found}, expected {expected}")
    return found == expected


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, default in {"rate": 1000, "devices": 1000, "active": 100, "antennas": 4, "seconds": 20}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--no-truth", action="store_true")
    parser.add_argument("--send", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    arguments = parse()
    if arguments.send:
        send(arguments)
    else:
        from PyQt5.QtWidgets import QApplication

        qt = QApplication(sys.argv[:1])  # outlives the window: Qt may crash otherwise
        sys.exit(0 if monitor(arguments, qt) else 1)
