"""Graphs on a chip: the same chip runs what `convert` made and what is put together by hand."""

import numpy as np
import pytest
import torch
from conversiontest import chip_of, converted_small, seeded, stimuli
from graphtest import FIRST, RANDOM, SIGNED, UNSIGNED, X, by_hand, layer_of, residual
from torch import nn

from stochsim.chip import Chip
from stochsim.hardware import Adc, Array, Memory, Noise
from stochsim.lowering import convert
from stochsim.program import (
    FloatCall,
    Geometry,
    Graph,
    LayerCall,
    Program,
    Quantizer,
    load_program,
    single_layer,
)
from stochsim.settings import SettingError, StochsimError

ARRAY = Array(rows=16, columns=16, adc=Adc(bits=5, range="calibrated"))
CHIPS = {
    "quiet": {},
    "noisy": {"noise": Noise(read_sigma_lsb=0.4, input_dither="stochastic")},
    "memory": {"memory": Memory(weight_errors=0.02, weight_read_errors=0.02)},
    "array": {"array": ARRAY},
}


@pytest.mark.parametrize("parts", CHIPS.values(), ids=CHIPS)
@pytest.mark.filterwarnings("ignore:the array's ADCs clip")
def test_the_chip_of_a_converted_program_is_the_converted_network(parts):
    hardware = chip_of(**parts)
    converted, x = converted_small(hardware, chip_key=7)
    chip = Chip(converted.program, hardware, chip_key=7, calibration=x.numpy())
    found = chip.sample(x.numpy(), 3, 11, 2, 1)
    assert found.codes is None
    assert np.array_equal(found.values, converted.sample(x, 3, 11, 2, 1))
    bill = converted.bill(x, 3)
    assert chip.bill(x.numpy(), 3).counts == bill.counts
    assert chip.operations(x.numpy(), 3) == bill.total_operations
    assert chip.bill(x.numpy(), 3).cycles == bill.cycles


def test_samples_count_what_the_bill_has():
    converted, x = converted_small(chip_of(array=ARRAY))
    chip = Chip(converted.program, chip_of(array=ARRAY), calibration=x.numpy())
    found = chip.sample(x.numpy(), 2, 0)
    assert found.operations == chip.operations(x.numpy(), 2)
    assert found.operations.count("adc") > 0


def test_a_program_stays_as_it_was_when_the_network_trains_on():
    class Normed(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(4, 3)
            self.norm = nn.LayerNorm(3)

        def forward(self, x):
            return self.norm(self.layer(x))

    x = stimuli(6, 4)
    converted = convert(seeded(Normed), chip_of(), x)
    program = converted.program
    before = Chip(program, chip_of()).sample(x.numpy(), 1, 0).values
    with torch.no_grad():
        for parameter in converted.parameters():
            parameter += 0.3
    converted.train()
    assert np.array_equal(Chip(program, chip_of()).sample(x.numpy(), 1, 0).values, before)
    assert not np.array_equal(converted.sample(x, 1, 0), before)


def test_a_graph_by_hand_is_the_plain_network():
    found = Chip(residual(), chip_of()).sample(X, 3, 0).values
    assert found.shape == (5, 3, 4)
    expected = np.repeat(by_hand(X)[:, None], 3, 1)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)  # float32


def test_what_reads_share_meets_what_they_do_not():
    noisy = chip_of(noise=Noise(read_sigma_lsb=0.4))
    found = Chip(residual(), noisy).sample(X, 6, 0).values - 2 * X[:, None]
    assert np.ptp(found, axis=1).max() > 0
    np.testing.assert_allclose(found / 0.25, np.rint(found / 0.25), rtol=0, atol=1e-5)


def test_a_value_that_does_not_depend_on_stimuli_is_the_same_for_all_reads():
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(4, 3)
            self.factor = nn.Parameter(torch.tensor([1.0, 2.0, 3.0]))

        def forward(self, x):
            return self.layer(x) * torch.exp(self.factor)

    x = stimuli(5, 4)
    converted = convert(seeded(Scaled), chip_of(noise=Noise(read_sigma_lsb=0.4)), x)
    values = converted.sample(x, 7, 1)
    assert values.shape == (5, 7, 3)
    grid = next(iter(converted.layers.values())).output_grid
    codes = values / np.exp([1.0, 2.0, 3.0]) / float(grid.scale().detach())
    np.testing.assert_allclose(codes, np.rint(codes), rtol=0, atol=1e-4)


def test_one_layer_is_the_chip_of_a_single_layer():
    nodes = (LayerCall("y", "x", "layer", Geometry()),)
    program = Program({"layer": FIRST}, Graph(nodes, "x", "y", (4,)))
    noisy = chip_of(noise=Noise(read_sigma_lsb=0.4))
    found = Chip(program, noisy, chip_key=3).sample(X, 4, 9).values
    single = Chip(single_layer(FIRST), noisy, chip_key=3).sample(X, 4, 9)
    assert np.array_equal(found, single.values)


def test_equal_groups_are_layers_of_their_own():
    own = layer_of(4, 6)
    geometry = Geometry((3,), (1,), ((0, 0),), (1,), groups=2)
    nodes = (LayerCall("y", "x", "conv", geometry),)
    program = Program({"conv": own}, Graph(nodes, "x", "y", (4, 5)))
    x = RANDOM.uniform(-1, 1, (2, 4, 5)).astype(np.float32)
    found = Chip(program, chip_of()).sample(x, 1, 0).values[:, 0]
    for group in range(2):
        half = single_layer(own.group(group, 2))
        for position in range(3):
            seen = x[:, 2 * group : 2 * group + 2, position : position + 3].reshape(2, 6)
            expected = Chip(half, chip_of()).sample(seen, 1, 0).values[:, 0]
            assert np.array_equal(found[:, 2 * group : 2 * group + 2, position], expected)


