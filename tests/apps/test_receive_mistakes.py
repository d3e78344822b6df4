# SPDX-License-Identifier: GPL-3.0-or-later
"""jadce-receive: a mistake of its user is explained in one line."""

import pytest
from received import PERIOD

from gr_jadce import make_pilots


def truncate(path):
    with open(path, "r+b") as file:
        file.truncate(path.stat().st_size - 7)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--recording", "absent"], ["absent", "No such file"]),
        (["--recording", "cut"], ["cut.sigmf-meta", "truncated"]),
        (["--recording", "book.npz"], ["book.npz"]),
        (["--antennas", "2"], ["n_antennas", "3", "2"]),
        (["--pilots", "absent.npz"], ["absent.npz", "No such file"]),
        (["--pilots", "up.sigmf-data"], ["up.sigmf-data", "pilot book"]),
        (["--slot-period", "20"], ["slot-period", "24", "20"]),
        (["--offset=-99"], ["offset", "-99"]),
        (["--slot-origin=-1"], ["slot_origin", "-1"]),
        (["--slot-period", "9" * 30], ["slot_period", "4294967296"]),
        (["--estimator", "guess"], ["estimator", "pc_admm", "guess"]),
        (["--estimator", "unrolled:sweep=5"], ["estimator", "unrolled", "'sweep'"]),
        (["--estimator", "unrolled:5"], ["estimator", "unrolled:5", "NAME:option=value"]),
        (["--false-alarm", "0"], ["false_alarm"]),
        (["--noise-var=-1"], ["noise_var"]),
        (["--json", "no/out.jsonl"], ["no/out.jsonl", "No such file"]),
    ],
)
def test_mistakes_are_explained(app, fails, record, tmp_path, options, words):
    record()
    for suffix in ("sigmf-meta", "sigmf-data"):
        (tmp_path / f"cut.{suffix}").write_bytes((tmp_path / f"up.{suffix}").read_bytes())
    truncate(tmp_path / "cut.sigmf-data")
    usual = {"--pilots": "book.npz", "--slot-period": PERIOD, "--recording": "up"}
    rest = [part for name, value in usual.items() if name not in options for part in (name, value)]
    fails(app("jadce-receive", *rest, *options), *words)


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--simulate", "--recording", "up"],
        ["--recording", "up"],
        ["--usrp", "addr=1", "--slot-period", "40"],
        ["--simulate", "--slot-origin", "now"],
        ["--simulate", "--slot-origin", "1/0"],
        ["--simulate", "--slot-origin", "1e999999999"],
        ["--simulate", "--slots", "0"],
    ],
)
def test_wrong_usage_is_code_2(app, fails, book, options):
    process = app("jadce-receive", "--pilots", "book.npz", *options)
    fails(process, "--help", code=2)
    assert process.stderr.count("\n") == 1


@pytest.mark.parametrize("option", [("--snr-db", 4000), ("--seed", 2**64), ("--antennas", 2**17)])
def test_a_simulation_that_cannot_be_is_refused(app, fails, book, option):
    fails(app("jadce-receive", "--pilots", "book.npz", "--simulate", "--slots", 3, *option), "expected")


def test_an_absent_radio_is_one_line(app, fails, book):
    process = app(
        "jadce-receive", "--pilots", "book.npz", "--slot-period", 40, "--rate", 1e6, "--freq", 1e9,
        "--usrp", "type=b200,serial=0",
    )  # fmt: skip
    fails(process, "usrp", "type=b200,serial=0", "No devices found")


@pytest.mark.parametrize("mistake", ["book", "offset", "period"])
def test_that_nobody_is_heard_is_said_in_one_line(app, book, tmp_path, mistake):
    make_pilots("gaussian", n_devices=30, pilot_length=24, seed=6).save(tmp_path / "other.npz")
    made = app("jadce-simulate", "--pilots", "book.npz", "--slots", 300, "--slot-period", PERIOD, "-o", "air")
    assert made.returncode == 0, made.stderr
    right = {"--pilots": "book.npz", "--slot-period": PERIOD, "--recording": "air"}
    wrong = {"book": ("--pilots", "other.npz"), "offset": ("--offset", 9), "period": ("--slot-period", 41)}
    options = right | dict([wrong[mistake]])
    for given, count in ((options, 1), (right, 0)):
        process = app("jadce-receive", *[part for option in given.items() for part in option])
        said = process.stdout + process.stderr
        assert (process.returncode, said.count("nobody of this book is heard: check book")) == (0, count), (
            said
        )
