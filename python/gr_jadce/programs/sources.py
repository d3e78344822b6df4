# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a reception takes its samples from, or its frames."""

import os
from dataclasses import dataclass

from gnuradio import blocks, gr

from ..blocks.recording_source import recording_source
from ..blocks.uplink_source import uplink_source
from ..checks import check_integer, check_positive
from ..delivery.frame_relay import FrameRelay
from ..delivery.publishing import full_address
from ..payload.format import PayloadFormat, n_chips_of
from ..pilots.book import PilotBook
from ..radio.opening import open_receivers
from ..radio.source import Source
from ..radio.usrp import UsrpSettings
from ..uplink.simulation import Scenario

_FRAMES_TIMEOUT_MS = 100  # between two looks at whether to stop
_FRAMES_QUEUE = 2  # messages of frames that wait here; more would be lost with this receiver


@dataclass(frozen=True)
class RecordingInput:
    """The samples of a SigMF recording; M as recorded, or checked if `n_antennas` is given.

    With `raw`, "cf32" or "ci16", those of a raw file of `n_antennas` (default 1) at `rate` samples a second.
    """

    path: str | os.PathLike[str]
    n_antennas: int | None = None
    raw: str = ""
    rate: float = 1.0


@dataclass(frozen=True)
class SimulationInput:
    """A simulated uplink of a scenario, which is scored against its truth."""

    scenario: Scenario
    slot_period: int
    n_slots: int = 1000
    rate: float = 1e6
    seed: int = 0

    def __post_init__(self) -> None:
        check_integer("n_slots", self.n_slots, 1)
        check_positive("rate", self.rate)


@dataclass(frozen=True)
class FramesInput:
    """The frames of a pilot_framer elsewhere, from its ZMQ PUSH Sink; M as they tell if it is not given."""

    address: str | int
    n_antennas: int | None = None


Input = RecordingInput | SimulationInput | FramesInput | UsrpSettings


def frame_length(book: PilotBook, payload: PayloadFormat | None) -> int:
    """Symbols of a frame: the pilot's and, behind it, the chips of a payload."""
    return book.pilot_length + n_chips_of(payload)


def open_source(input: Input, book: PilotBook, payload: PayloadFormat | None = None) -> Source:
    """The source that settings name; frames have a payload, if there is one.

    Raises
    ------
    ValueError, OSError
        If it is not there or not what was asked for; the message says which.
    """
    if isinstance(input, RecordingInput):
        block = recording_source(input.path, input.n_antennas or 0, raw=input.raw, rate=input.rate)
        return Source(block, block.n_antennas(), block.sample_rate(), block.n_samples())
    if isinstance(input, SimulationInput):
        return _simulation(input)
    if not isinstance(input, FramesInput):
        return open_receivers(input)
    length = frame_length(book, payload)
    if input.n_antennas is not None:
        return _frames(full_address(input.address), input.n_antennas, length)
    # A source that stands for the one that the first frames make possible, to check all settings with.
    stand_in = blocks.null_source(gr.sizeof_gr_complex * length)
    return Source(stand_in, 1, gives_frames=True, relay=FrameRelay(input.address, length))


def relayed_source(relay: FrameRelay, length: int) -> Source:
    """The frames of a relay, of so many symbols, whose first have come."""
    return _frames(relay.address, relay.n_antennas, length)


def _simulation(input: SimulationInput) -> Source:
    scenario = input.scenario
    block = uplink_source(
        scenario.pilots,
        scenario.n_antennas,
        scenario.activity_rate,
        n_active=scenario.n_active,
        snr_db=scenario.snr_db,
        power_spread_db=scenario.power_spread_db,
        slot_period=input.slot_period,
        n_slots=input.n_slots,
        rate=input.rate,
        seed=input.seed,
        payload=scenario.payload,
    )
    return Source(block, scenario.n_antennas, input.rate, input.n_slots * input.slot_period)


def _frames(address: str, n_antennas: int, length: int) -> Source:
    try:
        from gnuradio import zeromq
    except ImportError as error:
        raise ValueError(f"frames: {error}") from error
    block = zeromq.pull_source(
        gr.sizeof_gr_complex,
        length * n_antennas,
        address,
        _FRAMES_TIMEOUT_MS,
        True,
        _FRAMES_QUEUE,
    )
    return Source(block, n_antennas, gives_frames=True)
