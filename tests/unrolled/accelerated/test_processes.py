# SPDX-License-Identifier: GPL-3.0-or-later
"""Training by several processes: losses and weights of one process with the whole batches."""

import json
import subprocess
import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch: make torch")

STEPS = 6
SCRIPT = f"""
import json, sys
import numpy as np
import torch
from functools import partial
from gr_jadce.pilots import make_pilots
from gr_jadce.unrolled.accelerated.processes import joined_processes
from gr_jadce.unrolled.network import Network, initial_arrays
from gr_jadce.unrolled.training import Trainer, draw_case

torch.set_num_threads(1)
cases = partial(draw_case, pilots=make_pilots("gaussian", 40, 20, seed=1), n_antennas=2)
with joined_processes() as (rank, device):
    trainer = Trainer(Network(initial_arrays(3)), {STEPS}, seed=4, cases=cases, device=device)
    losses = [loss for _, loss in trainer.run()]
if rank == 0:
    weights = {{name: value.tolist() for name, value in trainer.network.weights({{}}, {{}}).arrays.items()}}
    json.dump([losses, weights], open(sys.argv[1], "w"))
"""


def train(directory, n_processes):
    script, output = directory / "train.py", directory / f"{n_processes}.json"
    script.write_text(SCRIPT)
    launcher = []
    if n_processes > 1:
        launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={n_processes}"]
    command = [sys.executable, *launcher, script, output]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return json.loads(output.read_text())


def test_two_processes_train_as_one(tmp_path):
    (losses, weights), (expected, expected_weights) = train(tmp_path, 2), train(tmp_path, 1)
    assert len(losses) == STEPS
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
    for name, value in weights.items():
        np.testing.assert_allclose(value, expected_weights[name], rtol=1e-3, atol=1e-5)
