# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers of the page, and the browser to look at them with."""

import pytest
from browser import PROGRAM, browsing
from page_state import SOURCE

from gr_jadce.monitoring.monitor import Monitor
from gr_jadce.monitoring.web.server import PageServer


@pytest.fixture
def monitor():
    return Monitor(n_frames=60)


@pytest.fixture
def serve(monitor):
    """Start a server of the monitor's page; all are closed at the end of the test."""
    servers = []

    def start(state=lambda: ("receiving", False), **options):
        servers.append(PageServer(monitor, state, **options))
        servers[-1].start()
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture(scope="session")
def browser():
    if PROGRAM is None:
        pytest.skip("needs Debian's chromium")
    with browsing() as started:
        yield started


@pytest.fixture
def look(browser):
    pages = []

    def start(server, **options):
        pages.append(browser.open(server.url, **options))
        pages[-1].wait(f"{SOURCE} !== 'connecting'")
        return pages[-1]

    yield start
    for page in pages:
        assert page.complaints() == []
        page.close()
