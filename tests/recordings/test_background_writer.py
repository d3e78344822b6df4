# SPDX-License-Identifier: GPL-3.0-or-later
"""The thread that writes recordings: nothing waits for it, and every sample is written or counted."""

import errno
import threading
import time

import numpy as np
import pytest
from waiting import LIMIT_S

from gr_jadce.recordings import background_writer
from gr_jadce.recordings.background_writer import BackgroundWriter
from gr_jadce.recordings.reader import read_recording
from gr_jadce.recordings.writer import RecordingWriter

RATE = 1e6
BLOCK = 1000  # samples of 8 bytes


class Disk:
    """A recording on a disk that stalls, or fails, when told to."""

    def __init__(self, writer):
        self._writer = writer
        self.answers = threading.Event()
        self.writing = threading.Event()
        self.fails_after = np.inf

    def __getattr__(self, name):
        return getattr(self._writer, name)

    def write(self, *arguments, **options):
        self.writing.set()
        assert self.answers.wait(LIMIT_S)
        if self.n_samples + len(arguments[0]) > self.fails_after:
            raise OSError(errno.EIO, "Input/output error")
        self._writer.write(*arguments, **options)


def unexpected(error):
    raise error


def blocks(count, first=0):
    counted = np.arange(first * BLOCK, (first + count) * BLOCK).astype(np.complex64)
    return counted.reshape(count, BLOCK, 1)


@pytest.fixture
def disk(tmp_path):
    disk = Disk(RecordingWriter(tmp_path / "r", 1, RATE))
    yield disk
    disk.answers.set()
    disk.close()


def test_all_is_written_when_the_disk_keeps_up(disk, tmp_path):
    disk.answers.set()
    writer = BackgroundWriter(disk, 1e9, unexpected)
    writer.open()
    for block in blocks(100):
        writer.push(block)
    writer.close()
    assert (writer.taken, writer.written, writer.dropped) == (100 * BLOCK, 100 * BLOCK, 0)
    np.testing.assert_array_equal(read_recording(tmp_path / "r").read(), blocks(100).reshape(-1, 1))


def stall(writer, disk):
    """The disk stalls with one block of eight in work, and what follows overflows the queue."""
    writer.open()
    writer.push(blocks(1)[0], (5, 0.0))
    assert disk.writing.wait(LIMIT_S)
    for block in blocks(99, first=1):
        writer.push(block)


def test_a_slow_disk_makes_one_gap_of_the_right_length(disk, tmp_path):
    writer = BackgroundWriter(disk, 20 * 8 * BLOCK, unexpected)
    stall(writer, disk)
    assert (writer.gaps, 70 * BLOCK < writer.dropped < 90 * BLOCK) == (1, True)
    disk.answers.set()
    while writer.written < writer.taken - writer.dropped:
        time.sleep(0.001)
    writer.push(blocks(1, first=100)[0])
    writer.close()
    assert writer.taken == writer.written + writer.dropped == 101 * BLOCK
    first, second = read_recording(tmp_path / "r").segments
    samples = read_recording(tmp_path / "r").read()[:, 0].real
    np.testing.assert_array_equal(samples[first.start : first.stop], np.arange(first.stop))
    np.testing.assert_array_equal(samples[second.start : second.stop], np.arange(100 * BLOCK, 101 * BLOCK))
    assert (first.rx_time, second.rx_time) == ((5, 0.0), (5, 0.1))


def test_what_is_told_of_samples_left_out_is_not_forgotten(disk, tmp_path):
    writer = BackgroundWriter(disk, 10 * 8 * BLOCK, unexpected)
    stall(writer, disk)
    writer.push(blocks(1)[0], (50, 0.0), frequency=2e9)
    writer.push(blocks(1)[0])
    disk.answers.set()
    while writer.written < writer.taken - writer.dropped:
        time.sleep(0.001)
    writer.push(blocks(1)[0])
    writer.close()
    last = read_recording(tmp_path / "r").segments[-1]
    assert (last.stop - last.start, last.rx_time, last.frequency) == (BLOCK, (50, 0.002), 2e9)


def test_half_of_the_queue_is_written_before_it_takes_more(disk):
    writer = BackgroundWriter(disk, 20 * 8 * BLOCK, unexpected)
    stall(writer, disk)
    waiting = writer.taken - writer.dropped
    writer._bytes *= 0.7
    writer.push(blocks(1)[0])
    assert writer.taken - writer.dropped == waiting
    writer._bytes *= 0.5
    writer.push(blocks(1)[0])
    assert writer.taken - writer.dropped == waiting + BLOCK
    disk.answers.set()
    writer.close()


