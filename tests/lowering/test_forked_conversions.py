"""Converted networks, with torch's parts in float, in forked processes (see
tests/kernels/test_forks.py).
"""

import os
import subprocess
import sys

LIMIT_S = 120
NETWORK = """
import multiprocessing
import numpy as np, torch
import stochsim as ss

torch.set_num_threads(2)
torch.manual_seed(0)
layers = (
    torch.nn.Conv2d(3, 8, 3), torch.nn.SiLU(), torch.nn.Flatten(), torch.nn.LayerNorm(8 * 30 * 30),
    torch.nn.Linear(8 * 30 * 30, 10),
)
x = torch.randn(64, 3, 32, 32)
model = ss.convert(torch.nn.Sequential(*layers).eval(), ss.load_hardware("digital-45nm", bits=4), x)
torch.ones(10**6).exp()
there = model.sample(x[:32], 2, key=0)
"""
POOL = """
def sample(_):
    return model.sample(x[:32], 2, key=0), torch.get_num_threads()

with multiprocessing.get_context("fork").Pool(1) as pool:
    found, threads = pool.map(sample, [0])[0]
print("pool", np.array_equal(found, there), threads, torch.get_num_threads())
"""
LOADER = """
class Reads(torch.utils.data.Dataset):
    def __len__(self):
        return 8

    def __getitem__(self, index):
        return model.sample(x[index : index + 1], 2, key=0, first_stimulus=index)[0]

loader = torch.utils.data.DataLoader(
    Reads(), batch_size=4, num_workers=2, multiprocessing_context="fork"
)
found = np.concatenate([batch.numpy() for batch in loader])
print("DataLoader", np.array_equal(found, there[:8]), 1, torch.get_num_threads())
"""


def test_forked_processes_give_the_same_values() -> None:
    """On one thread of torch there, while the parent keeps its two."""
    done = subprocess.run(
        [sys.executable, "-c", NETWORK + POOL + LOADER],
        env={**os.environ, "NUMBA_THREADING_LAYER": "omp"},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines() == ["pool True 1 2", "DataLoader True 1 2"]
