"""`weight_rounding = "stochastic"`: weights of converted networks take one of two neighbours."""

import copy
import itertools
import math

import numpy as np
import pytest
import torch
from conversiontest import Twice, chip_of, seeded, stimuli
from torch import nn

from stochsim.formats import code_book
from stochsim.hardware import InputRounding, rounding_named
from stochsim.lowering import convert, load_converted
from stochsim.networks.book_grids import BookGrid
from stochsim.networks.grids import Grid
from stochsim.networks.random_grids import RANDOM_NUMBERS
from stochsim.settings import SettingError

CHIP = chip_of(3, 8, 8)
PLACES = 32
"""Remainders between two neighbours, by which every one is a number of five bits."""


def book(name: str) -> BookGrid:
    """The grid of a format for weights (2, …), of two scales."""
    return BookGrid(code_book(name), np.array([0.5, 4.0]))


GRIDS = {
    "even": lambda: Grid(3, 0.25, narrow=True),
    "of neurons": lambda: Grid(4, np.array([0.25, 2.0]), narrow=True),
    "affine": lambda: Grid(3, 0.5, narrow=True, zero_points=2),
    "sign": lambda: Grid(1, 0.5, narrow=True),
    "lsq": lambda: Grid(3, 0.25, narrow=True).learned_by_lsq(),
    "fp4": lambda: book("fp4-e2m1"),
    "int1": lambda: book("int1"),
    "blocks": lambda: BookGrid(code_book("fp4-e2m1"), np.full((2, 400), 0.25), 1, "e8m0"),
}


def values_of(grid: Grid) -> np.ndarray:
    """The integers that a grid has, ascending."""
    if grid.book is not None:
        return grid._integers.numpy()
    if grid.is_sign:
        return np.array([-1.0, 1.0])
    low, high = grid._ends(torch.zeros(1, dtype=torch.float64))
    return np.arange(float(low), float(high) + 1)


def lattice(grid: Grid) -> tuple[torch.Tensor, np.ndarray, np.ndarray, np.ndarray]:
    """Weights (2, place) at all remainders between all neighbours, beyond the ends too; the lower
    and upper integer and the remainder of each.
    """
    integers = values_of(grid)
    part = np.arange(PLACES) / PLACES
    lower = np.repeat(integers[:-1], PLACES)
    upper = np.repeat(integers[1:], PLACES)
    parts = np.tile(part, len(integers) - 1)
    ends = integers[[0, -2]], integers[[1, -1]], np.array([0.0, 1.0])
    lower, upper, parts = map(np.append, (lower, upper, parts), ends)
    places = lower + parts * (upper - lower)
    places[-2:] += (-3, 3)
    x = torch.from_numpy(np.tile(places, (2, 1)))
    if grid.block_size is not None:
        grid.given_scale = torch.full((2, len(places)), float(grid.given_scale[0, 0]))
        grid.given_log = grid.given_scale.log2().double()
        grid.log_scale = torch.nn.Parameter(grid.given_log.clone())
    return x * grid.scale_of(x).detach(), lower, upper, parts


def chance(part: float, below_0: bool, bits: int, cut: str) -> float:
    """The law, of the numbers themselves."""
    levels = 2**bits
    if cut == "nearest":
        return math.floor(part * levels + 0.5) / levels
    away = cut == "zero" and below_0
    return (math.ceil if away else math.floor)(part * levels) / levels


@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.parametrize(
    ("bits", "cut"), [(0, "floor"), (2, "floor"), (3, "nearest"), (3, "zero"), (6, "floor")]
)
def test_the_mean_over_all_words_is_the_law_for_every_remainder(name, bits, cut):
    grid = GRIDS[name]()
    x, lower, upper, parts = lattice(grid)
    found = torch.zeros_like(x)
    for word in range(2**bits):
        draw = torch.full(x.shape, word * (RANDOM_NUMBERS >> bits), dtype=torch.int32)
        grid.round_at_random(InputRounding(bits, cut), draw)
        values = grid(x).detach()
        assert torch.equal(grid.integers(x).double() * grid.scale_of(x), values)
        found += values / grid.scale_of(x).detach() / 2**bits
    ups = [chance(f, bool(w < 0), bits, cut) for f, w in zip(parts, x[0].numpy(), strict=True)]
    wanted = lower + np.array(ups) * (upper - lower)
    np.testing.assert_allclose(found.numpy(), np.tile(wanted, (2, 1)), rtol=0, atol=1e-12)


