# SPDX-License-Identifier: GPL-3.0-or-later
"""The reports of several receivers that share the frames of one framer, joined in the order of frames."""


class FrameJoiner:
    """Puts reports in the order of their frames, and counts the frames that do not come.

    A frame that is due is waited for until a later one has been there for `patience`; reports
    leave no later than that.

    Parameters
    ----------
    patience : float
        Seconds; more than the receivers may differ in how long they take for a frame.

    Attributes
    ----------
    joined, missing, late : int
        Frames given out; frames between those that were waited for in vain; and reports that came
        after their frame was given up, or a second time.
    """

    def __init__(self, patience):
        if not 0 <= patience < float("inf"):
            raise ValueError(f"patience: expected seconds of at least 0, got {patience!r}")
        self.joined = self.missing = self.late = 0
        self._patience = patience
        self._waiting = {}
        self._due = None

    def add(self, frame_id, report, now):
        """Take a report of any kind, which came at the time `now`."""
        if frame_id in self._waiting or (self._due is not None and frame_id < self._due):
            self.late += 1
        else:
            self._waiting[frame_id] = now, report

    def take(self, now) -> list:
        """The reports that can be given out at the time `now`, in the order of their frames."""
        ready = []
        for frame_id in sorted(self._waiting):
            came, report = self._waiting[frame_id]
            if frame_id != self._due and now - came < self._patience:
                break
            del self._waiting[frame_id]
            self.missing += 0 if self._due is None else frame_id - self._due
            self._due = frame_id + 1
            ready.append(report)
        self.joined += len(ready)
        return ready

    def take_all(self) -> list:
        """All reports there are: no more will come."""
        return self.take(float("inf"))
