# SPDX-License-Identifier: GPL-3.0-or-later
"""The report schema in one place: a frame's activity and channels as Report, PMT and JSON.

PMT is imported by the functions that need it, so that the JSON form works without GNU Radio.
"""

import json
import re
from dataclasses import dataclass
from functools import cache, lru_cache
from math import isfinite

import numpy as np

SCHEMA = 1
STATUSES = ("ok", "bad_input", "clipped")
_MOST = {"n_devices": 2**32, "n_antennas": 2**16}
# The scalars of a report, named alike in every form; the last group is in the activity PDU alone.
_FRAME_ID = {"frame_id": int}
_SHARED = {"n_devices": int, "n_antennas": int}
_SCALARS = {
    "status": str,
    "threshold": float,
    "noise_var": float,
    "snr_db": float,
    "estimator": str,
    "n_iter": int,
    "solve_time": float,
    "frames_dropped": int,
}
# Numbers of each active device, in the activity PDU alone, that only some receivers tell.
_OPTIONAL = ("delay", "carrier_offset")
_EXPECTED = {
    int: "an integer from 0 to 2**64 - 1",
    float: "a number",
    str: "a string",
    dict: "an object",
    list: "a list",
}


@dataclass(frozen=True, eq=False)
class Report:
    """What is known, or in a truth report true, of one frame.

    Parameters
    ----------
    frame_id : int
        Number of the slot.
    rx_time : (int, float)
        Device time of the pilot's first sample: whole seconds and fraction.
    n_devices, n_antennas : int
        N and M.
    device : (K,) uint32 array
        The active devices, ascending.
    channel : (K, M) complex64 array
        Their channels, in the order of `device`.
    score : (K,) float32 array
        Their evidence of being active; above `threshold`.
    threshold : float
        The score from which a device counts as active.
    noise_var : float
        Noise variance per received sample; NaN if unknown.
    snr_db : float
        Estimated SNR of the frame, dB; NaN if unknown.
    status : {"ok", "bad_input", "clipped"}
    estimator : str
        Name of the estimator; "truth" for simulated truth.
    n_iter : int
        Iterations the estimator took.
    solve_time : float
        Seconds spent on the frame.
    frames_dropped : int
        Frames dropped so far.
    device_id : tuple of K str, optional
        Names of the active devices, if the pilot book has names.
    delay, carrier_offset : (K,) float32 array, optional
        Delays of the active devices, symbols, and their carrier offsets, cycles a symbol, where
        the receiver estimates them.

    Raises
    ------
    ValueError
        If shapes do not agree, devices do not ascend, the status is none of the three, or N is not
        from 1 to 2**32 or M not from 1 to 2**16.
    """

    frame_id: int
    rx_time: tuple[int, float]
    n_devices: int
    n_antennas: int
    device: np.ndarray
    channel: np.ndarray
    score: np.ndarray
    threshold: float
    noise_var: float
    snr_db: float
    status: str
    estimator: str
    n_iter: int
    solve_time: float
    frames_dropped: int = 0
    device_id: tuple[str, ...] | None = None
    delay: np.ndarray | None = None
    carrier_offset: np.ndarray | None = None

    def __post_init__(self):
        _check_sizes(self.n_devices, self.n_antennas)
        _check_device(np.asarray(self.device), self.n_devices)
        n_active = len(self.device)
        for name, dtype, shape in (
            ("device", np.uint32, (n_active,)),
            ("channel", np.complex64, (n_active, self.n_antennas)),
            ("score", np.float32, (n_active,)),
            *((name, np.float32, (n_active,)) for name in _OPTIONAL if getattr(self, name) is not None),
        ):
            array = np.asarray(getattr(self, name), dtype=dtype)
            if array.shape != shape:
                raise ValueError(f"{name}: expected shape {shape}, got {array.shape}")
            object.__setattr__(self, name, array)
        if self.status not in STATUSES:
            raise ValueError(f"status: expected one of {', '.join(STATUSES)}, got {self.status!r}")
        if self.device_id is not None and len(self.device_id) != n_active:
            raise ValueError(f"device_id: expected {n_active} names, got {len(self.device_id)}")


def to_pmts(report):
    """The report as two PDUs (meta . vector): activity (u32vector) and channel (c32vector, K·M)."""
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
    for name, values in _optional(report).items():
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
    import pmt

    meta, vector = _split_pdu(pdu)
    fields = _shared_from_pmt(meta)
    for name, kind in _SCALARS.items():
        fields[name] = _from_meta(meta, name, _pmt_kinds()[kind][1], _EXPECTED[kind])
    fields["device"] = _vector("device", pmt.u32vector_elements, vector, np.uint32)
    fields["score"] = _from_meta(meta, "score", pmt.f32vector_elements, "an f32vector")
    fields["device_id"] = _names_from_pmt(meta)
    for name in _OPTIONAL:
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


def from_pmts(activity, channel) -> Report:
    """The report whose activity and channel PDUs these are.

    Raises
    ------
    ValueError
        If a PDU is malformed or the two are not of one frame.
    """
    return join(activity_from_pmt(activity), channel_from_pmt(channel))


