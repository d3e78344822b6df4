# SPDX-License-Identifier: GPL-3.0-or-later
"""The line that tells how a reception goes."""

from math import nan

from gr_jadce.programs.status_line import StatusLine

QUIET = dict.fromkeys(["frames_dropped", "frames_bad", "slots_lost", "gaps", "backlog"], 0)
STATUS = QUIET | {
    "frames_in": 1200, "frames_solved": 1200, "active_per_frame": 20.14, "snr_db": 9.81,
    "nobody_heard": False,
}  # fmt: skip


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def line_after(seconds, *statuses):
    """The last line, when the statuses come at equal distances."""
    clock = Clock()
    line = StatusLine(clock)
    for status in statuses:
        clock.now += seconds
        text = line.text(status)
    return text


def test_rate_activity_and_snr_are_told():
    assert line_after(2, STATUS) == "1,200 frames, 600 a second, 20.1 devices active, SNR 9.8 dB"


def test_the_rate_is_that_of_the_last_seconds():
    slower = STATUS | {"frames_in": 1230}
    assert ", 5 a second," in line_after(3, STATUS, slower, STATUS | {"frames_in": 1245})


def test_losses_are_told_where_there_are_some():
    text = line_after(2, STATUS | {"frames_dropped": 3, "slots_lost": 12, "gaps": 1, "backlog": 7})
    assert text.endswith("SNR 9.8 dB, 3 dropped, 12 slots lost, 1 gaps, 7 waiting")


def test_that_nobody_is_heard_is_told():
    deaf = STATUS | {"snr_db": nan, "active_per_frame": 0.2, "nobody_heard": True}
    assert line_after(2, deaf) == (
        "1,200 frames, 600 a second, 0.2 devices active, nobody of this book is heard"
    )
    assert (
        line_after(2, STATUS | {"frames_in": 0, "frames_solved": 0, "snr_db": nan}) == "0 frames, 0 a second"
    )
