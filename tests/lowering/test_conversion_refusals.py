"""Modules, settings and hardware that cannot be converted: each is an error that names the part."""

import pytest
import torch
from conversiontest import QUIET, Calls, stimuli
from torch import nn

from stochsim.lowering import convert
from stochsim.settings import SettingError, StochsimError


def branching():
    inner = Calls(lambda self, x: self.part(x) if x.sum() > 0 else x, part=nn.Linear(4, 4))
    return Calls(lambda self, x: self.last(self.inner(x)), inner=inner, last=nn.Linear(4, 2))


def test_what_cannot_be_traced_is_an_error_that_names_the_part():
    with pytest.raises(
        StochsimError,
        match=r"Calls cannot be traced: its part 'inner' .*TraceError.*keep_float=\('inner',\)",
    ):
        convert(branching(), QUIET, stimuli(9, 4))
    kept = convert(branching(), QUIET, stimuli(9, 4), keep_float=["inner"])
    assert list(kept.layers) == ["last"]
    with pytest.raises(StochsimError, match="its own forward"):
        convert(branching().inner, QUIET, stimuli(9, 4))


def test_a_module_of_two_inputs_is_refused():
    class Two(nn.Module):
        def forward(self, x, y):
            return x + y

    with pytest.raises(StochsimError, match="Two takes 2 inputs"):
        convert(Two(), QUIET, stimuli(9, 4))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"calibration": None}, r"'calibration' is missing: give stimuli"),
        (
            {"calibration": torch.zeros(4)},
            r"'calibration' = array of shape \(4,\), .*: should be \(stimulus, …\)",
        ),
        ({"calibration": torch.zeros(0, 6)}, "one stimulus at least"),
        ({"calibration": torch.full((3, 6), torch.nan)}, "'calibration' = .*: should be finite"),
        (
            {"calibration": torch.zeros(3, 5)},
            r"'calibration' = array of shape \(3, 5\), .*: does not pass the network",
        ),
        ({"bits": {"1": (4, 4, 4)}}, r"unknown key 'bits\.1': valid: 0"),
        ({"bits": {"0": (4, 4)}}, "should be three widths"),
        ({"bits": {"0": (4, 9, 4)}}, r"'bits\.0\.input_bits' = 9: should be less"),
        ({"keep_float": ["fc"]}, "'keep_float' = 'fc': valid: 0, 1"),
        ({"keep_float": "0"}, "should be a list of names"),
        ({"key": -1}, "'key' = -1"),
        ({"chip_key": 0.5}, "'chip_key' = 0.5"),
    ],
)
def test_wrong_settings_are_refused(options, message):
    given = {"calibration": stimuli(9, 6), **options}
    with pytest.raises(SettingError, match=message):
        convert(nn.Sequential(nn.Linear(6, 3), nn.ReLU()), QUIET, given.pop("calibration"), **given)


def test_a_network_must_give_one_tensor_of_the_stimuli():
    for forward in (lambda self, x: (self.a(x), x), lambda self, x: self.a(x).sum()):
        with pytest.raises(StochsimError, match="should give one tensor"):
            convert(Calls(forward, a=nn.Linear(4, 2)), QUIET, stimuli(9, 4))


def test_wrong_hardware_and_modules_are_refused():
    with pytest.raises(SettingError, match="should be a Hardware"):
        convert(nn.Linear(4, 2), "digital-45nm", stimuli(9, 4))
    with pytest.raises(SettingError, match=r"'module' = torch\.float16: should compute in"):
        convert(nn.Linear(4, 2).half(), QUIET, stimuli(9, 4))
    with pytest.raises(StochsimError, match="nothing to convert"):
        convert(nn.ReLU(), QUIET, stimuli(9, 4))
