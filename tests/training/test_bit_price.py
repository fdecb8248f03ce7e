"""The price of bits: a table of joules between whole widths, what a chip is billed, and widths that
are learned under it.
"""

import itertools

import numpy as np
import pytest
import torch
from scipy.interpolate import RegularGridInterpolator

from stochsim.chip import Chip
from stochsim.energy import Operations
from stochsim.hardware import Noise, RandomSource, Timing, preset
from stochsim.lowering import to_program
from stochsim.models import LinearGaussian
from stochsim.networks import (
    ArchitectureSettings,
    FeedForward,
    NetworkSettings,
    build_network,
    quantised_from_float,
)
from stochsim.settings import SettingError
from stochsim.training import (
    TrainedNetwork,
    TrainResult,
    TrainSettings,
    learn_bits,
    train_quantised,
)
from stochsim.training.bit_price import (
    BitPrice,
    interpolated,
    joules_per_read,
    learned_widths,
    present_bits,
)

INPUTS, NEURONS = 8, 6
HARDWARE = preset("digital-45nm")
MODEL = LinearGaussian(neurons=NEURONS, noise_sd=0.5)
STIMULI = np.random.default_rng(0).standard_normal((200, INPUTS)).astype(np.float32)
WIDTHS = [(1, 1, 1), (2, 3, 4), (8, 8, 8), (5, 1, 8), (3, 8, 2)]


def generator(key=1):
    return torch.Generator().manual_seed(key)


def network(widths=None, learned=False, kind="single"):
    """A float network, or one of these widths that starts from it."""
    settings = NetworkSettings(inputs=INPUTS, neurons=NEURONS)
    start = FeedForward(settings, generator())
    if kind != "single":
        single = start
        start = build_network(
            settings.model_copy(update={"architecture": ArchitectureSettings(kind=kind)})
        )
        start.start_from(single)
        for name, layer in start.linears().items():  # what has no weights has no scale at one bit
            if name != start.settings.first_layer:
                torch.nn.init.normal_(layer.weight, std=0.05, generator=generator(4))
    return (
        start
        if widths is None
        else quantised_from_float(
            start, torch.tensor(STIMULI), *widths, generator(), learned_bits=learned
        )
    )


def trained(one):
    return TrainedNetwork(
        one.eval(),
        0.4 * torch.randn(INPUTS, NEURONS, generator=generator(3)),
        0.0,
        TrainResult({}, 0.0, 0.0),
    )


def place(*bits):
    return tuple(torch.tensor(float(each)) for each in bits)


@pytest.fixture(scope="module")
def table():
    return torch.tensor(np.random.default_rng(1).random((8, 8, 8)).cumsum(0).cumsum(1).cumsum(2))


def test_interpolation_is_the_table_at_whole_widths_and_linear_in_each_between(table):
    grid = np.arange(1, 9)
    for bits in itertools.product((1, 2, 5, 8), repeat=3):
        assert float(interpolated(table, place(*bits))) == pytest.approx(
            float(table[tuple(b - 1 for b in bits)]), rel=1e-6
        )
    points = np.random.default_rng(2).uniform(1, 8, (50, 3))
    expected = RegularGridInterpolator((grid, grid, grid), table.numpy())(points)
    found = [float(interpolated(table, place(*point))) for point in points]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert float(interpolated(table, place(9, 0.5, 8))) == pytest.approx(
        float(table[7, 0, 7]), rel=1e-6
    )


def test_slopes_are_those_of_the_cell(table):
    """At whole widths that of the next step, at 8 bits of the last."""
    for bits in ((2.0, 3.5, 7.25), (4.0, 1.0, 8.0)):
        where = torch.tensor(bits, dtype=torch.float64, requires_grad=True)
        interpolated(table, tuple(where)).backward()
        for axis in range(3):
            ends = [list(bits), list(bits)]
            ends[0][axis] = float(min(7, np.floor(bits[axis])))
            ends[1][axis] = ends[0][axis] + 1
            low, high = (float(interpolated(table, place(*each))) for each in ends)
            assert float(where.grad[axis]) == pytest.approx(high - low, rel=1e-4)


@pytest.mark.parametrize("kind", ["single", "deep", "recurrent"])
@pytest.mark.parametrize(
    "hardware",
    [HARDWARE, HARDWARE.replace(accumulator_bits=24)],
    ids=["digital-45nm", "24-bit sums"],
)
def test_each_bit_costs_more(kind, hardware):
    """Of weights, inputs and outputs apart; nothing is free, nothing is negative."""
    one = network(kind=kind)
    joules = np.array(
        [
            joules_per_read(one, hardware, widths)
            for widths in itertools.product(range(1, 9), repeat=3)
        ]
    ).reshape(8, 8, 8)
    assert (joules > 0).all()
    for axis in range(3):
        assert (np.diff(joules, axis=axis) > 0).all()


NOISES = {
    "plain": {},
    "inputs dithered": {"noise": Noise(input_dither="stochastic")},
    "outputs dithered": {
        "noise": Noise(dither="stochastic"),
        "random": RandomSource(neurons_per_source=4, random_bits_per_code=8),
    },
    "24-bit sums that leak": {"accumulator_bits": 24, "timing": Timing(leakage_w=1.0)},
}
NOT_PRICED = ("reliability", "weight_memory", "leakage")


