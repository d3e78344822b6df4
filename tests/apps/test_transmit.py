# SPDX-License-Identifier: GPL-3.0-or-later
"""jadce-transmit into a recording, and jadce-receive of shaped pulses."""

import json
import signal

import numpy as np
import pmt
import pytest

from gr_jadce.programs.transmit import RadioEvents
from gr_jadce.recordings.reader import read_recording
from gr_jadce.uplink.bursts import Bursts
from gr_jadce.waveform import Waveform

PERIOD, N_SLOTS = 300, 120
SEND = ("jadce-transmit", "--pilots", "book.npz", "--slot-period", PERIOD)
RECEIVE = (
    "jadce-receive", "--pilots", "book.npz", "--slot-period", PERIOD, "--slot-origin", "7.25",
    "--recording", "sent.sigmf-meta", "--json", "out.jsonl", "--samples-per-symbol", 4, "--noise-var", "1e-4",
)  # fmt: skip


@pytest.fixture
def send(app, book):
    """Record what devices send, and the truth; the lines of the truth."""

    def run(*options, devices="all"):
        process = app(
            *SEND, "--devices", devices, "--slots", N_SLOTS, "--slot-origin", "7.25",
            "--recording", "sent", "--truth", "sent.jsonl", *options,
        )  # fmt: skip
        assert process.returncode == 0, process.stderr
        return process.stderr

    return run


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def score(app):
    process = app("jadce-score", "sent.jsonl", "out.jsonl", "--json")
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout)


def test_slots_that_were_scaled_are_explained(send):
    said = send("--activity", 2, "--backoff-db", 9).splitlines()
    scaled = int(said[0].split()[1].removeprefix("scaled="))
    assert scaled > 0
    assert f"{scaled} of {N_SLOTS} slots were scaled down (scaled={scaled})" in said[1]
    assert "--backoff-db" in said[1]


def test_a_recording_holds_the_bursts_in_their_slots(send, book, tmp_path):
    said = send("--activity", 5, "--backoff-db", 20, devices="0,3,5-9")
    assert f"slots={N_SLOTS} scaled=0 recorded={PERIOD * N_SLOTS} unrecorded=0 lines={N_SLOTS}" in said
    recording = read_recording(tmp_path / "sent.sigmf-meta")
    assert recording.segments[0].rx_time == (7, 0.25)
    bursts = Bursts(book, Waveform(4), [0, 3, 5, 6, 7, 8, 9], 20)
    slots = np.asarray(recording.read(0, PERIOD * N_SLOTS)).reshape(N_SLOTS, PERIOD)
    for slot, truth in zip(slots, lines(tmp_path / "sent.jsonl"), strict=True):
        assert truth["device"] == [n for n in (0, 3, 5, 6, 7, 8, 9) if (truth["frame_id"] + n) % 5 == 0]
        np.testing.assert_array_equal(slot[: len(bursts)], bursts.of(np.array(truth["device"], int))[0])
        assert not slot[len(bursts) :].any()


def test_what_is_sent_is_received(app, send):
    send("--backoff-db", 20)
    process = app(*RECEIVE)
    assert process.returncode == 0, process.stderr
    summary = score(app)
    assert summary["frames"] == N_SLOTS
    assert summary["activity_error_rate"] < 0.01
    assert summary["nmse_db"] < -15


def test_a_cyclic_prefix_lets_devices_be_late(app, send, tmp_path):
    late = 10  # samples, of 4 a symbol
    send("--backoff-db", 20, "--cyclic-prefix", 4, "--activity", 0.05)
    data = tmp_path / "sent.sigmf-data"
    np.roll(np.fromfile(data, np.complex64), late).tofile(data)
    options = ("--cyclic-prefix", 4, "--max-delay", 3, "--max-offset", 200)
    process = app(*RECEIVE, *options)
    assert process.returncode == 0, process.stderr
    assert score(app)["activity_error_rate"] < 0.01
    delays = [delay for report in lines(tmp_path / "out.jsonl") for delay in report["delay"]]
    assert np.median(delays) == pytest.approx(late / 4, abs=0.05)


