"""Noise, cells and bills of a converted network for inputs of other sizes than its examples'."""

import numpy as np
import pytest
import torch
from conversiontest import chip_of, seeded, stimuli
from torch import nn

from stochsim.chip import Chip
from stochsim.hardware import Adc, Array, Cells, Noise
from stochsim.lowering import convert
from stochsim.program import random_program
from stochsim.settings import SettingError

NOISY = chip_of(8, 8, 8, noise=Noise(read_sigma_lsb=3.0, input_dither="stochastic"))


class EachStep(nn.Module):
    """One layer for every position, each by a call of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Linear(5, 4)

    def forward(self, x):
        """Of (stimulus, position, 5)."""
        return torch.stack([self.one(x[:, i]) for i in range(x.shape[1])], 1)


def positions() -> nn.Module:
    """Two layers at every position, of a grid of their own each."""
    return nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 3))


def encoder() -> nn.Module:
    return nn.TransformerEncoderLayer(8, 2, 12, batch_first=True)


def test_one_key_gives_one_set_of_codes_for_any_batch() -> None:
    small, y = convert(seeded(encoder), NOISY, stimuli(60, 3, 8)), stimuli(10, 5, 8)
    whole = small.sample(y, 6, key=3)
    assert np.array_equal(whole, small.sample(y, 6, key=3))
    assert np.array_equal(whole[4:], small.sample(y[4:], 6, key=3, first_stimulus=4))
    assert np.array_equal(whole[:, 2:], small.sample(y, 4, key=3, first_read=2))
    assert not np.array_equal(whole, small.sample(y, 6, key=4))
    assert torch.equal(small(y, key=3), torch.tensor(whole[:, 0]))
    stream = small.stream(key=1)
    assert not torch.equal(stream(y), stream(y))
    assert torch.equal(stream(y[:, :3]), small.stream(key=1, position=2)(y[:, :3]))


def test_a_further_step_has_noise_of_its_own_of_the_same_size() -> None:
    """Steps 4 to 7 share the third one's cells and grids; of their noise they share nothing."""
    noise = chip_of(8, 8, 8, noise=Noise(read_sigma_lsb=3.0))
    module = seeded(EachStep)
    small = convert(module, noise, stimuli(60, 3, 5))
    assert list(small.layers) == ["one", "one_again", "one_again_3"]
    y = stimuli(1, 1, 5).expand(4, 7, 5)
    values = small.sample(y, 4000, 0)
    away = (values - values.mean((0, 1))).reshape(16000, 7, 4)
    step = float(small.layers["one_again_3"].output_grid.step().detach())
    spread = away.std(0)
    # 16,000 draws: an sd is known to 0.6 %, a correlation to 0.8 %; limits are at 6 sd and more
    np.testing.assert_allclose(spread[2:], np.sqrt(9 + 1 / 12) * step, rtol=0.05)
    for neuron in range(4):
        related = np.corrcoef(away[..., neuron].T) - np.eye(7)
        assert np.abs(related).max() < 0.05


def test_layers_have_the_noise_of_the_examples_network() -> None:
    """Positions on which nothing depends that is further on have the same reads at every length."""
    small = convert(seeded(EachStep), NOISY, stimuli(60, 4, 5))
    y = stimuli(10, 6, 5)
    wanted = small.sample(y[:, :4], 5, 0)
    assert np.ptp(wanted, 1).max() > 0
    assert np.array_equal(small.sample(y, 5, 0)[:, :, :4], wanted)
    fewer = small.sample(y[:, :2], 5, 0)
    assert np.array_equal(fewer, wanted[:, :, :2])


def array_of(**adc) -> Array:
    """Cells of which a tenth is stuck, one chip's others than another's; reads have no noise."""
    cells = Cells(stuck_at_0_rate=0.05, stuck_at_1_rate=0.05)
    return Array(rows=16, columns=16, cells=cells, adc=Adc(bits=8, **adc))


