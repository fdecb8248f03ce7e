"""A processor's matrix unit: sums by hand, whose registers a process has, and threads."""

import multiprocessing
import subprocess
import sys

import numpy as np
import pytest
from stochsim_kernels.product import matmul, matrix_tiles
from stochsim_kernels.product.int_tiles import COLUMNS
from stochsim_kernels.product.matrix_tiles import TILE, MatrixProduct, has_matrix_unit
from stochsim_kernels.reference import neuron_codes as reference
from threadtest import MOST, threads

pytestmark = pytest.mark.skipif(
    not has_matrix_unit(), reason="a processor without a matrix unit (AMX)"
)


def test_terms_are_added_and_nothing_beyond_the_output_is_written():
    """One stimulus of four inputs, by hand: signed 1, -2, 127, -128 count 128 more."""
    w = np.zeros((1, TILE, COLUMNS), np.int32)
    w.view(np.int8).reshape(TILE, COLUMNS, 4)[0, 0] = (1, 2, -3, 4)
    w.view(np.int8).reshape(TILE, COLUMNS, 4)[0, 1] = (-128, 127, 0, 1)
    terms = np.arange(COLUMNS, dtype=np.int32)
    codes = np.array([[1, -2, 127, -128]], np.int8).view(np.uint8)
    out = np.full((3, 2), 99, np.int32)
    matrix_tiles.multiply(MatrixProduct(codes, 128, w, terms), out[1:2])
    first = 129 * 1 + 126 * 2 + 255 * -3 + 0 * 4
    second = 129 * -128 + 126 * 127 + 255 * 0 + 0 * 1
    assert out.tolist() == [[99, 99], [first, second + 1], [99, 99]]


@pytest.mark.parametrize("stimuli", [1, 15, 16, 17, 31, 32, 33, 128, 129, 145, 300])
def test_rows_to_either_side_of_tiles_and_blocks(stimuli):
    random = np.random.default_rng(stimuli)
    for inputs, neurons in ((1, 1), (63, 31), (64, 32), (65, 33), (129, 64), (200, 65), (64, 300)):
        x = random.integers(-128, 128, (stimuli, inputs)).astype(np.int8)
        w = random.integers(-128, 128, (neurons, inputs)).astype(np.int8)
        assert np.array_equal(matmul.integer_product(x, w), reference.integer_product(x, w))


def test_threads_share_tasks_in_any_way():
    random = np.random.default_rng(1)
    x = random.integers(0, 256, (290, 70)).astype(np.uint8)
    w = random.integers(-128, 128, (700, 70)).astype(np.int8)
    expected = reference.integer_product(x, w)
    for count in (1, MOST):
        with threads(count):
            assert np.array_equal(matmul.integer_product(x, w), expected)


def _sum_of_a_product():
    return int(matmul.integer_product(np.full((9, 9), 3, np.int8), np.eye(9, dtype=np.int8)).sum())


def test_forked_processes_keep_the_registers():
    assert _sum_of_a_product() == 243
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.apply(_sum_of_a_product) == 243


def test_a_refused_process_multiplies_without_the_unit():
    """Where Linux gives no registers the rule takes another way."""
    script = (
        "import numpy as np\n"
        "from stochsim_kernels.product import matmul, matrix_tiles\n"
        "matrix_tiles._may_use_tiles = lambda: False\n"
        "x = np.full((9, 9), 100, np.int8)\n"
        "print(matmul.arithmetic(matmul.span(x), matmul.span(x), 2**20))\n"
        "print(matmul.integer_product(x, x).sum())\n"
        "product = matrix_tiles.MatrixProduct(x.view(np.uint8), 0, x, x)\n"
        "try:\n"
        "    matrix_tiles.multiply(product, x)\n"
        "except RuntimeError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=True
    )
    way, total, refused = done.stdout.splitlines()
    assert way in ("bytes", "bits")
    assert (int(total), refused) == (9**3 * 100**2, "this process has no matrix unit")
