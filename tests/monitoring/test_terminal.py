# SPDX-License-Identifier: GPL-3.0-or-later
"""The monitor in a terminal: whatever the size, what is shown fits and says what is true."""

import re
from dataclasses import replace

import numpy as np
import pytest
from reports import make_report

from gr_jadce.monitoring.monitor import Monitor
from gr_jadce.monitoring.terminal import screen, summary

STATE = ("receiving", False)


def found(k, device, truth=False):
    return make_report(
        frame_id=k, device=np.array(device, np.uint32), channel=np.ones((len(device), 3)),
        score=np.full(len(device), 4.0), n_devices=12, estimator="truth" if truth else "pc_admm",
    )  # fmt: skip


@pytest.fixture
def monitor():
    monitor = Monitor(50)
    for report in (found(1, [0, 3], truth=True), found(1, [0, 11]), found(2, [5])):
        monitor.push(report)
    return monitor


def plain(lines):
    return [re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line) for line in lines]


@pytest.mark.parametrize("colour", [True, False])
@pytest.mark.parametrize("size", [(80, 24), (200, 60), (40, 12), (20, 5), (10, 2), (2, 1)])
def test_it_fits_any_terminal(monitor, size, colour):
    width, height = size
    lines = plain(screen(monitor, "jadce-monitor 5555", STATE, width=width, height=height, colour=colour))
    assert len(lines) <= height
    assert all(len(line) <= width for line in lines), lines


def test_letters_show_what_became_of_each_device(monitor):
    lines = screen(monitor, "title", STATE, width=80, height=40, colour=False)
    rows = [line for line in lines if line.endswith((".", "o", "O", "F", "M"))]
    assert len(rows) == 24  # the height that is there
    newest = [line[-2:] for line in rows[::2]]  # the slots 1 and 2
    assert (newest[0], newest[3], newest[11], newest[5]) == ("o.", "M.", "F.", ".o")
    assert newest[7] == ".."


def test_colour_shows_two_devices_a_line(monitor):
    lines = screen(monitor, "title", STATE, width=80, height=19)
    rows = [line for line in lines if "▀" in line]
    assert len(rows) == 6
    assert "38;5;234;48;5;227m▀" in rows[1]  # device 2 quiet, device 3 missed
    assert "48;5;202m▀" in rows[5]  # device 11 a false alarm


def test_figures_and_source_are_told(monitor):
    text = "\n".join(plain(screen(monitor, "title", ("not connected to x", True), width=100, height=30)))
    for words in (
        "title  not connected to x",
        "Frames 2",
        "Missed 1 (50 %)",
        "Dropped 7",
        "Estimator pc_admm",
    ):
        assert words in text
    line = summary(monitor, STATE)
    assert "\n" not in line
    assert "Frames: 2 " in line and line.endswith("source: receiving")


def test_before_the_first_report():
    assert "waiting for the first report" in plain(screen(Monitor(), "t", STATE, width=80, height=24))
    assert summary(Monitor(), STATE) == "no report yet, receiving"


def test_many_devices_are_pooled():
    monitor = Monitor(50)
    monitor.push(make_report(n_devices=10_000))
    lines = plain(screen(monitor, "t", STATE, width=80, height=24))
    assert len(lines) <= 24
    assert any(re.search(r"\d+ devices a row", line) for line in lines)


@pytest.mark.parametrize("name", ["\ud800", "\x1b[2J\x07", "a\nb", "\u202eabc", "x" * 10**6])
def test_text_from_the_network_is_shown_as_printable_text(name):
    monitor = Monitor(50)
    monitor.push(make_report(estimator=name))
    lines = screen(monitor, name, (name, True), width=10**4, height=30, colour=False)
    for line in (*lines, summary(monitor, ("receiving", False))):
        assert line.isprintable()
        line.encode()
    assert len(summary(monitor, STATE)) < 1000
    assert len(name) > 80 or repr(name)[1:-1] in lines[0]


@pytest.mark.parametrize("colour", [True, False])
def test_a_few_devices_fill_the_height_and_are_labelled_once(monitor, colour):
    lines = plain(screen(monitor, "title", STATE, width=80, height=50, colour=colour))
    rows = [line for line in lines if line.endswith(("▀", ".", "o", "O", "F", "M"))]
    assert len(rows) >= 30
    labels = [line.split()[0] for line in rows if line[0] != " " or line.split()[0].isdigit()]
    assert labels == sorted(set(labels), key=int) and labels[0] == "0"


def test_the_raster_is_there_in_a_small_terminal(monitor):
    for width, height, least in ((60, 18, 6), (40, 12, 2)):
        lines = plain(screen(monitor, "title", STATE, width=width, height=height))
        assert len(lines) <= height and max(map(len, lines)) <= width
        assert sum("▀" in line for line in lines) >= least


def test_devices_are_called_by_their_names():
    monitor = Monitor(50)
    names = ("meter\x1b", "a very long name of a meter")
    monitor.push(make_report(n_devices=12, n_active=2, device=np.array([2, 7], np.uint32), device_id=names))
    text = "\n".join(plain(screen(monitor, "title", STATE, width=80, height=40)))
    assert "meter\\x1b ▀" in text and "a very long na ▀" in text and " 3 ▀" in text


def test_a_finished_file_has_no_load():
    monitor = Monitor(50)
    for k in range(3):
        monitor.push(make_report(frame_id=k, rx_time=(0, 1e-4 * k), solve_time=3.5e-3))
    live, read = (
        "\n".join(plain(screen(monitor, "title", STATE, width=80, height=30, is_live=is_live)))
        for is_live in (True, False)
    )
    assert "Load 3,500 %" in live and "Load –" in read
    assert "Load: –" in summary(monitor, STATE, is_live=False)


def test_what_devices_said_stands_below_the_raster(monitor):
    monitor.push(replace(found(3, [0, 5, 11]), payload=(b"21.5 \xc2\xb0C\0", b"", b"\x1b[2J")))
    lines = plain(screen(monitor, "jadce-monitor 5555", STATE, width=80, height=24, colour=False))
    assert lines[-2] == "0: 21.5 °C   11: 1b 5b 32 4a"
    assert len(lines) <= 24
    narrow = plain(screen(monitor, "jadce-monitor 5555", STATE, width=20, height=24, colour=False))
    assert "0: 21.5 °C" in narrow and "11: 1b 5b 32 4a" in narrow
