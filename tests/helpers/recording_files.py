# SPDX-License-Identifier: GPL-3.0-or-later
"""Small recordings, and changes of their metadata."""

import json

import numpy as np

from gr_jadce.recordings.fields import recording_paths
from gr_jadce.recordings.writer import RecordingWriter

RATE = 1e6


def some_samples(n, n_antennas, scale=0.2, seed=0):
    rng = np.random.default_rng(seed)
    parts = rng.standard_normal((n, n_antennas, 2), dtype=np.float32) * np.float32(scale)
    return parts.view(np.complex64)[..., 0]


def write_recording(name, samples, rx_time=(100, 0.25), **options):
    with RecordingWriter(name, samples.shape[1], RATE, **options) as writer:
        writer.write(samples, rx_time)
    return recording_paths(name)


def edit_meta(meta_path, change):
    meta = json.loads(meta_path.read_text())
    change(meta)
    meta_path.write_text(json.dumps(meta))
