# SPDX-License-Identifier: GPL-3.0-or-later
"""The GRC blocks agree with the Python ones, and the example flowgraphs compile and run."""

import ast
import inspect
import os
import re
import subprocess

import pytest
import yaml
from canvas import drawn
from tracked import ROOT, tracked

from gr_jadce import blocks
from gr_jadce.estimators import ESTIMATORS
from gr_jadce.pilots import PILOT_KINDS

BLOCKS = {path.name.split(".")[0]: yaml.safe_load(path.read_text()) for path in tracked("grc/*.block.yml")}
EXAMPLES = tracked("examples/*.grc")
PYTHON_ONLY = {"set_close_timeout"}  # setters for programs that have to end by a deadline
PLAUSIBLE = {  # miss probability, false-alarm probability and NMSE (dB) at most
    "loopback_single_antenna": (0.1, 0.01, -15.0),
    "loopback_multi_antenna": (0.03, 0.01, -11.0),
}
LOOPBACKS = [path for path in EXAMPLES if path.stem in PLAUSIBLE]


def run(*command):
    environment = os.environ | {"GRC_BLOCKS_PATH": str(ROOT / "grc")}
    result = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert result.returncode == 0, f"{' '.join(map(str, command))}\n{result.stdout}{result.stderr}"
    return result.stdout


def parameters(block, category=None):
    return [entry for entry in block["parameters"] if category in (None, entry.get("category"))]


def test_every_block_is_in_the_tree():
    tree = yaml.safe_load((ROOT / "grc" / "jadce.tree.yml").read_text())
    assert sorted(tree["[JADCE]"]) == sorted(BLOCKS)
    assert {block["category"] for block in BLOCKS.values()} == {"[JADCE]"}
    assert sorted(BLOCKS) == sorted(f"jadce_{name}" for name in [*blocks.__all__, "pilot_book"])


@pytest.mark.parametrize("name", BLOCKS)
def test_block_file(name):
    block = BLOCKS[name]
    assert (block["id"], block["file_format"]) == (name, 1)
    assert "doc_url" not in block  # GNU Radio 3.10.5 does not know it
    asserted = set(re.findall(r"\w+", " ".join(block["asserts"])))
    for parameter in parameters(block):
        assert parameter["id"] in asserted | {"gui_hint"}
        assert f"\n{parameter['label']}: " in block["documentation"]
    assert all(parameter["hide"] == "part" for parameter in parameters(block, "Advanced"))
    assert expected_headings(block) <= set(block["documentation"].splitlines())


def expected_headings(block):
    ports = {side: {port["domain"] for port in block.get(side, [])} for side in ("inputs", "outputs")}
    headings = {side.capitalize() for side in ports if "stream" in ports[side]}
    if "message" in ports["inputs"] | ports["outputs"]:
        headings.add("Messages")
    return headings | {"Parameters"}


@pytest.mark.parametrize("name", sorted(set(BLOCKS) - {"jadce_pilot_book"}))
def test_block_file_agrees_with_the_class(name):
    block, cls = BLOCKS[name], getattr(blocks, name.removeprefix("jadce_"))
    arguments = inspect.signature(cls.__init__).parameters
    assert {parameter["id"] for parameter in parameters(block)} - {"gui_hint"} == set(arguments) - {"self"}
    made = block["templates"]["make"]
    assert set(re.findall(r"(\w+)=", made)) == set(arguments) - {"self"}
    for callback in block["templates"].get("callbacks", []):
        assert callable(getattr(cls, callback.split("(")[0]))
    setters = {name for name in vars(cls) if name.startswith("set_")} - PYTHON_ONLY
    assert setters == {callback.split("(")[0] for callback in block["templates"].get("callbacks", [])}


def test_options_exist():
    def options(block, name):
        return next(entry["options"] for entry in parameters(BLOCKS[block]) if entry["id"] == name)

    assert [ast.literal_eval(name) for name in options("jadce_receiver", "estimator")] == list(ESTIMATORS)
    assert options("jadce_pilot_book", "kind") == list(PILOT_KINDS)


def test_blocks_work_as_dropped_on_the_canvas():
    *errors, vlen = drawn()
    assert not errors
    assert vlen == "vlen 40"


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """The folder with the Python program of every example."""
    folder = tmp_path_factory.mktemp("compiled")
    run("grcc", "-o", folder, *EXAMPLES)
    return folder


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_compiles(path, compiled):
    # grcc leaves out what it does not know, and says nothing.
    graph = yaml.safe_load(path.read_text())
    program = ast.parse((compiled / f"{path.stem}.py").read_text())
    made = {ast.unparse(node) for node in ast.walk(program) if isinstance(node, ast.Assign)}
    calls = {ast.unparse(node) for node in ast.walk(program) if isinstance(node, ast.Call)}
    for block in graph["blocks"]:
        if block["id"].startswith("jadce_"):
            assert any(line.startswith(start_of_assignment(block)) for line in made)
    assert graph["connections"]
    for source, port, sink, to in graph["connections"]:
        assert connection(source, port, sink, to) in calls


def start_of_assignment(block):
    name = block["name"]
    if block["id"] == "jadce_pilot_book":
        return f"self.{name} = {name} = gr_jadce."
    return f"self.{name} = jadce.{block['id'].removeprefix('jadce_')}("


def connection(source, port, sink, to):
    if source.startswith("pad_"):
        return f"self.connect((self, {port}), (self.{sink}, {to}))"
    if sink.startswith("pad_"):
        return f"self.msg_connect((self.{source}, '{port}'), (self, '{port}'))"
    if port.isdigit():
        ends = f"(self.{source}, {port}), (self.{sink}, {to})"
        return f"self.connect({ends})"
    return f"self.msg_connect((self.{source}, '{port}'), (self.{sink}, '{to}'))"


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_tells_what_it_is(path):
    options = yaml.safe_load(path.read_text())["options"]["parameters"]
    assert options["id"] == path.stem
    assert all(options[name] for name in ("title", "author", "description", "copyright"))
    assert path.name in (ROOT / "examples" / "README.md").read_text()


@pytest.mark.parametrize("path", LOOPBACKS, ids=lambda path: path.stem)
def test_loopback_prints_a_plausible_score(path, compiled):
    printed = run("/usr/bin/python3", compiled / f"{path.stem}.py", "--n-slots", "300")
    figures = dict(re.findall(r"^(.+?)  +(-?[\d.]+)", printed, re.MULTILINE))
    miss, false_alarm, nmse_db = PLAUSIBLE[path.stem]
    assert int(figures["frames scored"]) == 300
    assert float(figures["miss probability"]) < miss
    assert float(figures["false-alarm probability"]) < false_alarm
    assert float(figures["channel NMSE"]) < nmse_db
