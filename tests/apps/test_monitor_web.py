# SPDX-License-Identifier: GPL-3.0-or-later
"""jadce-monitor --web: says where the page is, and serves it until it is told to stop."""

import re
import signal
import socket
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from reports import make_report

from gr_jadce.reports.json_lines import to_json


@pytest.fixture
def reports(tmp_path):
    lines = [to_json(make_report(frame_id=k)) + "\n" for k in range(30)]
    (tmp_path / "out.jsonl").write_text("".join(lines))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_page_is_served_until_a_signal(start_app, reports, number):
    process = start_app("jadce-monitor", "--json", "out.jsonl", "--web", "0")
    url = process.stdout.readline().strip()
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", url)
    assert b"<title>gr-jadce</title>" in urlopen(url).read()
    process.send_signal(number)
    assert process.wait() == 0
    assert (process.stdout.read(), process.stderr.read()) == ("", "")


def test_a_token_is_made_and_needed(start_app, reports):
    process = start_app("jadce-monitor", "--json", "out.jsonl", "--web", "127.0.0.1:0", "--token")
    url, _, token = process.stdout.readline().strip().partition("?token=")
    assert len(token) >= 20
    with pytest.raises(HTTPError, match="403") as refused:
        urlopen(url)
    refused.value.close()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--web", "0.0.0.0:0"], ["token: expected one", "0.0.0.0"]),
        (["--web", "here"], ["address: expected PORT or HOST:PORT", "'here'"]),
        (["--web", "0", "--token", "guess"], ["token: expected at least 12", "5 characters"]),
    ],
)
def test_mistakes_are_explained(app, fails, reports, options, words):
    fails(app("jadce-monitor", "--json", "out.jsonl", *options), *words)


def test_an_address_in_use_is_said(app, fails, reports):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        fails(app("jadce-monitor", "--json", "out.jsonl", "--web", port), f"127.0.0.1:{port}", "in use")


@pytest.mark.parametrize("options", [["--once", "--web"], ["--token"]])
def test_wrong_usage_is_code_2(app, fails, reports, options):
    fails(app("jadce-monitor", "--json", "out.jsonl", *options), code=2)
