# SPDX-License-Identifier: GPL-3.0-or-later
"""A device that hears a beacon tells the base station's slots, and sends in them, on its carrier."""

import time

import numpy as np
import pmt
import pytest
from beacon_air import BEACON, Air
from gnuradio import blocks, gr
from stream_tags import tag
from stream_tags import time_tag as rx_time
from waiting import LIMIT_S

from gr_jadce.blocks import beacon_receiver, uplink_transmitter
from gr_jadce.pilots import make_pilots
from gr_jadce.uplink.bursts import Bursts
from gr_jadce.waveform import Waveform

PERIOD, RATE = 20_000, 1e6
BOOK = make_pilots("qpsk", 8, 16, seed=1)


class Grids(gr.basic_block):
    """Keeps the grids told."""

    def __init__(self):
        gr.basic_block.__init__(self, "grids", in_sig=None, out_sig=None)
        self.told = []
        self.message_port_register_in(pmt.intern("in"))
        self.set_msg_handler(pmt.intern("in"), self.take)

    def take(self, message):
        self.told.append(pmt.to_python(message))


def wait_for(condition):
    end = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def listen(samples, tags, transmitter=None, until=lambda told: False, ear=None):
    """The grids told of samples, and what a transmitter sends by them."""
    source, grids = blocks.vector_source_c(samples, False, 1, tags), Grids()
    ear = ear or beacon_receiver(PERIOD)
    flowgraph, sink = gr.top_block(), blocks.vector_sink_c()
    flowgraph.connect(source, ear)
    flowgraph.msg_connect((ear, "grid"), (grids, "in"))
    if transmitter is not None:
        flowgraph.msg_connect((ear, "grid"), (transmitter, "grid"))
        flowgraph.connect(transmitter, sink)
    flowgraph.start()
    wait_for(lambda: until(grids.told, sink))
    flowgraph.stop()
    flowgraph.wait()
    return grids.told, sink


def test_it_tells_beacons_in_device_time_over_a_gap():
    air = Air(PERIOD, 10, 30, 0.02, first=3000.25)
    samples = np.concatenate([air.samples(0, 150_000), air.samples(170_500, 300_000)])
    tags = [rx_time(0, 5, 0.9), rx_time(150_000, 6, 0.0705)]
    told, _ = listen(samples, tags, until=lambda told, sink: len(told) >= 9)
    for grid in told:
        position = (grid["seconds"] - 5) * 1e6 + (grid["fraction"] - 0.9) * 1e6
        index = round((position - air.first) / PERIOD)
        assert position == pytest.approx(air.start(index), abs=0.3)
        assert grid["offset_hz"] == pytest.approx(0.02 / 4 * RATE, abs=60)
        assert grid["snr_db"] == pytest.approx(10, abs=3)
    assert told[-1]["beacon_period"] == pytest.approx(PERIOD * air.ratio, abs=0.5)


@pytest.mark.parametrize("rate_first", [False, True])
def test_time_and_rate_of_one_sample_count_together_whichever_tag_comes_first(rate_first):
    air = Air(PERIOD, 15, 0, 0.0, first=3000.25)
    tags = [rx_time(0, 1000, 0.0), tag(0, "rx_rate", pmt.from_double(RATE))]
    ear = beacon_receiver(PERIOD, rate=2 * RATE)
    told, _ = listen(
        air.samples(0, 200_000),
        tags[:: -1 if rate_first else 1],
        ear=ear,
        until=lambda told, sink: len(told) >= 3,
    )
    assert told[0]["seconds"] == 1000  # a time counted at the rate before puts it at 2000
    position = (told[0]["seconds"] - 1000 + told[0]["fraction"]) * RATE
    assert position == pytest.approx(air.start(round((position - air.first) / PERIOD)), abs=0.5)


def test_a_new_rate_without_a_time_goes_on_in_device_time():
    air = Air(PERIOD, 15, 0, 0.0, first=3000.25)
    tags = [rx_time(0, 1000, 0.0), tag(100_000, "rx_rate", pmt.from_double(RATE / 2))]
    told, _ = listen(air.samples(0, 300_000), tags, until=lambda told, sink: len(told) >= 8)
    sample = 100_000 + (told[-1]["seconds"] - 1000 + told[-1]["fraction"] - 0.1) * RATE / 2
    assert sample == pytest.approx(air.start(round((sample - air.first) / PERIOD)), abs=0.5)


def test_one_absurd_time_is_forgotten_with_the_next():
    air = Air(PERIOD, 15, 0, 0.0, first=3000.25)
    tags = [rx_time(0, 5, 0.0), rx_time(100_000, 2**42, 0.0), rx_time(110_000, 5, 0.11)]
    told, _ = listen(
        air.samples(0, 400_000), tags, until=lambda told, sink: len(told) >= 10 and told[-1]["seconds"] == 5
    )
    position = (told[-1]["seconds"] - 5 + told[-1]["fraction"]) * RATE
    assert position == pytest.approx(air.start(round((position - air.first) / PERIOD)), abs=0.3)


