# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports as PMT messages.

PMT is imported by the functions that need it, so that the JSON form works without GNU Radio.
"""

from functools import cache, lru_cache

import numpy as np

from .pdu_bytes import activity_from_bytes, channel_from_bytes, to_bytes
from .report import (
    EXPECTED,
    FRAME_ID,
    OPTIONAL,
    SCALARS,
    SCHEMA,
    SHARED,
    check_schema,
    check_sizes,
    optional_of,
    shown,
)


def to_pmts(report):
    """The report as two PDUs (meta . vector): activity (u32vector) and channel (c32vector, K·M)."""
    import pmt

    data = to_bytes(report)
    return _to_pmts(report) if data is None else tuple(map(pmt.deserialize_str, data))


def _to_pmts(report):
    """The same, whatever is in the report; in the order that `pdu_bytes` knows, last first."""
    import pmt

    add = pmt.acons  # as dict_add, but without looking whether the key is there, which takes longest
    rx_time = pmt.cons(pmt.from_uint64(int(report.rx_time[0])), pmt.from_double(report.rx_time[1]))
    shared = add(_symbol("rx_time"), rx_time, _cell_meta(report.n_devices, report.n_antennas))
    shared = add(_symbol("frame_id"), pmt.from_uint64(int(report.frame_id)), shared)
    n_active = len(report.device)
    device = pmt.init_u32vector(n_active, report.device.tolist())
    score = pmt.init_f32vector(n_active, report.score.tolist())
    channel = pmt.init_c32vector(report.channel.size, report.channel.ravel().tolist())
    activity_meta = add(_symbol("score"), score, shared)
    for name, symbol, kind, write in _pmt_scalars():
        activity_meta = add(symbol, write(kind(getattr(report, name))), activity_meta)
    for name, values in optional_of(report).items():
        values = pmt.init_f32vector(n_active, values.tolist())
        activity_meta = add(_symbol(name), values, activity_meta)
    if report.device_id is not None:
        activity_meta = add(_symbol("device_id"), pmt.to_pmt(list(report.device_id)), activity_meta)
    channel_meta = add(_symbol("device"), device, shared)
    return pmt.cons(activity_meta, device), pmt.cons(channel_meta, channel)


def activity_from_pmt(pdu) -> dict:
    """The fields of a `Report`, all but `channel`, in an activity PDU.

    Raises
    ------
    ValueError
        If it is not an activity PDU; the message names the key, what was expected and given.
    """
    fields = activity_from_bytes(bytes_of(pdu))
    return _activity_from_pmt(pdu) if fields is None else fields


def _activity_from_pmt(pdu):
    """The same, of any activity PDU, part by part."""
    import pmt

    meta, vector = _split_pdu(pdu)
    fields = _shared_from_pmt(meta)
    for name, kind in SCALARS.items():
        fields[name] = _from_meta(meta, name, _pmt_kinds()[kind][1], EXPECTED[kind])
    fields["device"] = _vector("device", pmt.u32vector_elements, vector, np.uint32)
    fields["score"] = _from_meta(meta, "score", pmt.f32vector_elements, "an f32vector")
    fields["device_id"] = _names_from_pmt(meta)
    for name in OPTIONAL:
        if pmt.dict_has_key(meta, _symbol(name)):
            fields[name] = _from_meta(meta, name, pmt.f32vector_elements, "an f32vector")
    return fields


def channel_from_pmt(pdu) -> dict:
    """The fields frame_id, rx_time, n_devices, n_antennas, device and channel (K, M) in a channel PDU.

    Raises
    ------
    ValueError
        If it is not a channel PDU; the message names the key, what was expected and given.
    """
    fields = channel_from_bytes(bytes_of(pdu))
    return _channel_from_pmt(pdu) if fields is None else fields


def _channel_from_pmt(pdu):
    """The same, of any channel PDU, part by part."""
    import pmt

    meta, vector = _split_pdu(pdu)
    fields = _shared_from_pmt(meta)
    device = _from_meta(meta, "device", pmt.u32vector_elements, "a u32vector")
    channel = _vector("channel", pmt.c32vector_elements, vector, np.complex64)
    shape = (len(device), fields["n_antennas"])
    if channel.size != shape[0] * shape[1]:
        raise ValueError(
            f"channel: expected {shape[0]} devices × {shape[1]} antennas, got {channel.size} values"
        )
    fields["device"] = np.array(device, dtype=np.uint32)
    fields["channel"] = channel.reshape(shape)
    return fields


def status_to_pmt(status):
    """A status dictionary (str to int, float, bool or str) as a PMT dictionary."""
    import pmt

    return pmt.to_pmt(status)


def status_from_pmt(message) -> dict:
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


@cache
def _symbol(name):
    import pmt

    return pmt.intern(name)


@cache
def _pmt_kinds():
    """How a scalar of each kind is written to and read from PMT."""
    import pmt

    return {
        int: (pmt.from_long, pmt.to_uint64),
        float: (pmt.from_double, pmt.to_double),
        str: (_symbol, pmt.symbol_to_string),
    }


@cache
def _pmt_scalars():
    in_order = sorted(SCALARS.items(), key=lambda item: item[1] is not str)
    return [(name, _symbol(name), kind, _pmt_kinds()[kind][0]) for name, kind in in_order]


@lru_cache(maxsize=64)
def _cell_meta(n_devices, n_antennas):
    """The part of the dictionaries that is the same in every frame; PMT dictionaries never change."""
    import pmt

    meta = pmt.dict_add(pmt.make_dict(), _symbol("schema"), pmt.from_long(SCHEMA))
    meta = pmt.dict_add(meta, _symbol("n_devices"), pmt.from_long(int(n_devices)))
    return pmt.dict_add(meta, _symbol("n_antennas"), pmt.from_long(int(n_antennas)))


def bytes_of(pdu):
    """A PDU in its serial form; nothing of what has none, or is no PDU."""
    import pmt

    try:
        return pmt.serialize_str(pdu) if pmt.is_pair(pdu) and not pmt.is_dict(pdu) else b""
    except (ValueError, RuntimeError):
        return b""


def either_from_pmt(pdu):
    """(fields of an activity PDU, None) or (None, fields of a channel PDU)."""
    import pmt

    if pmt.is_u32vector(_split_pdu(pdu)[1]):
        return _activity_from_pmt(pdu), None
    return None, _channel_from_pmt(pdu)


def _split_pdu(pdu):
    import pmt

    if not pmt.is_pair(pdu) or pmt.is_dict(pdu) or not pmt.is_dict(pmt.car(pdu)):
        raise ValueError(f"PDU: expected a pair (dictionary . vector), got {shown(pdu)}")
    return pmt.car(pdu), pmt.cdr(pdu)


def _shared_from_pmt(meta):
    check_schema(_from_meta(meta, "schema", _pmt_kinds()[int][1], EXPECTED[int]))
    fields = {"rx_time": _from_meta(meta, "rx_time", _time_from_pmt, "a pair (uint64 . double)")}
    for name, kind in (FRAME_ID | SHARED).items():
        fields[name] = _from_meta(meta, name, _pmt_kinds()[kind][1], EXPECTED[kind])
    check_sizes(fields["n_devices"], fields["n_antennas"])
    return fields


def _from_meta(meta, name, convert, expected):
    import pmt

    value = pmt.dict_ref(meta, _symbol(name), pmt.PMT_NIL)
    try:
        return convert(value)
    except ValueError as error:
        given = "nothing" if pmt.is_null(value) else shown(value)
        raise ValueError(f"{name}: expected {expected}, got {given}") from error


def _time_from_pmt(value):
    import pmt

    return pmt.to_uint64(pmt.car(value)), pmt.to_double(pmt.cdr(value))


def _names_from_pmt(meta):
    import pmt

    if not pmt.dict_has_key(meta, _symbol("device_id")):
        return None
    names = _from_meta(meta, "device_id", pmt.to_python, "strings")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"device_id: expected strings, got {shown(names)}")
    return tuple(names)


def _vector(name, elements, vector, dtype):
    try:
        return np.array(elements(vector), dtype=dtype)
    except ValueError as error:
        kind = elements.__name__.removesuffix("_elements")
        raise ValueError(f"{name}: expected a {kind}, got {shown(vector)}") from error
