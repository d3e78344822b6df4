# SPDX-License-Identifier: GPL-3.0-or-later
"""What the command lines of the `jadce-…` programs have in common: types, options, settings, progress."""

import argparse
import ast
import os
import sys
from argparse import ArgumentParser, Namespace, _ArgumentGroup
from collections.abc import Mapping
from decimal import Decimal
from itertools import product
from time import monotonic
from typing import Any, Literal

from ..pilots.book import PilotBook
from ..radio.usrp import UsrpSettings
from ..uplink.simulation import Scenario
from ..waveform import Waveform

_Options = ArgumentParser | _ArgumentGroup


def refuse_overwriting(outputs: Mapping[str, Any], inputs: Mapping[str, Any]) -> None:
    """ValueError if a file that is written, one of {option: path}, is one of those that are read."""
    for (option, output), (other, source) in product(outputs.items(), inputs.items()):
        try:
            same = output and source and os.path.samefile(output, source)
        except OSError:  # one of them is not there yet
            same = False
        if same:
            raise ValueError(f"{option}: expected another file than {other}, got {output}")


def parser(description: str, examples: str) -> ArgumentParser:
    """An argument parser whose help shows the description and the examples with their own line breaks."""
    return argparse.ArgumentParser(
        description=description, epilog=examples, formatter_class=argparse.RawDescriptionHelpFormatter
    )


def count(text: str) -> int:
    """Argument type: an integer of at least 1."""
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected an integer of at least 1, got {text!r}")
    return int(text)


def whole(text: str) -> int:
    """Argument type: an integer of at least 0."""
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"expected an integer of at least 0, got {text!r}")
    return int(text)


