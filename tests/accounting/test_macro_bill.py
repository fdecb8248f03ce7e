"""A network on a measured macro: tiles by hand."""

import math

import numpy as np
import pytest
from tinymacro import tiny

from stochsim.accounting import bill_on_macro
from stochsim.program import random_program
from stochsim.settings import SettingError
from stochsim.silicon import largest_error, load_macro, recorded_spread


def test_operations_are_tiles_of_inputs_and_outputs():
    """100 inputs on 64 lines, 40 neurons on 16: 2 x 3 operations; 40 x 10 the next."""
    program, _ = random_program((100, 40, 10), (8, 8, 8), sigma=0.5)
    bill = bill_on_macro(program, load_macro("wang"))
    assert [one.operations for one in bill.layers] == [6, 1]
    assert [one.used for one in bill.layers] == pytest.approx([4000 / 6144, 400 / 1024], rel=1e-12)
    each_j = load_macro("wang").at().all_j
    assert bill.per_read_j == pytest.approx(7 * each_j, rel=1e-12)
    assert bill.seconds == pytest.approx(7 * load_macro("wang").at().seconds, rel=1e-12)


def test_widths_are_each_layers_own_and_other_conditions_as_given():
    program, _ = random_program((128, 16), (2, 4, 4), sigma=0.5)
    macro = load_macro("colonnade")
    (layer,) = bill_on_macro(program, macro, voltage_v=0.8).layers
    assert layer.point == macro.at(input_bits=4, weight_bits=2, voltage_v=0.8)
    assert layer.operations == math.ceil(16 / 14)


def test_parts_beside_the_published_efficiency_are_billed_too():
    program, _ = random_program((2304, 64), (4, 4, 4), sigma=0.5)
    (layer,) = bill_on_macro(program, load_macro("jia")).layers
    assert layer.used == 1
    assert layer.joules == layer.point.all_j > layer.point.published_j


def test_copies_work_at_the_same_time():
    program, _ = random_program((256, 128), (4, 4, 6), sigma=0.5)
    bill = bill_on_macro(program, load_macro("neurram"))
    assert bill.seconds == pytest.approx(bill.layers[0].point.seconds / 48, rel=1e-12)


def test_the_interval_is_the_models_error_or_that_of_an_unknown_machine():
    program, _ = random_program((64, 16), (8, 8, 8), sigma=0.5)
    bill = bill_on_macro(program, load_macro("wang"))
    assert bill.interval[1] == pytest.approx(
        bill.per_read_j * math.exp(largest_error(load_macro("wang"))), rel=1e-12
    )
    outside = bill_on_macro(program, load_macro("wang"), voltage_v=1.5)
    spread = recorded_spread("machine")
    assert outside.interval[1] == pytest.approx(outside.per_read_j * spread.high, rel=1e-12)
    assert "extrapolated" in str(outside)
    assert "interval: the largest error of the macro's model" in str(bill)
    assert "interval: of a machine that was not measured" in str(outside)
    own = bill_on_macro(random_program((8, 8), (4, 1, 4), sigma=0.5)[0], tiny())
    assert own.interval[0] == pytest.approx(own.per_read_j * spread.low, rel=1e-12)


def test_a_macro_of_ones_own_has_no_calibrated_interval_whatever_its_name():
    program, _ = random_program((64, 16), (8, 8, 8), sigma=0.5)
    changed = load_macro("wang").with_values({"converter_j": 1e-9})
    bill = bill_on_macro(program, changed)
    spread = recorded_spread("machine")
    assert bill.interval[1] == pytest.approx(bill.per_read_j * spread.high, rel=1e-12)


def test_a_macro_of_few_energies_has_the_largest_error_of_all():
    off = [largest_error(load_macro(name)) for name in ("jia", "wang")]
    assert off[0] == off[1] > largest_error(load_macro("sinangil"))


def test_what_a_converted_network_leaves_in_float_is_named(tmp_path):
    import torch
    from torch import nn

    from stochsim import convert, load_hardware

    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(64, 16), nn.Softmax(dim=1))
    small = convert(module, load_hardware("digital-45nm", bits=8), torch.randn(16, 64))
    bill = bill_on_macro(small.program, load_macro("wang"), np.zeros((1, 64)))
    assert len(bill.in_float) == 1
    assert f"computed in float, not billed: {bill.in_float[0]}" in str(bill)
    assert bill.to_json()["in_float"] == list(bill.in_float)


def test_what_is_no_program_or_condition_is_refused():
    program, _ = random_program((8, 8), (8, 8, 8), sigma=0.5)
    with pytest.raises(SettingError, match="should be a Program"):
        bill_on_macro(np.ones(3), load_macro("wang"))
    with pytest.raises(SettingError, match="should be a Macro"):
        bill_on_macro(program, "wang")
    with pytest.raises(SettingError, match="no condition of wang"):
        bill_on_macro(program, load_macro("wang"), registers=3)


def test_the_text_says_what_is_left_out():
    program, _ = random_program((64, 16), (8, 8, 8), sigma=0.5)
    text = str(bill_on_macro(program, load_macro("wang")))
    assert text.startswith("wang: 110 pJ per read [")
    assert "not in it, or not known to be: input and output buffers, clock tree" in text
