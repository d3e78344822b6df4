# SPDX-License-Identifier: GPL-3.0-or-later
"""A sink whose handler is slow drops the oldest messages, counts them, and ends all the same."""

import threading

import pmt
from collector import collector
from gnuradio import gr
from publisher import publisher
from reports import make_report

from gr_jadce.blocks.support import report_sink as module
from gr_jadce.reports.pdus import to_pmts


class held_collector(collector):
    """Takes its first report when it is released."""

    def __init__(self):
        self.released = threading.Event()
        collector.__init__(self)

    def take_report(self, report):
        self.released.wait(60)
        collector.take_report(self, report)


def test_messages_behind_a_slow_handler_are_bounded(monkeypatch, capfd):
    monkeypatch.setattr(module, "_MAX_MESSAGES", 100)
    messages = [message for k in range(500) for message in to_pmts(make_report(frame_id=k))]
    flowgraph, sink = gr.top_block(), held_collector()
    flowgraph.msg_connect((publisher([*messages, pmt.PMT_EOF]), "out"), (sink, "in"))
    flowgraph.start()
    sink.released.set()
    flowgraph.wait()
    frames = [report.frame_id for report in sink.reports]
    assert sink.dropped() > 0
    assert 2 * len(frames) + sink.dropped() + sink.unjoined() >= len(messages) - 2
    assert frames[-1] == 499  # the newest are kept
    assert sink.waiting() == 0
    assert "messages dropped" in "".join(capfd.readouterr())


def test_a_wild_count_of_messages_drops_none(capfd):
    sink, counts = collector(), [10**9, 3, 10**9, 0]
    sink._count_waiting = lambda _port: counts.pop(0) if counts else 0
    for pdu in to_pmts(make_report(frame_id=1)):
        sink.handle_message(pdu)
    assert sink.dropped() == 0 and [report.frame_id for report in sink.reports] == [1]
    assert "dropped" not in "".join(capfd.readouterr())