@pytest.mark.filterwarnings("ignore:.*ADCs")
@pytest.mark.parametrize("range_", ["full", "calibrated"])
def test_cells_and_adcs_are_the_same_at_every_length(range_: str) -> None:
    """Without noise of reads a position has the same values wherever it stands, with the errors of
    one chip: those of another chip are others.
    """
    hardware = chip_of(array=array_of(range=range_))
    x, y = stimuli(60, 6, 5), stimuli(8, 9, 5)
    small, other = (convert(seeded(positions), hardware, x, chip_key=key) for key in (0, 1))
    wanted = small(y[:, :6])
    assert torch.equal(small(y)[:, :6], wanted)
    assert torch.equal(small(y[:, 2:4]), wanted[:, 2:4])
    assert not torch.equal(other(y)[:, :6], wanted)


@pytest.mark.filterwarnings("ignore:.*ADCs")
def test_further_steps_are_on_the_cells_of_the_last() -> None:
    hardware = chip_of(array=array_of())
    small = convert(seeded(EachStep), hardware, stimuli(60, 3, 5))
    y = stimuli(8, 1, 5).expand(8, 6, 5)
    found = small(y)
    for step in range(3, 6):
        assert torch.equal(found[:, step], found[:, 2])
    assert not torch.equal(found[:, 1], found[:, 2])  # of another grid


@pytest.mark.filterwarnings("ignore:.*ADCs")
def test_training_on_an_array_at_another_length() -> None:
    hardware = chip_of(8, 8, 8, array=array_of())
    small = convert(seeded(EachStep), hardware, stimuli(60, 3, 5))
    y = stimuli(200, 5, 5)
    wanted = small.sample(y, 1, 0)[:, 0]
    found = small.train()(y).detach().numpy()
    rough = small.emulated(y).detach().numpy()
    moved, left = (np.abs(one.mean(0) - wanted.mean(0)) for one in (rough, found))
    assert (left[3:].mean(1) < 0.3 * moved[3:].mean(1)).all()
    small.chip_in_the_loop = True
    np.testing.assert_allclose(small(y).detach(), wanted, atol=1e-5)


def test_bills_are_of_the_length_that_is_billed() -> None:
    module = seeded(lambda: nn.Sequential(nn.Conv1d(2, 3, 3), nn.ReLU(), nn.Conv1d(3, 4, 2)))
    small = convert(module, chip_of(), stimuli(20, 2, 8))
    for length in (5, 8, 12):
        counts = small.operations_by_layer(stimuli(4, 2, length))
        assert counts["0"].count("multiply") == 4 * (length - 2) * 2 * 3 * 3
        assert counts["2"].count("multiply") == 4 * (length - 3) * 3 * 2 * 4
    longer = convert(module, chip_of(), stimuli(20, 2, 12))
    assert small.bill(stimuli(4, 2, 12)).to_json() == longer.bill(stimuli(4, 2, 12)).to_json()


def test_learned_noise_and_widths_hold_at_every_length() -> None:
    small = convert(seeded(EachStep), chip_of(8, 8, 8), stimuli(60, 3, 5))
    y = stimuli(4, 5, 5)
    quiet = small(y)
    small.learn_noise(4.0)
    step = float(small.layers["one_again_3"].output_grid.step().detach())
    values = small.sample(y, 2000, 0)
    # 2,000 draws: sds are known to 1.6 %
    np.testing.assert_allclose(values[:, :, 4].std(1), np.sqrt(16 + 1 / 12) * step, rtol=0.12)
    for layer in small.layers.values():
        layer.log_sigma.data.fill_(-30)
    assert torch.equal(small(y), quiet)
    small.learn_widths(of=["outputs"])
    for layer in small.layers.values():
        layer.output_grid.width.data.fill_(2)
    assert all(len(torch.unique(small(y)[:, i])) <= 4 for i in range(5))


def test_graphs_alone_are_wired_anew_and_of_known_layers() -> None:
    small = convert(seeded(EachStep), chip_of(), stimuli(60, 3, 5))
    other = convert(seeded(positions), chip_of(), stimuli(60, 3, 5))
    with pytest.raises(SettingError, match=r"unknown key 'cells\.0': valid: one"):
        small.chip().rewired(other.program, {})
    program, _ = random_program((6, 3), (4, 4, 4), sigma=0.5)
    with pytest.raises(SettingError, match="only graphs of layers"):
        small.chip().rewired(program, {})
    with pytest.raises(SettingError, match="only graphs of layers"):
        Chip(program, chip_of()).rewired(small.program, {})
