"""Outputs with a code book for each neuron: codes, values, probabilities, fits, files, bills."""

import dataclasses
from typing import Any

import numpy as np
import pytest
from circuittest import hardware_of, recurrent_program, reference_codes, some_stimuli
from scipy import special
from stattest import assert_frequencies

import stochsim as ss
from stochsim.chip import Chip, fitted_quantizer, with_output_format
from stochsim.energy import Operation
from stochsim.formats import (
    BLOCK_FORMATS,
    CodeBook,
    NeuronBooks,
    are_on_format,
    code_book,
    format_bits,
)
from stochsim.hardware import Memory, Noise, RandomSource
from stochsim.models import elbo_of_codes
from stochsim.program import LATERAL, Program, Quantizer, load_program, random_program
from stochsim.settings import SettingError

X = np.random.default_rng(1).normal(0, 1, (6, 12))
NF4 = code_book("nf4")
BOOKS = NeuronBooks(tuple(NF4.scaled(one) for one in (0.5, 1.0, 2.0, 4.0, 8.0)))
OUTPUT = Quantizer.of_format(BOOKS, 1.5)


def program_of(sigma: float = 0.5, output: Quantizer = OUTPUT) -> Program:
    return random_program((12, 5), (4, 4, 4), sigma=sigma)[0].with_output(output)


def chip_of(sigma: float = 0.5, **settings: Any) -> Chip:
    hardware = ss.load_hardware("digital-45nm", bits=4).replace(**settings)
    return Chip(program_of(sigma), hardware)


def test_without_noise_values_are_the_nearest_of_each_neuron() -> None:
    chip = chip_of(sigma=0.0)
    drive = chip.drive(X)
    samples = chip.sample(X, 2, 0)
    for n, book in enumerate(BOOKS.books):
        expected = 1.5 * book.decode(book.encode(drive[:, n] / 1.5))
        assert np.array_equal(samples.values[:, 0, n], np.float32(expected))
    assert not np.array_equal(samples.values, NF4.decode(samples.codes))


@pytest.mark.parametrize("settings", [{}, {"random": RandomSource(threshold_bits=12)}])
def test_probabilities_are_the_closed_form_and_codes_obey_them(settings: dict[str, Any]) -> None:
    chip = chip_of(**settings)
    drive = chip.drive(X)
    edges = 1.5 * np.array([book.edges for book in BOOKS.books])
    below = special.ndtr((edges - drive[..., None]) / 0.5)
    expected = np.diff(below, axis=-1, prepend=0.0, append=1.0)
    found = chip.probabilities(X)
    assert np.abs(found - expected).max() < (1e-9 if not settings else 2**-12)
    codes = chip.sample(X, 20_000, 3).codes - BOOKS.c_min
    rows = codes.transpose(0, 2, 1).reshape(-1, codes.shape[1])
    counts = np.array([np.bincount(row, minlength=16) for row in rows])
    assert_frequencies(counts, found.reshape(-1, 16))
    with pytest.raises(AssertionError):
        assert_frequencies(counts, np.roll(found, 1, axis=1).reshape(-1, 16))


def test_equal_books_are_one_book() -> None:
    """The same probabilities as of one book for all; codes are other draws of them."""
    same = Quantizer.of_format(NeuronBooks((NF4,) * 5), 3.0)
    hardware = ss.load_hardware("digital-45nm", bits=4)
    one, other = (
        Chip(program_of(output=output), hardware)
        for output in (Quantizer.of_format("nf4", 3.0), same)
    )
    assert np.array_equal(one.probabilities(X), other.probabilities(X))
    assert one.program.output.step == other.program.output.step


