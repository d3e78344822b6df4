# SPDX-License-Identifier: GPL-3.0-or-later
"""The flowgraph with a window runs, its sliders act while it does, and closing the window ends it."""

import os
import subprocess
from pathlib import Path

import pytest

pytest.importorskip("PyQt5.QtWidgets")
ROOT = Path(__file__).resolve().parents[1]
RUN = """
import sys, time
from PyQt5 import Qt
from loopback_gui import loopback_gui

application = Qt.QApplication(sys.argv)

def wait_until(there):
    end = time.monotonic() + 600
    while not there():
        assert time.monotonic() < end, (counts(), figures())
        application.processEvents()
        time.sleep(0.02)

def nobody_is_active():
    before = counts()
    wait_until(lambda: counts().frames_scored >= before.frames_scored + 10)
    return counts().active == before.active

flowgraph = loopback_gui()
counts = flowgraph.activity_monitor.counts
figures = flowgraph.activity_monitor.figures
flowgraph.start()
flowgraph.show()
wait_until(lambda: counts().frames_scored > 20)
assert abs(figures().snr_db - 10) < 3, figures()
flowgraph.set_log10_false_alarm(-1.0)
flowgraph.set_snr_db(25.0)
wait_until(lambda: figures().threshold == 1.0 and figures().snr_db > 20)
flowgraph.set_activity_rate(0.0)
wait_until(nobody_is_active)
flowgraph.close()
"""


def test_sliders_act_while_it_runs(tmp_path):
    environment = os.environ | {"GRC_BLOCKS_PATH": str(ROOT / "grc"), "QT_QPA_PLATFORM": "offscreen"}
    environment |= {"XDG_CONFIG_HOME": str(tmp_path)}
    subprocess.run(
        ["grcc", "-o", tmp_path, ROOT / "examples" / "loopback_gui.grc"],
        env=environment, check=True, capture_output=True,
    )  # fmt: skip
    result = subprocess.run(
        ["/usr/bin/python3", "-c", RUN],
        cwd=tmp_path, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert "frames  " in result.stdout
