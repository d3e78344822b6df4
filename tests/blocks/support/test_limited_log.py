# SPDX-License-Identifier: GPL-3.0-or-later
"""Warnings come at most once an interval, and those left out are counted."""

from gnuradio import gr

from gr_jadce.blocks.support import limited_log


class Logger(list):
    warn = list.append


def test_warnings_are_limited_and_counted(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(limited_log, "monotonic", lambda: now[0])
    logger = Logger()
    log = limited_log.LimitedLog(logger, interval=1.0)
    for text in ("a", "b", "c"):
        log.warn(text)
    now[0] += 1.0
    log.warn("d")
    now[0] += 0.99
    log.warn("e")
    now[0] += 1.0
    log.warn("f")
    assert logger == ["a", "d (2 more since the last)", "f (1 more since the last)"]


def test_blocks_of_an_old_gnuradio_get_a_logger():
    class Block:
        def symbol_name(self):
            return "mine0"

    limited_log.give_loggers(gateway=type("gateway", (), {"logger": None}), block=Block)
    assert not hasattr(Block, "logger")
    limited_log.give_loggers(gateway=type("gateway", (), {}), block=Block)
    assert isinstance(Block().logger, gr.logger)
