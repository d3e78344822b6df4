# SPDX-License-Identifier: GPL-3.0-or-later
"""Packets behind the pilots: slots a second of one process and of two, and where the time goes."""

from concurrent.futures import ProcessPoolExecutor

import numpy as np
from timing import seconds

from gr_jadce import Scenario, make_pilots, simulate
from gr_jadce.detection.asynchrony import Asynchrony, Delayed
from gr_jadce.payload import PayloadFormat, PayloadReceiver

N, L, K, M, SNR_DB, MAX_OFFSET = 64, 32, 8, 4, 15, 2e-4
BATCH = 64
WANTED = 500  # slots a second, on two cores


def run(quick, say):
    time = 0.5 if quick else 2.0
    one = work(time)
    with ProcessPoolExecutor(2) as pool:
        two = list(pool.map(work, [time, time]))
    total = sum(1 / (part["detection_s"] + part["packets_s"]) for part in two)
    packets = sum(1 / part["packets_s"] for part in two)
    times = [one[name] * 1e3 for name in ("detection_s", "packets_s")]
    say(f"  one process: {times[0]:.2f} ms detection, {times[1]:.2f} ms packets a slot")
    say(f"  two processes: {total:.0f} slots a second with detection, {packets:.0f} without; wanted {WANTED}")
    cell = {"N": N, "L": L, "K": K, "M": M, "snr_db": SNR_DB, "n_bytes": PayloadFormat().n_bytes}
    return {"cell": cell, "one": one, "slots_per_s": total, "slots_per_s_packets": packets}


def work(time):
    """Seconds a slot of the detection and of the receiver of packets, in a process."""
    book, format = make_pilots("qpsk", N, L, seed=0), PayloadFormat()
    scenario = Scenario(
        book, M, n_active=K, snr_db=SNR_DB, max_delay=0.5, max_offset=MAX_OFFSET, payload=format
    )
    received = simulate(scenario, BATCH, seed=1).received
    pilots = np.ascontiguousarray(received[:, :L])
    delayed = Delayed(book, Asynchrony(max_delay=1, max_offset=MAX_OFFSET))
    receiver = PayloadReceiver(book, format, max_offset=MAX_OFFSET)
    decision = delayed.decide_rows(pilots)
    detection = seconds(lambda: delayed.decide_rows(pilots), time, 3) / BATCH
    return {
        "detection_s": detection,
        "packets_s": seconds(lambda: receiver.receive(received, decision), time, 3) / BATCH,
    }
