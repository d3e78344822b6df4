# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports as tables for other programs: CSV, and MAT files for MATLAB and Octave."""

import csv
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..files import PathLike, replaced_file
from ..reports.report import Report, Taps


def write_csv(path: PathLike, reports: Iterable[Report]) -> int:
    """Write a line for each active device, and one without a device for a frame in which nobody was found.

    Columns: frame_id, rx_time (seconds, with nine digits), status, noise_var, snr_db, device, score, and the
    real and imaginary parts of the channel to each antenna, ``h1_re``, ``h1_im`` … If the first report tells
    delays, ``delay`` (symbols) and ``carrier_offset`` (cycles a symbol) follow.

    Returns
    -------
    int
        Reports written.

    Raises
    ------
    ValueError
        If reports differ in their number of antennas.
    """

    def head(report: Report) -> list[str]:
        steps = _STEP_COLUMNS if report.delay is not None else ()
        return [*_FRAME_COLUMNS, "device", "score", *_channel_columns(report.n_antennas), *steps]

    return _write_lines(path, reports, head, _lines)


def write_taps_csv(path: PathLike, reports: Iterable[Report]) -> int:
    """Write a line for each tap of each active device's impulse response, of reports that tell delays.

    Columns: frame_id, device, delay (symbols), and the gains at each antenna, ``h1_re``, ``h1_im`` …;
    a device without taps has one, its channel at its delay.

    Returns
    -------
    int
        Reports written.

    Raises
    ------
    ValueError
        If reports differ in their number of antennas.
    """

    def head(report: Report) -> list[str]:
        return ["frame_id", "device", "delay", *_channel_columns(report.n_antennas)]

    return _write_lines(path, reports, head, _tap_lines)


def write_mat(path: PathLike, reports: Iterable[Report]) -> int:
    """Write a MAT file (version 5) with a row for each active device, and one for each frame.

    Of F frames: ``frame_id``, ``rx_time`` (F, 2; whole seconds and fraction), ``noise_var``, ``snr_db``,
    ``n_active``, ``ok``. Of all active devices, frame after frame: ``device`` (counted from 0),
    ``device_frame``, ``score`` and ``channel`` (rows, M). And ``n_devices``, ``n_antennas``. If a report
    tells delays, ``delay``, ``carrier_offset`` and ``n_taps`` of all active devices (NaN and 0 where they are
    not told), and of all taps, device after device, ``tap_delay`` and ``tap_gain`` (taps, M).

    Returns
    -------
    int
        Reports written.

    Raises
    ------
    ValueError
        If there is no report, or reports differ in their number of antennas.
    """
    from scipy.io import savemat

    kept = list(_alike(reports))
    if not kept:
        raise ValueError("reports: expected at least one, got none")
    with replaced_file(path) as file:
        table = {**_of_frames(kept), **_of_devices(kept), **_of_taps(kept)}
        savemat(file, table, oned_as="column", do_compression=True)
    return len(kept)


_FRAME_COLUMNS = ("frame_id", "rx_time", "status", "noise_var", "snr_db")
_STEP_COLUMNS = ("delay", "carrier_offset")


def _write_lines(
    path: PathLike,
    reports: Iterable[Report],
    head: Callable[[Report], list[str]],
    lines: Callable[[Report], Iterable[list[Any]]],
) -> int:
    """A table with a head from the first report; how many reports it has."""
    count = 0
    with replaced_file(path, "w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        for report in _alike(reports):
            if count == 0:
                table.writerow(head(report))
            table.writerows(lines(report))
            count += 1
    return count


def _alike(reports: Iterable[Report]) -> Iterator[Report]:
    n_antennas = None
    for report in reports:
        n_antennas = report.n_antennas if n_antennas is None else n_antennas
        if report.n_antennas != n_antennas:
            raise ValueError(
                f"n_antennas: expected {n_antennas} as in the first report, got {report.n_antennas} "
                f"in that of frame {report.frame_id}"
            )
        yield report


def _channel_columns(n_antennas: int) -> list[str]:
    return [f"h{antenna}_{part}" for antenna in range(1, n_antennas + 1) for part in ("re", "im")]


def _lines(report: Report) -> Iterator[list[Any]]:
    seconds, fraction = report.rx_time
    nanoseconds = min(round(fraction * 1e9), 999_999_999)
    time = f"{seconds}.{nanoseconds:09d}"
    frame = [report.frame_id, time, report.status, _number(report.noise_var), _number(report.snr_db)]
    if not len(report.device):
        yield frame
    steps = [values for name in _STEP_COLUMNS if (values := getattr(report, name)) is not None]
    for row, (device, score) in enumerate(zip(report.device, report.score, strict=True)):
        more = [_number(values[row]) for values in steps]
        yield [*frame, int(device), _number(score), *_parts(report.channel[row]), *more]


def _tap_lines(report: Report) -> Iterator[list[Any]]:
    taps = _taps(report)
    for row, device in enumerate(report.device.tolist()):
        for delay, gain in zip(*taps.of(row), strict=True):
            yield [report.frame_id, device, _number(delay), *_parts(gain)]


def _parts(gains: NDArray) -> list[str]:
    return [_number(part) for part in np.ascontiguousarray(gains).view(gains.real.dtype)]


def _number(value: Any) -> str:
    """A number in single precision's digits; nothing where it is unknown."""
    return "" if np.isnan(value) else f"{value:.9g}"


def _of_frames(reports: list[Report]) -> dict[str, Any]:
    return {
        "n_devices": reports[0].n_devices,
        "n_antennas": reports[0].n_antennas,
        "frame_id": np.array([report.frame_id for report in reports], np.int64),
        "rx_time": np.array([report.rx_time for report in reports], float),
        "noise_var": np.array([report.noise_var for report in reports], float),
        "snr_db": np.array([report.snr_db for report in reports], float),
        "n_active": np.array([len(report.device) for report in reports], np.int64),
        "ok": np.array([report.status == "ok" for report in reports]),
    }


def _of_devices(reports: list[Report]) -> dict[str, Any]:
    frames = [np.full(len(report.device), report.frame_id, np.int64) for report in reports]
    return {
        "device_frame": np.concatenate(frames),
        "device": np.concatenate([report.device.astype(np.int64) for report in reports]),
        "score": np.concatenate([report.score for report in reports]),
        "channel": np.concatenate([report.channel for report in reports]),
    }


def _of_taps(reports: list[Report]) -> dict[str, Any]:
    """Delays, offsets and taps; nothing where no report tells them."""
    if all(report.responses is None for report in reports):
        return {}
    taps = [_taps(report) for report in reports]
    told = {name: np.concatenate([_told(report, name) for report in reports]) for name in _STEP_COLUMNS}
    return {
        **told,
        "n_taps": np.concatenate([own.counts for own in taps]),
        "tap_delay": np.concatenate([own.delay for own in taps]),
        "tap_gain": np.concatenate([own.gain for own in taps]),
    }


def _told(report: Report, name: str) -> NDArray:
    values = getattr(report, name)
    return np.full(len(report.device), np.nan, np.float32) if values is None else values


def _taps(report: Report) -> Taps:
    """The taps of a report; none of each device where they are not told."""
    nothing = np.empty((0, report.n_antennas), np.complex64)
    none = Taps(np.zeros(len(report.device) + 1, np.int64), np.empty(0, np.float32), nothing)
    return none if report.responses is None else report.responses
