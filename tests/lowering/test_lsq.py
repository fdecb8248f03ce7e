"""LSQ (Esser et al. 2020): where steps start, the gradient that they get, and what training makes
of it; formulas as in sections 2.1 and 2.2 of the paper, in NumPy.
"""

import numpy as np
import pytest
import torch
from conversiontest import chip_of, seeded, small_net, stimuli
from torch import nn

import stochsim as ss
from stochsim.lowering import convert, load_converted
from stochsim.lowering.fitted_grids import fitted, fitted_to_weights
from stochsim.networks import Grid

VALUES = np.random.default_rng(0).normal(size=(40, 5, 7))


def largest(bits: int, unsigned: bool) -> int:
    """Q_P of the paper."""
    return 2**bits - 1 if unsigned else 2 ** (bits - 1) - 1


def scale_of(grid: Grid) -> np.ndarray:
    """Scales as an array."""
    return grid.scale().detach().numpy()


@pytest.mark.parametrize("unsigned", [False, True])
@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_steps_start_at_twice_the_mean_size_by_the_root_of_the_largest_integer(
    bits: int, unsigned: bool
) -> None:
    values = np.abs(VALUES) if unsigned else VALUES
    wanted = 2 * np.abs(values).mean() / np.sqrt(largest(bits, unsigned))
    assert scale_of(fitted(values, bits, unsigned, "lsq")) == pytest.approx(wanted, rel=1e-15)
    if unsigned:
        return
    rows = np.abs(values).reshape(len(values), -1).mean(1)
    channels = fitted_to_weights(values, bits, "per-channel", "lsq")
    assert scale_of(channels) == pytest.approx(2 * rows / np.sqrt(largest(bits, False)), rel=1e-15)
    whole = fitted_to_weights(values, bits, "per-tensor", "lsq")
    assert scale_of(whole) == pytest.approx(wanted, rel=1e-15)


def test_two_values_and_neurons_of_zeros_start_as_by_any_rule() -> None:
    assert scale_of(fitted(VALUES, 1, False, "lsq")) == pytest.approx(np.abs(VALUES).mean())
    assert not fitted(VALUES, 1, False, "lsq").is_lsq
    assert not fitted_to_weights(VALUES, 1, "per-tensor", "lsq").is_lsq
    rows = VALUES * (np.arange(40) > 0)[:, None, None]
    zeros = fitted_to_weights(rows, 4, "per-channel", "lsq")
    assert np.all(scale_of(zeros) > 0)


def slope_of_paper(place: np.ndarray, low: int, high: int) -> np.ndarray:
    """Of the value to its step: equation 3."""
    inside = np.rint(place) - place
    return np.where(place <= low, low, np.where(place >= high, high, inside))


@pytest.mark.parametrize("kind", ["weights", "channels", "values", "unsigned"])
@pytest.mark.parametrize("bits", [2, 4])
def test_the_gradient_is_that_of_the_paper_times_the_gradient_scale(bits: int, kind: str) -> None:
    """g = 1/√(N Q_P), N the weights of a scale, or the values of one stimulus; the parameter is the
    binary logarithm of the step, so times ln(2) s. Values pass their gradient inside the ends.
    """
    unsigned = kind == "unsigned"
    scale = np.linspace(0.2, 0.6, 40) if kind == "channels" else 0.4
    grid = Grid(bits, scale, unsigned, narrow=kind in ("weights", "channels")).learned_by_lsq()
    x = torch.from_numpy(VALUES).clone().requires_grad_()
    factors = np.random.default_rng(1).normal(size=VALUES.shape)
    (grid(x) * torch.from_numpy(factors)).sum().backward()
    place = VALUES / np.reshape(scale, (-1, 1, 1))
    slopes = slope_of_paper(place, grid.low, grid.high) * factors
    per_scale = VALUES.size if kind == "weights" else 35
    share = 1 / np.sqrt(per_scale * largest(bits, unsigned))
    summed = slopes.sum((1, 2)) if kind == "channels" else slopes.sum()
    wanted = share * summed * np.log(2) * scale
    assert grid.log_scale.grad.numpy() == pytest.approx(wanted, rel=1e-9)
    passed = np.where((place > grid.low) & (place < grid.high), factors, 0.0)
    assert x.grad.numpy() == pytest.approx(passed, rel=1e-15)
    codes = np.clip(np.rint(place), grid.low, grid.high)
    assert np.array_equal(grid.integers(x).numpy(), codes)
    values = codes * np.reshape(scale, (-1, 1, 1))
    assert grid(x).detach().numpy() == pytest.approx(values, rel=1e-15)


