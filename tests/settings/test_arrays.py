"""Arrays as users have them: lists, tensors, other byte orders; what has no values is refused."""

import numpy as np
import pytest
import torch

from stochsim.data import check_stimuli
from stochsim.settings import SettingError, bounded_array, real_array

ROWS = [[1.0, 2.0], [3.0, 4.5]]
RULE = "should be of shape (stimulus, 2)"


@pytest.mark.parametrize(
    "given",
    [
        ROWS,
        np.array(ROWS, ">f8"),
        np.array(ROWS, np.longdouble),
        np.array(ROWS)[::-1][::-1],
        np.asfortranarray(ROWS),
        np.ma.MaskedArray(ROWS, mask=False),
        torch.tensor(ROWS, requires_grad=True),
        torch.tensor(ROWS, dtype=torch.bfloat16),
        torch.tensor(ROWS).double(),
    ],
)
def test_the_same_numbers_whatever_holds_them(given: object) -> None:
    found = check_stimuli(given, 2)  # type: ignore[arg-type]
    np.testing.assert_array_equal(found, ROWS)
    assert found.dtype.isnative
    assert found.dtype.itemsize <= 8


@pytest.mark.parametrize(
    ("given", "rule"),
    [
        (np.ma.MaskedArray(ROWS, mask=[[0, 1], [0, 0]]), "masked entries"),
        ([[1.0], [1.0, 2.0]], "rows of unequal length"),
        (np.array(ROWS) * 1j, "should be real numbers"),
        (np.array([["a", "b"]]), "should be real numbers"),
        (torch.zeros(2, 2, device="meta"), "a tensor without values"),
    ],
)
def test_what_are_no_real_numbers_is_refused(given: object, rule: str) -> None:
    with pytest.raises(SettingError, match=rule):
        real_array("stimuli", given, RULE)


@pytest.mark.parametrize(
    ("given", "rule"),
    [
        (np.zeros((2, 3)), r"should be \(stimulus, read, neuron = 4\)"),
        (np.zeros((2, 3, 5)), r"should be \(stimulus, read, neuron = 4\)"),
        (np.full((2, 3, 4), np.nan), "holds NaN or Inf"),
        (np.full((2, 3, 4), 1e16), r"= 1e\+16: should be at most 1e\+15 in size"),
        ("x", "should be real numbers"),
    ],
)
def test_axes_sizes_and_bounds_are_named(given: object, rule: str) -> None:
    with pytest.raises(SettingError, match=rf"'values'.*{rule}"):
        bounded_array("values", given, "stimulus, read, neuron", (None, None, 4))


def test_any_axes_may_stand_before_those_that_are_named() -> None:
    for shape in ((4,), (2, 4), (3, 2, 4)):
        assert bounded_array("r", np.zeros(shape), "…, neuron", (4,)).shape == shape
    assert bounded_array("r", [[1, 2]], "…, neuron").dtype == np.float64
    with pytest.raises(SettingError, match=r"should be \(…, neuron\) = \(4,\)"):
        bounded_array("r", 1.0, "…, neuron", (4,))