def test_a_transmitter_sends_in_the_slots_of_the_beacon_on_its_carrier():
    air, waveform = Air(PERIOD, 15, 30, 0.02, first=3000.25), Waveform(4)
    transmitter = uplink_transmitter(BOOK, [3], 2000, rate=RATE, activity=1.0, slots_per_beacon=10)
    _, sink = listen(
        air.samples(0, 400_000),
        [rx_time(0, 7, 0.0)],
        transmitter,
        until=lambda told, sink: len(told) >= 15 and len(sink.data()) >= 50_000,
    )
    burst, _ = Bursts(BOOK, waveform, [3], 12.0).of(np.array([3]))
    starts = [t for t in sink.tags() if pmt.symbol_to_string(t.key) == "tx_time"]
    assert len(starts) > 100
    slot = PERIOD * air.ratio / 10
    for start in starts[:-1]:
        seconds, fraction = pmt.to_python(start.value)
        position = (seconds - 7 + fraction) * 1e6
        index = round((position - air.first) / slot)
        assert position == pytest.approx(air.first + index * slot, abs=3)  # half a second after the beacon
        sent = np.array(sink.data()[start.offset : start.offset + len(burst)])
        turned = np.exp(2j * np.pi * air.offset * np.arange(len(burst)))
        likeness = np.abs(np.vdot(burst * turned, sent)) / np.linalg.norm(burst) / np.linalg.norm(sent)
        assert likeness > 0.99


def grid(start, period=20_000.0):
    """A beacon `start` seconds after time zero."""
    return pmt.to_pmt(
        {"seconds": int(start), "fraction": start % 1, "beacon_period": period, "offset_hz": 0.0}
    )


def send(transmitter, starts):
    """The times of the bursts that a transmitter sends after beacons."""
    flowgraph, sink = gr.top_block(), blocks.vector_sink_c()
    flowgraph.connect(transmitter, sink)
    for start in starts:
        transmitter._take_grid(grid(start))
    flowgraph.run()
    return [sum(pmt.to_python(t.value)) for t in sink.tags() if pmt.symbol_to_string(t.key) == "tx_time"]


def test_a_first_slot_far_ahead_is_sent_when_its_time_has_come():
    transmitter = uplink_transmitter(
        BOOK, [3], 2000, first_slot=2000, n_slots=3, activity=1.0, slots_per_beacon=10
    )
    times = send(transmitter, [10 + k * 0.02 for k in range(130)])
    assert times == pytest.approx([14.0, 14.002, 14.004])


def test_one_absurd_beacon_is_forgotten_with_the_next():
    transmitter = uplink_transmitter(BOOK, [3], 2000, n_slots=700, activity=1.0, slots_per_beacon=10)
    times = send(transmitter, [10.0, float(2**40), 10.02])
    assert len(times) > 400 and max(times) < 12


def test_zeros_between_bursts_are_refused_with_a_beacon():
    with pytest.raises(ValueError, match="^continuous: expected False"):
        uplink_transmitter(BOOK, [3], 2000, continuous=True, slots_per_beacon=10)


def test_numpy_scalars_are_taken_for_every_number():
    beacon_receiver(np.int64(PERIOD), rate=np.float32(RATE), order=np.int32(8))
    numbers = {
        "slot_origin": (np.int64(1), np.float32(0.5)),
        "first_slot": np.int64(2),
        "n_slots": np.int32(10),
        "rate": np.float32(1e6),
        "activity": np.int64(5),
        "backoff_db": np.float32(20),
        "seed": np.uint8(1),
        "waveform": {"samples_per_symbol": np.int64(4), "roll_off": np.float32(0.25), "span": np.int64(8)},
    }
    transmitter = uplink_transmitter(BOOK, np.array([3, 4]), np.int64(2000), **numbers)
    assert len(send(transmitter, [])) == 4  # each of two devices, once in 5 of 10 slots


def test_malformed_grids_are_left_out():
    transmitter = uplink_transmitter(BOOK, [3], 2000, activity=1.0, slots_per_beacon=10)
    for message in (pmt.PMT_T, pmt.to_pmt({"seconds": 1}), pmt.to_pmt({"seconds": 1, "fraction": 0.5,
                    "beacon_period": 10.0, "offset_hz": 0.0})):  # fmt: skip
        transmitter._take_grid(message)
    assert transmitter.slots() == 0


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match="^period: expected"):
        beacon_receiver(len(BEACON) - 1)
    with pytest.raises(ValueError, match="^rate: expected"):
        beacon_receiver(PERIOD, rate=0)
    with pytest.raises(ValueError, match="^slots_per_beacon: expected"):
        uplink_transmitter(BOOK, [3], 2000, slots_per_beacon=-1)
