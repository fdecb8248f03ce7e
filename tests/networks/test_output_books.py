"""Outputs of a number format in training: values and gradients against even outputs and finite
differences, levels that cannot merge, and the codes of a chip.
"""

import copy
import itertools

import numpy as np
import pytest
import torch

import stochsim as ss
from stochsim.chip import Chip
from stochsim.formats import code_book, lloyd_max
from stochsim.hardware import Noise, preset
from stochsim.lowering import to_program
from stochsim.networks import (
    Draws,
    HardwareNoise,
    NetworkSettings,
    is_learned,
    nearest_values,
    trained_format_bits,
)
from stochsim.networks.network import weight_of
from stochsim.networks.output_books import LEAST_GAP, OutputBook, fitted_start
from stochsim.networks.quantizers import quantise
from stochsim.settings import SettingError, StochsimError
from stochsim.training import TrainSettings, load_network

FORMATS = ("fp4-e2m1", "nf4", "lloyd-3", "learned-4", "learned-1")
MODEL = ss.LinearGaussian(neurons=6, noise_sd=0.5)
STIMULI = np.random.default_rng(0).standard_normal((300, 8)).astype(np.float32)
NOISY = preset("digital-45nm").replace(noise=Noise(read_sigma_lsb=0.3)).with_precision(4, 4, 4)
METHODS = ("post-training", "quantisation-aware", "noise-aware")


@pytest.fixture(scope="module")
def floats():
    return {
        kind: ss.train(MODEL, STIMULI, 1, architecture=kind, steps=30, batch=32)
        for kind in ("single", "deep", "recurrent")
    }


def book_of(name, scale=0.3, key=0):
    """A quantiser in float64, its values fitted to numbers where they are not the format's own."""
    book = OutputBook(name, scale).double()
    if not book.has_named_values:
        draws = np.random.default_rng(key).laplace(size=2000)
        book.start_at(fitted_start(name, draws[:, None])[1])
    return book


def test_names():
    assert [trained_format_bits(name) for name in FORMATS] == [4, 4, 3, 4, 1]
    assert [is_learned(name) for name in FORMATS] == [False, False, False, True, True]
    for wrong in ("learned-7", "lloyd-4-per-neuron", "mxfp4", "fp4", "int", 4):
        with pytest.raises(SettingError, match="output_format"):
            trained_format_bits(wrong)
    with pytest.raises(SettingError, match=r"output_format.*learned-4"):
        TrainSettings(output_format="learnd-4")


@pytest.mark.parametrize("bits", [2, 3, 4])
def test_integers_as_a_format_are_even_outputs(bits):
    """Values, and the gradient to the drive, in float64; of halves, too."""
    book = OutputBook(f"int{bits}", 0.3).double()
    scale = book.scale().detach()
    half = 2 ** (bits - 1)
    halves = scale * (torch.arange(-half - 2, half - 1) + 0.5)  # up to the last edge
    x = torch.cat([torch.linspace(-4, 4, 2001).double(), halves])
    one, other = x.clone().requires_grad_(), x.clone().requires_grad_()
    even = nearest_values(one, scale, -half, half - 1)
    ours = book(other)
    even.sin().sum().backward()
    ours.sin().sum().backward()
    assert torch.equal(even, ours)
    assert torch.equal(one.grad, other.grad)
    assert book.log_scale.grad is None


@pytest.mark.parametrize("name", ["learned-2", "learned-4"])
def test_gradient_of_learned_values_is_that_of_finite_differences(name):
    """Of the squared error while no read changes its cell; that of gaps in another order, the
    negative control, is another.
    """
    book = book_of(name)
    values, edges = book.values().detach(), book.edges_of(book.values())
    x = torch.linspace(-3, 3, 997).double()
    x = x[(x[:, None] - edges).abs().min(1).values > 1e-3]
    weight = torch.randn(len(x), generator=torch.Generator().manual_seed(1)).double()

    def loss():
        return (weight * book.rounding_error(x)).sum()

    loss().backward()
    step, found = 1e-6, {}
    for part in ("lowest", "log_gaps"):
        own = getattr(book, part)
        flat = own.detach().view(-1)
        found[part] = torch.zeros_like(flat)
        for i in range(len(flat)):
            sides = []
            for sign in (1, -1):
                flat[i] += sign * step
                sides.append(float(loss().detach()))
                flat[i] -= sign * step
            found[part][i] = (sides[0] - sides[1]) / (2 * step)
        assert torch.allclose(own.grad.view(-1), found[part], rtol=1e-6, atol=1e-6)
    assert not torch.allclose(book.log_gaps.grad.flip(0), found["log_gaps"], rtol=1e-2, atol=1e-2)
    assert torch.equal(values, book.values().detach())


