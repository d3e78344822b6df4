# SPDX-License-Identifier: GPL-3.0-or-later
"""Recordings of other programs: what is unambiguous is taken, the rest refused or noted."""

import json

import pytest
from recording_files import RATE, edit_meta, some_samples, write_recording
from reports import make_report

from gr_jadce.recordings.annotations import annotate_recording
from gr_jadce.recordings.fields import EXTENSION
from gr_jadce.recordings.reader import read_recording
from gr_jadce.recordings.times import time_after


def test_a_recording_of_another_program_follows_index_date_or_nothing(name):
    samples = some_samples(400, 1)
    meta_path, _ = write_recording(name, samples)
    captures = [
        {"core:sample_start": 0, "core:global_index": 1000, "core:datetime": "2024-02-29T12:00:00.5Z"},
        {"core:sample_start": 100, "core:global_index": 1600, "core:datetime": "2024-02-29T12:00:00Z"},
        {"core:sample_start": 200, "core:datetime": "2024-02-29T12:00:07.25Z"},
        {"core:sample_start": 300, "core:frequency": 5},
    ]
    edit_meta(meta_path, lambda meta: meta.update(captures=captures))
    times = [segment.rx_time for segment in read_recording(name).segments]
    noon = 1_709_208_000
    assert times == [(noon, 0.5), (noon, 0.5006), (noon + 7, 0.25), (noon + 7, 0.2501)]


def test_no_captures_means_one_segment(name):
    meta_path, _ = write_recording(name, some_samples(10, 1))
    edit_meta(meta_path, lambda meta: meta.update(captures=[]))
    assert read_recording(name).segments == ((0, 10, (0, 0.0), None),)


@pytest.mark.parametrize(
    "wrong", ["2024-02-30T00:00:00Z", "2024-02-28 00:00", "yesterday", "1969-12-31T00:00:00Z"]
)
def test_a_wrong_date_is_refused(name, wrong):
    meta_path, _ = write_recording(name, some_samples(10, 1))
    edit_meta(
        meta_path, lambda meta: meta.update(captures=[{"core:sample_start": 0, "core:datetime": wrong}])
    )
    with pytest.raises(ValueError, match="cannot use this recording"):
        read_recording(name)


def captured(name, captures, n_samples=300, **global_fields):
    """A recording of another program with such captures."""
    meta_path, _ = write_recording(name, some_samples(n_samples, 1))

    def change(meta):
        fields = {"core:datatype": "cf32_le", "core:sample_rate": RATE, "core:version": "1.0.0"}
        meta.clear()
        meta.update({"global": fields | global_fields, "captures": captures, "annotations": []})

    edit_meta(meta_path, change)
    return meta_path


NOON = 1_709_208_000


def dated(*texts):
    return [{"core:sample_start": 100 * i, "core:datetime": text} for i, text in enumerate(texts)]


@pytest.mark.parametrize(
    "texts",
    [
        ("2024-02-29T12:00:00.010Z", "2024-02-29T12:00:00.010Z", "2024-02-29T12:00:00.010Z"),
        ("2024-02-29T12:00:00.010Z", "2024-02-29T12:00:00.011Z", "2024-02-29T12:00:00.010Z"),
        ("2024-02-29T12:00:00Z", "2024-02-29T12:00:00Z", "2024-02-29T12:00:01Z"),
    ],
)
def test_a_date_within_its_own_resolution_is_no_jump(name, texts):
    recording = read_recording(captured(name, dated(*texts)))
    first = recording.segments[0].rx_time
    assert [s.rx_time for s in recording.segments] == [time_after(first, 100 * i, RATE) for i in range(3)]
    (note,) = recording.notes
    assert "tells no gap before 2 capture segments" in note


def test_a_date_beyond_its_own_resolution_is_a_jump_and_noted(name):
    recording = read_recording(captured(name, dated("2024-02-29T12:00:00Z", "2024-02-29T12:00:05Z")))
    assert [s.rx_time for s in recording.segments] == [(NOON, 0.0), (NOON + 5, 0.0)]
    (note,) = recording.notes
    assert "written to 1 s, is all that tells how long the gap is before 1 capture segments" in note


