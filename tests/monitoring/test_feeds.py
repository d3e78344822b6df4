# SPDX-License-Identifier: GPL-3.0-or-later
"""What is published or written reaches the monitor, as it comes."""

import io
import os
import threading
import time

import pytest
from reports import make_report
from waiting import LIMIT_S

from gr_jadce.delivery.publishing import Publisher
from gr_jadce.monitoring.feeds import FileFeed, ZmqFeed
from gr_jadce.monitoring.monitor import Monitor
from gr_jadce.reports.json_lines import to_json
from gr_jadce.reports.status import status_to_json


def lines_of(*frames):
    return b"".join(to_json(make_report(frame_id=k)).encode() + b"\n" for k in frames)


def truth_lines(frames):
    return [to_json(make_report(frame_id=k, estimator="truth")) + "\n" for k in frames]


def wait_until(condition):
    give_up = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.01)


@pytest.fixture
def monitor():
    return Monitor()


def read(monitor, data, truth=()):
    feed = FileFeed(monitor, io.BytesIO(data), follow=False, truth=truth)
    feed.start()
    wait_until(lambda: feed.ended)
    feed.close()
    return feed


def test_a_file_is_read_to_its_end(monitor):
    feed = read(monitor, lines_of(*range(20)) + status_to_json({"slots_lost": 4}).encode() + b"\n")
    assert (monitor.counts().frames, monitor.figures().slots_lost) == (20, 4)
    assert (feed.bad_lines, feed.state()) == (0, ("ended", False))


def test_lines_that_are_no_reports_are_counted(monitor):
    feed = read(monitor, b"what\n" + lines_of(1) + b"\xff\n{}\n" + b'{"receiver_status": {"gaps": "x"}}\n')
    assert (feed.bad_lines, feed.error, monitor.counts().frames) == (4, None, 1)


def test_truth_comes_before_its_report(monitor):
    read(monitor, lines_of(2, 3, 7), truth_lines(range(10)))
    assert (monitor.counts().frames_scored, monitor.counts().missed) == (3, 0)


def test_torn_lines_of_the_truth_are_skipped_and_counted(monitor):
    truth = truth_lines(range(5))
    truth[2] = truth[2][:60] + truth[3]
    feed = read(monitor, lines_of(*range(5)), truth)
    assert (feed.bad_truth_lines, feed.error, monitor.counts().frames) == (1, None, 5)
    assert (monitor.counts().frames_scored, monitor.counts().missed) == (4, 0)


def test_an_absurd_frame_number_does_not_poison_the_truth(monitor):
    truth = [*truth_lines([2**63]), *truth_lines(range(3000))]
    feed = read(monitor, lines_of(0, 1, 2**64 - 1, *range(1500, 3000)), truth)
    assert (feed.bad_lines, monitor.counts().frames_scored, monitor.counts().missed) == (0, 1502, 0)


@pytest.mark.parametrize("value", ["null", '"x"', "1e400", "-5", "2.5", "true", "[]", str(2**64)])
def test_totals_of_a_status_that_are_no_counts_are_refused(monitor, value):
    status = f'{{"receiver_status": {{"gaps": 3, "frames_dropped": {value}}}}}\n'
    feed = read(monitor, lines_of(1) + status.encode())
    assert (feed.bad_lines, feed.error, monitor.figures().gaps) == (1, None, 0)


def test_a_truth_that_cannot_be_read_is_an_error(monitor):
    def broken():
        raise RuntimeError("line 1: no report")
        yield

    feed = read(monitor, lines_of(1), broken())
    assert str(feed.error) == "line 1: no report"
    assert feed.state() == ("ended: line 1: no report", True)


def test_a_growing_file_is_followed_and_one_begun_anew_too(monitor, tmp_path):
    path = tmp_path / "out.jsonl"
    path.write_bytes(lines_of(0)[:50])
    with open(path, "rb") as file:
        feed = FileFeed(monitor, file, follow=True)
        feed.start()
        with open(path, "ab") as writer:
            writer.write(lines_of(0)[50:] + lines_of(1, 2))
        wait_until(lambda: monitor.counts().frames == 3)
        path.write_bytes(lines_of(5))
        wait_until(lambda: monitor.counts().frames == 4)
        feed.close()
    assert (feed.bad_lines, feed.ended) == (0, True)


def test_a_file_that_does_not_grow_is_no_failure_and_not_live(monitor, tmp_path, monkeypatch):
    monkeypatch.setattr("gr_jadce.monitoring.feeds._SILENCE_LIMIT_S", 0.0)
    path = tmp_path / "out.jsonl"
    path.write_bytes(lines_of(0, 1))
    with open(path, "rb") as file:
        feed = FileFeed(monitor, file, follow=True)
        feed.start()
        wait_until(lambda: feed.state() == ("read to its end", False))
        assert not feed.is_live
        with open(path, "ab") as writer:
            writer.write(lines_of(2))
        wait_until(lambda: feed.is_live)
        assert feed.state()[1]  # silence after that is one
        feed.close()


def test_a_named_pipe_ends_with_its_writer(monitor, tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(lines_of(1, 2),))
    writer.start()
    with open(path, "rb") as file:
        feed = FileFeed(monitor, file, follow=True)
        feed.start()
        wait_until(lambda: feed.ended)
        feed.close()
    writer.join()
    assert (monitor.counts().frames, feed.error) == (2, None)


def test_publishers_that_leave_and_come_back(monitor, tmp_path):
    address = f"ipc://{tmp_path}/zmq"
    feed = ZmqFeed(monitor, [address])
    feed.start()
    assert feed.state() == (f"not connected to {address}", True)
    for frames in (1, 2):
        publisher = Publisher(address)
        while feed.state() != ("receiving", False):
            publisher.send_status({})
            time.sleep(0.01)
        publisher.send(to_json(make_report(frame_id=frames)))
        wait_until(lambda frames=frames: monitor.counts().frames == frames)
        publisher.close()
        wait_until(lambda: feed.state() == (f"not connected to {address}", True))
    feed.close()
    assert feed.bad_lines == 0
