# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines of many reports at once: those of `to_json`, or none where PDUs are not for sure a report."""

from dataclasses import replace

import numpy as np
import pytest
from reports import make_report

from gr_jadce.delivery.line_blocks import lines_of
from gr_jadce.reports.json_lines import to_json
from gr_jadce.reports.pdus import to_pmts

pmt = pytest.importorskip("pmt")

DOUBLES = [
    0.0,
    -0.0,
    1.0,
    0.1,
    1e-4,
    9.999e-5,
    1e15,
    1e16,
    1.5e300,
    5e-324,
    123456.75,
    -2 / 3,
    np.nan,
    -np.inf,
]


def to_bytes(report):
    return [pmt.serialize_str(pdu) for pdu in to_pmts(report)]


def pdus(*reports):
    return [data for report in reports for data in to_bytes(report)]


@pytest.fixture(params=["auto", "numpy"])
def lines(request):
    return lambda *data: lines_of(data, request.param)


def test_lines_are_those_of_to_json(lines):
    rng = np.random.default_rng(1)
    reports = []
    for frame_id, value in enumerate(DOUBLES):
        count = frame_id % 5
        channel = rng.standard_normal((count, 2)) * 10.0 ** rng.integers(-40, 38, (count, 2))
        reports.append(
            make_report(
                frame_id=2**60 + frame_id,
                device=np.arange(count) * 3,
                channel=(channel * (1 + 0.5j)).astype(np.complex64),
                score=rng.exponential(9, count),
                n_antennas=2,
                noise_var=value,
                snr_db=value,
                solve_time=value,
            )
        )
    assert lines(*pdus(*reports)) == [to_json(report).encode() + b"\n" for report in reports]


def test_nan_in_vectors_is_null(lines):
    report = make_report(n_active=2, score=np.array([np.nan, np.inf]))
    assert lines(*pdus(report)) == [to_json(report).encode() + b"\n"]


def test_pdus_of_different_frames_are_no_report(lines):
    one, other = make_report(frame_id=1), make_report(frame_id=2)
    assert lines(to_bytes(one)[0], to_bytes(other)[1]) == [b""]
    assert lines(to_bytes(one)[0], to_bytes(one)[0]) == [b""]


@pytest.mark.parametrize("cut", [1, 30, 200])
def test_what_is_cut_off_is_no_report_and_harms_no_other(lines, cut):
    activity, channel = to_bytes(make_report())
    found = lines(activity[:-cut], channel, activity, channel)
    assert (found[0], bool(found[1])) == (b"", True)


def test_texts_that_need_escapes_are_left_to_python():
    report = replace(make_report(), estimator='a "b"')
    assert lines_of(pdus(report)) in ([b""], [to_json(report).encode() + b"\n"])
