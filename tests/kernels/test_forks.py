"""Kernels in forked processes and under several threads of Python, each case in a process of its
own: one that waits for threads which are gone is stopped by its time limit.
"""

import os
import pickle
import subprocess
import sys

import pytest
from stochsim_kernels.neuron import drawing

LIMIT_S = 120
CHIPS = """
import concurrent.futures, multiprocessing, sys
import numba, numpy as np
import stochsim as ss
from stochsim.program import random_program

fork = multiprocessing.get_context("fork")

def chip_of(name, bits):
    program, x = random_program((24, 12), (bits, bits, bits), sigma=0.5)
    return ss.Chip(program, ss.load_hardware(name, bits=bits)), np.repeat(x["layer 1"], 8, 0)

chips = [chip_of("digital-45nm", 4), chip_of("digital-45nm", 8), chip_of("rram-array", 4)]

def codes(key):
    return [chip.sample(x, 20, key=key).codes for chip, x in chips]

def same(one, other):
    return all(np.array_equal(*pair) for pair in zip(one, other, strict=True))

def all_same(found, there):
    return all(same(*pair) for pair in zip(found, there, strict=True))
"""
POOL = """
there = [codes(key) for key in range(4)]
with fork.Pool(2) as pool:
    found = pool.map(codes, range(4))
print(numba.threading_layer(), all_same(found, there))
"""
EXECUTOR = """
there = [codes(key) for key in range(4)]
with concurrent.futures.ProcessPoolExecutor(2, mp_context=fork) as pool:
    found = list(pool.map(codes, range(4)))
print(numba.threading_layer(), all_same(found, there))
"""
BEFORE_FIRST_USE = """
with fork.Pool(1) as pool:
    found = pool.map(codes, range(2))
print("-", all_same(found, [codes(0), codes(1)]))
"""
TORCH_FIRST = """
import torch
torch.set_num_threads(2)
torch.ones(512, 512) @ torch.ones(512, 512)
torch.ones(10**6).exp()
with fork.Pool(1) as pool:
    found = pool.map(codes, range(2))
print("-", all_same(found, [codes(0), codes(1)]))
"""
GRANDCHILD = """
def through_another(key):
    with fork.Pool(1) as pool:
        return pool.map(codes, [key])[0]

codes(0)
with concurrent.futures.ProcessPoolExecutor(1, mp_context=fork) as pool:
    found = list(pool.map(through_another, range(2)))
print("-", all_same(found, [codes(0), codes(1)]))
"""
THREADS = """
there = [codes(key) for key in range(4)]
with concurrent.futures.ThreadPoolExecutor(8) as pool:
    found = list(pool.map(codes, list(range(4)) * 8))
print(numba.threading_layer(), all_same(found, there * 8))
"""
LATE = """
import multiprocessing
import torch

torch.set_num_threads(2)
torch.ones(10**6).exp()

def work(queue):
    import numpy as np
    from stochsim_kernels import forked
    from stochsim_kernels.random.normal import fill_normals

    out = np.empty(5000)
    fill_normals(np.arange(5000, dtype=np.uint32), out)
    queue.put((forked.openmp_is_lost(), out.std() > 0))

context = multiprocessing.get_context("fork")
queue = context.Queue()
child = context.Process(target=work, args=(queue,))
child.start()
print(*queue.get(timeout=60))
"""
SPAWNED = """
import multiprocessing
import torch

def lost(_):
    from stochsim_kernels import forked
    return forked.openmp_is_lost()

if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(*pool.map(lost, [0]))
"""


def answer(script: str, layer: str = "default") -> str:
    """The last line that the script prints in a fresh process with this threading layer."""
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "NUMBA_THREADING_LAYER": layer},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.splitlines()[-1]


@pytest.mark.parametrize("layer", ["omp", "workqueue"])
@pytest.mark.parametrize(
    "way", [POOL, pytest.param(EXECUTOR, marks=pytest.mark.slow)], ids=["pool", "executor"]
)
def test_a_fork_after_first_use_gives_the_same_codes(way: str, layer: str) -> None:
    assert answer(CHIPS + way, layer) == f"{layer} True"


@pytest.mark.parametrize(
    "way",
    [
        pytest.param(BEFORE_FIRST_USE, marks=pytest.mark.slow),
        TORCH_FIRST,
        pytest.param(GRANDCHILD, marks=pytest.mark.slow),
    ],
    ids=["before", "torch first", "grandchild"],
)
def test_other_forks_give_the_same_codes(way: str) -> None:
    assert answer(CHIPS + way) == "- True"


@pytest.mark.parametrize("layer", ["omp", "workqueue"])
def test_threads_of_python_give_the_same_codes(layer: str) -> None:
    assert answer(CHIPS + THREADS, layer) == f"{layer} True"


def test_a_child_that_imports_kernels_only_after_torch_had_its_threads() -> None:
    assert answer(LATE) == "True True"


def test_a_spawned_child_keeps_its_threads(tmp_path) -> None:
    path = tmp_path / "spawned.py"
    path.write_text(SPAWNED)
    done = subprocess.run(
        [sys.executable, str(path)], capture_output=True, text=True, timeout=LIMIT_S, check=True
    )
    assert done.stdout.split() == ["False"]


def test_numbas_settings_stay_as_the_user_left_them() -> None:
    script = """
import numba
before = {name: getattr(numba.config, name) for name in ("THREADING_LAYER", "CACHE_DIR")}
import stochsim_kernels._jit
print(before == {name: getattr(numba.config, name) for name in before})
"""
    assert answer(script, "workqueue") == "True"


def test_a_kernel_is_pickled_by_name() -> None:
    assert pickle.loads(pickle.dumps(drawing.draw_codes)) is drawing.draw_codes
