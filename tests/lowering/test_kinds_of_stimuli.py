"""Stimuli of a converted network as users hold them: every array and tensor of real numbers gives
what its plain copy gives, silently; others are refused in one line.
"""

import warnings

import numpy as np
import pytest
import torch
from conversiontest import QUIET, seeded

from stochsim.lowering import convert
from stochsim.settings import SettingError

EVEN = torch.arange(-24.0, 24.0).reshape(8, 6) / 16  # in bfloat16 and float16 without rounding


def read_only(x: np.ndarray) -> np.ndarray:
    found = x.copy()
    found.flags.writeable = False
    return found


ARRAYS = {
    "read-only": read_only,
    "big-endian": lambda x: x.astype(">f4"),
    "fortran": np.asfortranarray,
    "reversed twice": lambda x: x[::-1].copy()[::-1],
    "broadcast": lambda x: np.broadcast_arrays(x, np.zeros((1, 6)))[0],
    "memoryview": memoryview,
    "matrix": lambda x: np.asarray(x).view(np.matrix),
    "float16": lambda x: x.astype(np.float16),
    "longdouble": lambda x: x.astype(np.longdouble),
}
TENSORS = {
    "gradient": lambda x: x.clone().requires_grad_(),
    "bfloat16": torch.Tensor.bfloat16,
    "float64": torch.Tensor.double,
    "sparse": torch.Tensor.to_sparse,
    "transposed": lambda x: x.T.contiguous().T,
    "negative view": lambda x: torch._neg_view(-x),
    "real part of a conjugate": lambda x: x.to(torch.complex64).conj().real,
}
REFUSED = {
    "truth values": lambda x: x > 0,
    "complex": lambda x: x.to(torch.complex64),
    "meta": lambda x: x.to("meta"),
    "nested": lambda x: torch.nested.nested_tensor([x[0], x[1]], layout=torch.jagged),
}


@pytest.fixture(scope="module")
def module():
    return convert(seeded(lambda: torch.nn.Linear(6, 3)), QUIET.with_precision(8, 8, 8), EVEN)


@pytest.mark.parametrize("kind", ARRAYS)
def test_arrays_give_what_their_plain_copy_gives(module, kind):
    there = module.sample(EVEN, 2, key=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.array_equal(module.sample(ARRAYS[kind](EVEN.numpy()), 2, key=1), there)


@pytest.mark.parametrize("kind", TENSORS)
def test_tensors_give_what_their_plain_copy_gives(module, kind):
    x = TENSORS[kind](EVEN)
    assert np.array_equal(module.sample(x, 2, key=1), module.sample(EVEN, 2, key=1))
    assert torch.equal(module(x).float(), module(EVEN))


@pytest.mark.parametrize("kind", REFUSED)
@pytest.mark.parametrize("door", ["call", "sample", "convert"])
def test_other_tensors_are_refused_in_one_line(module, door, kind):
    doors = {
        "call": module,
        "sample": lambda x: module.sample(x, 2, key=1),
        "convert": lambda x: convert(torch.nn.Linear(6, 3), QUIET, x),
    }
    with pytest.raises(SettingError, match="real numbers") as caught:
        doors[door](REFUSED[kind](EVEN))
    assert "\n" not in str(caught.value)
