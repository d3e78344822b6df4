# SPDX-License-Identifier: GPL-3.0-or-later
"""Where samples come from: files, archives, and what is neither."""

import os
import tarfile

import numpy as np
import pytest
from recording_files import edit_meta, some_samples, write_recording

from gr_jadce.recordings.annotations import annotate_recording
from gr_jadce.recordings.fields import recording_paths
from gr_jadce.recordings.reader import read_recording


def archive(name, *paths, mode="w"):
    path = name.with_name("packed.sigmf")
    with tarfile.open(path, mode) as file:
        for one in paths:
            file.add(one, f"folder/{one.name}")
    return path


def test_an_archive_is_read_in_place(name):
    samples = some_samples(1000, 2)
    path = archive(name, *write_recording(name, samples, checksum=True))
    recording = read_recording(path)
    np.testing.assert_array_equal(recording.read(), samples)
    np.testing.assert_array_equal(recording.read(990), samples[990:])
    assert recording.segments == read_recording(name).segments
    recording.verify()


def test_what_is_no_archive_of_one_recording_is_refused(name):
    paths = write_recording(name, some_samples(10, 1))
    for path in (archive(name, *paths, mode="w:gz"), archive(name, paths[0]), archive(name, *paths * 2)):
        with pytest.raises(ValueError, match=r"packed.sigmf: cannot use .*expected an archive \(tar\)"):
            read_recording(path)
    path.write_bytes(b"not a tar file")
    with pytest.raises(ValueError, match=r"expected an archive \(tar\) of one recording"):
        read_recording(path)


def test_a_missing_archive_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"gone\.sigmf'$"):
        read_recording(tmp_path / "gone.sigmf")


def test_two_files_may_be_named_like_an_archive(tmp_path):
    write_recording(tmp_path / "r.sigmf", some_samples(10, 1))
    assert read_recording(tmp_path / "r.sigmf").n_samples == 10


def test_a_truncated_archive_is_refused(name):
    path = archive(name, *write_recording(name, some_samples(10_000, 1)))
    os.truncate(path, 50_000)
    with pytest.raises(ValueError, match="truncated|wrong size"):
        read_recording(path)


def test_an_archive_is_not_annotated(name):
    path = archive(name, *write_recording(name, some_samples(10, 1)))
    with pytest.raises(ValueError, match=r"expected NAME.sigmf-meta .* unpack this archive"):
        annotate_recording(path, [], 4)


@pytest.mark.parametrize("index", [0, 1])
@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
def test_what_is_no_file_is_refused_without_waiting(name, kind, index):
    paths = write_recording(name, some_samples(10, 1))
    edit_meta(paths[0], lambda meta: meta["global"].pop("jadce:sample_count"))
    paths[index].unlink()
    if kind == "pipe":
        os.mkfifo(paths[index])
    elif kind == "device":
        paths[index].symlink_to("/dev/zero")
    else:
        paths[index].mkdir()
    with pytest.raises(ValueError, match="expected a file, got a pipe, a device or a folder"):
        read_recording(name)


def test_a_file_cut_short_while_it_is_read_is_an_error(name):
    write_recording(name, some_samples(10_000, 1))
    recording = read_recording(name)
    os.truncate(recording_paths(name)[1], 8 * 5000 + 3)
    assert len(recording.read(0, 5000)) == 5000
    with pytest.raises(ValueError, match="was cut short while it was read: expected 7997 bytes more"):
        recording.read(4000, 6000)


def test_a_file_that_was_replaced_is_still_the_one_that_was_opened(name):
    samples = some_samples(100, 1)
    write_recording(name, samples)
    recording = read_recording(name)
    recording_paths(name)[1].unlink()
    np.testing.assert_array_equal(recording.read(), samples)


def test_no_descriptor_is_left_open(name):
    write_recording(name, some_samples(10, 1))
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        read_recording(name).read()
    assert len(os.listdir("/proc/self/fd")) == before