def test_an_error_ends_the_recording_and_is_told_once(disk, tmp_path):
    disk.answers.set()
    disk.fails_after = 3 * BLOCK
    errors = []
    writer = BackgroundWriter(disk, 1e9, errors.append)
    writer.open()
    for block in blocks(50):
        writer.push(block)
        time.sleep(0.001)
    writer.close()
    writer.open()
    writer.push(blocks(1)[0])
    writer.close()
    assert [error.errno for error in errors] == [errno.EIO] == [writer.error.errno]
    assert writer.taken == writer.written + writer.dropped == 51 * BLOCK
    assert read_recording(tmp_path / "r").n_samples == writer.written <= 3 * BLOCK


def test_an_error_of_any_kind_ends_the_recording(disk, monkeypatch):
    disk.answers.set()
    monkeypatch.setattr(disk, "write", lambda *_, **__: np.empty(2**60, np.int8))  # MemoryError
    errors = []
    writer = BackgroundWriter(disk, 1e9, errors.append)
    writer.open()
    writer.push(blocks(1)[0])
    writer.close()
    assert isinstance(writer.error, MemoryError)
    assert errors == [writer.error]
    assert (writer.written, writer.dropped) == (0, BLOCK)


def test_another_rate_ends_the_recording(tmp_path):
    errors = []
    writer = BackgroundWriter(RecordingWriter(tmp_path / "r", 1, RATE), 1e9, errors.append)
    writer.open()
    writer.push(blocks(1)[0], sample_rate=2 * RATE)
    writer.push(blocks(1)[0], sample_rate=RATE)
    writer.close()
    assert len(errors) == 1
    assert (writer.written, writer.dropped) == (BLOCK, BLOCK)
    assert read_recording(tmp_path / "r").sample_rate == 2 * RATE


def test_closing_does_not_wait_for_a_disk_that_does_not_answer(disk, tmp_path, monkeypatch):
    monkeypatch.setattr(background_writer, "_CLOSE_TIMEOUT_S", 0.1)
    errors = []
    writer = BackgroundWriter(disk, 1e9, errors.append)
    writer.open()
    writer.push(blocks(1)[0])
    writer.close()
    assert isinstance(writer.error, TimeoutError)
    assert errors == [writer.error]
    assert (writer.written, writer.dropped) == (0, BLOCK)
    assert read_recording(tmp_path / "r").n_samples == 0


def test_closing_leaves_out_what_a_slow_disk_does_not_take_in_time(disk, tmp_path, monkeypatch):
    monkeypatch.setattr(background_writer, "_CLOSE_TIMEOUT_S", 1.0)
    monkeypatch.setattr(background_writer, "_MAX_WRITE_BYTES", 1)
    writer = BackgroundWriter(disk, 1e9, unexpected)
    stall(writer, disk)
    threading.Timer(1.2, disk.answers.set).start()
    writer.close()
    assert writer.taken == writer.written + writer.dropped == 100 * BLOCK
    assert read_recording(tmp_path / "r").n_samples == writer.written < 100 * BLOCK
    writer.open()
    writer.push(blocks(1)[0])
    writer.close()
    assert read_recording(tmp_path / "r").segments[-1].rx_time == (5, 0.1)  # the time went on


def test_what_samples_are_dropped_for_is_named(disk, tmp_path):
    writer = BackgroundWriter(disk, 1e9, unexpected)
    stall(writer, disk)
    assert writer.bottleneck == "the disk is too slow"  # which has not answered yet
    disk.answers.set()
    writer.close()
    disk.disk_time_s, writer._busy_s = 0.1, 10.0
    assert writer.bottleneck == "writing 1 segments takes longer than their samples on the disk"


def test_a_second_run_goes_on_with_the_recording(disk, tmp_path):
    disk.answers.set()
    writer = BackgroundWriter(disk, 1e9, unexpected)
    for start in (10, 20):
        writer.open()
        writer.push(blocks(1)[0], (start, 0.0))
        writer.close()
    assert [s.rx_time for s in read_recording(tmp_path / "r").segments] == [(10, 0.0), (20, 0.0)]


def test_a_disk_that_answers_after_all_keeps_the_counts_right(disk, tmp_path, monkeypatch):
    monkeypatch.setattr(background_writer, "_CLOSE_TIMEOUT_S", 0.1)
    writer = BackgroundWriter(disk, 1e9, [].append)
    writer.open()
    thread = writer._thread
    for block in blocks(3):
        writer.push(block)
    writer.close()
    disk.answers.set()
    thread.join(10)
    assert not thread.is_alive()
    assert writer.taken == writer.written + writer.dropped == 3 * BLOCK
