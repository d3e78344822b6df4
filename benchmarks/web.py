#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the page of jadce-monitor costs: the server's share of a core, and the times of the page's pictures.

    benchmarks/web.py [--rate 1000] [--devices 1000] [--active 50] [--antennas 4] [--seconds 20]

A process sends reports with their truth over ZeroMQ to `jadce-monitor --web`, which three pages in Debian's
Chromium look at; the third is in a browser of its own, which is stopped in the middle and goes on at the end.
Prints the processor time of the server, the times from picture to picture (as the page's own clock has them),
and the counts; the exit code is 1 unless all pages show every count exactly.
"""

import argparse
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
from random_reports import FALSE_ALARMS, KINDS, MISSED, truth_and_report

from gr_jadce.delivery.publishing import Publisher
from gr_jadce.reports.json_lines import to_json

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "tests" / "helpers"))
from browser import browsing  # noqa: E402

SETTLE_S, BURST_S = 1.0, 0.01
PATIENCE_S = 120
MEASURE = """(() => {
  window.times = [];
  let last = performance.now();
  const note = (now) => { window.times.push(now - last); last = now; requestAnimationFrame(note); };
  requestAnimationFrame(note);
})()"""
TILES = """Object.fromEntries([...document.querySelectorAll('.tile')].map(
  (tile) => [tile.children[0].textContent, tile.children[1].firstChild.textContent]))"""
DRAWINGS = "import('./main.js').then((page) => page.view.drawings)"


def send(args):
    """Send frames at the wanted rate until standard input has a line; print how many."""
    publisher = Publisher(0, queue=1_000_000, linger=30)
    print(publisher.address, flush=True)
    rng, pair = np.random.default_rng(1), []
    kinds = [truth_and_report(args, rng) for _ in range(KINDS)]
    sys.stdin.readline()
    began, sent, last = time.monotonic(), 0, round((2 * SETTLE_S + args.seconds) * args.rate)
    while sent < last:
        for number in range(sent, min(round((time.monotonic() - began) * args.rate), last)):
            pair = kinds[number % KINDS]
            rx_time = (number // args.rate, number % args.rate / args.rate)
            for entry in pair:
                publisher.send(to_json(replace(entry, frame_id=number, rx_time=rx_time)))
            sent = number + 1
        time.sleep(BURST_S)
    print(sent, flush=True)
    sys.stdin.readline()
    publisher.close()


@contextmanager
def started(command, **options):
    """A process that ends with what it is for; at an error, it is not waited for."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes, **options) as process:
        try:
            yield process
        except BaseException:
            process.kill()
            raise


def measure(args):
    """Run all of it; whether every count is exact."""
    with started([sys.executable, __file__, *sys.argv[1:], "--send"]) as sender:
        address = sender.stdout.readline().strip()
        monitor = [sys.executable, ROOT / "apps" / "jadce-monitor", "--zmq", address, "--web", "0"]
        with started(monitor) as server, browsing() as browser, browsing() as other:
            url = server.stdout.readline().strip()
            pages = [browser.open(url), browser.open(url), other.open(url)]
            for page in pages:
                page.wait("document.getElementById('source').textContent !== 'connecting'")
            sender.stdin.write("go\n")
            sender.stdin.flush()
            share, frames, times, drawings = measured(args, server, pages, other)
            sent = int(sender.stdout.readline())
            other.freeze(False)
            good = all([told(args, sent, place, page) for place, page in enumerate(pages, 1)])
            server.terminate()
            sender.stdin.write("end\n")
            sender.stdin.flush()
    print(f"server: {share:.2f} of a core, for {frames:.0f} frames a second")
    for place, (intervals, rate) in enumerate(zip(times, drawings, strict=True), 1):
        median, high = np.percentile(intervals, [50, 95])
        rhythm = f"{median:.0f} ms from picture to picture, p95 {high:.0f} ms"
        print(f"page {place}: {rhythm}; {rate:.0f} drawings a second")
    return good


def measured(args, server, pages, other):
    """The server's share of a core, and frames a second; the times and drawings of the pages not stopped."""
    time.sleep(SETTLE_S)
    for page in pages[:2]:
        page.call("Page.bringToFront")
        page.evaluate(MEASURE)
    other.freeze()
    began, used, frames = time.monotonic(), processor_time(server.pid), frames_shown(pages[0])
    drawings = [page.evaluate(DRAWINGS) for page in pages[:2]]
    time.sleep(args.seconds)
    took = time.monotonic() - began
    rates = [(page.evaluate(DRAWINGS) - before) / took for page, before in zip(pages, drawings, strict=False)]
    return (
        (processor_time(server.pid) - used) / took,
        (frames_shown(pages[0]) - frames) / took,
        [page.evaluate("window.times") for page in pages[:2]],
        rates,
    )


def frames_shown(page):
    return int(page.evaluate(TILES).get("Frames", "0").replace(",", ""))


def processor_time(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def told(args, sent, place, page):
    """Whether a page shows the counts of all that was sent, as soon as it has them."""
    expected = {
        "Frames": sent, "Detections": sent * (args.active + FALSE_ALARMS - MISSED), "Missed": sent * MISSED,
        "False alarms": sent * FALSE_ALARMS,
    }  # fmt: skip
    texts = {name: f"{count:,}" for name, count in expected.items()}
    end = time.monotonic() + PATIENCE_S
    while (shown := {name: page.evaluate(TILES)[name] for name in texts}) != texts:
        if time.monotonic() > end:
            print(f"page {place}: wrong counts: {shown}, expected {texts}")
            return False
        time.sleep(0.1)
    print(f"page {place}: every count exact after {sent} frames")
    return True


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, default in {"rate": 1000, "devices": 1000, "active": 50, "antennas": 4, "seconds": 20}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--send", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    arguments = parse()
    if arguments.send:
        send(arguments)
    else:
        sys.exit(0 if measure(arguments) else 1)
