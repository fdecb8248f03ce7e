"""Tiles on another processor: the long-hand arithmetic, and a cache that keeps processors apart."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
from stochsim_kernels import _jit, processor
from stochsim_kernels.product import int_tiles, matmul

SCRIPT = """
import json
import numpy as np
from stochsim_kernels import processor
from stochsim_kernels.product import accumulator, int_tiles, matmul
from stochsim_kernels.reference import accumulator_sums
from stochsim_kernels.reference import neuron_codes as reference

features = [processor.processor_has(name) for name in (processor.VNNI, processor.VECTOR_POPCOUNT)]
random = np.random.default_rng(0)
equal = {}

def check(name, x, w):
    found = matmul.integer_product(x, w)
    equal[name] = bool(np.array_equal(found, reference.integer_product(x, w)))

signs = 2 * random.integers(0, 2, (80, 70)) - 1
x, w = random.integers(-128, 128, (17, 70)), random.integers(-128, 128, (67, 70))
x[0], w[0] = -128, -128
check("signs", signs[:17], signs)
check("blas", x, w)
way = matmul.arithmetic(matmul.span(x), matmul.span(w), 2**20)
matmul.arithmetic = lambda *_: "bytes"
check("bytes", x, w)
check("unsigned bytes", x + 128, w)
saturated = accumulator.saturating_product(x, w, 16)
expected = accumulator_sums.saturating_product(x, w, 16)
equal["saturating"] = bool(np.array_equal(saturated, expected))
stats = int_tiles.fill_product.compiled.stats
print(json.dumps({
    "features": features, "way": way, "equal": equal, "hits": sum(stats.cache_hits.values()),
    "misses": sum(stats.cache_misses.values()),
}))
"""


@pytest.mark.skipif(_jit.CACHE_FOLDER is None, reason="nowhere to keep compiled kernels")
def test_a_lesser_processor_compiles_its_own_and_is_exact(tmp_path):
    """The cache of this processor is there, and its kernels are not taken by a generic one of the
    same machine.
    """
    matmul.integer_product(np.array([[3, -100]]), np.array([[5, 90]]))
    shutil.copytree(_jit.CACHE_FOLDER, tmp_path / "stochsim" / "kernels" / _jit.CACHE_FOLDER.name)
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path), "NUMBA_CPU_NAME": "generic"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert all(found.pop("equal").values()), done.stdout
    assert found == {"features": [False, False], "way": "float32", "hits": 0, "misses": 1}


def test_features_are_read_from_the_compiler():
    known = processor.cpu_target.target_context.codegen().magic_tuple()[2]
    assert processor.processor_has(processor.VNNI) == (f"+{processor.VNNI}," in known + ",")
    assert not processor.processor_has("no such feature")


def fill(x, w, scales, x_term, w_term, holds):
    out = np.full((len(x_term), len(w_term)), 99, np.int32)
    product = int_tiles.TiledProduct(
        x, w, *(np.array(one, np.int32) for one in (scales, x_term, w_term))
    )
    int_tiles.fill_product(product, holds, 0, out)
    return out


def test_planes_are_scaled_and_terms_are_added():
    """By hand: words of one input over 2 × 2 planes; rows and columns beyond the output are not
    written.
    """
    x = np.zeros((int_tiles.ROWS, 2, 1), np.int32)
    w = np.zeros((1, 2, 1, int_tiles.COLUMNS), np.int32)
    x[0, :, 0], x[1, :, 0] = (0b1011, 0b1), (0b100, -1)
    w[0, :, 0, 0], w[0, :, 0, 1] = (0b1110, 0b1), (-1, 0b11)
    scales = [[1, 10], [100, -1000]]
    counts = np.array(
        [[[[2, 1], [0, 1]], [[3, 2], [1, 1]]], [[[1, 0], [3, 1]], [[1, 0], [32, 2]]]]
    )  # stimulus, neuron, x and w plane
    expected = (
        np.einsum("snij,ij->sn", counts, scales)
        + np.array([[7], [-5]])
        + np.array([20_000, 30_000])
    )
    assert (
        fill(x, w, scales, [7, -5], [20_000, 30_000], int_tiles.BITS).tolist() == expected.tolist()
    )


def test_four_products_do_not_saturate():
    x = np.full((int_tiles.ROWS, 1, 1), -1, np.int32)  # four times 255
    w = np.full((1, 1, 1, int_tiles.COLUMNS), -2139062144, np.int32)  # four times -128
    assert fill(x, w, [[1]], [0], [0], int_tiles.BYTES).tolist() == [[-4 * 255 * 128]]
