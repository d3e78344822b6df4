# SPDX-License-Identifier: GPL-3.0-or-later
"""A reception and a transmission run from Python, by settings alone."""

import numpy as np
import pytest

from gr_jadce import Scenario, make_pilots
from gr_jadce.delivery.publishing import Subscriber
from gr_jadce.monitoring.prometheus import exposition
from gr_jadce.programs.receive import Reception
from gr_jadce.programs.settings import ReceptionSettings, SlotGrid, TransmissionSettings
from gr_jadce.programs.sources import FramesInput, RecordingInput, SimulationInput
from gr_jadce.programs.transmit import Transmission
from gr_jadce.reports.json_lines import read_reports
from gr_jadce.reports.status import read_line
from gr_jadce.waveform import Waveform

PERIOD, N_SLOTS = 300, 40


@pytest.fixture
def book():
    return make_pilots("gaussian", n_devices=30, pilot_length=24, seed=5)


@pytest.fixture
def simulation(book):
    return SimulationInput(Scenario(book, 2, 0.1, snr_db=20.0), PERIOD, N_SLOTS)


def test_a_simulation_is_received_and_scored(book, simulation, tmp_path):
    settings = ReceptionSettings(simulation, SlotGrid(PERIOD), json=tmp_path / "out.jsonl")
    reception = Reception(book, settings)
    counts = reception.run()
    assert counts["frames"] == counts["solved"] == counts["lines"] == N_SLOTS
    assert list(reception.complaints()) == []
    assert reception.score()["frames"] == N_SLOTS
    assert [report.frame_id for report in read_reports(tmp_path / "out.jsonl")] == list(range(N_SLOTS))


def test_reports_that_were_not_scored_are_told(book, simulation, monkeypatch):
    reception = Reception(book, ReceptionSettings(simulation, SlotGrid(PERIOD)))
    reception.run()
    monkeypatch.setattr(reception._scorer, "matched", lambda: N_SLOTS - 3)
    [complaint] = reception.complaints()
    assert complaint.startswith(f"3 of {N_SLOTS} reports were not scored: 0 messages were dropped, and 0")


def test_what_is_transmitted_is_received(book, tmp_path):
    waveform = Waveform(4)
    transmission = Transmission(
        book,
        TransmissionSettings(
            range(30), PERIOD, recording=tmp_path / "air", n_slots=N_SLOTS, backoff_db=20.0, waveform=waveform
        ),
    )
    assert transmission.run()["recorded"] == PERIOD * N_SLOTS
    assert list(transmission.complaints()) == []
    recording = RecordingInput(tmp_path / "air.sigmf-meta")
    settings = ReceptionSettings(recording, SlotGrid(PERIOD), waveform=waveform, noise_var=1e-4)
    assert Reception(book, settings).run()["solved"] == N_SLOTS


def test_a_transmission_publishes_who_is_active(book, tmp_path):
    address = f"ipc://{tmp_path}/zmq"
    settings = {"recording": tmp_path / "air", "backoff_db": 20.0, "zmq": address}
    subscriber = Subscriber([address])
    transmission = Transmission(book, TransmissionSettings(range(30), PERIOD, **settings))
    lines = []

    def has_heard():
        lines.extend(line for _, line in subscriber.lines(0.01))
        return len(lines) >= 5

    counts = transmission.run(has_heard)
    subscriber.close()
    assert counts["published"] >= 5
    reports = [read_line(line) for line in lines]
    assert {report.estimator for report in reports} == {"truth"}
    assert np.diff([report.frame_id for report in reports]).min() > 0


def test_a_reception_ends_when_it_is_told_to(book, tmp_path):
    endless = SimulationInput(Scenario(book, 2, 0.1), PERIOD, 10**9)
    reception = Reception(book, ReceptionSettings(endless, SlotGrid(PERIOD), json=tmp_path / "out.jsonl"))
    counts = reception.run(lambda: reception.counts()["solved"] > 100)
    assert reception.is_stopped
    assert counts["lines"] == counts["solved"] > 100
    assert list(reception.complaints()) == []


def test_settings_that_do_not_fit_are_refused(simulation):
    with pytest.raises(ValueError, match="^grid: expected"):
        ReceptionSettings(simulation)
    with pytest.raises(ValueError, match="^grid: expected"):
        ReceptionSettings(FramesInput(5555), SlotGrid(PERIOD))
    with pytest.raises(ValueError, match="^waveform: expected"):
        ReceptionSettings(simulation, SlotGrid(PERIOD), max_delay=1)
    with pytest.raises(ValueError, match="^zmq_truth: expected"):
        ReceptionSettings(simulation, SlotGrid(PERIOD), zmq_truth=True)
    with pytest.raises(ValueError, match="^recording: expected"):
        TransmissionSettings([1], PERIOD)
    with pytest.raises(ValueError, match="^n_slots: expected"):
        SimulationInput(simulation.scenario, PERIOD, 0)


def test_numbers_for_prometheus_are_its_counts(book):
    parser = pytest.importorskip("prometheus_client.parser")
    settings = ReceptionSettings(
        SimulationInput(Scenario(book, 2, 0.1), PERIOD, 50), SlotGrid(PERIOD), metrics="0"
    )
    reception = Reception(book, settings)
    counts, monitor = reception.run(), reception.metrics_sink.monitor()
    text = exposition(monitor).decode()
    found = {
        sample.name: sample.value
        for family in parser.text_string_to_metric_families(text) for sample in family.samples
    }  # fmt: skip
    names = {"in": "frames", "solved": "solved", "dropped": "dropped", "bad": "bad"}
    for name, count in names.items():
        assert found[f"jadce_frames_{name}_total"] == counts[count]
    assert found["jadce_slots_lost_total"] == counts["slots_lost"]
    assert found["jadce_frames_scored_total"] == found["jadce_solve_time_seconds_count"] == 50
    assert found["jadce_missed_total"] / found["jadce_active_total"] == reception.score()["miss_probability"]
