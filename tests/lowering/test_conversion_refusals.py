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


def test_what_cannot_be_captured_is_an_error_that_names_the_part():
    with pytest.raises(
        StochsimError,
        match=r"Calls cannot be captured: its part 'inner' \(line \d+ of test_conversion_refus"
        r"als.py, .*GuardOnDataDependentSymNode: .*keep_float=\('inner',\)",
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
        ({"examples": None}, r"'examples' is missing: give stimuli"),
        (
            {"examples": torch.zeros(4)},
            r"'examples' = array of shape \(4,\), .*: should be \(stimulus, …\)",
        ),
        ({"examples": torch.zeros(0, 6)}, "one stimulus at least"),
        ({"examples": torch.full((3, 6), torch.nan)}, "'examples' = .*: should be finite"),
        (
            {"examples": torch.zeros(3, 5)},
            r"'examples' = array of shape \(3, 5\), .*: does not pass the network",
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
    given = {"examples": stimuli(9, 6), **options}
    with pytest.raises(SettingError, match=message):
        convert(nn.Sequential(nn.Linear(6, 3), nn.ReLU()), QUIET, given.pop("examples"), **given)


def test_the_old_name_of_the_examples_says_the_new_one():
    with pytest.raises(TypeError, match=r"convert\(\): 'calibration' is now 'examples'"):
        convert(nn.Linear(6, 3), QUIET, calibration=stimuli(9, 6))
    with pytest.raises(SettingError, match=r"'examples' is missing: give stimuli \(stimulus, …\)"):
        convert(nn.Linear(6, 3), QUIET)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((QUIET, nn.Linear(6, 3), stimuli(9, 6)), "'module' = Hardware.*should be a torch module"),
        ((stimuli(9, 6), QUIET, nn.Linear(6, 3)), "'module' = array of shape.* a torch module"),
        ((nn.Linear(6, 3), stimuli(9, 6), QUIET), r"'hardware' = array of shape \(9, 6\)"),
        ((nn.Linear(6, 3), nn.ReLU(), QUIET), r"'hardware' = ReLU\(\): should be a Hardware"),
        ((nn.Linear(6, 3), QUIET, QUIET), "'examples' = Hardware.*should be stimuli"),
        ((nn.Linear(6, 3), QUIET, nn.ReLU()), r"'examples' = ReLU\(\): should be stimuli"),
    ],
)
def test_arguments_in_another_order_are_told(given, message):
    order = r".*; arguments stand in the order convert\(module, hardware, examples\)$"
    with pytest.raises(SettingError, match=message + order):
        convert(*given)


def test_other_types_are_named_without_a_word_on_the_order():
    with pytest.raises(SettingError, match=r"'module' = 3: should be a torch module.* makes one$"):
        convert(3, QUIET, stimuli(9, 6))
    assert convert(nn.Linear(6, 3), QUIET, stimuli(9, 6).tolist()).layers


def test_a_network_must_give_one_tensor_of_the_stimuli():
    refused = {
        "has no axis of stimuli": lambda self, x: self.a(x).mean(0)[None],
        r"should be \(stimulus, …\)": lambda self, x: self.a(x).sum(),
    }
    for message, forward in refused.items():
        with pytest.raises(StochsimError, match=message):
            convert(Calls(forward, a=nn.Linear(4, 2)), QUIET, stimuli(9, 4))


def test_wrong_hardware_and_modules_are_refused():
    with pytest.raises(SettingError, match="should be a Hardware"):
        convert(nn.Linear(4, 2), "digital-45nm", stimuli(9, 4))
    with pytest.raises(SettingError, match=r"'module' = torch\.float16: should compute in"):
        convert(nn.Linear(4, 2).half(), QUIET, stimuli(9, 4))
    with pytest.raises(StochsimError, match="nothing to convert"):
        convert(nn.ReLU(), QUIET, stimuli(9, 4))
