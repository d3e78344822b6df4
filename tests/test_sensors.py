# SPDX-License-Identifier: GPL-3.0-or-later
"""The flowgraph of sensors: every value that its window shows is one that a sensor had, and none is lost."""

import os
import subprocess
from pathlib import Path

import pytest

pytest.importorskip("PyQt5.QtWidgets")
ROOT = Path(__file__).resolve().parents[1]
RUN = """
import sys, time
from PyQt5 import Qt
from sensors import sensors

application = Qt.QApplication(sys.argv)
flowgraph = sensors()
sent, send = {}, flowgraph.sensor_values.send

def noted(device, text):
    sent.setdefault(device, set()).add(text)
    send(device, text)

flowgraph.sensor_values.send = noted
flowgraph.start()
flowgraph.show()
end = time.monotonic() + 600

def said():
    return {n: text for n, text in flowgraph.activity_monitor._monitor.said().items() if text}

while len(said()) < 16:
    assert time.monotonic() < end, said()
    application.processEvents()
    time.sleep(0.02)
flowgraph.close()
for device, text in said().items():
    assert text in sent[device], (device, text)
status = flowgraph.receiver.status_dict()
assert status["frames_dropped"] == status["frames_bad"] == status["slots_lost"] == 0, status
assert flowgraph.uplink_source.payloads_dropped() == 0
"""


def test_the_values_of_all_sensors_arrive(tmp_path):
    environment = os.environ | {"GRC_BLOCKS_PATH": str(ROOT / "grc"), "QT_QPA_PLATFORM": "offscreen"}
    environment |= {"XDG_CONFIG_HOME": str(tmp_path)}
    subprocess.run(
        ["grcc", "-o", tmp_path, ROOT / "examples" / "sensors.grc"],
        env=environment, check=True, capture_output=True,
    )  # fmt: skip
    result = subprocess.run(
        ["/usr/bin/python3", "-c", RUN], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    assert "packets  " in result.stdout
