# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines read together give the frames that they give one by one, with the kernel and without."""

import json

import numpy as np
import pytest
from compiled import compiled_kernel
from reports import REPORTS, make_report

from gr_jadce.evaluation import frame_lines
from gr_jadce.evaluation.frame_lines import read_frame, read_frames
from gr_jadce.reports.json_lines import to_json
from gr_jadce.reports.scoring import Frames

PLAIN = {name: report for name, report in REPORTS.items() if report.payload is None}
LINES = [to_json(report) + "\n" for report in REPORTS.values()]


def assert_equal(frames, expected):
    for name, column, wanted in zip(Frames._fields, frames, expected, strict=True):
        assert column.dtype == wanted.dtype, name
        assert column.tolist() == wanted.tolist(), name


def read_plain(lines):
    return frame_lines._read_plain("".join(lines).encode(), "kernel")


@pytest.mark.parametrize("backend", ["numpy", "kernel"])
@pytest.mark.parametrize(("text", "expected"), [("", 0), ("\n", 1), ("a", 1), ("\n\na", 3), ("a\r\n", 1)])
def test_lines_are_counted(backend, text, expected):
    if backend == "kernel":
        compiled_kernel()
    assert frame_lines._read_plain(text.encode(), backend)[0] == expected


@pytest.mark.parametrize("backend", ["numpy", "auto"])
def test_lines_together_give_what_they_give_one_by_one(backend):
    frames, faults = read_frames("".join(LINES).encode(), backend)
    assert faults == []
    assert_equal(frames, Frames.of(map(read_frame, LINES)))
    assert_equal(frames, Frames.of(REPORTS.values()))


@pytest.mark.parametrize("form", [{"separators": (",", ":")}, {"indent": None}, {"sort_keys": True}])
def test_the_kernel_reads_every_report_in_any_layout(form):
    compiled_kernel()
    lines = [json.dumps(json.loads(to_json(report)), **form) + "\n" for report in PLAIN.values()]
    n_lines, places, frames = read_plain(lines)
    assert places.tolist() == list(range(len(lines))) == list(range(n_lines))
    assert_equal(frames, Frames.of(map(read_frame, lines)))


def test_lines_that_the_kernel_leaves_keep_their_place():
    compiled_kernel()
    lines = [to_json(make_report(frame_id=k, n_active=k)) + "\n" for k in range(5)]
    lines[1] = lines[1].replace("[[[", "[[[null,", 1).replace("null,-", "null, -")
    lines[2] = lines[2].replace('"frame_id"', '"frame_\\u0069d"')
    lines[3] = lines[3][:50]
    lines[3] += "\n"
    n_lines, places, _ = read_plain(lines)
    assert (n_lines, places.tolist()) == (5, [0, 4])
    frames, faults = read_frames("".join(lines).encode())
    assert frames.frame_id.tolist() == [0, 2, 4]
    assert [place for place, _ in faults] == [1, 3]
    assert_equal(frames, Frames.of([read_frame(lines[k]) for k in (0, 2, 4)]))


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("[[[", "[[[01, "), ('"ok"', "True"), ('"ok"', '"fine"'), ('"ok"', '"\t"'), ('"ok"', '"\\x"'),
        ('"schema": 1', '"schema": 1.0'), ('"schema": 1', '"schema": 1, "schema": 1'),
        ("}", "}}"), ("}", "},"), ('"n_iter": 37', '"n_iter": ' + "[" * 40 + "]" * 40),
        ('"n_iter": 37', '"n_iter": ' + "1" * 5000), ('"n_iter": 37', '"n_iter": .5'),
        ('"n_iter": 37', '"n_iter": NaN'), ('"n_iter": 37', '"n_iter": 1.'), ('"n_iter": 37', '"n_iter": -'),
        ("[[[", "[[[1e39, 0], ["), ("[[[", "[[[1e999, 0], ["), ('"device": [', '"device": [200, '),
    ],
)  # fmt: skip
def test_the_kernel_leaves_what_is_not_plain(text, other):
    compiled_kernel()
    line = LINES[0].replace(text, other, 1) if text != "}" else LINES[0][:-2] + other + "\n"
    assert line != LINES[0]
    n_lines, places, _ = read_plain([line])
    assert (n_lines, len(places)) == (1, 0)


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ('"taps": [', '"taps": [[], '), ('{"delay"', '{"delays"'), ('{"delay": ', '{"delay": 1, "delay": '),
        ('"gain": [', '"gain": [[0, 0], '), ('"taps": [[{', '"taps": [[3, {'),
        ('"delay": [', '"delay": [0, '), ('"delay": [', '"delay": [null, '),
        ('{"delay": ', '{"more": 1, "delay": '),
    ],
)  # fmt: skip
def test_the_kernel_leaves_taps_that_are_not_plain(text, other):
    compiled_kernel()
    lines = [to_json(REPORTS["several paths"]) + "\n", LINES[0]]
    assert text in lines[0]
    n_lines, places, frames = read_plain([lines[0].replace(text, other, 1), lines[1]])
    assert (n_lines, places.tolist()) == (2, [1])
    assert_equal(frames, Frames.of([REPORTS["plain"]]))


def test_frames_are_selected_in_the_order_of_their_places():
    everything = Frames.of(REPORTS.values())
    order = [3, 0, 2]
    reports = [list(REPORTS.values())[k] for k in order]
    assert_equal(everything.select(order), Frames.of(reports))
    assert_equal(everything.select([]), Frames.of([]))
    halves = [everything.select(half) for half in np.array_split(np.arange(len(REPORTS)), 2)]
    assert_equal(Frames.join(halves), everything)
