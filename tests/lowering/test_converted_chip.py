"""The chip of a converted network: splits and threads, its random numbers, and every setting of a
Hardware that moves the values.
"""

import numpy as np
import pytest
import torch
from conversiontest import QUIET, Calls, chip_of, converted_small, fresh_small, seeded, stimuli
from stochsim_kernels.neuron import channel, drawing
from stochsim_kernels.random.address import DrawAddress
from stochsim_kernels.random.integers import draw_integers
from stochsim_kernels.reference import neuron_codes as reference
from threadtest import threads
from torch import nn
from torch.nn import functional

from stochsim.chip import Chip
from stochsim.hardware import Adc, Array, Cells, Memory, Noise, RandomSource, preset
from stochsim.lowering import convert
from stochsim.program import single_layer
from stochsim.settings import SettingError

ARRAY = Array(rows=16, columns=16, cell_bits=1, cycle_bits=1, adc=Adc(bits=6, sigma_lsb=0.4))
NOISY = {
    "read noise": {"noise": Noise(read_sigma_lsb=0.4)},
    "dithered inputs": {"noise": Noise(input_dither="stochastic")},
    "inputs dithered by two bits": {
        "noise": Noise(input_dither="stochastic", input_random_bits=2, input_cut="zero")
    },
    "weight noise": {"noise": Noise(weight_sigma_lsb=0.4)},
    "explicit weight noise": {"noise": Noise(weight_sigma_lsb=0.4, weight_noise="explicit")},
    "all noises": {
        "noise": Noise(
            read_sigma=0.1, weight_sigma_lsb=0.2, input_dither="stochastic", dither="stochastic"
        )
    },
    "logistic": {"noise": Noise(family="logistic", read_sigma_lsb=0.4)},
    "array": {"array": ARRAY},
    "array, weight noise": {"array": ARRAY, "noise": Noise(weight_sigma_lsb=0.3)},
    "code errors": {"memory": Memory(code_errors=0.02)},
    "transient weight errors": {"memory": Memory(weight_read_errors=0.05)},
    "shift registers": {
        "noise": Noise(read_sigma_lsb=0.4),
        "random": RandomSource(threshold_bits=8, lfsr_bits=12, neurons_per_source=2),
    },
}


@pytest.mark.parametrize("parts", NOISY.values(), ids=NOISY)
def test_splits_and_threads_change_nothing(parts):
    converted, x = converted_small(chip_of(**parts))
    whole = converted.sample(x, 6, 3, first_stimulus=7, first_read=4)
    parts = [
        np.concatenate(
            [converted.sample(x[a:b], d - c, 3, 7 + a, 4 + c) for c, d in ((0, 1), (1, 6))], axis=1
        )
        for a, b in ((0, 3), (3, 10))
    ]
    assert np.array_equal(whole, np.concatenate(parts))
    with threads():
        assert np.array_equal(whole, converted.sample(x, 6, 3, first_stimulus=7, first_read=4))


@pytest.mark.parametrize("name", ["read noise", "all noises", "array"])
def test_portions_change_nothing(name, monkeypatch):
    converted, x = converted_small(chip_of(**NOISY[name]))
    whole = converted.sample(x[:4], 3, 3)
    for at_once in (1, 1500):
        monkeypatch.setattr("stochsim.chip.graph_runner._VALUES_AT_ONCE", at_once)
        assert np.array_equal(whole, converted.sample(x[:4], 3, 3))


@pytest.mark.parametrize("parts", NOISY.values(), ids=NOISY)
def test_every_noise_moves_the_values_and_another_key_others(parts):
    converted, x = converted_small(chip_of(**parts))
    quiet = converted_small(chip_of())[0](x).numpy()
    values = converted.sample(x, 4, 3)
    assert not np.array_equal(values[:, 0], quiet)
    assert not np.array_equal(values, converted.sample(x, 4, 4))
    assert np.array_equal(converted(x, key=3).numpy(), values[:, 0])
    assert np.abs(values.mean(1) - quiet).max() < 0.6


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("accumulators", {"accumulator_bits": 6}),
        ("wrapping accumulators", {"accumulator_bits": 6, "accumulator_overflow": "wrap"}),
        ("persistent weight errors", {"memory": Memory(weight_errors=0.05)}),
        ("stuck cells", {"array": ARRAY.model_copy(update={"cells": Cells(stuck_at_0_rate=0.2)})}),
    ],
)
def test_settings_without_draws_move_the_values(name, changed):
    del name
    converted, x = converted_small(chip_of(**changed))
    assert not torch.equal(converted(x), converted_small(chip_of())[0](x))


def test_persistent_errors_belong_to_the_chip_key():
    hardware = chip_of(memory=Memory(weight_errors=0.05))
    x = stimuli(10, 1, 6, 6)
    same, other = (converted_small(hardware, chip_key=key)[0](x) for key in (1, 2))
    assert torch.equal(same, fresh_small(hardware, chip_key=1)[0](x))
    assert not torch.equal(same, other)


