# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports as PMT messages.

PMT is imported by the functions that need it, so that the JSON form works without GNU Radio.
"""

from collections.abc import Callable
from functools import cache
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np

from . import pdu_bytes
from .fields import PORTS, Field, Kind, keys, vector
from .pdu_bytes import TAP_KINDS, with_rows
from .report import Report, Taps, check_schema, check_sizes, shown


def to_pmts(report: Report) -> tuple[Any, ...]:
    """The report as two PDUs (meta . vector): activity (u32vector) and channel (c32vector, K·M).

    Blocks send those that `blocks.support.messages` makes, which are the same.
    """
    return tuple(_pdu(report, port) for port in PORTS)


def activity_from_pmt(pdu: Any) -> dict[str, Any]:
    """The fields of a `Report`, all but `channel`, in an activity PDU.

    Raises
    ------
    ValueError
        If it is not an activity PDU; the message names the key, what was expected and given.
    """
    fields = pdu_bytes.activity_from_bytes(bytes_of(pdu))
    return activity_by_part(pdu) if fields is None else fields


def activity_by_part(pdu: Any) -> dict[str, Any]:
    """What `activity_from_pmt` gives, of any activity PDU."""
    return _fields_of(pdu, "activity")


def channel_from_pmt(pdu: Any) -> dict[str, Any]:
    """The fields frame_id, rx_time, n_devices, n_antennas, device, channel (K, M), and taps in a channel PDU.

    Raises
    ------
    ValueError
        If it is not a channel PDU; the message names the key, what was expected and given.
    """
    fields = pdu_bytes.channel_from_bytes(bytes_of(pdu))
    return channel_by_part(pdu) if fields is None else fields


def channel_by_part(pdu: Any) -> dict[str, Any]:
    """What `channel_from_pmt` gives, of any channel PDU."""
    fields = _fields_of(pdu, "channel")
    channel, shape = fields["channel"], (len(fields["device"]), fields["n_antennas"])
    if channel.size != shape[0] * shape[1]:
        raise ValueError(
            f"channel: expected {shape[0]} devices × {shape[1]} antennas, got {channel.size} values"
        )
    fields["channel"] = channel.reshape(shape)
    if "taps" in fields:
        fields["taps"] = with_rows(fields["taps"], shape[1])
    return fields


def status_to_pmt(status: dict[str, Any]) -> Any:
    """A status dictionary (str to int, float, bool or str) as a PMT dictionary."""
    import pmt

    return pmt.to_pmt(status)


def status_from_pmt(message: Any) -> dict[str, Any]:
    """The plain dictionary in a status message.

    Raises
    ------
    ValueError
        If the message is not a dictionary with strings as keys.
    """
    import pmt

    if not pmt.is_dict(message) or pmt.is_null(message):
        raise ValueError(f"status: expected a dictionary, got {shown(message)}")
    try:
        status = pmt.to_python(message)
    except (TypeError, ValueError) as error:
        raise ValueError(f"status: expected a dictionary of plain values, got {shown(message)}") from error
    if not isinstance(status, dict) or not all(isinstance(name, str) for name in status):
        raise ValueError(f"status: expected strings as keys, got {shown(message)}")
    return status


def bytes_of(pdu: Any) -> bytes:
    """A PDU in its serial form; nothing of what has none, or is no PDU."""
    import pmt

    try:
        return pmt.serialize_str(pdu) if pmt.is_pair(pdu) and not pmt.is_dict(pdu) else b""
    except (ValueError, RuntimeError):
        return b""


def either_from_pmt(pdu: Any) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """(fields of an activity PDU, None) or (None, fields of a channel PDU)."""
    import pmt

    if pmt.is_u32vector(_split_pdu(pdu)[1]):
        return activity_by_part(pdu), None
    return None, channel_by_part(pdu)


class _Form(NamedTuple):
    """How a field of a kind is written to and read from PMT, and what is expected there."""

    write: Callable[[Any], Any]
    read: Callable[[Any], Any]
    expected: str


@cache
def _forms() -> dict[Kind, _Form]:
    import pmt

    integer = "an integer from 0 to 2**64 - 1"
    return {
        Kind.UINT64: _Form(lambda value: pmt.from_uint64(int(value)), pmt.to_uint64, integer),
        Kind.INTEGER: _Form(lambda value: pmt.from_long(int(value)), pmt.to_uint64, integer),
        Kind.NUMBER: _Form(lambda value: pmt.from_double(float(value)), pmt.to_double, "a number"),
        Kind.TEXT: _Form(_symbol, pmt.symbol_to_string, "a string"),
        Kind.TIME: _Form(_time_to_pmt, _time_from_pmt, "a pair (uint64 . double)"),
        Kind.TEXTS: _Form(lambda names: pmt.to_pmt(list(names)), _texts_from_pmt, "strings"),
        Kind.INDICES: _vector_form("u32vector", np.uint32),
        Kind.NUMBERS: _vector_form("f32vector", np.float32),
        Kind.CHANNELS: _vector_form("c32vector", np.complex64),
        Kind.TAPS: _Form(_taps_to_pmt, _taps_from_pmt, "(u32vector, f32vector, c32vector)"),
        Kind.PACKETS: _Form(_packets_to_pmt, _packets_from_pmt, "(u32vector, u8vector)"),
    }


def _vector_form(kind: str, dtype: type) -> _Form:
    import pmt

    make, elements = getattr(pmt, f"init_{kind}"), getattr(pmt, f"{kind}_elements")
    return _Form(
        lambda array: make(array.size, array.ravel().tolist()),
        lambda value: np.array(elements(value), dtype=dtype),
        f"{'an' if kind.startswith('f') else 'a'} {kind}",
    )


@cache
def _symbol(name: str) -> Any:
    import pmt

    return pmt.intern(name)


def _pdu(report: Report, port: str) -> Any:
    import pmt

    meta = pmt.make_dict()
    for field in reversed(keys(port)):  # a dictionary grows at its head
        value = getattr(report, field.name)
        if value is not None:
            # As dict_add, but without looking whether the key is there, which takes longest.
            meta = pmt.acons(_symbol(field.name), _forms()[field.kind].write(value), meta)
    field = vector(port)
    return pmt.cons(meta, _forms()[field.kind].write(getattr(report, field.name)))


def _fields_of(pdu: Any, port: str) -> dict[str, Any]:
    import pmt

    meta, values = _split_pdu(pdu)
    by_name = {field.name: field for field in keys(port)}
    check_schema(_from_meta(meta, by_name.pop("schema")))
    fields = {
        name: _from_meta(meta, field)
        for name, field in by_name.items()
        if not field.optional or pmt.dict_has_key(meta, _symbol(name))
    }
    check_sizes(fields["n_devices"], fields["n_antennas"])
    field = vector(port)
    fields[field.name] = _read(field, values)
    return fields


def _split_pdu(pdu: Any) -> tuple[Any, Any]:
    import pmt

    if not pmt.is_pair(pdu) or pmt.is_dict(pdu) or not pmt.is_dict(pmt.car(pdu)):
        raise ValueError(f"PDU: expected a pair (dictionary . vector), got {shown(pdu)}")
    return pmt.car(pdu), pmt.cdr(pdu)


def _from_meta(meta: Any, field: Field) -> Any:
    import pmt

    return _read(field, pmt.dict_ref(meta, _symbol(field.name), pmt.PMT_NIL))


def _read(field: Field, value: Any) -> Any:
    import pmt

    form = _forms()[field.kind]
    try:
        return form.read(value)
    except ValueError as error:
        given = "nothing" if pmt.is_null(value) else shown(value)
        raise ValueError(f"{field.name}: expected {form.expected}, got {given}") from error


def _time_to_pmt(time: tuple[int, float]) -> Any:
    import pmt

    return pmt.cons(pmt.from_uint64(int(time[0])), pmt.from_double(float(time[1])))


def _time_from_pmt(value: Any) -> tuple[int, float]:
    import pmt

    return pmt.to_uint64(pmt.car(value)), pmt.to_double(pmt.cdr(value))


def _taps_to_pmt(taps: Taps) -> Any:
    """A tuple: how many taps each device has, their delays, and their gains, tap by tap."""
    import pmt

    parts = (taps.counts, taps.delay, taps.gain)
    forms = (_forms()[kind] for kind in TAP_KINDS)
    return pmt.make_tuple(*(form.write(part) for form, part in zip(forms, parts, strict=True)))


def _taps_from_pmt(value: Any) -> Taps:
    """Taps whose gains are in one row."""
    import pmt

    if not pmt.is_tuple(value) or pmt.length(value) != len(TAP_KINDS):
        raise ValueError(value)
    parts = [_forms()[kind].read(pmt.tuple_ref(value, place)) for place, kind in enumerate(TAP_KINDS)]
    return Taps.of_counts(*parts)


def _packets_to_pmt(packets: tuple[bytes, ...]) -> Any:
    """A tuple: how many bytes each packet has, and the bytes of all, packet by packet."""
    import pmt

    data = b"".join(packets)
    sizes = pmt.init_u32vector(len(packets), [len(packet) for packet in packets])
    return pmt.make_tuple(sizes, pmt.init_u8vector(len(data), list(data)))


def _packets_from_pmt(value: Any) -> tuple[bytes, ...]:
    import pmt

    if not pmt.is_tuple(value) or pmt.length(value) != 2:
        raise ValueError(value)
    sizes, data = pmt.u32vector_elements(pmt.tuple_ref(value, 0)), pmt.tuple_ref(value, 1)
    data = bytes(pmt.u8vector_elements(data))
    if sum(sizes) != len(data):
        raise ValueError(f"{len(data)} bytes for packets of {sum(sizes)}")
    ends = list(accumulate(sizes))
    return tuple(data[end - size : end] for size, end in zip(sizes, ends, strict=True))


def _texts_from_pmt(value: Any) -> tuple[str, ...]:
    import pmt

    names = pmt.to_python(value)
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError(names)
    return tuple(names)
