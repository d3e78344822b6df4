#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The receiver at work on simulated devices: one antenna, four antennas, four simulated USRPs.

demo.py [FOLDER] writes reports and a plot to FOLDER, by default build/demo or jadce-demo.
"""

import contextlib
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from gnuradio import gr

from gr_jadce import Scenario, make_pilots, simulate, simulate_slots
from gr_jadce.blocks import json_sink, pilot_framer, receiver, scorer, uplink_source
from gr_jadce.reports.json_lines import from_json
from gr_jadce.reports.scoring import Score
from gr_jadce.reports.truth import truth_report

ROOT = Path(__file__).resolve().parents[1]
SEED = 1
SHOWN = 30  # frames in the plot
RATE = 1e6  # samples per second
RADIO_SLOT_PERIOD = 10_000  # samples
RADIO_SLOTS, SPARE_SLOTS = 60, 20  # the stream goes on for a while after the slots that count
ESTIMATORS = {"unrolled": "", "pc_admm": "_pc_admm"}  # name → suffix of its files
RADIO_TIMEOUT_S = 600.0  # to receive them; a loaded machine starts radios slowly
BLUE, RED, ORANGE, GREY = "#1f6fb4", "#d62728", "#ff7f0e", "#b8c4d0"

INTRODUCTION = """\
gr-jadce: which devices are transmitting, and over which channels?

