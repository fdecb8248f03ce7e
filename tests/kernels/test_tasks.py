"""Tasks: each runs once, on any number of threads, with the arguments of its kernel."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numba
import numpy as np
import pytest
from stochsim_kernels._jit import helper, kernel
from stochsim_kernels.tasks import run_tasks


@helper
def _count_one(task, counts, factor):
    counts[task] += factor * task


@kernel
def _count(counts, factor):
    run_tasks(_count_one, counts.size, (counts, factor))


@helper
def _copy_one(task, source, out):
    out[task] = source[task]


@kernel
def _copy_of_own(out):
    own = np.empty(out.size)
    for i in range(own.size):
        own[i] = 2.0 * i
    run_tasks(_copy_one, out.size, (own, out))


@helper
def _divide_one(task, divisors, out):
    out[task] = 12 // divisors[task]


@kernel
def _divide(divisors, out):
    run_tasks(_divide_one, out.size, (divisors, out))


@pytest.fixture(params=[1, 2])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = numba.get_num_threads()
    count = min(request.param, numba.config.NUMBA_NUM_THREADS)
    numba.set_num_threads(count)
    yield count
    numba.set_num_threads(before)


@pytest.mark.parametrize("tasks", [0, 1, 2, 1000])
def test_every_task_runs_once(threads: int, tasks: int) -> None:
    counts = np.zeros(tasks, np.int64)
    _count(counts, 3)
    np.testing.assert_array_equal(counts, 3 * np.arange(tasks))


def test_arrays_of_the_kernel_itself_live_until_its_tasks_are_done(threads: int) -> None:
    for size in (3, 1000, 100_000):
        out = np.zeros(size)
        _copy_of_own(out)
        np.testing.assert_array_equal(out, 2.0 * np.arange(size))


def test_a_task_that_fails_is_an_error(threads: int) -> None:
    out = np.zeros(3, np.int64)
    _divide(np.array([2, 3, 4]), out)
    assert out.tolist() == [6, 4, 3]
    with pytest.raises(RuntimeError, match="a task of a kernel failed"):
        _divide(np.array([2, 0, 4]), out)


NORMALS = """
import numpy as np
from stochsim_kernels.random.normal import fill_normals
fill_normals(np.zeros(3, np.uint32), np.empty(3))
"""
FLIPS = """
import numpy as np
from stochsim_kernels.product.weight_noise import transient_flips
from stochsim_kernels.random.address import DrawAddress
ones = np.ones((1, 1), np.int8)
transient_flips(np.ones((1, 1), np.int64), ones, ones, 2, 0.5, DrawAddress.of(1, 0, 0))
"""


def test_a_kernel_is_the_first_that_a_process_loads(tmp_path: Path) -> None:
    """The third process loads a kernel that the second has compiled with the loop over tasks from
    the cache of the first: no function that starts threads comes with it.
    """
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    for script in (NORMALS, FLIPS, FLIPS):
        done = subprocess.run([sys.executable, "-c", script], env=environment, check=False)
        assert done.returncode == 0
