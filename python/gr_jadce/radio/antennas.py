# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks of each antenna's level, offset, image and converter; none needs a known signal."""

from collections.abc import Sequence

import numpy as np

from .finding import Finding, antenna_names, grade, level_db, make_finding, worst_of

# From where on a figure is a warning, and a failure.
SILENCE_DB = (15.0, 20.0)  # below the strongest antenna: no cable loss, a gain stage that is off
GAIN_DB = (1.0, 2.0)  # decisions assume equal noise on all antennas; 2 dB is 1.6 times
DC_DB = (-35.0, -25.0)  # over the noise: a pilot of 64 symbols can gather it by 18 dB
IMAGE_DB = (-35.0, -25.0)  # the image of a device 25 dB above another one looks like that one
CLIPPED = (1e-9, 1e-4)  # share of samples: any is worth a look; 1e-4 is in 1 of 40 frames of 64 x 4

_QUIET_BLOCK = 256  # samples whose power tells whether somebody transmits
_FULL_SCALE = 0.999  # of what UHD calls 1.0, and SigMF 1 - 1/32768
_STEP = 1 / 32768  # of a 16-bit sample: less power than that is no signal
_EDGE = 0.005  # share of the range that is the edge of the histogram
_PILE = 10  # times the samples just inside the edge: a tone has 2.4, clipping hundreds


def quiet(samples: np.ndarray) -> np.ndarray:
    """The samples (n, M) of times at which nobody transmits, if there are such; else all."""
    blocks = samples[: len(samples) // _QUIET_BLOCK * _QUIET_BLOCK].reshape(
        -1, _QUIET_BLOCK, samples.shape[1]
    )
    power = _power(blocks, 1)
    power = (power / np.maximum(power.mean(0), np.finfo(np.float32).tiny)).mean(1)
    low = np.quantile(power, 0.25)
    return blocks[power <= 1.5 * low].reshape(-1, samples.shape[1]) if low > 0 else samples


def silence(samples: np.ndarray) -> Finding:
    """Antennas that give nothing, or far less than the strongest."""
    below = level_db(_ac_power(samples).max()) - level_db(_ac_power(samples))
    worst = int(below.argmax())
    dead = np.flatnonzero(dead_antennas(samples))
    verdict = "fail" if len(dead) else grade(below[worst], SILENCE_DB)
    text = f"the weakest antenna, {worst}, is {below[worst]:.1f} dB below the strongest"
    if len(dead):
        text = f"nothing comes from antenna {', '.join(map(str, dead))}"
    remedy = "check its cable, the antenna port (RX2 or TX/RX), the sub-device and the gain"
    return make_finding("silence", verdict, below[worst], "dB", text, remedy)


def gain_imbalance(samples: np.ndarray, *, antennas: Sequence[int] | None = None) -> Finding:
    """The noise of the antennas (n, M) compared."""
    level, name = level_db(_ac_power(samples)), antenna_names(samples, antennas)
    weak, strong = int(level.argmin()), int(level.argmax())
    value = level[strong] - level[weak]
    text = f"the noise of antenna {name[strong]} is {value:.1f} dB above that of antenna {name[weak]}"
    remedy = (
        "set the gains (--gain, one value an antenna) so that the noise is the same on all; check the cables"
    )
    return make_finding("gain", grade(value, GAIN_DB), value, "dB", text, remedy)


def dc_offset(samples: np.ndarray, *, antennas: Sequence[int] | None = None) -> Finding:
    """The constant part of samples (n, M), over the rest."""
    value, worst = worst_of(level_db(np.abs(samples.mean(0)) ** 2) - level_db(_ac_power(samples)))
    text = f"DC is {value:.1f} dB over the noise of antenna {antenna_names(samples, antennas)[worst]}"
    remedy = "leave UHD's DC correction on, or tune the oscillator beside the band (lo_offset)"
    return make_finding("dc", grade(value, DC_DB), value, "dB", text, remedy)


def iq_imbalance(samples: np.ndarray, *, antennas: Sequence[int] | None = None) -> Finding:
    """The image of the spectrum, from E[x²]/E[|x|²], which is 0 for noise and for most signals.

    A real signal without a carrier offset (BPSK) that never pauses looks like an imbalance.
    """
    centred = samples - samples.mean(0)
    ratio = np.abs(np.mean(centred * centred, 0)) / np.maximum(_power(centred, 0), 1e-30)
    value, worst = worst_of(2 * level_db(np.tan(np.arcsin(np.minimum(ratio, 1)) / 2)))
    text = f"the image is {value:.1f} dB from its signal on antenna {antenna_names(samples, antennas)[worst]}"
    remedy = (
        "run uhd_cal_rx_iq_balance for this daughterboard, leave UHD's IQ correction on, or change the "
        "sub-device; while a BPSK signal is on the air without a pause, this check means nothing"
    )
    return make_finding("iq", grade(value, IMAGE_DB), value, "dB", text, remedy)


def clipping(samples: np.ndarray, *, antennas: Sequence[int] | None = None) -> Finding:
    """The share of samples (n, M) at full scale, or at the edge of a histogram that ends like a wall."""
    shares = [_clipped(np.maximum(np.abs(x.real), np.abs(x.imag))) for x in samples.T]
    value, worst = worst_of(np.array(shares))
    text = (
        f"{100 * value:.3g} % of the samples of antenna {antenna_names(samples, antennas)[worst]} are clipped"
    )
    remedy = (
        "lower the gain until 10 dB are left, or add an attenuator; look for a strong transmitter near by"
    )
    return make_finding("clipping", grade(value, CLIPPED), value, "share", text, remedy)


def dead_antennas(samples: np.ndarray) -> np.ndarray:
    """Which antennas (M,) give nothing, or far less than the strongest."""
    power = _ac_power(samples)
    return (power < _STEP**2) | (level_db(power) <= level_db(power.max()) - SILENCE_DB[1])


def _clipped(level):
    top = level.max()
    share = np.mean(level >= _FULL_SCALE) if top < 2 - _FULL_SCALE else 0.0  # else it is not full scale
    edge, inside = (np.mean(level > (1 - k * _EDGE) * top) for k in (1, 2))
    walled = top > 100 * _STEP and edge * len(level) > 20 and edge > _PILE * (inside - edge)
    return max(share, edge if walled else 0.0)


def _ac_power(samples):
    return np.maximum(_power(samples, 0) - np.abs(samples.mean(0)) ** 2, 0)


def _power(samples, axis):
    return np.mean(samples.real**2 + samples.imag**2, axis, dtype=float)