Many devices share the air without asking first. In every slot some of them, nobody knows which,
send their pilots, all at the same time. The receiver gets the sum and noise, with fewer pilot
symbols than there are devices, and still tells who was active, and each one's channel.
"""


@dataclass(frozen=True)
class Case:
    """A part of the demo: its name for people and for files, and the cell it simulates."""

    title: str
    name: str
    scenario: Scenario


@dataclass(frozen=True)
class Outcome:
    """What a part gave: its figures, and the frames to plot with their truth."""

    case: Case
    summary: dict
    reports: list
    truth: list


def main():
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else default_folder()
    folder.mkdir(parents=True, exist_ok=True)
    print(INTRODUCTION)
    one, four = (make_pilots("gaussian", *size, seed=SEED) for size in ((100, 40), (200, 64)))
    outcomes = [
        loopback(Case("1. One antenna", "one_antenna", Scenario(one, 1, snr_db=20.0)), 1000, folder),
        loopback(Case("2. Four antennas", "four_antennas", Scenario(four, 4, snr_db=10.0)), 500, folder),
    ]
    radios = Case("3. Four simulated USRPs, through UHD", "four_usrps", Scenario(four, 4, snr_db=10.0))
    outcomes += [outcome for outcome in [four_usrps(radios, folder)] if outcome]
    plot(outcomes, folder / "demo.png")
    print(f"Who was active, found, missed and falsely reported, as a plot: {shown(folder / 'demo.png')}")
    return 0


def default_folder():
    return ROOT / "build" / "demo" if (ROOT / "build").is_dir() else Path.cwd() / "jadce-demo"


def loopback(case, n_slots, folder):
    """The network and PC-ADMM on the same simulated frames, one after the other."""
    introduce(case)
    paths = {name: folder / f"{case.name}{suffix}.jsonl" for name, suffix in ESTIMATORS.items()}
    runs = [run_loopback(case.scenario, n_slots, path, name) for name, path in paths.items()]
    summaries, speeds = zip(*runs, strict=True)
    speed = f"{columns(*(f'{speed:.0f}' for speed in speeds))}   the whole flowgraph, {n_slots} frames"
    path = paths["unrolled"]
    print(f"   {'':24} {columns('network', 'PC-ADMM')}   on the same frames")
    show(summaries, path, "frames per second", speed)
    uplink = simulate(case.scenario, SHOWN, SEED)
    return Outcome(case, summaries[0], read_reports(path)[:SHOWN], truth_of(case.scenario, uplink))


def run_loopback(scenario, n_slots, path, estimator):
    """Simulated uplink → framer → receiver → score and JSON, as fast as they go: score, frames a second."""
    book, snr_db = scenario.pilots, scenario.snr_db
    source = uplink_source(
        book, scenario.n_antennas, scenario.activity_rate, snr_db=snr_db, n_slots=n_slots, seed=SEED
    )
    score, slot_period = scorer(), book.pilot_length + 16
    flowgraph, _, _ = receiving_flowgraph(source, scenario, slot_period, path, score, estimator=estimator)
    for port in ("activity", "channel"):
        flowgraph.msg_connect(source, port, score, "in")
    began = time.monotonic()
    flowgraph.run()
    return score.summary(), n_slots / (time.monotonic() - began)


def receiving_flowgraph(source, scenario, slot_period, json_path, *sinks, **receiver_options):
    """The blocks from the antennas on; the flowgraph, its receiver and its JSON sink."""
    flowgraph, n_antennas = gr.top_block("gr-jadce demo"), scenario.n_antennas
    framer = pilot_framer(scenario.pilots.pilot_length, n_antennas, slot_period, rate=RATE)
    detector = receiver(scenario.pilots, n_antennas, **receiver_options)
    lines = json_sink(str(json_path))
    for antenna in range(n_antennas):
        flowgraph.connect((source, antenna), (framer, antenna))
    flowgraph.connect(framer, detector)
    for sink in (lines, *sinks):
        for port in ("activity", "channel", "status"):
            flowgraph.msg_connect(detector, port, sink, "in")
    return flowgraph, detector, lines


def four_usrps(case, folder):
    """The same cell on the air of four simulated radios, if this machine can run them."""
    introduce(case)
    reason = why_no_radios()
    if reason:
        print(f"   not run: {reason}\n")
        return None
    print("   the first slots of part 2 again, as UDP packets of 16-bit samples, aligned by their times")
    from usrp_sim.radios import simulated_radios, write_iq_files

    scenario, n_slots = case.scenario, RADIO_SLOTS + SPARE_SLOTS
    samples, uplink = simulate_slots(scenario, RADIO_SLOT_PERIOD, n_slots, seed=SEED)
    scale = 0.1 / np.sqrt(np.mean(np.abs(uplink.received) ** 2))  # 20 dB below the radios' full scale
    path = folder / f"{case.name}.jsonl"
    with tempfile.TemporaryDirectory() as temporary:
        iq_files = write_iq_files(Path(temporary), samples * scale)
        with simulated_radios(iq_files) as arguments:
            counts = receive_usrps(arguments, scenario, path)
    truth = truth_of(scenario, uplink._replace(channel=uplink.channel * scale))
    reports = [report for report in read_reports(path) if report.frame_id < RADIO_SLOTS]
    if not reports:
        raise RuntimeError(f"no slot was received from the simulated radios in {RADIO_TIMEOUT_S:g} s")
    summary = score_of(truth, reports)
    lost = f"{counts['slots_lost']} lost in gaps, {counts['frames_dropped']} dropped by overload"
    show([summary], path, "slots answered", f"{len(reports)} of {RADIO_SLOTS}, as they come; {lost}")
    return Outcome(case, summary, reports[:SHOWN], truth[:SHOWN])


def why_no_radios():
    if not (ROOT / "tests" / "usrp_sim").is_dir():
        return "the simulated USRPs are part of the source repository, not of the installation"
    sys.path.insert(0, str(ROOT / "tests"))
    from usrp_sim.radios import why_not

    return why_not()


def receive_usrps(arguments, scenario, json_path):
    """Receive from the radios until the slots that count are answered; the receiver's counts."""
    source = usrp_source(arguments, scenario.n_antennas)
    flowgraph, detector, lines = receiving_flowgraph(
        source, scenario, RADIO_SLOT_PERIOD, json_path, on_overload="drop"
    )
    flowgraph.start()
    give_up = time.monotonic() + RADIO_TIMEOUT_S
    while lines.written() < RADIO_SLOTS and time.monotonic() < give_up:
        time.sleep(0.05)
    flowgraph.stop()
    flowgraph.wait()
    return detector.status_dict()


def usrp_source(arguments, n_antennas):
    """One channel of each radio, all at the same time."""
    os.environ.setdefault("UHD_LOG_CONSOLE_LEVEL", "error")
    from gnuradio import uhd

    stream = uhd.stream_args(cpu_format="fc32", channels=list(range(n_antennas)))
    source = uhd.usrp_source(arguments, stream)
    for board in range(n_antennas):
        source.set_clock_source("external", board)
        source.set_time_source("external", board)
        source.set_subdev_spec("A:0", board)
    source.set_samp_rate(RATE)
    source.set_time_unknown_pps(uhd.time_spec(0.0))
    source.set_start_time(source.get_time_now() + uhd.time_spec(0.5))
    return source