def test_gradient_passes_inside_of_the_outer_cells_alone():
    book = book_of("learned-3")
    values = book.values().detach()
    edges = book.edges_of(values)
    width = float(values[-1] - edges[-1])
    ends = [float(values[0]) - float(edges[0] - values[0]), float(values[-1]) + width]
    places = [ends[0] - 1e-9, ends[0] + 1e-9, 0.1, ends[1] - 1e-9, ends[1] + 1e-9]
    x = torch.tensor(places, dtype=torch.float64, requires_grad=True)
    book(x).sum().backward()
    assert x.grad.tolist() == [0, 1, 1, 1, 0]


def test_levels_cannot_merge():
    """A loss that pulls all values to one point leaves them apart, in order; free values, the
    negative control, do merge.
    """
    book = book_of("learned-3", scale=0.5)
    free = book.values().detach().clone().requires_grad_()
    ours = torch.optim.Adam(book.parameters(), lr=0.2)
    theirs = torch.optim.Adam([free], lr=0.2)
    for _ in range(300):
        for one, values in ((ours, book.values), (theirs, lambda: free)):
            one.zero_grad()
            values().square().sum().backward()
            one.step()
    gaps = np.diff(book.values().detach().numpy())
    assert gaps.min() >= 0.999 * LEAST_GAP * 0.5
    assert gaps.max() < 2 * LEAST_GAP * 0.5  # the loss has pulled
    assert free.detach().diff().abs().min() < 0.1 * LEAST_GAP * 0.5
    assert book.quantizer().levels == 8


@pytest.mark.parametrize("name", FORMATS)
def test_program_has_the_same_codes(name):
    """Also on the edges themselves, in float64."""
    book = book_of(name)
    values = book.values().detach()
    edges = book.edges_of(values)
    x = torch.cat([torch.linspace(-4, 4, 5001).double(), edges, values])
    quantizer = book.quantizer()
    assert np.array_equal(quantizer.value_table[:, 0], values.numpy())
    if quantizer.scale == 1.0:  # else it divides, and an edge may round to either side
        assert np.array_equal(quantizer.exact_values(quantizer.codes(x.numpy())), book(x).detach())
    away = (x[:, None] - edges).abs().min(1).values > 1e-9
    codes = quantizer.codes(x[away].numpy())
    assert np.array_equal(quantizer.exact_values(codes), book(x[away]).detach().numpy())


def noiseless(network, x):
    """Output values (stimulus, neuron) of a single-layer or multi-layer network in float64."""
    network = copy.deepcopy(network).double().eval()
    x = torch.tensor(x).double()
    with torch.no_grad():
        if network.settings.architecture.kind == "single":
            return network.quantised(network.drive(x)).numpy()
        values = quantise(network.input_quantizer, x)
        hidden = torch.nn.functional.linear(
            values, weight_of(network.hidden)[0], network.hidden.bias
        )
        hidden = quantise(network.hidden_quantizer, hidden)
        last = torch.nn.functional.linear(
            hidden, weight_of(network.readout)[0], network.readout.bias
        )
        return network.quantised(last).numpy()


CASES = list(itertools.product(("single", "deep"), ("fp4-e2m1", "lloyd-4", "learned-4"), METHODS))


@pytest.mark.parametrize(("kind", "name", "method"), CASES)
def test_trained_networks_on_a_chip_and_in_a_file(floats, tmp_path, kind, name, method):
    """Codes without noise are the network's own, code for code; a file gives the same program."""
    trained = floats[kind].quantise(4, 2, output_format=name, method=method, hardware=NOISY)
    program = to_program(trained)
    assert program.output.format_name == name
    assert name in str(trained)
    chip = Chip(program, preset("digital-45nm").with_precision(4, 4, 4), sigma_scale=0.0)
    values = program.output.exact_values(chip.sample(STIMULI, 1, 0).codes[:, 0])
    assert np.array_equal(values, noiseless(trained.network, STIMULI))
    assert len(np.unique(values)) > 8
    trained.save(tmp_path / "net")
    again = load_network(tmp_path / "net")
    assert to_program(again).output == program.output
    assert again.network.settings == trained.network.settings
    assert again.network.settings.output_format == name


