# SPDX-License-Identifier: GPL-3.0-or-later
"""The guide in a browser without a network: formulas, copy buttons, code boxes in the dark, tables."""

import http.server
import re
import threading
from functools import partial

import pytest
from browser import PROGRAM, browsing
from test_docs import built  # noqa: F401 - a fixture

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="Debian's chromium is not installed")
LIGHTNESS = """
(selector => {
    const light = text => text.match(/[0-9.]+/g).slice(0, 3).reduce((sum, part) => sum + part / 765, 0);
    const style = getComputedStyle(document.querySelector(selector));
    return [light(style.backgroundColor), light(style.color)];
})
"""


@pytest.fixture(scope="module")
def site(built):  # noqa: F811
    """The address of the guide."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=built)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def browser():
    with browsing() as browser:
        yield browser


def test_formulas_are_drawn_without_a_network(site, browser):
    page = browser.open(f"{site}/model.html")
    formulas = page.evaluate("document.querySelectorAll('.math').length")
    page.wait(f"document.querySelectorAll('.math svg').length >= {formulas}")
    assert formulas > 20
    asked = {event["request"]["url"] for event in page.events("Network.requestWillBeSent")}
    assert all(re.match(rf"{site}/|data:", url) for url in asked), asked
    answers = {e["response"]["url"]: e["response"]["status"] for e in page.events("Network.responseReceived")}
    assert {status for url, status in answers.items() if "/mathjax/" in url} == {200}


@pytest.mark.parametrize("dark", [False, True])
def test_code_boxes_are_as_dark_as_the_page(site, browser, dark):
    page = browser.open(f"{site}/python.html", dark=dark)
    for selector in ("body", ".highlight-python .highlight", ".highlight-sh .highlight"):
        background, text = page.evaluate(f"{LIGHTNESS}({selector!r})")
        assert (background < 0.25 and text > 0.6) if dark else (background > 0.9 and text < 0.4), selector


def test_commands_can_be_copied(site, browser):
    page = browser.open(f"{site}/first_ten_minutes.html")
    page.wait("document.querySelectorAll('button.copybtn').length >= 5")


def test_the_landing_page_leads_everywhere(site, browser):
    page = browser.open(f"{site}/index.html")
    links = page.evaluate("[...document.querySelectorAll('article td a')].map(link => link.href)")
    assert len(set(links)) > 10 and links[0].endswith("first_ten_minutes.html")


def test_the_expressions_of_a_pilot_book_are_a_table(site, browser):
    page = browser.open(f"{site}/blocks.html")
    rows = page.evaluate(
        "[...document.querySelectorAll('#pilot-book td:first-child')].map(cell => cell.innerText)"
    )
    assert rows == ["book", "book.pilot_length", "book.n_devices", "book.pilot_length * n_antennas"]
