# SPDX-License-Identifier: GPL-3.0-or-later
"""Part (vii): would PC-ADMM be sooner done if it started from the previous slot's solution?

Iterations to a gap of 1e-4, of NumPy's form, from zero and from the last slot: Z its solution, U what
that makes optimal. A share of the devices stays active from one slot to the next, on channels whose
correlation is as given; the others are drawn anew.
"""

import numpy as np

from gr_jadce import make_pilots, pc_admm
from gr_jadce.solvers.group_lasso import adjoint, apply

N, L, M, K, SNR_DB = 200, 64, 4, 16, 15.0
CASES = {"independent slots": (0.0, 0.0), "half stay, 0.9": (0.5, 0.9), "all stay, 0.99": (1.0, 0.99)}


def run(quick=False, say=print):
    """Mean iterations by case, cold and warm."""
    results, slots = {}, 5 if quick else 40
    book = make_pilots("gaussian", N, L, seed=1)
    for name, case in CASES.items():
        cold, warm = _iterations(book, _slots(book, slots, *case))
        results[name] = {"cold": cold, "warm": warm}
        say(f"  {name:18} {cold:5.1f} iterations from zero, {warm:5.1f} from the slot before")
    return results


def _iterations(book, received):
    solver = pc_admm(book, lam_ratio=0.1, backend="numpy", check_every=1)
    iteration, cold, warm = solver._iteration, [], []
    zero, last = iteration.start, None
    for frame in received:
        iteration.start = zero
        found = solver(frame[None])
        cold.append(int(found.n_iter[0]))
        if last is not None:
            iteration.start = lambda Y, lam, peak, X=last: _start(iteration, zero(Y, lam, peak), Y, X)
            warm.append(int(solver(frame[None]).n_iter[0]))
        last = np.moveaxis(found.channel, 0, 1)
    return float(np.mean(cold[1:])), float(np.mean(warm))


def _start(iteration, state, Y, X):
    beta = state[3]
    dual = -apply(adjoint(iteration.B), Y - apply(iteration.B, X)) / beta[:, None]
    return X, X, dual, beta


def _slots(book, count, stay, correlation):
    """Received frames (count, L, M) in double precision, one after another."""
    rng = np.random.default_rng(0)

    def normal(*shape):
        return rng.standard_normal((*shape, 2)) @ (1, 1j) / np.sqrt(2)

    devices, channel, frames = rng.choice(N, K, replace=False), normal(K, M), []
    sigma = np.sqrt(K / L * 10 ** (-SNR_DB / 10))
    for _ in range(count):
        frames.append(book.matrix[:, devices] @ channel + sigma * normal(L, M))
        kept = int(stay * K)
        new = rng.choice(np.setdiff1d(np.arange(N), devices[:kept]), K - kept, replace=False)
        devices = np.concatenate([devices[:kept], new])
        channel[:kept] = correlation * channel[:kept] + np.sqrt(1 - correlation**2) * normal(kept, M)
        channel[kept:] = normal(K - kept, M)
    return np.array(frames)