def join(activity, channel) -> Report:
    """The report from the fields of `activity_from_pmt` and of `channel_from_pmt`."""
    for name in ("frame_id", "rx_time", "n_devices", "n_antennas"):
        if activity[name] != channel[name]:
            raise ValueError(f"{name}: expected that of the activity, {activity[name]}, got {channel[name]}")
    if not np.array_equal(activity["device"], channel["device"]):
        raise ValueError(
            f"device: expected those of the activity, {activity['device']}, got {channel['device']}"
        )
    return Report(channel=channel["channel"], **activity)


class Joiner:
    """Joins the two PDUs of each frame, activity first, into a report.

    Truth and estimates may come mixed: truth of a frame comes before its estimate.

    Parameters
    ----------
    limit : int
        Activity PDUs kept waiting for their channel PDU; the oldest are given up.

    Attributes
    ----------
    unjoined : int
        PDUs given up.
    """

    def __init__(self, limit=1024):
        self.unjoined = 0
        self._limit = limit
        self._waiting = {}

    def add(self, pdu) -> Report | None:
        """The report that this PDU completes, if any; ValueError if it is malformed."""
        import pmt

        if pmt.is_u32vector(_split_pdu(pdu)[1]):
            self._add_activity(activity_from_pmt(pdu))
            return None
        channel = channel_from_pmt(pdu)
        activity = self._waiting.pop(channel["frame_id"], None)
        if activity is None:
            self.unjoined += 1
            return None
        return join(activity, channel)

    def _add_activity(self, activity):
        frame_id = activity["frame_id"]
        self.unjoined += self._waiting.pop(frame_id, None) is not None
        self._waiting[frame_id] = activity
        if len(self._waiting) > self._limit:
            self._waiting.pop(next(iter(self._waiting)))
            self.unjoined += 1


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
        raise ValueError(f"status: expected a dictionary, got {_shown(message)}")
    try:
        status = pmt.to_python(message)
    except (TypeError, ValueError) as error:
        raise ValueError(f"status: expected a dictionary of plain values, got {_shown(message)}") from error
    if not isinstance(status, dict) or not all(isinstance(name, str) for name in status):
        raise ValueError(f"status: expected strings as keys, got {_shown(message)}")
    return status


def to_json(report) -> str:
    """The report as one line of JSON, no newline; NaN and infinities become null."""
    entry = {
        "frame_id": int(report.frame_id),
        "rx_time": {"seconds": int(report.rx_time[0]), "fraction": float(report.rx_time[1])},
        **{name: _JSON_KINDS[kind](getattr(report, name)) for name, kind in (_SHARED | _SCALARS).items()},
        "schema": SCHEMA,
        "device": report.device.tolist(),
    }
    if report.device_id is not None:
        entry["device_id"] = list(report.device_id)
    rows = np.ascontiguousarray(report.channel).view(np.float32).reshape(*report.channel.shape, 2)
    arrays = {"score": report.score, "channel": rows, **_optional(report)}
    arrays = ", ".join(f'"{name}": {_json_numbers(array)}' for name, array in arrays.items())
    return f"{json.dumps(entry)[:-1]}, {arrays}}}"


def from_json(line) -> Report:
    """The report in a line written by `to_json`; null becomes NaN.

    Raises
    ------
    ValueError
        If the line is not such a report; the message names the key, what was expected and given.
    """
    try:
        entry = json.loads(line)
    except RecursionError as error:
        raise ValueError("report: expected a JSON object, got one nested too deeply") from error
    if not isinstance(entry, dict):
        raise ValueError(f"report: expected a JSON object, got {_shown(entry)}")
    _check_schema(_from_entry(entry, "schema", int))
    fields = {name: _from_entry(entry, name, kind) for name, kind in (_FRAME_ID | _SHARED | _SCALARS).items()}
    _check_sizes(fields["n_devices"], fields["n_antennas"])
    rx_time = _from_entry(entry, "rx_time", dict)
    device = _array_from_entry(entry, "device", None)
    _check_device(device, fields["n_devices"])
    rows = _array_from_entry(entry, "channel", np.float32)
    shape = (len(device), fields["n_antennas"], 2)
    if rows.size != np.prod(shape) or (rows.size and rows.shape != shape):
        raise ValueError(f"channel: expected {shape[0]} rows of {shape[1]} pairs, got {rows.shape}")
    return Report(
        rx_time=(_from_entry(rx_time, "seconds", int), _from_entry(rx_time, "fraction", float)),
        device=device,
        score=_array_from_entry(entry, "score", np.float32),
        channel=rows.reshape(shape).view(np.complex64)[..., 0],
        device_id=_names_from_entry(entry),
        **{name: _array_from_entry(entry, name, np.float32) for name in _OPTIONAL if name in entry},
        **fields,
    )


def _optional(report):
    return {name: getattr(report, name) for name in _OPTIONAL if getattr(report, name) is not None}


