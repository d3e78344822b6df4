# SPDX-License-Identifier: GPL-3.0-or-later
"""What devices said last, as a table below the plots."""

from collections.abc import Mapping
from html import escape

import PyQt5.QtCore as QtCore
import PyQt5.QtGui as QtGui
import PyQt5.QtWidgets as QtWidgets

from ....monitoring.figures import printable

_COLUMNS, _MAX_ROWS = 4, 8
_MAX_TEXT = 24  # characters of a packet


class SaidTable(QtWidgets.QLabel):
    """Names and texts of the first devices that say something, to be shown from then on (`has_text`)."""

    def __init__(self) -> None:
        super().__init__()
        self.setAlignment(QtCore.Qt.AlignmentFlag.AlignHCenter)
        self.has_text = False

    def set_em(self, em: float) -> None:
        """Choose the size of letters, in pixels."""
        font = QtGui.QFont(self.font())
        font.setPixelSize(max(round(1.05 * em), 1))
        self.setFont(font)

    def show_said(self, said: Mapping[int, str], names: Mapping[int, str]) -> None:
        """Show texts by devices."""
        if not said:
            return
        self.has_text = True
        cells = [
            f"<td align='right'>{escape(printable(str(names.get(device, device))))}&nbsp;</td>"
            f"<td><b>{escape(printable(text[:_MAX_TEXT]))}</b> &nbsp; &nbsp;</td>"
            for device, text in list(said.items())[: _COLUMNS * _MAX_ROWS]
        ]
        rows = ["".join(cells[k : k + _COLUMNS]) for k in range(0, len(cells), _COLUMNS)]
        self.setText(f"<table>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>")
