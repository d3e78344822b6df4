# SPDX-License-Identifier: GPL-3.0-or-later
"""jadce-simulate: the recording and the truth are those of `simulate_slots`."""

import json

import numpy as np
import pytest

from gr_jadce import Scenario
from gr_jadce.recordings.reader import read_recording
from gr_jadce.reports.json_lines import from_json
from gr_jadce.uplink import simulate_slots
from gr_jadce.uplink.bursts import simulate_bursts
from gr_jadce.uplink.tapped_delay_lines import TappedDelayLines
from gr_jadce.waveform import Waveform

N_SLOTS, PERIOD = 70, 40  # more slots than are simulated at once


@pytest.fixture
def simulate(app, book):
    def run(*options, output="up"):
        process = app(
            "jadce-simulate", "--pilots", "book.npz", "--antennas", 2, "--slots", N_SLOTS,
            "--slot-period", PERIOD, "--seed", 9, "--rate", 2e6, "-o", output, *options,
        )  # fmt: skip
        assert process.returncode == 0, process.stderr
        return process

    return run


def expected(book, **changes):
    scenario = Scenario(book, **({"n_antennas": 2, "activity_rate": 0.1, "snr_db": 10.0} | changes))
    return simulate_slots(scenario, PERIOD, N_SLOTS, seed=9)


def truth_of(path):
    return [from_json(line) for line in path.read_text().splitlines()]


def test_samples_and_truth(simulate, book, tmp_path):
    process = simulate("--start-time", 77, "--freq", 9e8)
    samples, uplink = expected(book)
    recording = read_recording(tmp_path / "up.sigmf-meta")
    recording.verify()
    np.testing.assert_array_equal(recording.read(), samples)
    assert recording.segments == ((0, N_SLOTS * PERIOD, (77, 0.0), 9e8),)
    truth = truth_of(tmp_path / "up.truth.jsonl")
    assert [report.frame_id for report in truth] == list(range(N_SLOTS))
    assert truth[3].rx_time == (77, 3 * PERIOD / 2e6)
    for k, report in enumerate(truth):
        np.testing.assert_array_equal(report.device, np.flatnonzero(uplink.activity[k]))
        np.testing.assert_array_equal(report.channel, uplink.channel[k, report.device])
    assert process.stderr == ""


def test_options_reach_the_scenario(simulate, book, tmp_path):
    simulate("--n-active", 5, "--snr-db", 25, "--power-spread-db", 3)
    samples, _ = expected(book, n_active=5, snr_db=25.0, power_spread_db=3.0)
    np.testing.assert_array_equal(read_recording(tmp_path / "up").read(), samples)


def test_int16_is_scaled_to_fit_and_so_is_the_truth(simulate, book, tmp_path):
    simulate("--datatype", "ci16_le")
    samples, uplink = expected(book)
    truth = truth_of(tmp_path / "up.truth.jsonl")
    scale = (truth[0].noise_var / uplink.noise_var) ** 0.5
    recording = read_recording(tmp_path / "up")
    assert recording.datatype == "ci16_le"
    assert 0.05 < np.sqrt(np.mean(np.abs(recording.read()) ** 2)) < 0.2
    np.testing.assert_allclose(recording.read(), samples * scale, atol=1 / 32768)
    k = next(k for k in range(N_SLOTS) if len(truth[k].device))
    np.testing.assert_allclose(truth[k].channel, uplink.channel[k, truth[k].device] * scale, rtol=1e-6)


def test_clipping_is_told(simulate):
    assert "clipped" in simulate("--datatype", "ci16_le", "--scale", 10).stderr


def test_equal_seeds_give_equal_files(simulate, tmp_path):
    simulate(output="a")
    simulate(output="b.sigmf-meta")
    for suffix in ("sigmf-data", "sigmf-meta", "truth.jsonl"):
        assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--pilots", "absent.npz"], ["absent.npz"]),
        (["--slot-period", "23"], ["slot-period", "24", "23"]),
        (["--activity-rate", "1.5"], ["activity_rate", "1.5"]),
        (["--n-active", "31"], ["n_active", "31"]),
        (["--snr-db", "nan"], ["snr_db"]),
        (["--power-spread-db=-1"], ["power_spread_db"]),
        (["-o", "no/where"], ["no/where", "No such file"]),
    ],
)
def test_mistakes_are_explained(app, fails, book, options, words):
    fails(app("jadce-simulate", "--pilots", "book.npz", "-o", "up", *options), *words)


@pytest.mark.parametrize(
    "option",
    [
        "--antennas=0",
        "--slots=0",
        "--seed=-1",
        "--start-time=1.5",
        "--rate=0",
        "--rate=inf",
        "--datatype=cf64_le",
    ],
)
def test_wrong_usage_is_code_2(app, fails, book, option):
    fails(app("jadce-simulate", "--pilots", "book.npz", "-o", "up", option), code=2)


@pytest.fixture
def channels(tmp_path, book):
    """Two slots of three devices over two paths."""
    rng = np.random.default_rng(3)
    np.savez(
        tmp_path / "street.npz",
        a=rng.standard_normal((2, 3, 2, 2)),
        tau=np.tile([0, 1e-6], (2, 3, 1)),
        K=[3, 2],
        device=[[4, 1, 2], [0, 3, 5]],
    )


