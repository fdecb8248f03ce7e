"""Joules of a read at learned widths: the bill at whole ones, linear between, and a price under
which networks become narrower.
"""

import itertools

import numpy as np
import pytest
import torch
from conversiontest import chip_of, seeded, small_net, stimuli
from scipy.interpolate import RegularGridInterpolator
from torch import nn

import stochsim as ss
from stochsim.hardware import Memory, Noise, RandomSource, Timing
from stochsim.lowering import ChipModule, convert

CHIPS = {
    "plain": {},
    "inputs dithered": {"noise": Noise(input_dither="stochastic")},
    "outputs dithered": {
        "noise": Noise(dither="stochastic"),
        "random": RandomSource(neurons_per_source=4, random_bits_per_code=8),
    },
    "24-bit sums that leak": {"accumulator_bits": 24, "timing": Timing(leakage_w=1.0)},
    "weights read every time": {"memory": Memory(weights_read="read")},
}


def grouped() -> nn.Module:
    """Groups, a part in float, and a layer that is called twice on the same cells."""

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Conv2d(2, 4, 3, groups=2)
            self.again = nn.Linear(16, 16)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            seen = nn.functional.gelu(self.first(x)).flatten(1)[:, :16]
            return self.again(torch.relu(self.again(seen))).softmax(-1)

    return Net()


def large() -> nn.Module:
    """Memories of weights and codes whose sizes set the price of a bit."""
    return nn.Sequential(nn.Conv2d(2, 64, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64 * 16 * 16, 20))


CASES = {"small": (small_net, (1, 6, 6)), "grouped": (grouped, (2, 6, 6))}
CASES |= {"large": (large, (2, 18, 18))}


def made(case: str, **parts) -> tuple[ChipModule, torch.Tensor]:
    """A network that learns its widths, and its stimuli."""
    make, shape = CASES[case]
    x = stimuli(12, *shape)
    module = convert(seeded(make).double(), chip_of(8, 8, 8, **parts), x.double())
    module.learn_widths()
    return module, x.double()


def parameters(module: ChipModule) -> list[nn.Parameter]:
    """The learned widths."""
    return [one for name, one in module.named_parameters() if name.endswith("width")]


def put(module: ChipModule, widths) -> None:
    """These widths in the order of `parameters`."""
    with torch.no_grad():
        for one, width in zip(parameters(module), widths, strict=True):
            one.fill_(float(width))


def billed(module: ChipModule, x: torch.Tensor, reads: int = 1) -> float:
    """Joules per read that the bill has at the present widths, without reliability."""
    bill = module.bill(x[:1], reads)
    return bill.per_read_j - bill.energy.reliability_j


def joules(module: ChipModule, reads: int = 1) -> float:
    return float(module.joules_per_read(reads).detach())


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("chip", CHIPS)
def test_at_whole_widths_it_is_the_bill(case: str, chip: str) -> None:
    """Of any Hardware, for one read of a stimulus and for several."""
    module, x = made(case, **CHIPS[chip])
    module.learn_noise(1.0)
    draws = np.random.default_rng(0)
    for reads in (1, 7):
        put(module, draws.integers(2, 9, len(parameters(module))))
        assert joules(module, reads) == pytest.approx(billed(module, x, reads), rel=1e-12)


def test_layers_of_one_bit_are_in_it() -> None:
    x = stimuli(12, 1, 6, 6)
    bits = {"3": (1, 1, 8)}
    module = convert(seeded(small_net), chip_of(8, 8, 8), x, bits=bits)
    assert joules(module) == pytest.approx(billed(module, x), rel=1e-12)


def test_it_is_trilinear_between() -> None:
    """Of one layer, where the memories are so small that a bit's price is that of the smallest:
    SciPy's interpolation between bills.
    """
    x = stimuli(12, 6)
    module = convert(seeded(lambda: nn.Linear(6, 3)), chip_of(8, 8, 8), x)
    module.learn_widths()
    axis = np.arange(2, 9)
    table = []
    for widths in itertools.product(axis, repeat=3):
        put(module, widths)
        table.append(billed(module, x))
    between = RegularGridInterpolator((axis,) * 3, np.reshape(table, (7, 7, 7)))
    for point in np.random.default_rng(1).uniform(2, 8, (40, 3)):
        put(module, point)
        at = [one.item() for one in parameters(module)]
        assert joules(module) == pytest.approx(float(between(at)[0]), rel=1e-9)


@pytest.mark.parametrize("case", CASES)
def test_gradients_are_slopes(case: str) -> None:
    """Central differences, inside a cell; prices of memories that follow their size among them."""
    module, _ = made(case)
    point = np.random.default_rng(2).integers(2, 8, len(parameters(module))) + 0.3
    put(module, point)
    module.joules_per_read().backward()
    found = [float(one.grad) for one in parameters(module)]
    for i, slope in enumerate(found):
        ends = []
        for off in (-1e-3, 1e-3):
            put(module, point + off * (np.arange(len(point)) == i))
            ends.append(joules(module))
        assert slope == pytest.approx((ends[1] - ends[0]) / 2e-3, rel=1e-3)
        assert slope > 0


def test_at_whole_widths_the_slope_is_that_of_the_next_bit() -> None:
    module, x = made("small")
    count = len(parameters(module))
    put(module, [4] * count)
    module.joules_per_read().backward()
    here = billed(module, x)
    for i, one in enumerate(parameters(module)):
        put(module, [4 + (i == j) for j in range(count)])
        assert float(one.grad) == pytest.approx(billed(module, x) - here, rel=1e-9)


def test_it_follows_the_hardware_and_the_noise() -> None:
    module, x = made("small")
    before = joules(module)
    module.learn_noise(1.0)  # its random bits are drawn, and billed
    assert joules(module) == pytest.approx(billed(module, x), rel=1e-12)
    assert joules(module) > before
    module.hardware = module.hardware.with_({"timing.leakage_w": 1.0})
    assert joules(module) == pytest.approx(billed(module, x), rel=1e-12)
    with pytest.raises(ss.SettingError, match="'reads' = 0"):
        module.joules_per_read(0)


def trained(nats_per_joule: float) -> tuple[ChipModule, float]:
    """A network that fits a target while it pays for its widths, and its mean squared error."""
    x = stimuli(256, 8)
    wanted = torch.tanh(x @ torch.randn(8, 2, generator=torch.Generator().manual_seed(1)))
    make = lambda: nn.Sequential(nn.Linear(8, 24), nn.ReLU(), nn.Linear(24, 2))  # noqa: E731
    module = convert(seeded(make), chip_of(8, 8, 8), x)
    module.learn_widths()
    optimiser = torch.optim.Adam(module.train().parameters(), lr=0.05)
    for _ in range(120):
        loss = (module(x) - wanted).square().mean()
        loss = loss + nats_per_joule * module.joules_per_read()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    module.eval()
    return module, float((module(x) - wanted).square().mean())


def test_dear_joules_make_narrow_layers_and_cheap_ones_good_ones() -> None:
    cheap, dear = (trained(price) for price in (1e5, 1e8))
    bits = [
        [one for widths in found[0].layer_bits.values() for one in widths]
        for found in (cheap, dear)
    ]
    x = cheap[0].examples
    assert sum(bits[1]) < sum(bits[0]) - 6
    assert len(set(bits[1])) > 1  # layers and sides pay for what each is worth
    assert dear[0].bill(x).per_read_j < 0.7 * cheap[0].bill(x).per_read_j
    assert cheap[1] < dear[1]
    assert joules(dear[0]) == pytest.approx(billed(dear[0], x), rel=0.2)  # between whole widths
