#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measure the house: print a table of function bodies, file lengths, folders, annotations and results.

body       the lines of a function on which code stands: from the first statement to the last, without
           the docstring, comments and blank lines, with the lines of functions inside it
           (python/gr_jadce and apps)
signature  a function or method whose name has no leading underscore, at the top of a module or in a
           class whose name has none, and __init__ of such a class; it is annotated when its return and
           every parameter but self and cls are (python/gr_jadce)
results    tracked files below benchmarks/ in a folder `results` or with a name that begins so

    tools/measure.py              the table
    tools/measure.py --worst 20   and the 20 longest bodies, and every signature that is not annotated
"""

import argparse
import ast
import io
import statistics
import subprocess
import tokenize
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "python/gr_jadce/"
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
NO_CODE = {
    tokenize.ENCODING, tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT,
    tokenize.ENDMARKER,
}  # fmt: skip


def tracked() -> list[str]:
    """The files that git tracks and that are there, as paths relative to the root."""
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [name for name in listing.stdout.split("\0") if name and (ROOT / name).is_file()]


def is_python(name: str) -> bool:
    return name.endswith(".py") or name.startswith("apps/jadce-")


def is_cpp(name: str) -> bool:
    return name.endswith((".cc", ".hpp"))


def is_result(name: str) -> bool:
    first, *folders, file = name.split("/") if "/" in name else ("", name)
    return first == "benchmarks" and ("results" in folders or file.startswith("results"))


def line_count(name: str) -> int:
    """The lines of a text file; 0 of a binary one."""
    content = (ROOT / name).read_bytes()
    return 0 if b"\0" in content else content.count(b"\n") + (content[-1:] not in (b"", b"\n"))


def body_lengths(name: str) -> dict[str, int]:
    """The lines of code of every function of a file, by path:line and name."""
    source = (ROOT / name).read_text(encoding="utf-8")
    code, tree = lines_of_code(source), ast.parse(source)
    for node in ast.walk(tree):
        code -= docstring_lines(node)
    return {
        f"{name}:{node.lineno} {node.name}": sum(
            node.body[0].lineno <= line <= (node.end_lineno or 0) for line in code
        )
        for node in ast.walk(tree)
        if isinstance(node, FUNCTIONS)
    }


def lines_of_code(source: str) -> set[int]:
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    spans = [(token.start[0], token.end[0]) for token in tokens if token.type not in NO_CODE]
    return {line for first, last in spans for line in range(first, last + 1)}


def docstring_lines(node: ast.AST) -> set[int]:
    if not isinstance(node, (*FUNCTIONS, ast.ClassDef, ast.Module)) or ast.get_docstring(node) is None:
        return set()
    return set(range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1))


def public_functions(node: ast.Module | ast.ClassDef) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for child in node.body:
        if isinstance(child, FUNCTIONS):
            is_constructor = isinstance(node, ast.ClassDef) and child.name == "__init__"
            if is_constructor or not child.name.startswith("_"):
                yield child
        elif isinstance(child, ast.ClassDef) and not child.name.startswith("_"):
            yield from public_functions(child)


def is_annotated(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    names = function.args
    parameters = [*names.posonlyargs, *names.args, *names.kwonlyargs, names.vararg, names.kwarg]
    return function.returns is not None and all(
        parameter.annotation is not None
        for parameter in parameters
        if parameter is not None and parameter.arg not in ("self", "cls")
    )


def signatures(name: str) -> dict[str, bool]:
    """Whether each public function of a file is annotated, by path:line and name."""
    tree = ast.parse((ROOT / name).read_text(encoding="utf-8"))
    return {f"{name}:{node.lineno} {node.name}": is_annotated(node) for node in public_functions(tree)}


def measure() -> dict:
    """Every figure of the house, from the files that git tracks."""
    names = tracked()
    python, cpp = [n for n in names if is_python(n)], [n for n in names if is_cpp(n)]
    lines = {name: line_count(name) for name in names}
    product = [name for name in python if name.startswith((PACKAGE, "apps/"))]
    package = [name for name in python if name.startswith(PACKAGE)]
    return {
        "bodies": {key: n for name in product for key, n in body_lengths(name).items()},
        "python_lines": {name: lines[name] for name in python},
        "cpp_lines": {name: lines[name] for name in cpp},
        "folders": Counter(str(Path(name).parent) for name in package),
        "kernel_folders": Counter(str(Path(name).parent) for name in cpp if name.startswith(PACKAGE)),
        "signatures": {key: annotated for name in package for key, annotated in signatures(name).items()},
        "text_lines": sum(lines.values()),
        "result_lines": sum(n for name, n in lines.items() if is_result(name)),
    }


def table(house: dict) -> list[tuple[str, str, str]]:
    """The rows of the table: figure, limit, value."""
    bodies, annotated = house["bodies"], house["signatures"]
    lengths = sorted(bodies.values())
    deciles = statistics.quantiles(lengths, n=10)
    return [
        ("functions of the package and apps", "", str(len(lengths))),
        ("median body, lines", "≤ 5", f"{statistics.median(lengths):g}"),
        ("90th percentile of bodies", "", f"{deciles[-1]:g}"),
        ("longest body", "≤ 40", longest(bodies)),
        ("longest Python file, lines", "≤ 300", longest(house["python_lines"])),
        ("longest C++ file, lines", "≤ 400", longest(house["cpp_lines"])),
        *[(f"Python files in {folder}", "≤ 10", str(n)) for folder, n in sorted(house["folders"].items())],
        *[
            (f"C++ files in {folder}", "≤ 10", str(n))
            for folder, n in sorted(house["kernel_folders"].items())
        ],
        (
            "public signatures annotated",
            "100 %",
            f"{sum(annotated.values()) / len(annotated):.1%} of {len(annotated)}",
        ),
        ("tracked lines of text", "", str(house["text_lines"])),
        ("of these, benchmark results", "≤ 20 %", f"{house['result_lines'] / house['text_lines']:.1%}"),
    ]


def longest(lengths: dict[str, int]) -> str:
    name = max(lengths, key=lengths.__getitem__)
    return f"{lengths[name]}  {name}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--worst", type=int, metavar="N", default=0, help="name what is over a limit")
    args, house = parser.parse_args(), measure()
    for figure, limit, value in table(house):
        print(f"{figure:60} {limit:8} {value}")
    if args.worst:
        print_worst(house, args.worst)


def print_worst(house: dict, count: int) -> None:
    print("\nlongest bodies")
    for name, lines in Counter(house["bodies"]).most_common(count):
        print(f"{lines:6}  {name}")
    print("\nfiles over their limit")
    for kind, limit in (("python_lines", 300), ("cpp_lines", 400)):
        for name, lines in Counter(house[kind]).most_common():
            if lines > limit:
                print(f"{lines:6}  {name}")
    print("\nsignatures that are not annotated")
    print("\n".join(name for name, annotated in house["signatures"].items() if not annotated))


if __name__ == "__main__":
    main()
