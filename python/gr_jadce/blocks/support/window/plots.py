# SPDX-License-Identifier: GPL-3.0-or-later
"""The drawings of the window: the raster of activity and, beside it on the same rows, the channels."""

from collections import deque
from math import ceil
from time import thread_time

import numpy as np
import PyQt5.QtCore as QtCore  # before pyqtgraph, which takes the Qt that is loaded
import PyQt5.QtGui as QtGui
import pyqtgraph as pg
from numpy.typing import NDArray

from ....monitoring.figures import Figures, printable
from ....monitoring.raster import pooled
from ....numeric import decibels
from .colours import Colours, is_change_of_colours

ChannelGains = tuple[NDArray, NDArray]  # devices (K,), magnitudes (K, M)
_RANGE_DB, _STEP_DB = 30.0, 5.0  # of the scale of gains
_SURE_SHARE = 0.8  # of the pixels of a plot before it is painted
_PEAKS = 100  # drawings whose highest gain the scale takes in: some ten seconds
_MAX_NAME = 14  # characters of a device's name
_CHANNEL_WIDTH_EM, _BAR_WIDTH_EM = 11.0, 3.6


class DeviceAxis(pg.AxisItem):
    """An axis of devices: ticks at integers alone, also where few are shown, and names where there are some.

    Attributes
    ----------
    names : dict
        Names of devices, by index.
    """

    def __init__(self, orientation: str) -> None:
        super().__init__(orientation)
        self.names: dict[int, str] = {}

    def tickStrings(self, values: list[float], scale: float, spacing: float) -> list[str]:
        numbers = super().tickStrings(values, scale, spacing)
        named = (self.names.get(round(value), text) for value, text in zip(values, numbers, strict=True))
        return [printable(str(name)[:_MAX_NAME]) for name in named]

    def tickSpacing(self, least: float, most: float, size: float) -> list[tuple[float, float]]:
        return [(max(spacing, 1.0), 0) for spacing, _ in super().tickSpacing(least, most, size)]


