# SPDX-License-Identifier: GPL-3.0-or-later
"""The Qt widget of the activity monitor: it reads a `monitoring.monitor.Monitor` at its own pace."""

from collections.abc import Callable, Mapping
from html import escape
from math import ceil, floor, log10
from time import monotonic, thread_time

import numpy as np
import PyQt5.QtCore as QtCore  # before pyqtgraph, which takes the Qt that is loaded
import PyQt5.QtGui as QtGui
import PyQt5.QtWidgets as QtWidgets
import pyqtgraph as pg
from numpy.typing import NDArray

from ...monitoring.figures import Figures, figure_texts
from ...monitoring.monitor import Monitor
from ...monitoring.raster import (
    BAD_INPUT,
    FALSE_ALARM,
    MISS,
    NO_ANSWER,
    NOTHING,
    QUIET,
    STRONGEST,
    WEAKEST,
    pooled,
)

ChannelGains = tuple[NDArray, NDArray]  # devices (K,), magnitudes (K, M)
# Apart in lightness as well as in hue, for colour-blind eyes too (hues of Okabe and Ito).
_COLOURS = {
    NOTHING: "#000000",
    NO_ANSWER: "#5a5a5a",
    BAD_INPUT: "#b4b4b4",
    QUIET: "#14191f",
    FALSE_ALARM: "#d55e00",
    MISS: "#f0e442",
}
_WEAK, _STRONG = "#1d4f73", "#8fd3f8"
_FIGURES_INTERVAL_S = 0.25  # faster ones cannot be read
_MAX_DRAWING_SHARE = 0.1  # of a core; on a slow or busy machine the window is drawn less often
# Windows stay until the process ends: a collection of garbage may run in any of GNU Radio's threads,
# and Qt crashes when a widget is deleted in another thread than its own.
_windows: list[QtWidgets.QWidget] = []


class ActivityWindow(QtWidgets.QWidget):
    """Figures, the raster of activity, and the channels of the newest frame.

    Parameters
    ----------
    monitor : monitoring.Monitor
    channel_gains : callable
        Gives devices (K,) and magnitudes (K, M) of the newest frame, or None.
    title : str
    update_time : float
        Seconds from one drawing to the next, longer if drawing would take a tenth of a core.
    """

    def __init__(
        self,
        monitor: Monitor,
        channel_gains: Callable[[], ChannelGains | None],
        *,
        title: str = "",
        update_time: float = 0.1,
    ) -> None:
        super().__init__()
        _windows.append(self)
        self._monitor = monitor
        self._channel_gains = channel_gains
        self._drawn, self._drawn_at = None, 0.0
        self._panel, self._plots = _FigurePanel(), _Plots()
        self._lay_out(title)
        timer = QtCore.QTimer(self)
        timer.timeout.connect(self._tick)
        timer.start(max(1, round(1000 * update_time)))

    def sizeHint(self) -> QtCore.QSize:
        return QtCore.QSize(860, 520)

    def draw(self) -> None:
        """Draw the figures, the raster and the channels that the monitor has now."""
        figures = self._monitor.figures()
        if figures is not None:
            self._plots.show_raster(*self._monitor.raster(), figures)
            self._plots.show_channel(self._channel_gains(), figures)
            self._panel.show_figures(figure_texts(figures, self._monitor.counts()))

    def _tick(self):
        changes, now = self._monitor.changes(), monotonic()
        rested = now - self._drawn_at >= self._plots.painting_time / _MAX_DRAWING_SHARE
        if changes != self._drawn and rested and self.isVisible():
            self._drawn, self._drawn_at = changes, now
            self._plots.painting_time = 0.0
            self.draw()

    def _lay_out(self, title):
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(6, 6, 6, 6)
        if title:
            layout.addWidget(QtWidgets.QLabel(f"<b>{escape(title)}</b>"), alignment=QtCore.Qt.AlignHCenter)
        layout.addWidget(self._panel)
        layout.addWidget(self._plots, stretch=1)
        layout.addWidget(_legend())


