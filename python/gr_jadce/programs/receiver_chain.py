# SPDX-License-Identifier: GPL-3.0-or-later
"""The blocks of a reception, from the head of its source to the receiver, made from its settings."""

from collections.abc import Iterable, Sequence
from typing import Any

from gnuradio import blocks, filter, gr

from ..blocks.occasion_demodulator import occasion_demodulator
from ..blocks.ofdm_demodulator import ofdm_demodulator
from ..blocks.pilot_framer import pilot_framer
from ..blocks.receiver import receiver
from ..blocks.recording_sink import recording_sink
from ..blocks.web_sink import web_sink
from ..detection.asynchrony import Asynchrony
from ..pilots.book import PilotBook
from ..radio.source import ENDLESS, Source
from ..random_access.occasions import Occasion
from ..slots.ofdm import ofdm_book
from ..waveform import Ofdm
from .settings import ReceptionSettings
from .sources import frame_length

PORTS = ("activity", "channel", "status")  # of a receiver; the first two of a truth
_SILENCE_S = 5.0  # without a sample, after which a radio is taken to have ended


def framer_of(settings: ReceptionSettings, book: PilotBook, source: Source) -> pilot_framer:
    """The block that cuts frames out of the samples of a source."""
    grid, waveform = settings.grid, settings.waveform
    if grid is None:
        raise ValueError("grid: expected a SlotGrid, got none")
    occasion = occasion_of(settings, book, source)
    delay, step = (waveform.offset, waveform.samples_per_symbol) if waveform else (0, 1)
    length, step = (book.pilot_length * step, 1) if isinstance(waveform, Ofdm) else (book.pilot_length, step)
    if occasion:
        length, delay = occasion.body, occasion.offset
    return pilot_framer(
        length,
        source.n_antennas,
        grid.slot_period,
        slot_origin=grid.slot_origin,
        offset=grid.offset + delay,
        rate=source.rate,
        hold_rate=grid.hold_rate,
        samples_per_symbol=step,
        guard_start=grid.guard_start,
        guard_length=grid.guard_length,
        delay=delay + min(grid.offset, 0),
        payload=settings.payload,
    )


def occasion_of(settings: ReceptionSettings, book: PilotBook, source: Source) -> Occasion | None:
    """The random access occasion of a book of preambles."""
    if book.preambles is None:
        return None
    if settings.payload is not None:
        raise ValueError("payload: expected none for random access preambles")
    if settings.waveform is not None:
        raise ValueError(f"waveform: expected none for random access preambles, got {settings.waveform!r}")
    return Occasion(book.preambles, source.rate, settings.first_subcarrier)


def demodulators_of(
    settings: ReceptionSettings, book: PilotBook, source: Source
) -> list[ofdm_demodulator | occasion_demodulator]:
    """What is between framer and receiver: of OFDM and of preambles a demodulator, else nothing."""
    waveform = settings.waveform
    if book.preambles is not None:
        return [occasion_demodulator(book, source.n_antennas, source.rate, settings.first_subcarrier)]
    if not isinstance(waveform, Ofdm):
        return []
    return [ofdm_demodulator(book.pilot_length, source.n_antennas, waveform.samples_per_symbol)]


def receiver_of(settings: ReceptionSettings, book: PilotBook, source: Source) -> receiver:
    """The receiver; behind a live source it drops what it cannot keep up with."""
    return receiver(
        ofdm_book(book) if isinstance(settings.waveform, Ofdm) else book,
        source.n_antennas,
        estimator=settings.estimator,
        estimator_options=dict(settings.estimator_options),
        false_alarm=settings.false_alarm,
        noise_var=settings.noise_var,
        noise=settings.noise,
        on_overload="drop" if source.live else "block",
        max_batch=256 if source.live else 64,
        noise_memory=settings.noise_memory,
        asynchrony=_asynchrony(settings, book, source.rate),
        payload=settings.payload,
    )


def recording_of(settings: ReceptionSettings, source: Source) -> recording_sink | None:
    """The block that records the samples of a source, if that is wanted."""
    if settings.record is None:
        return None
    return recording_sink(settings.record, n_antennas=source.n_antennas, rate=source.rate)


def metrics_of(settings: ReceptionSettings) -> web_sink | None:
    """The block that serves numbers for Prometheus, if that is wanted."""
    if settings.metrics is None:
        return None
    return web_sink(settings.metrics, token=settings.metrics_token or "", page=False)


def heads_of(settings: ReceptionSettings, book: PilotBook, source: Source, limit: int) -> list[Any]:
    """Blocks that end live streams after what is wanted, and any stream when it is stopped."""
    n_streams = 1 if source.gives_frames else source.n_antennas
    length = frame_length(book, settings.payload) * source.n_antennas if source.gives_frames else 1
    return [blocks.head(gr.sizeof_gr_complex * length, limit) for _ in range(n_streams)]


def filters_of(settings: ReceptionSettings, count: int) -> list[Any]:
    """Matched filters of as many streams; none where there is one sample a symbol, or OFDM."""
    taps = settings.waveform.taps.tolist() if settings.waveform else []
    return [filter.fir_filter_ccf(1, taps) for _ in range(count) if len(taps) > 1]


def connect_samples(
    flowgraph: Any,
    source: Source,
    heads: Sequence[Any],
    filters: Sequence[Any],
    path: Sequence[Any],
    recording: Any,
) -> None:
    """Connect a source, through its heads and filters, to a path of blocks; its heads to a recording, too."""
    for stream, head in enumerate(heads):
        flowgraph.connect((source.block, stream), head, *filters[stream : stream + 1], (path[0], stream))
        if recording:
            flowgraph.connect(head, (recording, stream))
    if len(path) > 1:
        flowgraph.connect(*path)


def connect_reports(flowgraph: Any, sender: Any, sinks: Iterable[Any], ports: Sequence[str] = PORTS) -> None:
    """Connect the message ports of a block to each of the sinks."""
    for sink in sinks:
        for port in ports:
            flowgraph.msg_connect((sender, port), (sink, "in"))


def limit_of(settings: ReceptionSettings, source: Source) -> int:
    """Samples, or frames, after which to end."""
    if settings.grid is None:
        return settings.n_slots or ENDLESS
    limits = [settings.n_slots * settings.grid.slot_period] if settings.n_slots else []
    if settings.duration:
        limits.append(max(round(min(settings.duration * source.rate, ENDLESS)), 1))
    return min([*limits, ENDLESS, source.n_samples])


def idle_of(settings: ReceptionSettings, source: Source, limit: int) -> float:
    """Seconds of silence after which to end."""
    if source.gives_frames:
        return settings.idle or float("inf")
    return _SILENCE_S if source.live and limit < ENDLESS else float("inf")


def _asynchrony(settings: ReceptionSettings, book: PilotBook, rate: float) -> Asynchrony | None:
    """How far devices may be out of step; None if they are not."""
    waveform = settings.waveform
    if book.preambles is not None and settings.max_offset is not None:
        return Asynchrony(max_offset=settings.max_offset / book.preambles.bandwidth)
    if waveform is None or (settings.max_delay is None and settings.max_offset is None):
        return None
    max_offset = (settings.max_offset or 0.0) * waveform.samples_per_symbol / rate
    return Asynchrony(
        settings.max_delay or 0, max_offset, waveform.cyclic_prefix, waveform.roll_off, settings.max_paths
    )
