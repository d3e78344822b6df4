# SPDX-License-Identifier: GPL-3.0-or-later
"""USRPs set up by the options of the programs."""

import time

from .source import Source

START_DELAY = 1.0  # seconds from the end of the set-up to a radio's first sample


def open_receivers(args) -> Source:
    """The USRPs that receive, as the options of `command_line.add_usrp_options` and ``--antennas`` say."""
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


def open_transmitter(args):
    """The USRP that transmits; ValueError where it is not there."""
    try:
        from gnuradio import uhd

        usrp = uhd.usrp_sink(args.usrp, uhd.stream_args(cpu_format="fc32", channels=[0]), "")
        for board in range(usrp.get_num_mboards()):
            set_up_board(usrp, board, args)
        usrp.set_samp_rate(args.rate)
        usrp.set_center_freq(args.freq[0])
        usrp.set_gain(args.gain[0])
        if args.antenna_port:
            usrp.set_antenna(args.antenna_port)
        set_time(usrp, uhd.time_spec, args.time_source)
    except (RuntimeError, ImportError) as error:
        raise ValueError(f"--usrp: {' '.join(str(error).split())}") from error
    return usrp


def device_time(usrp) -> float:
    """Device time now, seconds."""
    return usrp.get_time_now().get_real_secs()
