# SPDX-License-Identifier: GPL-3.0-or-later
"""Every report becomes a line; what cannot be written is counted, and nothing stops the block."""

import errno
import gc
import os
import resource
import subprocess
import sys
import threading
import time
from pathlib import Path

import pmt
import pytest
from gnuradio import gr
from publisher import publish, publisher
from reports import assert_same, make_report
from waiting import LIMIT_S

from gr_jadce.blocks import json_sink
from gr_jadce.reports.json_lines import from_json, to_json
from gr_jadce.reports.pdus import status_to_pmt, to_pmts


def reports(count):
    return [make_report(frame_id=k, seed=k) for k in range(count)]


def messages_of(reports):
    return [message for report in reports for message in to_pmts(report)]


def lines_of(path):
    return path.read_text().splitlines()


@pytest.mark.parametrize("flush_every", [0.0, 1.0, 1e9])
def test_every_report_is_a_line(tmp_path, flush_every):
    path = tmp_path / "out.jsonl"
    sink, sent = json_sink(path, flush_every), reports(100)
    publish(messages_of(sent), sink)
    assert (sink.written(), sink.lost(), sink.rejected()) == (100, 0, 0)
    for line, report in zip(lines_of(path), sent, strict=True):
        assert_same(from_json(line), report)


def test_the_file_is_emptied_when_the_block_is_made_and_grows_when_the_flowgraph_runs_again(tmp_path):
    path = tmp_path / "out.jsonl"
    path.write_text("old\n")
    flowgraph, sink = gr.top_block(), json_sink(path)
    source = publisher([*messages_of(reports(3)), pmt.PMT_EOF, pmt.PMT_EOF])
    flowgraph.msg_connect((source, "out"), (sink, "in"))
    for runs in (1, 2, 3):
        flowgraph.run()
        assert sink.written() == len(lines_of(path)) == 3 * runs


def test_two_sinks_take_the_same_messages(tmp_path):
    sinks = [json_sink(tmp_path / name) for name in ("a", "b")]
    publish(messages_of(reports(50)), *sinks)
    assert [sink.written() for sink in sinks] == [50, 50]
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_dash_is_standard_output():
    code = (
        "from publisher import publish; from reports import make_report\n"
        "from gr_jadce.blocks import json_sink; from gr_jadce.reports.pdus import to_pmts\n"
        "publish(list(to_pmts(make_report(frame_id=8))), json_sink('-')); print('still open')"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )
    line, rest = run.stdout.splitlines()
    assert_same(from_json(line), make_report(frame_id=8))
    assert rest == "still open"


def test_lines_are_there_while_the_flowgraph_runs(tmp_path):
    path = tmp_path / "out.jsonl"
    flowgraph, sink = gr.top_block(), json_sink(path, flush_every=1e9)
    flowgraph.msg_connect((publisher(messages_of(reports(5))), "out"), (sink, "in"))
    flowgraph.start()
    give_up = time.monotonic() + LIMIT_S
    while len(lines_of(path)) < 5 and time.monotonic() < give_up:
        time.sleep(0.01)
    seen = len(lines_of(path))
    flowgraph.stop()
    flowgraph.wait()
    assert seen == sink.written() == 5


def test_a_status_behind_the_last_report_does_not_keep_it_from_the_file(tmp_path):
    path = tmp_path / "out.jsonl"
    sink, status = json_sink(path, flush_every=1e9), status_to_pmt({"frames_in": 1})
    sink.take_report(make_report(frame_id=0))
    sink.to_basic_block()._post(pmt.intern("in"), status)
    sink.take_report(make_report(frame_id=1))
    wait_for(lambda: len(lines_of(path)) == 1)
    sink.handle_message(status)
    wait_for(lambda: len(lines_of(path)) == 2)
    sink.stop()


def wait_for(condition):
    give_up = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.01)


@pytest.mark.parametrize("name", ["missing/out.jsonl", "."])
def test_a_path_that_cannot_be_written_is_an_error_at_once(tmp_path, name):
    with pytest.raises(OSError, match=str(tmp_path)):
        json_sink(tmp_path / name)


def test_a_negative_flush_interval_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"^flush_every: expected a finite number of at least 0, got -1"):
        json_sink(tmp_path / "out", -1)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a disk that is always full")
def test_a_full_disk_is_counted_and_logged_and_does_not_stop_the_block(capfd):
    sink = json_sink("/dev/full", flush_every=0.0)
    publish(messages_of(reports(200)), sink)
    assert (sink.written(), sink.lost(), sink.rejected()) == (0, 200, 0)
    log = "".join(capfd.readouterr())
    assert os.strerror(errno.ENOSPC) in log
    assert log.count("reports lost") < 50