def test_a_truth_log_is_a_script(app, send, tmp_path):
    send()
    before = (tmp_path / "sent.jsonl").read_text()
    again = app(
        *SEND, "--devices", "all", "--activity", "sent.jsonl", "--slot-origin", "7.25",
        "--recording", "again", "--truth", "again.jsonl",
    )  # fmt: skip
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "again.jsonl").read_text() == before


def test_what_a_radio_tells_is_counted():
    events = RadioEvents()
    for codes in (["burst_ack"], ["time_error"], ["time_error", "underflow"], ["seq_error_in_burst"], []):
        told = pmt.dict_add(pmt.make_dict(), pmt.intern("event_code"), pmt.to_pmt(list(codes)))
        told = pmt.dict_add(told, pmt.intern("channel"), pmt.from_long(0))
        events.handle_message(pmt.cons(pmt.intern("uhd_async_msg"), told))
    events.handle_message(pmt.PMT_NIL)
    assert events.counts() == {"late": 2, "underflow": 1, "lost": 1}


def test_a_block_that_died_is_an_error_not_a_standstill(app, book, environment, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(
        "from gr_jadce.uplink.bursts import Bursts\n"
        "send = Bursts.of\n"
        "Bursts.of = lambda self, active, *_: send(self, active) if len(active) < 5 else 1 / 0\n"
    )
    environment["PYTHONPATH"] = f"{tmp_path}:{environment['PYTHONPATH']}"
    activity = ("--devices", "0-4", "--activity", 0.3, "--truth", "sent.jsonl")
    process = app(*SEND, *activity, "--slots", 10**9, "--recording", "sent")
    assert process.returncode == 1
    assert "error: 'JADCE uplink transmitter' has died" in process.stderr
    assert read_recording(tmp_path / "sent.sigmf-meta").n_samples


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_cleanly(start_app, book, tmp_path, number):
    process = start_app(
        *SEND, "--devices", 3, "--slots", 10**9, "--recording", "sent", "--truth", "sent.jsonl"
    )
    while not (truth := tmp_path / "sent.jsonl").exists() or not truth.stat().st_size:
        assert process.poll() is None
    process.send_signal(number)
    _, said = process.communicate()
    assert process.returncode == 0, said
    recording = read_recording(tmp_path / "sent.sigmf-meta")
    assert f"recorded={recording.n_samples} unrecorded=0" in said


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--devices", 30], ["devices: expected"]),
        (["--devices", "all", "--backoff-db", 0], ["backoff_db: expected at least"]),
        (["--devices", "all", "--slot-period", 100], ["slot_period: expected"]),
        (["--devices", "all", "--activity", "none.jsonl"], ["none.jsonl"]),
        (["--devices", "all", "--activity", 1.5], ["activity_rate: expected"]),
    ],
)
def test_what_is_wrong_is_named(app, book, fails, options, words):
    fails(app(*SEND, "--slots", 5, "--recording", "sent", *options), *words)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ([*SEND, "--devices", "x", "--recording", "sent"], ["--devices"]),
        ([*SEND, "--devices", "5-3", "--recording", "sent"], ["--devices"]),
        ([*SEND, "--devices", "all", "--recording", "sent"], ["--slots"]),
        ([*SEND, "--devices", "all", "--usrp", ""], ["--rate and --freq"]),
        ([*RECEIVE, "--max-delay", 2], ["--max-delay", "--cyclic-prefix"]),
        ([*RECEIVE, "--samples-per-symbol", 1, "--max-delay", 0], ["--samples-per-symbol"]),
        ([*RECEIVE, "--paths", 2], ["--paths", "--max-delay"]),
        ([*RECEIVE, "--max-delay", 0, "--paths", 0], ["--paths"]),
    ],
)
def test_options_that_do_not_fit_are_named(app, book, fails, command, words):
    fails(app(*command), *words, code=2)
