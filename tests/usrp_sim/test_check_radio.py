# SPDX-License-Identifier: GPL-3.0-or-later
"""jadce-check-radio on two simulated USRPs: it passes clean ones and names every injected fault."""

import json
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from usrp_sim.radios import write_iq_files

from gr_jadce.slots.beacon import Beacon
from gr_jadce.uplink.simulation import complex_normal

APP = Path(__file__).resolve().parents[2] / "apps" / "jadce-check-radio"
RATE, N, SERVED = 1e6, 200_000, 500_000  # served more than used, so that the stream does not end with these
PERIOD = 8000


def on_the_air(ppm=0.0):
    """What two antennas hear: a source, and beacons by a clock that theirs is off by `ppm`."""
    rng, beacon = np.random.default_rng(1), Beacon()
    air = complex_normal(rng, (SERVED,))
    for start in np.arange(100.3, SERVED - 2000, PERIOD * (1 + 1e-6 * ppm)):
        burst = beacon.waveform.bursts(beacon.symbols[:, None].astype(complex), (start % 1) / 4)[:, 0]
        at = int(start) + np.arange(len(burst))
        air[at] += 60 * burst * np.exp(2j * np.pi * 0.004 * at)
    return 0.05 * (air[:, None] * [1, 1j] + 0.3 * complex_normal(rng, (SERVED, 2)))


def late(samples):
    samples[:, 1] = np.roll(samples[:, 1], 1)


def weak(samples):
    samples[:, 1] *= 10 ** (-3 / 20)


def dead(samples):
    samples[:, 1] = 0


def with_dc(samples):
    samples[:, 0] += 0.1 * np.std(samples[:, 0])


def with_image(samples):
    turned = samples[:, 0].imag * np.cos(np.deg2rad(5)) + samples[:, 0].real * np.sin(np.deg2rad(5))
    samples[:, 0].imag = 10 ** (1 / 20) * turned


def clipped(samples):
    samples *= 8  # the served file ends at full scale


def with_spur(samples):
    level = np.std(samples[:, 1]) * 10 ** (-12 / 20)
    samples[:, 1] += level * np.exp(2j * np.pi * 0.2 * np.arange(len(samples)))


def drifting(samples):
    samples[:, 1] *= np.exp(2j * np.pi * 9 / RATE * np.arange(len(samples)))


FAULTS = {"alignment": late, "gain": weak, "silence": dead, "dc": with_dc, "iq": with_image,
          "clipping": clipped, "spurs": with_spur, "coherence": drifting}  # fmt: skip


def run(radios, seconds=N / RATE):
    command = ["/usr/bin/python3", APP, "--usrp", radios, "--subdev", "A:0", "--antennas", 2, "--rate", RATE,
               "--freq", 915e6, "--gain", 30, "--time-source", "external", "--duration", seconds,
               "--beacon-period", PERIOD, "--json"]  # fmt: skip
    return subprocess.run(list(map(str, command)), capture_output=True, text=True)


def check(radios):
    """The exit code, the verdicts that are not ok, and the number of checks."""
    process = run(radios)
    return process.returncode, faults(process), len(json.loads(process.stdout)["checks"])


def faults(process):
    """The verdicts that are not ok."""
    assert process.stdout, process.stderr
    checks = json.loads(process.stdout)["checks"]
    return {check["name"]: check["verdict"] for check in checks if check["verdict"] != "ok"}


def test_clean_radios_pass(start_radios, tmp_path):
    assert check(start_radios(write_iq_files(tmp_path, on_the_air()))) == (0, {}, 10)


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named(name, start_radios, tmp_path):
    samples = on_the_air()
    FAULTS[name](samples)
    code, found, _ = check(start_radios(write_iq_files(tmp_path, samples)))
    assert (code, found) == (1, {name: "fail"})


def test_a_clock_that_is_off(start_radios, tmp_path):
    code, found, _ = check(start_radios(write_iq_files(tmp_path, on_the_air(ppm=20))))
    assert (code, found) == (1, {"clock": "fail"})


def test_lost_packets(start_radios, tmp_path):
    process = run(start_radios(write_iq_files(tmp_path, on_the_air()), {1: "100000:4000"}))
    assert (process.returncode, faults(process)) == (1, {"overflow": "fail"})
    assert not re.search(r"^D", process.stderr, re.MULTILINE)  # UHD's letter, without an end of line


def test_a_radio_that_falls_silent(start_radios, tmp_path):
    process = run(start_radios(write_iq_files(tmp_path, on_the_air()[:N])), seconds=2 * N / RATE)
    assert process.returncode == 1
    assert f" of {2 * N} samples came from the radio" in process.stderr
