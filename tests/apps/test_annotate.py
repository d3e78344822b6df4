# SPDX-License-Identifier: GPL-3.0-or-later
"""jadce-annotate: what was detected, in the recording."""

import json

from gr_jadce.recording import read_recording

N_SLOTS, PERIOD = 30, 40


def test_every_slot_with_devices_is_annotated(app, book, tmp_path):
    simulate = ["jadce-simulate", "--pilots", "book.npz", "--slots", N_SLOTS, "--slot-period", PERIOD]
    app(*simulate, "--n-active", 2, "-o", "up")
    process = app("jadce-annotate", "up.sigmf-meta", "up.truth.jsonl", "--pilots", "book.npz")
    assert (process.returncode, process.stdout) == (0, f"up.sigmf-meta: {N_SLOTS} annotations\n")
    truth = [json.loads(line) for line in (tmp_path / "up.truth.jsonl").read_text().splitlines()]
    recording = read_recording(tmp_path / "up")
    recording.verify()
    for k, entry in enumerate(recording.annotations):
        assert (entry["core:sample_start"], entry["core:sample_count"]) == (k * PERIOD, book.pilot_length)
        assert entry["jadce:device"] == truth[k]["device"]


def test_reports_of_another_recording_are_an_error(app, book, tmp_path):
    simulate = ["jadce-simulate", "--pilots", "book.npz", "--slots", 3, "--n-active", 1]
    app(*simulate, "-o", "up")
    app(*simulate, "--start-time", 100, "-o", "other")
    process = app("jadce-annotate", "up.sigmf-meta", "other.truth.jsonl", "--pilots", "book.npz")
    assert process.returncode == 1
    assert process.stderr.endswith("other.truth.jsonl: 3 reports are of frames that were not recorded\n")
