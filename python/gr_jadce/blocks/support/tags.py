# SPDX-License-Identifier: GPL-3.0-or-later
"""Stream tags, whoever made them: all tags of a sample together, and their values."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import isqrt
from typing import Any

import numpy as np
import pmt
from gnuradio import gr

from ...slots.clock import SampleClock
from ...slots.framer import Framer, Stamp
from ...slots.guard import GuardNoise


def gather_tags(block: gr.basic_block, count: int, port: int = 0) -> dict[int, dict[str, Any]]:
    """{index: {name: value}} of the tags on the next `count` items of an input, in ascending order.

    The tags of one item come in no order: an ``rx_rate`` counts for the ``rx_time`` of the same sample,
    whichever was added first. So whoever reads tags reads them here, and applies those of an item at
    once. Of two tags of one name the later counts; a tag whose key is no name is left out.
    """
    gathered: dict[int, dict[str, Any]] = {}
    tags = block.get_tags_in_window(port, 0, count)
    if not tags:  # mostly
        return gathered
    first = block.nitems_read(port)
    for tag in tags:
        name = tag_name(tag)
        if name is not None:
            gathered.setdefault(tag.offset - first, {})[name] = tag.value
    return dict(sorted(gathered.items()))


def tag_name(tag: gr.tag_t) -> str | None:
    """The key of a tag; None if it is no symbol, or not UTF-8."""
    try:
        return pmt.symbol_to_string(tag.key)
    except ValueError:
        return None


def guard_tags(noise: GuardNoise) -> dict[str, Any]:
    """The tags that tell the noise of the guards: its mean power, and (samples . covariance, row by row)."""
    values = noise.covariance.astype(np.complex64).ravel().tolist()
    covariance = pmt.cons(pmt.from_uint64(noise.n_samples), pmt.init_c32vector(len(values), values))
    return {"noise_var": pmt.from_double(noise.noise_var), "noise_cov": covariance}


def read_guard(tags: Mapping[str, Any]) -> tuple[float, GuardNoise | None]:
    """What the tags of `guard_tags` tell: the mean power, and the noise if there is its covariance."""
    noise_var = pmt.to_double(tags["noise_var"])
    if "noise_cov" not in tags:
        return noise_var, None
    values = np.array(pmt.c32vector_elements(pmt.cdr(tags["noise_cov"])))
    size = isqrt(len(values))
    return noise_var, GuardNoise(values.reshape(size, size), pmt.to_uint64(pmt.car(tags["noise_cov"])))


def read_time(value: Any) -> tuple[int, float]:
    """The (whole seconds, fraction) that an ``rx_time`` tag tells."""
    return pmt.to_uint64(pmt.tuple_ref(value, 0)), pmt.to_double(pmt.tuple_ref(value, 1))


def read_rate(tags: Sequence[Mapping[str, Any]], complain: Callable[[str], None]) -> float | None:
    """The ``rx_rate`` that the first input with a usable one tells, of the tags of a sample of each input."""
    for of_input in tags:
        try:
            if "rx_rate" in of_input:
                return float(SampleClock(pmt.to_double(of_input["rx_rate"])).rate)
        except Exception as error:
            complain(f"ignoring a malformed rx_rate tag: {error}")
    return None


def read_times(
    tags: Sequence[Mapping[str, Any]], clock: SampleClock, complain: Callable[[str], None]
) -> dict[int, tuple[int, float]]:
    """{input: time} of the inputs with a usable ``rx_time``, of the tags of a sample of each input."""
    times = {}
    for port, of_input in enumerate(tags):
        try:
            if "rx_time" in of_input:
                time = read_time(of_input["rx_time"])
                clock.position(*time)  # refuses what is no time at this rate
                times[port] = time
        except Exception as error:
            complain(f"ignoring a malformed rx_time tag: {error}")
    return times


def misfit_of_frames(tags: Mapping[str, Any], frame_shape: tuple[int, int]) -> str:
    """What the tags of a frame tell of its shape (L, M), where it is another; empty if it is this one."""
    names = ("pilot_length", "n_antennas")
    told = tuple(pmt.to_uint64(tags[name]) if name in tags else 0 for name in names)
    unfit = [
        f"{name}: the frames have {there}, this receiver is for {here}"
        for name, there, here in zip(names, told, frame_shape, strict=True)
        if there and there != here
    ]
    return "; ".join(unfit)


def make_time(time: tuple[int, float]) -> Any:
    """The value of a tag ``rx_time`` or ``tx_time`` that tells a time (whole seconds, fraction)."""
    return pmt.make_tuple(pmt.from_uint64(time[0]), pmt.from_double(time[1]))


_FRAME_ID, _RX_TIME, _SLOT_PERIOD, _RX_RATE, _PILOT_LENGTH, _N_ANTENNAS, _FRAMER = map(
    pmt.intern, ("frame_id", "rx_time", "slot_period", "rx_rate", "pilot_length", "n_antennas", "framer")
)


def frame_tags(stamp: Stamp, framer: Framer, misalignments: int) -> Iterator[tuple[Any, Any]]:
    """Keys and values of the tags on a frame that a framer stamped."""
    yield _FRAME_ID, pmt.from_uint64(stamp.frame_id)
    yield _RX_TIME, make_time(stamp.rx_time)
    yield _SLOT_PERIOD, pmt.from_uint64(framer.slot_period)
    yield _RX_RATE, pmt.from_double(float(framer.clock.rate))
    yield _PILOT_LENGTH, pmt.from_uint64(framer.pilot_length)
    yield _N_ANTENNAS, pmt.from_uint64(framer.n_antennas)
    yield _FRAMER, pmt.to_pmt(stamp.totals | {"misalignments": misalignments})


# The tags of a framer, what they are called in `FrameTimeline.tell`, and how they are read.
_FRAME_TAGS = {
    "frame_id": ("frame_id", pmt.to_uint64),
    "rx_time": ("rx_time", read_time),
    "slot_period": ("slot_period", pmt.to_uint64),
    "rx_rate": ("rate", pmt.to_double),
    "framer": ("totals", pmt.to_python),
}


def read_frame_tags(tags: dict[str, Any]) -> dict[str, Any]:
    """The arguments of `FrameTimeline.tell` in the tags of a frame; an exception if one is malformed."""
    return {name: read(tags[key]) for key, (name, read) in _FRAME_TAGS.items() if key in tags}
