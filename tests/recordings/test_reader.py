# SPDX-License-Identifier: GPL-3.0-or-later
"""SigMF recordings: exact round trips, segments, and every way a file can be wrong."""

import json

import numpy as np
import pytest

from gr_jadce.recordings.fields import recording_paths
from gr_jadce.recordings.metadata import write_meta as write_recording_meta
from gr_jadce.recordings.reader import read_recording
from gr_jadce.recordings.times import time_after
from gr_jadce.recordings.writer import RecordingWriter

RATE = 1e6


def some_samples(n, n_antennas, scale=0.2, seed=0):
    rng = np.random.default_rng(seed)
    parts = rng.standard_normal((n, n_antennas, 2), dtype=np.float32) * np.float32(scale)
    return parts.view(np.complex64)[..., 0]


@pytest.fixture
def name(tmp_path):
    return tmp_path / "night.walk"


def write(name, samples, rx_time=(100, 0.25), **options):
    with RecordingWriter(name, samples.shape[1], RATE, **options) as writer:
        writer.write(samples, rx_time)
    return recording_paths(name)


def edit(meta_path, change):
    meta = json.loads(meta_path.read_text())
    change(meta)
    meta_path.write_text(json.dumps(meta))


@pytest.mark.parametrize("n_antennas", [1, 3])
def test_float_samples_come_back_exactly_in_any_blocks(name, n_antennas):
    samples = some_samples(1000, n_antennas)
    with RecordingWriter(name, n_antennas, RATE, frequency=915e6) as writer:
        for block in np.split(samples, [1, 10, 10, 700]):
            writer.write(block)
    recording = read_recording(name)
    np.testing.assert_array_equal(recording.read(), samples)
    np.testing.assert_array_equal(recording.read(9, 12), samples[9:12])
    assert (recording.n_samples, recording.n_antennas, recording.sample_rate) == (1000, n_antennas, RATE)
    assert recording.segments == ((0, 1000, (0, 0.0), 915e6),)
    assert recording.read().dtype == np.complex64


def test_data_are_interleaved_little_endian(name):
    samples = some_samples(5, 2)
    _, data_path = write(name, samples)
    np.testing.assert_array_equal(np.fromfile(data_path, "<c8").reshape(5, 2), samples)


def test_int16_samples_come_back_within_half_a_step(name):
    samples = some_samples(1000, 2)
    _, data_path = write(name, samples, datatype="ci16_le")
    assert data_path.stat().st_size == 1000 * 2 * 4
    error = read_recording(name).read() - samples
    assert max(np.abs(error.real).max(), np.abs(error.imag).max()) <= 0.5 / 32768


def test_int16_has_a_full_scale_of_one_and_clips_and_counts(name):
    samples = np.array([[0.5 - 1j], [2 - 3j], [1.0], [-1.0]], np.complex64)
    with RecordingWriter(name, 1, RATE, datatype="ci16_le") as writer:
        writer.write(samples)
        assert writer.clipped == 2
    stored = np.fromfile(recording_paths(name)[1], "<i2").reshape(-1, 2).tolist()
    assert stored == [[16384, -32768], [32767, -32768], [32767, 0], [-32768, 0]]
    assert read_recording(name).read()[0, 0] == 0.5 - 1j


def test_int16_counts_what_is_no_number_as_clipped(name):
    samples = np.array([[np.nan + 0.5j], [np.inf - 0.5j], [0.25]], np.complex64)
    with RecordingWriter(name, 1, RATE, datatype="ci16_le") as writer:
        writer.write(samples)
        assert writer.clipped == 2
    stored = np.fromfile(recording_paths(name)[1], "<i2").reshape(-1, 2).tolist()
    assert stored == [[0, 16384], [32767, -16384], [8192, 0]]


def test_a_jump_in_time_starts_a_segment_with_its_exact_time(name):
    blocks = np.split(some_samples(300, 2), [100, 200])
    late = (1_700_000_000, 0.1 + 0.2)
    with RecordingWriter(name, 2, RATE, frequency=2.4e9) as writer:
        writer.write(blocks[0], (1_699_999_999, 0.9999999))
        writer.write(blocks[1], time_after((1_699_999_999, 0.9999999), 100, RATE))
        writer.write(blocks[2], late)
    recording = read_recording(name)
    assert [(s.start, s.stop) for s in recording.segments] == [(0, 200), (200, 300)]
    assert [s.rx_time for s in recording.segments] == [(1_699_999_999, 0.9999999), late]
    captures = json.loads(recording_paths(name)[0].read_text())["captures"]
    assert captures[1]["core:datetime"] == "2023-11-14T22:13:20.300000000Z"


