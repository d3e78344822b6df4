# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulated uplink with packets: samples and truth are those of the library, whatever is said."""

import numpy as np
import pmt
import pytest
from collector import collector
from gnuradio import blocks, gr

from gr_jadce.blocks import uplink_source
from gr_jadce.payload import PayloadFormat
from gr_jadce.pilots import make_pilots
from gr_jadce.uplink.simulation import Scenario, simulate_slots

BOOK = make_pilots("gaussian", 12, 16, seed=2)
FORMAT = PayloadFormat(6, 2)
PERIOD = 200


def run(message=None, **changes):
    arguments = {"n_antennas": 2, "n_active": 3, "n_slots": 5, "slot_period": PERIOD, "send_eof": True}
    block = uplink_source(BOOK, **arguments | {"payload": FORMAT} | changes)
    if message is not None:
        block.to_basic_block()._post(pmt.intern("payload"), message)
    flowgraph, sinks, truth = gr.top_block(), [blocks.vector_sink_c() for _ in range(2)], collector()
    for antenna, sink in enumerate(sinks):
        flowgraph.connect((block, antenna), sink)
    truth.listen_to(flowgraph, block, ("activity", "channel"))
    flowgraph.run()
    return np.array([sink.data() for sink in sinks], np.complex64).T, truth.reports, block


def test_samples_and_truth_are_those_of_the_library():
    samples, truth, _ = run(seed=4)
    expected, uplink = simulate_slots(Scenario(BOOK, 2, n_active=3, payload=FORMAT), PERIOD, 5, seed=4)
    assert samples.tobytes() == expected.tobytes()
    assert [report.payload for report in truth] == [tuple(map(bytes, sent)) for sent in uplink.packets]
    assert len({data for report in truth for data in report.payload}) == 15


def test_the_packets_said_are_those_sent():
    samples, truth, _ = run(packets="d{device}s{slot}")
    said = [
        tuple(f"d{device}s{report.frame_id}".encode().ljust(6, b"\0") for device in report.device)
        for report in truth
    ]
    assert [report.payload for report in truth] == said

    def packets(slot, devices):
        return np.array([list(data) for data in said[slot]], np.uint8)

    scenario = Scenario(BOOK, 2, n_active=3, payload=FORMAT)
    assert samples.tobytes() == simulate_slots(scenario, PERIOD, 5, packets=packets)[0].tobytes()


def test_a_message_is_sent_once_its_device_is_active():
    meta = pmt.dict_add(pmt.make_dict(), pmt.intern("device"), pmt.from_long(7))
    _, truth, block = run(pmt.cons(meta, pmt.init_u8vector(2, [1, 2])), packets="messages", n_active=12)
    assert [report.payload[7] for report in truth] == [bytes([1, 2, 0, 0, 0, 0])] * 5
    assert {data for report in truth for k, data in enumerate(report.payload) if k != 7} == {bytes(6)}
    assert block.payloads_dropped() == 0


def test_messages_that_cannot_be_sent_are_counted():
    _, _, block = run(pmt.intern("nonsense"), packets="messages")
    assert block.payloads_dropped() == 1


def test_a_slot_is_long_enough_by_default_and_must_be():
    samples, _, _ = run(slot_period=0)
    assert len(samples) == 5 * (BOOK.pilot_length + FORMAT.n_chips + 16)
    with pytest.raises(ValueError, match="slot_period"):
        run(slot_period=BOOK.pilot_length + FORMAT.n_chips - 1)


def test_a_payload_is_no_key_of_the_propagation():
    with pytest.raises(ValueError, match="propagation"):
        run(propagation={"payload": FORMAT})
