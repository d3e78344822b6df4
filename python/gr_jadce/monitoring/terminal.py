# SPDX-License-Identifier: GPL-3.0-or-later
"""The monitor as text: what a terminal of any size shows of it."""

import os
import select
import sys
import termios
import tty
from collections.abc import Sequence
from math import ceil
from shutil import get_terminal_size

import numpy as np

from .figures import figure_texts, printable
from .monitor import Monitor
from .raster import (
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

# Colours of xterm's 256, those of the window as far as there are; detections from weak to strong.
_COLOURS = {NOTHING: 16, NO_ANSWER: 240, BAD_INPUT: 250, QUIET: 234, FALSE_ALARM: 202, MISS: 227}
_BLUES = (25, 32, 39, 81, 123)
_GLYPHS = {NOTHING: " ", NO_ANSWER: "-", BAD_INPUT: "?", QUIET: ".", FALSE_ALARM: "F", MISS: "M"}
_LEGEND = {
    "detected": (WEAKEST + STRONGEST) // 2,
    "missed": MISS,
    "false alarm": FALSE_ALARM,
    "bad input": BAD_INPUT,
}
_LEGEND |= {"no answer": NO_ANSWER}
_FIGURE_WIDTH = 30  # characters
_MAX_NAME_WIDTH = 14  # of a device
_LINES_PER_LABEL = 4
_NOTE = "; in the SNR missed devices count as noise"
_BOLD, _DIM, _BAD, _PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[1;38;5;202m", "\x1b[0m"


def screen(
    monitor: Monitor,
    title: str,
    state: tuple[str, bool],
    *,
    width: int,
    height: int,
    colour: bool = True,
    is_live: bool = True,
) -> list[str]:
    """The lines to show, `height` at most, each of `width` characters at most.

    Parameters
    ----------
    monitor : monitoring.Monitor
    title : str
    state : (str, bool)
        How the source is, and whether that is bad.
    width, height : int
    colour : bool
        Half blocks in colour, two devices a character; else letters.
    is_live : bool
        Whether frames come as they are sent, so that there is a load.
    """
    text, bad = printable(state[0]), state[1]
    ink = _Ink(colour)
    head = f"{printable(title)}  "[:width]
    lines = [ink(_BOLD, head) + ink(_BAD if bad else _DIM, text[: max(width - len(head), 0)])]
    figures = monitor.figures()
    if figures is None:
        return [*lines, "waiting for the first report"[:width], _keys(ink, width)][:height]
    texts = figure_texts(figures, monitor.counts(), is_live=is_live)
    lines += _figure_lines(texts, width, ink)[: max(height // 3, 1)]  # the raster needs the rest
    room = height - len(lines) - 3
    if room >= 2:
        cells, devices_per_cell = monitor.raster()
        names = monitor.names() if devices_per_cell == 1 else {}
        said = _said_lines(monitor, width)[: room // 3]
        lines += ["", *_raster_lines(cells, devices_per_cell, names, width, room - len(said), ink), *said]
    return [*lines[: height - 1], _keys(ink, width)]


def summary(monitor: Monitor, state: tuple[str, bool], *, is_live: bool = True) -> str:
    """One line of text."""
    figures = monitor.figures()
    source = printable(state[0])
    if figures is None:
        return f"no report yet, {source}"
    texts = figure_texts(figures, monitor.counts(), is_live=is_live)
    return "  ".join([f"{name}: {text}" for name, (text, _) in texts.items()] + [f"source: {source}"])


class Terminal:
    """The screen of a terminal while it is used, and its keys; as it was before, afterwards."""

    def __init__(self) -> None:
        self._keys = os.open("/dev/tty", os.O_RDONLY)
        self._before = termios.tcgetattr(self._keys)
        dumb = os.environ.get("TERM") == "dumb" or "NO_COLOR" in os.environ
        self.colour = not dumb and "utf" in (sys.stdout.encoding or "").lower()

    def __enter__(self) -> "Terminal":
        tty.setcbreak(self._keys)
        sys.stdout.write("\x1b[?1049h\x1b[?25l")
        return self

    def __exit__(self, *_: object) -> None:
        sys.stdout.write("\x1b[?25h\x1b[?1049l")
        sys.stdout.flush()
        termios.tcsetattr(self._keys, termios.TCSADRAIN, self._before)
        os.close(self._keys)

    def size(self) -> tuple[int, int]:
        """Columns and lines, now."""
        columns, lines = get_terminal_size()
        return columns, lines

    def show(self, lines: Sequence[str]) -> None:
        """Show lines from the top, and nothing below."""
        sys.stdout.write("\x1b[H" + "\r\n".join(line + "\x1b[K" for line in lines) + "\x1b[J")
        sys.stdout.flush()

    def key(self, seconds: float) -> str:
        """The key pressed within so many seconds, or nothing."""
        ready, _, _ = select.select([self._keys], [], [], seconds)
        return os.read(self._keys, 1).decode(errors="replace") if ready else ""


class _Ink:
    def __init__(self, colour):
        self.colour = colour

    def __call__(self, style, text):
        return f"{style}{text}{_PLAIN}" if self.colour else text


def _figure_lines(texts, width, ink):
    """The figures in as many columns as fit."""
    columns = max(1, width // _FIGURE_WIDTH)
    entries = []
    for caption, (text, bad) in texts.items():
        room = max(min(width, _FIGURE_WIDTH) - len(caption) - 2, 1)
        entries.append(ink(_DIM, caption) + " " + ink(_BAD if bad else _BOLD, f"{text[:room]:{room}}") + " ")
    return ["".join(entries[k : k + columns]) for k in range(0, len(entries), columns)]


def _said_lines(monitor, width):
    """What devices said last, as many in a line as fit."""
    names, lines = monitor.names(), [""]
    for device, text in monitor.said().items():
        entry = printable(f"{names.get(device, device)}: {text}")[:width]
        fits = lines[-1] and len(lines[-1]) + len(entry) + 3 <= width
        lines[-1 if fits else len(lines) :] = [f"{lines[-1]}   {entry}" if fits else entry]
    return lines[1:]


def _raster_lines(cells, devices_per_cell, names, width, height, ink):
    """The newest slots at the right, device 0 at the top, the labels at the left."""
    rows = (height - 1) * (1 + ink.colour)
    factor = ceil(cells.shape[1] / rows)
    labels = _labels(-(-cells.shape[1] // factor), factor * devices_per_cell, names if factor == 1 else {})
    margin = max(map(len, labels)) + 1
    cells = pooled(cells[-max(width - margin, 1) :], factor, 1)
    stretch = max(rows // cells.shape[1], 1)  # a few devices fill the height, too
    texts = (_half_blocks if ink.colour else _letters)(cells.repeat(stretch, axis=1))
    lines, label_due = [], 0
    for number, text in enumerate(texts):
        row = ceil(number * (1 + ink.colour) / stretch)  # the first that may begin in this line
        begins = row * stretch < (number + 1) * (1 + ink.colour) and row < len(labels)
        label = labels[row] if begins and number >= label_due else ""
        label_due = number + (1 if names else _LINES_PER_LABEL) if label else label_due
        lines.append(ink(_DIM, f"{label:>{margin - 1}} ") + text)
    each = factor * devices_per_cell
    note = (f"{each} devices a row; " if each > 1 else "") + "newest slot at the right" + _NOTE
    return [*lines, " " * margin + ink(_DIM, note[: max(width - margin, 0)])]


def _labels(n_rows, devices_per_row, names):
    """What each row is called: its device's name, or the number of its first device."""
    numbers = [row * devices_per_row for row in range(n_rows)]
    return [printable(str(names.get(number, number))[:_MAX_NAME_WIDTH]) for number in numbers]


def _half_blocks(cells):
    """Two rows of cells a line: the upper half in the colour of the ink, the lower in that of the paper."""
    colours = _codes()[cells]
    if colours.shape[1] % 2:
        colours = np.pad(colours, ((0, 0), (0, 1)), constant_values=_COLOURS[NOTHING])
    for upper, lower in zip(colours.T[::2], colours.T[1::2], strict=True):
        text, last = "", None
        for pair in zip(upper.tolist(), lower.tolist(), strict=True):
            text += ("" if pair == last else "\x1b[38;5;{};48;5;{}m".format(*pair)) + "▀"
            last = pair
        yield text + _PLAIN


def _letters(cells):
    for row in cells.T.tolist():
        yield "".join(_GLYPHS.get(code, "o" if code < (WEAKEST + STRONGEST) // 2 else "O") for code in row)


def _codes():
    """The colour of each code of a cell, (256,)."""
    colours = np.zeros(256, int)
    strengths = np.arange(STRONGEST - WEAKEST + 1)
    colours[WEAKEST : STRONGEST + 1] = np.array(_BLUES)[strengths * len(_BLUES) // len(strengths)]
    for code, colour in _COLOURS.items():
        colours[code] = colour
    return colours


def _keys(ink, width):
    """The legend, as far as it fits, and the key that quits."""
    keys = "q quits, r counts anew"
    text, length = keys[:width], len(keys)
    for name, code in _LEGEND.items():
        length += len(name) + 4
        if length > width:
            break
        letter = _GLYPHS.get(code, "O")
        text += "  " + (f"\x1b[38;5;{_codes()[code]}m█{_PLAIN}" if ink.colour else letter) + " " + name
    return text
