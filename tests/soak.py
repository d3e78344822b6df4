# SPDX-License-Identifier: GPL-3.0-or-later
"""A long run over all that goes wrong with radios: every frame accounted for, nothing that grows.

Each round builds a flowgraph and runs it to the end, or stops it on the way: streams with gaps, in
some rounds thousands of them, retunes and bursts of bad samples, a second antenna that starts later,
a recording on the side, an estimator that stalls, settings changed from another thread.
"""

import argparse
import ctypes
import gc
import os
import sys
import tempfile
import threading
import time
from pathlib import Path
from random import Random
from statistics import median_high

import numpy as np
import pmt
from gnuradio import blocks, gr

from gr_jadce import make_pilots
from gr_jadce.blocks import json_sink, pilot_framer, receiver, recording_sink
from gr_jadce.recordings.reader import read_recording

sys.path.insert(0, str(Path(__file__).with_name("helpers")))
from collector import collector
from estimators import matched_filter

N, L, T, RATE = 16, 8, 12, 1e6
START = (5, 0.0)  # device time of the first sample
BOOK = make_pilots("gaussian", N, L, seed=1)
WARM_UP = 0.3  # of the rounds
WINDOW = 20  # rounds that what is used is the median of


class Stream:
    """Samples of an antenna, tagged by device time as UHD does; what must become of them.

    Parameters
    ----------
    stretch : int
        Largest number of slots from one gap to the next.
    late : int
        Samples by which another antenna starts later: what comes before is of no use.
    """

    def __init__(self, rng, n_slots, stretch, late=0):
        self.tags, self.slots, self.bad_slots, self.late = [], set(), set(), late
        parts, position, offset, self.gaps = [], 0, 0, -1
        while position < n_slots * T:
            samples = np.full(rng.randint(late + 1, late + stretch * T), 0.1 + 0.1j, np.complex64)
            self.gaps += 1
            self._add(position, len(samples), self._burst(rng, samples))
            for at in (0, rng.randrange(len(samples))):  # the second one is a retune: a time, and no jump
                self.tags.append(self._time_tag(offset + at, position + at))
            parts.append(samples)
            offset, self.end = offset + len(samples), position + len(samples)
            position = self.end + rng.randint(1, 5 * T)
        self.samples = np.concatenate(parts)

    def _add(self, position, length, bad):
        """Note the slots whose pilots lie in a stretch without gap, and those with bad samples."""
        first = max(position, self.late)
        whole = range(-(-first // T), (position + length - L) // T + 1)
        self.slots.update(whole)
        self.bad_slots.update(k for k in whole if any(k * T <= position + i < k * T + L for i in bad))

    def _burst(self, rng, samples):
        """Make some samples NaN, infinite or saturated; the indices of those that no one can solve."""
        at, value = rng.randrange(len(samples)), rng.choice([np.nan, np.inf, 1e3])
        burst = range(at, min(at + rng.randint(1, 40), len(samples)))
        samples[burst.start : burst.stop] = value
        return () if value == 1e3 else burst

    def source(self, late=0):
        """A block that gives the samples, without the first `late` ones."""
        tags = [self._time_tag(0, late)] if late else []
        tags += [moved(tag, -late) for tag in self.tags if tag.offset >= late]
        return blocks.vector_source_c(self.samples[late:], False, 1, tags)

    def slot_counts(self):
        """Slots from the first sample of all antennas to the last whole one, and to the last one begun."""
        first = -(-self.late // T)
        return max(self.slots) + 1 - first, -(-self.end // T) - first

    def _time_tag(self, offset, position):
        tag = gr.tag_t()
        seconds, rest = divmod(position, int(RATE))
        tag.offset, tag.key = offset, pmt.intern("rx_time")
        tag.value = pmt.make_tuple(pmt.from_uint64(START[0] + seconds), pmt.from_double(rest / RATE))
        return tag


def moved(tag, offset):
    result = gr.tag_t()
    result.offset, result.key, result.value = tag.offset + offset, tag.key, tag.value
    return result


class Stalling:
    """An estimator that now and then stands still."""

    def __init__(self, rng):
        self._rng, self._estimator = rng, matched_filter(BOOK)

    def __call__(self, received, noise_var=None):
        if self._rng.random() < 0.02:
            time.sleep(0.02)
        return self._estimator(received)


class Round:
    """One flowgraph, its run and its books."""

    def __init__(self, rng, n_slots, path):
        self.rng, late = rng, rng.choice([0, 0, 1, 17, 100])
        self.stream = Stream(rng, n_slots, rng.choice([400, 2]), late)
        n_antennas = 2 if late else 1
        self.stopped, dropping = rng.random() < 0.3, rng.random() < 0.5
        mode = {"on_overload": "drop" if dropping else "block", "max_backlog": 64 if dropping else 1024}
        self.exact = not dropping and not self.stopped
        self.framer = pilot_framer(L, n_antennas, T, slot_origin=START, rate=RATE)
        self.receiver = receiver(BOOK, n_antennas, Stalling(Random(rng.random())), max_batch=64, **mode)
        self.path = path.with_name("recording")
        self.recording = recording_sink(self.path, rate=RATE)
        for block in (self.framer, self.receiver):  # what they warn of is meant
            block.set_log_level("off")
        self.collector, self.json = collector(), json_sink(path)
        self.collector.take_report = self.count
        self.answered, self.last = 0, -1
        self.flowgraph = gr.top_block()
        source = self.stream.source()
        self.flowgraph.connect(source, self.framer, self.receiver)
        self.flowgraph.connect(source, self.recording)
        if late:
            self.flowgraph.connect(self.stream.source(late), (self.framer, 1))
        for sink in (self.collector, self.json):
            for port in ("activity", "channel", "status"):
                self.flowgraph.msg_connect((self.receiver, port), (sink, "in"))

    def count(self, report):
        assert report.frame_id > self.last, "frames out of order"
        self.answered, self.last = self.answered + 1, report.frame_id

    def run(self):
        """Run to the end or stop on the way, settings changing; seconds that stopping took."""
        ended, seconds = threading.Event(), 0.0
        setter = threading.Thread(target=self.change_settings, args=[ended])
        self.flowgraph.start()
        setter.start()
        if self.stopped:
            time.sleep(self.rng.uniform(0, 0.3))
            began = time.monotonic()
            self.flowgraph.stop()
            self.flowgraph.wait()
            seconds = time.monotonic() - began
        self.flowgraph.wait()
        ended.set()
        setter.join()
        return seconds

    def change_settings(self, ended):
        while not ended.wait(0.01):
            self.receiver.set_false_alarm(self.rng.choice([1e-3, 1e-2]))
            self.receiver.set_noise_var(self.rng.choice([0.0, 0.02]))
            self.receiver.set_estimator(Stalling(Random(self.rng.random())))

    def complaints(self):
        """What is not accounted for."""
        status, framer, slots = self.receiver.status_dict(), self.framer, self.stream.slots
        taken, solved, dropped, bad = (status[f"frames_{k}"] for k in ("in", "solved", "dropped", "bad"))
        if taken != solved + dropped + bad:
            yield f"{taken} frames in, but {solved} solved + {dropped} dropped + {bad} bad"
        if not self.answered == self.json.written() == solved + bad:
            yield f"{solved + bad} reports, but {self.answered} collected and {self.json.written()} written"
        yield from self.complaints_of_recording()
        if self.stopped:
            return
        if not framer.frames() == taken == len(slots):
            yield f"{len(slots)} whole pilots sent, but {framer.frames()} cut and {taken} taken"
        least, most = self.stream.slot_counts()
        if not least <= framer.frames() + framer.slots_lost() <= most:
            yield f"{least} to {most} slots, but {framer.frames()} frames + {framer.slots_lost()} lost"
        if bad > len(self.stream.bad_slots) or (self.exact and bad != len(self.stream.bad_slots)):
            yield f"{len(self.stream.bad_slots)} bad frames sent, {bad} reported"

    def complaints_of_recording(self):
        sink = self.recording
        if sink.taken() != sink.written() + sink.dropped():
            yield f"{sink.taken()} samples, but {sink.written()} recorded + {sink.dropped()} dropped"
        if self.stopped or sink.dropped():
            return
        recording = read_recording(self.path)
        if (recording.n_samples, len(recording.segments)) != (len(self.stream.samples), self.stream.gaps + 1):
            yield f"{self.stream.gaps} gaps sent, but {len(recording.segments)} segments recorded"


def resources():
    """Resident memory in MB (less what malloc keeps for later), threads of the process and open files."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    threads, files = (len(os.listdir(f"/proc/self/{name}")) for name in ("task", "fd"))
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6, threads, files


def soak(n_frames, per_round, seed, slack, stop_limit_s, path):
    """Run rounds until `n_frames` were sent; what went wrong."""
    rng, complaints, used, sent, slowest = Random(seed), [], [], 0, 0.0
    began = time.monotonic()
    while sent < n_frames:
        round = Round(rng, per_round, path)
        slowest = max(slowest, round.run())
        complaints += [f"round {len(used)}: {text}" for text in round.complaints()]
        sent += len(round.stream.slots)
        del round
        used.append(resources())
    complaints += growth(used, slack)
    if slowest > stop_limit_s:
        complaints.append(f"stopping took {slowest:.2f} s")
    memory, threads, files = typical(used[-WINDOW:])
    grown = memory / typical(used[int(WARM_UP * len(used)) :][:WINDOW])[0] - 1
    print(
        f"{sent} frames in {len(used)} rounds, {time.monotonic() - began:.0f} s; slowest stop {slowest:.2f} s"
    )
    print(f"{memory:.1f} MB, {grown:+.1%} since warm-up; {threads} threads, {files} files")
    return complaints


def growth(used, slack):
    """What grew after warm-up: memory by more than 2 % and `slack` MB, threads or files at all."""
    first, last = typical(used[int(WARM_UP * len(used)) :][:WINDOW]), typical(used[-WINDOW:])
    for name, before, after, most in zip(
        ("MB", "threads", "files"), first, last, (1.02 * first[0] + slack, *first[1:]), strict=True
    ):
        if after > most:
            yield f"{name}: {before:g} after warm-up, {after:g} at the end"


def typical(used):
    """The medians over some rounds: what one round leaves in malloc's hands differs by megabytes."""
    return tuple(median_high(values) for values in zip(*used, strict=True))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=1_000_000, help="frames to send (default %(default)s)")
    parser.add_argument("--per-round", type=int, default=5_000, help="slots a round (default %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of everything random (default %(default)s)")
    parser.add_argument(
        "--slack", type=float, default=1, help="MB that memory may grow besides 2 %% (default %(default)s)"
    )
    parser.add_argument(
        "--stop-limit-s", type=float, default=1.5, help="seconds to stop a flowgraph (default %(default)s)"
    )
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "out.jsonl"
        complaints = soak(args.frames, args.per_round, args.seed, args.slack, args.stop_limit_s, path)
    for complaint in complaints:
        print(f"soak: {complaint}", file=sys.stderr)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
