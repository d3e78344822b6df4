# SPDX-License-Identifier: GPL-3.0-or-later
"""`Slots` from frames and the rows of a decision, and with devices found later."""

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...pilots.book import PilotBook
from ..format import PayloadFormat
from ..modulation import sequences
from .slots import PER_DEVICE, Slots

_LEAST = 1e-9


def result_type(format: PayloadFormat) -> np.dtype:
    """What was decoded of a device: the bytes, whether they are right, error vector and SNR, dB."""
    return np.dtype([("data", np.uint8, format.n_bytes), ("evm_db", float), ("snr_db", float)])


class Device(NamedTuple):
    """A device as it was found: gain (P, M) at the slot's first symbol, delay (P,), offset."""

    number: int
    gain: NDArray
    delay: NDArray
    offset: float


class Filling:
    """Makes `Slots` of a pilot book and a format; keeps what each device sends.

    Parameters
    ----------
    pilots : PilotBook
    format : PayloadFormat
    roll_off : float
    turn_var : float
        Variance of carrier offsets, (radians a symbol)²; 0 if they are found exactly.
    """

    def __init__(self, pilots: PilotBook, format: PayloadFormat, roll_off: float, turn_var: float) -> None:
        self.pilots, self.format = pilots, format
        self.roll_off, self.turn_var = roll_off, turn_var
        self._sent: dict[int, tuple[NDArray, NDArray]] = {}

    def slots(self, frames: NDArray, found: list[list[Device]], *, later: bool = False) -> Slots:
        """The slots (B, T, M), whitened, of the devices found in each."""
        length, format = self.pilots.pilot_length, self.format
        shape = len(frames), max(map(len, found), default=0)
        n_paths = max((len(device.delay) for devices in found for device in devices), default=1)
        slots = Slots(
            frames=np.ascontiguousarray(frames, np.complex64),
            device=np.full(shape, -1),
            gain=np.zeros((*shape, n_paths, frames.shape[2]), np.complex64),
            delay=np.zeros((*shape, n_paths)),
            phase=np.zeros((*shape, frames.shape[1])),
            sent=np.zeros((*shape, frames.shape[1]), np.complex64),
            spread=np.zeros((*shape, format.n_symbols, format.spreading), np.complex64),
            doubt=np.ones((*shape, format.n_symbols)),
            decoded=np.zeros(shape, bool),
            later=np.full(shape, later),
            result=np.zeros(shape, result_type(format)),
            roll_off=self.roll_off,
        )
        middle, time = (length - 1) / 2, np.arange(frames.shape[1])
        for b, devices in enumerate(found):
            for k, one in enumerate(devices):
                slots.device[b, k] = one.number
                slots.gain[b, k, : len(one.delay)] = one.gain * np.exp(2j * np.pi * one.offset * middle)
                slots.delay[b, k, : len(one.delay)] = one.delay
                turn = 2 * np.pi * one.offset * self._trust(one)
                slots.phase[b, k] = turn * (time - middle)
                slots.sent[b, k, :length], slots.spread[b, k] = self.sent_by(one.number)
        return slots

    def _trust(self, device: Device) -> float:
        """The share of a carrier offset, found on the pilot, that is not its error."""
        length = self.pilots.pilot_length
        energy = max(
            float(np.sum(np.abs(device.gain) ** 2)) * self.pilots.energy / self.pilots.n_devices, _LEAST
        )
        error = 6 / (energy * length**2)
        return self.turn_var / (self.turn_var + error) if self.turn_var else 1.0

    def sent_by(self, device: int) -> tuple[NDArray, NDArray]:
        """Pilot (L,) and spread symbols of 1 (D, S) of a device."""
        if device not in self._sent:
            pilot = self.pilots.columns([device])[:, 0]
            rms = np.sqrt(np.mean(np.abs(pilot) ** 2))
            chips = sequences(self.format, [device])[0] * rms
            self._sent[device] = pilot, chips.reshape(self.format.n_symbols, -1).astype(np.complex64)
        return self._sent[device]


def devices_of(decision: Any, whitener: NDArray) -> list[list[Device]]:
    """The devices of each frame, of the rows of a decision or of reports; whitener (B, M, M)."""
    if hasattr(decision, "start"):
        edges = pairwise(np.asarray(decision.start).tolist())
        return [
            [_device(decision, k, own) for k in range(*edge)]
            for edge, own in zip(edges, whitener, strict=True)
        ]
    return [
        [_device(_RowsOf(report), k, own) for k in range(len(report.device))]
        for report, own in zip(decision, whitener, strict=True)
    ]


class _RowsOf:
    """A report, its fields named as those of rows."""

    def __init__(self, report: Any) -> None:
        self.device, self.channel = report.device, report.channel
        self.delay, self.carrier_offset = report.delay, report.carrier_offset
        taps: Any = report.taps or (None, None, None)
        self.tap_start, self.tap_delay, self.tap_gain = taps


def _device(rows: Any, k: int, whitener: NDArray) -> Device:
    gain, delay = rows.channel[k][None], np.zeros(1)
    if rows.delay is not None:
        delay = np.asarray(rows.delay[k], float).reshape(1)
    if rows.tap_start is not None and rows.tap_start[k + 1] - rows.tap_start[k] > 1:
        part = slice(int(rows.tap_start[k]), int(rows.tap_start[k + 1]))
        gain, delay = rows.tap_gain[part], np.asarray(rows.tap_delay[part], float)
    offset = 0.0 if rows.carrier_offset is None else float(rows.carrier_offset[k])
    return Device(int(rows.device[k]), gain @ whitener.T, delay, offset)


def whitener_of(decision: Any, n_antennas: int) -> NDArray:
    """What whitens the antennas of each frame (B, M, M), to a variance of 1."""
    if hasattr(decision, "start"):
        covariance = _white(decision.noise_var, n_antennas)
        if decision.noise_kind is not None and np.size(decision.noise_cov):
            coloured = np.asarray(decision.noise_kind) != "white"
            covariance = np.where(coloured[:, None, None], decision.noise_cov, covariance)
    else:
        covariance = _white([report.noise_var for report in decision], n_antennas)
        for own, report in zip(covariance, decision, strict=True):
            if report.noise_vars is not None:
                told = np.asarray(report.noise_vars, float)
                np.fill_diagonal(own, np.where(told > 0, told, own.diagonal().real))
    return np.linalg.inv(np.linalg.cholesky(covariance)).astype(np.complex64)


def _white(noise_var: ArrayLike, n_antennas: int) -> NDArray:
    variance = np.nan_to_num(np.asarray(noise_var, float), nan=1.0)
    variance = np.maximum(variance, np.finfo(np.float32).tiny)
    return variance[:, None, None] * np.eye(n_antennas, dtype=complex)


def joined(slots: Slots, later: Slots) -> Slots:
    """The slots with devices that were found later."""
    paths = max(slots.gain.shape[2], later.gain.shape[2])

    def both(name: str) -> NDArray:
        parts = [getattr(one, name) for one in (slots, later)]
        if name in ("gain", "delay"):
            parts = [
                np.pad(
                    part, [(0, paths - part.shape[2]) if axis == 2 else (0, 0) for axis in range(part.ndim)]
                )
                for part in parts
            ]
        return np.concatenate(parts, axis=1)

    return Slots(frames=slots.frames, roll_off=slots.roll_off, **{name: both(name) for name in PER_DEVICE})