@pytest.mark.parametrize("name", [name for name in NOISY if name != "all noises"])
def test_a_single_linear_layer_is_the_chip_of_its_program(name):
    """But where both inputs and sigmas differ from read to read: a chip numbers those rows in
    another way.
    """
    x = stimuli(8, 6)
    hardware = chip_of(**NOISY[name])
    converted = convert(seeded(lambda: nn.Linear(6, 4)), hardware, x)
    layer = next(iter(converted.layers.values())).layer()
    assert np.array_equal(
        converted.sample(x, 5, 3, 2, 1),
        Chip(single_layer(layer), hardware).sample(x.double().numpy(), 5, 3, 2, 1).values,
    )


@pytest.mark.parametrize("low", [-1.0, 0.0])
def test_an_array_without_noise_gives_the_digital_values(low):
    """Signed and unsigned inputs, with ADCs that hold every sum."""
    array = Array(rows=32, columns=16, cell_bits=1, cycle_bits=1, adc=Adc(bits=6))
    x = stimuli(9, 20, low=low)
    float_network = seeded(lambda: nn.Sequential(nn.Linear(20, 6), nn.ReLU(), nn.Linear(6, 3)))
    digital, analog = (
        convert(float_network, chip_of(**parts), x) for parts in ({}, {"array": array})
    )
    assert torch.equal(digital(x), analog(x))


def test_positions_draw_numbers_of_their_own_as_further_reads():
    """Codes by a plain count: u of (stimulus, read × positions + position, neuron), thresholds of
    the unfolded drive.
    """
    x = stimuli(3, 1, 4, 4).double()
    reads = 4
    converted = convert(
        seeded(lambda: nn.Conv2d(1, 2, 3)).double(), chip_of(noise=Noise(read_sigma_lsb=0.5)), x
    )
    (layer,) = converted.layers.values()
    program = layer.layer()
    windows = functional.unfold(layer.input_grid(x), 3).transpose(1, 2).detach().numpy()
    drive = windows @ (program.weight_scale * program.weight_codes.T) + program.bias
    output = program.output
    grid = output.z, output.step, output.c_min, output.levels
    law = channel.neuron_law(channel.GAUSSIAN, channel.IDENTITY, *grid)
    table = np.empty((12, law.edges.size, 2), np.uint32)
    sigma = np.full((12, 2), 0.5 * output.step)
    channel.fill_thresholds(drive.reshape(12, 2), sigma, 0 * sigma, law, table)
    u = np.empty((3, reads * 4, 2), np.uint32)
    draw_integers(DrawAddress.of(9, 0, 0, 5, 4 * 2), u)
    codes = reference.count_codes(
        u.reshape(3, reads, 4, 2), table.reshape(3, 1, 4, law.edges.size, 2), program.output.c_min
    )
    expected = program.output.values(codes).swapaxes(2, 3).reshape(3, reads, 2, 2, 2)
    assert np.array_equal(converted.sample(x, reads, 9, first_stimulus=5, first_read=2), expected)


def test_positions_share_the_weight_errors_of_a_stimulus():
    """One picture of equal values: every position reads the same weights, so it gives the same
    value, and stimuli differ.
    """
    x = torch.full((6, 1, 5, 5), 0.5)
    converted = convert(
        seeded(lambda: nn.Conv2d(1, 2, 2)),
        chip_of(memory=Memory(weight_read_errors=0.2)),
        stimuli(9, 1, 5, 5),
    )
    values = converted.sample(x, 2, 1).reshape(6, 2, 2, 16)
    assert (np.ptp(values, axis=3) == 0).all()
    assert (np.ptp(values, axis=1) == 0).all()
    assert np.ptp(values, axis=0).max() > 0


def test_weight_noise_is_that_of_the_inputs_size():
    """An input of 0 stays quiet on an unsigned grid, and sigma grows with it: the chip's law, by
    its own samples.
    """
    x = torch.cat([torch.zeros(1, 8), torch.full((1, 8), 0.5), torch.ones(1, 8)])
    converted = convert(
        seeded(lambda: nn.Linear(8, 1)),
        chip_of(4, 8, 8, noise=Noise(weight_sigma=0.02)),
        stimuli(50, 8, low=0),
    )
    spread = converted.sample(x, 4000, 1).std(1)[:, 0]
    step = float(next(iter(converted.layers.values())).output_grid.step().detach())
    expected = 0.02 * np.sqrt(8) * np.array([0, 0.5, 1])
    assert spread[0] < 1e-6
    np.testing.assert_allclose(spread[1:], np.hypot(expected[1:], step / np.sqrt(12)), rtol=0.1)


