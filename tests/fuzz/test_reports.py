# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: PT017 (what is raised is one of two good ends)
"""Reports as JSON and as messages: whatever comes, it is a report, or refused and counted."""

import json

import numpy as np
import pmt
import pytest
from hostile import JSON, PMT, TEXT, mutated, replaced
from hypothesis import given
from hypothesis import strategies as st
from reports import from_pmts, make_report

from gr_jadce.blocks import json_sink, scorer
from gr_jadce.evaluation import frame_lines
from gr_jadce.evaluation.frame_lines import read_frame
from gr_jadce.reports.json_lines import from_json, to_json
from gr_jadce.reports.pdus import activity_from_pmt, channel_from_pmt, status_from_pmt, to_pmts
from gr_jadce.reports.report import Report
from gr_jadce.reports.scoring import Frames, Score

REPORTS = [make_report(device_id=[*"abcde"]), make_report(n_active=0)]
LINES = [to_json(report) for report in REPORTS]
PDUS = [to_pmts(report) for report in REPORTS]
KEYS = [
    sorted(set(pmt.to_python(pmt.car(activity))) | {"device", "device_id", "x"}) for activity, _ in PDUS
]  # fmt: skip


def use(line):
    """What programs do with a line: read it, score it, write it."""
    try:
        assert_kernel_agrees(line)
        report = from_json(line)
        assert read_frame(line).device == report.device.tolist()
        Score().add(report, report)
    except ValueError as error:
        assert len(str(error)) < 1000
        return
    from_json(to_json(report))


def assert_kernel_agrees(line):
    """What the kernel takes for a report has these fields in Python's json too."""
    _, places, frames = frame_lines._read_plain(line.encode(errors="replace"), "auto")
    if len(places):
        for column, expected in zip(frames, Frames.of([read_frame(line)]), strict=True):
            assert column.dtype == expected.dtype
            assert np.array_equal(column, expected)


@given(data=st.data(), which=st.integers(0, 1))
def test_damaged_lines(data, which):
    use(data.draw(mutated(LINES[which].encode())).decode(errors="replace"))


@given(data=st.data(), which=st.integers(0, 1))
def test_lines_with_a_value_replaced(data, which):
    use(json.dumps(data.draw(replaced(json.loads(LINES[which])))))


@given(value=JSON)
def test_lines_of_anything(value):
    use(json.dumps(value))


@pytest.mark.parametrize("opening", ["[", '{"a":', '{"schema": [['])
def test_lines_nested_deeply(opening):
    use(opening * 100_000)


@st.composite
def pdus(draw):
    """Activity and channel of a report, some of it replaced."""
    which = draw(st.integers(0, 1))
    parts = []
    for pdu in PDUS[which]:
        meta, vector = pmt.car(pdu), pmt.cdr(pdu)
        for key in draw(st.lists(st.sampled_from(KEYS[which]), max_size=2)):
            meta = pmt.dict_add(meta, pmt.intern(key), draw(PMT))
        if draw(st.integers(0, 4)) == 0:
            vector = draw(PMT)
        parts.append(draw(PMT) if draw(st.integers(0, 9)) == 0 else pmt.cons(meta, vector))
    return parts


@given(parts=pdus())
def test_messages_with_values_replaced(parts):
    activity, channel = parts
    for parse, arguments in (
        (activity_from_pmt, [activity]), (channel_from_pmt, [channel]), (from_pmts, parts)
    ):  # fmt: skip
        try:
            found = parse(*arguments)
        except ValueError as error:
            assert len(str(error)) < 1000
            continue
        if isinstance(found, Report):
            from_json(to_json(found))


@given(name=TEXT.filter(lambda text: text.isascii()), key=PMT, value=PMT, message=PMT)
def test_statuses_of_anything(name, key, value, message):
    status = pmt.dict_add(pmt.dict_add(pmt.make_dict(), pmt.intern(name), value), key, value)
    for candidate in (status, message):
        try:
            assert isinstance(status_from_pmt(candidate), dict)
        except ValueError as error:
            assert len(str(error)) < 1000


@pytest.fixture(scope="module")
def sinks(tmp_path_factory):
    return [json_sink(tmp_path_factory.mktemp("fuzz") / "out.jsonl"), scorer()]


@given(messages=st.lists(pdus(), max_size=3), other=PMT)
def test_sinks_take_all_messages(messages, other, sinks):
    for sink in sinks:
        for parts in messages:
            for message in parts:
                sink.handle_message(message)
        if not pmt.equal(other, pmt.PMT_EOF):
            sink.handle_message(other)


def test_sinks_count_what_they_refuse(sinks):
    for sink in sinks:
        refused = sink.rejected()
        for message in (pmt.PMT_T, pmt.cons(pmt.PMT_T, pmt.PMT_T), pmt.intern("x")):
            sink.handle_message(message)
        assert sink.rejected() == refused + 3
