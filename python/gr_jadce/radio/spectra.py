# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks by spectra: lines that nobody sent, and delays and phases between antennas.

Delays and phases need something that all antennas hear: a splitter, or a near transmitter.
"""

from collections.abc import Sequence
from functools import partial

import numpy as np
from scipy.fft import fft, fftfreq, ifft
from scipy.ndimage import percentile_filter

from ..numeric import vertex_offset
from .finding import Finding, antenna_names, grade, level_db, make_finding

# From where on a figure is a warning, and a failure.
SPUR_DB = (10.0, 15.0)  # over what surrounds it: 15 dB in a bin is -20 of all noise; 64 symbols gather 18
DELAY = (0.05, 0.1)  # samples: 0.1 turns the phase at the edge of the band by 18 degrees
DRIFT_HZ = (0.2, 1.0)  # of phase between antennas: with one reference 0; 1 Hz is 3.6 degrees in 10 ms

_BLOCK = 4096  # samples a spectrum: bins of 1/4096 of the rate, delays up to half of it
_COMMON = 10.0  # standard deviations over the other delays: a chance peak of 4096 stays below 8
_STEADY = 0.5  # share of the common signal whose phase turns evenly: chance gives 0.2 in a second at 1 MS/s


def spurs(samples: np.ndarray, rate: float, *, antennas: Sequence[int] | None = None) -> Finding:
    """The highest line in the power spectra of samples (n, M) over what surrounds it, DC apart."""
    from scipy.signal import welch  # takes a fifth of a second to import, which few programs need

    frequency, spectrum = welch(
        samples, rate, nperseg=_BLOCK, return_onesided=False, detrend=False, average="median", axis=0
    )
    around = percentile_filter(spectrum, 70, size=(129, 1), mode="wrap")
    excess = level_db(spectrum) - level_db(around)
    excess[np.abs(frequency) < 4.5 * rate / _BLOCK] = -np.inf
    bin_, antenna = np.unravel_index(excess.argmax(), excess.shape)
    value = excess[bin_, antenna]
    text = (
        f"the highest line, {frequency[bin_] / 1e3:+.1f} kHz from the centre on antenna "
        f"{antenna_names(samples, antennas)[antenna]}, is {value:.1f} dB over its surroundings"
    )
    remedy = (
        "look for its source with the antenna off (then it is inside) and on; tune so that it is out of band"
    )
    return make_finding("spurs", grade(value, SPUR_DB), value, "dB", text, remedy)


def alignment(samples: np.ndarray, rate: float, *, antennas: Sequence[int] | None = None) -> list[Finding]:
    """Delays and drifts of phase of antennas (n, M) against the first, if they have something in common."""
    name, crossed = antenna_names(samples, antennas), _cross_spectra(samples)
    paths = [_delay(crossed[..., i]) for i in range(crossed.shape[-1])]
    deaf = [name[i + 1] for i, (delay, _) in enumerate(paths) if delay is None]
    delays = np.array([0.0 if delay is None else delay for delay, _ in paths])
    return [_alignment(delays, deaf, name), _coherence([p for _, p in paths], rate / _BLOCK, name)]


def _alignment(delays, deaf, name):
    finding = partial(make_finding, "alignment")
    if deaf:
        text = f"antennas {name[0]} and {', '.join(map(str, deaf))} hear nothing in common to compare"
        remedy = (
            "feed all from one source through a splitter, or transmit near by; if they then still have "
            "nothing in common, check the 10 MHz reference and the pulse per second"
        )
        return finding("warn", None, "samples", text, remedy)
    worst = int(np.abs(delays).argmax())
    text = f"antenna {name[worst + 1]} is {delays[worst]:+.3f} samples late against antenna {name[0]}"
    remedy = (
        "give all radios one pulse per second (--time-source external) over cables of equal length, set the "
        "same rate, filter and sub-device on all"
    )
    return finding(grade(abs(delays[worst]), DELAY), delays[worst], "samples", text, remedy)


def _coherence(phasors, rate, name):
    finding = partial(make_finding, "coherence")
    turns = [_turning(p, rate) for p in phasors if p is not None]
    if len(turns) < len(phasors) or min(steady for _, steady in turns) < _STEADY:
        text = "no steady signal common to all antennas to compare phases by"
        return finding(
            "warn", None, "Hz", text, "feed all antennas from one steady source through a splitter"
        )
    worst = max(range(len(turns)), key=lambda i: abs(turns[i][0]))
    value = turns[worst][0]
    text = f"the phase between antennas {name[0]} and {name[worst + 1]} turns by {value:+.3f} Hz"
    remedy = "give all radios one 10 MHz reference (--clock-source external) and see that they lock to it"
    return finding(grade(abs(value), DRIFT_HZ), value, "Hz", text, remedy)


def _cross_spectra(samples):
    """Spectra (B, F, M - 1) of the antennas times the conjugate of the first's."""
    blocks = samples[: len(samples) // _BLOCK * _BLOCK].reshape(-1, _BLOCK, samples.shape[1])
    spectra = fft(blocks - blocks.mean(1, keepdims=True), axis=1)
    return spectra[..., 1:] * spectra[..., :1].conj()


def _delay(crossed):
    """The delay of an antenna in samples, and its correlations (B,) there; None, None if there is nothing."""
    power = np.sum(np.abs(ifft(crossed, axis=1)) ** 2, 0)
    if (power.max() / max(np.median(power), 1e-30) - 1) * np.sqrt(len(crossed)) < _COMMON:
        return None, None
    near = fftfreq(_BLOCK)[power.argmax()] * _BLOCK + np.linspace(-1, 1, 65)
    turns = np.exp(2j * np.pi * np.outer(fftfreq(_BLOCK), near)).astype(np.complex64)
    correlation = crossed @ turns  # (B, 65)
    delay, even, odd = (
        _peak(near, correlation[part]) for part in (slice(None), slice(0, None, 2), slice(1, None, 2))
    )
    if abs(even - odd) > DELAY[0]:
        return None, None
    return delay, correlation[:, np.abs(near - delay).argmin()]


def _peak(near, correlation):
    power = np.sum(np.abs(correlation) ** 2, 0)
    at = int(np.clip(power.argmax(), 1, len(power) - 2))
    return near[at] + float(vertex_offset(*power[at - 1 : at + 2])) * (near[1] - near[0])


def _turning(phasors, rate):
    """How fast (Hz) phasors at `rate` turn, and the share of them that turns so."""
    spectrum = np.abs(fft(phasors, 16 * len(phasors)))
    bin_ = int(spectrum.argmax())
    return fftfreq(len(spectrum))[bin_] * rate, spectrum[bin_] / max(np.abs(phasors).sum(), 1e-30)