def test_a_reader_that_leaves_is_counted_and_does_not_stop_the_block():
    reader, writer = os.pipe()
    sink = json_sink(f"/dev/fd/{writer}")
    os.close(reader)
    os.close(writer)
    publish(messages_of(reports(20)), sink)
    assert (sink.written(), sink.lost()) == (0, 20)


@pytest.fixture
def disk_room():
    """Limit what files may hold, as a full disk does; no argument for no limit."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def limit(n_bytes=before[0]):
        resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))

    yield limit
    limit()


def test_a_disk_that_was_full_for_a_while_leaves_whole_lines_alone(tmp_path, disk_room, capfd):
    path = tmp_path / "out.jsonl"
    sent, sink = reports(10), json_sink(path, flush_every=0.0)
    disk_room(len(to_json(sent[0])) + 101)
    for report in sent[:4]:
        sink.take_report(report)
    wait_for(lambda: sink.lost() == 3)
    disk_room()
    for report in sent[4:]:
        sink.take_report(report)
    sink.stop()
    assert lines_of(path) == [to_json(report) for report in (sent[0], *sent[4:])]
    assert (sink.written(), sink.lost()) == (7, 3)


def test_a_file_closed_meanwhile_is_counted_and_does_not_stop_the_block(tmp_path):
    flowgraph, sink = gr.top_block(), json_sink(tmp_path / "out", flush_every=0.0)
    source = publisher(messages_of(reports(5)))
    flowgraph.msg_connect((source, "out"), (sink, "in"))
    flowgraph.start()
    wait_for(lambda: sink.written() == 5)
    sink._writer._file.close()
    for message in [*messages_of(reports(4)), pmt.PMT_EOF]:
        sink._post(pmt.intern("in"), message)
    flowgraph.wait()
    assert (sink.written(), sink.lost()) == (5, 4)


def test_a_reader_that_stands_still_holds_up_neither_the_handler_nor_the_end():
    reader, writer = os.pipe()
    sink = json_sink(writer, flush_every=0.0, buffer_mb=0.1)
    sink.set_close_timeout(0.2)
    size = len(to_json(reports(1)[0]))
    n_sent = 4 * (100_000 + 2**16) // size
    publish(messages_of(reports(n_sent)), sink)
    os.close(reader)
    os.close(writer)
    assert sink.written() + sink.lost() == n_sent
    assert 0 < sink.written() <= 2**16 // size
    assert not sink.waiting()


def test_a_fifo_may_get_its_reader_later(tmp_path):
    path, sent = tmp_path / "fifo", reports(20)
    os.mkfifo(path)
    sink = json_sink(path)
    for report in sent:
        sink.take_report(report)
    with open(path) as reader:
        stopping = threading.Thread(target=sink.stop)
        stopping.start()
        read = reader.read().splitlines()
        stopping.join()
    assert read == [to_json(report) for report in sent]
    assert (sink.written(), sink.lost()) == (20, 0)


def test_a_fifo_without_a_reader_is_counted_and_does_not_hold_up_the_end(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    sink = json_sink(tmp_path / "fifo")
    sink.set_close_timeout(0.2)
    publish(messages_of(reports(20)), sink)
    assert (sink.written(), sink.lost()) == (0, 20)


def test_malformed_messages_are_counted_and_do_no_harm(tmp_path):
    sink = json_sink(tmp_path / "out")
    bad = [
        pmt.PMT_NIL,
        pmt.PMT_T,
        pmt.cons(pmt.make_dict(), pmt.make_u32vector(2, 1)),
        pmt.make_u8vector(2, 1),
    ]
    publish([*bad, *messages_of(reports(1)), *bad], sink)
    assert (sink.rejected(), sink.written()) == (8, 1)


def test_what_a_receiver_sends_after_a_stop_is_written(tmp_path):
    """Stopping interrupts all blocks at once; the receiver's last reports come later."""
    sink, sent = json_sink(tmp_path / "out"), reports(20)
    flowgraph = gr.top_block()
    source = late_publisher([*messages_of(sent), pmt.PMT_EOF])
    flowgraph.msg_connect((source, "out"), (sink, "in"))
    flowgraph.start()
    flowgraph.stop()
    flowgraph.wait()
    assert sink.written() == 20


class late_publisher(publisher):
    """Publishes when it is stopped, and takes its time."""

    def start(self):
        return True

    def stop(self):
        time.sleep(0.2)
        self.publish()
        return True


def test_a_sink_that_is_let_go_still_works(tmp_path):
    flowgraph = gr.top_block()
    source = publisher([*messages_of(reports(5)), pmt.PMT_EOF])
    flowgraph.msg_connect((source, "out"), (json_sink(tmp_path / "out"), "in"))
    gc.collect()
    flowgraph.run()
    assert len(lines_of(tmp_path / "out")) == 5