@pytest.mark.parametrize("bits", [0, 1, 3])
def test_weights_are_too_low_by_half_a_multiple_on_average(bits):
    """-(2^-r - 2^-p)/2 of a step for remainders of p bits; without, to the nearest, 0."""
    grid = Grid(4, 1.0, narrow=True)
    x = torch.arange(-3 * PLACES, 3 * PLACES, dtype=torch.float64)[None] / PLACES
    off = []
    for word in range(2**bits):
        draw = torch.full(x.shape, word * (RANDOM_NUMBERS >> bits), dtype=torch.int32)
        grid.round_at_random(InputRounding(bits, "floor"), draw)
        off.append(float((grid(x) - x).mean().detach()))
    assert np.mean(off) == pytest.approx(-(2.0**-bits - 1 / PLACES) / 2, abs=1e-12)


@pytest.mark.parametrize("rounding", ["stochastic", "stochastic-0", "stochastic-4-nearest"])
def test_the_mean_square_that_errors_are_explained_by_is_that_of_the_law(rounding):
    how = rounding_named("weight_rounding", rounding)
    fine = (np.arange(2**16) + 0.5) / 2**16
    ups = how.chance_up(fine, np.zeros(len(fine), bool))
    squares = ups * (1 - fine) ** 2 + (1 - ups) * fine**2
    assert how.mean_square == pytest.approx(squares.mean(), abs=1e-8)


MODULES = {
    "linear": (lambda: nn.Linear(12, 6), (12,), {}),
    "two layers": (lambda: nn.Sequential(nn.Linear(12, 9), nn.ReLU(), nn.Linear(9, 4)), (12,), {}),
    "groups": (lambda: nn.Linear(12, 6), (12,), {"weight_scales": 4}),
    "affine": (lambda: nn.Linear(12, 6), (12,), {"weight_grids": "affine"}),
    "affine inputs": (lambda: nn.Linear(12, 6), (12,), {"input_grids": "affine"}),
    "one bit": (lambda: nn.Linear(12, 6), (12,), {"bits": {"linear": (1, 8, 8)}}),
    "fp4": (lambda: nn.Linear(12, 6), (12,), {"formats": {"weights": "fp4-e2m1"}}),
    "mxfp4": (lambda: nn.Linear(32, 6), (32,), {"formats": {"weights": "mxfp4"}}),
    "convolution": (lambda: nn.Conv2d(3, 5, 3, padding=1), (3, 5, 5), {}),
    "transposed": (lambda: nn.ConvTranspose1d(3, 4, 3, 2, 1), (3, 5), {}),
    "called twice": (lambda: Twice(16), (16,), {}),
}


@pytest.mark.parametrize("name", MODULES)
def test_chips_files_states_and_the_emulation_have_the_same_weights(name, tmp_path):
    make, shape, more = MODULES[name]
    module, x = seeded(make), stimuli(64, *shape)
    made = convert(module, CHIP, x, weight_rounding="stochastic-8", key=7, **more)
    again = convert(module, CHIP, x, weight_rounding="stochastic-8", key=7, **more)
    assert torch.equal(made.emulated(x), made(x))
    assert torch.equal(again(x), made(x))
    for one, own in zip(made.layers.values(), _weights(module), strict=False):
        assert torch.equal(one.weight.detach().flatten().sort()[0], own.flatten().sort()[0])
    other = convert(module, CHIP, x, weight_rounding="stochastic-8", key=8, **more)
    assert not torch.equal(other(x), made(x))
    other.load_state_dict(made.state_dict())
    assert torch.equal(other(x), made(x))
    assert torch.equal(copy.deepcopy(made)(x), made(x))
    made.program.save(tmp_path / "net")
    assert torch.equal(load_converted(tmp_path / "net")(x), made(x))


