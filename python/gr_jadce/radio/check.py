# SPDX-License-Identifier: GPL-3.0-or-later
"""Is a radio fit for receiving? Checks of what its antennas gave, each with a verdict and a remedy.

The checks need no known signal, but for three: time alignment and coherence need something that all
antennas hear (a splitter, a near transmitter), the clock a `beacon.Beacon`.
"""

from functools import partial
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from scipy.fft import fft, fftfreq, ifft
from scipy.ndimage import percentile_filter
from scipy.signal import welch

from ..slots.beacon import BeaconReceiver
from ..slots.clock import SampleClock

WINDOW = 2**20  # samples looked at: enough for all figures below, and little memory
LEAST = 2**15  # samples without a gap: fewer leave the floors of DC and image above their limits
_BLOCK = 4096  # samples a spectrum: bins of 1/4096 of the rate, delays up to half of it
_QUIET_BLOCK = 256  # samples whose power tells whether somebody transmits
_CHUNK = 2**16  # samples a time through the beacon's receiver

# From where on a figure is a warning, and a failure.
SILENCE_DB = (15.0, 20.0)  # below the strongest antenna: no cable loss, a gain stage that is off
GAIN_DB = (1.0, 2.0)  # decisions assume equal noise on all antennas; 2 dB is 1.6 times
DC_DB = (-35.0, -25.0)  # over the noise: a pilot of 64 symbols can gather it by 18 dB
IMAGE_DB = (-35.0, -25.0)  # the image of a device 25 dB above another one looks like that one
CLIPPED = (1e-9, 1e-4)  # share of samples: any is worth a look; 1e-4 is in 1 of 40 frames of 64 x 4
SPUR_DB = (10.0, 15.0)  # over what surrounds it: 15 dB in a bin is -20 of all noise; 64 symbols gather 18
DELAY = (0.05, 0.1)  # samples: 0.1 turns the phase at the edge of the band by 18 degrees
DRIFT_HZ = (0.2, 1.0)  # of phase between antennas: with one reference 0; 1 Hz is 3.6 degrees in 10 ms
LOST = (1e-9, 1e-4)  # share of samples; every overflow costs at least a slot
CLOCK_PPM = (5.0, 10.0)  # two oscillators of 2.5 ppm are within 5; beyond 10 one is broken

_FULL_SCALE = 0.999  # of what UHD calls 1.0, and SigMF 1 - 1/32768
_STEP = 1 / 32768  # of a 16-bit sample: less power than that is no signal
_EDGE = 0.005  # share of the range that is the edge of the histogram
_PILE = 10  # times the samples just inside the edge: a tone has 2.4, clipping hundreds
_COMMON = 10.0  # standard deviations over the other delays: a chance peak of 4096 stays below 8
_STEADY = 0.5  # share of the common signal whose phase turns evenly: chance gives 0.2 in a second at 1 MS/s


class Finding(NamedTuple):
    """What a check found: `verdict` is "ok", "warn" or "fail"; `value` None if it cannot be told."""

    name: str
    verdict: str
    value: float | None
    unit: str
    text: str
    remedy: str = ""


def check_recording(recording, beacon=None, beacon_period=None) -> list[Finding]:
    """All checks of a `recordings.reader.Recording`, as made by `recording_sink` from a radio.

    The samples looked at are the first `WINDOW` of the longest stretch without a gap; time stamps and
    beacons are followed through all.

    Parameters
    ----------
    recording : Recording
    beacon : beacon.Beacon, optional
        What the base station sends.
    beacon_period : int, optional
        Samples from beacon to beacon.

    Raises
    ------
    ValueError
        If there are fewer than `LEAST` samples without a gap, or some that are not finite.
    """
    longest = max(recording.segments, key=lambda s: s.stop - s.start, default=None)
    if longest is None or longest.stop - longest.start < LEAST:
        raise ValueError(f"samples: expected at least {LEAST} without a gap, to judge by, got fewer")
    samples = recording.read(longest.start, min(longest.stop, longest.start + WINDOW))
    findings = check_samples(samples, recording.sample_rate)
    findings.append(overflow(gaps(recording), recording.n_samples, recording.sample_rate))
    if beacon is not None:
        findings.append(clock(recording, beacon, beacon_period))
    return findings


