# SPDX-License-Identifier: GPL-3.0-or-later
"""jadce-annotate: what was detected, in the recording."""

import json

from gr_jadce.recordings.reader import read_recording
from gr_jadce.waveform import Waveform

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


def test_of_shaped_pulses_the_whole_burst_is_annotated(app, book, tmp_path):
    app("jadce-transmit", "--pilots", "book.npz", "--devices", "all", "--activity", 0.1, "--slot-period", 300,
        "--slots", 20, "--recording", "sent", "--truth", "sent.jsonl")  # fmt: skip
    app("jadce-receive", "--pilots", "book.npz", "--slot-period", 300, "--recording", "sent.sigmf-meta",
        "--samples-per-symbol", 4, "--json", "heard.jsonl")  # fmt: skip
    app("jadce-annotate", "sent.sigmf-meta", "heard.jsonl", "--pilots", "book.npz", "--samples-per-symbol", 4)
    entries = read_recording(tmp_path / "sent").annotations
    assert entries
    for entry in entries:
        assert entry["core:sample_start"] == 300 * entry["jadce:frame_id"]
        assert entry["core:sample_count"] == Waveform(4).n_samples(book.pilot_length)


def test_a_recording_of_another_program_stays_valid(app, book, tmp_path):
    app("jadce-simulate", "--pilots", "book.npz", "--slots", 3, "--n-active", 1, "-o", "up")
    meta = json.loads((tmp_path / "up.sigmf-meta").read_text())
    fields = {key: value for key, value in meta["global"].items() if key.startswith("core:")}
    fields["core:extensions"] = []
    captures = [{"core:sample_start": 0, "core:datetime": "1970-01-01T00:00:00Z"}]
    (tmp_path / "up.sigmf-meta").write_text(json.dumps({"global": fields, "captures": captures}))
    process = app("jadce-annotate", "up.sigmf-meta", "up.truth.jsonl", "--pilots", "book.npz")
    assert process.returncode == 0, process.stderr
    meta = json.loads((tmp_path / "up.sigmf-meta").read_text())
    assert [entry["name"] for entry in meta["global"]["core:extensions"]] == ["jadce"]
