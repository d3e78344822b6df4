# SPDX-License-Identifier: GPL-3.0-or-later
"""Packets through the programs: what jadce-simulate and jadce-transmit say, jadce-receive tells."""

import json

import pytest

FORMAT = ("--payload", "12,4")


def read_lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def said(line):
    return {n: bytes.fromhex(text) for n, text in zip(line["device"], line["payload"], strict=True) if text}


@pytest.fixture
def simulated(app, book, tmp_path):
    """Slots of devices that say their number and that of the slot."""
    process = app(
        "jadce-simulate", "--pilots", "book.npz", "--antennas", 4, "--n-active", 3, "--snr-db", 20, *FORMAT,
        "--packets", "n{device} s{slot}", "--slots", 30, "--slot-period", 600, "-o", "up",
    )  # fmt: skip
    assert process.returncode == 0, process.stderr
    return read_lines(tmp_path / "up.truth.jsonl")


def test_what_is_simulated_is_received_and_scored(app, simulated, tmp_path):
    for line in simulated:
        assert said(line) == {
            n: f"n{n} s{line['frame_id']}".encode().ljust(12, b"\0") for n in line["device"]
        }
    process = app(
        "jadce-receive", "--pilots", "book.npz", "--slot-period", 600, "--recording", "up.sigmf-meta",
        "--json", "out.jsonl", *FORMAT,
    )  # fmt: skip
    assert process.returncode == 0, process.stderr
    assert "packets_decoded=90 " in process.stderr
    reports = read_lines(tmp_path / "out.jsonl")
    assert list(map(said, reports)) == list(map(said, simulated))
    assert all(len(line["evm_db"]) == len(line["payload_snr_db"]) == len(line["device"]) for line in reports)
    score = json.loads(app("jadce-score", "up.truth.jsonl", "out.jsonl", "--json").stdout)
    assert (score["packets_sent"], score["packets_delivered"], score["packets_wrong"]) == (90, 90, 0)
    assert score["pupe"] == score["packet_error_rate"] == 0
    assert "packets delivered          90 of 90" in app("jadce-score", "up.truth.jsonl", "out.jsonl").stdout


def test_a_format_is_read_from_a_file(app, simulated, tmp_path):
    (tmp_path / "format.json").write_text('{"n_bytes": 12}')
    process = app(
        "jadce-receive", "--pilots", "book.npz", "--slot-period", 600, "--recording", "up.sigmf-meta",
        "--payload", "format.json",
    )  # fmt: skip
    assert "packets_decoded=90 " in process.stderr


def test_packets_of_another_seed_are_no_packets(app, simulated):
    process = app(
        "jadce-receive", "--pilots", "book.npz", "--slot-period", 600, "--recording", "up.sigmf-meta",
        "--payload", "12,4,1",
    )  # fmt: skip
    assert process.returncode == 0, process.stderr
    assert "packets_decoded=0 " in process.stderr


def test_what_is_transmitted_is_received(app, book, tmp_path):
    process = app(
        "jadce-transmit", "--pilots", "book.npz", "--devices", "all", "--activity", 20, "--slot-period", 2600,
        "--slots", 20, "--recording", "sent", "--truth", "sent.jsonl", *FORMAT, "--packets", "counter",
    )  # fmt: skip
    assert process.returncode == 0, process.stderr
    process = app(
        "jadce-receive", "--pilots", "book.npz", "--slot-period", 2600, "--samples-per-symbol", 4,
        "--recording", "sent.sigmf-meta", "--json", "out.jsonl", *FORMAT,
    )  # fmt: skip
    assert process.returncode == 0, process.stderr
    truth = read_lines(tmp_path / "sent.jsonl")
    assert {bytes.fromhex(text).rstrip(b"\0") for line in truth for text in line["payload"]} == {
        str(slot).encode() for slot in range(20)
    }
    assert list(map(said, read_lines(tmp_path / "out.jsonl"))) == list(map(said, truth))


def test_a_simulation_is_scored_with_its_packets(app, book):
    process = app(
        "jadce-receive", "--pilots", "book.npz", "--simulate", "--antennas", 4, "--n-active", 2,
        "--snr-db", 20, "--slots", 10, *FORMAT,
    )  # fmt: skip
    assert process.returncode == 0, process.stderr
    assert "packets delivered          20 of 20, and 0 wrong ones" in process.stderr


@pytest.mark.parametrize("payload", ["0", "1,2,3,4", "nowhere.json", "x", "99999", "1,,2"])
def test_a_format_that_is_none_is_refused(app, book, fails, payload):
    process = app("jadce-simulate", "--pilots", "book.npz", "-o", "up", "--payload", payload)
    fails(process, "--payload", "expected", code=2)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (("--slot-period", 500), "slot-period"),
        (("--samples-per-symbol", 4, "--ofdm"), "payload"),
    ],
)
def test_what_leaves_no_room_for_packets_is_refused(app, book, fails, options, word):
    fails(app("jadce-simulate", "--pilots", "book.npz", "-o", "up", *FORMAT, *options), word)
