# SPDX-License-Identifier: GPL-3.0-or-later
"""Where `jadce-receive` takes its samples from, or its frames."""

import time
from typing import NamedTuple

from gnuradio import gr

from ..blocks.recording_source import recording_source
from ..blocks.uplink_source import uplink_source
from ..reports.publishing import full_address
from . import command_line

ENDLESS = 2**62
START_DELAY = 1.0  # seconds from the end of the set-up to a radio's first sample
_FRAMES_TIMEOUT = 100  # milliseconds between two looks at whether to stop
_FRAMES_QUEUE = 2  # messages of frames that wait here; more would be lost with this receiver


class Source(NamedTuple):
    """A block with M outputs of samples or one of frames, and what is known about them."""

    block: object
    n_antennas: int
    rate: float = 1.0
    n_samples: int = ENDLESS
    live: bool = False
    gives_frames: bool = False


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
    return _opened("--usrp", _usrp, args, None)


def _opened(name, opened, args, book):
    try:
        return opened(args, book)
    except (RuntimeError, ImportError) as error:
        raise ValueError(f"{name}: {' '.join(str(error).split())}") from error


def _simulated(args, book, slot_period):
    scenario = command_line.uplink_scenario(args, book)
    n_slots, rate = args.slots or 1000, args.rate or 1e6
    block = uplink_source(
        scenario.pilots, scenario.n_antennas, scenario.activity_rate,
        -1 if scenario.n_active is None else scenario.n_active, scenario.snr_db,
        scenario.power_spread_db, slot_period, n_slots, rate, seed=args.seed,
    )  # fmt: skip
    return Source(block, scenario.n_antennas, rate, n_slots * slot_period)


def _frames(args, book):
    from gnuradio import zeromq

    n_antennas = args.antennas or 1
    length = book.pilot_length * n_antennas
    address = full_address(args.frames)
    block = zeromq.pull_source(gr.sizeof_gr_complex, length, address, _FRAMES_TIMEOUT, True, _FRAMES_QUEUE)
    return Source(block, n_antennas, gives_frames=True)


def _usrp(args, _book):
    from gnuradio import uhd

    n_antennas = args.antennas or 1
    stream = uhd.stream_args(cpu_format="fc32", channels=list(range(n_antennas)))
    usrp = uhd.usrp_source(args.usrp, stream)
    for board in range(usrp.get_num_mboards()):
        set_up_board(usrp, board, args)
    usrp.set_samp_rate(args.rate)
    frequencies, gains = (
        _per_channel(args.freq, n_antennas, "--freq"),
        _per_channel(args.gain, n_antennas, "--gain"),
    )
    for channel in range(n_antennas):
        if args.antenna_port:
            usrp.set_antenna(args.antenna_port, channel)
        usrp.set_center_freq(frequencies[channel], channel)
        usrp.set_gain(gains[channel], channel)
    set_time(usrp, uhd.time_spec, args.time_source)
    usrp.set_start_time(usrp.get_time_now() + uhd.time_spec(START_DELAY))
    return Source(usrp, n_antennas, usrp.get_samp_rate(), live=True)


def set_up_board(usrp, board, args):
    """Set what the options say of a board's clock, time source and channels."""
    if args.clock_source:
        usrp.set_clock_source(args.clock_source, board)
    if args.time_source:
        usrp.set_time_source(args.time_source, board)
    if args.subdev:
        usrp.set_subdev_spec(args.subdev, board)


def set_time(usrp, time_spec, time_source):
    """Set the device time to this host's, on all boards at the same pulse if there are several."""
    if usrp.get_num_mboards() == 1 and time_source in (None, "internal"):
        usrp.set_time_now(time_spec(time.time()))
    else:
        usrp.set_time_unknown_pps(time_spec(int(time.time()) + 2))


def _per_channel(values, n_antennas, name):
    if len(values) not in (1, n_antennas):
        raise ValueError(f"{name}: expected one value or {n_antennas}, got {len(values)}")
    return values * n_antennas if len(values) == 1 else values
