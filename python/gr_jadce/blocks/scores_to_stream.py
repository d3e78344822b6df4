# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports as a stream of scores, for GNU Radio's own displays."""

from typing import Any

import numpy as np
import pmt
from gnuradio import gr
from numpy.typing import NDArray

from ..checks import check_integer
from ..reports.pdus import activity_from_pmt
from .support.lifetime import keep_alive
from .support.limited_log import LimitedLog

_PORT = pmt.intern("in")


class scores_to_stream(gr.sync_block):
    """Turn the newest report into N floats: the score of each device, 0 if it is not active.

    Connect `activity` of a receiver to the port `in`. A report that comes while the display is
    still busy with an earlier one replaces those that wait: no display holds up the receiver.

    Parameters
    ----------
    n_devices : int
        N.

    Raises
    ------
    ValueError
        If n_devices is not a positive integer.
    """

    def __init__(self, n_devices: int) -> None:
        self._n_devices = check_integer("n_devices", n_devices, 1)
        self._waiting: NDArray | None = None
        self._taken = self._skipped = self._rejected = 0
        self._ended = False
        gr.sync_block.__init__(self, "JADCE scores to stream", in_sig=None, out_sig=[np.float32])
        self.set_output_multiple(self._n_devices)
        self.message_port_register_in(_PORT)
        self.set_msg_handler(_PORT, self.handle_message)
        self.set_msg_handler(pmt.intern("system"), self.handle_system)
        self._log = LimitedLog(self.logger)
        keep_alive(self)

    def taken(self) -> int:
        """Reports taken, those skipped among them."""
        return self._taken

    def skipped(self) -> int:
        """Reports replaced by a newer one before there was room for them."""
        return self._skipped

    def rejected(self) -> int:
        """Messages that could not be used."""
        return self._rejected

    def start(self) -> bool:
        self._ended = False
        return True

    def handle_system(self, message: Any) -> None:
        """Ignore `done`: the stream ends with the receiver's end-of-file message."""

    def handle_message(self, message: Any) -> None:
        """Keep the scores of a report."""
        if pmt.equal(message, pmt.PMT_EOF):
            self._ended = True
            return
        try:
            scores = self._scores(activity_from_pmt(message))
        except Exception as error:
            self._rejected += 1
            self._log.warn(f"message left out: {error}")
            return
        self._skipped += self._waiting is not None
        self._taken += 1
        self._waiting = scores

    def work(self, input_items: list, output_items: list) -> int:
        if self._waiting is None:
            return -1 if self._ended else 0
        output_items[0][: self._n_devices] = self._waiting
        self._waiting = None
        return self._n_devices

    def _scores(self, activity: dict[str, Any]) -> NDArray:
        if activity["n_devices"] != self._n_devices:
            raise ValueError(f"n_devices: expected {self._n_devices}, got {activity['n_devices']}")
        scores = np.zeros(self._n_devices, np.float32)
        scores[activity["device"]] = activity["score"]
        return scores
