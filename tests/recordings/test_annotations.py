# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports as annotations of a recording: at the right samples, readable elsewhere, and replaceable."""

import json

import numpy as np
import pytest
from reports import make_report

from gr_jadce.recordings.annotations import annotate_recording
from gr_jadce.recordings.fields import recording_paths
from gr_jadce.recordings.reader import read_recording
from gr_jadce.recordings.writer import RecordingWriter

RATE = 1e6


@pytest.fixture
def recorded(tmp_path):
    """1000 samples from 5 s, then 1000 from 6.5 s, and the annotation of somebody else."""
    with RecordingWriter(tmp_path / "r", 2, RATE, frequency=1e9) as writer:
        writer.write(np.ones((1000, 2)), (5, 0.0))
        writer.annotate(700, 5, "a lorry")
        writer.write(np.ones((1000, 2)), (6, 0.5))
    return tmp_path / "r.sigmf-meta"


def report(seconds, fraction, device=(3, 17), **changes):
    n_active = len(device)
    return make_report(n_active=n_active, rx_time=(seconds, fraction), device=list(device), **changes)


def ours(path):
    return [entry for entry in read_recording(path).annotations if "core:generator" in entry]


def test_annotations_are_at_their_time(recorded):
    reports = [report(6, 0.500100), report(5, 0.0), report(5, 0.00099)]
    assert annotate_recording(recorded, reports, 40) == (3, 0)
    places = [(entry["core:sample_start"], entry["core:sample_count"]) for entry in ours(recorded)]
    assert places == [(0, 40), (990, 10), (1100, 40)]


def test_what_an_annotation_tells(recorded):
    annotate_recording(recorded, [report(5, 0.0001, score=[4.0, np.inf], frame_id=12)], 40)
    (entry,) = ours(recorded)
    assert entry["core:label"] == "3 17"
    assert entry["core:comment"] == "frame 12, ok, active: 3 17"
    assert entry["core:generator"] == "gr-jadce pc_admm"
    assert (entry["core:freq_lower_edge"], entry["core:freq_upper_edge"]) == (999.5e6, 1000.5e6)
    assert (entry["jadce:device"], entry["jadce:score"]) == ([3, 17], [4.0, None])


@pytest.mark.parametrize(
    ("device", "label"),
    [
        (range(6), "0 1 2 3 4 5"),
        (range(100, 120), "100 101 102 103 +16"),
        (range(100, 105), "100 101 102 103 104"),
    ],
)
def test_a_label_is_short(device, label, recorded):
    annotate_recording(recorded, [report(5, 0.0, device)], 40)
    assert ours(recorded)[0]["core:label"] == label
    assert len(label) <= 20


def test_frames_without_devices_are_annotated_only_if_not_good(recorded):
    reports = [report(5, 0.0, ()), report(5, 0.0001, (), status="bad_input")]
    assert annotate_recording(recorded, reports, 40) == (1, 0)
    assert ours(recorded)[0]["core:label"] == "bad_input"


def test_names_of_devices_are_used(recorded):
    annotate_recording(recorded, [report(5, 0.0, device_id=("meter", "pump"))], 40)
    assert ours(recorded)[0]["core:label"] == "meter pump"


def test_reports_of_other_times_are_counted(recorded):
    reports = [report(5, 0.0011), report(4, 0.999), report(6, 0.501), report(5, 0.0)]
    assert annotate_recording(recorded, reports, 40) == (1, 3)


def test_annotations_are_replaced_and_those_of_others_kept(recorded):
    before = json.loads(recorded.read_text())
    for _ in range(2):
        annotate_recording(recorded, [report(5, 0.0)], 40)
    assert len(ours(recorded)) == 1
    annotate_recording(recorded, [], 40)
    assert json.loads(recorded.read_text()) == before


def test_a_wrong_length_is_refused(recorded):
    with pytest.raises(ValueError, match="n_samples"):
        annotate_recording(recorded, [], 0)


def test_the_sigmf_package_accepts_and_reads_them(recorded):
    sigmf = pytest.importorskip("sigmf", reason="the sigmf package is in the test environment only")
    annotate_recording(recorded, [report(5, 0.0001), report(6, 0.5, (), status="clipped")], 40)
    other = sigmf.sigmffile.fromfile(str(recording_paths(recorded)[0]))
    other.validate()
    assert [entry["core:label"] for entry in other.get_annotations()] == ["3 17", "a lorry", "clipped"]
