# SPDX-License-Identifier: GPL-3.0-or-later
"""What a transmitting radio says of its bursts, and what a receiving one would say of its samples."""

from collections import Counter
from collections.abc import Callable
from time import sleep
from typing import Any

import numpy as np
import pmt
from gnuradio import gr

from ..blocks.support.lifetime import keep_alive

_HOLD_INTERVAL_S = 0.005
_EVENTS = {
    "time_error": "late",
    "underflow": "underflow",
    "underflow_in_packet": "underflow",
    "seq_error": "lost",
    "seq_error_in_burst": "lost",
}


class RadioEvents(gr.basic_block):
    """Counts what a radio says of its transmissions: its port `in` takes UHD's asynchronous messages."""

    def __init__(self) -> None:
        gr.basic_block.__init__(self, "JADCE radio events", in_sig=None, out_sig=None)
        self._counts: Counter[str] = Counter()
        self.message_port_register_in(pmt.intern("in"))
        self.set_msg_handler(pmt.intern("in"), self.handle_message)
        keep_alive(self)

    def counts(self) -> dict[str, int]:
        """Events so far, by name."""
        return {name: self._counts[name] for name in dict.fromkeys(_EVENTS.values())}

    def handle_message(self, message: Any) -> None:
        """Count an event; anything else is left alone."""
        words = str(message).replace("(", " ").replace(")", " ").split()
        self._counts.update(_EVENTS[word] for word in words if word in _EVENTS)


class TimeStamp(gr.sync_block):
    """Tags the first sample with its time, as a radio's source would.

    Parameters
    ----------
    rx_time : (int, float)
        Whole seconds and fraction.
    is_held : callable
        Samples wait while it is true, as a radio would make them wait.
    """

    def __init__(self, rx_time: tuple[int, float], is_held: Callable[[], bool]) -> None:
        gr.sync_block.__init__(self, "JADCE time stamp", in_sig=[np.complex64], out_sig=[np.complex64])
        self._is_held = is_held
        self._rx_time = pmt.make_tuple(pmt.from_uint64(rx_time[0]), pmt.from_double(rx_time[1]))
        keep_alive(self)

    def start(self) -> bool:
        self.add_item_tag(0, 0, pmt.intern("rx_time"), self._rx_time)
        return True

    def work(self, input_items: list, output_items: list) -> int:
        while self._is_held():
            sleep(_HOLD_INTERVAL_S)
        output_items[0][:] = input_items[0]
        return len(output_items[0])
