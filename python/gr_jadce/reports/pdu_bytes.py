# SPDX-License-Identifier: GPL-3.0-or-later
"""PDUs of reports as bytes, in the form of `pmt.serialize_str`.

A PDU has some forty parts, and a call of pmt from Python for each takes longer than to pack or unpack
them all here. Only the usual form is known, with keys in the order in which `pdus` adds them and
without the optional ones; whatever is different is left to `pdus`, which takes it part by part.
"""

from struct import Struct, error

import numpy as np

from .report import SCHEMA

_PAIR, _END = b"\x07", b"\x06"
_TAGS = {"i": b"\x03", "d": b"\x04", "Q": b"\x0b"}
_U32, _F32, _C32 = b"\n\x04", b"\n\x08", b"\n\x0a"
_DTYPES = {_U32: np.dtype(">u4"), _F32: np.dtype(">f4"), _C32: np.dtype(">c8")}
_LENGTH = Struct(">H")
_VECTOR = Struct(">2sI2s")
_PADDING = b"\x01\x00"


def _key(name):
    """A dictionary's next entry as far as its key."""
    return b"\t\x07\x02" + _LENGTH.pack(len(name)) + name.encode()


class _Record:
    """Numbers, each behind fixed bytes: (bytes, "i", "d" or "Q") for each, and what comes last."""

    def __init__(self, *parts, end=b""):
        self.fixed = (*(before + _TAGS[kind] for before, kind in parts), end)
        kinds = (*(kind for _, kind in parts), "")
        self._struct = Struct(">" + "".join(f"{len(b)}s{k}" for b, k in zip(self.fixed, kinds, strict=True)))
        self.size = self._struct.size

    def pack(self, *numbers):
        values = [None] * (2 * len(numbers) + 1)
        values[::2], values[1::2] = self.fixed, numbers
        return self._struct.pack(*values)

    def unpack(self, data, at):
        """The numbers; None if the fixed bytes are others."""
        values = self._struct.unpack_from(data, at)
        return values[1::2] if values[::2] == self.fixed else None


_NUMBERS = ("frames_dropped", "solve_time", "n_iter", "snr_db", "noise_var", "threshold")
_HEAD = _Record(*zip(map(_key, _NUMBERS), "ididdd", strict=True))
_SHARED = _Record(
    (_key("frame_id"), "Q"),
    (_key("rx_time") + _PAIR, "Q"),
    (b"", "d"),
    (_key("n_antennas"), "i"),
    (_key("n_devices"), "i"),
    (_key("schema"), "i"),
    end=_END,
)
_SCORE, _DEVICE = _key("score"), _key("device")
_ESTIMATOR, _STATUS = (_key(name) + b"\x02" for name in ("estimator", "status"))
_ACTIVITY_BEGINS, _CHANNEL_BEGINS = _PAIR + _HEAD.fixed[0], _PAIR + _DEVICE + _U32


def to_bytes(report) -> tuple[bytes, bytes] | None:
    """The activity and the channel PDU of a report; None for one that has anything unusual."""
    if report.device_id is not None or report.delay is not None or report.carrier_offset is not None:
        return None
    try:
        head = _HEAD.pack(*[getattr(report, name) for name in _NUMBERS])
        shared = _SHARED.pack(report.frame_id, *report.rx_time, report.n_antennas, report.n_devices, SCHEMA)
        texts = _text(_ESTIMATOR, report.estimator) + _text(_STATUS, report.status)
    except (error, ValueError):
        return None
    device = _vector(_U32, report.device)
    score = _vector(_F32, report.score)
    channel = _vector(_C32, report.channel)
    activity = b"".join((_PAIR, head, texts, _SCORE, score, shared, device))
    return activity, b"".join((_PAIR, _DEVICE, device, shared, channel))


def activity_from_bytes(data) -> dict | None:
    """What `pdus.activity_from_pmt` gives; None for any other bytes than those of `to_bytes`."""
    if not data.startswith(_ACTIVITY_BEGINS):
        return None
    try:
        numbers, at = _HEAD.unpack(data, 1), 1 + _HEAD.size
        estimator, at = _read_text(data, at, _ESTIMATOR)
        status, at = _read_text(data, at, _STATUS)
        score, at = _read_vector(data, at, _SCORE, _F32)
        shared, at = _SHARED.unpack(data, at), at + _SHARED.size
        device, at = _read_vector(data, at, b"", _U32)
    except (error, ValueError):
        return None
    if numbers is None or min(numbers[0], numbers[2]) < 0 or at != len(data) or not _is_usual(shared):
        return None
    fields = _shared_fields(shared)
    fields.update(zip(_NUMBERS, numbers, strict=True))
    fields.update(status=status, estimator=estimator, device=device, score=score, device_id=None)
    return fields


def channel_from_bytes(data) -> dict | None:
    """What `pdus.channel_from_pmt` gives; None for any other bytes than those of `to_bytes`."""
    if not data.startswith(_CHANNEL_BEGINS):
        return None
    try:
        device, at = _read_vector(data, 1, _DEVICE, _U32)
        shared, at = _SHARED.unpack(data, at), at + _SHARED.size
        channel, at = _read_vector(data, at, b"", _C32)
    except (error, ValueError):
        return None
    if at != len(data) or not _is_usual(shared) or len(channel) != len(device) * shared[3]:
        return None
    return _shared_fields(shared) | {"device": device, "channel": channel.reshape(len(device), shared[3])}


def _is_usual(shared):
    """Whether these numbers are there and in range, as far as `report.check_sizes` looks."""
    return shared is not None and 1 <= shared[3] <= 2**16 and shared[4] >= 1 and shared[5] == SCHEMA


def _shared_fields(shared):
    frame_id, seconds, fraction, n_antennas, n_devices, _ = shared
    return {
        "rx_time": (seconds, fraction),
        "frame_id": frame_id,
        "n_devices": n_devices,
        "n_antennas": n_antennas,
    }


def _text(key, text):
    data = text.encode()
    return key + _LENGTH.pack(len(data)) + data


def _read_text(data, at, key):
    begin = at + len(key) + 2
    if not data.startswith(key, at):
        raise ValueError(key)
    end = begin + _LENGTH.unpack_from(data, begin - 2)[0]
    return data[begin:end].decode(), end


def _vector(kind, array):
    return _VECTOR.pack(kind, array.size, _PADDING) + array.astype(_DTYPES[kind]).tobytes()


def _read_vector(data, at, key, kind):
    """The vector behind a key, and where it ends."""
    at += len(key)
    found, count, padding = _VECTOR.unpack_from(data, at)
    if found != kind or padding != _PADDING or not data.startswith(key, at - len(key)):
        raise ValueError(key)
    dtype, begin = _DTYPES[kind], at + _VECTOR.size
    array = np.frombuffer(data, dtype, count, begin)
    return array.astype(dtype.newbyteorder("=")), begin + array.nbytes
