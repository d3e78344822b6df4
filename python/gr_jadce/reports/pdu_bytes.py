# SPDX-License-Identifier: GPL-3.0-or-later
"""PDUs of reports read from their bytes, in the form of `pmt.serialize_str`.

A PDU has some forty parts, and a call of pmt from Python for each takes longer than to unpack them all
here. Only the usual forms are known, with keys in the order of `fields` and without the optional ones but
those of devices out of step; whatever is different is left to `pdus`, which reads it part by part.
"""

from struct import Struct, error
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .fields import SCHEMA, Field, Kind, keys, vector
from .report import Taps

_PAIR, _END, _SYMBOL = b"\x07", b"\x06", b"\x02"
_LENGTH = Struct(">H")
_FRAME_ID = Struct(">Q")
_VECTOR = Struct(">2sI2s")
_PADDING = b"\x01\x00"
TAP_KINDS = (Kind.INDICES, Kind.NUMBERS, Kind.CHANNELS)  # of the vectors that taps are: counts, delays, gains
_TUPLE = b"\x0c" + len(TAP_KINDS).to_bytes(4, "big")
# Of a number its tag in PMT, with what comes before it, and its format; of a vector its tag and type.
_NUMBER_FORMS = {
    Kind.UINT64: [(b"\x0b", "Q")],
    Kind.INTEGER: [(b"\x03", "i")],
    Kind.NUMBER: [(b"\x04", "d")],
    Kind.TIME: [(_PAIR + b"\x0b", "Q"), (b"\x04", "d")],
}
_VECTOR_FORMS = {
    Kind.INDICES: (b"\n\x04", np.dtype(">u4")),
    Kind.NUMBERS: (b"\n\x08", np.dtype(">f4")),
    Kind.CHANNELS: (b"\n\x0a", np.dtype(">c8")),
}


def _key(field: Field) -> bytes:
    """A dictionary's next entry as far as its key."""
    return b"\t\x07\x02" + _LENGTH.pack(len(field.name)) + field.name.encode()


class _Numbers:
    """Entries of a dictionary that hold numbers, one behind the other: fixed bytes before each."""

    def __init__(self, fields: list[Field]):
        parts = [
            (_key(field) * (place == 0) + tag, form)
            for field in fields
            for place, (tag, form) in enumerate(_NUMBER_FORMS[field.kind])
        ]
        self.fixed = tuple(before for before, _ in parts)
        self._struct = Struct(">" + "".join(f"{len(before)}s{form}" for before, form in parts))
        self.size = self._struct.size

    def unpack(self, data: bytes, begin: int) -> tuple:
        """The numbers; ValueError if the fixed bytes are others."""
        values = self._struct.unpack_from(data, begin)
        if values[::2] != self.fixed:
            raise ValueError("keys: expected the usual ones")
        return values[1::2]


def _of_kinds(fields: tuple[Field, ...], *kinds: Kind) -> list[Field]:
    return [field for field in fields if field.kind in kinds and not field.optional]


def _numbers(port: str, steady: bool, but: tuple[Field, ...] = ()) -> list[Field]:
    fields = _of_kinds(keys(port), *_NUMBER_FORMS)
    return [field for field in fields if field.steady == steady and field not in but]


_LEVEL_FIELDS, _REST_FIELDS = (_numbers("activity", steady, but=keys("channel")) for steady in (False, True))
# Both PDUs have the head, first, and the sizes; in that of activity levels follow the one, texts and the rest
# the other.
_HEAD, _LEVELS = _Numbers(_numbers("channel", steady=False)), _Numbers(_LEVEL_FIELDS)
_SIZES, _REST = _Numbers(_numbers("channel", steady=True)), _Numbers(_REST_FIELDS)
_LEVEL_NAMES, _REST_NAMES = ([field.name for field in fields] for fields in (_LEVEL_FIELDS, _REST_FIELDS))
_COUNT_PLACES = [place for place, field in enumerate(_REST_FIELDS) if field.kind is Kind.INTEGER]
_TEXTS = [(field.name, _key(field) + _SYMBOL) for field in _of_kinds(keys("activity"), Kind.TEXT)]
_OUT_OF_STEP = [
    (field.name, _key(field))
    for field in keys("activity")
    if field.optional and field.per_device and field.kind is Kind.NUMBERS
]
[_TAPS] = [_key(field) for field in keys("channel") if field.kind is Kind.TAPS]
[_SCORE_FIELD], [_DEVICE_FIELD] = (
    _of_kinds(keys("activity"), Kind.NUMBERS),
    _of_kinds(keys("channel"), Kind.INDICES),
)
_SCORE, _SCORE_FORM = _key(_SCORE_FIELD), _VECTOR_FORMS[_SCORE_FIELD.kind]
_DEVICE, _DEVICE_FORM = _key(_DEVICE_FIELD), _VECTOR_FORMS[vector("activity").kind]
_CHANNEL_FORM = _VECTOR_FORMS[vector("channel").kind]
_FIRST = _PAIR + _HEAD.fixed[0]
_SECOND = 1 + _HEAD.size  # where the first entry begins that only one of the two PDUs has


def is_of_frame(data: bytes) -> bool:
    """Whether the bytes begin as those of all usual PDUs."""
    return data.startswith(_FIRST)


