# SPDX-License-Identifier: GPL-3.0-or-later
"""Part (x): the flowgraph of devices out of step, from a file of samples to messages."""

import tempfile
from pathlib import Path
from time import monotonic, process_time, thread_time

import numpy as np
from flowgraph import counter, sender, sources

from gr_jadce import Scenario, make_pilots
from gr_jadce.detection.asynchrony import Asynchrony, Delayed
from gr_jadce.receiving.frame_receiver import FrameReceiver
from gr_jadce.uplink.bursts import matched_filter, simulate_bursts
from gr_jadce.waveform import Waveform

N, L, K, M, SNR_DB = 64, 32, 8, 4, 15
MAX_OFFSET = 2e-4  # cycles a symbol: 200 Hz at 1 Msymbol/s
PERIOD = 208  # samples: a burst is 190 and two of delay
WAVEFORM = Waveform(4)
SLOTS = 256


def run(quick=False, say=print):
    """Frames a second by framer and receiver, with and without matched filters, and where the time goes."""
    try:
        from gnuradio import gr  # noqa: F401
    except ImportError as error:
        say(f"  not measured: {error}")
        return {"missing": str(error)}
    book, samples = _air()
    result = {"cell": {"N": N, "L": L, "K": K, "M": M, "snr_db": SNR_DB, "max_offset": MAX_OFFSET}}
    result["stages"] = _stages(book, samples, 3 if quick else 10, say)
    duration = 2.0 if quick else 10.0
    for name, shaped in (("framer and receiver", False), ("with matched filters", True)):
        result[name] = found = _sustained(book, samples if shaped else _filtered(samples), shaped, duration)
        say(
            f"  {name:22} {found['frames_per_second']:7.0f} frames/s, "
            f"{found['samples_per_second'] / 1e6:5.2f} Msamples/s over {M} antennas, "
            f"{1e6 * found['processor_s']:.0f} µs of processor time a frame, "
            f"{found['missing']} frames missing"
        )
    return result


def _air():
    book = make_pilots("gaussian", N, L, seed=1)
    scenario = Scenario(book, M, n_active=K, snr_db=SNR_DB, max_delay=0.5, max_offset=MAX_OFFSET)
    return book, simulate_bursts(scenario, WAVEFORM, PERIOD, SLOTS, seed=2)[0]


def _filtered(samples):
    return matched_filter(samples, WAVEFORM)


def _frames(samples):
    slots = _filtered(samples).reshape(-1, PERIOD, M)
    return np.ascontiguousarray(slots[:, WAVEFORM.offset :: WAVEFORM.samples_per_symbol][:, :L])


def _stages(book, samples, turns, say):
    """Processor time a frame of the receiver's stages, in batches of 64, and of the matched filters."""
    frames = _frames(samples[: 64 * PERIOD])
    delayed = Delayed(book, Asynchrony(0, MAX_OFFSET))
    solver = FrameReceiver(book, None, "path_search", delayed=delayed)
    stamps = [(index, (0, 0.0)) for index in range(len(frames))]
    send, best = sender(), {}

    def timed(name, function):
        began = thread_time()
        result = function()
        best[name] = min(best.get(name, np.inf), (thread_time() - began) / len(frames))
        return result

    for _ in range(turns):
        timed("search", lambda: delayed.decide_rows(frames))
        reports, _ = timed("solve", lambda: solver.solve(frames, stamps))
        timed("to messages", lambda reports=reports: send(reports))
    best["reports"] = max(best.pop("solve") - best["search"], 0.0)
    total = sum(best.values())
    say("  a frame, in one thread: " + ", ".join(f"{name} {1e6 * t:.0f} µs" for name, t in best.items())
        + f"; {1e6 * total:.0f} µs in all")  # fmt: skip
    return best


def _sustained(book, samples, shaped, duration):
    """Frames a second over about that many seconds, after a first run that says how many those are."""
    with tempfile.TemporaryDirectory() as directory:
        paths = [Path(directory) / f"antenna{m}.cf32" for m in range(M)]
        for m, path in enumerate(paths):
            np.ascontiguousarray(samples[:, m]).tofile(path)
        first = _flowgraph(book, paths, shaped, 500)
        return _flowgraph(book, paths, shaped, max(500, int(duration * first["frames_per_second"])))


def _flowgraph(book, paths, shaped, count):
    from gnuradio import blocks, filter, gr

    from gr_jadce.blocks import pilot_framer, receiver

    top, end = gr.top_block(), counter()
    step = WAVEFORM.samples_per_symbol
    framer = pilot_framer(L, M, PERIOD, offset=WAVEFORM.offset, samples_per_symbol=step)
    solver = receiver(book, M, asynchrony=Asynchrony(0, MAX_OFFSET), max_batch=64)
    for m, head in enumerate(sources(blocks, gr, top, paths, count * PERIOD)):
        filters = [filter.fir_filter_ccf(1, WAVEFORM.taps.tolist())] if shaped else []
        top.connect(head, *filters, (framer, m))
    top.connect(framer, solver)
    for port in ("activity", "channel", "status"):
        top.msg_connect(solver, port, end, "in")
    began, used = monotonic(), process_time()
    top.run()
    took, used = monotonic() - began, process_time() - used
    return {
        "frames": count, "seconds": took, "frames_per_second": count / took, "missing": count - end.seen,
        "samples_per_second": count * PERIOD * M / took, "processor_s": used / count,
    }  # fmt: skip
