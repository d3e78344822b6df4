# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines of JSON of many reports at once, from the bytes of their PDUs."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from ..backend import kernel_for
from ..reports.fields import FIELDS, SCHEMA, Place, keys
from ..reports.json_lines import to_json
from ..reports.pairing import join
from ..reports.pdu_bytes import activity_from_bytes, channel_from_bytes
from ..reports.report import STATUSES

_ACTIVITY_KEY, _ACTIVITY_VECTOR, _CHANNEL_VECTOR = range(3)


def lines_of(pdus: Sequence[bytes], backend: str = "auto") -> list[bytes]:
    """A line for each report, its end included; nothing where its two PDUs are not for sure one.

    Parameters
    ----------
    pdus : sequence of bytes
        Activity and channel PDU of a report, in the form of `pmt.serialize_str`, those of the next, …
    backend : {"auto", "numpy", "kernel"}
        What writes them: the compiled kernel, or `json_lines.to_json`, whose lines are the same.
    """
    kernel = kernel_for(backend)
    if kernel is not None:
        return _form(kernel).write(pdus)
    return [_line_of(*pair) for pair in zip(pdus[::2], pdus[1::2], strict=True)]


def _line_of(activity: bytes, channel: bytes) -> bytes:
    first, second = activity_from_bytes(activity), channel_from_bytes(channel)
    if first is None or second is None:
        return b""
    try:
        return to_json(join(first, second)).encode() + b"\n"
    except ValueError:
        return b""


@cache
def _form(kernel: Any) -> Any:
    usual = [field for field in FIELDS if not field.optional]
    fields = [(field.name, _source(field.activity, field.channel)) for field in usual]
    shared = [field.name for field in keys("channel") if not field.optional]
    return kernel.ReportLines(fields, shared, SCHEMA, list(STATUSES))


def _source(activity: Place, channel: Place) -> int:
    if activity is Place.KEY:
        return _ACTIVITY_KEY
    return _ACTIVITY_VECTOR if activity is Place.VECTOR else _CHANNEL_VECTOR
