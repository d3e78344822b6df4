# SPDX-License-Identifier: GPL-3.0-or-later
"""Devices that only their packets tell are in the rows, with those of the decision."""

import numpy as np
import pytest

from gr_jadce import Scenario, make_estimator, make_pilots, simulate
from gr_jadce.detection.asynchrony import Asynchrony, Delayed
from gr_jadce.detection.decide import decide_rows
from gr_jadce.payload import PayloadFormat, PayloadReceiver
from gr_jadce.receiving.packet_receiver import with_packets

BOOK = make_pilots("qpsk", 24, 16, seed=1)
FORMAT = PayloadFormat(4, spreading=4)
DELAYED = Delayed(BOOK, Asynchrony())


@pytest.mark.parametrize("delayed", [None, DELAYED])
def test_devices_that_the_decision_missed_are_reported_by_their_packets(delayed):
    steps = {} if delayed is None else {"max_delay": 0.4}
    uplink = simulate(Scenario(BOOK, 2, n_active=2, snr_db=15, payload=FORMAT, **steps), 6, seed=2)
    decoder, decided = PayloadReceiver(BOOK, FORMAT, max_offset=1e-5), _decide(uplink, delayed)
    whole = with_packets(decided, decoder.receive(uplink.received, decided))
    last = [np.flatnonzero(of_frame)[-1] for of_frame in uplink.activity]
    blind = _without(decided, last)
    found = with_packets(blind, decoder.receive(uplink.received, blind))
    assert found.device.tolist() == whole.device.tolist() and found.start.tolist() == whole.start.tolist()
    assert _decoded(found) == _decoded(whole)
    np.testing.assert_allclose(found.channel, whole.channel, atol=0.2)
    is_later = found.device == np.array(last)[found.frame]
    assert np.count_nonzero(is_later) == 6 and np.all(np.isclose(found.score, 32 * np.log10(2)) == is_later)
    if delayed:
        np.testing.assert_allclose(found.delay[is_later], whole.delay[is_later], atol=0.4)
        assert len(found.tap_delay) == found.tap_start[-1] == len(found.tap_gain)


def _decide(uplink, delayed):
    pilots = np.ascontiguousarray(uplink.received[:, : BOOK.pilot_length])
    if delayed:
        return delayed.decide_rows(pilots)
    return decide_rows(make_estimator("unrolled", BOOK)(pilots), pilots, BOOK, 1e-3)


def _decoded(rows):
    return [packet.data if packet.crc_ok else None for packet in rows.packets]


def _without(rows, missed):
    """The rows but for one device of each frame."""
    stays = rows.device != np.asarray(missed)[rows.frame]
    fields = {name: getattr(rows, name)[stays] for name in ("device", "channel", "score")}
    if rows.delay is not None:
        taps = np.repeat(stays, np.diff(rows.tap_start))
        counts = np.diff(rows.tap_start)[stays]
        fields |= {name: getattr(rows, name)[stays] for name in ("delay", "carrier_offset")}
        fields |= {name: getattr(rows, name)[taps] for name in ("tap_delay", "tap_gain")}
        fields["tap_start"] = np.concatenate([[0], np.cumsum(counts)])
    return rows._replace(start=np.searchsorted(rows.frame[stays], np.arange(len(rows.start))), **fields)
