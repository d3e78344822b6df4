#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Delay taps beside published results: 100 users of 17 taps each, 100 antennas (`make delay-taps`).

136 observations of complex Gaussian pilots; the pilot of a user, seen later by up to 16 symbols, makes its 17
columns. An active user has two taps, a line of sight and an echo that fades by Rayleigh's law, 10 dB weaker
in the mean, from directions of their own at a 10 × 10 array half a wavelength apart; 12 dB on the received
block. The default network is given the 1700 columns as a pilot book, and decides column by column; a user is
active if one of its taps is. NMSE is the mean of the frames' ratios, in dB.
"""

import os
import sys

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy: a process is one thread

import numpy as np
import program
from program import row
from published import DELAY_TAPS, DELAY_TAPS_ACTIVE

from gr_jadce import __version__, decide, make_estimator, metrics
from gr_jadce.pilots import as_pilot_book

N_USERS, N_TAPS, LENGTH, SIDE = 100, 17, 136, 10
SNR_DB, ECHO_DB = 12.0, -10.0
FALSE_ALARM = 1e-3  # of a user
SEED = 5


def main():
    args = parse()
    book = make_book()
    estimator = make_estimator("unrolled", book)
    rows = [figures(book, estimator, n_active, args.frames) for n_active in args.active]
    origin = {"command": "make delay-taps", "version": __version__, "commit": program.commit()}
    origin["frames"] = args.frames
    text = page(origin, rows)
    program.save(args.output / "delay-taps", {"origin": origin, "rows": rows}, text)
    print(text)


def make_book():
    """The 1700 columns: tap d of user u is column 17u + d."""
    rng = np.random.default_rng(SEED)
    pilots = rng.standard_normal((N_USERS, LENGTH + N_TAPS - 1, 2)) @ np.array([1, 1j])
    columns = [pilots[:, N_TAPS - 1 - d :][:, :LENGTH] for d in range(N_TAPS)]
    matrix = np.stack(columns, axis=1).reshape(N_USERS * N_TAPS, LENGTH).T
    return as_pilot_book((matrix / np.sqrt(2 * LENGTH)).astype(np.complex64))


def figures(book, estimator, n_active, n_frames):
    """NMSE of estimate and decision, and share of users decided wrongly, at so many active users."""
    rng = np.random.default_rng([SEED, n_active])
    ratios = {"estimate": [], "decision": []}
    errors = 0
    for _ in range(n_frames):
        channel = draw_channel(rng, n_active)
        received = receive(rng, book, channel)
        estimate = estimator(received[None])
        decision = decide(estimate, received[None], book, FALSE_ALARM / N_TAPS)
        for name, found in (("estimate", estimate.channel), ("decision", decision.channel)):
            ratios[name].append(metrics.energy(found[0] - channel) / metrics.energy(channel))
        active = channel.any(axis=1).reshape(N_USERS, N_TAPS).any(axis=1)
        decided = decision.activity[0].reshape(N_USERS, N_TAPS).any(axis=1)
        errors += int(np.sum(active != decided))
    nmse = {f"{name}_nmse_db": float(10 * np.log10(np.mean(values))) for name, values in ratios.items()}
    return {"active": n_active, **nmse, "activity_error": errors / (N_USERS * n_frames)}


def draw_channel(rng, n_active):
    """Channels (1700, 100) of random users over two taps each."""
    channel = np.zeros((N_USERS * N_TAPS, SIDE**2), np.complex64)
    share = 10 ** (ECHO_DB / 10) / (1 + 10 ** (ECHO_DB / 10))
    for user in rng.choice(N_USERS, n_active, replace=False):
        taps = user * N_TAPS + rng.choice(N_TAPS, 2, replace=False)
        for tap, power in zip(taps, (1 - share, share * rng.exponential()), strict=True):
            channel[tap] = np.sqrt(power) * plane_wave(rng)
    return channel


def plane_wave(rng):
    """From a random direction, of random phase (100,)."""
    phase = np.pi * rng.uniform(-1, 1, 2)
    lines = [np.exp(1j * step * np.arange(SIDE)) for step in phase]
    return np.exp(2j * np.pi * rng.random()) * np.kron(*lines)


def receive(rng, book, channel):
    signal = book.matrix @ channel
    noise = rng.standard_normal((*signal.shape, 2)) @ np.array([1, 1j])
    scale = np.sqrt(metrics.energy(signal) / metrics.energy(noise) / 10 ** (SNR_DB / 10))
    return (signal + scale * noise).astype(np.complex64)


def page(origin, rows):
    places = [DELAY_TAPS_ACTIVE.index(entry["active"]) for entry in rows]
    heads = ["active users", *(str(entry["active"]) for entry in rows)]
    ours = [
        ["the network", *(f"{entry['estimate_nmse_db']:.1f}" for entry in rows)],
        ["decided", *(f"{entry['decision_nmse_db']:.1f}" for entry in rows)],
    ]
    published = [[f"*{name}*", *(str(values[i]) for i in places)] for name, values in DELAY_TAPS.items()]
    wrong = ["users decided wrongly", *(f"{entry['activity_error']:.4f}" for entry in rows)]
    return "\n".join(
        [
            "# Delay taps beside published results",
            "",
            " ".join(__doc__.split("\n\n")[1].split()),
            "",
            "In italics: published (kekeyingBIT/LEO, read from its stored results), in dB; the activity "
            f"error of its OAMP is .0044 at 15 … .039 at 45. {origin['frames']} frames a column. Made by "
            f"`{origin['command']}` at commit {origin['commit']}, version {origin['version']}.",
            "",
            *map(row, [heads, ["---"] * len(heads), *ours, *published, wrong]),
            "",
        ]
    )


def parse():
    parser = program.parser(__doc__, "figures/delay-taps")
    parser.add_argument("--frames", type=int, default=20, help="frames of each column (default %(default)s)")
    parser.add_argument("--active", type=int, nargs="+", default=DELAY_TAPS_ACTIVE, help="active users")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
