# SPDX-License-Identifier: GPL-3.0-or-later
"""Where GNU Radio is not there, the blocks say so, and the rest of the package works."""

import subprocess
import sys
from pathlib import Path

import pytest

APPS = Path(__file__).resolve().parents[2] / "apps"
WITHOUT = """if True:
    import sys
    sys.modules.update({"gnuradio": None, "pmt": None})
"""


def python(code):
    return subprocess.run([sys.executable, "-c", WITHOUT + code], capture_output=True, text=True)


@pytest.mark.parametrize("module", ["gr_jadce.blocks", "gr_jadce.blocks.receiver"])
def test_what_needs_gnuradio_says_so(module):
    run = python(f"    import {module}")
    last = run.stderr.splitlines()[-1]
    assert last.startswith(
        f"ImportError: gr_jadce.blocks: expected GNU Radio 3.10, which {sys.executable} does not find"
    )


def test_the_rest_works():
    run = python("    from gr_jadce import make_estimator, make_pilots; make_pilots('dft', 8, 4)")
    assert (run.returncode, run.stderr) == (0, "")


@pytest.mark.parametrize(
    "program", ["annotate", "check-radio", "evaluate", "join", "monitor", "pilots", "score"]
)
def test_programs_that_need_no_gnuradio(program):
    code = f"sys.argv = ['x', '--help']; runpy.run_path('{APPS}/jadce-{program}', run_name='__main__')"
    run = python(f"    import runpy; {code}")
    assert run.returncode == 0, run.stderr