def test_a_layer_gives_the_step_of_its_inputs_that_gradient_and_no_other() -> None:
    """The factors that scale sums back leave nothing: for one weight of 1, the gradient is that of
    the grid alone, of values that clip and of others.
    """
    x = 2 * stimuli(50, 1).double() ** 9
    layer = nn.Linear(1, 1, bias=False).double()
    nn.init.constant_(layer.weight, 1.0)
    own = convert(layer, chip_of(8, 3, 8), x, ranges="lsq").layers["linear"]
    wide = Grid(8, 1 / 32)
    own.output_grid = wide.double()
    own(x).sum().backward()
    found = float(own.input_grid.log_scale.grad)
    scale = float(own.input_grid.scale().detach())
    own.input_grid.log_scale.grad = None
    weight = float(own.weight_grid(own.weight).detach())
    own.input_grid(x).mul(weight).sum().backward()
    assert found == pytest.approx(float(own.input_grid.log_scale.grad), rel=1e-9)
    place = x.numpy() / scale
    assert (np.abs(place) > 4).any()


def test_files_keep_the_rule(tmp_path) -> None:
    x = stimuli(30, 1, 6, 6)
    module = convert(seeded(small_net), chip_of(4, 4, 4), x, ranges="lsq", bits={"3": (1, 4, 4)})
    module.program.save(tmp_path / "net")
    again = load_converted(tmp_path / "net")
    assert torch.equal(again(x), module(x))
    for name, layer in module.layers.items():
        other = again.layers[name]
        for side in ("weight_grid", "input_grid", "output_grid"):
            grid = getattr(layer, side)
            assert grid.is_lsq == (grid.bits > 1)
            assert getattr(other, side).is_lsq == grid.is_lsq


def test_the_chip_has_the_values_of_training() -> None:
    x = stimuli(30, 1, 6, 6)
    module = convert(seeded(small_net), chip_of(4, 4, 4), x, ranges="lsq")
    with torch.no_grad():
        assert torch.equal(module(x), module.emulated(x))
        module.learn_widths()
        assert torch.equal(module(x), module.train()(x))


def test_a_network_is_fine_tuned_at_four_bits() -> None:
    """From coarse first steps: its error falls to less than a tenth."""
    x = stimuli(256, 8)
    target = torch.tanh(2 * x @ torch.randn(8, 2, generator=torch.Generator().manual_seed(1)))
    module = seeded(lambda: nn.Sequential(nn.Linear(8, 24), nn.ReLU(), nn.Linear(24, 2)))
    tuned = convert(module, chip_of(4, 4, 4), x, ranges="lsq")
    before = float((tuned(x) - target).square().mean())
    optimiser = torch.optim.Adam(tuned.train().parameters(), lr=0.02)
    for _ in range(150):
        optimiser.zero_grad()
        (tuned(x) - target).square().mean().backward()
        optimiser.step()
    assert float((tuned.eval()(x) - target).square().mean()) < 0.1 * before


def test_it_has_no_affine_grids() -> None:
    with pytest.raises(ss.SettingError, match=r"'ranges'.*'input_grids'.*LSQ has grids about 0"):
        convert(nn.Linear(4, 2), chip_of(), stimuli(9, 4) - 0.5, ranges="lsq", input_grids="affine")