class _FigurePanel(QtWidgets.QWidget):
    """Figures below their captions."""

    _COLUMNS = 6

    def __init__(self) -> None:
        super().__init__()
        self._grid = QtWidgets.QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._values: dict[str, QtWidgets.QLabel] = {}
        self._since_shown = QtCore.QElapsedTimer()

    def show_figures(self, texts: Mapping[str, tuple[str, bool]]) -> None:
        """Show {caption: (text, whether it is bad)}, if the last ones have been there for a while."""
        if self._since_shown.isValid() and self._since_shown.elapsed() < 1000 * _FIGURES_INTERVAL_S:
            return
        self._since_shown.start()
        for caption, (plain_text, bad) in texts.items():
            text = escape(plain_text)
            value = self._values.get(caption) or self._add(caption)
            value.setText(
                f'<b style="color: {_COLOURS[FALSE_ALARM]}">{text}</b>' if bad else f"<b>{text}</b>"
            )

    def _add(self, caption):
        row, column = divmod(len(self._values), self._COLUMNS)
        value = self._values[caption] = QtWidgets.QLabel()
        self._grid.addWidget(QtWidgets.QLabel(f"<small>{caption}</small>"), 2 * row, column)
        self._grid.addWidget(value, 2 * row + 1, column)
        self._grid.setColumnStretch(column, 1)
        return value


