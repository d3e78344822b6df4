# SPDX-License-Identifier: GPL-3.0-or-later
"""Every report becomes a line; what cannot be written is counted, and nothing stops the block."""

import errno
import gc
import io
import os
import subprocess
import sys
import time
from pathlib import Path

import pmt
import pytest
from gnuradio import gr
from publisher import publish, publisher
from reports import assert_same, make_report

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
    give_up = time.monotonic() + 30
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
    assert len(lines_of(path)) == 1
    sink.handle_message(status)
    assert len(lines_of(path)) == 2


@pytest.mark.parametrize("name", ["missing/out.jsonl", "."])
def test_a_path_that_cannot_be_written_is_an_error_at_once(tmp_path, name):
    with pytest.raises(OSError, match=str(tmp_path)):
        json_sink(tmp_path / name)


def test_a_negative_flush_interval_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"^flush_every: expected seconds of at least 0, got -1"):
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


class DiskWithRoomFor(io.RawIOBase):
    """A file that takes so many bytes, then none, then all again."""

    def __init__(self, room, full_writes):
        self.room, self.full_writes, self.content = room, full_writes, b""

    def write(self, data):
        if not self.room and self.full_writes:
            self.full_writes -= 1
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        taken = bytes(data[: self.room or None])
        self.room = max(self.room - len(taken), 0)
        self.content += taken
        return len(taken)


def test_lines_after_one_that_was_torn_are_whole(tmp_path):
    sent = reports(10)
    size = len(to_json(sent[0])) + 1
    sink = json_sink(tmp_path / "out", flush_every=0.0)
    sink._file.close()
    sink._file = disk = DiskWithRoomFor(size + 100, full_writes=3)
    publish(messages_of(sent), sink)
    first, torn, *rest = disk.content.decode().splitlines()
    assert len(torn) <= 100 + 10
    assert first == to_json(sent[0])
    assert rest == [to_json(report) for report in sent[4:]]
    assert (sink.written(), sink.lost()) == (1 + len(rest), 3)


def test_a_file_closed_meanwhile_is_counted_and_does_not_stop_the_block(tmp_path):
    flowgraph, sink = gr.top_block(), json_sink(tmp_path / "out", flush_every=0.0)
    source = publisher(messages_of(reports(5)))
    flowgraph.msg_connect((source, "out"), (sink, "in"))
    flowgraph.start()
    give_up = time.monotonic() + 30
    while sink.written() < 5 and time.monotonic() < give_up:
        time.sleep(0.01)
    sink._file.close()
    for message in [*messages_of(reports(4)), pmt.PMT_EOF]:
        sink._post(pmt.intern("in"), message)
    flowgraph.wait()
    assert (sink.written(), sink.lost()) == (5, 4)


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
