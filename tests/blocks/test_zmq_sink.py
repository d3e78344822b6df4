# SPDX-License-Identifier: GPL-3.0-or-later
"""Every report and status is published, and nobody who listens holds the flowgraph up."""

import gc
import threading
import time

import pmt
import pytest
from gnuradio import gr
from publisher import publish, publisher
from reports import make_report
from waiting import LIMIT_S

from gr_jadce.blocks import zmq_sink
from gr_jadce.delivery.publishing import Subscriber
from gr_jadce.reports.json_lines import to_json
from gr_jadce.reports.pdus import status_to_pmt, to_pmts
from gr_jadce.reports.status import read_line


def reports(count):
    return [make_report(frame_id=k, seed=k) for k in range(count)]


def messages_of(reports):
    return [message for report in reports for message in to_pmts(report)]


def greet(sink, subscriber):
    """Send lines until the subscriber hears them: a subscription follows its connection."""
    while not subscriber.lines(0.02):
        sink._publisher.send("hello")
    while subscriber.lines(0.1):
        pass
    sink._publisher.sent = 0


@pytest.fixture
def sink(tmp_path):
    return zmq_sink(f"ipc://{tmp_path}/reports")


@pytest.fixture
def subscriber(sink):
    subscriber = Subscriber([sink.address()])
    greet(sink, subscriber)
    yield subscriber
    subscriber.close()


def lines_of(subscriber, count):
    found, give_up = [], time.monotonic() + LIMIT_S
    while len(found) < count and time.monotonic() < give_up:
        found += [line for _, line in subscriber.lines()]
    return found


def test_reports_and_statuses_are_published_in_order(sink, subscriber):
    sent = reports(50)
    publish([*messages_of(sent), status_to_pmt({"frames_in": 50, "final": True})], sink)
    *lines, status = lines_of(subscriber, 51)
    assert lines == [to_json(report) for report in sent]
    assert read_line(status) == {
        "frames_in": 50,
        "final": True,
        "lines_published": 50,
        "publisher_overflows": 0,
    }
    assert (sink.published(), sink.overflows(), sink.rejected()) == (51, 0, 0)


def test_a_flowgraph_that_runs_again_publishes_again(sink, subscriber):
    flowgraph = gr.top_block()
    source = publisher([*messages_of(reports(3)), pmt.PMT_EOF, pmt.PMT_EOF])
    flowgraph.msg_connect((source, "out"), (sink, "in"))
    flowgraph.run()
    assert len(lines_of(subscriber, 3)) == 3
    flowgraph.run()
    assert (sink.published(), sink.rejected()) == (6, 0)


def test_a_subscriber_that_does_not_listen_holds_nothing_up(tmp_path, capfd):
    sink = zmq_sink(f"ipc://{tmp_path}/reports", queue=5, linger=0.1)
    subscriber = Subscriber([sink.address()], queue=5)
    greet(sink, subscriber)
    run = threading.Thread(target=publish, args=(messages_of(reports(2000)), sink))
    run.start()
    run.join(60)
    subscriber.close()
    assert not run.is_alive()
    assert sink.published() == 2000
    assert sink.overflows() >= 1
    assert "too slow" in "".join(capfd.readouterr())


def test_a_sink_that_is_let_go_frees_its_address():
    address = zmq_sink("tcp://127.0.0.1:*").address()
    gc.collect()
    assert zmq_sink(address).address() == address


def test_the_address_is_checked_when_the_block_is_made():
    with pytest.raises(ValueError, match="^address: expected a port"):
        zmq_sink("here")
    taken = zmq_sink("tcp://127.0.0.1:*")
    with pytest.raises(OSError, match="in use"):
        zmq_sink(taken.address())
