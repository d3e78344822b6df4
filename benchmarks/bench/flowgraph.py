# SPDX-License-Identifier: GPL-3.0-or-later
"""Part (v): the whole flowgraph, from a file of samples to messages."""

import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from subprocess import PIPE
from time import monotonic, perf_counter, process_time, thread_time

import numpy as np

from gr_jadce import Scenario, make_pilots, simulate
from gr_jadce.delivery.line_blocks import lines_of
from gr_jadce.estimators import make_estimator
from gr_jadce.receiving.frame_receiver import FrameReceiver
from gr_jadce.reports.fields import PORTS
from gr_jadce.reports.pdus import bytes_of, to_pmts

N, L, M, PERIOD = 200, 64, 4, 64
LOADS = (0.1, 0.5, 0.9)
DRIVER = Path(__file__).with_name("driver.py")
FRAMES, BATCH = 1024, 64  # different ones: few are hard, and take the longest
PATIENT_TURNS = 2  # of all layers, which take long


def run(quick=False, say=print):
    """Frames a second with the network, its latency, the framer alone, and where the time goes."""
    try:
        from gnuradio import gr  # noqa: F401
    except ImportError as error:
        say(f"  not measured: {error}")
        return {"missing": str(error)}
    book, received = _frames(FRAMES)
    duration, results = (2.0 if quick else 10.0), {}
    results["stages"] = _stages(book, received, 2 if quick else 10, say)
    with tempfile.TemporaryDirectory() as directory:
        paths = _write(received, Path(directory))
        for sink in ("counter", "reports", "json"):
            found = _sustained(book, paths, sink, duration)
            results[f"sustained, {sink}"] = found
            say(
                f"  messages to {sink:8} {found['frames_per_second']:8.0f} frames/s, "
                f"{found['samples_per_second'] / 1e6:6.2f} Msamples/s over {M} antennas, "
                f"{1e6 * found['processor_s']:4.0f} µs of processor time a frame, {found['missing']} missing"
            )
        results["framer"] = framer = _framer_alone(duration)
        say(f"  framer alone      {framer['samples_per_second'] / 1e6:8.1f} Msamples/s over {M} antennas")
    results["latency"] = _latencies(book, received, duration, say)
    return results


def _frames(count):
    book = make_pilots("gaussian", N, L, seed=1)
    scenario = Scenario(book, n_antennas=M, activity_rate=0.1, snr_db=10)
    return book, simulate(scenario, count, seed=2).received.astype(np.complex64)


def _write(received, directory):
    """One file of samples an antenna."""
    paths = [directory / f"antenna{m}.cf32" for m in range(M)]
    for m, path in enumerate(paths):
        np.ascontiguousarray(received[:, :, m]).tofile(path)
    return paths


def _stages(book, received, turns, say):
    """Processor time a frame of each stage of the receiver, in batches; and without early decisions."""
    batches = [received[start : start + BATCH] for start in range(0, len(received), BATCH)]
    solver, patient = (
        FrameReceiver(book, make_estimator("unrolled", book, settle=settle), "unrolled")
        for settle in (True, False)
    )
    stamps = [(index, (0, 0.0)) for index in range(BATCH)]
    send, found = sender(), []
    for batch in batches:
        shortest = {}
        for turn in range(turns):
            if turn < PATIENT_TURNS:
                _timed(shortest, "all layers", lambda batch=batch: patient.solve(batch, stamps))
            reports, _ = _timed(shortest, "solve", lambda batch=batch: solver.solve(batch, stamps))
            _timed(shortest, "to messages", lambda reports=reports: send(reports))
            data = [bytes_of(pdu) for report in reports for pdu in to_pmts(report)]
            _timed(shortest, "to JSON", lambda data=data: lines_of(data))
        found.append(shortest)
    best = {name: sum(shortest[name] for shortest in found) / len(received) for name in found[0]}
    best["worst batch, solve"] = max(shortest["solve"] for shortest in found) / BATCH
    say("  a frame, in one thread: " + ", ".join(f"{name} {1e6 * t:.0f} µs" for name, t in best.items())
        + f"; all layers over solve: {best['all layers'] / best['solve']:.2f}")  # fmt: skip
    return best


def sender():
    """A function that makes and sends the messages of reports, to nobody."""
    import pmt
    from gnuradio import gr

    from gr_jadce.blocks.support.messages import publish_reports

    block = gr.basic_block("sender", None, None)
    for port in PORTS:
        block.message_port_register_out(pmt.intern(port))
    return partial(publish_reports, block)


def _timed(shortest, name, function):
    """What a function gives; its processor time goes to `shortest` if it is."""
    began = thread_time()
    result = function()
    shortest[name] = min(shortest.get(name, np.inf), thread_time() - began)
    return result


def sources(blocks, gr, top, paths, samples):
    heads = []
    for path in paths:
        source = blocks.file_source(gr.sizeof_gr_complex, str(path), True)
        head = blocks.head(gr.sizeof_gr_complex, samples)
        top.connect(source, head)
        heads.append(head)
    return heads


def _sustained(book, paths, sink, duration):
    """Frames a second over about that many seconds, after a first run that says how many those are."""
    pilot = _flowgraph(book, paths, sink, 2000)
    return _flowgraph(book, paths, sink, max(2000, int(duration * pilot["frames_per_second"])))


