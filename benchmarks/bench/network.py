# SPDX-License-Identifier: GPL-3.0-or-later
"""Parts (ii) and (iii): the network against torch, and the product loop against the machine's sgemm."""

import numpy as np
from timing import seconds, sgemm_peak

from gr_jadce import Scenario, make_pilots, pc_admm, simulate
from gr_jadce.backend import kernel_for
from gr_jadce.unrolled.inference import unrolled

LAYERS = 10
BATCH = 64


def run(quick=False, say=print, compiled=True):
    """Seconds a frame of ten layers, N = 200, L = 64, M = 4: kernel, NumPy, torch eager and compiled."""
    book = make_pilots("gaussian", 200, 64, seed=1)
    received = simulate(Scenario(book, n_antennas=4, activity_rate=0.1, snr_db=10), BATCH, seed=2).received
    budget, results = (0.1 if quick else 2.0), {}
    forms = {backend: unrolled(book, n_layers=LAYERS, backend=backend) for backend in ("kernel", "numpy")}
    expected = forms["numpy"](received).channel
    solvers = {name: (lambda frames, form=form: form(frames).channel) for name, form in forms.items()}
    for name, solve in (solvers | _torch(forms["numpy"], say, compiled)).items():
        entry = {"error": float(np.abs(solve(received) - expected).max() / np.abs(expected).max())}
        for label, frames in (("single", received[:1]), ("batch", received)):
            entry[label] = seconds(lambda solve=solve, frames=frames: solve(frames), budget) / len(frames)
            entry[f"{label}_ratio"] = entry[label] / results.get("kernel", entry)[label]
        results[name] = entry
        ratios = ", ".join(f"{label} {1e6 * entry[label]:8.1f} µs, {entry[f'{label}_ratio']:6.2f} ×"
                           for label in ("single", "batch"))  # fmt: skip
        say(f"  {name:16} {ratios}, differs by {entry['error']:.1e}")
    return results | {"hard frames": _hard_frames(quick, say)}


def _hard_frames(quick, say):
    """What frames of heavy load cost that the layers leave unsettled: σ² known, unknown, and sampled."""
    book, found = make_pilots("gaussian", 192, 24, seed=1), {}
    for antennas, noise, sweeps in ((8, "known", 0), (8, "known", 30), (4, "unknown", 0)):
        scenario = Scenario(book, antennas, n_active=18, snr_db=20)
        uplink = simulate(scenario, BATCH, seed=2)
        noise_var = uplink.noise_var if noise == "known" else None
        estimator = unrolled(book, sweeps=sweeps)
        hard = estimator(uplink.received, noise_var).n_iter > estimator.weights.n_layers
        frames = uplink.received[hard]
        took = seconds(lambda f=estimator, y=frames, v=noise_var: f(y, v), 0.3 if quick else 2.0) / len(
            frames
        )
        found[f"M = {antennas}, σ² {noise}, {sweeps} sweeps"] = took
    say("  unsettled frames, N = 192, L = 24, K = 18: "
        + "; ".join(f"{name}: {1e3 * took:.2f} ms a frame" for name, took in found.items()))  # fmt: skip
    return found


def _torch(estimator, say, compiled):
    """Torch's forms of the network, from received frames to channels, eager and compiled."""
    try:
        import torch

        from gr_jadce.unrolled.layers import Book, Frames
        from gr_jadce.unrolled.network import Network
    except ImportError as error:
        say(f"  torch            not measured: {error}")
        return {}
    torch.set_num_threads(1)
    network = Network({name: array[:LAYERS] for name, array in estimator.weights.arrays.items()}).eval()
    book = Book(*(torch.from_numpy(np.array(array)) for array in estimator.rotation.book))

    def form(forward):
        def solve(received):
            frames, scale = estimator.rotation.normalise(received, None)
            with torch.inference_mode():
                last = forward(book, Frames(*(torch.from_numpy(np.array(part)) for part in frames)))
            factor = scale / np.sqrt(estimator.rotation.energy)
            return np.moveaxis(last.numpy(), 0, 1) * factor[:, None, None]

        return solve

    def forward(book, frames):
        *_, last = network(book, frames)
        return last.estimate

    forms = {"torch eager": form(forward)}
    if compiled:
        forms["torch compiled"] = form(torch.compile(forward, dynamic=False))
    else:
        say("  torch compiled   not measured: with --quick and --no-compiled")
    return forms


def run_peak(quick=False, say=print):
    """The dense product loop of PC-ADMM, and what its tricks make of it, against sgemm."""
    budget = 0.2 if quick else 3.0
    results = {"sgemm_gflops": sgemm_peak(budget)}
    say(f"  sgemm {results['sgemm_gflops']:.1f} GFLOP/s")
    for name, (N, L, M) in {"A8": (200, 64, 8), "S": (100, 40, 1)}.items():
        results[name] = entry = _loop(N, L, M, budget, results["sgemm_gflops"])
        say(
            f"  {name:3} product loop {entry['gflops']:6.1f} GFLOP/s, {100 * entry['share']:.0f} % of sgemm; "
            f"to a gap of 1e-4 {1e6 * entry['certified']:.1f} µs and {entry['iterations']:.1f} iterations a "
            f"frame, by the loop alone {1e6 * entry['loop']:.1f} µs and {entry['plain_iterations']:.1f}: "
            f"{entry['gain']:.2f} ×, or {entry['slowest']}: {entry['gain_slowest']:.2f} ×"
        )
    return results


def _loop(N, L, M, budget, peak):
    book = make_pilots("gaussian", N, L, seed=1)
    received = simulate(Scenario(book, n_antennas=M, activity_rate=0.1, snr_db=15), BATCH, seed=2).received
    estimator = pc_admm(book, lam_ratio=0.1, backend="kernel")
    needed = pc_admm(book, lam_ratio=0.1, backend="numpy")(received).n_iter
    certified = seconds(lambda: estimator(received), budget) / BATCH
    loops = [_whole(book, n) for n in (20, 120)]
    short, long = (seconds(lambda loop=loop: loop(received), budget) / BATCH for loop in loops)
    iteration = (long - short) / 100
    gflops = 16e-9 * N * L * M / iteration
    loop, slowest = float(needed.mean()) * iteration, int(needed.max())
    return {
        "gflops": gflops, "share": gflops / peak, "iterations": float(estimator(received).n_iter.mean()),
        "plain_iterations": float(needed.mean()), "certified": certified, "loop": loop,
        "gain": loop / certified, "slowest": slowest, "gain_slowest": slowest * iteration / certified,
    }  # fmt: skip


def _whole(book, iterations):
    """That many iterations and one check; λ is so small that all rows stay active in all products."""
    rotated = pc_admm(book)._rotated
    options = {"lam_ratio": 1e-9, "max_iter": iterations, "check_every": iterations, "tol": 1e30}
    Q = np.eye(len(rotated.s)) if rotated.Q is None else rotated.Q
    solver = kernel_for("kernel").PcAdmm(rotated.B, Q, rotated.s, rotated.pilot_energy, options)

    def solve(received):
        _, score, n_iter, _ = solver.solve(received, np.zeros(len(received)), received.shape[2], 1)
        if not (score > 0).all() or set(n_iter) != {iterations}:
            raise RuntimeError(f"expected all rows active after {iterations} iterations")

    return solve
