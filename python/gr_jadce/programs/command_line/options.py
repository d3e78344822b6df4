# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that several programs have, and the settings that they describe."""

import os
from argparse import ArgumentParser, Namespace, _ArgumentGroup
from collections.abc import Mapping
from itertools import product
from typing import Any

from ...payload.format import n_chips_of
from ...pilots.book import PilotBook
from ...radio.usrp import SoapySettings, UsrpSettings
from ...uplink.simulation import Scenario
from ...waveform import Ofdm, Waveform
from .types import count, numbers, payload_format, positive, whole

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


def add_radio_addresses(group: Any) -> None:
    """Add ``--usrp`` and ``--soapy`` to a group of which one option is given."""
    group.add_argument(
        "--usrp", metavar="ADDRESS", help='UHD device address, "addr=…" or "addr0=…,addr1=…"; "" finds one'
    )
    group.add_argument(
        "--soapy",
        metavar="ARGUMENTS",
        help='device of SoapySDR, "driver=lime", "driver=plutosdr", "driver=hackrf", …',
    )


def has_radio(args: Namespace) -> bool:
    """Whether one of the options of `add_radio_addresses` was given."""
    return args.usrp is not None or args.soapy is not None


def radio_settings(args: Namespace) -> UsrpSettings:
    """What the options of `add_usrp_options`, `add_radio_addresses` and ``--antennas`` describe."""
    kind, address = (UsrpSettings, args.usrp) if args.usrp is not None else (SoapySettings, args.soapy)
    return kind(
        address,
        args.rate,
        args.freq,
        args.gain,
        n_antennas=getattr(args, "antennas", None) or 1,
        antenna_port=args.antenna_port,
        subdev=args.subdev,
        clock_source=args.clock_source,
        time_source=args.time_source,
    )


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
    add(
        "--ofdm", action="store_true",
        help="in place of shaped pulses: pilots are on the L subcarriers about the carrier of one OFDM "
        "symbol of L·S samples, behind a prefix of P·S",
    )  # fmt: skip


def add_payload_options(group: _Options, *, is_sender: bool) -> None:
    """Add the option of a payload, and that of what a sender sends, to a parser or a group of one."""
    group.add_argument(
        "--payload", type=payload_format, metavar="FILE.json|N[,S[,SEED]]",
        help="devices send packets behind their pilots, in the format of a file, or of N bytes spread by S "
        "chips (default 4; default of the option: no packets)",
    )  # fmt: skip
    if is_sender:
        group.add_argument(
            "--packets", default="random", metavar="random|counter|TEXT",
            help="what they hold: random bytes, the number of the slot, or a text in which {device} and "
            "{slot} stand for numbers (default %(default)s)",
        )  # fmt: skip


def waveform(args: Namespace) -> Waveform | Ofdm | None:
    """That which the options of `add_waveform_options` describe; None if pilots come as symbols."""
    if args.samples_per_symbol == 1:
        return None
    if args.ofdm:
        return Ofdm(args.samples_per_symbol, cyclic_prefix=args.cyclic_prefix)
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


def uplink_scenario(args: Namespace, book: PilotBook, **more: Any) -> Scenario:
    """The scenario that the options of `add_uplink_options` and ``--antennas`` describe, and `more`."""
    n_antennas = args.antennas or 1
    return Scenario(
        book, n_antennas, args.activity_rate,
        n_active=args.n_active, snr_db=args.snr_db, power_spread_db=args.power_spread_db,
        payload=args.payload, **more,
    )  # fmt: skip


def slot_period(args: Namespace, book: PilotBook) -> int:
    """The slot period T in samples: that of the options, else 16 more than the pilot and its payload."""
    length = book.pilot_length + n_chips_of(args.payload)
    period = args.slot_period or length + 16
    if period < length:
        what = "length of pilot and payload," if args.payload else "pilot length"
        raise ValueError(f"--slot-period: expected at least the {what} {length}, got {period}")
    return period
