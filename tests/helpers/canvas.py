# SPDX-License-Identifier: GPL-3.0-or-later
"""Every block on a canvas of GNU Radio Companion, connected, and what it complains about."""

import json
import os
import subprocess
import sys

from tracked import ROOT

CANVAS = """
import json
import sys
from gnuradio import gr
from gnuradio.grc.core.platform import Platform

version = gr.major_version(), gr.api_version(), gr.minor_version()
platform = Platform(name="test", prefs=gr.prefs(), version=gr.version(), version_parts=version)
platform.build_library()
canvas = platform.make_flow_graph()
canvas.options_block.params["id"].set_value("canvas")
keys = ["variable", "pilot_book", "uplink_source", "pilot_framer", "receiver", "scorer", "json_sink"]
made = {}
for key in keys:
    made[key] = canvas.new_block(key if key == "variable" else "jadce_" + key)
    made[key].params["id"].set_value("samp_rate" if key == "variable" else f"jadce_{key}_0")
made["variable"].params["value"].set_value("1e6")
for key, values in json.loads(sys.argv[1]).items():
    for name, value in values.items():
        made[key].params[name].set_value(value)
canvas.rewrite()

def connect(source, port, sink, to):
    outlet = next(p for p in made[source].sources if p.key == port)
    canvas.connect(outlet, next(p for p in made[sink].sinks if p.key == to))

connect("uplink_source", "0", "pilot_framer", "0")
connect("pilot_framer", "0", "receiver", "0")
for port in ("activity", "channel", "status"):
    connect("receiver", port, "scorer", "in")
    connect("receiver", port, "json_sink", "in")
canvas.rewrite()
canvas.validate()
print(*(f"{element}: {error}" for element, error in canvas.iter_error_messages()), sep="\\n")
print("vlen", made["receiver"].sinks[0].vlen)
"""


def drawn(**changes):
    """The complaints, with {block: {parameter: value}} changed; the last line tells the vector length."""
    run = subprocess.run(
        [sys.executable, "-c", CANVAS, json.dumps(changes)],
        capture_output=True, text=True, env=os.environ | {"GRC_BLOCKS_PATH": str(ROOT / "grc")},
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr
    return [line for line in run.stdout.splitlines() if line]
