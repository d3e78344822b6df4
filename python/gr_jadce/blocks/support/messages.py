# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages that blocks send, reports and payloads, and those that they take: what devices are to send."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
import pmt

from ...backend import load_messages
from ...payload.contents import WaitingContents, contents_of
from ...payload.format import PayloadForm, as_payload_format
from ...reports.fields import FIELDS, PORTS, Field, keys, vector
from ...reports.pdus import to_pmts
from ...reports.report import Report
from .limited_log import LimitedLog

PAYLOAD = pmt.intern("payload")
_BURST = 64  # reports whose PDUs are all made before the first is sent: a sink that waits is woken once
_DEVICE = pmt.intern("device")


class PayloadInput:
    """What a block sends for its devices, as its arguments `payload` and `packets` ask for.

    Parameters
    ----------
    form : PayloadFormat, dict, JSON or path, optional
        None: nothing is sent.
    packets : str
        "random", "counter", "messages" or a text.
    n_devices : int
    seed : int
        Of random packets.

    Attributes
    ----------
    format : PayloadFormat or None
    packets : callable or None
        Gives the packets (K, n_bytes) of a slot and its active devices (K,).
    dropped : int
        Messages so far that no device can send.
    """

    def __init__(self, form: PayloadForm | None, packets: str, n_devices: int, seed: int) -> None:
        self.format = None if form is None else as_payload_format(form)
        self.dropped = 0
        self.packets = contents_of(packets, self.format, n_devices, seed) if self.format else None
        self._log: LimitedLog | None = None

    def listen(self, block: Any, handler: Callable[[Any], None]) -> None:
        """Let a method of a block, which is to call `take`, have the messages of its port ``payload``."""
        self._log = LimitedLog(block.logger)
        block.message_port_register_in(PAYLOAD)
        block.set_msg_handler(PAYLOAD, handler)

    def take(self, message: Any) -> None:
        """Keep a PDU (meta with ``device`` . u8vector) for its device's next slot; drop any other message."""
        try:
            if not isinstance(self.packets, WaitingContents):
                raise ValueError("payload: expected a block with packets='messages'")
            self.packets.push(*_device_and_data(message))
        except Exception as error:
            self.dropped += 1
            if self._log:
                self._log.warn(f"a payload is dropped: {error}")


def publish_reports(block: Any, reports: Sequence[Report]) -> None:
    """Publish the PDUs of reports on the ports ``activity`` and ``channel`` of a block.

    Compiled, where that is there for this GNU Radio: nothing that Python does for a frame takes as long as
    to make them by `to_pmts`, and other threads wait for the interpreter meanwhile.
    """
    compiled = report_messages()
    for first in range(0, len(reports), _BURST):
        burst = reports[first : first + _BURST]
        if compiled is not None:
            compiled.publish(block.alias(), burst)
        else:
            _publish_by_part(block, burst)


def _publish_by_part(block: Any, reports: Sequence[Report]) -> None:
    pairs = [to_pmts(report) for report in reports]
    for pdus in pairs:
        for port, pdu in zip(PORTS, pdus, strict=True):
            block.message_port_pub(pmt.intern(port), pdu)


@cache
def report_messages() -> Any:
    """What compiled makes the same PDUs as `to_pmts`, and publishes them; None where it is not there."""
    module, place = load_messages(), {field: index for index, field in enumerate(FIELDS)}
    if module is None:
        return None

    def places(fields: Sequence[Field], steady: bool) -> list[int]:
        return [place[field] for field in fields if field.steady == steady]

    ports = [
        (port, places(keys(port), False), places(keys(port), True), place[vector(port)]) for port in PORTS
    ]
    return module.ReportMessages([(field.name, field.kind.name) for field in FIELDS], ports)


def take_waiting(block: Any, port: str, limit: int) -> list[bytes]:
    """Messages that wait at a block's port, at most `limit` and none behind an end of file, as bytes.

    They have the form of `pmt.serialize_str`; what has none is nil.
    """
    module = load_messages()
    if module is not None:
        return list(module.take(block.alias(), port, limit))
    taken: list[bytes] = []
    while len(taken) < limit and (message := block.delete_head_nowait(pmt.intern(port))) is not None:
        taken.append(_bytes_or_nil(message))
        if pmt.equal(message, pmt.PMT_EOF):
            break
    return taken


def _bytes_or_nil(message: Any) -> bytes:
    try:
        return bytes(pmt.serialize_str(message))
    except (ValueError, RuntimeError):
        return bytes(pmt.serialize_str(pmt.PMT_NIL))


def publish_payloads(block: Any, reports: Sequence[Report]) -> None:
    """Publish the PDUs of the payloads that reports tell on the port ``payload`` of a block."""
    for report in reports:
        for pdu in payload_pdus(report):
            block.message_port_pub(PAYLOAD, pdu)


def payload_pdus(report: Report) -> list[Any]:
    """A PDU (meta . u8vector) for each device of a report that tells payloads, without bytes if none came."""
    if report.payload is None:
        return []
    unknown = np.full(len(report.payload), np.nan)
    figures = {
        "evm_db": unknown if report.evm_db is None else report.evm_db,
        "snr_db": unknown if report.payload_snr_db is None else report.payload_snr_db,
    }
    head = {
        "frame_id": pmt.from_uint64(report.frame_id),
        "rx_time": pmt.cons(pmt.from_uint64(report.rx_time[0]), pmt.from_double(report.rx_time[1])),
    }
    pdus = []
    for row, (device, data) in enumerate(zip(report.device.tolist(), report.payload, strict=True)):
        numbers = {name: pmt.from_double(float(values[row])) for name, values in figures.items()}
        meta = {"device": pmt.from_long(device), "crc_ok": pmt.from_bool(bool(data)), **head, **numbers}
        if report.device_id is not None:
            meta["device_id"] = pmt.intern(report.device_id[row])
        pdus.append(_pdu(meta, data))
    return pdus


def _device_and_data(message: Any) -> tuple[int, bytes]:
    """Of a PDU; ValueError if it is none with a device and bytes."""
    is_pdu = pmt.is_pair(message) and pmt.is_dict(pmt.car(message)) and pmt.is_u8vector(pmt.cdr(message))
    device = pmt.dict_ref(pmt.car(message), _DEVICE, pmt.PMT_NIL) if is_pdu else pmt.PMT_NIL
    if not (pmt.is_integer(device) or pmt.is_uint64(device)):
        raise ValueError(f"payload: expected a PDU (meta with device . u8vector), got {str(message)[:80]}")
    return int(pmt.to_python(device)), bytes(pmt.u8vector_elements(pmt.cdr(message)))


def _pdu(meta: dict[str, Any], data: bytes) -> Any:
    entries = pmt.make_dict()
    for name, value in meta.items():
        entries = pmt.dict_add(entries, pmt.intern(name), value)
    return pmt.cons(entries, pmt.init_u8vector(len(data), list(data)))
