# SPDX-License-Identifier: GPL-3.0-or-later
"""Warnings of a block on data and values it cannot use, few enough to be read."""

from time import monotonic
from typing import Any

from gnuradio import gr
from gnuradio.gr.gateway import gateway_block


def give_loggers(gateway: type = gr.block_gateway, block: type = gateway_block) -> None:
    """Give blocks in Python the property `logger`, which GNU Radio gives them from 3.10.5 on."""
    if not hasattr(gateway, "logger"):
        block.logger = property(lambda self: gr.logger(self.symbol_name()))  # type: ignore[attr-defined]


give_loggers()


class LimitedLog:
    """Logs at most one warning per `interval` seconds and says how many it left out.

    Parameters
    ----------
    logger : gr.logger
        The logger of a block.
    interval : float
        Seconds.
    """

    def __init__(self, logger: Any, interval: float = 1.0) -> None:
        self._logger = logger
        self._interval = interval
        self._due = 0.0
        self._left_out = 0

    def warn(self, text: str) -> None:
        """Log `text`, or count it as left out."""
        now = monotonic()
        if now < self._due:
            self._left_out += 1
            return
        self._logger.warn(f"{text} ({self._left_out} more since the last)" if self._left_out else text)
        self._due, self._left_out = now + self._interval, 0


def refuse_change(logger: Any, name: str, value: float, now: float) -> None:
    """Log an error if a running flowgraph asks for another value of what cannot change."""
    if value != now:
        logger.error(f"{name}: it cannot change while the flowgraph runs: it stays {now}, not {value}")
