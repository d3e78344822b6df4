# SPDX-License-Identifier: GPL-3.0-or-later
"""Colours of the window, for light and for dark desktops: those of the page in the browser."""

from dataclasses import dataclass

import numpy as np
import PyQt5.QtCore as QtCore  # before pyqtgraph, which takes the Qt that is loaded
import PyQt5.QtGui as QtGui
import pyqtgraph as pg
from numpy.typing import NDArray

from ....monitoring.raster import (
    BAD_INPUT,
    FALSE_ALARM,
    MISS,
    NO_ANSWER,
    NOTHING,
    QUIET,
    STRONGEST,
    WEAKEST,
)


@dataclass(frozen=True)
class Colours:
    """Of a raster's cells, apart in lightness as well as in hue, for colour-blind eyes; and of bad news."""

    nothing: str
    no_answer: str
    bad_input: str
    quiet: str
    weak: str
    strong: str
    false_alarm: str
    miss: str
    bad: str

    @classmethod
    def of(cls, palette: QtGui.QPalette) -> "Colours":
        """Those that go with the background of a palette."""
        return DARK if palette.color(QtGui.QPalette.Window).lightness() < 128 else LIGHT

    def raster(self) -> NDArray:
        """The colour of each code of a cell, (256, 3) uint8."""
        colours = np.zeros((256, 3), np.uint8)
        rise = np.linspace(0, 1, STRONGEST - WEAKEST + 1)[:, None]
        colours[WEAKEST : STRONGEST + 1] = (1 - rise) * rgb(self.weak) + rise * rgb(self.strong)
        for code, colour in self.fixed().items():
            colours[code] = rgb(colour)
        return colours

    def fixed(self) -> dict[int, str]:
        """The colours of codes that are no strengths."""
        return {
            NOTHING: self.nothing, NO_ANSWER: self.no_answer, BAD_INPUT: self.bad_input, QUIET: self.quiet,
            FALSE_ALARM: self.false_alarm, MISS: self.miss,
        }  # fmt: skip

    def gains(self) -> NDArray:
        """A scale of gains, (256, 3) uint8, whose first colour stands for devices that were not found."""
        colours = pg.colormap.get("viridis").getLookupTable(nPts=256)[:, :3].astype(np.uint8)
        colours[0] = rgb(self.quiet)
        return colours


LIGHT = Colours(
    nothing="#e3e7ec", no_answer="#b9c2cc", bad_input="#8b95a1", quiet="#ffffff", weak="#8fbfe6",
    strong="#0a3f7d", false_alarm="#d55e00", miss="#e6a100", bad="#c24e00",
)  # fmt: skip
DARK = Colours(
    nothing="#000000", no_answer="#5a5a5a", bad_input="#b4b4b4", quiet="#14191f", weak="#1d4f73",
    strong="#8fd3f8", false_alarm="#d55e00", miss="#f0e442", bad="#ff8a3d",
)  # fmt: skip


def rgb(colour: str) -> NDArray:
    """The three parts of a colour, 0 to 255."""
    return np.array(QtGui.QColor(colour).getRgb()[:3])


def is_change_of_colours(event: QtCore.QEvent) -> bool:
    """Whether an event of a widget says that its palette has become another."""
    return event.type() in (QtCore.QEvent.Type.PaletteChange, QtCore.QEvent.Type.StyleChange)
