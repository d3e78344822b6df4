# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a reception takes its samples from, or its frames."""

import os
from dataclasses import dataclass

from gnuradio import gr

from ..blocks.recording_source import recording_source
from ..blocks.uplink_source import uplink_source
from ..checks import check_integer, check_positive
from ..delivery.publishing import full_address
from ..pilots.book import PilotBook
from ..radio.source import Source
from ..radio.usrp import UsrpSettings, open_receivers
from ..uplink.simulation import Scenario

_FRAMES_TIMEOUT_MS = 100  # between two looks at whether to stop
_FRAMES_QUEUE = 2  # messages of frames that wait here; more would be lost with this receiver


@dataclass(frozen=True)
class RecordingInput:
    """The samples of a SigMF recording; M as recorded, or checked if `n_antennas` is given."""

    path: str | os.PathLike[str]
    n_antennas: int | None = None


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
    """The frames of a pilot_framer elsewhere, from its ZMQ PUSH Sink at an address."""

    address: str | int
    n_antennas: int = 1


Input = RecordingInput | SimulationInput | FramesInput | UsrpSettings


def open_source(input: Input, book: PilotBook) -> Source:
    """The source that settings name.

    Raises
    ------
    ValueError, OSError
        If it is not there or not what was asked for; the message says which.
    """
    if isinstance(input, RecordingInput):
        block = recording_source(input.path, input.n_antennas or 0)
        return Source(block, block.n_antennas(), block.sample_rate(), block.n_samples())
    if isinstance(input, SimulationInput):
        return _simulation(input)
    return _frames(input, book) if isinstance(input, FramesInput) else open_receivers(input)


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
    )
    return Source(block, scenario.n_antennas, input.rate, input.n_slots * input.slot_period)


def _frames(input: FramesInput, book: PilotBook) -> Source:
    try:
        from gnuradio import zeromq
    except ImportError as error:
        raise ValueError(f"frames: {error}") from error
    length = book.pilot_length * input.n_antennas
    block = zeromq.pull_source(
        gr.sizeof_gr_complex,
        length,
        full_address(input.address),
        _FRAMES_TIMEOUT_MS,
        True,
        _FRAMES_QUEUE,
    )
    return Source(block, input.n_antennas, gives_frames=True)
