# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of jadce-receive have in common: the size of their recording, and its results read."""

import re

from gr_jadce.reports.json_lines import from_json

N_SLOTS, PERIOD, RATE = 60, 40, 1e6
START = (1_700_000_000, 0.25)


def counts_of(process):
    line = next(line for line in process.stderr.splitlines() if line.startswith("frames="))
    return {name: float(value) for name, value in re.findall(r"(\w+)=([\d.]+)", line)}


def reports_of(tmp_path):
    return [from_json(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
