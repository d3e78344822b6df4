# SPDX-License-Identifier: GPL-3.0-or-later
"""Publishes reports and statuses by ZeroMQ."""

import weakref

from ..reports.json_lines import to_json
from ..reports.publishing import Publisher
from .support.report_sink import report_sink


class zmq_sink(report_sink):
    """Publish one line of JSON a frame to any number of ZeroMQ subscribers, and every status.

    Connect `activity`, `channel` and `status` of a receiver to the port `in`. The lines of reports
    are those of `json_sink`; a status is ``{"receiver_status": {...}}``. Nobody is waited for:
    a subscriber that is too slow misses lines, and can tell how many from the statuses.

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

    def __init__(self, address="tcp://127.0.0.1:5555", queue=1000, linger=0.5):
        self._options = {"queue": queue, "linger": linger}
        self._before = (0, 0)
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

    def start(self):
        report_sink.start(self)
        if self._publisher.closed:
            self._reopen()
        return True

    def stop(self):
        report_sink.stop(self)
        self._publisher.close()
        return True

    def take_report(self, report):
        """Publish a report."""
        overflows = self.overflows()
        self._publisher.send(to_json(report))
        if self.overflows() > overflows:
            self._log.warn("a subscriber is too slow and misses reports")

    def take_status(self, status):
        """Publish a status, and what has been published so far."""
        self._publisher.send_status(status)

    def _open(self, address):
        self._publisher = Publisher(address, **self._options)
        weakref.finalize(self, self._publisher.close)

    def _reopen(self):
        before = self.published(), self.overflows()
        try:
            self._open(self._publisher.address)
            self._before = before
        except OSError as error:
            self._log.warn(f"reports will be lost: {error}")
