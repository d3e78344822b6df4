# SPDX-License-Identifier: GPL-3.0-or-later
"""Every way in which the files of a recording can be wrong."""

import pytest
from recording_files import RATE, edit_meta, some_samples, write_recording

from gr_jadce.recordings.fields import recording_paths
from gr_jadce.recordings.reader import read_recording
from gr_jadce.recordings.writer import RecordingWriter

WRONG = {
    "datatype": (
        lambda m: m["global"].update({"core:datatype": "rf32_le"}),
        "core:datatype.*cf32_le.*rf32_le",
    ),
    "no datatype": (lambda m: m["global"].pop("core:datatype"), "core:datatype: expected str, got nothing"),
    "no rate": (lambda m: m["global"].pop("core:sample_rate"), "core:sample_rate.*got nothing"),
    "rate 0": (lambda m: m["global"].update({"core:sample_rate": 0}), "core:sample_rate.*above 0"),
    "rate NaN": (lambda m: m["global"].update({"core:sample_rate": float("nan")}), "core:sample_rate"),
    "rate text": (lambda m: m["global"].update({"core:sample_rate": "1e6"}), "core:sample_rate"),
    "antennas 0": (lambda m: m["global"].update({"core:num_channels": 0}), "core:num_channels"),
    "antennas true": (lambda m: m["global"].update({"core:num_channels": True}), "core:num_channels"),
    "antennas 3": (lambda m: m["global"].update({"core:num_channels": 3}), "truncated.*multiple of 24"),
    "antennas 4": (lambda m: m["global"].update({"core:num_channels": 4}), "100 samples, got 50"),
    "no global": (lambda m: m.pop("global"), "global"),
    "captures": (lambda m: m.update(captures=[3]), "captures"),
    "annotations": (lambda m: m.update(annotations={}), "annotations"),
    "annotation start": (lambda m: m.update(annotations=[{}]), "core:sample_start"),
    "no start": (lambda m: m["captures"][1].pop("core:sample_start"), "core:sample_start"),
    "first start": (
        lambda m: m["captures"][0].update({"core:sample_start": -1}),
        "core:sample_start: expected an integer of at least 0, got -1",
    ),
    "order": (lambda m: m["captures"].append({"core:sample_start": 20}), "out of order"),
    "start beyond": (
        lambda m: m["captures"].append({"core:sample_start": 100}),
        "truncated.*start of the last",
    ),
    "start fraction": (
        lambda m: m["captures"][1].update({"core:sample_start": 60.5}),
        "core:sample_start.*60.5",
    ),
    "time parts": (lambda m: m["captures"][1]["jadce:rx_time"].pop("fraction"), "fraction"),
    "time negative": (lambda m: m["captures"][1]["jadce:rx_time"].update(seconds=-1), "jadce:rx_time.*-1"),
    "time fraction": (lambda m: m["captures"][1]["jadce:rx_time"].update(fraction=1.0), "jadce:rx_time"),
    "dataset": (lambda m: m["global"].update({"core:dataset": "x.wav"}), "core:dataset.*not supported"),
    "header": (lambda m: m["captures"][0].update({"core:header_bytes": 44}), "core:header_bytes"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_metadata_is_refused_and_named(name, case):
    change, message = WRONG[case]
    samples = some_samples(100, 2)
    with RecordingWriter(name, 2, RATE) as writer:
        writer.write(samples[:50], (5, 0.0))
        writer.write(samples[50:], (6, 0.0))
    meta_path, _ = recording_paths(name)
    edit_meta(meta_path, change)
    with pytest.raises(ValueError, match=message) as error:
        read_recording(name)
    assert str(meta_path) in str(error.value)


@pytest.mark.parametrize("text", [b"", b"{", b"[1, 2]", b"\xff\xfe{}", b"[" * 100_000, b"not json"])
def test_metadata_that_are_no_json_object_are_refused(name, text):
    meta_path, _ = write_recording(name, some_samples(10, 1))
    meta_path.write_bytes(text)
    with pytest.raises(ValueError, match=r"expected .*JSON"):
        read_recording(name)


@pytest.mark.parametrize(
    ("cut", "message"), [(1, "multiple of 16"), (8, "multiple of 16"), (16, "100 samples, got 99")]
)
def test_truncated_data_are_refused(name, cut, message):
    _, data_path = write_recording(name, some_samples(100, 2))
    with open(data_path, "r+b") as file:
        file.truncate(1600 - cut)
    with pytest.raises(ValueError, match=message):
        read_recording(name)


@pytest.mark.parametrize("index", [0, 1])
def test_a_missing_file_is_an_os_error(name, index):
    paths = write_recording(name, some_samples(10, 1))
    paths[index].unlink()
    with pytest.raises(FileNotFoundError):
        read_recording(name)


@pytest.mark.parametrize(
    ("key", "value"),
    [("core:sample_rate", 10**400), ("core:sample_rate", 1e-30), ("core:num_channels", 2**40),
     ("core:frequency", 10**400), ("core:frequency", float("nan"))],
)  # fmt: skip
def test_numbers_beyond_all_use_are_refused(name, key, value):
    meta_path, data_path = write_recording(name, some_samples(0, 1))
    data_path.write_bytes(b"" if key == "core:num_channels" else bytes(8))
    scope = {"core:frequency": "captures"}.get(key, "global")
    edit_meta(meta_path, lambda meta: meta["global"].pop("jadce:sample_count"))
    edit_meta(meta_path, lambda meta: meta.update(captures=[{"core:sample_start": 0}]))
    edit_meta(
        meta_path, lambda meta: (meta[scope][0] if scope == "captures" else meta[scope]).update({key: value})
    )
    with pytest.raises(ValueError, match="cannot use this recording: .* expected|rate: expected"):
        read_recording(name)


def test_a_refusal_stays_short(name):
    meta_path, _ = write_recording(name, some_samples(3, 1))
    edit_meta(meta_path, lambda meta: meta["global"].update({"core:datatype": "x" * 10**6}))
    with pytest.raises(ValueError, match="core:datatype: expected") as caught:
        read_recording(name)
    assert len(str(caught.value)) < 1000
