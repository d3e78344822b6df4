# SPDX-License-Identifier: GPL-3.0-or-later
"""Packets go out behind the pilots: random, counted, as a text or from messages, and truth has them."""

import numpy as np
import pmt
import pytest
from collector import collector
from gnuradio import blocks, gr

from gr_jadce.blocks import uplink_transmitter
from gr_jadce.payload import PayloadFormat
from gr_jadce.payload.modulation import slot_symbols
from gr_jadce.pilots import make_pilots
from gr_jadce.waveform import Waveform

BOOK = make_pilots("qpsk", 20, 16, seed=1)
FORMAT = PayloadFormat(4, 2)
DEVICES = [2, 5, 11]
PERIOD = 1200


def transmitter(**changes):
    arguments = {"activity": 0.5, "n_slots": 12, "payload": FORMAT, "backoff_db": 20, "send_eof": True}
    return uplink_transmitter(BOOK, DEVICES, PERIOD, **arguments | changes)


def run(block, messages=()):
    """The samples and the truth of a run, before which the block gets messages."""
    for message in messages:
        block.to_basic_block()._post(pmt.intern("payload"), message)
    flowgraph, samples, truth = gr.top_block(), blocks.vector_sink_c(), collector()
    flowgraph.connect(block, samples)
    truth.listen_to(flowgraph, block, ("activity", "channel"))
    flowgraph.run()
    return np.array(samples.data(), np.complex64), truth.reports


def pdu(device, data):
    meta = pmt.dict_add(pmt.make_dict(), pmt.intern("device"), pmt.from_long(device))
    return pmt.cons(meta, pmt.init_u8vector(len(data), list(data)))


def test_the_packet_of_the_truth_follows_each_pilot():
    samples, truth = run(transmitter(continuous=True))
    slots = samples.reshape(-1, PERIOD)
    assert len(slots) == len(truth) == 12
    for slot, report in zip(slots, truth, strict=True):
        packets = np.array([list(data) for data in report.payload], np.uint8).reshape(-1, FORMAT.n_bytes)
        bursts = Waveform(4).bursts(slot_symbols(BOOK, FORMAT, packets, report.device))
        sent = (bursts * report.channel[:, 0]).sum(axis=1)
        np.testing.assert_allclose(slot[: len(sent)], sent, atol=1e-6)
        assert not slot[len(sent) :].any()
    assert len({data for report in truth for data in report.payload}) == sum(
        len(report.device) for report in truth
    )


@pytest.mark.parametrize(
    ("packets", "said"), [("counter", "{slot}"), ("n{device}:{slot}", "n{device}:{slot}"), ("ü", "ü")]
)
def test_devices_say_a_counter_or_a_text(packets, said):
    _, truth = run(transmitter(packets=packets))
    assert sum(len(report.device) for report in truth) > 5
    for report in truth:
        wanted = [said.format(device=device, slot=report.frame_id) for device in report.device]
        assert report.payload == tuple(text.encode()[:4].ljust(4, b"\0") for text in wanted)


def test_messages_are_sent_in_the_next_slots_of_their_device():
    messages = [pdu(5, b"one"), pdu(2, b"two"), pdu(5, b"more")]
    block = transmitter(packets="messages", activity=1.0, n_slots=3)
    _, truth = run(block, messages)
    assert [report.payload for report in truth] == [
        (b"two\0", b"one\0", bytes(4)),
        (b"two\0", b"more", bytes(4)),
        (b"two\0", b"more", bytes(4)),
    ]
    assert block.payloads_dropped() == 0


@pytest.mark.parametrize(
    "message",
    [
        pmt.PMT_NIL,
        pmt.intern("x"),
        pmt.cons(pmt.make_dict(), pmt.init_u8vector(1, [1])),
        pmt.cons(pmt.PMT_NIL, pmt.init_u8vector(1, [1])),
        pdu(2, b"12345"),
        pdu(20, b"1"),
        pdu(-1, b"1"),
        pmt.cons(pmt.car(pdu(2, b"1")), pmt.init_f32vector(1, [1])),
    ],
)
def test_messages_that_are_no_packets_are_counted_and_dropped(message):
    block = transmitter(packets="messages", activity=1.0, n_slots=2)
    _, truth = run(block, [message])
    assert block.payloads_dropped() == 1
    assert [report.payload for report in truth] == [(bytes(4),) * 3] * 2


def test_messages_are_dropped_where_none_are_sent():
    block = transmitter(payload=None)
    run(block, [pdu(2, b"1")])
    assert block.payloads_dropped() == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"payload": {"n_byte": 3}},
        {"payload": "{}}"},
        {"payload": 3},
        {"waveform": {"ofdm": True}},
    ],
)
def test_a_payload_that_cannot_be_sent_is_refused_by_name(changes):
    with pytest.raises(ValueError, match="payload"):
        transmitter(**changes)


def test_a_slot_must_hold_the_payload():
    with pytest.raises(ValueError, match="slot_period"):
        uplink_transmitter(BOOK, DEVICES, 600, payload=FORMAT)