@pytest.mark.parametrize("activation", ["identity", "relu", "tanh", "sigmoid", "step"])
@pytest.mark.parametrize("sigma", [0.0, 0.4])
def test_activations(activation: str, sigma: float) -> None:
    """Also where a drive lies on an edge; the other neurons' books differ, this one's is shared."""
    fp4 = code_book("fp4-e2m1")
    books = NeuronBooks((fp4, *(fp4.scaled(one) for one in (0.5, 0.7, 2.0, 3.0))))
    hardware = ss.load_hardware("digital-45nm", bits=4)
    x = np.random.default_rng(2).normal(0, 1, (400, 12))
    laws = []
    for output in (Quantizer.of_format(fp4, 0.25), Quantizer.of_format(books, 0.25)):
        program = program_of(sigma, output)
        layer = dataclasses.replace(
            program.readout, activation=activation, weight_scale=0.125, input=Quantizer(4, 0.5)
        )
        chip = Chip(dataclasses.replace(program, layers={"layer 1": layer}), hardware)
        laws.append(chip.probabilities(x))
    edges = 0.25 * np.array(fp4.edges)[~np.array(fp4.ties)]
    assert np.isin(chip.drive(x)[:, 0], edges).any()
    assert np.array_equal(laws[0][:, 0], laws[1][:, 0])
    assert not np.array_equal(laws[0], laws[1]) or activation == "step"


def test_a_stimulus_and_a_read_have_their_codes_whatever_else_is_asked() -> None:
    chip = chip_of(noise=Noise(weight_sigma=0.1, weight_noise="explicit"))
    codes = chip.sample(X, 7, 5).codes
    assert np.array_equal(chip.sample(X[2:4], 7, 5, first_stimulus=2).codes, codes[2:4])
    assert np.array_equal(chip.sample(X, 3, 5, first_read=4).codes, codes[:, 4:])


def test_states_of_a_circuit() -> None:
    """Two steps and a lateral product of values that differ from neuron to neuron."""
    books = NeuronBooks(tuple(NF4.scaled(one) for one in (1.0, 1.4, 1.7, 2.0, 2.5)))
    program = recurrent_program(4).with_output(Quantizer.of_format(books, 1.03))
    table = program.output.value_table
    assert program.wiring.table.shape == table.shape == (16, 5)
    chip = Chip(program, hardware_of(program), 0.0)
    codes = chip.sample(some_stimuli(), 2, 7).codes
    readout, lateral = program.layers.values()
    x = readout.input.exact_values(readout.input.codes(some_stimuli()))
    seen = x @ (readout.weight_scale * readout.weight_codes.T) + readout.bias
    state = program.output.codes(np.zeros((len(x), 5)))
    for _ in range(program.steps):
        values = np.take_along_axis(table, state.astype(int) - books.c_min, axis=0)
        drive = seen + values @ (lateral.weight_scale * lateral.weight_codes.T) + lateral.bias
        own = np.take_along_axis(program.wiring.table, state.astype(int) - books.c_min, axis=0)
        state = program.output.codes(drive + own)
    assert np.array_equal(codes[:, 0], state)
    even = recurrent_program(4)
    one = even.with_output(Quantizer.of_format(NeuronBooks((code_book("int4"),) * 5), 1.0))
    assert one.layers[LATERAL].input.is_per_neuron
    expected = reference_codes(
        "recurrent",
        even.with_output(Quantizer.of_format("int4", 1.0)),
        some_stimuli(),
        1,
        7,
        noise=0.0,
    )
    assert np.array_equal(
        Chip(one, hardware_of(even), 0.0).sample(some_stimuli(), 1, 7).codes, expected
    )


def test_a_value_close_to_zero_is_no_matter_of_products() -> None:
    """It is moved by less than a thousandth of the way to its neighbour; values that lie too far
    apart for fixed point are refused.
    """
    near = CodeBook((-1.0, 1e-7, 1.0, 3.3), name="near")
    books = NeuronBooks((near, near.scaled(0.1)))
    for found, unit in ((near.fixed_point, 3.3), (books.product_integers, 3.3)):
        assert found is not None
        assert found[0] == pytest.approx(unit / 2**20, rel=1e-12)
        assert np.abs(found[1]).min() == 0
    assert code_book("log2-7").fixed_point is None
    with pytest.raises(SettingError, match="too far apart"):
        _ = NeuronBooks((near, near.scaled(1e-6))).product_integers


