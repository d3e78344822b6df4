# SPDX-License-Identifier: GPL-3.0-or-later
"""The impulse response of one device: the power of each tap, a stem over its delay, down to an end."""

from html import escape
from math import ceil

import numpy as np
import PyQt5.QtCore as QtCore  # before pyqtgraph, which takes the Qt that is loaded
import PyQt5.QtGui as QtGui
import pyqtgraph as pg

from ....monitoring.figures import printable
from ....monitoring.responses import Response
from .colours import Colours, is_change_of_colours
from .plots import tick_font

_RANGE_DB, _STEP_DB = 30.0, 5.0
_HEIGHT_EM = 12.0


class ResponsePlot(pg.PlotWidget):
    """A plot to be shown from the first response on (`has_response`)."""

    _is_made = False  # events come before

    def __init__(self) -> None:
        super().__init__()
        self._stems, self._heads = pg.PlotDataItem(connect="pairs"), pg.ScatterPlotItem(size=7, pen=None)
        for item in (self._stems, self._heads):
            self.addItem(item)
        self.hideButtons()
        self.setMouseEnabled(False, False)
        self._reach, self._em = 1.0, 0.0
        self._title = ""
        self.has_response, self._is_made = False, True
        self._colour()

    def changeEvent(self, event: QtCore.QEvent) -> None:
        super().changeEvent(event)
        if self._is_made and is_change_of_colours(event):
            self._colour()

    def set_em(self, em: float) -> None:
        """Choose the size of letters, in pixels."""
        if em != self._em:
            self._em = em
            self.setFixedHeight(round(_HEIGHT_EM * em))
            self._label()

    def show_response(self, response: Response | None, names: dict[int, str]) -> None:
        """Draw a response; with none, what there was stays."""
        if response is None:
            return
        self.has_response = True
        most = _STEP_DB * ceil(float(response.power_db.max()) / _STEP_DB)
        least = most - _RANGE_DB
        shown = response.power_db > least
        delay, height = response.delay[shown], response.power_db[shown]
        stems = np.column_stack([np.full(len(height), least), height])
        self._stems.setData(np.repeat(delay, 2), stems.ravel())
        self._heads.setData(delay, height)
        self._reach = max(self._reach, ceil(float(delay.max())))  # not to jump
        self.setRange(xRange=(min(float(delay.min()), -0.5), self._reach), yRange=(least, most), padding=0)
        name = escape(printable(str(names.get(response.device, response.device))))  # titles are HTML
        self._title = f"Impulse response of device {name}"
        self._label()

    def _colour(self):
        palette = self.palette()
        self._ink = palette.color(QtGui.QPalette.WindowText)
        self.setBackground(palette.color(QtGui.QPalette.Window))
        strong = Colours.of(palette).strong
        self._stems.setPen(pg.mkPen(strong, width=2))
        self._heads.setBrush(pg.mkBrush(strong))
        self._label()

    def _label(self):
        size = {"font-size": f"{self._em:.0f}px"} if self._em else {}
        self.setLabel("left", "power (dB)", color=self._ink, **size)
        self.setLabel("bottom", "delay (symbols)", color=self._ink, **size)
        self.setTitle(self._title, color=self._ink, size=f"{1.05 * self._em:.0f}px" if self._em else "10pt")
        for axis in (self.getAxis("left"), self.getAxis("bottom")):
            axis.setPen(self._ink)
            axis.setTextPen(self._ink)
            if self._em:
                axis.setStyle(tickFont=tick_font(self._em))
