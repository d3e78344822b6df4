# SPDX-License-Identifier: GPL-3.0-or-later
"""The recipes do what they say, and the shaped loopback finds its devices; windows are drawn off screen."""

import os
import re
import subprocess

import pytest
from tracked import ROOT

IN_A_WINDOW = """
import sys, time
from PyQt5 import Qt
from {name} import {name}

application = Qt.QApplication(sys.argv)
flowgraph = {name}()
flowgraph.start()
flowgraph.show()
end = time.monotonic() + 300
while not ({there}):
    assert time.monotonic() < end
    application.processEvents()
    time.sleep(0.02)
flowgraph.close()
print({figures})
"""
DETECTOR = """
from gnuradio import gr
from jadce_detector import jadce_detector
from gr_jadce import blocks, make_pilots

book = make_pilots("qpsk", 60, 32)
source = blocks.uplink_source(book, 1, 0.05, snr_db=20, slot_period=80, n_slots=100)
detector, scorer, flowgraph = jadce_detector(book=book), blocks.scorer(), gr.top_block()
flowgraph.connect(source, detector)
for port in ("activity", "channel", "status"):
    flowgraph.msg_connect((detector, port), (scorer, "in"))
for port in ("activity", "channel"):
    flowgraph.msg_connect((source, port), (scorer, "in"))
flowgraph.run()
print(scorer.matched(), scorer.miss_probability())
"""
ENVIRONMENT = os.environ | {"GRC_BLOCKS_PATH": str(ROOT / "grc"), "QT_QPA_PLATFORM": "offscreen"}


@pytest.fixture
def run(tmp_path):
    """Compile an example and run a program, by default its own; what it prints."""

    def run(path, *arguments):
        options = {"cwd": tmp_path, "capture_output": True, "text": True}
        options["env"] = ENVIRONMENT | {"XDG_CONFIG_HOME": str(tmp_path)}
        subprocess.run(["grcc", "-o", tmp_path, ROOT / "examples" / path], check=True, **options)
        result = subprocess.run(["/usr/bin/python3", *arguments], **options)
        assert result.returncode == 0, result.stderr
        return result.stdout

    return run


def window(name, there, figures):
    pytest.importorskip("PyQt5.QtWidgets")
    return "-c", IN_A_WINDOW.format(name=name, there=there, figures=figures)


def test_the_channel_model_lets_all_frames_through(run):
    printed = run("recipes/channel_model.grc", "channel_model.py", "--n-slots", "200")
    figures = dict(re.findall(r"^(.+?)  +(-?[\d.]+)", printed, re.MULTILINE))
    assert int(figures["frames scored"]) >= 199
    assert float(figures["miss probability"]) < 0.1


def test_the_embedded_block_counts_devices(run):
    printed = run("recipes/embedded_block.grc", "embedded_block.py", "--n-slots", "200")
    counts = [int(count) for count in re.findall(r"active in (\d+) of 200 slots", printed)]
    assert len(counts) == 3 and min(counts) > 5


def test_the_hierarchical_block_takes_a_pilot_book(run):
    matched, missed = run("recipes/jadce_detector.grc", "-c", DETECTOR).split()[-2:]
    assert int(matched) == 100 and float(missed) < 0.15


def test_two_estimators_see_the_same_frames(run):
    there = "min(m.counts().frames_scored for m in (flowgraph.monitor_network, flowgraph.monitor_somp)) > 10"
    figures = "flowgraph.monitor_network.figures().estimator, flowgraph.monitor_somp.figures().estimator"
    assert "unrolled somp" in run("recipes/two_estimators.grc", *window("two_estimators", there, figures))


def test_the_constellation_is_drawn(run):
    there, figures = "flowgraph.receiver.frames_solved() > 10", "flowgraph.channels.nitems_written(0) > 10"
    assert "True" in run("recipes/constellation.grc", *window("constellation", there, figures))


def test_random_access_preambles_are_found(run):
    monitor = "flowgraph.activity_monitor.counts()"
    figures = f"{monitor}.missed, {monitor}.active, {monitor}.false_alarms, {monitor}.inactive"
    program = window("nr_random_access", f"{monitor}.frames_scored > 40", figures)
    missed, active, false_alarms, inactive = map(int, run("nr_random_access.grc", *program).split()[-4:])
    assert missed < 0.1 * active and false_alarms < 0.01 * inactive


def test_shaped_pulses_out_of_step_are_found(run):
    monitor = "flowgraph.activity_monitor.counts()"
    figures = f"{monitor}.missed, {monitor}.active, {monitor}.false_alarms, {monitor}.inactive"
    program = window("loopback_shaped_gui", f"{monitor}.frames_scored > 40", figures)
    missed, active, false_alarms, inactive = map(int, run("loopback_shaped_gui.grc", *program).split()[-4:])
    assert missed < 0.05 * active and false_alarms < 0.01 * inactive
