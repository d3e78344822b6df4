# SPDX-License-Identifier: GPL-3.0-or-later
"""Estimators to test receivers with: cheap, slow, raising."""

import threading
from time import sleep

import numpy as np
from waiting import LIMIT_S

from gr_jadce.estimate import Estimate


def matched_filter(pilots):
    """The plainest estimator: the correlation with each pilot."""

    def estimator(received, noise_var=None):
        channel = pilots.matrix.conj().T @ received
        score = np.linalg.norm(channel, axis=2)
        return Estimate(channel, score, np.ones(len(received), int), np.full(len(received), np.nan))

    return estimator


class Slow:
    """Takes `seconds` a frame."""

    def __init__(self, pilots, seconds):
        self._estimator = matched_filter(pilots)
        self._seconds = seconds

    def __call__(self, received, noise_var=None):
        sleep(self._seconds * len(received))
        return self._estimator(received)


class Held:
    """Stands still until it is released; `busy` is set once it has been called."""

    def __init__(self, pilots):
        self._estimator = matched_filter(pilots)
        self._released = threading.Event()
        self.busy = threading.Event()
        self.batches = []

    def release(self):
        self._released.set()

    def __call__(self, received, noise_var=None):
        self.busy.set()
        if not self._released.wait(LIMIT_S):
            raise TimeoutError("not released")
        self.batches.append(len(received))
        return self._estimator(received)


def raising(received, noise_var=None):
    raise RuntimeError("an estimator that always fails")
