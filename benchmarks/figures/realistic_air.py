# SPDX-License-Identifier: GPL-3.0-or-later
"""What antennas receive over channels of several paths: frames, recordings, and all that is true of them."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from gr_jadce import make_pilots
from gr_jadce.recordings.writer import RecordingWriter
from gr_jadce.slots.ofdm import ofdm_book
from gr_jadce.uplink.bursts import matched_filter
from gr_jadce.uplink.fading import complex_normal
from gr_jadce.waveform import Ofdm, Waveform

PILOT_LENGTH, N_ANTENNAS = 64, 4
SNR_DB = 18.0  # with power control: energy of a device's pilot over the noise of a symbol
POWER_CONTROL_ERROR_DB = 3.0
TRANSMIT_DBM, NOISE_DBM_HZ, NOISE_FIGURE_DB = 14.0, -174.0, 5.0  # without power control
SHARE_WITHIN = 0.999  # of a device's energy that a receiver's largest delay takes in
DEVICES_WITHIN = 0.99  # of the devices
MAX_PREFIX = PILOT_LENGTH // 2
_TRANSFORM = 8 * PILOT_LENGTH  # symbols, with room for the tails of pulses
_SLACK = 1.05  # of the largest carrier offset that the receiver is told


@dataclass(frozen=True)
class Cell:
    """A row of the table: channels, and how they are used.

    `channels` gives the paths of a slot; `carrier` in Hz; devices are off it by up to `ppm`.
    `controlled`: all at the same mean power, but for an error; else as far away as they are.
    """

    name: str
    channels: Any
    carrier: float
    ppm: float = 1.0
    controlled: bool = True
    symbol_rate: float = 1e6
    n_slots: int = 60
    snr_db: float = SNR_DB
    n_devices: int = 200
    ofdm: bool = False
    pilots: str = "gaussian"
    power_error_db: float = POWER_CONTROL_ERROR_DB
    seed: int = 1


class Slot(NamedTuple):
    """A frame and its truth: K devices, their P paths.

    frame (L, M); device (K,); columns (L, K, P), the pilot of each device as each path delivers it;
    gain (K, M, P); delay (K, P), symbols; offset (K,), cycles a symbol.
    """

    frame: np.ndarray
    device: np.ndarray
    columns: np.ndarray
    gain: np.ndarray
    delay: np.ndarray
    offset: np.ndarray

    @property
    def parts(self):
        """What each device adds to the frame (K, L, M)."""
        return np.einsum("lkp,kmp->klm", self.columns, self.gain)

    @property
    def profile(self):
        """Power of each path (K, P)."""
        return np.mean(np.abs(self.gain) ** 2, axis=1)


class Air:
    """The slots of a cell."""

    def __init__(self, cell):
        self.cell = cell
        self.sent = make_pilots(cell.pilots, cell.n_devices, PILOT_LENGTH, seed=1)
        self.waveform = (Ofdm if cell.ofdm else Waveform)(4, cyclic_prefix=self.max_delay)
        self.book = ofdm_book(self.sent) if cell.ofdm else self.sent  # as it is received
        w = self.waveform
        self.slot_period = w.offset + (PILOT_LENGTH + self.max_delay + w.span) * w.samples_per_symbol

    @cached_property
    def max_delay(self):
        """Symbols to where nearly all of nearly all devices' energy arrives: the prefix is as long."""
        latest = np.concatenate([self._latest(*self.paths(i)[1:3]) for i in range(self.cell.n_slots)])
        return int(min(max(np.ceil(np.quantile(latest, DEVICES_WITHIN)), 1), MAX_PREFIX))

    @property
    def max_offset(self):
        """Largest carrier offset, Hz, that the receiver is told; None where there is none."""
        return _SLACK * self.cell.ppm * 1e-6 * self.cell.carrier or None

    @property
    def noise_var(self):
        """Of a sample, and of a symbol behind the matched filter."""
        if self.cell.controlled:
            return 10 ** (-self.cell.snr_db / 10)
        noise_dbm = NOISE_DBM_HZ + 10 * np.log10(self.cell.symbol_rate) + NOISE_FIGURE_DB
        return 10 ** ((noise_dbm - TRANSMIT_DBM) / 10) / PILOT_LENGTH  # pilots have unit energy: symbols, 1/L

    def paths(self, slot):
        """(device, gain, delay in symbols, Doppler shift in cycles a symbol) of a slot; power as received."""
        paths = self.cell.channels(slot)
        rate, gain = self.cell.symbol_rate, paths.gain.astype(complex)
        if self.cell.controlled:
            rng = self._rng(slot, 1)
            power = np.mean(np.sum(np.abs(gain) ** 2, axis=2), axis=1)
            error_db = self.cell.power_error_db * rng.standard_normal(len(gain))
            gain *= np.sqrt(10 ** (error_db / 10) / np.maximum(power, 1e-300))[:, None, None]
        return paths.device, gain, paths.delay * rate, paths.doppler / rate

    def offsets(self, slot, count):
        """Carrier offsets of as many devices, cycles a symbol."""
        largest = self.cell.ppm * 1e-6 * self.cell.carrier / self.cell.symbol_rate
        return self._rng(slot, 2).uniform(-largest, largest, count)

    def slot(self, number):
        """Samples (T, M) of a slot, and what is true of it."""
        device, gain, delay, doppler = self.paths(number)
        offset = self.offsets(number, len(device))
        bursts = self._bursts(device, delay, offset[:, None] + doppler)
        samples = np.einsum("tkp,kmp->tm", bursts, gain)
        noise = complex_normal(self._rng(number, 3), samples.shape)
        samples = (samples + np.sqrt(self.noise_var) * noise).astype(np.complex64)
        truth = (device, self._symbols(bursts), gain, delay, offset)
        return samples, Slot(self._frame(samples), *truth)

    def delivered(self, device, delay, offset):
        """A device's pilot (L, P) as paths deliver it: late by delays (P,), symbols, and off its carrier."""
        if self.cell.ofdm:
            offsets = np.full((1, len(delay)), offset)
            return self._symbols(self._bursts(np.array([device]), delay[None], offsets))[:, 0]
        pilot, prefix = (
            self.book.columns(np.array([device]))[:, 0].astype(complex),
            self.waveform.cyclic_prefix,
        )
        sent = np.concatenate([pilot[PILOT_LENGTH - prefix :], pilot])
        frequency = np.fft.fftfreq(_TRANSFORM)
        response = sum(
            _raised_cosine_spectrum(frequency + k, self.waveform.roll_off)[:, None]
            * np.exp(-2j * np.pi * np.outer(frequency + k, delay))
            for k in (-1, 0, 1)
        )
        late = np.fft.ifft(np.fft.fft(sent, _TRANSFORM)[:, None] * response, axis=0)
        return late[prefix : len(sent)] * np.exp(2j * np.pi * offset * np.arange(PILOT_LENGTH))[:, None]

    def write(self, path):
        """Write all slots as a recording; their truths."""
        rate = self.cell.symbol_rate * self.waveform.samples_per_symbol
        slots = []
        with RecordingWriter(path, N_ANTENNAS, rate) as writer:
            for number in range(self.cell.n_slots):
                samples, slot = self.slot(number)
                writer.write(samples)
                slots.append(slot)
        return slots

    def _bursts(self, device, delay, offset):
        """The burst of each path (T, K, P), cut at the end of the slot."""
        w, (count, n_paths) = self.waveform, delay.shape
        last = self.slot_period / w.samples_per_symbol
        pilots = np.repeat(self.sent.columns(device).astype(complex), n_paths, axis=1)
        bursts = w.bursts(pilots, np.minimum(delay, last).ravel())[: self.slot_period]
        bursts = bursts * np.exp(2j * np.pi * np.outer(w.times(len(bursts)), offset.ravel()))
        padded = np.zeros((self.slot_period, count * n_paths), complex)
        padded[: len(bursts)] = bursts
        return padded.reshape(self.slot_period, count, n_paths)

    def _symbols(self, bursts):
        """What is at the pilot's symbols behind the matched filter (L, …)."""
        w = self.waveform
        if self.cell.ofdm:
            flat = bursts[w.offset :][: PILOT_LENGTH * w.samples_per_symbol].reshape(-1, bursts[0].size)
            return w.symbols(flat).reshape(PILOT_LENGTH, *bursts.shape[1:])
        first = w.offset - len(w.taps) + 1 + w.samples_per_symbol * np.arange(PILOT_LENGTH)
        flat = bursts.reshape(len(bursts), -1)
        windows = [w.taps[::-1] @ flat[at : at + len(w.taps)] for at in first]
        return np.array(windows).reshape(PILOT_LENGTH, *bursts.shape[1:])

    def _frame(self, samples):
        w = self.waveform
        if self.cell.ofdm:
            return self._symbols(samples).astype(np.complex64)
        return matched_filter(samples, w)[w.offset :: w.samples_per_symbol][:PILOT_LENGTH]

    def _latest(self, gain, delay):
        """When the last of a device's energy that counts has come (K,)."""
        power = np.sum(np.abs(gain) ** 2, axis=1)
        order = np.argsort(delay, axis=1)
        share = np.cumsum(np.take_along_axis(power, order, axis=1), axis=1)
        place = np.argmax(share >= SHARE_WITHIN * share[:, -1:], axis=1)
        return np.take_along_axis(delay, order, axis=1)[np.arange(len(delay)), place]

    def _rng(self, slot, stream):
        return np.random.default_rng([self.cell.seed, slot, stream])


def _raised_cosine_spectrum(frequency, roll_off):
    edge = np.clip((np.abs(frequency) - (1 - roll_off) / 2) / roll_off, 0, 1)
    return (1 + np.cos(np.pi * edge)) / 2
