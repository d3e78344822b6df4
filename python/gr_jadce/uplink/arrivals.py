# SPDX-License-Identifier: GPL-3.0-or-later
"""What arrives of the active devices of a slot over channels made elsewhere, of several paths each."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..pilots.book import PilotBook
from ..waveform import late, strongest_responses, turn
from .impulse_responses import SlotPaths

_POWER_STREAM = (0, 0, 0, 3)  # of a slot's random numbers
_TINY = np.finfo(np.float32).tiny


class Arrivals(NamedTuple):
    """The paths of a slot's K active devices, as a receiver meets them.

    device (K,) int, ascending; gain (K, M, P) complex, at the pilot's first symbol; delay (K, P), symbols
    after the start of the slot; offset (K, P), cycles a symbol, of carrier and Doppler shift together.
    """

    device: NDArray
    gain: NDArray
    delay: NDArray
    offset: NDArray

    @classmethod
    def flat(cls, device: NDArray, channel: NDArray) -> "Arrivals":
        """Devices in step, over one path each, with channels (K, M)."""
        nothing = np.zeros((len(device), 1))
        return cls(device, channel[:, :, None], nothing, nothing)

    def strongest(self, roll_off: float) -> tuple[NDArray, NDArray, NDArray]:
        """Gain (K, M), delay (K,) and offset (K,) of each device, where its response is strongest.

        That is the response as the pulse behind the matched filter shows it: paths much closer than a
        symbol are one, as for a receiver. A single path is itself. The offset is that of the strongest path.
        """
        there: NDArray = np.asarray(np.any(self.gain, axis=1))
        there[:, 0] |= ~np.any(there, axis=1)  # a device without a path keeps its first
        start = np.concatenate([[0], np.cumsum(np.count_nonzero(there, axis=1))])
        paths = np.swapaxes(self.gain, 1, 2)[there], self.delay[there]
        gain, delay = strongest_responses(*paths, start, roll_off)
        path = np.sum(np.abs(self.gain) ** 2, axis=1).argmax(axis=1)
        return gain, delay, self.offset[np.arange(len(path)), path]

    def later(self, delay: NDArray, offset: NDArray) -> "Arrivals":
        """The same of devices that are late by `delay` (K,) and off their carriers by `offset` (K,)."""
        return self._replace(delay=self.delay + delay[:, None], offset=self.offset + offset[:, None])


def arrivals_of(scenario: Any, seed: int, slot: int) -> Arrivals:
    """What the channels of a `Scenario` bring in a slot; with power control, at the powers of the scenario.

    Raises
    ------
    ValueError
        If the channels are not those of the scenario's devices and antennas.
    """
    paths = scenario.channels(slot)
    _check(paths, scenario)
    gain = np.asarray(paths.gain, complex)
    if scenario.power_control:
        rng = np.random.Generator(np.random.Philox(key=[seed, slot], counter=list(_POWER_STREAM)))
        wanted = scenario.draw_power(rng, len(gain))
        power = np.sum(np.mean(np.abs(gain) ** 2, axis=1), axis=1)
        gain = gain * np.sqrt(wanted / np.maximum(power, _TINY))[:, None, None]
    rate = scenario.symbol_rate
    return Arrivals(paths.device, gain.astype(np.complex64), paths.delay * rate, paths.doppler / rate)


def received(
    pilots: PilotBook, arrivals: Arrivals, phase: NDArray, roll_off: float, *, prefix: int
) -> NDArray:
    """The sum of all paths (L, M) behind the matched filter; phase (K, L) of the carriers, radians."""
    length = pilots.pilot_length
    total = np.zeros((length, arrivals.gain.shape[1]), complex)
    columns = pilots.columns(arrivals.device).T
    for pilot, gain, delay, offset, walk in zip(columns, *arrivals[1:], phase, strict=True):
        there = gain.any(axis=0)
        delayed = late(delay[there], length, roll_off, prefix=prefix) @ pilot  # (P, L)
        turned = delayed * turn(offset[there], length) * np.exp(1j * walk)
        total += turned.T @ gain[:, there].T
    return total


def _check(paths: SlotPaths, scenario: Any) -> None:
    n_devices, n_antennas = scenario.pilots.n_devices, scenario.n_antennas
    device = np.asarray(paths.device)
    if device.size and not (0 <= device.min() and device.max() < n_devices and (np.diff(device) > 0).all()):
        raise ValueError(f"channels: expected ascending devices from 0 to {n_devices - 1}, got {device}")
    shape = np.shape(paths.gain)
    if len(shape) != 3 or shape[:2] != (len(device), n_antennas):
        raise ValueError(f"channels: expected gains ({len(device)}, {n_antennas}, paths), got {shape}")
    for name in ("delay", "doppler"):
        if np.shape(getattr(paths, name)) != (shape[0], shape[2]):
            raise ValueError(
                f"channels: expected a {name} of each path, {(shape[0], shape[2])}, "
                f"got {np.shape(getattr(paths, name))}"
            )