def test_exact_dates_need_no_note(name):
    texts = (
        "2024-02-29T12:00:00.010000000Z",
        "2024-02-29T12:00:00.010100000Z",
        "2024-02-29T12:00:07.25000000Z",
    )
    recording = read_recording(captured(name, dated(*texts)))
    assert [s.rx_time for s in recording.segments] == [(NOON, 0.01), (NOON, 0.0101), (NOON + 7, 0.25)]
    assert recording.notes == ()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2024-02-29T12:00:00.5+00:00", (NOON, 0.5)),
        ("2024-02-29T12:00:00.5", (NOON, 0.5)),
        ("2024-02-29 12:00:00.5 Z", (NOON, 0.5)),
        ("2024-02-29t14:30:00.5+02:30", (NOON, 0.5)),
        ("2024-02-29T12:00:00." + 20 * "9" + "Z", (NOON + 1, 0.0)),
    ],
)
def test_a_date_that_is_unambiguous_is_taken(name, text, seconds):
    assert read_recording(captured(name, dated(text))).segments[0].rx_time == seconds


def test_captures_that_start_late_are_led_up_to(name):
    captures = [
        {"core:sample_start": 100, "core:datetime": "2024-02-29T12:00:00.0001Z", "core:frequency": 1e9}
    ]
    recording = read_recording(captured(name, captures))
    assert recording.segments == ((0, 100, (NOON, 0.0), None), (100, 300, (NOON, 1e-4), 1e9))
    assert "the first 100 samples are in no capture segment" in recording.notes[0]


def test_captures_before_time_zero_are_refused(name):
    with pytest.raises(
        ValueError, match=r"core:sample_start: expected at most 0 in the first capture segment"
    ):
        read_recording(captured(name, [{"core:sample_start": 100}]))


def test_captures_as_one_object_are_a_list_of_it(name):
    recording = read_recording(captured(name, dated("2024-02-29T12:00:00Z")[0]))
    assert recording.segments == ((0, 300, (NOON, 0.0), None),)


def test_an_extension_that_is_needed_is_refused(name):
    needed = {"name": "capture_details", "version": "1.0.0", "optional": False}
    meta_path = captured(name, [], **{"core:extensions": [needed]})
    with pytest.raises(
        ValueError, match=r"core:extensions: .*got 'capture_details'; set its optional to true"
    ):
        read_recording(meta_path)
    edit_meta(meta_path, lambda meta: meta["global"]["core:extensions"][0].update(optional=True))
    assert read_recording(meta_path).n_samples == 300


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, [EXTENSION]),
        ([], [EXTENSION]),
        ([{"name": "antenna", "version": "1.0.0", "optional": True}],
         [{"name": "antenna", "version": "1.0.0", "optional": True}, EXTENSION]),
        ({"antenna": "1.0.0"}, {"antenna": "1.0.0", "jadce": "1.0.0"}),
    ],
)  # fmt: skip
def test_annotating_declares_our_namespace(name, before, after):
    declared = {} if before is None else {"core:extensions": before}
    meta_path = captured(name, dated("2024-02-29T12:00:00Z"), **declared)
    assert annotate_recording(meta_path, [make_report(n_active=1, rx_time=(NOON, 0.0))], 40) == (1, 0)
    assert json.loads(meta_path.read_text())["global"]["core:extensions"] == after


def test_the_sigmf_package_accepts_our_annotations_of_another_recording(name):
    sigmf = pytest.importorskip("sigmf", reason="the sigmf package is in the test environment only")
    meta_path = captured(name, dated("2024-02-29T12:00:00Z"))
    annotate_recording(meta_path, [make_report(n_active=1, rx_time=(NOON, 0.0))], 40)
    sigmf.sigmffile.fromfile(str(meta_path)).validate()


def test_a_collection_is_named_as_what_it_is(name):
    with pytest.raises(ValueError, match="expected a recording, got a collection of them"):
        read_recording(f"{name}.sigmf-collection")
