# SPDX-License-Identifier: GPL-3.0-or-later
"""What all blocks that take reports have in common: one port, both messages joined, an end that comes."""

from time import monotonic, sleep
from typing import Any

import pmt
from gnuradio import gr

from ...reports.pairing import Joiner
from ...reports.pdus import status_from_pmt
from ...reports.report import Report
from .lifetime import keep_alive
from .limited_log import LimitedLog
from .messages import take_waiting
from .thread_state import ThreadState

_PORT = pmt.intern("in")
_SYSTEM = pmt.intern("system")
_DONE = pmt.cons(pmt.intern("done"), pmt.from_long(1))
# Seconds that a stopped sink waits for the end-of-file message; longer if it knows of a receiver,
# which may still have a batch to solve.
_LINGER_S, _LINGER_FOR_RECEIVER_S = 1.0, 5.0
_MAX_AT_ONCE = 256  # messages taken in one call
_MAX_MESSAGES = 2**14  # that may wait to be taken, as behind a slow handler


class report_sink(gr.basic_block):
    """A block with the message port `in`, to which truth, activity, channel and status are connected.

    It takes one receiver: the messages of several cannot be told apart. It ends at the
    end-of-file message that a receiver sends last, not when one of its publishers is done.
    Messages that are none of these are counted, logged and left out. Where messages come faster than
    they are taken, those that wait longest are dropped, counted and logged.

    Subclasses define ``take_report(report)`` and may define ``take_status(status)``, or
    ``take_pdu(pdu)`` to join the messages in their own way, and ``take_bytes(data)`` besides to do
    it faster; an exception raised in one counts as a rejected message.

    Parameters
    ----------
    name : str
        Name of the block.
    """

    def __init__(self, name: str) -> None:
        gr.basic_block.__init__(self, name, in_sig=None, out_sig=None)
        self.message_port_register_in(_PORT)
        self.set_msg_handler(_PORT, self.handle_messages)
        self.set_msg_handler(_SYSTEM, self.handle_system)
        self._count_waiting, self._pop = self.nmsgs, self.delete_head_nowait  # looked up once
        self._joiner = Joiner()
        self._log = LimitedLog(self.logger)
        self._thread_state = ThreadState()
        self._rejected = self._dropped = 0
        self._ended = False
        self._may_end = True
        self._linger = _LINGER_S
        self._reads_bytes = self._redefines("take_bytes") or not self._redefines("take_pdu", "handle_message")
        keep_alive(self)

    def rejected(self) -> int:
        """Messages that could not be used."""
        return self._rejected

    def unjoined(self) -> int:
        """Activity or channel messages whose counterpart did not come."""
        return self._joiner.unjoined

    def dropped(self) -> int:
        """Messages dropped because too many waited."""
        return self._dropped

    def waiting(self) -> int:
        """Messages not yet taken."""
        return self._count_waiting(_PORT)

    def take_report(self, report: Report) -> None:
        """Use a report."""
        raise NotImplementedError

    def take_status(self, status: dict[str, Any]) -> None:
        """Use a status, a dictionary; left alone unless redefined."""

    def take_pdu(self, pdu: Any) -> None:
        """Use an activity or channel message; joined to reports unless redefined."""
        report = self._joiner.add(pdu)
        if report is not None:
            self.take_report(report)

    def take_bytes(self, data: bytes) -> bool:
        """Use a message in the form of `pmt.serialize_str`, if it is a usual activity or channel.

        Returns
        -------
        bool
            Whether it is; if not, it comes again as it is.
        """
        is_usual, report = self._joiner.add_bytes(data)
        if report is not None:
            self.take_report(report)
        return is_usual

    def start(self) -> bool:
        self._thread_state.hold()
        # A second end-of-file of an earlier run may still be queued: it must not end this one.
        self._may_end = not self._ended
        self._ended = False
        return True

    def stop(self) -> bool:
        """After a flowgraph was stopped, take what its receiver still sends."""
        stopped = monotonic()
        while not self._ended and monotonic() < stopped + self._linger:
            message = self._pop(_PORT)
            if message is None:
                sleep(0.005)
            else:
                self.handle_message(message)
        self._thread_state.release()
        return True

    def handle_system(self, message: Any) -> None:
        """Ignore `done`: the first publisher to finish would end the block before its last reports."""

    def handle_messages(self, message: Any) -> None:
        """Take a message, and those that wait behind it: as bytes, unless a subclass wants PDUs.

        Between two calls of a handler, threads that wait for the interpreter take turns.
        """
        self.handle_message(message)
        if self._ended:
            return
        if self._reads_bytes:
            for data in take_waiting(self, "in", _MAX_AT_ONCE):
                self._take_bytes(data)
            return
        for _ in range(_MAX_AT_ONCE):
            message = None if self._ended else self._pop(_PORT)
            if message is None:
                return
            self.handle_message(message)

    def _redefines(self, *names: str) -> bool:
        return any(getattr(type(self), name) is not getattr(report_sink, name) for name in names)

    def _take_bytes(self, data: bytes) -> None:
        try:
            if self.take_bytes(data):
                self._may_end = True
                return
            message = pmt.deserialize_str(data)
        except Exception as error:
            self._reject(error)
        else:
            self.handle_message(message)

    def handle_message(self, message: Any) -> None:
        """Take one message of any of the kinds."""
        if self._more_wait_than(_MAX_MESSAGES):
            self._drop_oldest()
        if pmt.equal(message, pmt.PMT_EOF):
            self._end()
            return
        self._may_end = True
        try:
            self._take(message)
        except Exception as error:
            self._reject(error)

    def _reject(self, error: Exception) -> None:
        self._rejected += 1
        self._log.warn(f"message left out: {error}")

    def _drop_oldest(self) -> None:
        """Drop messages until half of the room is free; an end of file among them counts all the same."""
        before = self._dropped
        while self._more_wait_than(_MAX_MESSAGES // 2):
            message = self._pop(_PORT)
            if message is None:
                break
            if pmt.equal(message, pmt.PMT_EOF):
                self._end()
            else:
                self._dropped += 1
        self._log.warn(f"{self._dropped - before} messages dropped: they come faster than they are taken")

    def _more_wait_than(self, count: int) -> bool:
        """Whether more messages wait, by two looks: a count is wild where GNU Radio adds one meanwhile."""
        return self._count_waiting(_PORT) > count and self._count_waiting(_PORT) > count

    def _take(self, message: Any) -> None:
        if pmt.is_dict(message):
            self.take_status(status_from_pmt(message))
            self._linger = _LINGER_FOR_RECEIVER_S
        else:
            self.take_pdu(message)

    def _end(self) -> None:
        if self._may_end:
            self._ended = True
            self.system_handler(_DONE)
