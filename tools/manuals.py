#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Manual pages and bash completions of the jadce- programs, made from their argument parsers.

manuals.py FOLDER writes FOLDER/man/jadce-….1 and FOLDER/completions/jadce-….
"""

import argparse
import re
import runpy
import sys
from datetime import datetime, timezone
from os import environ
from pathlib import Path
from unittest import mock

ROOT = Path(__file__).resolve().parents[1]
FORMATTER = argparse.HelpFormatter("")


class Parsed(Exception):
    """Carries a program's parser out of it, at the point where it would parse its arguments."""


def parser_of(program):
    """The argument parser of a program in apps/."""

    def stop(parser, *_arguments, **_options):
        raise Parsed(parser)

    with (
        mock.patch.object(argparse.ArgumentParser, "parse_args", stop),
        mock.patch("sys.argv", [program.name]),
    ):
        try:
            runpy.run_path(str(program))["parse"]()
        except Parsed as parsed:
            return parsed.args[0]
    raise ValueError(f"{program}: expected a parser of arguments")


def subparsers(parser):
    """Name → parser of a program's commands."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


# Manual pages


def manual(parser, version, date):
    """The page of a program, as troff."""
    purpose, *rest = (parser.description or "").split("\n\n")
    lines = [
        f'.TH {roff(parser.prog).upper()} 1 "{date}" "gr-jadce {version}" "User Commands"',
        ".SH NAME",
        f"{roff(parser.prog)} \\- {roff(first_sentence(purpose))}",
        ".SH SYNOPSIS",
        roff(usage(parser)),
        ".SH DESCRIPTION",
        *paragraphs([purpose, *rest]),
        ".SH OPTIONS",
        *options(parser),
    ]
    for name, command in subparsers(parser).items():
        lines += [f".SH COMMAND {roff(name).upper()}", roff(usage(command))]
        lines += [*paragraphs((command.description or "").split("\n\n")), *options(command)]
    if parser.epilog:
        title, _, text = parser.epilog.partition("\n")
        lines += [
            f".SH {roff(title.partition(' (')[0].rstrip(':')).upper()}",
            ".nf",
            *map(roff, text.split("\n")),
            ".fi",
        ]
    lines += [".SH SEE ALSO", "The guide in /usr/share/gr\\-jadce/docs."]
    return "\n".join(lines) + "\n"


def usage(parser):
    return " ".join(parser.format_usage().removeprefix("usage: ").split())


def first_sentence(text):
    """What a program does, in a line without a full stop, as manual pages want it."""
    sentence = re.split(r"(?<=[a-z])[.:;](?:\s|$)", " ".join(text.split()))[0]
    return sentence[:1].lower() + sentence[1:]


def paragraphs(texts):
    for text in filter(None, texts):
        yield from (".PP", roff(" ".join(text.split())))


def options(parser):
    """Each group of options, with its options as tagged paragraphs."""
    for group in parser._action_groups:
        actions = [a for a in group._group_actions if not isinstance(a, argparse._SubParsersAction)]
        if actions and group.title != "options":
            yield f".SS {roff(group.title or '')}"
        for action in actions:
            yield from (".TP", f"\\fB{roff(FORMATTER._format_action_invocation(action))}\\fR")
            yield roff(help_of(action, parser))


def help_of(action, parser):
    formatter = argparse.HelpFormatter(parser.prog)
    return " ".join(formatter._expand_help(action).split()) if action.help else ""


def roff(text):
    """Text with what troff takes for its own marked as text."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("`", "\\(ga")
    return re.sub(r"^([.'])", r"\\&\1", text, flags=re.MULTILINE)


# Bash completions

COMPLETION = """\
# bash completion of {program}, from gr-jadce
{function}()
{{
    local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD-1]}} command= words=
    ((COMP_CWORD > 1)) && command=${{COMP_WORDS[1]}}
    COMPREPLY=()
    case $previous in
{choices}
    esac
    case $command in
{commands}
        *) words="{words}" ;;
    esac
    if [[ -z $words || ($current != -* && -n $command) ]]; then
        return # files
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}}
complete -o bashdefault -o default -F {function} {program}
"""


def completion(parser):
    """The bash completion of a program: its commands, options, and the values of options that list them."""
    commands = subparsers(parser)
    every = [parser, *commands.values()]
    choices = {option: values for p in every for option, values in listed_values(p).items()}
    return COMPLETION.format(
        program=parser.prog,
        function="_" + parser.prog.replace("-", "_"),
        choices="\n".join(
            f'        {option}) mapfile -t COMPREPLY < <(compgen -W "{values}" -- "$current"); return ;;'
            for option, values in choices.items()
        )
        or "        --) ;;",
        commands="\n".join(f'        {name}) words="{option_words(p)}" ;;' for name, p in commands.items()),
        words=" ".join([*commands, option_words(parser)]),
    )


def option_words(parser):
    return " ".join(option for a in parser._actions for option in a.option_strings if option.startswith("--"))


def listed_values(parser):
    """Option → its choices, separated by spaces."""
    listed = [a for a in parser._actions if a.option_strings and a.choices]
    return {option: " ".join(map(str, a.choices)) for a in listed for option in a.option_strings}


def main():
    folder = Path(sys.argv[1])
    sys.path.insert(0, str(ROOT / "python"))
    import gr_jadce

    # https://reproducible-builds.org/specs/source-date-epoch: the same page from the same source
    date = datetime.fromtimestamp(
        float(environ.get("SOURCE_DATE_EPOCH", 0)) or datetime.now().timestamp(), timezone.utc
    )
    for name in ("man", "completions"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for program in sorted((ROOT / "apps").glob("jadce-*")):
        parser = parser_of(program)
        page = manual(parser, gr_jadce.__version__, f"{date:%B %Y}")
        (folder / "man" / f"{program.name}.1").write_text(page, encoding="utf-8")
        (folder / "completions" / program.name).write_text(completion(parser), encoding="utf-8")


if __name__ == "__main__":
    main()