@pytest.mark.parametrize(("off", "segments"), [(0.49, 1), (-0.49, 1), (0.51, 2), (-0.51, 2), (-10, 2)])
def test_half_a_sample_decides_what_a_jump_is(name, off, segments):
    with RecordingWriter(name, 1, RATE) as writer:
        writer.write(some_samples(50, 1), (7, 0.0))
        writer.write(some_samples(50, 1), (7, (50 + off) / RATE))
    assert len(read_recording(name).segments) == segments


def test_time_after_is_exact_over_years():
    assert time_after((5, 0.5), 10**15 + 1, 1e6) == (5 + 10**9, 0.500001)
    assert time_after((0, 0.0), 3, 3.0) == (1, 0.0)
    assert time_after((1, 0.25), 7 * 10**12 // 2, 3.5e6) == (1_000_001, 0.25)


def test_annotations_are_kept_in_order(name):
    with RecordingWriter(name, 1, RATE) as writer:
        writer.write(some_samples(100, 1))
        writer.annotate(50, 10, "device 7", frame_id=1)
        writer.annotate(0, 10, "device 3", frame_id=0)
    first, second = read_recording(name).annotations
    assert first == {
        "core:sample_start": 0, "core:sample_count": 10, "core:label": "device 3", "jadce:frame_id": 0,
    }  # fmt: skip
    assert second["core:sample_start"] == 50


def test_an_empty_recording_can_be_read(name):
    with RecordingWriter(name, 2, RATE) as writer:
        writer.write(np.empty((0, 2), np.complex64), (9, 0.0))
    recording = read_recording(name)
    assert (recording.n_samples, recording.segments, recording.read().shape) == (0, (), (0, 2))


def test_a_recording_that_was_cut_short_can_be_read(name):
    writer = RecordingWriter(name, 1, RATE)
    writer.write(some_samples(10_000, 1), (3, 0.0))
    writer.write(some_samples(10, 1), (4, 0.0))
    recording = read_recording(name)
    assert [(s.stop, s.rx_time) for s in recording.segments] == [(10_000, (3, 0.0)), (10_010, (4, 0.0))]
    with open(recording_paths(name)[1], "r+b") as file:
        file.truncate(8 * 10_000)  # what a crash before the last write leaves
    assert [s.rx_time for s in read_recording(name).segments] == [(3, 0.0)]
    with open(recording_paths(name)[1], "r+b") as file:
        file.truncate(8 * 5_000 + 3)
    assert read_recording(name).n_samples == 5_000
    writer.close()


def test_skipped_samples_are_a_gap_of_their_length(name):
    samples = some_samples(30, 1)
    with RecordingWriter(name, 1, RATE) as writer:
        writer.write(samples[:10], (3, 0.0))
        writer.skip(5)
        writer.skip(7)
        writer.write(samples[10:20])
        writer.skip(100, (8, 0.5))
        writer.write(samples[20:])
    recording = read_recording(name)
    assert [s.start for s in recording.segments] == [0, 10, 20]
    assert [s.rx_time for s in recording.segments] == [(3, 0.0), (3, 22e-6), (8, 0.5001)]
    np.testing.assert_array_equal(recording.read(), samples)


def test_a_new_frequency_starts_a_segment(name):
    with RecordingWriter(name, 1, RATE, frequency=1e9) as writer:
        for frequency in (2e9, 2e9, None, 3e9):
            writer.write(some_samples(10, 1), frequency=frequency)
    segments = read_recording(name).segments
    assert [(s.start, s.frequency) for s in segments] == [(0, 2e9), (30, 3e9)]
    assert [s.rx_time for s in segments] == [(0, 0.0), (0, 3e-5)]


def test_the_rate_can_change_before_the_first_sample_only(name):
    with RecordingWriter(name, 1, RATE) as writer:
        writer.write(some_samples(10, 1), (1, 0.0), sample_rate=2 * RATE)
        writer.write(some_samples(10, 1), sample_rate=2 * RATE)
        with pytest.raises(ValueError, match=r"sample_rate: expected 2000000\.0, as before"):
            writer.write(some_samples(10, 1), sample_rate=RATE)
    assert (read_recording(name).sample_rate, read_recording(name).n_samples) == (2 * RATE, 20)


def test_a_closed_recording_can_be_gone_on_with(name):
    writer = RecordingWriter(name, 1, RATE)
    writer.write(some_samples(10, 1), (1, 0.0))
    writer.close()
    writer.reopen()
    writer.write(some_samples(10, 1), (2, 0.0))
    assert read_recording(name).n_samples == 20
    writer.close()
    assert [s.rx_time for s in read_recording(name).segments] == [(1, 0.0), (2, 0.0)]


def test_a_recording_that_was_cut_for_room_goes_on_with_the_right_time(name, monkeypatch):
    replace, full = write_recording_meta, []

    def write_meta(path, meta):
        if meta["global"]["jadce:finished"] and not full:
            full.append(True)
            raise OSError(28, "No space left on device")
        replace(path, meta)

    writer = RecordingWriter(name, 1, RATE)
    writer.write(some_samples(10, 1), (1, 0.0))
    monkeypatch.setattr("gr_jadce.recordings.writer.write_meta", write_meta)
    writer.close()
    writer.reopen()
    writer.write(some_samples(10, 1))
    writer.close()
    assert [s.rx_time for s in read_recording(name).segments] == [(1, 10 / RATE)]


def test_reading_does_not_load_the_file(name):
    with RecordingWriter(name, 1, RATE) as writer:
        writer.write(some_samples(10, 1))
    _, data_path = recording_paths(name)
    with open(data_path, "r+b") as file:
        file.truncate(8 << 33)  # sparse, 64 GiB
    edit(recording_paths(name)[0], lambda meta: meta["global"].pop("jadce:sample_count"))
    recording = read_recording(name)
    assert recording.n_samples == 1 << 33
    assert recording.read(1 << 32, (1 << 32) + 5).tolist() == [[0]] * 5


@pytest.mark.parametrize("suffix", ["", ".sigmf-meta", ".sigmf-data"])
def test_any_of_its_names_opens_it(name, suffix):
    write(name, some_samples(10, 1))
    assert read_recording(f"{name}{suffix}").n_samples == 10


def test_verify_finds_a_changed_byte(name):
    _, data_path = write(name, some_samples(100, 1), checksum=True)
    read_recording(name).verify()
    data = bytearray(data_path.read_bytes())
    data[77] ^= 1
    data_path.write_bytes(data)
    with pytest.raises(ValueError, match="SHA-512"):
        read_recording(name).verify()


def test_verify_needs_a_checksum(name):
    write(name, some_samples(10, 1))
    with pytest.raises(ValueError, match="core:sha512"):
        read_recording(name).verify()


@pytest.mark.parametrize("datatype", ["cf32_le", "ci16_le"])
def test_the_sigmf_package_accepts_and_reads_it(name, datatype):
    sigmf = pytest.importorskip("sigmf", reason="the sigmf package is in the test environment only")
    samples = some_samples(200, 2)
    with RecordingWriter(name, 2, RATE, frequency=1e9, datatype=datatype, checksum=True) as writer:
        writer.write(samples[:120], (1_700_000_000, 0.5))
        writer.write(samples[120:], (1_700_000_001, 0.0))
        writer.annotate(120, 10, "device 3", frame_id=4)
    other = sigmf.sigmffile.fromfile(str(recording_paths(name)[0]))  # checks the SHA-512 sum too
    other.validate()
    assert other.sample_count == 200
    theirs = other.read_samples()
    np.testing.assert_allclose(theirs, read_recording(name).read(), atol=1e-7)


def test_a_recording_of_another_program_follows_index_date_or_nothing(name):
    samples = some_samples(400, 1)
    meta_path, _ = write(name, samples)
    captures = [
        {"core:sample_start": 0, "core:global_index": 1000, "core:datetime": "2024-02-29T12:00:00.5Z"},
        {"core:sample_start": 100, "core:global_index": 1600, "core:datetime": "2024-02-29T12:00:00Z"},
        {"core:sample_start": 200, "core:datetime": "2024-02-29T12:00:07.25Z"},
        {"core:sample_start": 300, "core:frequency": 5},
    ]
    edit(meta_path, lambda meta: meta.update(captures=captures))
    times = [segment.rx_time for segment in read_recording(name).segments]
    noon = 1_709_208_000
    assert times == [(noon, 0.5), (noon, 0.5006), (noon + 7, 0.25), (noon + 7, 0.2501)]


def test_no_captures_means_one_segment(name):
    meta_path, _ = write(name, some_samples(10, 1))
    edit(meta_path, lambda meta: meta.update(captures=[]))
    assert read_recording(name).segments == ((0, 10, (0, 0.0), None),)


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
    edit(meta_path, change)
    with pytest.raises(ValueError, match=message) as error:
        read_recording(name)
    assert str(meta_path) in str(error.value)


@pytest.mark.parametrize("text", [b"", b"{", b"[1, 2]", b"\xff\xfe{}", b"[" * 100_000, b"not json"])
def test_metadata_that_are_no_json_object_are_refused(name, text):
    meta_path, _ = write(name, some_samples(10, 1))
    meta_path.write_bytes(text)
    with pytest.raises(ValueError, match=r"expected .*JSON"):
        read_recording(name)


@pytest.mark.parametrize(
    "wrong", ["2024-02-30T00:00:00Z", "2024-02-28 00:00", "yesterday", "1969-12-31T00:00:00Z"]
)
def test_a_wrong_date_is_refused(name, wrong):
    meta_path, _ = write(name, some_samples(10, 1))
    edit(meta_path, lambda meta: meta.update(captures=[{"core:sample_start": 0, "core:datetime": wrong}]))
    with pytest.raises(ValueError, match="cannot use this recording"):
        read_recording(name)


@pytest.mark.parametrize(
    ("cut", "message"), [(1, "multiple of 16"), (8, "multiple of 16"), (16, "100 samples, got 99")]
)
def test_truncated_data_are_refused(name, cut, message):
    _, data_path = write(name, some_samples(100, 2))
    with open(data_path, "r+b") as file:
        file.truncate(1600 - cut)
    with pytest.raises(ValueError, match=message):
        read_recording(name)


@pytest.mark.parametrize("index", [0, 1])
def test_a_missing_file_is_an_os_error(name, index):
    paths = write(name, some_samples(10, 1))
    paths[index].unlink()
    with pytest.raises(FileNotFoundError):
        read_recording(name)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_antennas": 0}, "n_antennas"),
        ({"sample_rate": 0}, "sample_rate"),
        ({"sample_rate": float("inf")}, "sample_rate"),
        ({"datatype": "cf64_le"}, "datatype.*cf32_le.*cf64_le"),
    ],
)
def test_the_writer_refuses_wrong_options(name, options, message):
    with pytest.raises(ValueError, match=message):
        RecordingWriter(name, **({"n_antennas": 1, "sample_rate": RATE} | options))


