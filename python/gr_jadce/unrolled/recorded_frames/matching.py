# SPDX-License-Identifier: GPL-3.0-or-later
"""The frames of a recording that its truth tells of, cut by device time, matched-filtered if shaped."""

from collections.abc import Iterable, Iterator
from math import isnan
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...pilots.book import PilotBook
from ...recordings.reader import Recording
from ...reports.report import Report
from ...waveform import Waveform
from .channels import fitted_channels


class LabelledFrames(NamedTuple):
    """B frames: received (B, L, M), channel (B, N, M), noise_var (B,), NaN where it is not known."""

    received: NDArray
    channel: NDArray
    noise_var: NDArray


def labelled_frames(
    pilots: PilotBook,
    recording: Recording,
    truth: Iterable[Report],
    waveform: Waveform | None = None,
    *,
    at_least: int = 1,
) -> LabelledFrames:
    """The frames recorded whole, without NaN or Inf, beside their channels.

    The truth of a transmitter knows no received channel (its noise variance and SNR are NaN, or it has one
    antenna where the recording has several): channels and noise variance are then fitted, see
    `channels.fitted_channels`.

    Parameters
    ----------
    pilots : PilotBook
    recording : Recording
    truth : iterable of Report
        Who was active; `rx_time` is the start of a pilot, of a burst where it is shaped.
    waveform : Waveform, optional
        Shape of the pulses; None for one sample a symbol.
    at_least : int
        Frames, or ValueError.

    Raises
    ------
    ValueError
        If sizes differ, or too few frames are left.
    """
    found = list(_labelled(pilots, recording, truth, waveform))
    if len(found) < at_least or not any(np.any(channel) for _, channel, _ in found):
        raise ValueError(f"recording: expected at least {at_least} frames of the truth, got {len(found)}")
    received, channel, noise_var = zip(*found, strict=True)
    return LabelledFrames(np.stack(received), np.stack(channel), np.array(noise_var))


def _labelled(
    pilots: PilotBook, recording: Recording, truth: Iterable[Report], waveform: Waveform | None
) -> Iterator[tuple[NDArray, NDArray, float]]:
    for report in truth:
        is_sent = _is_sent(report, recording.n_antennas)
        _check_sizes(report, pilots.n_devices, 1 if is_sent else recording.n_antennas)
        frame = _frame(pilots.pilot_length, recording, report.rx_time, waveform)
        if frame is None or not np.isfinite(frame).all():
            continue
        known = report.channel, float(report.noise_var)
        label = fitted_channels(frame, pilots.columns(report.device)) if is_sent else known
        if label is not None:
            channel = np.zeros((pilots.n_devices, recording.n_antennas), np.complex64)
            channel[report.device] = label[0]
            yield frame, channel, label[1] if label[1] > 0 else np.nan


def _is_sent(report: Report, n_antennas: int) -> bool:
    """Whether a truth is a transmitter's."""
    return (isnan(report.noise_var) and isnan(report.snr_db)) or report.n_antennas == 1 < n_antennas


def _check_sizes(report: Report, n_devices: int, n_antennas: int) -> None:
    if (report.n_devices, report.n_antennas) != (n_devices, n_antennas):
        found = f"{report.n_devices} and {report.n_antennas} in frame {report.frame_id}"
        raise ValueError(f"truth: expected {n_devices} devices and {n_antennas} antennas, got {found}")


def _frame(
    length: int, recording: Recording, rx_time: tuple[int, float], waveform: Waveform | None
) -> NDArray | None:
    """The symbols (L, M) at a device time; None if they were not recorded whole."""
    place = recording.find(rx_time)
    if place is None:
        return None
    start, segment = place
    n_samples = length if waveform is None else waveform.n_samples(length)
    if start + n_samples > segment.stop:
        return None
    samples = np.asarray(recording.read(start, start + n_samples))
    return samples if waveform is None else _matched(samples, waveform, length)


def _matched(samples: NDArray, waveform: Waveform, length: int) -> NDArray:
    """The symbols of a burst (n, M) behind its matched filter, which is symmetric."""
    taps = waveform.taps.astype(np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(samples, len(taps), axis=0)
    step = waveform.samples_per_symbol
    first = waveform.cyclic_prefix * step
    return (windows[first : first + length * step : step] @ taps).astype(np.complex64)
