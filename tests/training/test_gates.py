"""Gates 1 and 2 of the linear-Gaussian theory, by training a float network: the same computation
that the benchmark prints.
"""

import importlib
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
KEY, STEPS = 0, 1500


@pytest.fixture(scope="module")
def benchmark_script():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        yield importlib.import_module("linear_gaussian_gates")


@pytest.fixture(scope="module")
def task(benchmark_script):
    return benchmark_script.problem(KEY)


@pytest.mark.parametrize("rho", [0.0, 0.5, 1.0, 2.0])
def test_gates_by_training(benchmark_script, task, rho):
    """Half the steps of the benchmark.

    Measured: sigma² within 0.01 %, slopes within 1e-5, mean error 0.002 sd. Slope 1 at rho > 0, or
    c = 2, would fail.
    """
    trained = benchmark_script.train_network(task, rho, KEY, steps=STEPS)
    reached = benchmark_script.gates(task, trained)
    assert reached.slope == pytest.approx(2 / (rho + 2), abs=0.05)
    assert reached.mean_error <= 0.05
    assert reached.sigma_error <= 0.05