def test_shared_reads_of_a_steady_chip_are_computed_once(monkeypatch):
    calls = []
    draw = drawing.draw
    monkeypatch.setattr(
        drawing, "draw", lambda *given: calls.append(given[-1].shape) or draw(*given)
    )
    converted, x = converted_small(chip_of())
    values = converted.sample(x, 50, 1)
    assert (np.ptp(values, axis=1) == 0).all()
    assert all(shape[1] <= 50 and shape[0] == 10 for shape in calls)


def test_a_network_that_asks_for_sizes_is_read_rightly():
    class Sized(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Conv1d(1, 2, 2)
            self.second = nn.Linear(8, 3)

        def forward(self, x):
            return self.second(self.first(x).relu().view(x.size(0), -1)) + x.amax(2)

    x = stimuli(5, 1, 5)
    converted = convert(seeded(Sized), chip_of(noise=Noise(read_sigma_lsb=0.3)), x)
    assert converted.sample(x, 7, 1).shape == (5, 7, 3)
    assert np.array_equal(converted.sample(x, 7, 1)[:, 3:4], converted.sample(x, 1, 1, 0, 3))


def test_parts_that_share_and_parts_that_do_not_meet():
    class Residual(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 4)

        def forward(self, x):
            return torch.relu(self.second(torch.relu(self.first(x)))) + 2 * x

    x = stimuli(5, 4)
    converted = convert(seeded(Residual), chip_of(noise=Noise(read_sigma_lsb=0.3)), x)
    values = converted.sample(x, 6, 1)
    layers = converted.layers
    assert layers["second"].takes_codes
    remainder = (values - 2 * x.numpy()[:, None]) / float(
        layers["second"].output_grid.scale().detach()
    )
    np.testing.assert_allclose(remainder, np.rint(remainder), atol=1e-4)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("reads", (0, 1)),
        ("key", (1, -1)),
        ("first_stimulus", (1, 1, -1)),
        ("first_read", (1, 1, 0, -1)),
    ],
)
def test_draws_out_of_range_are_refused(name, arguments):
    converted, x = converted_small(QUIET)
    with pytest.raises(SettingError, match=f"'{name}'"):
        converted.sample(x, *arguments)


def test_rows_beyond_the_numbers_of_explicit_noise_are_refused():
    converted, x = converted_small(
        chip_of(noise=Noise(weight_sigma_lsb=0.4, weight_noise="explicit"))
    )
    rule = "'first_read' = 2000: should be at most 1820 .* the 36 positions of layer '0'"
    with pytest.raises(SettingError, match=rule):
        converted.sample(x, 1, 1, first_read=2000)


def test_wrong_stimuli_are_refused():
    converted, x = converted_small(QUIET)
    with pytest.raises(
        SettingError, match=r"'x' = array of shape .*: should have the axes of the examples"
    ):
        converted.sample(x[0], 1, 1)
    with pytest.raises(SettingError, match=r"'x' = .*: should be finite"):
        converted.sample(x * torch.nan, 1, 1)


@pytest.mark.filterwarnings("ignore:the array's ADCs clip")
@pytest.mark.parametrize("name", ["rram-array", "in-memory-28nm", "thermal-floor"])
def test_presets_run(name):
    converted, x = converted_small(preset(name))
    assert converted.sample(x[:2], 2, 1).shape == (2, 2, 3)


@pytest.mark.filterwarnings("ignore:the array's ADCs clip")
def test_calibrated_adcs_are_set_on_the_calibration():
    array = Array(rows=16, columns=16, adc=Adc(bits=5, range="calibrated"))
    x = stimuli(40, 1, 6, 6)
    wide, narrow = (fresh_small(chip_of(array=array))[0] for _ in range(2))
    assert torch.equal(wide(x), narrow(x))
    full = converted_small(chip_of(array=Array(rows=16, columns=16, adc=Adc(bits=5))))[0]
    assert not torch.equal(wide(x), full(x))


STUCK = Array(rows=16, columns=16, cells=Cells(stuck_at_0_rate=0.1), adc=Adc(bits=12))


@pytest.mark.parametrize("parts", [{"array": STUCK}, {"memory": Memory(weight_errors=0.05)}])
def test_calls_of_one_weight_are_on_the_same_cells(parts):
    """A layer that is called twice; an equal one with weights of its own is the negative
    control.
    """
    chip = chip_of(**parts)
    one = np.eye(4, dtype=np.int8)

    def sums(make):
        layers = convert(seeded(make), chip, stimuli(20, 4)).chip()._runner.layers
        found = [layer.layers[0].product.sums(one, 1, 0, 0, 0) for layer in layers.values()]
        return [np.asarray(part, float).reshape(4, 4) for part in found]

    def twice():
        return Calls(lambda self, x: self.one(torch.tanh(self.one(x))), one=nn.Linear(4, 4))

    def twice_apart():
        module = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 4))
        module[2].weight.data = module[0].weight.data.clone()
        return module

    assert np.array_equal(*sums(twice))
    assert not np.array_equal(*sums(twice_apart))