def test_the_writer_refuses_wrong_samples(name):
    with RecordingWriter(name, 2, RATE, datatype="ci16_le") as writer:
        with pytest.raises(ValueError, match=r"expected shape \(n, 2\), got \(3,\)"):
            writer.write(np.zeros(3, np.complex64))
        with pytest.raises(ValueError, match="rx_time"):
            writer.write(np.zeros((3, 2), np.complex64), (1, 1.0))
    assert read_recording(name).n_samples == 0


def test_writing_does_not_modify_the_samples(name):
    samples = some_samples(100, 2, scale=3)
    before = samples.copy()
    write(name, samples, datatype="ci16_le")
    np.testing.assert_array_equal(samples, before)


@pytest.mark.parametrize(
    ("key", "value"),
    [("core:sample_rate", 10**400), ("core:sample_rate", 1e-30), ("core:num_channels", 2**40),
     ("core:frequency", 10**400), ("core:frequency", float("nan"))],
)  # fmt: skip
def test_numbers_beyond_all_use_are_refused(name, key, value):
    meta_path, data_path = write(name, some_samples(0, 1))
    data_path.write_bytes(b"" if key == "core:num_channels" else bytes(8))
    scope = {"core:frequency": "captures"}.get(key, "global")
    edit(meta_path, lambda meta: meta["global"].pop("jadce:sample_count"))
    edit(meta_path, lambda meta: meta.update(captures=[{"core:sample_start": 0}]))
    edit(
        meta_path, lambda meta: (meta[scope][0] if scope == "captures" else meta[scope]).update({key: value})
    )
    with pytest.raises(ValueError, match="cannot use this recording: .* expected|rate: expected"):
        read_recording(name)


def test_a_refusal_stays_short(name):
    meta_path, _ = write(name, some_samples(3, 1))
    edit(meta_path, lambda meta: meta["global"].update({"core:datatype": "x" * 10**6}))
    with pytest.raises(ValueError, match="core:datatype: expected") as caught:
        read_recording(name)
    assert len(str(caught.value)) < 1000


def test_a_refused_time_leaves_the_rate_as_it_was(name):
    with RecordingWriter(name, 1, RATE) as writer:
        with pytest.raises(ValueError, match="rx_time"):
            writer.write(np.zeros((3, 1)), (0, 2.5), sample_rate=2 * RATE)
        assert writer.sample_rate == RATE