def frame_of_activity(data: bytes) -> int | None:
    """The number of the frame, if the bytes look like those of a usual activity PDU."""
    return _frame_of(data) if _looks_like(data, _LEVELS.fixed[0]) else None


def frame_of_channel(data: bytes) -> int | None:
    """The number of the frame, if the bytes look like those of a usual channel PDU."""
    return _frame_of(data) if _looks_like(data, _DEVICE) else None


def _frame_of(data: bytes) -> int:
    frame_id: int = _FRAME_ID.unpack_from(data, len(_FIRST))[0]
    return frame_id


def _looks_like(data: bytes, second: bytes) -> bool:
    return is_of_frame(data) and data.startswith(second, _SECOND)


def activity_from_bytes(data: bytes) -> dict[str, Any] | None:
    """What `pdus.activity_from_pmt` gives; None for any other bytes than those of a usual one."""
    if not _looks_like(data, _LEVELS.fixed[0]):
        return None
    try:
        fields, at = _read_head(data)
        fields.update(zip(_LEVEL_NAMES, _LEVELS.unpack(data, at), strict=True))
        fields["score"], at = _read_vector(data, at + _LEVELS.size, _SCORE, _SCORE_FORM)
        for name, key in _OUT_OF_STEP:
            if data.startswith(key, at):
                fields[name], at = _read_vector(data, at, key, _SCORE_FORM)
        at = _read_sizes(data, at, fields)
        for name, key in _TEXTS:
            fields[name], at = _read_text(data, at, key)
        numbers, at = _REST.unpack(data, at), at + _REST.size
        fields["device"], at = _read_vector(data, at, _END, _DEVICE_FORM)
    except (error, ValueError):
        return None
    if at != len(data) or min(numbers[place] for place in _COUNT_PLACES) < 0:
        return None
    fields.update(zip(_REST_NAMES, numbers, strict=True))
    return fields


def channel_from_bytes(data: bytes) -> dict[str, Any] | None:
    """What `pdus.channel_from_pmt` gives; None for any other bytes than those of a usual one."""
    if not _looks_like(data, _DEVICE):
        return None
    try:
        fields, at = _read_head(data)
        fields["device"], at = _read_vector(data, at, _DEVICE, _DEVICE_FORM)
        taps = None
        if data.startswith(_TAPS, at):
            taps, at = _read_taps(data, at)
        at = _read_sizes(data, at, fields)
        if taps is not None:
            fields["taps"] = with_rows(taps, fields["n_antennas"])
        channel, at = _read_vector(data, at, _END, _CHANNEL_FORM)
    except (error, ValueError):
        return None
    shape = len(fields["device"]), fields["n_antennas"]
    if at != len(data) or len(channel) != shape[0] * shape[1]:
        return None
    fields["channel"] = channel.reshape(shape)
    return fields


def with_rows(taps: Taps, n_antennas: int) -> Taps:
    """Taps with rows of gains (T, M) in place of all in one; ValueError if they are not so many."""
    shape = len(taps.delay), n_antennas
    if taps.gain.size != shape[0] * shape[1]:
        raise ValueError(f"taps: expected {shape[0]} taps × {shape[1]} antennas, got {taps.gain.size} gains")
    return taps._replace(gain=taps.gain.reshape(shape))


def _read_head(data: bytes) -> tuple[dict[str, Any], int]:
    """The first fields of both PDUs, and where they end; ValueError if they are not usual ones."""
    frame_id, seconds, fraction = _HEAD.unpack(data, 1)
    return {"frame_id": frame_id, "rx_time": (seconds, fraction)}, _SECOND


def _read_sizes(data: bytes, at: int, fields: dict[str, Any]) -> int:
    """Add the sizes to fields; where they end. ValueError if they are not usual ones."""
    n_devices, n_antennas, schema = _SIZES.unpack(data, at)
    # As far as `report.check_sizes` looks: a device number of 32 bits is in its range anyhow.
    if not (1 <= n_antennas <= 2**16 and n_devices >= 1 and schema == SCHEMA):
        raise ValueError("sizes: expected usual ones")
    fields.update(n_devices=n_devices, n_antennas=n_antennas)
    return at + _SIZES.size


def _read_text(data: bytes, at: int, key: bytes) -> tuple[str, int]:
    begin = at + len(key) + _LENGTH.size
    if not data.startswith(key, at):
        raise ValueError(key)
    end = begin + _LENGTH.unpack_from(data, begin - _LENGTH.size)[0]
    return data[begin:end].decode(), end


def _read_taps(data: bytes, at: int) -> tuple[Taps, int]:
    at += len(_TAPS)
    parts = []
    for before, kind in zip((_TUPLE, b"", b""), TAP_KINDS, strict=True):
        part, at = _read_vector(data, at, before, _VECTOR_FORMS[kind])
        parts.append(part)
    return Taps.of_counts(*parts), at


def _read_vector(data: bytes, at: int, key: bytes, form: tuple[bytes, np.dtype]) -> tuple[NDArray, int]:
    """The vector behind a key, and where it ends."""
    begin = at + len(key)
    tag, count, padding = _VECTOR.unpack_from(data, begin)
    if tag != form[0] or padding != _PADDING or not data.startswith(key, at):
        raise ValueError(key)
    begin, dtype = begin + _VECTOR.size, form[1]
    array = np.frombuffer(data, dtype, count, begin)
    return array.astype(dtype.newbyteorder("=")), begin + array.nbytes
