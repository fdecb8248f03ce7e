"""Windows that cannot be, and those too wide for what they read, are refused."""

import json

import numpy as np
import pytest
import torch
from conversiontest import chip_of
from graphtest import layer_of
from torch.nn import functional

from stochsim.chip import Chip
from stochsim.program import PADDING_MODES, Geometry, Graph, LayerCall, Program
from stochsim.settings import SettingError, StochsimError


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"groups": 0}, "'groups' = 0: should be an integer from 1"),
        ({"kernel": (0,)}, "'kernel' = 0: should be an integer from 1"),
        ({"stride": (0,)}, "'stride' = 0: should be an integer from 1"),
        ({"padding": ((-1, 0),)}, "'padding' = -1: should be an integer from 0"),
        ({"dilation": ()}, r"'dilation' = \(\): should have one entry for each of the 1 axes"),
        ({"kernel": 3}, "'kernel' = 3: should be a tuple, with one entry for each axis"),
        ({"stride": ("x",)}, "'stride' = 'x': should be an integer from 1"),
        ({"padding": 1}, "'padding' = 1: should be a tuple"),
        ({"padding": (1,)}, r"'padding' = 1: should be \(before, after\) for each axis"),
        ({"padding": ((1,),)}, r"'padding' = \(1,\): should be \(before, after\) for each axis"),
        ({"padding": ((1, 1, 1),)}, r"'padding' = \(1, 1, 1\): should be \(before, after\)"),
        ({"padding": ("ab",)}, r"'padding' = 'ab': should be \(before, after\)"),
        ({"padding_mode": ["zeros"]}, r"'padding_mode' = \['zeros'\]: valid: zeros"),
    ],
)
def test_windows_that_cannot_be_are_refused(changes, message):
    window = {"kernel": (3,), "stride": (1,), "padding": ((0, 0),), "dilation": (1,)}
    Geometry(**window)
    with pytest.raises(SettingError, match=message):
        Geometry(**window | changes)


def test_a_linear_layer_has_no_groups():
    with pytest.raises(SettingError, match="'groups' = 2: should be 1 without a 'kernel'"):
        Geometry(groups=2)


def test_windows_of_numpys_integers_and_lists_are_the_same():
    sizes = np.array([3, 2])
    given = Geometry(tuple(sizes), [1, 2], [[1, np.int8(1)], (0, 2)], (1, 1), np.int64(2))
    expected = Geometry((3, 2), (1, 2), ((1, 1), (0, 2)), (1, 1), 2)
    assert given == expected
    assert json.dumps(vars(given)) == json.dumps(vars(expected))


@pytest.mark.parametrize("mode", PADDING_MODES)
@pytest.mark.parametrize("pad", [(0, 0), (2, 1), (3, 0), (0, 4), (4, 4), (5, 0), (0, 6)])
def test_padding_fits_where_torch_pads(mode, pad):
    """An axis of four values: torch repeats each once at most where it mirrors or goes around."""
    geometry = Geometry((1,), (1,), (pad,), (1,), padding_mode=mode)
    values = torch.arange(8.0).reshape(1, 2, 4)
    try:
        expected = functional.pad(values, pad, "constant" if mode == "zeros" else mode)
    except RuntimeError:
        expected = None
    assert geometry.fits((2, 4), 2) == (expected is not None)
    if expected is not None:
        rows = geometry.rows(values.numpy(), 0)[0]
        assert np.array_equal(rows[0], expected[0].T.numpy())


@pytest.mark.parametrize(("mode", "wide"), [("reflect", 5), ("circular", 6)])
def test_padding_wider_than_the_input_is_named(mode, wide):
    own = layer_of(4, 4)
    geometry = Geometry((1,), (1,), ((wide, 0),), (1,), padding_mode=mode)
    graph = Graph((LayerCall("y", "x", "conv", geometry),), "x", "y", (4, 5))
    chip = Chip(Program({"conv": own}, graph), chip_of())
    x = np.zeros((2, 4, 5), np.float32)
    with pytest.raises(
        StochsimError,
        match=rf"'y' cannot run: .* values \(4, 5\) .* too few for its {mode} padding \(\({wide}",
    ):
        chip.sample(x, 1, 0)
