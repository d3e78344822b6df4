# SPDX-License-Identifier: GPL-3.0-or-later
"""Frames of recordings beside their truth: of a simulation, and of one's own transmitter."""

import numpy as np
import pytest

from gr_jadce import make_pilots
from gr_jadce.recordings.reader import read_recording
from gr_jadce.recordings.writer import RecordingWriter
from gr_jadce.reports.json_lines import read_reports
from gr_jadce.unrolled.recorded_frames.channels import fitted_channels
from gr_jadce.unrolled.recorded_frames.matching import labelled_frames
from gr_jadce.uplink.simulation import complex_normal
from gr_jadce.waveform import Waveform

settings = pytest.importorskip("gr_jadce.programs.settings", reason="transmission needs GNU Radio")
transmit = pytest.importorskip("gr_jadce.programs.transmit", reason="transmission needs GNU Radio")

BOOK, PERIOD, N_SLOTS = make_pilots("gaussian", 30, 24, seed=5), 400, 25
GAINS, NOISE_VAR = np.array([0.5j, -0.3 + 0.2j]), 1e-6


@pytest.fixture(scope="module", params=[0, 3], ids=["plain", "cyclic"])
def sent(request, tmp_path_factory):
    """A folder with what two antennas recorded of a transmitter, with its truth; its waveform."""
    folder, waveform = tmp_path_factory.mktemp("sent"), Waveform(4, cyclic_prefix=request.param)
    how = settings.TransmissionSettings(
        range(30), PERIOD, recording=folder / "sent", n_slots=N_SLOTS, backoff_db=20.0, waveform=waveform,
        truth=folder / "sent.jsonl",
    )  # fmt: skip
    transmit.Transmission(BOOK, how).run()
    recording = read_recording(folder / "sent.sigmf-meta")
    samples = np.asarray(recording.read(0, recording.n_samples)) * GAINS
    samples += np.sqrt(NOISE_VAR) * complex_normal(np.random.default_rng(1), samples.shape)
    with RecordingWriter(folder / "heard", 2, recording.sample_rate) as writer:
        writer.write(samples.astype(np.complex64), recording.segments[0].rx_time)
    return folder, waveform


def test_channels_of_ones_own_transmitter_are_fitted(sent):
    folder, waveform = sent
    truth = list(read_reports(folder / "sent.jsonl"))
    frames = labelled_frames(BOOK, read_recording(folder / "heard.sigmf-meta"), truth, waveform)
    assert len(frames.received) == N_SLOTS
    for report, received, channel, noise_var in zip(truth, *frames, strict=True):
        expected = np.zeros((30, 2), complex)
        expected[report.device] = report.channel * GAINS
        np.testing.assert_allclose(channel, expected, atol=0.01)
        rest = np.mean(np.abs(received - BOOK.matrix @ channel) ** 2)
        assert rest < 10 * NOISE_VAR and 0 < noise_var < 10 * NOISE_VAR


def test_a_frame_as_full_as_its_pilots_are_long_is_left_out():
    assert fitted_channels(np.ones((4, 2)), np.ones((4, 4))) is None
    channel, noise_var = fitted_channels(np.ones((4, 2)), np.ones((4, 1)))
    assert (channel == 1).all() and noise_var == pytest.approx(0, abs=1e-20)


def test_a_recording_without_the_frames_of_the_truth_is_refused(sent, tmp_path):
    folder, waveform = sent
    with RecordingWriter(tmp_path / "short", 2, 1e6) as writer:
        writer.write(np.zeros((PERIOD, 2), np.complex64), (90, 0.0))
    recording = read_recording(tmp_path / "short.sigmf-meta")
    with pytest.raises(ValueError, match="recording: expected at least 8 frames of the truth, got 0"):
        labelled_frames(BOOK, recording, read_reports(folder / "sent.jsonl"), waveform, at_least=8)