def _flowgraph(book, paths, sink, count):
    from gnuradio import blocks, gr

    from gr_jadce.blocks import json_sink, pilot_framer, receiver

    top = gr.top_block()
    framer = pilot_framer(L, M, PERIOD)
    solver = receiver(book, M, estimator="unrolled")
    with tempfile.NamedTemporaryFile(suffix=".jsonl") as file:
        end = {"counter": counter, "reports": _reader, "json": lambda: json_sink(file.name)}[sink]()
        for m, head in enumerate(sources(blocks, gr, top, paths, count * PERIOD)):
            top.connect(head, (framer, m))
        top.connect(framer, solver)
        for port in ("activity", "channel", "status"):
            top.msg_connect(solver, port, end, "in")
        began, spent = monotonic(), process_time()
        top.run()
        took, spent = monotonic() - began, process_time() - spent
        seen = sum(1 for _ in open(file.name)) if sink == "json" else end.seen
    return {
        "frames": count, "seconds": took, "frames_per_second": count / took, "missing": count - seen,
        "processor_s": spent / count,
        "samples_per_second": count * PERIOD * M / took,
    }  # fmt: skip


def counter():
    """A sink that reads the frame number and the devices of every activity message."""
    import pmt

    from gr_jadce.blocks.support.report_sink import report_sink

    class counting(report_sink):
        def __init__(self):
            report_sink.__init__(self, "counter")
            self.seen, self.arrivals = 0, {}
            self._frame_id = pmt.intern("frame_id")

        def take_pdu(self, pdu):
            devices = pmt.cdr(pdu)
            if pmt.is_u32vector(devices):
                frame_id = pmt.to_uint64(pmt.dict_ref(pmt.car(pdu), self._frame_id, pmt.PMT_NIL))
                pmt.u32vector_elements(devices)
                self.arrivals[frame_id] = perf_counter()
                self.seen += 1

    return counting()


def _reader():
    """A sink that joins both messages of a frame to a whole report."""
    from gr_jadce.blocks.support.report_sink import report_sink

    class reader(report_sink):
        def __init__(self):
            report_sink.__init__(self, "reader")
            self.seen = 0

        def take_report(self, report):
            self.seen += 1

    return reader()


def _framer_alone(duration):
    """From sources of zeros, with the buffers that a flowgraph has by default."""
    from gnuradio import blocks, gr

    from gr_jadce.blocks import pilot_framer

    samples = int(4e6 * duration) // PERIOD * PERIOD
    top = gr.top_block()
    framer = pilot_framer(L, M, PERIOD)
    null = blocks.null_sink(gr.sizeof_gr_complex * L * M)
    for m in range(M):
        source, head = blocks.null_source(gr.sizeof_gr_complex), blocks.head(gr.sizeof_gr_complex, samples)
        top.connect(source, head, (framer, m))
    top.connect(framer, null)
    began = monotonic()
    top.run()
    took = monotonic() - began
    return {"seconds": took, "samples_per_second": samples * M / took}


def _latencies(book, received, duration, say):
    """Of frames that come one by one, at shares of the rate at which such frames can be kept up with."""
    with tempfile.NamedTemporaryFile(suffix=".cf32") as file:
        received.tofile(file.name)
        rate = _paced(book, file.name, np.inf, 20000)["rate"]
        say(f"  one by one        {rate:8.0f} frames/s at most")
        results = {"most": rate}
        for load in LOADS:
            found = _paced(book, file.name, load * rate, max(int(duration * load * rate), 100))
            results[str(load)] = found
            percentiles = ", ".join(f"{name} {1e3 * found[name]:6.2f} ms" for name in ("p50", "p90", "p99"))
            say(f"  latency at {100 * load:2.0f} % load ({found['rate']:6.0f} frames/s): {percentiles}")
    return results


def _paced(book, path, rate, count):
    """From the time that a frame's last sample is due to that its message is read; rate of the messages.

    The frames come through a pipe, as from a radio's driver: a source in Python would share the interpreter
    with the receiver.
    """
    from gnuradio import blocks, gr

    from gr_jadce.blocks import receiver

    size = 8 * L * M
    read, write = os.pipe()
    command = [sys.executable, DRIVER, path, str(size), str(rate), str(count), str(write)]
    driver = subprocess.Popen(command, stdin=PIPE, stdout=PIPE, pass_fds=[write], text=True)
    os.close(write)
    top, sink, solver = gr.top_block(), counter(), receiver(book, M, estimator="unrolled")
    top.connect(blocks.file_descriptor_source(size, read, False), solver)
    for port in ("activity", "channel", "status"):
        top.msg_connect(solver, port, sink, "in")
    top.start()
    began = float(driver.communicate("begin\n")[0])
    top.wait()
    arrivals = np.array([sink.arrivals[frame] - began for frame in sorted(sink.arrivals)])
    steady = (arrivals - np.arange(len(arrivals)) / rate)[len(arrivals) // 10 :]
    values = {f"p{q}": float(np.percentile(steady, q)) for q in (50, 90, 99)}
    return {"rate": len(arrivals) / arrivals[-1], "frames": count, "missing": count - len(arrivals)} | values
