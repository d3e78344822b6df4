# SPDX-License-Identifier: GPL-3.0-or-later
"""jadce-receive serves numbers for Prometheus while it receives."""

import re
from urllib.request import urlopen

import pytest
from waiting import wait_until

parser = pytest.importorskip("prometheus_client.parser")


def numbers(url):
    text = urlopen(url).read().decode()
    families = parser.text_string_to_metric_families(text)
    return {sample.name: sample.value for family in families for sample in family.samples}


def test_they_grow_while_it_receives(start_app, book):
    options = ["--pilots", "book.npz", "--simulate", "--slots", 10**7, "--metrics", 0]
    process = start_app("jadce-receive", *options)
    url = re.search(r"metrics at (http://127\.0\.0\.1:\d+/metrics)", process.stderr.readline())[1]
    wait_until(lambda: numbers(url)["jadce_frames_solved_total"] > 0)
    first = numbers(url)
    wait_until(lambda: numbers(url)["jadce_frames_solved_total"] > first["jadce_frames_solved_total"])
    assert first["jadce_devices"] == 30 and first["jadce_solve_time_seconds_count"] > 0
    process.terminate()
    process.communicate()
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--metrics", "here"], ["address: expected PORT", "'here'"]),
        (["--metrics", "0.0.0.0:0"], ["token: expected one"]),
        (["--metrics", "0.0.0.0:0", "--metrics-token", "short"], ["token: expected at least 12"]),
    ],
)
def test_mistakes_are_explained(app, fails, book, options, words):
    fails(app("jadce-receive", "--pilots", "book.npz", "--simulate", "--slots", 3, *options), *words)