def positive(text: str) -> float:
    """Argument type: a finite number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a number above 0, got {text!r}")
    return value


def numbers(text: str) -> list[float]:
    """Argument type: numbers separated by commas."""
    return [float(part) for part in text.split(",")]


def add_usrp_options(group: _Options) -> None:
    """Add the options of a USRP, but for its address, to a parser or a group of one."""
    add = group.add_argument
    add(
        "--rate", type=positive, metavar="R",
        help="samples per second (a simulation: default 1e6; recordings have their own)",
    )  # fmt: skip
    add("--freq", type=numbers, metavar="HZ", help="centre frequency, or M of them separated by commas")
    add("--gain", type=numbers, default=[0.0], metavar="DB", help="gain, or M of them (default 0)")
    add("--antenna-port", metavar="NAME", help="antenna port, e.g. RX2 (default the device's)")
    add(
        "--subdev",
        metavar="SPEC",
        help="receive channels of each board, e.g. A:0 for the first alone (default all it has)",
    )
    add("--clock-source", metavar="NAME", help="10 MHz reference, e.g. external (default the device's)")
    add(
        "--time-source", metavar="NAME",
        help="pulse per second, e.g. external (default the device's); several boards need one in common",
    )  # fmt: skip


def usrp_settings(args: Namespace) -> UsrpSettings:
    """What the options of `add_usrp_options`, ``--usrp`` and ``--antennas`` describe."""
    return UsrpSettings(
        args.usrp,
        args.rate,
        args.freq,
        args.gain,
        n_antennas=getattr(args, "antennas", None) or 1,
        antenna_port=args.antenna_port,
        subdev=args.subdev,
        clock_source=args.clock_source,
        time_source=args.time_source,
    )


def slot_origin(text: str) -> Literal["first"] | tuple[int, float]:
    """Argument type: "first" or a device time as (whole seconds, fraction)."""
    if text == "first":
        return "first"
    if not abs(float(text)) < 2**63:
        raise ValueError
    return int(Decimal(text)), float(Decimal(text) % 1)


def add_waveform_options(group: _Options, samples_per_symbol: int) -> None:
    """Add the options of a shaped waveform to a parser or a group of one."""
    add = group.add_argument
    add(
        "--samples-per-symbol", type=count, default=samples_per_symbol, metavar="S",
        help="samples from symbol to symbol (default %(default)s)",
    )  # fmt: skip
    add(
        "--roll-off", type=positive, default=0.25, metavar="A",
        help="excess bandwidth of the root-raised-cosine pulses (default %(default)s)",
    )  # fmt: skip
    add(
        "--cyclic-prefix", type=whole, default=0, metavar="P",
        help="last symbols of the pilot that are sent before it (default %(default)s)",
    )  # fmt: skip


def waveform(args: Namespace) -> Waveform | None:
    """That which the options of `add_waveform_options` describe; None if pilots come as symbols."""
    if args.samples_per_symbol == 1:
        return None
    return Waveform(args.samples_per_symbol, args.roll_off, cyclic_prefix=args.cyclic_prefix)


def add_uplink_options(group: _Options) -> None:
    """Add the options of a simulated uplink to a parser or a group of one."""
    group.add_argument(
        "--activity-rate", type=float, default=0.1, metavar="P",
        help="probability that a device transmits in a slot (default %(default)s)",
    )  # fmt: skip
    group.add_argument(
        "--n-active", type=int, metavar="K", help="instead: exactly K random devices transmit in every slot"
    )
    group.add_argument(
        "--snr-db", type=float, default=10.0, metavar="DB",
        help="mean power of all signals together over that of the noise, in dB (default %(default)s)",
    )  # fmt: skip
    group.add_argument(
        "--power-spread-db", type=float, default=0.0, metavar="DB",
        help="devices differ in mean power by up to ± this many dB (default %(default)s)",
    )  # fmt: skip
    group.add_argument(
        "--seed",
        type=whole,
        default=0,
        metavar="S",
        help="equal seeds give equal uplinks (default %(default)s)",
    )


def uplink_scenario(args: Namespace, book: PilotBook) -> Scenario:
    """The scenario that the options of `add_uplink_options` and ``--antennas`` describe."""
    n_antennas = args.antennas or 1
    return Scenario(
        book, n_antennas, args.activity_rate,
        n_active=args.n_active, snr_db=args.snr_db, power_spread_db=args.power_spread_db,
    )  # fmt: skip


def slot_period(args: Namespace, book: PilotBook) -> int:
    """The slot period T in samples: that of the options, else L + 16."""
    period = args.slot_period or book.pilot_length + 16
    if period < book.pilot_length:
        raise ValueError(
            f"--slot-period: expected at least the pilot length {book.pilot_length}, got {period}"
        )
    return period


def score_lines(summary: Mapping[str, Any]) -> list[str]:
    """The figures of `reports.scoring.Score.summary` as lines of text."""
    lines = [f"frames scored              {summary['frames']} (and {summary['frames_bad']} with bad input)"]
    names = ["miss_probability", "false_alarm_probability", "activity_error_rate", "nmse_db"]
    if left_out := summary["frames_activity_only"]:
        lines.append(f"channels left out          in {left_out} frames: their truth is of one antenna only")
        names = names[:3] if left_out == summary["frames"] else names
    for name in names:
        low, high = summary[f"{name}_interval"]
        unit = " dB" if name == "nmse_db" else ""
        label = name.removesuffix("_db").replace("_", " ").replace("nmse", "NMSE")
        lines.append(f"{label:26} {summary[name]:.4g}{unit}  (95 % interval {low:.4g} to {high:.4g})")
    return lines


class Progress:
    """One line on stderr that tells how far long work has come; nothing if that is no terminal.

    Parameters
    ----------
    total : int, optional
        Amount of work, for a percentage.
    interval : float
        Seconds between two renewals at least.
    quiet : bool
        Show nothing: another program, at the end of a pipe, has the terminal.
    """

    def __init__(self, total: int | None = None, *, interval: float = 0.2, quiet: bool = False) -> None:
        self._total, self._interval = total, interval
        self._shown, self._due = False, 0.0
        self._terminal = sys.stderr.isatty() and not quiet

    def show(self, done: int, text: str) -> None:
        """Show ``done`` of the total, and the text."""
        if not self._terminal or monotonic() < self._due:
            return
        share = f"{100 * done / self._total:3.0f} % " if self._total else ""
        sys.stderr.write(f"\r\x1b[K{share}{text}")
        sys.stderr.flush()
        self._shown, self._due = True, monotonic() + self._interval

    def clear(self) -> None:
        """Remove the line."""
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
        self._shown = False


def named_estimator(text: str) -> tuple[str, dict[str, Any]]:
    """Name and options of an estimator given as ``NAME`` or ``NAME:option=value,option=value``."""
    name, _, rest = text.partition(":")
    options: dict[str, Any] = {}
    for pair in filter(None, rest.split(",")):
        key, equals, value = pair.partition("=")
        if not equals:
            raise ValueError(f"estimator {text!r}: expected NAME:option=value,…")
        options[key] = _literal(value)
    return name, options


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
