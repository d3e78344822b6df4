# SPDX-License-Identifier: GPL-3.0-or-later
"""Receivers that are told how far devices are out of step, on the frames of `make calibration`.

One is told the delay and carrier offset of every device (of inactive ones such as an active one might
have) and decides who is active as if all were in step. A genie is told who is active as well; its channels
are the LMMSE estimates. The last is told who is active, but has to learn delays and offsets: the least error
that it can have is the Cramér-Rao bound of them and the channels together, with what is known beforehand.
"""

from functools import cache, reduce

import numpy as np
from false_alarms import told_counts

from gr_jadce import metrics
from gr_jadce.detection.decide import decide_rows
from gr_jadce.pilots.book import PilotBook
from gr_jadce.solvers.oracle import oracle_mmse
from gr_jadce.unrolled import load_weights, unrolled
from gr_jadce.unrolled.weight_files import DEFAULT_WEIGHTS
from gr_jadce.uplink.fading import draw_channel
from gr_jadce.uplink.frames import draw_active, draw_noise, draw_steps
from gr_jadce.uplink.simulation import Uplink

_STEP = 0.01  # symbols, of a derivative


def count_told(uplink, scenario, table, key, noise_var, wanted):
    """What is counted at each probability wanted; frame i is the simulator's of `key`, (seed, first + i)."""
    seed, first = key
    counts = []
    for i in range(len(uplink.received)):
        frame = Uplink(*(part[i : i + 1] for part in uplink[:3]), uplink.noise_var)
        steps = steps_of_all(scenario, seed, first + i)
        counts.append(_count_frame(frame, scenario, table, steps, noise_var, wanted))
    return reduce(_added, counts)


def steps_of_all(scenario, seed, frame):
    """Delays and offsets (2, N): the simulator's of active devices, others as they may be."""
    rng = np.random.Generator(np.random.Philox(key=[seed, frame]))
    active = draw_active(rng, scenario)
    draw_channel(rng, scenario, len(active))
    draw_noise(rng, scenario)
    true = draw_steps(rng, scenario, len(active), scenario.pilots.pilot_length)[:2]
    steps = np.array(draw_steps(rng, scenario, scenario.pilots.n_devices, 1)[:2])
    steps[:, active] = true
    return steps


def _count_frame(frame, scenario, table, steps, noise_var, wanted):
    arriving = table.at(np.arange(table.n_devices), *steps).astype(np.complex64)
    book = PilotBook("custom", table.length, table.n_devices, pilots=arriving)
    genie = oracle_mmse(book)(frame.received, frame.noise_var, activity=frame.activity).channel
    active = np.flatnonzero(frame.activity[0])
    own = {
        "told_error": metrics.energy(genie - frame.channel),
        "least_error": least_error(table, scenario, active, steps[:, active], frame.channel[0, active]),
    }
    estimate = unrolled(book, _weights())(frame.received, noise_var)
    decided = (decide_rows(estimate, frame.received, book, float(text), noise_var) for text in wanted)
    return {text: told_counts(frame, rows) | own for text, rows in zip(wanted, decided, strict=True)}


def least_error(table, scenario, device, steps, channel):
    """The bound on the mean squared error of channels (K, M), summed up."""
    delay, offset = steps
    columns, later, earlier = (table.at(device, delay + by, offset) for by in (0, _STEP, -_STEP))
    slope = (later - earlier) / (2 * _STEP)
    turning = 2j * np.pi * np.arange(table.length)[:, None] * columns
    gains = np.kron(np.eye(channel.shape[1]), columns)  # antenna by antenna
    moves = [np.concatenate([part * gain for gain in channel.T]) for part in (slope, turning)]
    spans = np.ptp(table.asynchrony.bounds), 2 * scenario.max_offset
    learned = [(move, span) for move, span in zip(moves, spans, strict=True) if span]
    jacobian = np.concatenate([gains, 1j * gains, *(move for move, _ in learned)], axis=1)
    n_gains = 2 * gains.shape[1]
    prior = [np.full(n_gains, 2.0), *(np.full(len(device), 12 / span**2) for _, span in learned)]
    information = 2 / scenario.noise_var * (jacobian.conj().T @ jacobian).real
    information[np.diag_indices_from(information)] += np.concatenate(prior)
    return float(np.trace(np.linalg.inv(information)[:n_gains, :n_gains]))


@cache
def _weights():
    """Read once: every frame has a book of its own."""
    return load_weights(DEFAULT_WEIGHTS)


def _added(one, other):
    return {text: {key: one[text][key] + other[text][key] for key in one[text]} for text in one}
