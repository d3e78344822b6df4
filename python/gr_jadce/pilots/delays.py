# SPDX-License-Identifier: GPL-3.0-or-later
"""Pilots that a delay turns into those of other devices: no receiver can tell such devices apart."""

import numpy as np

from .book import PilotBook

_ALIKE = 0.9  # share of a pilot's energy that another explains
_MAX_PRODUCTS = 4e9  # of a search through all pairs: seconds
_MIN_NORM = 1e-30


def check_delays(pilots: PilotBook, max_delay: int) -> None:
    """Refuse pilots of which one, so many symbols late or less, is another.

    Devices that are late by −½ to `max_delay` + ½ symbols differ by up to `max_delay` + 1. Books of all
    cyclic shifts of a sequence, as those of kind "zadoff_chu", are refused for this. Very large books are
    looked at only if they are of that kind.

    Raises
    ------
    ValueError
        If there are such; the message names two devices and the delay.
    """
    for lag in range(1, min(max_delay + 1, pilots.pilot_length - 1) + 1):
        pair = (
            _shifted_roots(pilots, lag) if pilots.kind == "zadoff_chu" else _shifted(pilots, lag, max_delay)
        )
        if pair is not None:
            raise ValueError(
                f"pilots: expected none that is another's up to {max_delay + 1} symbols late (max_delay "
                f"{max_delay}, ± ½), got device {pair[0]}'s, which {lag} late is that of device {pair[1]}; "
                "gaussian and qpsk pilots differ at all delays"
            )


def _shifted_roots(pilots: PilotBook, lag: int) -> tuple[int, int] | None:
    """Two devices of one root whose shifts differ by `lag`."""
    roots, shifts = np.asarray(pilots.roots), np.asarray(pilots.shifts)
    device = np.arange(pilots.n_devices)
    key = np.stack([roots[device // len(shifts)], shifts[device % len(shifts)] % pilots.pilot_length], axis=1)
    place = {tuple(entry): int(n) for n, entry in enumerate(key.tolist())}
    for n, (root, shift) in enumerate(key.tolist()):
        other = place.get((root, (shift + lag) % pilots.pilot_length), n)
        if other != n:
            late, same = np.roll(pilots.columns(np.array([n, other])), lag, axis=0).T
            same = np.roll(same, -lag)
            return (n, other) if abs(np.vdot(late, same)) > _ALIKE * abs(np.vdot(late, late)) else (other, n)
    return None


def _shifted(pilots: PilotBook, lag: int, max_delay: int) -> tuple[int, int] | None:
    """Two devices of which one's pilot, `lag` symbols late, is the other's."""
    length, n_devices = pilots.pilot_length, pilots.n_devices
    if float(n_devices) ** 2 * length * (max_delay + 1) > _MAX_PRODUCTS:
        return None
    matrix = pilots.matrix / np.maximum(np.linalg.norm(pilots.matrix, axis=0), _MIN_NORM)
    alike = np.abs(np.roll(matrix, lag, axis=0).conj().T @ matrix) ** 2
    np.fill_diagonal(alike, 0)
    first, second = np.unravel_index(alike.argmax(), alike.shape)
    return (int(first), int(second)) if alike[first, second] > _ALIKE else None
