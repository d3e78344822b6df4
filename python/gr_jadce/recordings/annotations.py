# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports as annotations of a SigMF recording, so that its viewers show who was active, and when."""

from collections.abc import Iterable
from math import isfinite
from pathlib import Path
from typing import Any

from ..checks import check_integer
from ..files import PathLike
from .data import is_archive
from .fields import declare_extension, recording_paths
from .metadata import add_journal, parse_meta, read_bytes, read_journal, write_meta
from .reader import Recording, read_recording
from .segments import Segment

_GENERATOR = "gr-jadce"
_MAX_LABEL_LENGTH = 20  # characters, as SigMF recommends


def annotate_recording(path: PathLike, reports: Iterable[Any], n_samples: int) -> tuple[int, int]:
    """Annotate the pilot of every frame in which a device was active or the input was not good.

    The label names the devices, as far as it has room; the comment has all of them. Annotations of
    gr-jadce that are there already are replaced, those of others kept. The namespace of their keys,
    jadce, is declared in `core:extensions`.

    Parameters
    ----------
    path : path
        ``NAME.sigmf-meta``; its samples are not touched.
    reports : iterable of Report
        They find the samples by their device time.
    n_samples : int
        Samples annotated: those of a pilot.

    Returns
    -------
    annotated, outside : int
        Annotations written, and reports of frames that are not in the recording.

    Raises
    ------
    ValueError
        If the recording is not usable, or an archive.
    OSError
        If it cannot be read or written.
    """
    n_samples = check_integer("n_samples", n_samples, 1)
    if is_archive(path):
        raise ValueError(f"{path}: expected NAME.sigmf-meta to write annotations into; unpack this archive")
    recording, meta_path = read_recording(path), recording_paths(path)[0]
    made, outside = _annotations(recording, reports, n_samples)
    meta = _read_meta(meta_path)
    others = [entry for entry in recording.annotations if not _is_ours(entry)]
    meta["annotations"] = sorted(others + made, key=lambda entry: entry["core:sample_start"])
    if made:
        declare_extension(meta["global"])
    write_meta(meta_path, meta)
    return len(made), outside


def _read_meta(meta_path: Path) -> dict[str, Any]:
    """The metadata, with the journal of a recording that was cut short."""
    captures, _n_torn = read_journal(meta_path)
    meta = parse_meta(read_bytes(meta_path))
    if meta["global"].get("jadce:finished") is False:
        add_journal(meta, captures)
    return meta


def _annotations(recording, reports, n_samples):
    """Annotations of reports, and how many of those are outside of the recording."""
    made, outside = [], 0
    for report in reports:
        place = recording.find(report.rx_time)
        outside += place is None
        if place is not None and (len(report.device) or report.status != "ok"):
            made.append(_annotation(recording, report, n_samples, *place))
    return made, outside


def _is_ours(annotation: dict[str, Any]) -> bool:
    return str(annotation.get("core:generator", "")).startswith(_GENERATOR)


def _annotation(
    recording: Recording, report: Any, n_samples: int, start: int, segment: Segment
) -> dict[str, Any]:
    names = [str(name) for name in report.device_id or report.device.tolist()]
    entry = {
        "core:sample_start": start,
        "core:sample_count": min(n_samples, segment.stop - start),
        "core:generator": f"{_GENERATOR} {report.estimator}",
        "core:label": _label(names, report.status),
        "core:comment": f"frame {report.frame_id}, {report.status}, active: {' '.join(names) or 'none'}",
        "jadce:frame_id": report.frame_id,
        "jadce:status": report.status,
        "jadce:device": report.device.tolist(),
        "jadce:score": [score if isfinite(score) else None for score in report.score.tolist()],
    }
    if segment.frequency is not None:
        entry["core:freq_lower_edge"] = segment.frequency - recording.sample_rate / 2
        entry["core:freq_upper_edge"] = segment.frequency + recording.sample_rate / 2
    return entry


def _label(names: list[str], status: str) -> str:
    """As many names as fit, and how many more there are."""
    if not names:
        return status
    for shown in range(len(names), 0, -1):
        more = [f"+{len(names) - shown}"] if shown < len(names) else []
        label = " ".join(names[:shown] + more)
        if len(label) <= _MAX_LABEL_LENGTH:
            return label
    return f"{len(names)} devices"