def check_samples(samples, rate) -> list[Finding]:
    """The checks of samples (n, M) without a gap; dead antennas are named, and left out of the others."""
    if not np.isfinite(samples).all():
        raise ValueError("samples: expected finite numbers, got NaN or Inf")
    alive = np.flatnonzero(~_dead(samples))
    findings = [silence(samples), clipping(samples)]
    if not len(alive):
        return findings
    heard, calm = samples[:, alive], quiet(samples[:, alive])
    findings += [dc_offset(calm, alive), iq_imbalance(calm, alive), spurs(heard, rate, alive)]
    if len(alive) > 1:
        findings += [gain_imbalance(calm, alive), *alignment(heard, rate, alive)]
    return findings


def quiet(samples) -> np.ndarray:
    """The samples (n, M) of times at which nobody transmits, if there are such; else all."""
    blocks = samples[: len(samples) // _QUIET_BLOCK * _QUIET_BLOCK].reshape(
        -1, _QUIET_BLOCK, samples.shape[1]
    )
    power = _power(blocks, 1)
    power = (power / np.maximum(power.mean(0), np.finfo(np.float32).tiny)).mean(1)
    low = np.quantile(power, 0.25)
    return blocks[power <= 1.5 * low].reshape(-1, samples.shape[1]) if low > 0 else samples


def silence(samples) -> Finding:
    """Antennas that give nothing, or far less than the strongest."""
    below = _db(_ac_power(samples).max()) - _db(_ac_power(samples))
    worst = int(below.argmax())
    dead = np.flatnonzero(_dead(samples))
    verdict = "fail" if len(dead) else _grade(below[worst], SILENCE_DB)
    text = f"the weakest antenna, {worst}, is {below[worst]:.1f} dB below the strongest"
    if len(dead):
        text = f"nothing comes from antenna {', '.join(map(str, dead))}"
    remedy = "check its cable, the antenna port (RX2 or TX/RX), the sub-device and the gain"
    return _finding("silence", verdict, below[worst], "dB", text, remedy)


def gain_imbalance(samples, antennas=None) -> Finding:
    """The noise of the antennas (n, M) compared."""
    level, name = _db(_ac_power(samples)), _names(samples, antennas)
    weak, strong = int(level.argmin()), int(level.argmax())
    value = level[strong] - level[weak]
    text = f"the noise of antenna {name[strong]} is {value:.1f} dB above that of antenna {name[weak]}"
    remedy = (
        "set the gains (--gain, one value an antenna) so that the noise is the same on all; check the cables"
    )
    return _finding("gain", _grade(value, GAIN_DB), value, "dB", text, remedy)


def dc_offset(samples, antennas=None) -> Finding:
    """The constant part of samples (n, M), over the rest."""
    value, worst = _worst(_db(np.abs(samples.mean(0)) ** 2) - _db(_ac_power(samples)))
    text = f"DC is {value:.1f} dB over the noise of antenna {_names(samples, antennas)[worst]}"
    remedy = "leave UHD's DC correction on, or tune the oscillator beside the band (lo_offset)"
    return _finding("dc", _grade(value, DC_DB), value, "dB", text, remedy)


def iq_imbalance(samples, antennas=None) -> Finding:
    """The image of the spectrum, from E[x²]/E[|x|²], which is 0 for noise and for most signals.

    A real signal without a carrier offset (BPSK) that never pauses looks like an imbalance.
    """
    centred = samples - samples.mean(0)
    ratio = np.abs(np.mean(centred * centred, 0)) / np.maximum(_power(centred, 0), 1e-30)
    value, worst = _worst(2 * _db(np.tan(np.arcsin(np.minimum(ratio, 1)) / 2)))
    text = f"the image is {value:.1f} dB from its signal on antenna {_names(samples, antennas)[worst]}"
    remedy = (
        "run uhd_cal_rx_iq_balance for this daughterboard, leave UHD's IQ correction on, or change the "
        "sub-device; while a BPSK signal is on the air without a pause, this check means nothing"
    )
    return _finding("iq", _grade(value, IMAGE_DB), value, "dB", text, remedy)