def test_fitted_values_are_lloyd_max_of_the_answers(floats):
    """In posterior sd units where training is noise-aware."""
    answers = np.random.default_rng(3).laplace(size=(500, 2))
    scale, values = fitted_start("lloyd-3", answers)
    assert np.allclose(scale * values, lloyd_max(answers.ravel(), 3).values, rtol=1e-12, atol=0)
    weighted = fitted_start("lloyd-3", answers * [1, 10], np.array([100.0, 1.0]))
    same = fitted_start("lloyd-3", answers * [1, 10])
    error = []
    for factor, found in (weighted, same):
        book = factor * found
        near = book[np.abs((answers * [1, 10])[..., None] - book).argmin(-1)]
        error.append(((near - answers * [1, 10]) ** 2 * [100.0, 1.0]).mean())
    assert error[0] < 0.9 * error[1]
    assert fitted_start("fp4-e2m1", answers)[1] is None
    plain = floats["single"].quantise(4, 2, output_format="lloyd-4", method="post-training")
    table = to_program(plain).output.value_table[:, 0]
    assert table.max() == pytest.approx(
        floats["single"].sample(STIMULI, 30, 0).values.max(), rel=0.6
    )


def test_noise_is_in_mean_steps_and_rounding_moves_the_format_alone(floats):
    trained = floats["single"].quantise(
        4, 2, output_format="learned-4", method="noise-aware", hardware=NOISY, steps=5
    )
    network = trained.network.train()
    x, noise = torch.tensor(STIMULI[:50]), HardwareNoise(read_sigma_lsb=0.3)
    given = network.response(x, Draws(torch.Generator().manual_seed(0)), noise)
    table = to_program(trained).output.value_table[:, 0]
    mean_step = (table[-1] - table[0]) / 15
    wanted = network.log_sigma.exp().square() + (0.3 * mean_step) ** 2
    assert torch.allclose(given.variance[0], wanted, rtol=1e-5, atol=0)
    bounds = network.sigma_bounds()
    assert bounds[1] == pytest.approx((table[-1] - table[0]) / 2, rel=1e-5)
    network.zero_grad()
    given.rounding.backward(retain_graph=True)
    with_gradient = {name for name, one in network.named_parameters() if one.grad is not None}
    assert with_gradient == {"output_quantizer.lowest", "output_quantizer.log_gaps"}
    network.zero_grad()
    (given.mean.sum() + given.variance.sum()).backward()
    samples = network.response(x, Draws(torch.Generator().manual_seed(0)))
    samples.samples.square().sum().backward()
    assert all(one.grad is None for one in network.book_parameters())
    samples.rounding.backward()
    assert all(one.grad is not None for one in network.book_parameters())
    even = floats["single"].quantise(4, 2, steps=5, method="noise-aware", hardware=NOISY)
    assert even.network.response(x, Draws(torch.Generator()), noise).rounding is None


def test_noise_aware_training_fits_the_format_to_the_answers(floats):
    """From values far off, the squared error in units of variances falls by a half at least."""
    trained = floats["single"].quantise(
        4, 2, output_format="learned-4", method="noise-aware", hardware=NOISY, steps=5
    )
    network, noise = copy.deepcopy(trained.network), HardwareNoise(read_sigma_lsb=0.3)
    network.output_quantizer.start_at(np.linspace(-15.0, 15.0, 16))

    def error():
        x, draws = torch.tensor(STIMULI), Draws(torch.Generator().manual_seed(0))
        return network.response(x, draws, noise).rounding

    before = float(error().detach())
    optimiser = torch.optim.Adam(network.book_parameters(), lr=0.05)
    for _ in range(200):
        optimiser.zero_grad()
        error().backward()
        optimiser.step()
    assert float(error().detach()) < 0.5 * before


def test_refusals(floats):
    single, deep = floats["single"], floats["deep"]
    with pytest.raises(StochsimError, match=r"output_format.*state"):
        floats["recurrent"].quantise(4, 2, output_format="lloyd-4")
    with pytest.raises(SettingError, match=r"output_format.*has 4 bits, and outputs have 8"):
        single.quantise(8, 2, output_format="lloyd-4")
    with pytest.raises(SettingError, match="output_format"):
        single.quantise(4, 2, output_format="mxfp4")
    with pytest.raises(SettingError, match=r"output_format.*quantised networks"):
        NetworkSettings(inputs=3, neurons=2, output_format="lloyd-4")
    wide = deep.quantise(8, 2, output_format="learned-3", method="post-training")
    program = to_program(wide)
    assert (program.output.bits, program.layers["hidden"].output.bits) == (3, 8)
    assert code_book("fp4-e2m1").bits == 4


def test_settings_without_a_format_are_written_as_before():
    assert "output_format" not in TrainSettings().to_table()
    assert "output_format" not in NetworkSettings(inputs=3, neurons=2).to_table()