def test_each_neuron_is_fitted_to_its_own_reads() -> None:
    random = np.random.default_rng(0)
    numbers = random.laplace(size=(4000, 3)) * [0.1, 1.0, 30.0] + [0.0, 5.0, 0.0]
    for name in ("lloyd-3", "fp4-e2m1"):
        found = fitted_quantizer(f"{name}-per-neuron", numbers)
        assert found.format_name == f"{name}-per-neuron"
        assert found.book.block_size == (None if name == "lloyd-3" else 1)
        for n, row in enumerate(numbers.T):
            alone = fitted_quantizer(name, row)
            assert found.value_table[:, n] == pytest.approx(alone.value_table[:, 0], rel=1e-12)
    shared = fitted_quantizer("lloyd-3", numbers.ravel())

    def error(quantizer: Quantizer) -> np.ndarray:
        off = quantizer.exact_values(quantizer.codes(numbers)) - numbers
        return np.mean(off**2, axis=0) / numbers.var(axis=0)

    each = fitted_quantizer("lloyd-3-per-neuron", numbers)
    assert error(each).max() < 0.1 < error(shared).max()
    assert format_bits("lloyd-3-per-neuron") == 3


@pytest.mark.parametrize("name", ["mxfp4", "nvfp4", "mxint8"])
def test_blocks_of_neurons_have_constant_scales_of_the_format(name: str, tmp_path) -> None:
    """Powers of two of least error, or E4M3 times one factor, one for each block of neurons."""
    random = np.random.default_rng(0)
    sizes = np.repeat([0.1, 3.0, 50.0], 32)[:80]
    numbers = random.laplace(size=(3000, 80)) * sizes
    found = fitted_quantizer(name, numbers)
    block = BLOCK_FORMATS[name]
    books = found.book.books
    scales = np.array([book.values[-1] / block.element.values[-1] for book in books])
    starts = np.arange(0, 80, block.block_size)
    assert np.array_equal(scales, np.repeat(scales[starts], block.block_size)[:80])
    assert are_on_format(scales[starts], block.scale)
    for first in starts:
        part = numbers[:, first : first + block.block_size].ravel()

        def error(scale: float, part: np.ndarray = part) -> float:
            rounded = scale * block.element.decode(block.element.encode(part / scale))
            return float(np.mean((rounded - part) ** 2))

        least = min(error(scales[first] * factor) for factor in (0.5, 2.0))
        assert error(scales[first]) < least
    assert found.format_name == name
    assert found.converter_bits == pytest.approx(block.element.converter_bits, rel=1e-12)
    assert found.table_bits == (8 * len(starts), 8 * len(starts))
    program, _ = random_program((12, 80), (4, 4, 4), sigma=0.5)
    program = program.with_output(found)
    program.save(tmp_path / "net")
    assert load_program(tmp_path / "net").output == found


def test_a_program_is_fitted_saved_and_read_again(tmp_path) -> None:
    program, _ = random_program((12, 5), (4, 4, 4), sigma=0.5)
    hardware = ss.load_hardware("digital-45nm", bits=4)
    found = with_output_format(program, hardware, "lloyd-4-per-neuron", X, key=0)
    assert found.output.book.neurons == 5
    found.save(tmp_path / "net")
    again = load_program(tmp_path / "net")
    assert again.output == found.output
    codes = [Chip(one, hardware).sample(X, 5, 1).codes for one in (found, again)]
    assert np.array_equal(*codes)
    assert "lloyd-4-per-neuron" in str(again)
    assert "uneven steps" in str(Chip(found, hardware).sample(X, 5, 1))


def test_edges_of_neurons_are_read_from_a_memory() -> None:
    """4 comparisons of 5 neurons, each with an edge of as many bits as the finest step needs."""
    wide = BOOKS.converter_bits
    assert wide == pytest.approx(NF4.converter_bits, rel=1e-12)
    bits = int(np.ceil(wide))
    counts = chip_of().sample(X[:1], 3, 0).bill.counts["layer 1"]
    one = Chip(program_of(output=Quantizer.of_format("nf4", 3.0)), chip_of().hardware)
    plain = one.sample(X[:1], 3, 0).bill.counts["layer 1"]
    more = {one: count for one, count in counts.items() if dict(plain.items()).get(one) != count}
    compared = Operation("code_memory", (5 * 15 * bits,))
    assert more == {compared: 3 * 5 * 4 * bits}


