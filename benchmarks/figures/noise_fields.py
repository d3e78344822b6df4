# SPDX-License-Identifier: GPL-3.0-or-later
"""Noise that is not white: what a field of each kind adds to, or makes of, the white noise of frames.

Directions are those of a linear array with half a wavelength between antennas, drawn anew for every frame.
"""

from typing import NamedTuple

import numpy as np


class Field(NamedTuple):
    """The noise of B frames.

    noise : (B, L, M). covariance : (B, M, M), E wwᴴ of a sample's noise w (M,), given the frame's direction.
    """

    noise: np.ndarray
    covariance: np.ndarray

    def whiten(self, frames):
        """The frames (B, L, M) with noise of unit variance at every antenna, independent."""
        return _times(frames, np.linalg.inv(np.linalg.cholesky(self.covariance))).astype(frames.dtype)

    def restore(self, channel, frame):
        """Channels (K, M) of frames (K,) as they were before these were whitened."""
        return _times(channel[:, None], np.linalg.cholesky(self.covariance)[frame])[:, 0].astype(
            channel.dtype
        )


def make_field(kind, white, noise_var, rng):
    """The field of a kind of `KINDS`, from white noise (B, L, M) of this variance."""
    return KINDS[kind](white, noise_var, rng)


def _times(frames, matrix):
    """matrix (B, M, M) @ every sample of frames (B, L, M)."""
    return frames @ matrix.swapaxes(1, 2)


def _white(white, noise_var, rng):
    return _coloured(white, noise_var, np.eye(white.shape[2]))


def _one_louder(white, noise_var, rng):
    return _coloured(white, noise_var, np.diag([10.0, *np.ones(white.shape[2] - 1)]))


def _correlated(white, noise_var, rng):
    distance = np.abs(np.subtract.outer(*2 * [np.arange(white.shape[2])]))
    return _coloured(white, noise_var, 0.9**distance)


def _coloured(white, noise_var, correlation):
    covariance = np.broadcast_to(correlation, (len(white), *correlation.shape))
    return Field(_times(white, np.linalg.cholesky(covariance)), noise_var * covariance)


def _carrier(power):
    def field(white, noise_var, rng):
        phase = 2 * np.pi * (rng.uniform(-0.5, 0.5, (len(white), 1)) * np.arange(white.shape[1]))
        return _from_a_direction(white, noise_var, power, np.exp(1j * phase), rng)

    return field


def _wide_band(power):
    def field(white, noise_var, rng):
        parts = rng.standard_normal((2, *white.shape[:2])) / np.sqrt(2)
        return _from_a_direction(white, noise_var, power, parts[0] + 1j * parts[1], rng)

    return field


def _constant(power):
    """A DC offset: of any phase at every antenna."""

    def field(white, noise_var, rng):
        offset = np.exp(2j * np.pi * rng.random((len(white), white.shape[2])))
        return _interfered(white, noise_var, power, np.ones(white.shape[:2]), offset)

    return field


def _from_a_direction(white, noise_var, power, signal, rng):
    sine = np.sin(rng.uniform(-np.pi, np.pi, (len(white), 1)))
    steering = np.exp(1j * np.pi * (sine * np.arange(white.shape[2]) + 2 * rng.random((len(white), 1))))
    return _interfered(white, noise_var, power, signal, steering)


def _interfered(white, noise_var, power, signal, steering):
    """signal (B, L), of mean power 1, reaches the antennas by steering (B, M), `power` times the noise."""
    arriving = np.sqrt(power * noise_var) * signal[:, :, None] * steering[:, None, :]
    outer = steering[:, :, None] * steering[:, None, :].conj()
    return Field(white + arriving, noise_var * (np.eye(white.shape[2]) + power * outer))


KINDS = {
    "white": _white,
    "one antenna +10 dB": _one_louder,
    "correlated 0.9": _correlated,
    "carrier +10 dB": _carrier(10),
    "carrier +20 dB": _carrier(100),
    "wide band +10 dB": _wide_band(10),
    "wide band +20 dB": _wide_band(100),
    "DC +10 dB": _constant(10),
    "DC +20 dB": _constant(100),
}