def truth_of(scenario, uplink):
    return [truth_report(scenario, uplink, k, k, (0, 0.0)) for k in range(len(uplink.activity))]


def read_reports(path):
    return [from_json(line) for line in path.read_text().splitlines()]


def score_of(truth, reports):
    score = Score()
    for report in reports:
        score.add(truth[report.frame_id], report)
    return score.summary()


def introduce(case):
    scenario, book = case.scenario, case.scenario.pilots
    print(f"{case.title}")
    print(
        f"   {book.n_devices} devices, pilots of {book.pilot_length} symbols, "
        f"{scenario.activity_rate:.0%} active in a slot, SNR {scenario.snr_db:g} dB",
        flush=True,
    )


def show(summaries, path, label, speed):
    miss, false_alarm, nmse = (
        columns(*(format(summary[name], form) for summary in summaries))
        for name, form in (
            ("miss_probability", ".4f"),
            ("false_alarm_probability", ".4f"),
            ("nmse_db", ".1f"),
        )
    )
    print(f"   miss probability         {miss}   active, and not found")
    print(f"   false-alarm probability  {false_alarm}   not active, and reported")
    print(f"   channel NMSE             {nmse}   dB, error over power of all channels")
    print(f"   {label:24} {speed}")
    print(f"   reports as JSON lines    {shown(path)}\n", flush=True)


def columns(*cells):
    return "".join(f"{cell:>9}" for cell in cells)


def shown(path):
    with contextlib.suppress(ValueError):
        return path.relative_to(Path.cwd())
    return path


def plot(outcomes, path):
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(
        len(outcomes), 2, figsize=(13, 4.1 * len(outcomes)), squeeze=False, layout="constrained",
        gridspec_kw={"width_ratios": [3, 2]},
    )  # fmt: skip
    for row, outcome in zip(axes, outcomes, strict=True):
        draw_activity(row[0], outcome)
        draw_channels(row[1], outcome)
    figure.savefig(path, dpi=110)


def draw_activity(axis, outcome):
    """Frames across, devices up: who was active and found, missed, or falsely reported."""
    found, missed, false = [], [], []
    for report in outcome.reports:
        active, reported = set(outcome.truth[report.frame_id].device), set(report.device)
        found += [(report.frame_id, n) for n in active & reported]
        missed += [(report.frame_id, n) for n in active - reported]
        false += [(report.frame_id, n) for n in reported - active]
    styles = (
        (found, "active and found", {"marker": "s", "s": 11, "color": BLUE}),
        (missed, "missed", {"marker": "x", "s": 34, "color": RED}),
        (false, "false alarm", {"marker": "o", "s": 34, "edgecolors": ORANGE, "facecolors": "none"}),
    )
    for points, label, style in styles:
        axis.scatter(*np.reshape(points, (-1, 2)).T, label=f"{label} ({len(points)})", **style)
    axis.set(xlabel="slot", ylabel="device", title=outcome.case.title, xlim=(-1, SHOWN))
    axis.set_ylim(-2, outcome.case.scenario.pilots.n_devices + 1)
    axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=3, frameon=False)


def draw_channels(axis, outcome):
    """The magnitude of the channels to the first antenna in one frame, true and estimated."""
    report = outcome.reports[0]
    truth = outcome.truth[report.frame_id]
    axis.vlines(truth.device, 0, np.abs(truth.channel[:, 0]), color=GREY, linewidth=5, label="true")
    axis.plot(report.device, np.abs(report.channel[:, 0]), "o", color=BLUE, label="estimated")
    axis.set(
        xlabel="device", ylabel="channel magnitude", title=f"Channels to antenna 0, slot {report.frame_id}"
    )
    axis.set_xlim(-2, outcome.case.scenario.pilots.n_devices + 1)
    axis.set_ylim(bottom=0)
    axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=2, frameon=False)


if __name__ == "__main__":
    sys.exit(main())
