# SPDX-License-Identifier: GPL-3.0-or-later
"""Packets through simulated USRPs: from jadce-transmit by one, over the air, by another to jadce-receive."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from usrp_sim.radios import simulated_radios, why_not, write_iq_files

from gr_jadce.pilots import make_pilots

ROOT = Path(__file__).resolve().parents[2]
PERIOD, RATE, N_SLOTS, SPARE_SLOTS = 10_000, 1_000_000, 40, 20
BACKOFF_DB, SNR_DB = 20, 20
SHAPE = ("--samples-per-symbol", 4, "--slot-period", PERIOD, "--payload", "16,4")
RADIO = ("--subdev", "A:0", "--rate", RATE, "--freq", 2.45e9)


def run(folder, name, *options):
    command = ["/usr/bin/python3", ROOT / "apps" / name, "--pilots", folder / "book.npz", *map(str, options)]
    process = subprocess.run(command, capture_output=True, text=True)
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stderr


def read_lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def transmitted(folder):
    """The truth of slots in which devices say their number and the slot's, and the capture of a radio."""
    (folder / "rx.iq").write_bytes(bytes(8000))
    with simulated_radios([folder / "rx.iq"], capture={0: folder / "tx.iq"}) as radio:
        run(folder, "jadce-transmit", *SHAPE, *RADIO, "--usrp", radio, "--devices", "all", "--activity", 10,
            "--slots", N_SLOTS, "--backoff-db", BACKOFF_DB, "--packets", "n{device} s{slot}",
            "--truth", folder / "truth.jsonl")  # fmt: skip
    return read_lines(folder / "truth.jsonl")


def on_the_air(folder, start):
    """The time line from a tick on, with noise: every burst where the time of its first packet puts it."""
    samples = np.fromfile(folder / "tx.iq", "<i2").reshape(-1, 2) @ [1, 1j] / 32767
    line = np.zeros((N_SLOTS + SPARE_SLOTS) * PERIOD, complex)
    at, place = 0, -PERIOD
    for packet in read_lines(folder / "tx.iq.jsonl"):
        if packet["tick"] is not None and packet["tick"] - start >= place + PERIOD // 2:
            place = packet["tick"] - start
        line[place : place + packet["n_samples"]] = samples[at : at + packet["n_samples"]]
        at, place = at + packet["n_samples"], place + packet["n_samples"]
    symbol_energy = 4 * 10 ** (-BACKOFF_DB / 10)  # behind the matched filter, of 4 samples a symbol
    noise = np.random.default_rng(1).normal(0, 1, (len(line), 2)) @ [1, 1j]
    return line + noise * np.sqrt(symbol_energy / 10 ** (SNR_DB / 10) / 2)


def said(report):
    return {
        n: bytes.fromhex(text) for n, text in zip(report["device"], report["payload"], strict=True) if text
    }


def test_what_devices_say_is_heard_in_their_slots(tmp_path):
    if reason := why_not():
        pytest.skip(f"simulated USRPs: {reason}")
    make_pilots("qpsk", 20, 32, seed=1).save(tmp_path / "book.npz")
    truth = transmitted(tmp_path)
    first = truth[0]["rx_time"]
    air = on_the_air(tmp_path, first["seconds"] * RATE + round(first["fraction"] * RATE))
    with simulated_radios(write_iq_files(tmp_path, air[:, None])) as radio:
        counts = run(tmp_path, "jadce-receive", *SHAPE, *RADIO, "--usrp", radio, "--time-source", "external",
                     "--slots", N_SLOTS, "--json", tmp_path / "out.jsonl")  # fmt: skip
    reports = read_lines(tmp_path / "out.jsonl")
    assert "packets_decoded=80 " in counts
    assert list(map(said, reports)) == list(map(said, truth))
    assert said(truth[3])[7] == b"n7 s3".ljust(16, b"\0")