def _weights(module: nn.Module) -> list[torch.Tensor]:
    return [one.detach() for name, one in module.named_parameters() if name.endswith("weight")]


def test_each_weight_takes_a_neighbour_by_numbers_that_are_independent():
    """Of 4,096 weights at a remainder of 0.3 the number of those that go up lies within 6 standard
    deviations (two in 10⁹ runs), by two keys together too; those at 0.5 fall outside.
    """
    module = nn.Linear(64, 64, bias=False)
    x = stimuli(64, 64)
    ups = []
    for part, key in ((0.3, 0), (0.3, 1), (0.5, 2)):
        with torch.no_grad():
            module.weight.fill_(part)
            module.weight[:, 0] = 3.0
        made = convert(module, CHIP, x, weight_rounding="stochastic", key=key, ranges="minmax")
        codes = made.layers["linear"].layer().weight_codes[:, 1:]
        assert set(np.unique(codes)) == {0, 1}
        ups.append(codes.ravel().astype(float))
    n = len(ups[0])
    within = 6 * math.sqrt(n * 0.3 * 0.7)
    assert abs(ups[0].sum() - 0.3 * n) < within
    assert abs(ups[1].sum() - 0.3 * n) < within
    both = (ups[0] * ups[1]).sum()
    assert abs(both - 0.09 * n) < 6 * math.sqrt(n * 0.09 * 0.91)
    assert abs(ups[2].sum() - 0.3 * n) > within


def test_weights_on_their_grid_stay():
    module = nn.Linear(12, 6)
    with torch.no_grad():
        module.weight.copy_(torch.randint(-3, 4, (6, 12)) * 0.25)
        module.weight[0, 0] = 0.75
    x = stimuli(64, 12)
    made = convert(module, CHIP, x, weight_rounding="stochastic", ranges="minmax")
    plain = convert(module, CHIP, x, ranges="minmax")
    assert torch.equal(made(x), plain(x))


@pytest.mark.parametrize("scale", [0.1, 1 / 3, 7e-5])
def test_weights_on_their_grid_but_for_the_rounding_of_float32_stay(scale):
    """Cut off, a weight that is a last place too low would lose a step."""
    integers = torch.arange(-127.0, 128.0)[None]
    grid = Grid(8, scale, narrow=True)
    draw = torch.full(integers.shape, RANDOM_NUMBERS - 1, dtype=torch.int32)
    grid.round_at_random(InputRounding(0, "floor"), draw)
    weights = (integers * np.float32(scale)).float()
    assert torch.equal(grid.integers(weights), integers.to(torch.int16))
    between = (integers - 0.5) * scale
    assert torch.equal(grid.integers(between)[0, 1:], (integers[0, 1:] - 1).to(torch.int16))


def test_layers_have_numbers_of_their_own():
    module = seeded(lambda: nn.Sequential(nn.Linear(12, 12), nn.Linear(12, 12)))
    made = convert(module, CHIP, stimuli(8, 12), weight_rounding="stochastic")
    one, other = (layer.weight_grid.draw for layer in made.layers.values())
    assert not torch.equal(one, other)


def test_training_draws_once_a_call_and_evaluation_keeps_its_numbers():
    module, x = seeded(lambda: Twice(16)), stimuli(64, 16)
    made = convert(module, CHIP, x, weight_rounding="stochastic")
    before = made(x)
    grid = made.layers["one"].weight_grid
    seen = []
    hook = grid.register_forward_hook(lambda grid, given, found: seen.append(found.detach()))
    made.train()
    first, second = made(x), made(x)
    hook.remove()
    assert len(seen) == 4
    assert torch.equal(seen[0], seen[1])
    assert not torch.equal(seen[0], seen[2])
    assert not torch.equal(first, second)
    assert torch.equal(made(x, key=3), made(x, key=3))
    assert torch.equal(made.emulated(x), before)
    assert torch.equal(made.eval()(x), before)
    plain = convert(module, CHIP, x).train()
    assert torch.equal(plain(x), plain(x))