@pytest.mark.parametrize("kind", ["single", "deep", "recurrent"])
@pytest.mark.parametrize(
    ("widths", "name"),
    [*((widths, "plain") for widths in WIDTHS), *(((2, 3, 4), name) for name in NOISES)],
)
def test_it_is_the_bill_of_a_chip_without_weights_and_noise(widths, name, kind):
    """What reads of one stimulus share, and what buys reliability, is priced elsewhere; for every
    architecture and every setting.
    """
    one = network(widths, kind=kind)
    hardware = HARDWARE.replace(**NOISES[name])
    chip = Chip(to_program(trained(one)), hardware.with_precision(*widths))
    counted = chip.operations(STIMULI[:3], 7)
    shared = Operations(
        {
            operation: count
            for operation, count in counted.items()
            if operation.kind not in NOT_PRICED
        }
    )
    assert len(counted) > len(shared) > 3
    expected = hardware.with_precision(*widths).energy(shared).all_operations_j / 21
    assert joules_per_read(one, hardware, widths) == pytest.approx(expected, rel=1e-12)


def test_the_price_in_nats_is_nats_per_joule_times_joules_at_present_widths():
    one = network((4, 6, 8), learned=True)
    price = BitPrice(HARDWARE, 2e12)
    assert float(price(one).detach()) == pytest.approx(
        2e12 * joules_per_read(one, HARDWARE, (4, 6, 8)), rel=1e-5
    )
    assert learned_widths(one) == (4, 6, 8)
    with torch.no_grad():
        for name, value in one.named_parameters():
            if name.endswith("bit_width_offset"):
                value.sub_(1.0)
    assert float(price(one).detach()) == pytest.approx(
        2e12 * joules_per_read(one, HARDWARE, (3, 5, 7)), rel=1e-5
    )


@pytest.mark.parametrize("kind", ["single", "recurrent"])
def test_its_gradient_reaches_every_learned_width(kind):
    """And has the size of a bit's joules; weights of several layers share it."""
    one = network((5, 5, 5), learned=True, kind=kind)
    BitPrice(HARDWARE, 1e12)(one).backward()
    widths = {
        name: float(value.grad)
        for name, value in one.named_parameters()
        if name.endswith("bit_width_offset")
    }
    assert len(widths) == 2 + len(one.linears())
    more = {"weight": (6, 5, 5), "input": (5, 6, 5), "output": (5, 5, 6)}
    at_five = joules_per_read(one, HARDWARE, (5, 5, 5))
    rise = {of: 1e12 * (joules_per_read(one, HARDWARE, up) - at_five) for of, up in more.items()}
    for name, slope in widths.items():
        of = name.split("_")[0] if name.startswith(("input", "output")) else "weight"
        assert slope == pytest.approx(
            rise[of] / (len(one.linears()) if of == "weight" else 1), rel=1e-4
        )
    others = [
        value.grad
        for name, value in one.named_parameters()
        if not name.endswith("bit_width_offset")
    ]
    assert all(gradient is None or not gradient.any() for gradient in others)
    assert all(bits.requires_grad for bits in present_bits(one))


def learned(nats_per_joule, first=(8, 8, 8), steps=200):
    settings = TrainSettings(
        steps=steps, batch=32, learning_rate=0.02, nats_per_joule=nats_per_joule
    )
    return learn_bits(trained(network()), STIMULI, MODEL, settings, HARDWARE, 1, first=first)


def widths_of(one):
    s = one.network.settings
    return [s.weight_bits, s.input_bits, s.output_bits]


def test_dear_bits_end_fewer():
    """Where they are next to free they stay eight, or near it."""
    cheap, dear = learned(1e3), learned(1e17)
    assert min(widths_of(cheap)) >= 7
    assert all(few < many for few, many in zip(widths_of(dear), widths_of(cheap), strict=True))
    for one, nats_per_joule in ((cheap, 1e3), (dear, 1e17)):
        assert (one.result.method, one.result.nats_per_joule) == (
            "quantisation-aware",
            nats_per_joule,
        )
        assert not one.network.settings.learned_bits
        assert (one.result.c, one.result.s) == (1.0, 1.0)
        to_program(one)  # the widths are fixed by now


def test_what_ends_is_a_network_trained_at_these_widths_like_any_other():
    found = learned(1e14)
    settings = TrainSettings(steps=200, batch=32, learning_rate=0.02)
    same = train_quantised(trained(network()), STIMULI, MODEL, settings, tuple(widths_of(found)), 1)
    for name, value in same.network.state_dict().items():
        assert torch.equal(value, found.network.state_dict()[name]), name


def test_they_never_end_below_two():
    assert widths_of(learned(1e17, first=(3, 3, 3), steps=400)) == [2, 2, 2]


def test_widths_are_held_at_two_to_eight():
    one = network((3, 5, 7), learned=True)
    for value, expected in ((-50.0, 2), (50.0, 8)):
        with torch.no_grad():
            for name, offset in one.named_parameters():
                if name.endswith("bit_width_offset"):
                    offset.fill_(value)
        one.keep_bounds()
        assert learned_widths(one) == (expected, expected, expected)


def test_without_nats_per_joule_there_is_nothing_to_learn_under():
    with pytest.raises(SettingError, match="'nats_per_joule' is missing"):
        learn_bits(trained(network()), STIMULI, MODEL, TrainSettings(steps=2), HARDWARE, 1)


def test_deep_networks_are_refused():
    with pytest.raises(SettingError, match="'architecture' = 'deep'"):
        learn_bits(
            trained(network(kind="deep")),
            STIMULI,
            MODEL,
            TrainSettings(steps=2, nats_per_joule=1.0),
            HARDWARE,
            1,
        )


@pytest.mark.parametrize("first", [(1, 8, 8), (8, 1, 8), (8, 8, 1)])
def test_one_bit_cannot_be_learned_from(first):
    with pytest.raises(SettingError, match="'learned_bits'"):
        learn_bits(
            trained(network()),
            STIMULI,
            MODEL,
            TrainSettings(steps=2, nats_per_joule=1.0),
            HARDWARE,
            1,
            first=first,
        )
