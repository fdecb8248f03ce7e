"""`ChipModule.round_gradients`: gradients of drives, rounded to a number format."""

import math
import pickle

import numpy as np
import pytest
import torch
from conversiontest import chip_of, seeded, stimuli
from sklearn.datasets import load_digits
from torch import nn

from stochsim.formats import code_book
from stochsim.hardware import InputRounding, rounding_named
from stochsim.lowering import convert
from stochsim.lowering.rounded_gradients import GradientFormat, gradient_format
from stochsim.settings import SettingError

CHIP = chip_of(8, 8, 8)
PLACES = 32
FORMATS = ("int2", "int3", "fp3-e2m0", "fp4-e2m1", "fp8-e5m2", "fp8-e4m3", "nf4", "log2-4")


def lattice(name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Numbers at all remainders between all neighbours of a format; their lower and upper
    neighbours and the remainder.
    """
    values = np.array(code_book(name).values)
    lower, upper = np.repeat(values[:-1], PLACES), np.repeat(values[1:], PLACES)
    parts = np.tile(np.arange(PLACES) / PLACES, len(values) - 1)
    return lower + parts * (upper - lower), lower, upper, parts


def chances(parts: np.ndarray, below_0: np.ndarray, bits: int, cut: str) -> np.ndarray:
    """The law, of integers alone: remainders are multiples of 1/PLACES."""
    found = []
    for part, is_negative in zip(np.rint(parts * PLACES).astype(int), below_0, strict=True):
        numerator = int(part) * 2**bits
        if cut == "nearest":
            up = (2 * numerator + PLACES) // (2 * PLACES)
        elif cut == "zero" and is_negative:
            up = -(-numerator // PLACES)
        else:
            up = numerator // PLACES
        found.append(up / 2**bits)
    return np.array(found)


def expected(to: GradientFormat, numbers: np.ndarray, bits: int) -> np.ndarray:
    """The mean of what numbers are rounded to over all words of so many random bits, with a number
    beside them that makes the scale 1.
    """
    top = min(-to.book.values[0], to.book.values[-1])
    given = torch.from_numpy(np.append(np.clip(numbers, -top, top), top))
    assert float(to.scale_of(given)) == 1
    words = [
        to.rounded(given, torch.full(given.shape, word / 2**bits, dtype=torch.float64))
        for word in range(2**bits)
    ]
    return torch.stack(words).mean(0)[:-1].numpy()


@pytest.mark.parametrize("name", [one for one in FORMATS if one != "nf4"])
@pytest.mark.parametrize(
    ("bits", "cut"), [(0, "floor"), (2, "floor"), (3, "nearest"), (3, "zero"), (8, "floor")]
)
def test_the_mean_over_all_words_is_the_law_for_every_remainder(name, bits, cut):
    numbers, lower, upper, parts = lattice(name)
    top = min(-code_book(name).values[0], code_book(name).values[-1])
    inside = np.abs(numbers) <= top
    numbers, lower, upper, parts = (one[inside] for one in (numbers, lower, upper, parts))
    found = expected(GradientFormat(code_book(name), InputRounding(bits, cut)), numbers, bits)
    wanted = lower + chances(parts, numbers < 0, bits, cut) * (upper - lower)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-12 * top)
    off = ((found - numbers) / (upper - lower)).mean()
    if cut == "floor" and name != "log2-4":
        assert off == pytest.approx(-(2.0**-bits - 1 / PLACES) / 2 * (bits < 5), abs=1e-12)


def test_a_law_that_is_cut_otherwise_is_seen():
    numbers, lower, upper, parts = lattice("fp4-e2m1")
    found = expected(GradientFormat(code_book("fp4-e2m1"), InputRounding(2, "floor")), numbers, 2)
    other = lower + chances(parts, numbers < 0, 2, "nearest") * (upper - lower)
    assert np.abs(found - other).max() > 0.1


@pytest.mark.parametrize("name", FORMATS)
def test_without_random_numbers_gradients_take_the_nearest_value(name):
    book = code_book(name)
    to = GradientFormat(book, None)
    rng = np.random.default_rng(0)
    edges = np.array(book.edges)
    top = min(-book.values[0], book.values[-1])
    numbers = np.concatenate([rng.uniform(-top, top, 500), edges[np.abs(edges) <= top], [top]])
    found = to.rounded(torch.from_numpy(numbers * 2.0**-30), None).numpy()
    np.testing.assert_array_equal(found, book.decode(book.encode(numbers)) * 2.0**-30)


@pytest.mark.parametrize("name", FORMATS)
def test_the_scale_is_the_smallest_power_of_two_that_clips_nothing(name):
    book = code_book(name)
    to, top = GradientFormat(book, None), min(-book.values[0], book.values[-1])
    for largest in (1e-38, 0.1, top, np.nextafter(top, 9e9), 2 * top, 3.7, 1e30):
        gradient = torch.tensor([0.0, -largest], dtype=torch.float64)
        scale = float(to.scale_of(gradient))
        assert math.frexp(scale)[0] == 0.5
        assert largest <= scale * top
        assert largest > scale * top / 2
    zeros = torch.zeros(3)
    assert torch.equal(to.rounded(zeros, None), zeros)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_gradients_that_are_not_finite_stay_for_all_to_see(bad):
    gradient = torch.tensor([0.3, bad])
    found = GradientFormat(code_book("int3"), None).rounded(gradient, None)
    torch.testing.assert_close(found, gradient, rtol=0, atol=0, equal_nan=True)


def made_of(make, x: torch.Tensor, **more):
    """A converted module in training."""
    return convert(seeded(make), CHIP, x, **more).train()


def test_weights_inputs_and_biases_have_the_gradients_of_the_rounded_drive():
    x = stimuli(5, 6).requires_grad_()
    made = made_of(lambda: nn.Linear(6, 3), x.detach(), ranges="minmax")
    above = torch.tensor(np.random.default_rng(1).normal(size=(5, 3))).float()
    made.round_gradients("int3", "nearest")
    made(x).backward(above)
    layer = made.layers["linear"]
    inputs, weights = layer.input_grid(x).detach(), layer.weight_grid(layer.weight).detach()
    drive = gradient_format("int3", None).rounded(_passed(layer, inputs, weights, above), None)
    assert len(drive.unique()) <= 7
    torch.testing.assert_close(layer.weight.grad, drive.T @ inputs, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(layer.bias.grad, drive.sum(0), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(x.grad, drive @ weights, rtol=1e-5, atol=1e-6)


def _passed(layer, inputs, weights, above) -> torch.Tensor:
    """The gradient of the drive that the output grid lets pass."""
    drive = (inputs @ weights.T + layer.bias.detach()).requires_grad_()
    layer.output_grid(drive).backward(above)
    return drive.grad


def gradients(made, x: torch.Tensor, **more) -> torch.Tensor:
    """Of all weights, at a loss of squares."""
    made.zero_grad()
    made(x, **more).square().sum().backward()
    return torch.cat([layer.weight.grad.flatten() for layer in made.layers.values()])


def test_numbers_follow_from_the_key_of_the_call():
    x = stimuli(8, 6)
    made = made_of(lambda: nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3)), x)
    plain = gradients(made, x, key=1)
    assert torch.equal(gradients(made, x), plain)
    made.round_gradients("fp4-e2m1", "stochastic-8")
    rounded = gradients(made, x, key=1)
    assert not torch.equal(rounded, plain)
    assert torch.equal(gradients(made, x, key=1), rounded)
    assert not torch.equal(gradients(made, x, key=2), rounded)
    assert not torch.equal(gradients(made, x), gradients(made, x))
    torch.rand(3)  # torch's own numbers have no part in it
    assert torch.equal(gradients(pickle.loads(pickle.dumps(made)), x, key=1), rounded)
    made.round_gradients(None)
    assert torch.equal(gradients(made, x), plain)


def test_the_mean_gradient_of_a_layer_is_the_float_one():
    """Over 3,000 keys, each weight's within 6 standard errors of what is seen (one in 10⁶ runs, of
    18 weights); by "stochastic-0", which nothing is drawn for, most lie outside.
    """
    x = stimuli(8, 6)
    made = made_of(lambda: nn.Linear(6, 3), x)
    plain = gradients(made, x)

    def share_outside(rounding: str) -> float:
        made.round_gradients("int3", rounding)
        seen = torch.stack([gradients(made, x, key=key) for key in range(3000)]).double()
        error = seen.std(0) / math.sqrt(len(seen)) + 1e-6
        return float(((seen.mean(0) - plain).abs() > 6 * error).double().mean())

    assert share_outside("stochastic") == 0
    assert share_outside("stochastic-0") > 0.9


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda: nn.Conv2d(2, 3, 3, padding=1), (2, 5, 5)),
        (lambda: nn.ConvTranspose1d(2, 3, 3, 2), (2, 5)),
    ],
)
def test_of_every_geometry(make, shape):
    x = stimuli(4, *shape)
    made = made_of(make, x)
    plain = gradients(made, x)
    made.round_gradients("fp8-e5m2", "stochastic")
    close = gradients(made, x)
    assert not torch.equal(close, plain)
    assert float((close - plain).norm() / plain.norm()) < 0.1


def test_where_the_chip_is_in_the_loop_too():
    x = stimuli(8, 6)
    hardware = CHIP.replace(accumulator_bits=20)
    made = convert(seeded(lambda: nn.Linear(6, 3)), hardware, x).train()
    plain = gradients(made, x)
    made.round_gradients("int3", "nearest")
    assert not torch.equal(gradients(made, x), plain)


def test_values_are_what_they_were():
    x = stimuli(8, 6)
    made = made_of(lambda: nn.Linear(6, 3), x)
    before = made(x).detach(), made.eval()(x)
    made.round_gradients("int2")
    assert torch.equal(made(x), before[1])
    assert torch.equal(made.train()(x).detach(), before[0])


@pytest.mark.parametrize(
    ("format", "rounding", "text"),
    [
        ("mxfp4", "nearest", "'format' = 'mxfp4': has blocks, and gradients of a layer share one"),
        ("uint4", "nearest", "'format' = 'uint4': should have values of both signs"),
        ("int44", "nearest", "'format' = 'int44': should have 1 to 8 bits; did you mean 'int4'"),
        (4, "nearest", "'format' = 4: should be the name of a number format, or a CodeBook"),
        ("int4", "stochastic-20", "'rounding' = 'stochastic-20': should be 'stochastic-<random"),
        ("int4", "compensated", "'rounding' = 'compensated': valid: nearest, stochastic"),
    ],
)
def test_other_formats_and_roundings_are_refused(format, rounding, text):
    made = made_of(lambda: nn.Linear(6, 3), stimuli(8, 6))
    with pytest.raises(SettingError) as caught:
        made.round_gradients(format, rounding)
    assert text in str(caught.value)


def trained(rounding: str | None, bits: int = 3) -> float:
    """Accuracy on held-out digits after 200 steps with gradients of int<bits>."""
    digits = load_digits()
    x = torch.tensor(digits.data / 16, dtype=torch.float32)
    labels = torch.tensor(digits.target)
    made = made_of(lambda: nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10)), x[:1400])
    made.round_gradients(None if rounding is None else f"int{bits}", rounding or "nearest")
    optimiser = torch.optim.SGD(made.parameters(), 0.1, momentum=0.9)
    chosen = np.random.default_rng(0).integers(1400, size=(200, 100))
    for some in torch.from_numpy(chosen):
        optimiser.zero_grad()
        nn.functional.cross_entropy(made(x[some]), labels[some]).backward()
        optimiser.step()
    with torch.no_grad():
        found = made.eval().emulated(x[1400:]).argmax(1)
    return float((found == labels[1400:]).float().mean())


def test_three_bits_train_a_network_at_random_and_not_to_the_nearest():
    """The same numbers cut off after two random bits do not, for all gradients are then too low."""
    accuracy = {one: trained(one) for one in (None, "nearest", "stochastic-8", "stochastic-2")}
    assert accuracy[None] > 0.88
    assert accuracy["stochastic-8"] > accuracy[None] - 0.05
    assert accuracy["nearest"] < 0.5
    assert accuracy["stochastic-2"] < 0.5


def test_every_rounding_of_the_words_is_that_of_the_inputs():
    assert gradient_format("int3", rounding_named("rounding", "stochastic-8-zero")).rounding == (
        InputRounding(8, "zero")
    )
