# SPDX-License-Identifier: GPL-3.0-or-later
"""`make realistic`, with few slots."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import gr_jadce
from gr_jadce.uplink.impulse_responses import SlotPaths
from gr_jadce.uplink.tapped_delay_lines import TappedDelayLines

ROOT = Path(__file__).resolve().parents[2]
FIGURES = ROOT / "benchmarks" / "figures"
sys.path.insert(0, str(FIGURES))
import realistic  # noqa: E402
import realistic_air  # noqa: E402
import realistic_bound  # noqa: E402


def run(*arguments):
    package = str(Path(gr_jadce.__file__).resolve().parents[1])
    environment = os.environ | {"PYTHONPATH": package, "PATH": f"{ROOT / 'apps'}:{os.environ['PATH']}"}
    ended = subprocess.run(
        [sys.executable, FIGURES / "realistic.py", *map(str, arguments)],
        env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def write_channels(path):
    """Two slots of devices 60 dB down, over two paths."""
    rng = np.random.default_rng(1)
    gain = 1e-3 * rng.standard_normal((2, 12, 4, 2, 2)) @ np.array([1, 1j])
    device = np.array([rng.permutation(200)[:12] for _ in range(2)])
    tau = np.tile([0, 0.2e-6], (2, 12, 1))
    np.savez(path, a=gain, tau=tau, K=np.array([10, 12]), device=device, fc=np.array(2e9))


def test_the_program_and_the_library_agree_and_a_genie_is_ahead(tmp_path):
    write_channels(tmp_path / "street.npz")
    common = (
        tmp_path / "street.npz",
        "--cells",
        "street",
        "--slots",
        2,
        "--work",
        tmp_path,
        "--output",
        tmp_path,
    )
    run(*common)
    text = (tmp_path / "realistic.md").read_text()
    result = json.loads((tmp_path / "realistic.json").read_text())
    assert "street.npz" in text and "no power control" in text
    with_offset, without, _ = result["cells"]
    for entry in (with_offset, without):
        assert entry["inactive"] == 378
        assert entry["nmse_db"] > entry["delays_nmse_db"] > entry["genie_nmse_db"] > -30
        assert entry["miss"] >= entry["bound_miss"] == entry["told_all_miss"] == 0
    run(*common, "--library", "--no-bound")
    library = json.loads((tmp_path / "realistic.json").read_text())["cells"]
    for one, other in zip(result["cells"], library, strict=True):
        assert one["miss"] == other["miss"]
        # The recording rounds samples, and a rounding may tell paths apart in another way: where devices of
        # all powers leave errors of −45 dB, one path more or less of a strong one is all that counts.
        if "no power" in one["cell"]:
            assert max(one["nmse_db"], other["nmse_db"]) < -15
        else:
            assert one["nmse_db"] == pytest.approx(other["nmse_db"], abs=1)


@pytest.fixture
def air():
    lines = TappedDelayLines("A", 3e-7, 200, 4, n_active=6, radius=50.0)
    return realistic_air.Air(realistic_air.Cell("TDL", lines, 2.4e9, n_slots=2))


def test_the_samples_deliver_a_pilot_as_its_symbols_tell(air):
    _, slot = air.slot(0)
    taken = air.delivered(slot.device[2], slot.delay[2], slot.offset[2])
    off = slot.columns[:, 2] - taken
    assert np.linalg.norm(off) < 0.02 * np.linalg.norm(taken)


def test_a_frame_is_the_sum_of_its_parts_and_noise(air):
    _, slot = air.slot(1)
    noise = slot.frame - slot.parts.sum(axis=0)
    assert np.mean(np.abs(noise) ** 2) == pytest.approx(air.noise_var, rel=0.2)


def test_a_receiver_that_reports_the_one_path_there_is_has_no_error():
    def one_path(slot):
        device = np.array([3, 150])
        return SlotPaths(device, np.ones((2, 4, 1), complex), np.full((2, 1), 0.3e-6), np.zeros((2, 1)))

    air = realistic_air.Air(realistic_air.Cell("path", one_path, 2e9, 0, n_slots=2, snr_db=25))
    slots = [air.slot(number)[1] for number in range(2)]
    reports = realistic.received_by_library(air, slots)
    figures = realistic.receiver_figures(air, slots, reports)
    assert (figures["miss"], figures["false_alarm"]) == (0, 0)
    assert figures["nmse_db"] < -22


def test_the_evidence_of_those_active_is_that_of_their_power(air):
    slots = [air.slot(number)[1] for number in range(2)]
    columns = realistic_bound.all_columns(air, slots, 0)
    evidence = realistic_bound.evidence(columns, slots[0].frame, air.noise_var)
    active = np.isin(np.arange(200), slots[0].device)
    assert evidence[active].min() > evidence[~active].max()


@pytest.mark.parametrize("false_alarm", [0.1, 0.5])
def test_who_is_told_all_misses_nobody_who_is_loud_and_most_who_are_not_there(air, false_alarm):
    _, slot = air.slot(0)
    rng = np.random.default_rng(1)
    assert realistic_bound.misses_told_all(slot, air.noise_var, 1e-6, rng) == 0
    silent, count = slot._replace(gain=1e-3 * slot.gain), 40 * len(slot.device)
    missed = 0
    for _ in range(40):
        noise = rng.standard_normal((*slot.frame.shape, 2)) @ np.array([1, 1j]) * np.sqrt(air.noise_var / 2)
        missed += realistic_bound.misses_told_all(
            silent._replace(frame=noise), air.noise_var, false_alarm, rng
        )
    assert missed / count == pytest.approx(1 - false_alarm, abs=0.12)
