# SPDX-License-Identifier: GPL-3.0-or-later
"""The fields of a report, in one table: messages, their bytes, JSON and the guide are made from it."""

from collections.abc import Iterator
from enum import Enum, auto
from typing import NamedTuple

SCHEMA = 1
PORTS = ("activity", "channel")  # on which a report is sent, a PDU each


class Kind(Enum):
    """What a field holds; the value says it in the guide."""

    UINT64 = "integer, 64 bits"
    INTEGER = "integer"
    NUMBER = "number"
    TEXT = "text"
    TIME = "seconds and fraction"
    INDICES = "list of integers"
    NUMBERS = "list of numbers"
    TEXTS = "list of texts"
    CHANNELS = "K rows of M pairs"
    TAPS = "K lists of a delay and M pairs each"
    PACKETS = "list of texts of hexadecimal digits"


class Place(Enum):
    """Where a field stands in a PDU (dictionary . vector)."""

    KEY = auto()
    VECTOR = auto()
    NOWHERE = auto()


class Field(NamedTuple):
    """One field: its place in the PDUs of the `PORTS`, and what it means.

    A steady one is mostly the same in all frames that are solved together.
    """

    name: str
    kind: Kind
    activity: Place
    channel: Place
    meaning: str
    optional: bool = False
    per_device: bool = False
    steady: bool = False


_KEY, _VECTOR, _NOWHERE = Place

# In this order they stand in lines of JSON and, steady ones behind the others, in dictionaries of PDUs.
FIELDS = (
    Field("frame_id", Kind.UINT64, _KEY, _KEY, "number of the slot"),
    Field("rx_time", Kind.TIME, _KEY, _KEY, "device time of the slot's pilot"),
    Field("n_devices", Kind.INTEGER, _KEY, _KEY, "N", steady=True),
    Field("n_antennas", Kind.INTEGER, _KEY, _KEY, "M", steady=True),
    Field("schema", Kind.INTEGER, _KEY, _KEY, str(SCHEMA), steady=True),
    Field(
        "status",
        Kind.TEXT,
        _KEY,
        _NOWHERE,
        "`ok`; `clipped`: solved, but a sample reached the clip level; `bad_input`: NaN or Inf, not solved",
        steady=True,
    ),
    Field("estimator", Kind.TEXT, _KEY, _NOWHERE, "what solved it; `truth` for simulated truth", steady=True),
    Field(
        "threshold", Kind.NUMBER, _KEY, _NOWHERE, "the score from which on a device is reported", steady=True
    ),
    Field("noise_var", Kind.NUMBER, _KEY, _NOWHERE, "mean noise power of a sample, estimated or given"),
    Field("snr_db", Kind.NUMBER, _KEY, _NOWHERE, "SNR of this frame, dB"),
    Field("n_iter", Kind.INTEGER, _KEY, _NOWHERE, "iterations that the estimator took", steady=True),
    Field("solve_time", Kind.NUMBER, _KEY, _NOWHERE, "seconds spent on the frame", steady=True),
    Field(
        "frames_dropped",
        Kind.INTEGER,
        _KEY,
        _NOWHERE,
        "frames dropped so far, because more came than could be solved",
        steady=True,
    ),
    Field("device", Kind.INDICES, _VECTOR, _KEY, "the K devices found active, ascending", per_device=True),
    Field(
        "score",
        Kind.NUMBERS,
        _KEY,
        _NOWHERE,
        "$-\\log_{10}$ of the p-value, one for each device found",
        per_device=True,
    ),
    Field(
        "channel",
        Kind.CHANNELS,
        _NOWHERE,
        _VECTOR,
        "real and imaginary part, a row for each device found",
        per_device=True,
    ),
    Field(
        "device_id",
        Kind.TEXTS,
        _KEY,
        _NOWHERE,
        "names of the devices found; only if the pilot book has names",
        optional=True,
        per_device=True,
    ),
    Field(
        "delay",
        Kind.NUMBERS,
        _KEY,
        _NOWHERE,
        "symbols, of each device found; only if the receiver allows for devices out of step",
        optional=True,
        per_device=True,
    ),
    Field(
        "carrier_offset",
        Kind.NUMBERS,
        _KEY,
        _NOWHERE,
        "cycles a symbol, of each device found; only if the receiver allows for devices out of step",
        optional=True,
        per_device=True,
    ),
    Field(
        "taps",
        Kind.TAPS,
        _NOWHERE,
        _KEY,
        "impulse response of each device found: delays in symbols, and gains at the pilot's first symbol; "
        "only if a device has several",
        optional=True,
        per_device=True,
    ),
    Field(
        "antennas_dead",
        Kind.INDICES,
        _KEY,
        _NOWHERE,
        "antennas without any signal in this frame, left out of the decision; only if there are some",
        optional=True,
    ),
    Field(
        "noise_vars",
        Kind.NUMBERS,
        _KEY,
        _NOWHERE,
        "noise power of a sample of each antenna; only if the noise is not alike on all, and independent",
        optional=True,
    ),
    Field(
        "interference_db",
        Kind.NUMBER,
        _KEY,
        _NOWHERE,
        "dB by which the noise from its strongest direction is above that from all others; only if the noise "
        "is not alike on all antennas, and independent",
        optional=True,
    ),
    Field(
        "payload",
        Kind.PACKETS,
        _KEY,
        _NOWHERE,
        "bytes that each device found sent behind its pilot; none where the check sum did not hold; only if "
        "devices send payloads",
        optional=True,
        per_device=True,
    ),
    Field(
        "evm_db",
        Kind.NUMBERS,
        _KEY,
        _NOWHERE,
        "error vector magnitude of each device's data symbols, dB; only if devices send payloads",
        optional=True,
        per_device=True,
    ),
    Field(
        "payload_snr_db",
        Kind.NUMBERS,
        _KEY,
        _NOWHERE,
        "SNR of each device's data symbols behind the receiver's filter, dB; only if devices send payloads",
        optional=True,
        per_device=True,
    ),
)


def keys(port: str) -> tuple[Field, ...]:
    """The fields that are keys of the PDUs on the port "activity" or "channel", in their order there."""
    here = (field for field in FIELDS if getattr(field, port) is Place.KEY)
    return tuple(sorted(here, key=lambda field: field.steady))


def vector(port: str) -> Field:
    """The field that is the vector of the PDUs on the port "activity" or "channel"."""
    return next(field for field in FIELDS if getattr(field, port) is Place.VECTOR)


def table() -> str:
    """The table as Markdown, for the guide."""
    rows = [("key", "type", "PDU of `activity`", "PDU of `channel`", "meaning"), ("---",) * 5, *_rows()]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _rows() -> Iterator[tuple[str, ...]]:
    for field in FIELDS:
        places = (_PLACE_TEXT[field.activity], _PLACE_TEXT[field.channel])
        yield f"`{field.name}`", field.kind.value, *places, field.meaning


_PLACE_TEXT = {Place.KEY: "key", Place.VECTOR: "vector", Place.NOWHERE: ""}
