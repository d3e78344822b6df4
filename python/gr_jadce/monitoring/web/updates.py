# SPDX-License-Identifier: GPL-3.0-or-later
"""The messages that keep a page as its monitor is: all of it, or what has changed since the last one."""

import json
from collections.abc import Callable, Iterable
from typing import Any

from ..monitor import Monitor, Snapshot
from .columns import all_columns, changed_ages, columns_of, plain
from .panels import device_panel, names_of, panels

_TICKS_A_PANEL = 5  # figures that change faster cannot be read
_MAX_NAMES = 65_536


class Updates:
    """Numbered states of a monitor, and the messages that lead to the newest.

    A viewer in the state before the newest gets what has changed; any other gets all.
    Messages are made once, however many viewers there are.

    Parameters
    ----------
    monitor : monitoring.Monitor
    state : callable
        Gives a text on how the source is, and whether that is bad.
    is_live : callable
        Whether frames come as they are sent, so that the load means something.

    Attributes
    ----------
    number : int
        Of the newest state.
    has_panels : bool
        Whether with it come figures, and all else that changes at a pace for readers.
    """

    def __init__(
        self,
        monitor: Monitor,
        state: Callable[[], tuple[str, bool]],
        *,
        is_live: Callable[[], bool] = lambda: True,
    ) -> None:
        self.number = 0
        self._monitor, self._state, self._is_live = monitor, state, is_live
        self._snapshot = monitor.snapshot()
        self._before = self._snapshot
        self._names = monitor.names()
        self._new_names: dict[int, str] = {}
        self._panels: dict[str, Any] = {}
        self.has_panels = False
        self._panels_of: tuple[Any, ...] = ()
        self._ticks = -1
        self._messages: dict[bool, str] = {}

    def advance(self) -> None:
        """Look at the monitor; a new state if there is something new."""
        self._ticks += 1
        is_panel_due = self._ticks % _TICKS_A_PANEL == 0 and self._panels_of != self._panel_key()
        if self._monitor.changes() == self._snapshot.changes and not is_panel_due:
            return
        self._before, self._snapshot = self._snapshot, self._monitor.snapshot()
        self.number += 1
        self._messages.clear()
        self._learn_names()
        self.has_panels = is_panel_due
        if is_panel_due:
            self._panels_of = self._panel_key()
            self._panels = self._make_panels()

    def message(self, number: int | None) -> str | None:
        """What a viewer in the state of a number needs to be in the newest; None if it is."""
        if number == self.number:
            return None
        is_next = number == self.number - 1 and self._scrolled() is not None
        if is_next not in self._messages:
            update = self._change() if is_next else self._everything()
            self._messages[is_next] = json.dumps(update, allow_nan=False, separators=(",", ":"))
        return self._messages[is_next]

    def device(self, device: int) -> str | None:
        """The message on a device; None if there is no such."""
        if device >= _n_devices(self._snapshot):
            return None
        return json.dumps(plain({"selected": device_panel(self._snapshot, device)}), allow_nan=False)

    def _panel_key(self):
        return self._monitor.changes(), self._state(), self._is_live()

    def _make_panels(self):
        text, bad = self._state()
        return plain({"source": [text, bad], **panels(self._snapshot, is_live=self._is_live())})

    def _learn_names(self):
        if self._scrolled() is None:
            self._names, self._new_names = self._monitor.names(), {}
            return
        n_new = self._n_new()
        found = _names_in(self._snapshot.reports[-n_new:] if n_new else ())
        self._new_names = {n: name for n, name in found.items() if self._names.get(n) != name}
        if len(self._names) < _MAX_NAMES:
            self._names |= self._new_names

    def _n_new(self):
        """Reports that have come since the state before, as far as they are still there."""
        new = self._snapshot.counts.frames - self._before.counts.frames
        return min(max(new, 0), len(self._snapshot.reports))

    def _scrolled(self) -> int | None:
        """Slots by which the raster has scrolled since the state before; None if it has begun anew."""
        before, now = self._before, self._snapshot
        if before.newest is None or now.newest is None or before.cells.shape != now.cells.shape:
            return None
        shift = now.newest - before.newest
        return shift if 0 <= shift < len(now.cells) and not _has_new_devices(before, now) else None

    def _change(self):
        shift = self._scrolled()
        age = changed_ages(self._before.cells, self._snapshot.cells, shift)
        columns = columns_of(self._snapshot.cells, age)
        return {"shift": shift, "columns": columns, **self._common(self._new_names, self.has_panels)}

    def _everything(self):
        shape = {"frames": len(self._snapshot.cells), "cells": self._snapshot.cells.shape[1]}
        shape["devicesPerCell"] = self._snapshot.devices_per_cell
        shape["devices"] = _n_devices(self._snapshot)
        columns = all_columns(self._snapshot.cells)
        return {"shape": shape, "columns": columns, **self._common(self._names, True)}

    def _common(self, names, with_panels):
        newest = self._snapshot.newest
        common = {"newest": None if newest is None else str(newest), "names": names}
        return common | (self._panels if with_panels else {})


def _names_in(reports: Iterable[Any]) -> dict[int, str]:
    return {n: name for report in reports for n, name in names_of(report).items()}


def _n_devices(snapshot: Snapshot) -> int:
    return snapshot.reports[-1].n_devices if snapshot.reports else 0


def _has_new_devices(before: Snapshot, now: Snapshot) -> bool:
    return _n_devices(before) != _n_devices(now)
