# SPDX-License-Identifier: GPL-3.0-or-later
"""The simulated uplink on the air: shaped bursts out of step, noise, and the receiver's converters."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..checks import check_integer, check_number
from ..payload.contents import Contents
from ..payload.format import PayloadFormat
from ..payload.modulation import slot_symbols
from ..pilots.book import PilotBook, as_pilot_book
from ..waveform import Ofdm, Waveform
from .arrivals import Arrivals, arrivals_of
from .fading import complex_normal
from .frames import ROLL_OFF, draw_steps
from .simulation import Scenario, simulate


class Truth(NamedTuple):
    """What is true of B slots; `channel` is that at the pilot's first symbol.

    activity (B, N) bool; channel (B, N, M); delay (B, N), symbols, and offset (B, N), cycles a
    symbol, 0 where inactive; noise variance of a sample, and of a symbol behind the matched filter. Over
    channels of several paths they are those of `Arrivals.strongest`, and `paths` has all, slot by slot.
    With a payload, packets (K, n_bytes) uint8 of the active devices of each slot.
    """

    activity: NDArray
    channel: NDArray
    delay: NDArray
    offset: NDArray
    noise_var: float
    paths: tuple[Arrivals, ...] = ()
    packets: tuple[NDArray, ...] = ()


def simulate_bursts(
    scenario: Scenario,
    waveform: Waveform | Ofdm,
    slot_period: int,
    n_slots: int,
    *,
    seed: int = 0,
    first_slot: int = 0,
    packets: Contents | None = None,
) -> tuple[NDArray, Truth]:
    """Simulate whole slots of an uplink of shaped bursts.

    Devices, channels and noise variance are those of `uplink.simulate`; slot k depends on the
    scenario, the waveform, the seed and k only.

    Parameters
    ----------
    scenario : Scenario
        Its cyclic prefix is the waveform's.
    waveform : Waveform or Ofdm
    slot_period : int
        T samples from slot to slot, enough for the latest burst; echoes are cut off at the end of a slot.
    packets : callable, optional
        What devices say, as `uplink.simulate` takes it.

    Returns
    -------
    samples : (n_slots * T, M) complex64
        Slot k occupies rows kT to (k+1)T - 1. Behind the matched filter ``waveform.taps``, the
        pilot's first symbol is ``waveform.offset`` samples after the start of its slot; of OFDM, the
        samples for ``waveform.symbols`` begin there.
    truth : Truth

    Raises
    ------
    ValueError
        If the slot is too short, or waveform and scenario do not agree.
    """
    _check(scenario, waveform, slot_period)
    uplink = simulate(scenario, n_slots, seed, first_frame=first_slot, packets=packets)
    slots = np.empty((n_slots, slot_period, scenario.n_antennas), np.complex64)
    delay, offset = np.zeros((2, *uplink.activity.shape))
    paths = []
    for i in range(n_slots):
        rng = np.random.Generator(np.random.Philox(key=[seed, first_slot + i], counter=[0, 0, 0, 2]))
        noise = complex_normal(rng, slots.shape[1:])
        active = np.flatnonzero(uplink.activity[i])
        n_symbols = int(np.ceil(slot_period / waveform.samples_per_symbol))
        steps = draw_steps(rng, scenario, len(active), n_symbols)
        arrivals = _arrivals(scenario, seed, first_slot + i, uplink.channel[i, active], active, *steps[:2])
        _, delay[i, active], offset[i, active] = arrivals.strongest(waveform.roll_off)
        slots[i] = noise * np.float32(np.sqrt(uplink.noise_var))
        data = _data(scenario, uplink, i, active)
        _add_bursts(slots[i], scenario, waveform, arrivals, steps[2], data)
        paths.append(arrivals)
    truth = Truth(
        uplink.activity, uplink.channel, delay, offset, uplink.noise_var, tuple(paths), uplink.packets
    )
    return slots.reshape(-1, scenario.n_antennas), truth


def burst_length(scenario: Scenario, waveform: Waveform | Ofdm) -> int:
    """Samples from the start of a slot to the end of the latest burst in it."""
    late = int(np.ceil(scenario.max_delay * waveform.samples_per_symbol))
    return waveform.n_samples(scenario.frame_length) + late


def matched_filter(samples: NDArray, waveform: Waveform) -> NDArray:
    """Samples (T, M) behind the matched filter, as a streaming filter gives them: (T, M)."""
    return np.stack(
        [np.convolve(antenna, waveform.taps)[: len(antenna)] for antenna in samples.T], axis=1
    ).astype(np.complex64)


def checked_converter(full_scale: float, n_bits: int) -> tuple[float, int] | None:
    """The arguments of `digitise`, checked, or None for no converter; ValueError names a wrong one."""
    n_bits = check_integer("n_bits", n_bits, 0, 24)
    full_scale = check_number("full_scale", full_scale, 0)
    if n_bits and not full_scale:
        raise ValueError("full_scale: expected one above 0 for a converter of n_bits, got 0")
    return (full_scale, n_bits) if full_scale else None


def digitise(samples: NDArray, full_scale: float, n_bits: int) -> NDArray:
    """What a converter makes of samples: real and imaginary parts clipped to ± full_scale and rounded.

    `n_bits` bits a part; 0 for none but clipping.
    """
    parts = np.ascontiguousarray(samples, np.complex64).view(np.float32)
    step = full_scale / 2 ** (n_bits - 1) if n_bits else 0
    parts = np.clip(parts, -full_scale, full_scale - step)
    if n_bits:
        parts = np.round(parts / step) * step
    return parts.astype(np.float32).view(np.complex64)


def _check(scenario, waveform, slot_period):
    if scenario.cyclic_prefix != waveform.cyclic_prefix:
        raise ValueError(
            f"cyclic_prefix: expected the waveform's, {waveform.cyclic_prefix} symbols, "
            f"got {scenario.cyclic_prefix}"
        )
    if waveform.roll_off not in (ROLL_OFF, Ofdm.roll_off):
        raise ValueError(f"roll_off: expected {ROLL_OFF}, that of the scenario, got {waveform.roll_off!r}")
    if scenario.payload is not None and isinstance(waveform, Ofdm):
        raise ValueError("payload: expected a waveform of pulses, got OFDM")
    needed = burst_length(scenario, waveform)
    if slot_period < needed:
        raise ValueError(f"slot_period: expected at least {needed} samples, a burst, got {slot_period}")


def _arrivals(scenario, seed, slot, channel, active, delay, offset):
    """What arrives of active devices that are out of step: over one path each, or those of the channels."""
    if scenario.channels is not None:
        return arrivals_of(scenario, seed, slot).later(delay, offset)
    return Arrivals(active, channel[:, :, None], delay[:, None], offset[:, None])


def _data(scenario, uplink, i, active):
    """What active devices send behind their pilots (n_chips, K) in slot i."""
    if not uplink.packets:
        return np.empty((0, len(active)))
    symbols = slot_symbols(scenario.pilots, scenario.payload, uplink.packets[i], active)
    return symbols[scenario.pilots.pilot_length :]


def _add_bursts(samples, scenario, waveform, arrivals, phase, data):
    """Add what arrives to the samples (T, M) of a slot; phase (K, n_symbols) is of their carriers."""
    n_paths = arrivals.gain.shape[2]
    there = arrivals.gain.any(axis=1).ravel()  # of (K, P)
    device, walk, data = (np.repeat(own, n_paths, axis=0)[there] for own in (arrivals.device, phase, data.T))
    delay, offset = (np.ravel(own)[there] for own in (arrivals.delay, arrivals.offset))
    gain = np.moveaxis(arrivals.gain, 1, 2).reshape(-1, samples.shape[1])[there]
    in_slot = delay * waveform.samples_per_symbol < len(samples)
    steps = delay[in_slot], offset[in_slot], walk[in_slot], data[in_slot].T
    sent = _sent(scenario, waveform, device[in_slot], *steps, len(samples))
    samples[: len(sent)] += sent @ gain[in_slot]


def _sent(scenario, waveform, device, delay, offset, phase, data, n_samples):
    """The bursts (T, K) of devices, off their carriers; the phase is that at the pilot's start."""
    bursts = _bursts(waveform, scenario.pilots.columns(device), delay, data)[:n_samples]
    step = waveform.samples_per_symbol
    start = waveform.offset - waveform.span * step  # the pilot's first symbol on the air
    symbols = waveform.times(len(bursts))
    walk = phase[:, (np.arange(len(bursts)) / step).astype(int)]
    walk = walk - walk[:, int(start)][:, None]
    turned = np.exp(1j * (2 * np.pi * np.outer(symbols, offset) + walk.T))
    return (bursts * turned).astype(np.complex64)


