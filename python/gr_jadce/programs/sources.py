# SPDX-License-Identifier: GPL-3.0-or-later
"""Where `jadce-receive` takes its samples from, or its frames."""

from gnuradio import gr

from ..blocks.recording_source import recording_source
from ..blocks.uplink_source import uplink_source
from ..radio.source import Source
from ..radio.usrp import open_receivers
from ..reports.publishing import full_address
from . import command_line

_FRAMES_TIMEOUT = 100  # milliseconds between two looks at whether to stop
_FRAMES_QUEUE = 2  # messages of frames that wait here; more would be lost with this receiver


def open_source(args, book, slot_period) -> Source:
    """The source that the options of `jadce-receive` name.

    Raises
    ------
    ValueError, OSError
        If it is not there or not what was asked for; the message says which.
    """
    if args.recording is not None:
        block = recording_source(args.recording, args.antennas or 0)
        return Source(block, block.n_antennas(), block.sample_rate(), block.n_samples())
    if args.simulate:
        return _simulated(args, book, slot_period)
    return _opened("--frames", _frames, args, book) if args.frames is not None else open_usrp(args)


def open_usrp(args) -> Source:
    """The USRPs that the options of `command_line.add_usrp_options` and ``--antennas`` describe."""
    return _opened("--usrp", open_receivers, args)


def _opened(name, opened, *args):
    try:
        return opened(*args)
    except (RuntimeError, ImportError) as error:
        raise ValueError(f"{name}: {' '.join(str(error).split())}") from error


def _simulated(args, book, slot_period):
    scenario = command_line.uplink_scenario(args, book)
    n_slots, rate = args.slots or 1000, args.rate or 1e6
    block = uplink_source(
        scenario.pilots, scenario.n_antennas, scenario.activity_rate,
        n_active=scenario.n_active, snr_db=scenario.snr_db, power_spread_db=scenario.power_spread_db,
        slot_period=slot_period, n_slots=n_slots, rate=rate, seed=args.seed,
    )  # fmt: skip
    return Source(block, scenario.n_antennas, rate, n_slots * slot_period)


def _frames(args, book):
    from gnuradio import zeromq

    n_antennas = args.antennas or 1
    length = book.pilot_length * n_antennas
    address = full_address(args.frames)
    block = zeromq.pull_source(gr.sizeof_gr_complex, length, address, _FRAMES_TIMEOUT, True, _FRAMES_QUEUE)
    return Source(block, n_antennas, gives_frames=True)