def test_a_bound_takes_the_values_of_each_neuron() -> None:
    model = ss.LinearGaussian(neurons=2, noise_sd=1.0)
    law = np.random.default_rng(0).dirichlet(np.ones(3), (4, 2))
    values = np.array([[-1.0, 0.0, 1.0], [-3.0, 1.0, 2.0]])
    x = np.random.default_rng(1).normal(size=(4, 2))
    found = elbo_of_codes(law, values, x, np.eye(2), model)
    alone = ss.LinearGaussian(neurons=1, noise_sd=1.0)
    parts = [
        elbo_of_codes(law[:, n : n + 1], values[n], x[:, n : n + 1], np.eye(1), alone)
        for n in range(2)
    ]
    assert found == pytest.approx(sum(parts), rel=1e-12)


@pytest.mark.parametrize(
    ("call", "rule"),
    [
        (lambda: NeuronBooks(()), "one at least"),
        (lambda: NeuronBooks((NF4, code_book("int3"))), "as many values each"),
        (lambda: NeuronBooks((NF4,), 0), "block_size"),
        (lambda: NeuronBooks((NF4, "nf4")), "should be CodeBooks"),
        (lambda: program_of(output=Quantizer.of_format(NeuronBooks((NF4,) * 4), 1.0)), "of 5"),
        (lambda: chip_of(noise=Noise(dither="stochastic")), "noise.dither"),
        (lambda: chip_of(memory=Memory(code_errors=0.1)) and program_of(), None),
        (lambda: fitted_quantizer("lloyd-3-per-neuron", np.zeros(4)), "number, neuron"),
        (lambda: fitted_quantizer("lloyd-9-per-neuron", np.zeros((4, 2))), "did you mean"),
        (lambda: code_book("int4-per-neuron"), "fitted to numbers"),
        (lambda: NeuronBooks.from_table({"books": [3]}), "tables of code books"),
        (lambda: BOOKS.encode([np.nan] * 5), "NaN"),
        (lambda: OUTPUT.z, "a value of code 0 for each neuron"),
        (lambda: BOOKS.encode(np.zeros((2, 3))), r"'numbers' .*should have shape \(…, 5\)"),
        (lambda: BOOKS.decode([0] * 3), r"'codes' .*should have shape \(…, 5\)"),
        (lambda: BOOKS.decode([99] * 5), "should be integers from -8 to 7"),
    ],
)
def test_what_is_refused(call: Any, rule: str | None) -> None:
    if rule is None:
        call()
        return
    with pytest.raises(SettingError, match=rule):
        call()


def test_inputs_of_a_chip_have_one_book() -> None:
    program, _ = random_program((5, 5), (4, 4, 4), sigma=0.5)
    layer = dataclasses.replace(program.readout, input=OUTPUT)
    changed = dataclasses.replace(program, layers={"layer 1": layer})
    with pytest.raises(SettingError, match="one book for all inputs"):
        Chip(changed, ss.load_hardware("digital-45nm", bits=4))


def test_books_of_other_patterns_take_no_errors() -> None:
    fp4 = NeuronBooks((code_book("fp4-e2m1"),) * 5)
    assert isinstance(fp4.books[0], CodeBook)
    program = program_of(output=Quantizer.of_format(fp4, 0.5))
    hardware = ss.load_hardware("digital-45nm", bits=4).replace(memory=Memory(code_errors=0.1))
    with pytest.raises(SettingError, match=r"memory\.code_errors"):
        Chip(program, hardware)


@pytest.mark.parametrize(
    ("stimuli", "message"),
    [
        (np.ones((1, 6)), "'x': should be more, or other, stimuli: what 'lloyd-4' is fitted to"),
        (np.full((3, 6), 1e200), "'x' = 1e\\+200: should be at most"),
        (np.ones((0, 6)), "'x' = .*: should have one stimulus at least"),
    ],
)
def test_stimuli_that_no_format_is_fitted_to_are_named(stimuli, message):
    program, _ = random_program((6, 3), (4, 4, 4), sigma=0.0)
    chip = ss.load_hardware("digital-45nm", bits=4)
    with pytest.raises(ss.SettingError, match=message):
        with_output_format(program, chip, "lloyd-4", stimuli, key=0)
