# SPDX-License-Identifier: GPL-3.0-or-later
"""Samples of a device of SoapySDR, here of a stand-in with and without a device time."""

from types import SimpleNamespace

import pmt
import pytest
from gnuradio import blocks, gr

SoapySDR = pytest.importorskip("SoapySDR", reason="needs python3-soapysdr")

RATE, PACKET = 1e6, 100
LOST_AFTER, N_LOST = 5, 1000  # packets, samples


class StandIn:
    """A device of one channel that loses samples once, as `SoapyDevice` and as SoapySDR's own."""

    channels, rate = (0,), RATE

    def __init__(self, has_time):
        self.has_time, self.device, self.n_reads = has_time, self, 0

    def now(self):
        return 100.0

    def open_stream(self):
        return None

    def getFrequency(self, _direction, _channel):
        return 915e6

    def activateStream(self, _stream, flags, _when):
        assert bool(flags & SoapySDR.SOAPY_SDR_HAS_TIME) == self.has_time
        return 0

    def deactivateStream(self, _stream):
        return 0

    def readStream(self, _stream, buffers, count, timeoutUs):
        assert count >= PACKET and timeoutUs > 0
        self.n_reads += 1
        if self.n_reads == LOST_AFTER + 1:
            return SimpleNamespace(ret=SoapySDR.SOAPY_SDR_OVERFLOW, flags=0, timeNs=0)
        is_before = self.n_reads <= LOST_AFTER
        sample = PACKET * (self.n_reads - 1) if is_before else PACKET * (self.n_reads - 2) + N_LOST
        buffers[0][:PACKET] = 1
        flags = SoapySDR.SOAPY_SDR_HAS_TIME if self.has_time else 0
        return SimpleNamespace(ret=PACKET, flags=flags, timeNs=round(1e9 * (100 + sample / RATE)))


def receive(has_time, capfd):
    """Tags by name, as places and values; how often samples were lost; and what was logged."""
    from gr_jadce.radio.soapy.source import soapy_source

    source, sink = soapy_source(StandIn(has_time)), blocks.vector_sink_c()
    head = blocks.head(gr.sizeof_gr_complex, 2 * LOST_AFTER * PACKET)
    flowgraph = gr.top_block()
    flowgraph.connect(source, head, sink)
    flowgraph.run()
    tags = {}
    for tag in sink.tags():
        tags.setdefault(pmt.symbol_to_string(tag.key), []).append((tag.offset, pmt.to_python(tag.value)))
    return tags, source.overflows(), capfd.readouterr().out


def test_a_device_with_a_time(capfd):
    tags, overflows, said = receive(True, capfd)
    place = LOST_AFTER * PACKET
    assert tags["rx_time"] == [(0, (100, 0.0)), (place, (100, pytest.approx((place + N_LOST) / RATE)))]
    assert tags["rx_freq"] == [(0, 915e6), (place, 915e6)]
    assert overflows == 1
    assert "OVERFLOW: samples were lost\n" in said


def test_a_device_without_a_time_says_so(capfd):
    tags, overflows, said = receive(False, capfd)
    assert "rx_time" not in tags
    assert tags["rx_rate"] == [(0, RATE)]
    assert overflows == 1
    assert "the device tells no time: slots are counted by samples from the first one on" in said
    assert "samples were lost; the device tells no time, so that slots are late from now on" in said
