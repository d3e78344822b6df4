#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shows simulated devices live in the browser: a flowgraph at the pace of a radio, and `jadce-monitor --web`.

100 water meters share 20 slots a second, now more of them, now fewer; four antennas hear them. The flowgraph
publishes who was found, and who was there, over ZeroMQ, as a receiver with radios would.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import time
from math import pi, sin
from pathlib import Path

from gnuradio import gr

from gr_jadce import make_pilots
from gr_jadce.blocks import pilot_framer, receiver, uplink_source, zmq_sink
from gr_jadce.programs.process import run

N_DEVICES, PILOT_LENGTH, N_ANTENNAS = 100, 40, 4
SLOT_PERIOD, RATE = 1000, 20e3  # samples, samples a second: 20 slots a second
MEAN_ACTIVITY, SWING, TIDE_S = 0.05, 0.8, 15.0  # share of the devices in a slot, and how it comes and goes
LOOK_S = 0.1


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--web", default="8088", metavar="[HOST:]PORT",
        help="where the page is (default: port %(default)s of this machine), as of jadce-monitor",
    )  # fmt: skip
    parser.add_argument("--token", nargs="?", const="", help="as of jadce-monitor")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, interrupt)
    flowgraph, source, address = make_flowgraph()
    flowgraph.start()
    try:
        show(args, source, address)
    except KeyboardInterrupt:
        pass
    finally:
        flowgraph.stop()
        flowgraph.wait()


def interrupt(_number, _frame):
    raise KeyboardInterrupt


def make_flowgraph():
    """The flowgraph, its source, and the address of its reports."""
    names = [f"meter {n}" for n in range(N_DEVICES)]
    book = make_pilots("gaussian", N_DEVICES, PILOT_LENGTH, seed=1, device_id=names)
    source = uplink_source(
        book, N_ANTENNAS, MEAN_ACTIVITY, snr_db=10.0, power_spread_db=6.0, slot_period=SLOT_PERIOD, rate=RATE,
        throttle=True,
    )  # fmt: skip
    framer = pilot_framer(PILOT_LENGTH, N_ANTENNAS, SLOT_PERIOD, rate=RATE)
    solver, sink = receiver(book, N_ANTENNAS), zmq_sink(0)
    flowgraph = gr.top_block("live")
    for antenna in range(N_ANTENNAS):
        flowgraph.connect((source, antenna), (framer, antenna))
    flowgraph.connect(framer, solver)
    for sender, ports in ((source, ("activity", "channel")), (solver, ("activity", "channel", "status"))):
        for port in ports:
            flowgraph.msg_connect((sender, port), (sink, "in"))
    return flowgraph, source, sink.address()


def show(args, source, address):
    """Run the monitor to its end, and let the activity come and go meanwhile."""
    command = [sys.executable, find_monitor(), "--zmq", address, "--web", args.web]
    command += [] if args.token is None else [f"--token={args.token}" if args.token else "--token"]
    monitor = subprocess.Popen(command, preexec_fn=os.setpgrp)  # Ctrl-C is for this program, which ends it
    try:
        began = time.monotonic()
        while monitor.poll() is None:
            tide = sin(2 * pi * (time.monotonic() - began) / TIDE_S)
            source.set_activity_rate(MEAN_ACTIVITY * (1 + SWING * tide))
            time.sleep(LOOK_S)
    finally:
        monitor.terminate()
        monitor.wait()


def find_monitor():
    """The program beside this one in a clone, or the installed one."""
    beside = Path(__file__).resolve().parents[1] / "apps" / "jadce-monitor"
    found = beside if beside.exists() else shutil.which("jadce-monitor")
    if found is None:
        raise ValueError("jadce-monitor: expected on the path, found none")
    return found


if __name__ == "__main__":
    run(main)