def clipping(samples, antennas=None) -> Finding:
    """The share of samples (n, M) at full scale, or at the edge of a histogram that ends like a wall."""
    shares = [_clipped(np.maximum(np.abs(x.real), np.abs(x.imag))) for x in samples.T]
    value, worst = _worst(np.array(shares))
    text = f"{100 * value:.3g} % of the samples of antenna {_names(samples, antennas)[worst]} are clipped"
    remedy = (
        "lower the gain until 10 dB are left, or add an attenuator; look for a strong transmitter near by"
    )
    return _finding("clipping", _grade(value, CLIPPED), value, "share", text, remedy)


def spurs(samples, rate, antennas=None) -> Finding:
    """The highest line in the power spectra of samples (n, M) over what surrounds it, DC apart."""
    found = welch(
        samples, rate, nperseg=_BLOCK, return_onesided=False, detrend=False, average="median", axis=0
    )
    frequency, spectrum = found
    around = percentile_filter(spectrum, 70, size=(129, 1), mode="wrap")
    excess = _db(spectrum) - _db(around)
    excess[np.abs(frequency) < 4.5 * rate / _BLOCK] = -np.inf
    bin_, antenna = np.unravel_index(excess.argmax(), excess.shape)
    value = excess[bin_, antenna]
    text = (
        f"the highest line, {frequency[bin_] / 1e3:+.1f} kHz from the centre on antenna "
        f"{_names(samples, antennas)[antenna]}, is {value:.1f} dB over its surroundings"
    )
    remedy = (
        "look for its source with the antenna off (then it is inside) and on; tune so that it is out of band"
    )
    return _finding("spurs", _grade(value, SPUR_DB), value, "dB", text, remedy)


def alignment(samples, rate, antennas=None) -> list[Finding]:
    """Delays and drifts of phase of antennas (n, M) against the first, if they have something in common."""
    name, crossed = _names(samples, antennas), _cross_spectra(samples)
    seen = [_delay(crossed[..., i]) for i in range(crossed.shape[-1])]
    deaf = [name[i + 1] for i, (delay, _) in enumerate(seen) if delay is None]
    delays = np.array([0.0 if delay is None else delay for delay, _ in seen])
    return [_alignment(delays, deaf, name), _coherence([p for _, p in seen], rate / _BLOCK, name)]


def overflow(lost, n_samples, rate) -> Finding:
    """What is missing beside `n_samples` samples; `lost`: by how many samples time jumped, from `gaps`."""
    lost = np.asarray(lost, float)
    if (lost < -0.5).any():
        text = f"device time jumped back by {-lost.min() / rate:.3g} s"
        remedy = "let nothing set the radio's time while it streams; check the pulse per second"
        return Finding("overflow", "fail", None, "share", text, remedy)
    missing = lost[lost > 0.5]
    value = missing.sum() / (missing.sum() + n_samples)
    text = (
        f"{len(missing)} overflows in {(n_samples + missing.sum()) / rate:.3g} s at {rate / 1e6:g} MS/s, "
        f"{missing.sum():.0f} samples lost ({100 * value:.2g} %)"
    )
    remedy = (
        "lower the rate; raise the socket buffers as UHD's warnings say and the MTU to 9000; a network "
        "interface for each radio; the processor's governor to performance"
    )
    return _finding("overflow", _grade(value, LOST), value, "share", text, remedy)


def gaps(recording) -> list[float]:
    """Samples lost before each segment but the first, by device time; negative if time went back."""
    position = SampleClock(recording.sample_rate).position
    return [
        float(position(*b.rx_time) - position(*a.rx_time) - (a.stop - a.start))
        for a, b in pairwise(recording.segments)
    ]