@pytest.mark.parametrize("activation", ["identity", "relu", "tanh", "sigmoid", "step"])
@pytest.mark.parametrize("gives", [SIGNED, UNSIGNED, Quantizer(1, 0.4)])
def test_noiseless_codes_are_those_of_a_quiet_chip(activation, gives):
    layer = layer_of(6, 4, gives=gives, activation=activation)
    integers = layer.input.integers(layer.input.codes(X))
    chip = Chip(single_layer(layer), chip_of(output_bits=gives.bits))
    assert np.array_equal(layer.noiseless_codes(integers), chip.sample(X, 1, 0).codes[:, 0])


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (X[0], r"'x' = .*: should have the axes of stimuli \(stimulus, 4\)"),
        (X[:0], "'x' = "),
        (X * np.nan, "'x': has values that are not finite"),
    ],
)
def test_stimuli_that_do_not_fit_are_refused(x, message):
    with pytest.raises(SettingError, match=message):
        Chip(residual(), chip_of()).sample(x, 1, 0)


def test_values_that_do_not_fit_a_layer_are_named():
    with pytest.raises(StochsimError, match=r"the part 'a' cannot run: the layer 'first' reads"):
        Chip(residual(), chip_of()).sample(X[:, :3], 1, 0)


def test_calibration_that_does_not_fit_a_layer_is_named():
    with pytest.raises(StochsimError, match=r"the part 'a' cannot run: the layer 'first' reads"):
        Chip(residual(), chip_of(array=ARRAY), calibration=X[:, :3])


def test_what_only_other_programs_have_is_refused():
    chip = Chip(residual(), chip_of())
    with pytest.raises(SettingError, match="only samples can be had"):
        chip.drive(X)
    with pytest.raises(SettingError, match="'steps_between_reads'"):
        chip.sample(X, 1, 0, steps_between_reads=2)
    with pytest.raises(SettingError, match="'x' is missing: what a graph computes depends on"):
        chip.workload()


def test_a_graph_by_hand_has_no_file(tmp_path):
    with pytest.raises(StochsimError, match="a graph put together by hand cannot be saved"):
        residual().save(tmp_path)
    converted_small(chip_of())[0].program.save(tmp_path)
    with pytest.raises(StochsimError, match=r"kind .graph.: .* which load_converted reads"):
        load_program(tmp_path)


def test_the_users_stimuli_are_not_changed_by_parts_that_write_in_place():
    x = stimuli(6, 4)
    network = seeded(lambda: nn.Sequential(nn.LeakyReLU(inplace=True), nn.Linear(4, 3)))
    converted = convert(network, chip_of(), x.clone())
    before = x.clone()
    converted.sample(x, 2, 0)
    converted(x)
    converted.bill(x)
    assert torch.equal(x, before)


@pytest.mark.parametrize("at_once", [4_000_000, 1])
@pytest.mark.parametrize("parts", [CHIPS["noisy"], CHIPS["array"]], ids=["digital", "array"])
@pytest.mark.filterwarnings("ignore:the array's ADCs clip")
def test_parts_that_write_in_place_change_no_later_call(parts, at_once, monkeypatch):
    """The same key gives the same values and the same bill, in whatever portions reads run."""
    x = stimuli(6, 8)
    network = seeded(lambda: nn.Sequential(nn.LeakyReLU(0.3, inplace=True), nn.Linear(8, 4)))
    fresh = convert(network, chip_of(**parts), x.clone()).sample(x, 4, 0)
    converted = convert(network, chip_of(**parts), x.clone())
    bill = converted.bill(x, 4)
    monkeypatch.setattr("stochsim.chip.graph_runner._VALUES_AT_ONCE", at_once)
    assert np.array_equal(converted.sample(x, 4, 0), fresh)
    assert np.array_equal(converted.sample(x, 4, 0), fresh)
    assert converted.bill(x, 4).counts == bill.counts
    chip = Chip(converted.program, chip_of(**parts), calibration=x.numpy())
    expected = np.concatenate([converted.sample(x[s : s + 1], 4, 0, s) for s in range(6)])
    assert np.array_equal(chip.sample(x.numpy(), 4, 0).values, expected)


@pytest.mark.parametrize("count", [lambda x: x.numel(), torch.numel], ids=["method", "function"])
def test_a_network_that_counts_its_values_runs_at_several_reads(count):
    class Counting(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Linear(8, 8), nn.Linear(8, 3)

        def forward(self, x):
            return self.second(self.first(x).reshape(count(x) // 8, 8))

    x = stimuli(5, 8)
    converted = convert(seeded(Counting), chip_of(noise=Noise(read_sigma_lsb=0.4)), x)
    values = converted.sample(x, 6, 1)
    assert values.shape == (5, 6, 3)
    assert np.array_equal(values[:, 3:4], converted.sample(x, 1, 1, 0, 3))


def test_a_part_that_cannot_run_is_named():
    nodes = residual().wiring.nodes
    wrong = FloatCall("sum", ("b", "x"), lambda b, x: b @ x)
    with pytest.raises(StochsimError, match="the part 'sum' cannot run: matmul"):
        Chip(residual(nodes=(*nodes[:2], wrong)), chip_of()).sample(X, 1, 0)
