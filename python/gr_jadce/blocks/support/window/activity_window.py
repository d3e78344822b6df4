# SPDX-License-Identifier: GPL-3.0-or-later
"""The Qt widget of the activity monitor: it reads a `monitoring.monitor.Monitor` at its own pace."""

from collections.abc import Callable, Mapping
from html import escape
from time import monotonic
from typing import Any

import numpy as np
import PyQt5.QtCore as QtCore  # before pyqtgraph, which takes the Qt that is loaded
import PyQt5.QtGui as QtGui
import PyQt5.QtWidgets as QtWidgets

from ....monitoring.figures import figure_texts
from ....monitoring.monitor import Monitor
from ....monitoring.raster import STRONGEST, WEAKEST
from ....monitoring.responses import Response
from .colours import Colours, is_change_of_colours, rgb
from .plots import ChannelGains, Plots
from .response import ResponsePlot
from .said import SaidTable

_FIGURES_INTERVAL_S = 0.25  # faster ones cannot be read
_MAX_DRAWING_SHARE = 0.1  # of a core; on a slow or busy machine the window is drawn less often
_EMS_OF_WIDTH, _EMS_OF_HEIGHT = (
    72.0,
    42.0,
)  # letters grow with the window, as it is made larger for a projector
_MIN_EM, _MAX_EM = 12.0, 32.0  # pixels
_MIN_PLOTS_EM, _PANEL_EM, _LEGEND_EM, _RESPONSE_EM = (
    16.0,
    8.0,
    2.5,
    20.0,
)  # heights; what leaves the plots too little hides
# Windows stay until the process ends: a collection of garbage may run in any of GNU Radio's threads,
# and Qt crashes when a widget is deleted in another thread than its own.
_windows: list[QtWidgets.QWidget] = []


class ActivityWindow(QtWidgets.QWidget):
    """Figures, the raster of activity, the channels of the newest frame, and what devices said last.

    It is light or dark as the desktop is, its letters grow with it, and in a low window the raster
    stays where there is no room for all.

    Parameters
    ----------
    monitor : monitoring.Monitor
    channel_gains : callable
        Gives devices (K,) and magnitudes (K, M) of the newest frame, or None.
    response : callable
        Gives the impulse response to show, or None.
    title : str
    update_time : float
        Seconds from one drawing to the next, longer if drawing would take a tenth of a core.
    """

    def __init__(
        self,
        monitor: Monitor,
        channel_gains: Callable[[], ChannelGains | None],
        response: Callable[[], Response | None] = lambda: None,
        *,
        title: str = "",
        update_time: float = 0.1,
    ) -> None:
        super().__init__()
        _windows.append(self)
        self._monitor = monitor
        self._channel_gains, self._response = channel_gains, response
        self._drawn, self._drawn_at, self._has_room = None, 0.0, False
        self._panel, self._plots, self._legend = _FigurePanel(), Plots(), _Legend()
        self._response_plot, self._said = ResponsePlot(), SaidTable()
        self._said.hide()
        self._anew = QtWidgets.QPushButton("count anew")
        self._anew.clicked.connect(lambda: self._monitor.reset())
        self._lay_out(title)
        timer = QtCore.QTimer(self)
        timer.timeout.connect(self._tick)
        timer.start(max(1, round(1000 * update_time)))

    def sizeHint(self) -> QtCore.QSize:
        return QtCore.QSize(860, 520)

    def minimumSizeHint(self) -> QtCore.QSize:
        return QtCore.QSize(320, round(_MIN_PLOTS_EM * _MIN_EM / 2))

    def resizeEvent(self, event: Any) -> None:
        em = min(max(min(self.width() / _EMS_OF_WIDTH, self.height() / _EMS_OF_HEIGHT), _MIN_EM), _MAX_EM)
        for part in (self._panel, self._plots, self._legend, self._response_plot, self._said):
            part.set_em(em)
        self._has_room = self.height() >= (_MIN_PLOTS_EM + _RESPONSE_EM) * em
        self._show_response_plot()
        self._panel.setVisible(self.height() >= (_MIN_PLOTS_EM + _PANEL_EM) * em)
        for part in (self._legend, self._anew):
            part.setVisible(self.height() >= (_MIN_PLOTS_EM + _LEGEND_EM) * em)
        super().resizeEvent(event)

    def draw(self) -> None:
        """Draw the figures, the raster and the channels that the monitor has now."""
        figures = self._monitor.figures()
        if figures is not None:
            self._panel.show_figures(figure_texts(figures, self._monitor.counts()))
            if (layout := self.layout()) is not None:
                layout.activate()  # the plots are drawn to the pixels that the panel leaves them
            self._plots.show_names(self._monitor.names())
            self._plots.show_raster(*self._monitor.raster(), figures)
            self._plots.show_channel(self._channel_gains(), figures)
            self._response_plot.show_response(self._response(), self._monitor.names())
            self._said.show_said(self._monitor.said(), self._monitor.names())
            self._show_response_plot()

    def _show_response_plot(self):
        self._response_plot.setVisible(self._response_plot.has_response and self._has_room)
        self._said.setVisible(self._said.has_text and self._has_room)

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
        layout.setSizeConstraint(QtWidgets.QLayout.SetNoConstraint)  # the parts hide where there is no room
        if title:
            layout.addWidget(QtWidgets.QLabel(f"<b>{escape(title)}</b>"), alignment=QtCore.Qt.AlignHCenter)
        layout.addWidget(self._panel)
        layout.addWidget(self._plots, stretch=1)
        layout.addWidget(self._response_plot)
        layout.addWidget(self._said)
        foot = QtWidgets.QHBoxLayout()
        foot.addWidget(self._legend, stretch=1)
        foot.addWidget(self._anew)
        layout.addLayout(foot)


