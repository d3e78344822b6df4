# SPDX-License-Identifier: GPL-3.0-or-later
"""From devices that say something to the port `payload` of a receiver."""

import numpy as np
import pmt
from collector import collector
from gnuradio import blocks, filter, gr

from gr_jadce.blocks import pilot_framer, receiver, uplink_transmitter
from gr_jadce.blocks.support.report_sink import report_sink
from gr_jadce.payload import PayloadFormat
from gr_jadce.pilots import make_pilots
from gr_jadce.waveform import Waveform

BOOK = make_pilots("qpsk", 20, 16, seed=1)
FORMAT = PayloadFormat(12, 8)
WAVEFORM = Waveform(4)
PERIOD = 4600


class payload_sink(report_sink):
    """Keeps (meta, bytes) of all PDUs."""

    def __init__(self):
        self.pdus = []
        report_sink.__init__(self, "payload sink")

    def take_pdu(self, pdu):
        self.pdus.append((pmt.car(pdu), bytes(pmt.u8vector_elements(pmt.cdr(pdu)))))


def entry(meta, name):
    return pmt.to_python(pmt.dict_ref(meta, pmt.intern(name), pmt.PMT_NIL))


def run(n_slots=40, fault=None, **changes):
    """The truth, the reports, the PDUs and the receiver of a run."""
    source = uplink_transmitter(
        BOOK, range(20), PERIOD, activity=0.1, n_slots=n_slots, payload=FORMAT, packets="{device}:{slot}",
        waveform=WAVEFORM, backoff_db=12, continuous=True, send_eof=True,
    )  # fmt: skip
    framer = pilot_framer(
        BOOK.pilot_length, 1, PERIOD, offset=WAVEFORM.offset, samples_per_symbol=4, payload=FORMAT
    )
    decoder = receiver(BOOK, 1, payload=FORMAT, **changes)
    noise = blocks.vector_source_c(noise_samples(n_slots * PERIOD, fault))
    add, matched = blocks.add_cc(), filter.fir_filter_ccf(1, WAVEFORM.taps.tolist())
    flowgraph, truth, reports, sink = gr.top_block(), collector(), collector(), payload_sink()
    flowgraph.connect(source, add, matched, framer, decoder)
    flowgraph.connect(noise, (add, 1))
    truth.listen_to(flowgraph, source, ("activity", "channel"))
    reports.listen_to(flowgraph, decoder, ("activity", "channel", "status"))
    flowgraph.msg_connect((decoder, "payload"), (sink, "in"))
    flowgraph.run()
    return truth.reports, reports.reports, sink.pdus, decoder


def noise_samples(count, fault):
    rng = np.random.default_rng(3)
    noise = (rng.standard_normal((count, 2)) * 0.005).astype(np.float32).view(np.complex64)[:, 0]
    if fault is not None:
        noise[fault] = np.nan
    return noise.tolist()


def said(report):
    return {device: data for device, data in zip(report.device.tolist(), report.payload, strict=True) if data}


def test_what_devices_say_comes_out_as_messages_and_in_the_reports():
    truth, reports, pdus, decoder = run()
    assert [said(report) for report in reports] == [said(report) for report in truth]
    frames = {report.frame_id: said(report) for report in truth}
    delivered = [pdu for pdu in pdus if pdu[1]]
    assert len(delivered) == sum(map(len, frames.values())) > 50
    for meta, data in pdus:
        expected = frames[entry(meta, "frame_id")].get(entry(meta, "device"), b"")
        assert (data, entry(meta, "crc_ok")) == (expected, bool(data))
    meta = delivered[0][0]
    assert entry(meta, "evm_db") < -15 and entry(meta, "snr_db") > 15
    assert pmt.dict_has_key(meta, pmt.intern("rx_time"))
    status = decoder.status_dict()
    assert status["packets_decoded"] == len(delivered)
    assert status["packets_failed"] == len(pdus) - len(delivered)


def test_a_frame_whose_chips_are_not_finite_is_bad_and_the_next_are_not():
    _, reports, _, decoder = run(n_slots=3, fault=2000)
    assert [report.status for report in reports] == ["bad_input", "ok", "ok"]
    assert [bool(report.payload and any(report.payload)) for report in reports] == [False, True, True]
    assert decoder.frames_bad() == 1
