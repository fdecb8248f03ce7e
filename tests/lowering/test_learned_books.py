"""`convert(…, formats={"outputs": "learned-4"})`: values of grids that are learned, against finite
differences, plain arithmetic and the chip.
"""

import numpy as np
import pytest
import torch
from conversiontest import chip_of, losses_of_training, seeded, stimuli
from torch import nn

import stochsim as ss
from stochsim.formats import lloyd_max
from stochsim.hardware import Noise
from stochsim.lowering import convert, load_converted
from stochsim.lowering.learned_books import LearnedBookGrid, learned_from
from stochsim.settings import SettingError

BOTH = {"inputs": "learned-4", "outputs": "learned-4"}


def network():
    return nn.Sequential(nn.Linear(12, 20), nn.ReLU(), nn.Linear(20, 5))


def converted(formats=BOTH, x=None, **more):
    x = stimuli(200, 12) if x is None else x
    return convert(seeded(network), chip_of(), x, formats=formats, **more), x


def grids(made):
    return {name: layer.output_grid for name, layer in made.layers.items()}


def spoilt(made):
    """Values elsewhere, as training may leave them."""
    with torch.no_grad():
        for grid in grids(made).values():
            grid.lowest.add_(0.37)
            grid.log_gaps.add_(0.3 * torch.sin(torch.arange(15.0)))


def test_values_start_as_lloyd_max_of_the_examples():
    numbers = np.random.default_rng(0).laplace(size=(500, 3))
    grid = learned_from(numbers, "learned-4")
    wanted = lloyd_max(numbers.ravel(), 4).values
    assert np.allclose(grid.values().detach(), wanted, rtol=1e-12, atol=1e-12)
    step = float(grid.scale())
    assert np.abs(grid.quantizer().value_table[:, 0] - wanted).max() <= 0.51 * step
    few = learned_from(np.array([[0.0], [3.0]]), "learned-2")
    assert np.allclose(few.values().detach(), [0, 1, 2, 3], rtol=1e-12, atol=1e-12)
    made, _ = converted({"outputs": "learned-3"})
    assert [grid.bits for grid in grids(made).values()] == [3, 3]
    assert all(isinstance(one, LearnedBookGrid) for one in grids(made).values())