class _FigurePanel(QtWidgets.QWidget):
    """Figures below their captions."""

    _COLUMNS = 6

    def __init__(self) -> None:
        super().__init__()
        self._grid = QtWidgets.QGridLayout(self)
        self._grid.setContentsMargins(6, 0, 6, 0)
        self._grid.setVerticalSpacing(0)
        self._grid.setHorizontalSpacing(12)
        self._labels: dict[str, tuple[QtWidgets.QLabel, QtWidgets.QLabel]] = {}
        self._since_shown = QtCore.QElapsedTimer()
        self._em = _MIN_EM

    def set_em(self, em: float) -> None:
        """Choose the size of letters, in pixels."""
        self._em = em
        for caption, value in self._labels.values():
            self._size(caption, value)

    def show_figures(self, texts: Mapping[str, tuple[str, bool]]) -> None:
        """Show {caption: (text, whether it is bad)}, if the last ones have been there for a while."""
        if self._since_shown.isValid() and self._since_shown.elapsed() < 1000 * _FIGURES_INTERVAL_S:
            return
        self._since_shown.start()
        bad_colour = Colours.of(self.palette()).bad
        for caption, (plain_text, bad) in texts.items():
            text = escape(plain_text)
            _, value = self._labels.get(caption) or self._add(caption)
            value.setText(f'<b style="color: {bad_colour}">{text}</b>' if bad else f"<b>{text}</b>")

    def _add(self, caption):
        row, column = divmod(len(self._labels), self._COLUMNS)
        labels = self._labels[caption] = QtWidgets.QLabel(caption), QtWidgets.QLabel()
        for below, label in enumerate(labels):
            self._grid.addWidget(label, 2 * row + below, column)
        self._grid.setColumnStretch(column, 1)
        self._size(*labels)
        return labels

    def _size(self, caption, value):
        caption.setFont(_sized(caption, 0.95 * self._em))
        value.setFont(_sized(value, 1.25 * self._em))


class _Legend(QtWidgets.QLabel):
    """What the colours of the raster mean."""

    def __init__(self) -> None:
        super().__init__()
        self.setAlignment(QtCore.Qt.AlignmentFlag.AlignHCenter)
        self._write()

    def set_em(self, em: float) -> None:
        """Choose the size of letters, in pixels."""
        self.setFont(_sized(self, 0.95 * em))

    def changeEvent(self, event: Any) -> None:
        super().changeEvent(event)
        if is_change_of_colours(event):
            self._write()

    def _write(self):
        colours = Colours.of(self.palette())
        strengths = colours.raster()[np.linspace(WEAKEST, STRONGEST, 5).astype(int)]
        entries = ["detected, score low " + "".join(map(_swatch, strengths.tolist())) + " high"]
        for text, colour in (
            ("missed", colours.miss),
            ("false alarm", colours.false_alarm),
            ("no answer", colours.no_answer),
            ("bad input", colours.bad_input),
        ):
            entries.append(f"{_swatch(rgb(colour))} {text}")
        self.setText(" &nbsp; ".join(entries))


def _sized(widget, pixels):
    font = QtGui.QFont(widget.font())
    font.setPixelSize(max(round(pixels), 1))
    return font


def _swatch(colour):
    return '<span style="color: rgb({}, {}, {})">■</span>'.format(*colour)
