# SPDX-License-Identifier: GPL-3.0-or-later
"""Antennas without any signal: a cable that is off, a channel that does not stream."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..detection.rows import Rows
from ..numeric import decibels
from ..reports.report import Report

_ALL_ALIVE = None, None


def alike(frames: NDArray, usable: NDArray) -> Iterator[tuple[NDArray | None, NDArray | None]]:
    """Frames (B, L, M) that have the same antennas, together.

    An antenna is dead in a frame where all its samples are zero, unless those of all antennas are:
    then nobody transmits, and the frame is taken as it is.

    Parameters
    ----------
    frames : (B, L, M) complex array
    usable : (B,) bool
        The frames to take; of the others nothing is given.

    Yields
    ------
    index : int array or None
        The frames; None for all.
    antennas : (M,) bool array or None
        Their antennas that are alive; None for all.
    """
    alive = _alive(frames)
    if usable.all() and alive.all():
        if len(frames):
            yield _ALL_ALIVE
        return
    patterns, member = np.unique(alive, axis=0, return_inverse=True)
    for number, pattern in enumerate(patterns):
        index = np.flatnonzero((member.ravel() == number) & usable)
        if index.size:
            yield index, None if pattern.all() else pattern


def _alive(frames: NDArray) -> NDArray:
    """Which antennas are alive in each frame (B, M): nearly always told by its first samples."""
    alive = frames[:, 0] != 0
    if alive.all():
        return alive
    for b in np.flatnonzero(~alive.all(axis=1)):
        alive[b] = frames[b].any(axis=0)
        alive[b] |= not alive[b].any()
    return alive


def warning_of_dead(reports: list[Report]) -> str | None:
    """What to warn of where reports name dead antennas; None where they do not."""
    dead = [report.antennas_dead for report in reports if report.antennas_dead is not None]
    if not dead:
        return None
    names = ", ".join(map(str, np.unique(np.concatenate(dead)).tolist()))
    return (
        f"no signal at all on antenna {names} of 0 to {reports[0].n_antennas - 1} in {len(dead)} of "
        f"{len(reports)} frames: decided without"
    )


def spread(values: NDArray, antennas: NDArray | None) -> NDArray:
    """Values (…, M) for all antennas, zero for those that are not in `antennas` (M,) bool; None for all."""
    if antennas is None:
        return values
    full = np.zeros((*values.shape[:-1], len(antennas)), values.dtype)
    full[..., antennas] = values
    return full


def coloured_noise(rows: Rows, antennas: NDArray | None) -> list[dict[str, Any]]:
    """The fields of each frame's report about noise that is not alike on all antennas and independent."""
    fields: list[dict[str, Any]] = [{} for _ in rows.noise_var]
    if rows.noise_kind is None:
        return fields
    for b in np.flatnonzero(rows.noise_kind != "white"):
        covariance = rows.noise_cov[b]
        variance = np.minimum(np.diagonal(covariance).real, np.finfo(np.float32).max).astype(np.float32)
        fields[b] = {
            "noise_vars": spread(variance, antennas),
            "interference_db": interference_db(covariance),
        }
    return fields


def interference_db(covariance: NDArray) -> float:
    """How far noise (M, M) in its strongest direction is above the mean of all others, dB."""
    power = np.maximum(np.linalg.eigvalsh(covariance), 0)
    return float(decibels(power[-1] / max(power[:-1].mean(), np.finfo(float).tiny)))
