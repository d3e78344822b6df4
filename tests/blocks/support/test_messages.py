# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages of reports, compiled or not: those of `to_pmts`, on both ports, in order."""

from dataclasses import replace

import pmt
import pytest
from gnuradio import blocks, gr
from reports import REPORTS, make_report
from waiting import wait_until

from gr_jadce import backend
from gr_jadce.blocks.support import messages
from gr_jadce.reports.fields import PORTS
from gr_jadce.reports.pdus import to_pmts

UNUSUAL = [{"frames_dropped": 2**40}, {"n_devices": 2**32}, {"n_iter": 2**31}, {"estimator": "e" * 70_000}]


@pytest.fixture
def sender():
    """Two blocks that keep what the third sends them, and that block."""
    block, sinks = gr.basic_block("sender", None, None), [blocks.message_debug() for _ in range(2)]
    flowgraph = gr.top_block()
    for port in PORTS:
        block.message_port_register_out(pmt.intern(port))
        for sink in sinks:
            flowgraph.msg_connect((block, port), (sink, "store"))
    flowgraph.start()
    yield block, sinks
    flowgraph.stop()
    flowgraph.wait()


def sent(block, sinks, reports):
    messages.publish_reports(block, reports)
    wait_until(lambda: all(sink.num_messages() == 2 * len(reports) for sink in sinks))
    found = [[pmt.serialize_str(sink.get_message(i)) for i in range(2 * len(reports))] for sink in sinks]
    assert found[0] == found[1]
    return found[0]


def test_compiled_pdus_are_those_of_to_pmts(sender):
    assert messages.report_messages() is not None
    reports = [*REPORTS.values(), *(make_report(n_active=2, **changes) for changes in UNUSUAL)]
    later = [replace(report, frame_id=7, noise_var=0.5, frames_dropped=9) for report in reports]
    every = [*reports, *later, *reversed(reports)]
    expected = [pmt.serialize_str(pdu) for report in every for pdu in to_pmts(report)]
    assert sent(*sender, every) == expected


@pytest.mark.parametrize("is_compiled", [True, False])
def test_reports_arrive_in_order_at_all_who_listen(is_compiled, sender, monkeypatch):
    if not is_compiled:
        monkeypatch.setattr(messages, "report_messages", lambda: None)
    reports = [make_report(k % 5, frame_id=k, seed=k) for k in range(150)]
    block, sinks = sender
    expected = [pmt.serialize_str(pdu) for report in reports for pdu in to_pmts(report)]
    assert sent(block, sinks, reports) == expected


def test_a_block_with_another_name_sends_alike(sender):
    block, sinks = sender
    block.set_block_alias("somebody else")
    expected = [pmt.serialize_str(pdu) for pdu in to_pmts(make_report())]
    assert sent(block, sinks, [make_report()]) == expected


def test_a_report_that_is_none_is_refused_and_nothing_of_it_sent(sender):
    block, sinks = sender
    with pytest.raises((AttributeError, RuntimeError)):
        messages.publish_reports(block, [make_report(), object()])
    assert not any(sink.num_messages() for sink in sinks)


@pytest.mark.parametrize("is_compiled", [True, False])
def test_what_waits_is_taken_as_bytes_as_far_as_an_end_of_file(is_compiled, monkeypatch):
    if not is_compiled:
        monkeypatch.setattr(messages, "load_messages", lambda: None)
    block = gr.basic_block("taker", None, None)
    block.message_port_register_in(pmt.intern("in"))
    sent = [*to_pmts(make_report()), pmt.to_pmt({"seconds": 1.5}), pmt.PMT_EOF, pmt.intern("later")]
    for message in sent:
        block._post(pmt.intern("in"), message)
    expected = [pmt.serialize_str(message) for message in sent]
    assert messages.take_waiting(block, "in", 2) == expected[:2]
    assert messages.take_waiting(block, "in", 9) == expected[2:4]
    assert messages.take_waiting(block, "in", 9) == expected[4:]
    assert messages.take_waiting(block, "in", 9) == []


def test_one_that_was_built_for_another_numpy_is_not_used(monkeypatch):
    monkeypatch.setattr(backend.np, "__version__", "2.2.0")
    monkeypatch.setattr(backend.import_module("gr_jadce._messages"), "PYBIND11", (2, 10))
    assert backend.load_messages.__wrapped__() is None
