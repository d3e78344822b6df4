#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a command with simulated USRPs, one for each antenna of a recording, whose samples they receive.

simulated_usrps.py [--lose ANTENNA:SAMPLE:COUNT] [--until FILE] NAME.sigmf-meta COMMAND...

The word USRPS in the command stands for the UHD arguments of the radios, for example
    simulated_usrps.py air.sigmf-meta uhd_usrp_probe --args USRPS
Needs root, for network namespaces. Samples beyond ±1, a radio's full scale, are clipped: see the options
--datatype and --scale of jadce-simulate.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from gr_jadce.programs.process import run
from gr_jadce.recordings.reader import read_recording

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, usage=argparse.SUPPRESS
    )
    parser.add_argument("--lose", metavar="ANTENNA:SAMPLE:COUNT", help="packets that get lost on the way")
    parser.add_argument(
        "--until", type=Path, metavar="FILE", help="end the command, by Ctrl-C, once it wrote to FILE"
    )
    parser.add_argument("recording", metavar="NAME.sigmf-meta")
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND")
    args = parser.parse_args()
    try:
        from usrp_sim.radios import simulated_radios, why_not, write_iq_files
    except ModuleNotFoundError:
        parser.error("the simulated USRPs are part of the source repository, not of the installation")
    if reason := why_not():
        parser.error(f"simulated USRPs cannot run here: {reason}")
    samples = read_recording(args.recording).read()
    lose = dict([lost_packets(args.lose)]) if args.lose else None
    with (
        tempfile.TemporaryDirectory() as folder,
        simulated_radios(write_iq_files(Path(folder), samples), lose) as radios,
    ):
        command = [word.replace("USRPS", radios) for word in args.command]
        environment = os.environ | {"UHD_LOG_CONSOLE_LEVEL": "error"}
        if args.until:
            return run_until_written(command, args.until, environment)
        return subprocess.run(command, env=environment).returncode


def run_until_written(command, file, environment):
    start = time.time()
    with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE) as process:
        while process.poll() is None:
            if file.exists() and file.stat().st_size and file.stat().st_mtime >= start:
                process.send_signal(signal.SIGINT)
                break
            time.sleep(0.1)
    return process.returncode


def lost_packets(text):
    antenna, packets = text.split(":", 1)
    return int(antenna), packets


if __name__ == "__main__":
    run(main)
