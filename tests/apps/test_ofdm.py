# SPDX-License-Identifier: GPL-3.0-or-later
"""Pilots on the subcarriers of OFDM, from a transmitter or a simulation to a receiver."""

import numpy as np
import pytest

from gr_jadce.reports.json_lines import from_json

WAVEFORM = ("--samples-per-symbol", 4, "--cyclic-prefix", 4, "--ofdm")
PERIOD = 300


def reports(path):
    return [from_json(line) for line in path.read_text().splitlines()]


def run(app, *command):
    process = app(*command)
    assert process.returncode == 0, process.stderr


@pytest.mark.usefixtures("book")
def test_what_a_transmitter_sends_is_received(app, tmp_path):
    send = ("jadce-transmit", "--pilots", "book.npz", "--slot-period", PERIOD, "--devices", "0-9")
    run(
        app,
        *send,
        "--activity",
        "0.2",
        "--slots",
        60,
        "--recording",
        "sent",
        "--truth",
        "sent.jsonl",
        *WAVEFORM,
    )
    receive = (
        "jadce-receive",
        "--pilots",
        "book.npz",
        "--slot-period",
        PERIOD,
        "--recording",
        "sent.sigmf-meta",
    )
    run(app, *receive, "--slot-origin", "0", "--json", "out.jsonl", "--noise-var", "1e-6", *WAVEFORM)
    truth = {report.frame_id: report for report in reports(tmp_path / "sent.jsonl")}
    found = {report.frame_id: report for report in reports(tmp_path / "out.jsonl")}
    assert len(found) >= 59
    for slot in found:
        assert found[slot].device.tolist() == truth[slot].device.tolist()
        np.testing.assert_allclose(found[slot].channel, truth[slot].channel, rtol=1e-2)


@pytest.mark.usefixtures("book")
def test_devices_out_of_step_are_found_at_their_delays(app, tmp_path):
    options = ("--antennas", 4, "--slots", 40, "--slot-period", PERIOD, "--n-active", 2, "--snr-db", 20)
    run(app, "jadce-simulate", "--pilots", "book.npz", "-o", "up", *options, *WAVEFORM, "--max-delay", 3)
    receive = (
        "jadce-receive",
        "--pilots",
        "book.npz",
        "--slot-period",
        PERIOD,
        "--recording",
        "up.sigmf-meta",
    )
    run(app, *receive, "--json", "out.jsonl", "--max-delay", 3, *WAVEFORM)
    pairs = list(zip(reports(tmp_path / "out.jsonl"), reports(tmp_path / "up.truth.jsonl"), strict=True))
    both = [np.intersect1d(one.device, two.device, return_indices=True)[1:] for one, two in pairs]
    error = [one.delay[i] - two.delay[j] for (one, two), (i, j) in zip(pairs, both, strict=True)]
    assert sum(map(len, error)) >= 78
    assert np.median(np.abs(np.concatenate(error))) < 0.05


@pytest.mark.usefixtures("book")
def test_ofdm_needs_samples(app):
    process = app("jadce-simulate", "--pilots", "book.npz", "-o", "up", "--ofdm")
    assert process.returncode == 2 and "--ofdm need --samples-per-symbol" in process.stderr
