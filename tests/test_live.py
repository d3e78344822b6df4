# SPDX-License-Identifier: GPL-3.0-or-later
"""`make live` shows simulated devices on the page: found ones, and with the truth those missed."""

import subprocess
import sys
from contextlib import closing
from urllib.request import urlopen

import pytest
from documents import ROOT
from raw_viewer import RawViewer

pytest.importorskip("tornado")

LIVE = ROOT / "examples" / "live.py"


@pytest.fixture
def live():
    process = subprocess.Popen([sys.executable, LIVE, "--web", "0"], stdout=subprocess.PIPE, text=True)
    yield process
    process.terminate()
    process.communicate()


def watch(url, wanted):
    """Updates from a page's socket until one is wanted."""
    with closing(RawViewer(url)) as viewer:
        while not wanted(update := viewer.receive()):
            pass
    return update


def test_devices_are_found_live_and_their_truth_is_known(live):
    url = live.stdout.readline().strip()
    assert b"gr-jadce" in urlopen(url).read()

    def has_scored(update):
        found = {caption: text for caption, text, _ in update.get("figures", [])}.get("Detections", "0")
        return update.get("truth") and found != "0"

    update = watch(url, has_scored)
    figures = {caption: text for caption, text, _ in update["figures"]}
    assert int(figures["Frames"].replace(",", "")) > 0
    assert figures["Missed"] != "–"
    live.terminate()
    assert live.wait() == 0
