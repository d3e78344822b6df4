# SPDX-License-Identifier: GPL-3.0-or-later
"""The parser of a program's command line: `--version`, options from a file, and mistakes in one line."""

import argparse
import shlex
from typing import NoReturn

from ... import __version__

_USAGE_ERROR = 2  # exit code, as that of other programs


class Parser(argparse.ArgumentParser):
    """An argument parser that says in one line what is wrong, and reads options from files, ``@NAME``.

    A file has options as on a command line, on any number of lines, quoted as in a shell; from a # on, a line
    is a comment.
    """

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, in one line, and exit with code 2."""
        line = " ".join(message.split())
        self.exit(_USAGE_ERROR, f"{self.prog}: error: {line} ({self.prog} --help explains the options)\n")

    def convert_arg_line_to_args(self, arg_line: str) -> list[str]:
        """The words of a line of a file of options."""
        try:
            words = shlex.split(arg_line, comments=True)
        except ValueError as error:
            self.error(f"in a file of options: {error}: {arg_line}")
        if any(word.startswith("@") for word in words):  # it might name itself
            self.error(f"in a file of options: expected options, got another such file: {arg_line}")
        return words


def parser(description: str, examples: str) -> Parser:
    """A parser whose help shows the description and the examples with their own line breaks."""
    made = Parser(
        description=description,
        epilog=f"{examples}\n\nOptions may also stand in a file: @FILE in place of them, # begins a comment.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        fromfile_prefix_chars="@",
    )
    made.add_argument("--version", action="version", version=f"%(prog)s (gr-jadce {__version__})")
    return made
