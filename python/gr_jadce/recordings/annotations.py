# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports as annotations of a SigMF recording, so that its viewers show who was active, and when."""

import json
from math import isfinite

from .fields import recording_paths
from .reader import read_recording
from .writer import write_meta

_GENERATOR = "gr-jadce"
_LONGEST_LABEL = 20  # characters, as SigMF recommends


def annotate_recording(path, reports, n_samples) -> tuple[int, int]:
    """Annotate the pilot of every frame in which a device was active or the input was not good.

    The label names the devices, as far as it has room; the comment has all of them. Annotations of
    gr-jadce that are there already are replaced, those of others kept.

    Parameters
    ----------
    path : path
        ``NAME.sigmf-meta``; its samples are not touched.
    reports : iterable of Report
        Of the samples recorded, told by their device time.
    n_samples : int
        Samples annotated: those of a pilot.

    Returns
    -------
    annotated, outside : int
        Annotations written, and reports of frames that are not in the recording.

    Raises
    ------
    ValueError
        If the recording is not usable.
    OSError
        If it cannot be read or written.
    """
    if n_samples < 1:
        raise ValueError(f"n_samples: expected at least 1, got {n_samples}")
    recording, meta_path = read_recording(path), recording_paths(path)[0]
    made, outside = [], 0
    for report in reports:
        place = recording.find(report.rx_time)
        outside += place is None
        if place is not None and (len(report.device) or report.status != "ok"):
            made.append(_annotation(recording, report, n_samples, *place))
    meta = json.loads(meta_path.read_bytes())
    others = [entry for entry in recording.annotations if not _is_ours(entry)]
    meta["annotations"] = sorted(others + made, key=lambda entry: entry["core:sample_start"])
    write_meta(meta_path, meta)
    return len(made), outside


def _is_ours(annotation):
    return str(annotation.get("core:generator", "")).startswith(_GENERATOR)


def _annotation(recording, report, n_samples, start, segment):
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


def _label(names, status):
    """As many names as fit, and how many more there are."""
    if not names:
        return status
    for shown in range(len(names), 0, -1):
        more = [f"+{len(names) - shown}"] if shown < len(names) else []
        label = " ".join(names[:shown] + more)
        if len(label) <= _LONGEST_LABEL:
            return label
    return f"{len(names)} devices"
