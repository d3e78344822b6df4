# SPDX-License-Identifier: GPL-3.0-or-later
"""What the README, the guide and the examples tell people to type is typed here.

A block ```sh is run, each in the folder in which the one before it ended, and the first in an empty clone.
Its first line may be "# as root": run where simulated USRPs can; or "# with radios": commands for hardware,
of which only the options are checked.
"""

import functools
import os
import re
import shlex
import signal
import subprocess
import sys

import pytest
from documents import DOCUMENTS, ROOT, blocks, links, name
from usrp_sim.radios import why_not

with_shell = [document for document in DOCUMENTS if any(block.language == "sh" for block in blocks(document))]
PYTHON_BLOCKS = [
    pytest.param(block.text, id=f"{name(document)}-{i}")
    for document in DOCUMENTS
    for i, block in enumerate(block for block in blocks(document) if block.language == "python")
]
ENVIRONMENT = os.environ | {
    "PATH": f"{ROOT / 'apps'}:{os.environ['PATH']}",
    "GRC_BLOCKS_PATH": str(ROOT / "grc"),
    "OPENBLAS_NUM_THREADS": "1",
    "PYTHONFAULTHANDLER": "1",  # a program that is aborted says where its threads were
}
BLOCK_TIMEOUT_S = 1200


def scripts(document):
    """The document's shell blocks: those to run, those to run as root, and those for radios."""
    texts = in_order(document)
    radios = [text for text in texts if text.startswith("# with radios\n")]
    root = [text for text in texts if text.startswith("# as root\n")]
    return [text for text in texts if text not in radios + root], root, radios


@pytest.mark.timeout(3600)  # a document has minutes of commands
@pytest.mark.parametrize("document", with_shell, ids=name)
def test_shell_commands(document, tmp_path):
    clone = tmp_path / "clone"
    (clone / "build").mkdir(parents=True)
    (clone / "examples").symlink_to(ROOT / "examples")
    plain, root, _ = scripts(document)
    folder = clone
    for text in in_order(document):
        if text in plain or (text in root and not why_not()):
            folder = run_in(folder, text, tmp_path / "folder")
    assert {path.name for path in clone.iterdir()} == {"build", "examples"}  # nothing is left in the clone
    for log in clone.glob("build/**/*.jsonl"):
        assert log.stat().st_size > 0, log


def run_in(folder, text, note):
    """Run a block in a folder; the folder that it ends in."""
    with subprocess.Popen(
        ["bash", "-euo", "pipefail", "-c", f'{text}\npwd >"{note}"'], cwd=folder, env=ENVIRONMENT, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    ) as run:  # fmt: skip
        try:
            output, _ = run.communicate(timeout=BLOCK_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            os.killpg(run.pid, signal.SIGABRT)
            pytest.fail(f"hangs, and where:\n{text}\n{run.communicate()[0]}")
    assert run.returncode == 0, f"{text}\n{output}"
    return note.read_text().strip()


def in_order(document):
    return [block.text for block in blocks(document) if block.language == "sh"]


@pytest.mark.parametrize("document", with_shell, ids=name)
def test_commands_for_radios_have_options_that_exist(document):
    for text in scripts(document)[2]:
        for line in text.replace("\\\n", " ").splitlines():
            program, *words = shlex.split(line, comments=True) or [""]
            if program.startswith("jadce-"):
                known = options_of(program, *(word for word in words[:1] if not word.startswith("-")))
                assert {word for word in words if word.startswith("--")} <= known, line


@functools.cache
def options_of(program, *subcommand):
    command = [sys.executable, ROOT / "apps" / program, *subcommand, "--help"]
    usage = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=True).stdout
    return set(re.findall(r"--[a-z-]+", usage))


def test_there_are_commands_for_radios():
    assert sum(len(scripts(document)[2]) for document in with_shell) >= 3


@pytest.mark.parametrize("text", PYTHON_BLOCKS)
def test_python(text, tmp_path):
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", text], cwd=tmp_path, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    if "random_access" in text:
        assert run.stdout.startswith("7 ")
        return
    if "gr_jadce.payload" in text:
        assert run.stdout in ("", "40 of 40 packets\n")
        return
    missed = [float(number) for number in re.findall(r"missed (\S+?),?\s", run.stdout)]
    nmse = [float(number) for number in re.findall(r"NMSE (\S+) dB", run.stdout)]
    assert missed and max(missed) < 0.02
    assert nmse and max(nmse) < -11


def test_the_example_script():
    run = subprocess.run([sys.executable, ROOT / "examples" / "detect.py"], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    active, detected = re.search(r"active: +(.*)\ndetected: +(.*)\n", run.stdout).groups()
    assert active == detected


def test_make_targets_exist():
    lines = [
        line for document in DOCUMENTS for block in blocks(document) if block.language == "console"
        for line in block.text.splitlines()
    ]  # fmt: skip
    targets = {line.removeprefix("$ make ") for line in lines if line.startswith("$ make ")}
    assert targets == {"demo", "live", "test", "install", "uninstall", "deb"}
    for target in targets:  # what they do is shown by this run, test_demo, test_live, test_install, deb-check
        subprocess.run(["make", "--dry-run", target], cwd=ROOT, check=True, capture_output=True)


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_every_block_is_of_a_kind_that_is_tested(document):
    kinds = {block.language or "text" for block in blocks(document) if not block.language.startswith("{")}
    assert kinds <= {"sh", "python", "console", "text"}


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_links_lead_somewhere(document):
    for link in links(document):
        path, _, _ = link.partition("#")
        assert not path or (document.parent / path).exists(), link