class _Plots(pg.GraphicsLayoutWidget):
    """The raster and, beside it on the same axis of devices, the channels.

    `painting_time` adds up the processor time of its painting, in seconds.
    """

    def __init__(self) -> None:
        super().__init__()
        self.painting_time = 0.0
        self._ink = self.palette().color(QtGui.QPalette.WindowText)
        self.setBackground(self.palette().color(QtGui.QPalette.Window))
        self._view, self._raster = self._add_image("time (s), newest at 0", _raster_colours())
        viridis = pg.colormap.get("viridis")
        self._channel_view, self._channel = self._add_image("antenna", viridis.getLookupTable(nPts=256))
        self._channel_view.setYLink(self._view)
        self._bar = pg.ColorBarItem(width=12, colorMap=viridis, interactive=False)
        self.addItem(self._bar)
        self._decorate()
        self._fitted = self._scale = None

    def paintEvent(self, event: QtGui.QPaintEvent) -> None:
        began = thread_time()
        super().paintEvent(event)
        self.painting_time += thread_time() - began

    def show_raster(self, cells: NDArray, devices_per_cell: int, figures: Figures) -> None:
        """Draw the cells, no finer than there are pixels, so that none is left out."""
        period = float(f"{figures.slot_period:.4g}") if figures.slot_period > 0 else 1.0
        self._fit(period * len(cells), figures.n_devices, figures.n_antennas)
        (left, right), (low, high) = self._view.viewRange()
        frames = _a_pixel((right - left) / period, self._view.width())
        rows = _a_pixel((high - low) / devices_per_cell, self._view.height())
        cells = pooled(pooled(cells[::-1], frames, 0)[::-1], rows, 1)
        self._raster.setImage(cells, levels=(0, 255), autoLevels=False)
        _place(self._raster, -len(cells) * frames * period, 0.0, cells.shape[1] * rows * devices_per_cell)
        self._devices_per_row = rows * devices_per_cell

    def show_channel(self, gains: ChannelGains | None, figures: Figures) -> None:
        """Draw the magnitudes of the newest frame, in the rows of the raster."""
        rows = -(-figures.n_devices // self._devices_per_row)
        image = np.zeros((figures.n_antennas, rows), np.float32)
        if gains is not None and gains[1].size and gains[1].shape[1] == figures.n_antennas:
            device, magnitude = gains
            np.maximum.at(image.T, np.minimum(device // self._devices_per_row, rows - 1), magnitude)
            self._rescale(float(magnitude.max()))
        self._channel.setImage(image, levels=(0.0, self._scale or 1.0), autoLevels=False)
        _place(self._channel, -0.5, figures.n_antennas - 0.5, rows * self._devices_per_row)

    def _add_image(self, label, colours):
        plot = self.addPlot()
        plot.setLabel("bottom", label, color=self._ink)
        plot.hideButtons()
        image = pg.ImageItem(axisOrder="col-major")
        image.setLookupTable(colours)
        plot.addItem(image)
        for side in ("left", "bottom"):
            plot.getAxis(side).setPen(self._ink)
            plot.getAxis(side).setTextPen(self._ink)
        return plot.vb, image

    def _decorate(self):
        raster_plot, channel_plot = self.getItem(0, 0), self.getItem(0, 1)
        raster_plot.setLabel("left", "device", color=self._ink)
        raster_plot.setTitle("Activity", color=self._ink, size="10pt")
        channel_plot.setTitle("Channels", color=self._ink, size="10pt")
        channel_plot.hideAxis("left")
        channel_plot.setMaximumWidth(160)
        self._bar.axis.setPen(self._ink)
        self._bar.axis.setTextPen(self._ink)
        self._bar.setLabel("right", "magnitude", color=self._ink)

    def _fit(self, seconds, n_devices, n_antennas):
        if (seconds, n_devices, n_antennas) == self._fitted:
            return
        self._fitted = seconds, n_devices, n_antennas
        self._view.setRange(xRange=(-seconds, 0), yRange=(-0.5, n_devices - 0.5), padding=0)
        self._channel_view.setXRange(-0.5, n_antennas - 0.5, padding=0)
        ticks = range(0, n_antennas, -(-n_antennas // 8))
        self.getItem(0, 1).getAxis("bottom").setTicks([[(tick, str(tick)) for tick in ticks]])

    def _rescale(self, peak):
        """Let the scale end at a round number above the peak; follow a peak down that is five times lower."""
        if peak > 0 and (self._scale is None or not self._scale / 5 < peak <= self._scale):
            power = 10.0 ** floor(log10(peak))
            self._scale = next(power * step for step in (1, 2, 5, 10) if peak <= power * step * (1 + 1e-9))
            self._bar.setLevels((0.0, self._scale))


def _a_pixel(cells, pixels):
    return max(1, ceil(cells / max(pixels, 1)))


def _place(image, left, right, height):
    image.setRect(QtCore.QRectF(left, -0.5, right - left, height))


def _raster_colours():
    """The colour of each code, (256, 3) uint8."""
    colours = np.zeros((256, 3), np.uint8)
    rise = np.linspace(0, 1, STRONGEST - WEAKEST + 1)[:, None]
    colours[WEAKEST : STRONGEST + 1] = (1 - rise) * _rgb(_WEAK) + rise * _rgb(_STRONG)
    for code, colour in _COLOURS.items():
        colours[code] = _rgb(colour)
    return colours


def _rgb(colour):
    return np.array(QtGui.QColor(colour).getRgb()[:3])


def _legend():
    colours = _raster_colours()[np.linspace(WEAKEST, STRONGEST, 5).astype(int)]
    entries = ["detected, score low " + "".join(map(_swatch, colours.tolist())) + " high"]
    for code, text in (
        (MISS, "missed"),
        (FALSE_ALARM, "false alarm"),
        (NO_ANSWER, "no answer"),
        (BAD_INPUT, "bad input"),
    ):
        entries.append(f"{_swatch(_rgb(_COLOURS[code]))} {text}")
    legend = QtWidgets.QLabel("<small>" + " &nbsp; ".join(entries) + "</small>")
    legend.setAlignment(QtCore.Qt.AlignHCenter)
    return legend


def _swatch(colour):
    return '<span style="color: rgb({}, {}, {})">■</span>'.format(*colour)
