#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a command beside simulated USRPs, one for each antenna of a recording, whose samples they receive.

simulated_usrps.py [--lose ANTENNA:SAMPLE:COUNT] NAME.sigmf-meta COMMAND...

The word USRPS in the command stands for the UHD arguments of the radios, for example
    simulated_usrps.py air.sigmf-meta uhd_usrp_probe --args USRPS
Needs root, for network namespaces. Samples beyond ±1, a radio's full scale, are clipped: see the options
--datatype and --scale of jadce-simulate.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from gr_jadce.programs import command_line
from gr_jadce.recordings.reader import read_recording

FULL_SCALE = 32767
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, usage=argparse.SUPPRESS
    )
    parser.add_argument("--lose", metavar="ANTENNA:SAMPLE:COUNT", help="packets that get lost on the way")
    parser.add_argument("recording", metavar="NAME.sigmf-meta")
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND")
    args = parser.parse_args()
    try:
        from usrp_sim.radios import simulated_radios, why_not
    except ModuleNotFoundError:
        parser.error("the simulated USRPs are part of the source repository, not of the installation")
    if reason := why_not():
        parser.error(f"simulated USRPs cannot run here: {reason}")
    lose = dict([lost_packets(args.lose)]) if args.lose else None
    with (
        tempfile.TemporaryDirectory() as folder,
        simulated_radios(iq_files(args.recording, Path(folder)), lose) as radios,
    ):
        command = [word.replace("USRPS", radios) for word in args.command]
        environment = os.environ | {"UHD_LOG_CONSOLE_LEVEL": "error"}
        return subprocess.run(command, env=environment).returncode


def lost_packets(text):
    antenna, packets = text.split(":", 1)
    return int(antenna), packets


def iq_files(recording, folder):
    """The samples of each antenna in a file of their own, as 16-bit integers."""
    samples = read_recording(recording).read()
    paths = [folder / f"{antenna}.iq" for antenna in range(samples.shape[1])]
    for antenna, path in enumerate(paths):
        stream = np.ascontiguousarray(samples[:, antenna]).view(np.float32)
        np.round(stream * FULL_SCALE).clip(-FULL_SCALE, FULL_SCALE).astype("<i2").tofile(path)
    return paths


if __name__ == "__main__":
    command_line.run(main)
