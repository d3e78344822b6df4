# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong in a flowgraph is said once by GNU Radio Companion; what cannot change, by the log."""

import os
import subprocess

import pytest
import yaml
from canvas import drawn
from tracked import ROOT

from gr_jadce import make_pilots
from gr_jadce.blocks import uplink_source

RUN = """
from changing import changing
flowgraph = changing()
flowgraph.start()
flowgraph.set_n_devices(150)
flowgraph.set_slot_period(900)
flowgraph.set_snr_db(12.0)
flowgraph.wait()
"""


def test_a_missing_pilot_book_is_one_error(tmp_path):
    *errors, _ = drawn(pilot_book={"file": str(tmp_path / "absent.npz")})
    assert len(errors) == 1, errors
    assert "jadce_pilot_book" in errors[0] and "is_pilot_book(file)" in errors[0]
    make_pilots("qpsk", 30, 20).save(tmp_path / "there.npz")
    assert drawn(pilot_book={"file": str(tmp_path / "there.npz")}) == ["vlen 20"]


@pytest.mark.parametrize(
    ("name", "value", "word"),
    [("propagation", "{'rician_k': 3}", "propagation"), ("waveform", "dict(roll_of=0.2)", "waveform")],
)
def test_a_misspelt_key_is_refused(name, value, word):
    *errors, _ = drawn(uplink_source={name: value})
    assert len(errors) == 1 and word in errors[0]
    *errors, _ = drawn(uplink_source={"propagation": "{'rician_k_db': 3, 'antenna_correlation': 0.5}"})
    assert errors == []
    with pytest.raises(ValueError, match="^propagation: expected one of .*rician_k_db, .*got 'rician_k'"):
        uplink_source(make_pilots("qpsk", 30, 20), propagation={"rician_k": 3})


@pytest.mark.parametrize("value", ["''", "3"])
def test_an_estimator_is_a_name_or_a_callable(value):
    *errors, _ = drawn(receiver={"estimator": value})
    assert len(errors) == 1 and "estimator" in errors[0]
    *errors, _ = drawn(receiver={"estimator": "lambda received: None"})
    assert errors == []


def test_a_change_that_cannot_be_is_refused_in_words(tmp_path):
    graph = yaml.safe_load((ROOT / "examples" / "loopback_single_antenna.grc").read_text())
    graph["options"]["parameters"]["id"] = "changing"
    blocks = {block["name"]: block["parameters"] for block in graph["blocks"]}
    blocks["uplink_source"]["n_slots"] = "200"
    blocks["slot_period"]["value"] = "400"
    blocks["book"]["n_devices"] = "n_devices"
    number = {"name": "n_devices", "id": "variable", "parameters": {"value": "100"}}
    graph["blocks"].append(graph["blocks"][-1] | number)
    (tmp_path / "changing.grc").write_text(yaml.safe_dump(graph))
    environment = os.environ | {"GRC_BLOCKS_PATH": str(ROOT / "grc")}
    options = {"cwd": tmp_path, "env": environment, "capture_output": True, "text": True}
    made = subprocess.run(["grcc", "-o", ".", "changing.grc"], **options)
    assert made.returncode == 0, made.stdout + made.stderr
    run = subprocess.run(["/usr/bin/python3", "-c", RUN], **options)
    said = run.stdout + run.stderr
    assert run.returncode == 0, said
    assert "they stay N = 100 and L = 40, not 150 and 40" in said
    assert said.count("slot_period: it cannot change while the flowgraph runs: it stays 400, not 900") == 2