def _bursts(waveform, pilots, delay, data):
    return waveform.bursts(pilots, delay, data) if len(data) else waveform.bursts(pilots, delay)


class Bursts:
    """The bursts of some devices, ready to be added up.

    Parameters
    ----------
    pilots : PilotBook or (L, N) array
    waveform : Waveform
    devices : sequence of int
        Those that this transmitter sends for.
    backoff_db : float
        Each burst's mean power is so far below that of a full-scale carrier.
    payload : PayloadFormat, optional
        Of the packets behind the pilots.

    Raises
    ------
    ValueError
        If a device is not in the book, or the burst of one device alone would clip.
    """

    def __init__(
        self,
        pilots: PilotBook | ArrayLike,
        waveform: Waveform | Ofdm,
        devices: Sequence[int],
        backoff_db: float,
        *,
        payload: PayloadFormat | None = None,
    ) -> None:
        if payload is not None and isinstance(waveform, Ofdm):
            raise ValueError("payload: expected a waveform of pulses, got OFDM")
        self._waveform, self._payload = waveform, payload
        self._book = book = as_pilot_book(pilots)
        self.devices = np.unique([check_integer("devices", n, 0, book.n_devices - 1) for n in devices])
        backoff_db = check_number("backoff_db", backoff_db, 0, 120)
        bursts = waveform.bursts(book.columns(self.devices))
        length = (waveform.cyclic_prefix + book.pilot_length) * waveform.samples_per_symbol
        rms = np.sqrt(np.sum(np.abs(bursts) ** 2, axis=0) / length)
        self.gain = 10 ** (-backoff_db / 20) / np.maximum(rms, np.finfo(float).tiny)
        self._bursts = bursts * self.gain
        peak = np.abs(self._bursts.view(float)).max(initial=0)
        if peak > 1:
            least = backoff_db + 20 * np.log10(peak)
            raise ValueError(
                f"backoff_db: expected at least {least:.1f} dB or bursts clip, got {backoff_db!r}"
            )

    def __len__(self) -> int:
        if self._payload is None:
            return len(self._bursts)
        return self._waveform.n_samples(self._book.pilot_length + self._payload.n_chips)

    def of(self, active: NDArray, packets: NDArray | None = None) -> tuple[NDArray, float]:
        """The sum of the bursts of active devices, and by what share (1 or less) it had to be scaled.

        With a payload, `packets` (K, n_bytes) uint8 are theirs.
        """
        burst = self._own(active, packets).sum(axis=1)
        share = 1 / max(np.abs(burst.view(float)).max(initial=0), 1)
        return (burst * share).astype(np.complex64), share

    def _own(self, active: NDArray, packets: NDArray | None) -> NDArray:
        """The bursts (T, K) of active devices."""
        if (packets is None) != (self._payload is None):
            raise ValueError("packets: expected with a payload, and only then")
        if packets is None or self._payload is None:
            return self._bursts[:, np.searchsorted(self.devices, active)]
        symbols = slot_symbols(self._book, self._payload, packets, active)
        length = self._book.pilot_length
        return _bursts(self._waveform, symbols[:length], 0.0, symbols[length:]) * self.gains(active)

    def gains(self, active: NDArray) -> NDArray:
        """Amplitudes of active devices: what a pilot of the book is multiplied by."""
        return self.gain[np.searchsorted(self.devices, active)]