class Plots(pg.GraphicsLayoutWidget):
    """The raster and, beside it on the same axis of devices, the channels.

    Attributes
    ----------
    painting_time : float
        Processor time of its painting so far, in seconds.
    """

    def __init__(self) -> None:
        super().__init__()
        self.painting_time = 0.0
        self._plots = [self.addPlot(axisItems={"left": DeviceAxis("left")}) for _ in range(2)]
        self._images = [pg.ImageItem(axisOrder="col-major") for _ in range(2)]
        for plot, image in zip(self._plots, self._images, strict=True):
            plot.hideButtons()
            plot.addItem(image)
        (self._view, self._channel_view) = (plot.vb for plot in self._plots)
        self._view.invertY(True)  # device 0 at the top, as in the terminal and the browser
        self._channel_view.invertY(True)
        self._channel_view.setYLink(self._view)
        self._plots[1].hideAxis("left")
        self._bar = pg.ColorBarItem(width=12, colorMap=pg.colormap.get("viridis"), interactive=False)
        self.addItem(self._bar)
        self._peaks: deque = deque(maxlen=_PEAKS)
        self._fitted: tuple[float, int, int] | None = None
        self._devices_per_row = 1
        self._em = 0.0
        self._colour()

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:
        began = thread_time()
        super().paintEvent(event)
        self.painting_time += thread_time() - began

    def changeEvent(self, event: QtCore.QEvent) -> None:
        super().changeEvent(event)
        if is_change_of_colours(event) and hasattr(self, "_em"):
            self._colour()

    def set_em(self, em: float) -> None:
        """Choose the size of letters, in pixels."""
        if em != self._em:
            self._em = em
            self._plots[1].setMaximumWidth(_CHANNEL_WIDTH_EM * em)
            self._bar.axis.setWidth(round(_BAR_WIDTH_EM * em))
            self._label()

    def show_raster(self, cells: NDArray, devices_per_cell: int, figures: Figures) -> None:
        """Draw the cells, no finer than there are pixels, so that none is left out."""
        period = float(f"{figures.slot_period:.4g}") if figures.slot_period > 0 else 1.0
        self._fit(period * len(cells), figures.n_devices, figures.n_antennas)
        (left, right), (low, high) = self._view.viewRange()
        frames = _a_pixel((right - left) / period, self._view.width())
        rows = _a_pixel((high - low) / devices_per_cell, self._view.height())
        cells = pooled(pooled(cells[::-1], frames, 0)[::-1], rows, 1)
        self._images[0].setImage(cells, levels=(0, 255), autoLevels=False)
        height = cells.shape[1] * rows * devices_per_cell
        _place(self._images[0], -len(cells) * frames * period, 0.0, height)
        self._devices_per_row = rows * devices_per_cell

    def show_names(self, names: dict[int, str]) -> None:
        """Call devices by their names, beside the raster."""
        axis = self._plots[0].getAxis("left")
        if names != axis.names:
            axis.names, axis.picture = names, None
            axis.update()

    def show_channel(self, gains: ChannelGains | None, figures: Figures) -> None:
        """Draw the gains of the newest frame, in the rows of the raster."""
        rows = -(-figures.n_devices // self._devices_per_row)
        image = np.zeros((figures.n_antennas, rows), np.float32)
        if gains is not None and gains[1].size and gains[1].shape[1] == figures.n_antennas:
            device, magnitude = gains
            np.maximum.at(image.T, np.minimum(device // self._devices_per_row, rows - 1), magnitude)
            self._peaks.append(2 * float(decibels(max(float(magnitude.max()), 1e-15))))
        most = self._most()
        # A gain below the scale still shows as the lowest colour; devices not found have one of their own.
        lowest = most - _RANGE_DB * 254 / 255
        values = np.where(image > 0, np.maximum(2 * decibels(image), lowest), most - 2 * _RANGE_DB)
        self._images[1].setImage(values, levels=(most - _RANGE_DB, most), autoLevels=False)
        self._bar.setLevels((most - _RANGE_DB, most))
        _place(self._images[1], -0.5, figures.n_antennas - 0.5, rows * self._devices_per_row)

    def _most(self):
        """Where the scale of gains ends: a round number above those of the last drawings; it seldom jumps."""
        return _STEP_DB * ceil(max(self._peaks, default=0.0) / _STEP_DB)

    def _colour(self):
        """Take the colours of the palette."""
        palette, colours = self.palette(), Colours.of(self.palette())
        self._ink = palette.color(QtGui.QPalette.WindowText)
        self.setBackground(palette.color(QtGui.QPalette.Window))
        self._images[0].setLookupTable(colours.raster())
        self._images[1].setLookupTable(colours.gains())
        self._label()

    def _label(self):
        """Write what stands beside the plots, in the colour of ink and the size of letters."""
        size = {"font-size": f"{self._em:.0f}px"} if self._em else {}
        raster, channels = self._plots
        raster.setLabel("left", "device", color=self._ink, **size)
        raster.setLabel("bottom", "time (s), newest at 0", color=self._ink, **size)
        channels.setLabel("bottom", "antenna", color=self._ink, **size)
        self._bar.setLabel("right", "gain (dB)")
        self._bar.axis.setLabel("gain (dB)", color=self._ink, **size)
        for plot, text in ((raster, "Activity"), (channels, "Channels")):
            plot.setTitle(text, color=self._ink, size=f"{1.15 * self._em:.0f}px" if self._em else "10pt")
        axes = [plot.getAxis(side) for plot in self._plots for side in ("left", "bottom")]
        for axis in (*axes, self._bar.axis):
            axis.setPen(self._ink)
            axis.setTextPen(self._ink)
            if self._em:
                axis.setStyle(tickFont=tick_font(self._em))

    def _fit(self, seconds, n_devices, n_antennas):
        if (seconds, n_devices, n_antennas) == self._fitted:
            return
        self._fitted = seconds, n_devices, n_antennas
        self._view.setRange(xRange=(-seconds, 0), yRange=(-0.5, n_devices - 0.5), padding=0)
        self._channel_view.setXRange(-0.5, n_antennas - 0.5, padding=0)
        ticks = range(0, n_antennas, -(-n_antennas // 8))
        self._plots[1].getAxis("bottom").setTicks([[(tick, str(tick)) for tick in ticks]])


def tick_font(em: float) -> QtGui.QFont:
    """The letters of numbers at axes, where others have `em` pixels."""
    font = QtGui.QFont()
    font.setPixelSize(max(round(0.9 * em), 1))
    return font


def _a_pixel(cells, pixels):
    """Cells a pixel, for plots that may shrink a little before they are painted, as axes find their width."""
    return max(1, ceil(cells / max(_SURE_SHARE * pixels, 1)))


def _place(image, left, right, height):
    image.setRect(QtCore.QRectF(left, -0.5, right - left, height))