def _check_sizes(n_devices, n_antennas):
    for (name, most), value in zip(_MOST.items(), (n_devices, n_antennas), strict=True):
        if not 1 <= value <= most:
            raise ValueError(f"{name}: expected 1 to {most}, got {_shown(value)}")


def _check_device(device, n_devices):
    if device.ndim != 1 or (device.size and device.dtype.kind not in "iu"):
        raise ValueError(f"device: expected integers in one row, got shape {device.shape} of {device.dtype}")
    good = not device.size or (device[0] >= 0 and device[-1] < n_devices and (device[1:] > device[:-1]).all())
    if not good:
        raise ValueError(
            f"device: expected ascending indices from 0 to {n_devices - 1}, got {_shown(device)}"
        )


def _check_schema(schema):
    if schema != SCHEMA:
        raise ValueError(f"schema: expected {SCHEMA}, got {schema}")


def _shown(value):
    try:
        text = str(value)
    except UnicodeDecodeError:
        text = "text that is not UTF-8"
    return text if len(text) <= 80 else text[:77] + "..."


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
    return [(name, _symbol(name), kind, _pmt_kinds()[kind][0]) for name, kind in _SCALARS.items()]


@lru_cache(maxsize=64)
def _cell_meta(n_devices, n_antennas):
    """The part of the dictionaries that is the same in every frame; PMT dictionaries never change."""
    import pmt

    meta = pmt.dict_add(pmt.make_dict(), _symbol("schema"), pmt.from_long(SCHEMA))
    meta = pmt.dict_add(meta, _symbol("n_devices"), pmt.from_long(int(n_devices)))
    return pmt.dict_add(meta, _symbol("n_antennas"), pmt.from_long(int(n_antennas)))


def _split_pdu(pdu):
    import pmt

    if not pmt.is_pair(pdu) or pmt.is_dict(pdu) or not pmt.is_dict(pmt.car(pdu)):
        raise ValueError(f"PDU: expected a pair (dictionary . vector), got {_shown(pdu)}")
    return pmt.car(pdu), pmt.cdr(pdu)


def _shared_from_pmt(meta):
    _check_schema(_from_meta(meta, "schema", _pmt_kinds()[int][1], _EXPECTED[int]))
    fields = {"rx_time": _from_meta(meta, "rx_time", _time_from_pmt, "a pair (uint64 . double)")}
    for name, kind in (_FRAME_ID | _SHARED).items():
        fields[name] = _from_meta(meta, name, _pmt_kinds()[kind][1], _EXPECTED[kind])
    _check_sizes(fields["n_devices"], fields["n_antennas"])
    return fields


def _from_meta(meta, name, convert, expected):
    import pmt

    value = pmt.dict_ref(meta, _symbol(name), pmt.PMT_NIL)
    try:
        return convert(value)
    except ValueError as error:
        given = "nothing" if pmt.is_null(value) else _shown(value)
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
        raise ValueError(f"device_id: expected strings, got {_shown(names)}")
    return tuple(names)


def _vector(name, elements, vector, dtype):
    try:
        return np.array(elements(vector), dtype=dtype)
    except ValueError as error:
        kind = elements.__name__.removesuffix("_elements")
        raise ValueError(f"{name}: expected a {kind}, got {_shown(vector)}") from error


def _finite_or_none(value):
    value = float(value)
    return value if isfinite(value) else None


_JSON_KINDS = {int: int, float: _finite_or_none, str: str}


def _json_numbers(array):
    """JSON of a float32 array: nine digits give back every value exactly, shorter and faster than json's."""
    template = "%.9g"
    for size in reversed(array.shape):
        template = "[" + ", ".join([template] * size) + "]"
    text = template % tuple(array.ravel().tolist())
    return text if np.isfinite(array).all() else re.sub(r"-?(nan|inf)", "null", text)


def _from_entry(entry, name, kind):
    value = entry.get(name)
    if kind is float and name in entry and value is None:
        return float("nan")
    good = isinstance(value, (int, float) if kind is float else kind) and not isinstance(value, bool)
    if not good or (kind is int and not 0 <= value < 2**64):
        raise ValueError(
            f"{name}: expected {_EXPECTED[kind]}, got {_shown(value) if name in entry else 'nothing'}"
        )
    try:
        return kind(value)
    except OverflowError as error:
        raise ValueError(f"{name}: expected {_EXPECTED[kind]}, got one beyond all floats") from error


def _array_from_entry(entry, name, dtype):
    values = _from_entry(entry, name, list)
    try:
        with np.errstate(over="raise"):
            return np.array(values, dtype=dtype)
    except (TypeError, ValueError, ArithmeticError) as error:
        raise ValueError(f"{name}: expected numbers in rows of equal length, got {_shown(values)}") from error


def _names_from_entry(entry):
    if "device_id" not in entry:
        return None
    names = _from_entry(entry, "device_id", list)
    if not all(isinstance(name, str) for name in names):
        raise ValueError(f"device_id: expected strings, got {_shown(names)}")
    return tuple(names)