SHAPED = ("--samples-per-symbol", 4, "--cyclic-prefix", 4, "--channels", "street.npz", "--slot-period", 400)


@pytest.mark.usefixtures("channels")
def test_channels_made_elsewhere(simulate, book, tmp_path):
    simulate(*SHAPED, "--max-offset", 500, "--snr-db", 30)
    scenario = Scenario(
        book,
        2,
        snr_db=30,
        channels=tmp_path / "street.npz",
        symbol_rate=5e5,
        cyclic_prefix=4,
        max_offset=1e-3,
    )
    samples, truth = simulate_bursts(scenario, Waveform(4, cyclic_prefix=4), 400, N_SLOTS, seed=9)
    np.testing.assert_array_equal(read_recording(tmp_path / "up").read(), samples)
    reports = truth_of(tmp_path / "up.truth.jsonl")
    assert [report.device.tolist() for report in reports[:3]] == [[1, 2, 4], [0, 3], [1, 2, 4]]
    np.testing.assert_allclose(reports[0].delay, truth.delay[0, [1, 2, 4]], rtol=1e-6)
    np.testing.assert_allclose(reports[0].carrier_offset, truth.offset[0, [1, 2, 4]], rtol=1e-6)


@pytest.mark.usefixtures("channels")
def test_a_receiver_finds_them(simulate, app, tmp_path):
    simulate(*SHAPED, "--snr-db", 25, "--as-they-are")
    receive = app(
        "jadce-receive", "--pilots", "book.npz", "--recording", "up.sigmf-meta", "--json", "out.jsonl",
        "--samples-per-symbol", 4, "--cyclic-prefix", 4, "--max-delay", 1, "--slot-period", 400, "--paths", 2,
    )  # fmt: skip
    assert receive.returncode == 0, receive.stderr
    found, truth = truth_of(tmp_path / "out.jsonl"), truth_of(tmp_path / "up.truth.jsonl")
    hits = sum(len(np.intersect1d(one.device, other.device)) for one, other in zip(found, truth, strict=True))
    assert hits >= 0.9 * sum(len(report.device) for report in truth)
    assert all(report.taps is not None for report in truth)
    score = app("jadce-score", "up.truth.jsonl", "out.jsonl", "--json")
    assert json.loads(score.stdout)["response_nmse_db"] < -10


def test_tapped_delay_lines(simulate, book, tmp_path):
    simulate(*SHAPED, "--channels", "TDL-B:200", "--n-active", 3, "--angular-spread", 10)
    lines = TappedDelayLines("B", 200e-9, book.n_devices, 2, 3, angular_spread_deg=10.0, seed=9)
    scenario = Scenario(book, 2, channels=lines, symbol_rate=5e5, cyclic_prefix=4)
    samples, _ = simulate_bursts(scenario, Waveform(4, cyclic_prefix=4), 400, N_SLOTS, seed=9)
    np.testing.assert_array_equal(read_recording(tmp_path / "up").read(), samples)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ("--channels", "street.npz"),
            "--channels, --max-delay, --max-offset: expected with --samples-per-symbol",
        ),
        (("--as-they-are",), "--as-they-are and --angular-spread go with --channels"),
        ((*SHAPED, "--channels", "TDL-D:30"), "profile: expected one of"),
        (
            (*SHAPED, "--channels", "TDL-A:short"),
            "--channels: expected TDL-A:NANOSECONDS or a file, got 'short'",
        ),
        ((*SHAPED, "--antennas", 3), "n_antennas: expected 2, as the channels have, got 3"),
        ((*SHAPED, "--slot-period", 100), "slot_period: expected at least"),
    ],
)
@pytest.mark.usefixtures("channels", "book")
def test_options_that_do_not_go_together_are_refused(app, options, message):
    process = app("jadce-simulate", "--pilots", "book.npz", "--antennas", 2, "-o", "up", *options)
    assert process.returncode in (1, 2)
    assert message in process.stderr


def test_preambles_are_simulated_on_their_occasions_and_received(app, fails, tmp_path):
    make = ("--kind", "nr_prach", "--root", 22, "--cyclic-shift", 46, "-o", "c.npz")
    assert app("jadce-pilots", "make", *make).returncode == 0
    options = ("--pilots", "c.npz", "--antennas", 2, "--slots", 20, "--rate", 1.92e6, "--n-active", 2)
    channels = ("--channels", "TDL-C:300", "--max-delay", 10, "--max-offset", 300, "--snr-db", 0)
    process = app("jadce-simulate", *options, *channels, "--slot-period", 4000, "-o", "air")
    assert process.returncode == 0, process.stderr
    receive = ("--pilots", "c.npz", "--slot-period", 4000, "--recording", "air.sigmf-meta")
    assert app("jadce-receive", *receive, "--json", "out.jsonl").returncode == 0
    score = app("jadce-score", "air.truth.jsonl", "out.jsonl", "--json")
    result = json.loads(score.stdout)
    assert result["miss_probability"] < 0.1 and result["false_alarm_probability"] < 0.01
    fails(app("jadce-simulate", *options, "--samples-per-symbol", 4, "-o", "b"), "5G preambles")
