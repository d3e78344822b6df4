# SPDX-License-Identifier: GPL-3.0-or-later
"""What a reception and a transmission are set to."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from ..detection.noise.rounds import Noise
from ..payload.format import PayloadFormat
from ..radio.usrp import UsrpSettings
from ..random_access.occasions import MIDDLE
from ..waveform import Ofdm, Waveform
from .sources import FramesInput, RecordingInput, SimulationInput

Path = str | os.PathLike[str]
SlotOrigin = Literal["first"] | tuple[int, float]


@dataclass(frozen=True)
class SlotGrid:
    """Where in the samples the slots are, and by which rate: arguments of `blocks.pilot_framer`."""

    slot_period: int
    slot_origin: SlotOrigin = "first"
    offset: int = 0
    guard_start: int = 0
    guard_length: int = 0
    hold_rate: bool = False


@dataclass(frozen=True)
class ReceptionSettings:
    """A reception: from an input to its reports.

    Parameters
    ----------
    input : RecordingInput, SimulationInput, FramesInput or UsrpSettings
        Where samples or frames come from.
    grid : SlotGrid, optional
        The slots; needed unless frames come in.
    estimator : str
        A name in `gr_jadce.estimators.ESTIMATORS`, or the path of a network's weights.
    estimator_options : mapping
        Its options.
    false_alarm : float
        Wanted probability that an inactive device is reported active.
    noise_var : float
        Noise variance of a received sample; 0 if unknown.
    noise : {"auto", "white", "antennas", "spatial"}
        What is taken for the noise of the antennas.
    noise_memory : int
        Slots whose median noise variance is told to the estimator; 0 for none.
    waveform : Waveform or Ofdm, optional
        Shaped pulses, or OFDM; None where the input has one sample a symbol.
    max_delay : int, optional
        Symbols by which devices may be late; None if all are in step.
    max_offset : float, optional
        Hz by which their carriers may be off; None if none is. It needs a waveform, or random access
        preambles, for which None is 400 Hz.
    max_paths : int, optional
        Paths of a device, or clusters of paths, at most; None for as many as `Asynchrony` takes itself.
    first_subcarrier : int
        Of random access preambles: place of the first from the carrier on, if they are not in the middle.
    payload : PayloadFormat, optional
        Of the packets behind the pilots.
    n_slots : int, optional
        End after so many slots or frames.
    duration : float, optional
        End after the samples of so many seconds.
    idle : float, optional
        With frames from elsewhere, end when none has come for so many seconds.
    json : path or int, optional
        File, or descriptor, that reports are written to as JSON lines.
    record : path, optional
        SigMF recording of the samples.
    zmq : str or int, optional
        Address that reports and statuses are published at.
    zmq_truth : bool
        Publish the truth of a simulation there, too, before the reports of its frames.
    metrics : str, optional
        Port, or host and port, that numbers for Prometheus are served at.
    metrics_token : str, optional
        Secret of those who may read them, needed with a host that other machines reach.
    """

    input: RecordingInput | SimulationInput | FramesInput | UsrpSettings
    grid: SlotGrid | None = None
    estimator: str = "unrolled"
    estimator_options: Mapping[str, Any] = field(default_factory=dict)
    false_alarm: float = 1e-3
    noise_var: float = 0.0
    noise: Noise = "auto"
    noise_memory: int = 0
    waveform: Waveform | Ofdm | None = None
    max_delay: int | None = None
    max_offset: float | None = None
    max_paths: int | None = None
    first_subcarrier: int = MIDDLE
    payload: PayloadFormat | None = None
    n_slots: int | None = None
    duration: float | None = None
    idle: float | None = None
    json: Path | int | None = None
    record: Path | None = None
    zmq: str | int | None = None
    zmq_truth: bool = False
    metrics: str | None = None
    metrics_token: str | None = None

    def __post_init__(self) -> None:
        if (self.grid is None) != isinstance(self.input, FramesInput):
            raise ValueError("grid: expected with samples, and not with frames from elsewhere")
        if self.waveform is None and self.max_delay is not None:
            raise ValueError("waveform: expected with max_delay, got none")
        if self.zmq_truth and (self.zmq is None or not isinstance(self.input, SimulationInput)):
            raise ValueError("zmq_truth: expected with zmq and a simulation, which alone knows the truth")
        if self.payload is not None and isinstance(self.waveform, Ofdm):
            raise ValueError("payload: expected a waveform of pulses, got OFDM")


@dataclass(frozen=True)
class TransmissionSettings:
    """A transmission: from the bursts of some devices to a USRP or a recording.

    Parameters
    ----------
    devices : sequence of int
        Those to transmit for.
    slot_period : int
        Samples from slot to slot.
    usrp : UsrpSettings, optional
        The radio to transmit by.
    recording : path, optional
        The SigMF recording to write, if there is no radio.
    slot_origin : "first" or (int, float)
        Start of slot 0: a whole second soon, in a recording 0; or a device time.
    n_slots : int, optional
        End after so many slots.
    activity : float, int or path
        Probability that a device is active in a slot; or each once in so many slots; or a script.
    backoff_db : float
        Mean power of a burst below full scale.
    waveform : Waveform or Ofdm
        The pulses.
    rate, frequency : float
        Of a recording.
    seed : int
        Of the random activity.
    truth : path, optional
        File of who was active in which slot, as JSON lines.
    zmq : str or int, optional
        Address that the same lines are published at.
    payload : PayloadFormat, optional
        Packets follow the pilots.
    packets : str
        What they hold: "random", "counter", or a text.
    """

    devices: Sequence[int]
    slot_period: int
    usrp: UsrpSettings | None = None
    recording: Path | None = None
    slot_origin: SlotOrigin = "first"
    n_slots: int | None = None
    activity: float | Path = 0.1
    backoff_db: float = 12.0
    waveform: Waveform | Ofdm = field(default_factory=Waveform)
    rate: float = 1e6
    frequency: float = 0.0
    seed: int = 0
    truth: Path | None = None
    zmq: str | int | None = None
    payload: PayloadFormat | None = None
    packets: str = "random"

    def __post_init__(self) -> None:
        if (self.usrp is None) == (self.recording is None):
            raise ValueError("recording: expected either this or usrp, and not both")
