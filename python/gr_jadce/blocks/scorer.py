# SPDX-License-Identifier: GPL-3.0-or-later
"""Scores a receiver's reports against the truth of a simulated uplink."""

from typing import Any

import pmt

from ..reports.pairing import TruthWindow
from ..reports.report import Report
from ..reports.scoring import Score
from .support.report_sink import report_sink

_SCORE = pmt.intern("score")


class scorer(report_sink):
    """Compare reports with the truth of the same frames.

    Connect `activity` and `channel` of an `uplink_source` and of one receiver, and the
    receiver's `status`, to the port `in`. With every status, so about once a second and at the
    end, the port `score` gives `summary()`.

    Parameters
    ----------
    window : int
        Truth kept, in frames, for reports still to come.
    """

    def __init__(self, window: int = 4096) -> None:
        self._truth = TruthWindow(window)
        self._score = Score()
        report_sink.__init__(self, "JADCE scorer")
        self.message_port_register_out(_SCORE)

    def matched(self) -> int:
        """Reports whose truth was there, bad input among them."""
        return self._score.frames + self._score.frames_bad

    def unmatched_reports(self) -> int:
        """Reports whose truth was not there."""
        return self._truth.unmatched

    def truth_evicted(self) -> int:
        """Truth given up: a later frame was answered first, or more than `window` waited."""
        return self._truth.evicted

    def truth_pending(self) -> int:
        """Truth still waiting for a report."""
        return len(self._truth)

    def miss_probability(self) -> float:
        """Share of the active devices that were not detected."""
        return self._score.miss_probability()

    def false_alarm_probability(self) -> float:
        """Share of the inactive devices that were reported active."""
        return self._score.false_alarm_probability()

    def activity_error_rate(self) -> float:
        """Share of all devices whose activity was decided wrongly."""
        return self._score.activity_error_rate()

    def nmse_db(self) -> float:
        """Normalised mean square error of the channels, dB."""
        return self._score.nmse_db()

    def summary(self) -> dict[str, Any]:
        """All figures with 95 % intervals (see `reports.scoring.Score.summary`), and the counts above."""
        return {
            **self._score.summary(),
            "matched": self.matched(),
            "unmatched_reports": self.unmatched_reports(),
            "truth_evicted": self.truth_evicted(),
            "truth_pending": self.truth_pending(),
        }

    def take_report(self, report: Report) -> None:
        """Keep truth; score an estimate."""
        if report.estimator == "truth":
            self._truth.push(report)
            return
        truth = self._truth.pop(report.frame_id)
        if truth is not None:
            self._score.add(truth, report)

    def take_status(self, status: dict[str, Any]) -> None:
        """Publish the score so far."""
        self.message_port_pub(_SCORE, pmt.to_pmt(self.summary()))
