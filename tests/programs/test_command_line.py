# SPDX-License-Identifier: GPL-3.0-or-later
"""Command lines: options from files, the version, and mistakes in one line."""

import pytest

import gr_jadce
from gr_jadce.programs import command_line


@pytest.fixture
def parser():
    made = command_line.parser("Does something.", "examples:\n  this-program --snr-db 3")
    made.prog = "this-program"
    made.add_argument("--snr-db", type=float, default=0.0)
    made.add_argument("--names", nargs="*")
    return made


def test_options_from_a_file_are_those_on_the_command_line(parser, tmp_path):
    (tmp_path / "demo.args").write_text("# of the demonstration\n\n--snr-db 7.5  # dB\n--names 'a b' c\n")
    args = parser.parse_args([f"@{tmp_path}/demo.args"])
    assert (args.snr_db, args.names) == (7.5, ["a b", "c"])
    assert parser.parse_args([f"@{tmp_path}/demo.args", "--snr-db", "3"]).snr_db == 3


@pytest.mark.parametrize("line", ["--names 'a", "@demo.args", "--snr-db many"])
def test_a_mistake_in_a_file_is_one_line(parser, tmp_path, line, capsys):
    (tmp_path / "demo.args").write_text(f"{line}\n")
    with pytest.raises(SystemExit) as ended:
        parser.parse_args([f"@{tmp_path}/demo.args"])
    said = capsys.readouterr().err
    assert (ended.value.code, said.count("\n")) == (2, 1)
    assert said.startswith("this-program: error: ") and line.split()[-1] in said


@pytest.mark.parametrize("words", [["--snr-db", "many"], ["--snr", "1", "--other"], ["@absent"]])
def test_a_mistake_is_one_line(parser, words, capsys):
    with pytest.raises(SystemExit) as ended:
        parser.parse_args(words)
    said = capsys.readouterr().err
    assert (ended.value.code, said.count("\n")) == (2, 1)
    assert said.endswith("(this-program --help explains the options)\n")


def test_the_version_is_told(parser, capsys):
    with pytest.raises(SystemExit) as ended:
        parser.parse_args(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.split()[-1] == f"{gr_jadce.__version__})"