def test_gradient_of_values_is_that_of_finite_differences():
    """While no number changes its cell; backwards, the negative control, it is another."""
    grid = learned_from(np.random.default_rng(0).laplace(size=(500, 3)), "learned-3")
    x = torch.linspace(-3, 3, 997).double()
    edges = grid.integer_edges() * grid.scale()
    x = x[(x[:, None] - edges).abs().min(1).values > 1e-3]
    levels = (x[:, None] > edges).sum(1)
    weight = torch.randn(len(x), generator=torch.Generator().manual_seed(1)).double()
    (weight * torch.sin(2 * grid(x))).sum().backward()

    def loss():
        return float((weight * torch.sin(2 * grid.values().detach()[levels])).sum())

    step, found = 1e-6, []
    flat = grid.log_gaps.detach()
    for i in range(7):
        sides = []
        for sign in (1, -1):
            flat[i] += sign * step
            sides.append(loss())
            flat[i] -= sign * step
        found.append((sides[0] - sides[1]) / (2 * step))
    assert np.allclose(grid.log_gaps.grad, found, rtol=1e-4, atol=1e-3)  # values lie on 2^20 units
    assert not np.allclose(grid.log_gaps.grad.flip(0), found, rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("formats", [{"outputs": "learned-4"}, BOTH])
def test_chip_has_the_values_that_were_learned(formats):
    """Codes of a chip are those of the emulation, as it starts and with other values."""
    made, x = converted(formats)
    first = made(x)
    with torch.no_grad():
        assert torch.equal(made.emulated(x), first)
    spoilt(made)
    with torch.no_grad():
        found = made(x)
        assert torch.equal(made.emulated(x), found)
    assert not torch.equal(first, found)
    last = list(made.layers.values())[-1]
    wanted = last.output_grid.values().detach().float()
    assert (found[..., None] - wanted).abs().min(-1).values.max() < 1e-5 * wanted.abs().max()
    assert last.takes_codes == (formats == BOTH)


def test_read_noise_and_samples():
    """In mean steps of the values; law and frequency agree on a chip with noise."""
    made, x = converted(x=stimuli(200, 12))
    noisy = chip_of().replace(noise=Noise(read_sigma_lsb=0.4))
    made = convert(seeded(network), noisy, x, formats=BOTH, key=3)
    grid = next(iter(grids(made).values()))
    values = grid.values().detach()
    assert float(grid.step()) == pytest.approx(float(values[-1] - values[0]) / 15, rel=1e-5)
    assert not grid.step().requires_grad
    one, other = made.sample(x[:4], 200, key=0), made.sample(x[:4], 200, key=1)
    assert not np.array_equal(one, other)
    assert np.abs(one.mean(1) - other.mean(1)).max() < 8 * one.std() / np.sqrt(200)


def test_training_of_values_alone_finds_lloyd_max_again():
    """Or values hardly worse, from others; of one layer, whose least squared error these have."""
    x = stimuli(200, 12)
    made = convert(seeded(lambda: nn.Linear(12, 5)), chip_of(), x, formats={"outputs": "learned-4"})
    grid = made.layers["linear"].output_grid
    aim = made.layers["linear"].in_float(x)

    def loss():
        return (grid(aim) - aim).square().mean()

    best = float(loss().detach())
    with torch.no_grad():
        grid.lowest.add_(3.0)
        grid.log_gaps.add_(0.5 * torch.sin(torch.arange(15.0)))
    spoilt_loss = float(loss().detach())
    optimiser = torch.optim.Adam([grid.lowest, grid.log_gaps], 0.02)
    for _ in range(300):
        optimiser.zero_grad()
        loss().backward()
        optimiser.step()
    assert spoilt_loss > 3 * best
    assert 0.999 * best < float(loss().detach()) < 1.2 * best
    assert (grid.values().detach().diff() > 0).all()


def test_training_of_all_leaves_the_chip_with_the_emulations_values():
    made, x = converted()
    before = [grid.values().detach().clone() for grid in grids(made).values()]
    losses_of_training(made, x, seeded(network)(x).detach())
    for old, grid in zip(before, grids(made).values(), strict=True):
        assert not torch.equal(old, grid.values().detach())
    with torch.no_grad():
        assert torch.equal(made.eval()(x), made.emulated(x))


def test_files_states_and_bills(tmp_path):
    made, x = converted()
    spoilt(made)
    values = made(x)
    made.program.save(tmp_path / "program")
    again = load_converted(tmp_path / "program")
    assert torch.equal(again(x), values)
    assert again.bill(x[:2]).per_read_j == made.bill(x[:2]).per_read_j
    fresh, _ = converted()
    assert not torch.equal(fresh(x), values)
    fresh.load_state_dict(made.state_dict())
    assert torch.equal(fresh(x), values)
    chip = ss.Chip(made.program, made.hardware, calibration=x.numpy())
    assert np.array_equal(chip.sample(x.numpy(), 1, 0).values[:, 0], values.numpy())
    other, _ = converted({"inputs": "learned-4", "outputs": "nf4"})
    with pytest.raises(RuntimeError, match="number format"):
        other.load_state_dict(made.state_dict())


def test_convolutions_with_padding():
    """What stands for 0 around an image is the value nearest to 0."""
    x = stimuli(40, 2 * 6 * 6).reshape(40, 2, 6, 6)
    module = seeded(
        lambda: nn.Sequential(nn.Conv2d(2, 3, 3, padding=1), nn.Conv2d(3, 2, 3, padding=1))
    )
    made = convert(module, chip_of(), x, formats=BOTH)
    found = made(x)
    with torch.no_grad():
        assert (made.emulated(x) == found).double().mean() > 0.999  # of float32 sums on an edge


def test_refusals():
    for wrong, rule in (
        ({"weights": "learned-4"}, "inputs and outputs"),
        ({"outputs": "learned-9"}, "learned-9"),
        ("learned-4", "inputs and outputs"),
    ):
        with pytest.raises(SettingError, match=rule):
            converted(wrong)
    with pytest.raises(SettingError, match="least squared error"):
        converted(ranges="minmax")
    made, _ = converted()
    with pytest.raises(SettingError):
        made.learn_widths()


def test_a_state_says_all_that_values_follow_from():
    """Of a network that was converted on other examples, too."""
    made, x = converted({"outputs": "learned-4"})
    spoilt(made)
    other, _ = converted({"outputs": "learned-4"}, x=3 * x)
    with torch.no_grad():
        assert float((made(x) - other(x)).abs().max()) > 0.01
        other.load_state_dict(made.state_dict())
        assert torch.equal(made(x), other(x))