def clock(recording, beacon, period) -> Finding:
    """How fast the radio's clock runs against the one that the base station's beacons are sent by."""
    receiver = BeaconReceiver(beacon, period)
    for segment, lost in zip(recording.segments, [*gaps(recording), 0.0], strict=True):
        for start in range(segment.start, segment.stop, _CHUNK):
            receiver.push(recording.read(start, min(start + _CHUNK, segment.stop))[:, 0])
        if lost > 0:
            receiver.skip(round(lost))
    if not receiver.locked:
        text = f"no beacon every {period} samples is heard"
        remedy = "check that the base station sends it, at this frequency, with this period; come nearer"
        return Finding("clock", "warn", None, "ppm", text, remedy)
    value = 1e6 * (receiver.tracker.period / period - 1)
    carrier = receiver.offset * recording.sample_rate
    text = f"the clock is {value:+.2f} ppm off the base station's, the carrier {carrier:+.0f} Hz"
    remedy = "give both a 10 MHz reference or a GPSDO and say --clock-source external; let them warm up"
    return _finding("clock", _grade(abs(value), CLOCK_PPM), value, "ppm", text, remedy)


def _alignment(delays, deaf, name):
    finding = partial(_finding, "alignment")
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
    return finding(_grade(abs(delays[worst]), DELAY), delays[worst], "samples", text, remedy)


def _coherence(phasors, rate, name):
    finding = partial(_finding, "coherence")
    seen = [_turning(p, rate) for p in phasors if p is not None]
    if len(seen) < len(phasors) or min(steady for _, steady in seen) < _STEADY:
        text = "no steady signal common to all antennas to compare phases by"
        return finding(
            "warn", None, "Hz", text, "feed all antennas from one steady source through a splitter"
        )
    worst = max(range(len(seen)), key=lambda i: abs(seen[i][0]))
    value = seen[worst][0]
    text = f"the phase between antennas {name[0]} and {name[worst + 1]} turns by {value:+.3f} Hz"
    remedy = "give all radios one 10 MHz reference (--clock-source external) and see that they lock to it"
    return finding(_grade(abs(value), DRIFT_HZ), value, "Hz", text, remedy)


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
    left, middle, right = power[at - 1 : at + 2]
    bend = left - 2 * middle + right
    return near[at] + (0.5 * (left - right) / bend * (near[1] - near[0]) if bend < 0 else 0.0)


def _turning(phasors, rate):
    """How fast (Hz) phasors at `rate` turn, and the share of them that turns so."""
    spectrum = np.abs(fft(phasors, 16 * len(phasors)))
    bin_ = int(spectrum.argmax())
    return fftfreq(len(spectrum))[bin_] * rate, spectrum[bin_] / max(np.abs(phasors).sum(), 1e-30)


def _clipped(level):
    top = level.max()
    share = np.mean(level >= _FULL_SCALE) if top < 2 - _FULL_SCALE else 0.0  # else it is not full scale
    edge, inside = (np.mean(level > (1 - k * _EDGE) * top) for k in (1, 2))
    walled = top > 100 * _STEP and edge * len(level) > 20 and edge > _PILE * (inside - edge)
    return max(share, edge if walled else 0.0)


def _dead(samples):
    power = _ac_power(samples)
    return (power < _STEP**2) | (_db(power) <= _db(power.max()) - SILENCE_DB[1])


def _ac_power(samples):
    return np.maximum(_power(samples, 0) - np.abs(samples.mean(0)) ** 2, 0)


def _power(samples, axis):
    return np.mean(samples.real**2 + samples.imag**2, axis, dtype=float)


def _db(power):
    return 10 * np.log10(np.maximum(power, 1e-20))


def _worst(values):
    worst = int(np.argmax(values))
    return values[worst], worst


def _names(samples, antennas):
    return list(range(samples.shape[1])) if antennas is None else list(antennas)


def _grade(value, limits):
    warn, fail = limits
    return "fail" if value >= fail else "warn" if value >= warn else "ok"


def _finding(name, verdict, value, unit, text, remedy):
    value = None if value is None else float(value)
    return Finding(name, verdict, value, unit, text, "" if verdict == "ok" else remedy)
