# SPDX-License-Identifier: GPL-3.0-or-later
"""Publishes reports and statuses by ZeroMQ."""

import weakref
from typing import Any

from ..delivery.publishing import Publisher
from ..reports.json_lines import to_json
from ..reports.report import Report
from .support.report_sink import report_sink


class zmq_sink(report_sink):
    """Publish one line of JSON a frame to any number of ZeroMQ subscribers, and every status.

    Connect `activity`, `channel` and `status` of a receiver to the port `in`. The lines of reports
    are those of `json_sink`; a status is ``{"receiver_status": {...}}``. Nobody is waited for:
    a subscriber that is too slow misses lines, and can tell how many from the statuses. While there are
    256 connections, nobody else is let in.

    Parameters
    ----------
    address : str or int
        Where subscribers find it: a port of this machine alone, or an address of ZeroMQ such as
        ``tcp://*:5555``, all networks of this machine.
    queue : int
        Lines that may wait for each subscriber.
    linger : float
        Seconds that stopping waits at most for lines to leave.

    Raises
    ------
    ValueError
        If an argument is out of range.
    OSError
        If the address is in use or not of this machine.
    """

    def __init__(
        self, address: str | int = "tcp://127.0.0.1:5555", *, queue: int = 1000, linger: float = 0.5
    ) -> None:
        self._queue, self._linger_s = queue, linger
        self._before = (0, 0)
        self._refusals = 0
        self._open(address)
        report_sink.__init__(self, "JADCE ZMQ sink")

    def address(self) -> str:
        """The address, with the actual port."""
        return self._publisher.address

    def published(self) -> int:
        """Lines published: reports and statuses."""
        return self._before[0] + self._publisher.sent

    def overflows(self) -> int:
        """How often a subscriber was too slow and its queue became full."""
        return self._before[1] + self._publisher.overflows

    def start(self) -> bool:
        report_sink.start(self)
        if self._publisher.closed:
            self._reopen()
        return True

    def stop(self) -> bool:
        report_sink.stop(self)
        self._publisher.close()
        return True

    def take_report(self, report: Report) -> None:
        """Publish a report."""
        overflows = self.overflows()
        self._publisher.send(to_json(report))
        if self.overflows() > overflows:
            self._log.warn("a subscriber is too slow and misses reports")

    def take_status(self, status: dict[str, Any]) -> None:
        """Publish a status, and what has been published so far."""
        self._publisher.send_status(status)
        if self._publisher.refusals > self._refusals:
            self._refusals = self._publisher.refusals
            self._log.warn("too many connections: no more subscribers are let in")

    def _open(self, address: str | int) -> None:
        self._publisher = Publisher(address, queue=self._queue, linger=self._linger_s)
        self._refusals = 0
        weakref.finalize(self, self._publisher.close)

    def _reopen(self) -> None:
        before = self.published(), self.overflows()
        try:
            self._open(self._publisher.address)
            self._before = before
        except OSError as error:
            self._log.warn(f"reports will be lost: {error}")