def test_the_mean_of_training_calls_is_the_layer_in_float():
    """Of a linear layer with fine inputs and outputs, over 2,000 calls: each weight's mean within 6
    standard errors of it (one in 10⁶ runs, of 12 × 6 weights); the nearest values are not.
    """
    module, x = seeded(lambda: nn.Linear(12, 6)), stimuli(8, 12)
    made = convert(module, CHIP, x, weight_rounding="stochastic", ranges="minmax").train()
    grid, weight = made.layers["linear"].weight_grid, made.layers["linear"].weight.detach()
    seen: list[torch.Tensor] = []
    grid.register_forward_hook(lambda grid, given, found: seen.append(found.detach()))
    for _ in range(2000):
        made(x)
    step = float(grid.step().detach())
    mean = torch.stack(seen).double().mean(0)
    bound = 6 * step / 2 / math.sqrt(2000)
    assert float((mean - weight).abs().max()) < bound
    nearest = (weight / step).round() * step
    assert float((nearest - weight).abs().max()) > bound


def test_the_gradient_passes_the_rounding():
    module, x = seeded(lambda: nn.Linear(12, 6)), stimuli(8, 12)
    made = convert(module, chip_of(3, 8, 8), x, weight_rounding="stochastic", ranges="minmax")
    layer = made.layers["linear"]
    values = layer.weight_grid(layer.weight)
    values.sum().backward()
    assert torch.equal(layer.weight.grad, torch.ones_like(layer.weight))
    place = layer.weight.detach() / layer.weight_grid.scale().detach()
    wanted = (values.detach() / layer.weight_grid.scale().detach() - place).sum()
    factor = layer.weight_grid.scale().detach() * math.log(2)
    assert float(layer.weight_grid.log_scale.grad) == pytest.approx(
        float(wanted * factor), rel=1e-4
    )


def test_tables_are_rounded_too():
    module = seeded(lambda: nn.Embedding(11, 6))
    ids = torch.arange(11).repeat(4)[:, None]
    made, plain = (
        convert(module, CHIP, ids, weight_rounding=one) for one in ("stochastic", "nearest")
    )
    assert torch.equal(made.emulated(ids), made(ids))
    assert not torch.equal(made(ids), plain(ids))


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("stochastic-17", "random bits from 0 to 16"),
        ("stochastic-8-up", "'-floor', '-nearest' or '-zero'"),
        ("stochastik", "did you mean 'stochastic'"),
        ("compensate", "did you mean 'compensated'"),
        (None, "valid: compensated, nearest, stochastic"),
        (8, "valid: compensated, nearest, stochastic"),
    ],
)
def test_other_words_are_refused(word, text):
    with pytest.raises(SettingError, match=text) as caught:
        convert(nn.Linear(4, 2), CHIP, stimuli(8, 4), weight_rounding=word)
    assert caught.value.field == ("weight_rounding",)


def test_every_word_is_read():
    for bits, cut in itertools.product(range(17), ("floor", "nearest", "zero")):
        assert rounding_named("a", f"stochastic-{bits}-{cut}") == InputRounding(bits, cut)
        assert rounding_named("a", f"stochastic-{bits}") == InputRounding(bits)
    assert rounding_named("a", "stochastic") == InputRounding()
    assert rounding_named("a", "nearest") is None


def test_states_of_networks_to_the_nearest_are_refused():
    module, x = seeded(lambda: nn.Linear(12, 6)), stimuli(8, 12)
    made = convert(module, CHIP, x, weight_rounding="stochastic")
    plain = convert(module, CHIP, x)
    with pytest.raises(RuntimeError, match=r"weight_grid\.draw"):
        plain.load_state_dict(made.state_dict())
    with pytest.raises(RuntimeError, match=r"weight_grid\.draw"):
        made.load_state_dict(plain.state_dict())


def test_widths_of_weights_that_are_rounded_at_random_are_not_learned():
    made = convert(nn.Linear(12, 6), CHIP, stimuli(8, 12), weight_rounding="stochastic")
    with pytest.raises(SettingError, match="rounded at random have a width that stays"):
        made.learn_widths()
    made.learn_widths(of=["inputs", "outputs"])
