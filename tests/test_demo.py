# SPDX-License-Identifier: GPL-3.0-or-later
"""`make demo` shows what it promises."""

import re
import subprocess
from pathlib import Path

from usrp_sim.radios import why_not

DEMO = Path(__file__).resolve().parents[1] / "examples" / "demo.py"


def test_demo(tmp_path):
    ended = subprocess.run(["/usr/bin/python3", DEMO, tmp_path], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    parts = dict(re.findall(r"^(\d)\. .*\n((?: .*\n)+)", ended.stdout, re.MULTILINE))
    assert_good(parts["1"], miss=0.06, nmse_db=-18.0, frames=1000)
    assert_good(parts["2"], miss=0.02, nmse_db=-12.0, frames=500)
    if why_not():
        assert f"not run: {why_not()}" in parts["3"]
    else:
        assert_good(parts["3"], miss=0.02, nmse_db=-12.0, frames=60)
    for part, nmse_db in ((parts["1"], -18.0), (parts["2"], -12.0)):
        assert float(re.search(r"channel NMSE +-[\d.]+ +(-[\d.]+)", part)[1]) < nmse_db  # of PC-ADMM
    assert f"{tmp_path / 'demo.png'}" in ended.stdout
    assert (tmp_path / "demo.png").read_bytes().startswith(b"\x89PNG")


def assert_good(part, miss, nmse_db, frames):
    assert figure(part, "miss probability") < miss
    assert figure(part, "false-alarm probability") < 0.01
    assert figure(part, "channel NMSE") < nmse_db
    path = Path(re.search(r"JSON lines +(\S+)", part)[1])
    assert len(path.read_text().splitlines()) >= frames


def figure(part, name):
    return float(re.search(rf"{name} +(-?[\d.]+)", part)[1])
