# SPDX-License-Identifier: GPL-3.0-or-later
"""Command lines of anything: a program does its work, or says in one line what is wrong."""

import io
import re
import signal
import sys
from contextlib import redirect_stderr, redirect_stdout
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from itertools import chain
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gr_jadce import make_pilots
from gr_jadce.programs import command_line, process
from gr_jadce.recordings.writer import RecordingWriter

APPS = Path(__file__).resolve().parents[2] / "apps"
WORDS = "first book.npz none.npz good good.sigmf-meta no/such/x . pc_admm dft zadoff_chu hadamard ci16_le é ,"
NUMBERS = "0 1 -1 2 7 0.5 1/0 1/3 nan inf -inf 1e-320 1e18 1e308 1e999999999 18446744073709551616 65537"
VALUES = st.sampled_from(["", "9" * 30, "9" * 5000, "\udcff", *WORDS.split(), *NUMBERS.split()])
# The beginning of a good command line, and the end that keeps it from working for long.
COMMANDS = {
    "jadce-pilots": (["make", "--devices", "6", "--length", "5", "-o", "o.npz"], ["--length", "5"]),
    "jadce-simulate": (["--pilots", "book.npz", "-o", "sim"], ["--slots", "3"]),
    "jadce-receive": (["--pilots", "book.npz", "--simulate"], ["--slots", "3"]),
    "jadce-score": (["good.jsonl", "good.jsonl"], []),
}
REPLAY = ["--pilots", "book.npz", "--recording", "good", "--slot-period", "9"]


def load(name):
    loader = SourceFileLoader(name.replace("-", "_"), str(APPS / name))
    module = module_from_spec(spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


SHARED = "".join(path.read_text() for path in sorted(Path(command_line.__file__).parent.glob("*.py")))
LEFT_OUT = {"--usrp", "--soapy", "--slots", "--capacity"}
PROGRAMS = {name: load(name) for name in COMMANDS}
OPTIONS = {
    name: sorted(set(re.findall(r'"(--?[a-z][a-z-]*)"', source)) - LEFT_OUT)
    for name, source in ((name, (APPS / name).read_text() + SHARED) for name in COMMANDS)
}


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory):
    """A working directory with a book, a recording and an empty report file."""
    folder = tmp_path_factory.mktemp("fuzz")
    make_pilots("gaussian", 6, 5).save(folder / "book.npz")
    with RecordingWriter(folder / "good", 1, 1e6) as writer:
        writer.write([[1.0]] * 30)
    (folder / "good.jsonl").write_text("")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield folder


def run(name, arguments):
    """Run a program in this process: its exit code and what it says on stderr."""
    errors = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stderr(errors), redirect_stdout(io.StringIO()):
        patch.setattr(sys, "argv", [name, *arguments])
        patch.setattr(signal, "signal", lambda *_: None)
        with pytest.raises(SystemExit) as ended:
            process.run(PROGRAMS[name].main)
    return ended.value.code, errors.getvalue()


def check(name, arguments):
    code, errors = run(name, arguments)
    if code:
        assert code in (1, 2)
        assert re.search(rf"^{name}( make| show)?: error: .", errors.strip().splitlines()[-1])


def command_lines(name):
    pairs = st.tuples(st.sampled_from(OPTIONS[name]), VALUES).map(list)
    parts = st.lists(pairs | VALUES.map(lambda value: [value]), max_size=2)
    return parts.map(lambda parts: [*chain.from_iterable(parts)])


@pytest.mark.parametrize("name", COMMANDS)
@settings(max_examples=100)
@given(data=st.data())
def test_hostile_command_lines(name, data):
    start, end = COMMANDS[name]
    if name == "jadce-receive" and data.draw(st.booleans()):
        start = REPLAY
    check(name, [*start, *data.draw(command_lines(name)), *end])


@pytest.mark.parametrize("name", COMMANDS)
@settings(max_examples=30)
@given(arguments=st.lists(VALUES | st.sampled_from(["make", "show", "--help", "--json", "--"]), max_size=4))
def test_arguments_in_any_order(name, arguments):
    check(name, arguments)
