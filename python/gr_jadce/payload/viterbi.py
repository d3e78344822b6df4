# SPDX-License-Identifier: GPL-3.0-or-later
"""Soft Viterbi decoder of the code of `coding`, over all 64 states at once.

A state is the last six bits, the newest the least. Bit b takes state p to s = (2p + b) mod 64, so s comes
from ⌊s/2⌋ and from ⌊s/2⌋ + 32; as both polynomials have the oldest bit, the two ways differ in both coded
bits. With g_s = ½ Σ_i (1 − 2 c_i(s)) llr_i on the first way, metrics are

    m'_s = max(m_{⌊s/2⌋} + g_s, m_{⌊s/2⌋+32} − g_s).
"""

import numpy as np
from numpy.typing import NDArray

from ..backend import kernel_for

POLYNOMIALS = (109, 79)  # 133 and 171, octal, with the newest bit the least, as GNU Radio has them
_N_STATES = 64
_FAR = -1e9  # metric of states that cannot be


def viterbi(llr: NDArray, *, backend: str = "auto") -> NDArray:
    """The bits (K, n) uint8, tail included, of the likeliest code words of llr (K, 2n); the metric of each
    bit is positive for 0."""
    llr = np.ascontiguousarray(llr, np.float32)
    kernel = kernel_for(backend)
    if kernel is not None:
        return kernel.viterbi(llr)
    return _traced_back(_ways(llr.reshape(len(llr), -1, 2)))


def _ways(llr: NDArray) -> NDArray:
    """Whether each state (K, n, 64) is reached from ⌊s/2⌋ + 32, of llr (K, n, 2)."""
    state = np.arange(_N_STATES)
    signs = np.stack([1 - 2 * _parity(state & polynomial) for polynomial in POLYNOMIALS]).astype(np.float32)
    before = state >> 1
    ways = np.empty((*llr.shape[:2], _N_STATES), bool)
    metric = np.full((len(llr), _N_STATES), _FAR, np.float32)
    metric[:, 0] = 0
    for step in range(llr.shape[1]):
        gain = (llr[:, step] * np.float32(0.5)) @ signs
        first, second = metric[:, before] + gain, metric[:, before + _N_STATES // 2] - gain
        ways[:, step] = second > first
        metric = np.maximum(first, second)
    return ways


def _traced_back(ways: NDArray) -> NDArray:
    """The bits of the paths that end in state 0."""
    bits = np.empty(ways.shape[:2], np.uint8)
    number, state = np.arange(len(ways)), np.zeros(len(ways), int)
    for step in range(ways.shape[1] - 1, -1, -1):
        bits[:, step] = state & 1
        state = state >> 1 | ways[number, step, state].astype(int) << 5
    return bits


def _parity(values: NDArray) -> NDArray:
    bits = np.unpackbits(values.astype(np.uint8)[:, None], axis=1)
    return bits.sum(axis=1).astype(int) & 1
