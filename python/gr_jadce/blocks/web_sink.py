# SPDX-License-Identifier: GPL-3.0-or-later
"""Shows a receiver on a page in the browser, and as numbers for Prometheus."""

import weakref
from typing import Any

from ..monitoring.monitor import Monitor
from ..monitoring.web.access import web_address
from ..reports.report import Report
from .support.report_sink import report_sink


class web_sink(report_sink):
    """Serve the page of `jadce-monitor --web`, and ``/metrics`` for Prometheus, while the flowgraph runs.

    Connect `activity`, `channel` and `status` of one receiver to the port `in` and, for misses and false
    alarms, `activity` and `channel` of the truth. Every report is counted; a viewer that is too slow misses
    updates, and nobody waits for it.

    Parameters
    ----------
    address : str or int
        ``PORT`` of this machine alone, or ``HOST:PORT``; port 0 takes a free one.
    token : str
        The secret of those who are let in, needed with a host that other machines reach; empty for none.
    title : str
        Of the page.
    page : bool
        Whether to serve more than the numbers.

    Raises
    ------
    ValueError
        If the address or the token is none, or the packages that serve are not installed.
    OSError
        If the address is in use or not of this machine.
    """

    def __init__(
        self, address: str | int = 8088, *, token: str = "", title: str = "", page: bool = True
    ) -> None:
        self._host, self._port = web_address(str(address))
        self._token, self._title, self._with_page = token or None, title, bool(page)
        self._monitor = Monitor()
        self._open()
        report_sink.__init__(self, "JADCE web sink")

    def url(self) -> str:
        """The address of the page, or of the numbers, with the actual port."""
        return self._server.url

    def monitor(self) -> Monitor:
        """What it has counted."""
        return self._monitor

    def start(self) -> bool:
        if self._server.is_closed:
            self._open()
        self._server.start()
        return report_sink.start(self)

    def stop(self) -> bool:
        report_sink.stop(self)
        self._server.close()
        return True

    def take_report(self, report: Report) -> None:
        """Count and show a report, or keep a truth."""
        self._monitor.push(report)

    def take_status(self, status: dict[str, Any]) -> None:
        """Keep the counts of a status."""
        self._monitor.push_status(status)

    def _open(self) -> None:
        try:  # Debian's packages, which are needed for this alone
            import prometheus_client  # noqa: F401

            from ..monitoring.web.server import PageServer
        except ImportError as error:
            packages = "python3-tornado and python3-prometheus-client"
            raise ValueError(f"web_sink: needs Debian's {packages}: {error}") from error
        self._server = PageServer(
            self._monitor,
            lambda: ("running", False),
            address=(self._host, self._port),
            token=self._token,
            title=self._title,
            with_page=self._with_page,
        )
        self._port = self._server.port
        weakref.finalize(self, self._server.close)
