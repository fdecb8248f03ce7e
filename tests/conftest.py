"""Fixtures for tests of several folders: small programs by hand, modules of the benchmarks; and
`pytest.approx` without its absolute floor.
"""

import gc
import importlib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numba
import numpy as np
import pytest
import torch

from stochsim.hardware import preset
from stochsim.program import Layer, Quantizer, single_layer

# at Python's own 700 new objects, a fifth of a conversion's time is the search for cycles in what
# torch.export makes; what waits for the next search is small
gc.set_threshold(20_000, 10, 10)

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"

_approx_with_a_floor = pytest.approx


def _approx(expected: Any, rel: float | None = None, abs: float | None = None, **named: Any) -> Any:
    """`pytest.approx` whose `abs` is 0 unless given: pytest's own floor of 1e-12 takes 0 J for
    81 fJ, with `rel` given too.

    As in pytest, `rel` is 1e-6 unless given, and out of force where `abs` alone is given. 0 without
    `abs` is exactly 0. tests/test_tolerances.py holds it.
    """
    if abs is None:
        abs = 0.0
        rel = 1e-6 if rel is None else rel
    return _approx_with_a_floor(expected, rel=rel, abs=abs, **named)


# before any test module is read, so `from pytest import approx` is this one
pytest.approx = _approx


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Kernels and torch on one thread in every test, whatever the one before left: two test
    processes on two cores would wait for each other's threads. Tests of threads ask for them
    (`threadtest.threads`).
    """
    numba.set_num_threads(1)
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Random weights of torch modules are the same in every run."""
    torch.manual_seed(0)


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """Import a module of the benchmarks by name, as the scripts themselves do."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module


@pytest.fixture
def make_program():
    """A function (bits, sigma, …) -> Program of 12 inputs and 5 neurons with random codes."""

    def build(bits=4, sigma=0.3, inputs=12, neurons=5, bias=True, seed=0, scale=0.25):
        random = np.random.default_rng(seed)
        top = max(1, 2 ** (bits - 1) - 1)
        codes = (
            2 * random.integers(0, 2, (neurons, inputs)) - 1
            if bits == 1
            else random.integers(-top, top + 1, (neurons, inputs))
        )
        layer = Layer(
            weight_codes=codes.astype(np.int8),
            weight_bits=bits,
            weight_scale=0.4 / top,
            input=Quantizer(bits, 1.0 if bits == 1 else 2.5 / 2 ** (bits - 1)),
            output=Quantizer(bits, scale),
            bias=random.normal(0, 0.2, neurons) if bias else np.zeros(neurons),
            sigma=np.broadcast_to(np.asarray(sigma, float), (neurons,)).copy(),
        )
        return single_layer(layer)

    return build


@pytest.fixture
def make_hardware():
    """A function (bits) -> the digital preset with these bits everywhere; noise by
    `.replace(noise=Noise(…))`.
    """
    return lambda bits=4: preset("digital-45nm").with_precision(bits, bits, bits)
