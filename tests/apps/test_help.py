# SPDX-License-Identifier: GPL-3.0-or-later
"""The help of the programs teaches: every option explained, and examples that work when pasted."""

import re
import subprocess

import pytest

import gr_jadce

PROGRAMS = (
    "jadce-pilots",
    "jadce-simulate",
    "jadce-receive",
    "jadce-score",
    "jadce-annotate",
    "jadce-transmit",
)


OTHERS = ("jadce-monitor", "jadce-join", "jadce-check-radio", "jadce-evaluate", "jadce-train")


@pytest.mark.parametrize("name", [*PROGRAMS, *OTHERS])
def test_the_version_is_that_of_the_package(app, name):
    process = app(name, "--version")
    assert (process.returncode, process.stdout) == (0, f"{name} (gr-jadce {gr_jadce.__version__})\n")


@pytest.mark.parametrize("name", [*PROGRAMS, *OTHERS])
def test_wrong_usage_is_one_line(app, name):
    process = app(name, "--no-such-option")
    assert (process.returncode, process.stdout, process.stderr.count("\n")) == (2, "", 1)
    assert process.stderr.startswith(f"{name}: error: ")


@pytest.mark.parametrize(
    "name", [*PROGRAMS, "jadce-monitor", "jadce-join", "jadce-check-radio", "jadce-export"]
)
def test_help_has_a_purpose_and_an_example(app, name):
    process = app(name, "--help")
    assert process.returncode == 0
    assert re.search(rf"^  {name} .*", process.stdout, re.MULTILINE)
    assert len(process.stdout.split("\n\n")[1]) > 60


@pytest.mark.parametrize("name", [*PROGRAMS, *OTHERS])
@pytest.mark.parametrize("encoding", ["latin-1", "ascii:strict"])
def test_help_is_printed_where_letters_are_lacking(app, environment, name, encoding):
    environment["PYTHONIOENCODING"] = encoding
    process = app(name, "--help", encoding="latin-1")
    assert process.returncode == 0, process.stderr
    assert f"usage: {name}" in process.stdout


@pytest.mark.parametrize(
    "command",
    [
        ["jadce-pilots", "make"],
        ["jadce-pilots", "show"],
        ["jadce-monitor"],
        ["jadce-export"],
        ["jadce-check-radio"],
        *([name] for name in PROGRAMS[1:]),
    ],
)
def test_every_option_is_explained(app, command):
    text = app(*command, "--help").stdout
    options = re.findall(r"^  (-[^\n]*|[A-Z.]+[a-z.]*[^\n]*)\n?(.*)", text.split("\n\n", 1)[1], re.MULTILINE)
    assert options
    for first, second in options:
        explained_here = re.search(r"\S  +\S", first)
        assert explained_here or second.startswith(" " * 10), f"no help for {first}"


def test_the_examples_work_when_pasted(app, environment, tmp_path):
    examples = []
    for name in PROGRAMS:
        text = app(name, "--help").stdout.replace("\\\n", " ")
        examples += [line.strip() for line in text.splitlines() if line.startswith("  jadce-")]
    runnable = list(dict.fromkeys(line for line in examples if not re.search("--(usrp|soapy|frames)", line)))
    assert len(runnable) == 10
    printed = ""
    for line in runnable:
        process = subprocess.run(
            ["bash", "-c", line], env=environment, cwd=tmp_path, capture_output=True, text=True
        )
        assert process.returncode == 0, f"{line}\n{process.stderr}"
        printed += process.stdout
    assert "miss probability" in printed
