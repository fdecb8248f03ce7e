"""Integers, powers of two, companded values and NF4 by their definitions; names; Lloyd-Max."""

import itertools

import numpy as np
import pytest
from scipy import optimize, stats

from stochsim.formats import (
    CodeBook,
    best_scale,
    block_format,
    code_book,
    element_and_blocks,
    format_bits,
    lloyd_max,
)
from stochsim.program import DynamicQuantizer, Quantizer
from stochsim.settings import SettingError


@pytest.mark.parametrize("bits", range(1, 9))
@pytest.mark.parametrize("unsigned", [False, True])
def test_integers_are_the_quantiser_s(bits, unsigned):
    """Code for code, on and beside every edge. One unsigned bit has its edge where that has it."""
    quantiser = Quantizer(bits, 1.0, unsigned)
    book = code_book(f"{'u' * unsigned}int{bits}")
    edges = np.array(book.edges)
    points = np.concatenate([edges, np.nextafter(edges, -999), np.nextafter(edges, 999)])
    points = np.concatenate([points, np.linspace(-300, 300, 4001)])
    assert book.c_min == quantiser.c_min
    assert np.array_equal(book.encode(points), quantiser.codes(points))
    codes = book.encode(points)
    assert np.array_equal(book.decode(codes), quantiser.values(codes))


@pytest.mark.parametrize("bits", range(2, 8))
def test_powers_of_two_round_the_logarithm(bits):
    book = code_book(f"log2-{bits}")
    smallest = 2 - 2 ** (bits - 1)
    numbers = np.random.default_rng(0).normal(size=2000) * 2.0 ** np.random.default_rng(1).integers(
        smallest - 2, 3, 2000
    )
    exponents = np.rint(np.log2(abs(numbers)))
    expected = np.sign(numbers) * 2.0 ** exponents.clip(max=0)
    expected[exponents < smallest] = 0
    assert np.array_equal(book.decode(book.encode(numbers)), expected)


@pytest.mark.parametrize("bits", range(2, 8))
def test_companded_values_are_uniform_after_compression(bits):
    book = code_book(f"power-{bits}")
    n = 2 ** (bits - 1) - 1
    numbers = np.random.default_rng(0).uniform(-1.2, 1.2, 2000)
    steps = np.rint(n * np.sqrt(abs(numbers))).clip(max=n)
    expected = np.sign(numbers) * (steps / n) ** 2
    assert book.decode(book.encode(numbers)) == pytest.approx(expected, rel=1e-12, abs=1e-300)


def test_nf4_has_the_published_values():
    """QLoRA, appendix E, to their seven places."""
    published = [-1.0, -0.6961928, -0.5250731, -0.3949175, -0.2844414, -0.1847734, -0.0910500, 0.0]
    published += [0.0795803, 0.1609302, 0.2461123, 0.3379152, 0.4407098, 0.5626170, 0.7229568, 1.0]
    assert code_book("nf4").values == pytest.approx(published, rel=0, abs=1e-7)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("fp4-e2m2", "a sign, exponent and mantissa, 5 here; did you mean 'fp5-e2m2'"),
        ("fp8-e4m4", "a sign, exponent and mantissa, 9 here: 8 at most$"),
        ("fp9-e4m4", "'format' = 'fp9-e4m4': should be 8 at most with the sign"),
        ("fp4", "did you mean 'fp4-e2m1'"),
        ("lloyd-9", "did you mean 'lloyd-6'"),
        ("lloyd-4", "fitted to numbers: see `chip.fitted_quantizer`"),
        ("int4-per-neuron", "fitted to numbers: see `chip.fitted_quantizer`"),
        ("int9-per-neuron", "did you mean 'int8-per-neuron'"),
        ("lloyd-9-per-neuron", "did you mean 'lloyd-6-per-neuron'"),
        ("mxfp4", "names a block format.*see `block_format`"),
        ("mxfp5", "did you mean 'mxfp4'"),
        ("nvfp8", "did you mean 'nvfp4'"),
        ("mxfp4-per-neuron", "'mxfp4-per-neuron': has '-per-neuron'.*did you mean 'mxfp4'"),
        ("fp16", "has 16 bits, and formats have 8 at most; wider ones are of accumulators"),
        ("bf16", "has 16 bits, and formats have 8 at most; wider ones are of accumulators"),
        ("float32", "has 32 bits, and formats have 8 at most; wider ones are of accumulators"),
        ("fp4_e2m1", "did you mean 'fp4-e2m1'"),
        ("int9", "did you mean 'int8'"),
        ("int0", "did you mean"),
        ("log2-1", "did you mean"),
        ("nf8", "did you mean 'nf4'"),
        (4, "should be a name"),
    ],
)
def test_names_that_are_none_are_refused_with_the_nearest(name, message):
    with pytest.raises(SettingError, match=message):
        code_book(name)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("fp4-e2m1", "names a number format without blocks; valid: mxfp4, nvfp4$"),
        ("int8", "names a number format without blocks; valid: mxint8$"),
        ("fp6-e2m3", "names a number format without blocks; valid: mxfp6-e2m3$"),
        ("fp5-e2m2", "names a number format without blocks; valid: mxfp4, .*, nvfp4$"),
        ("lloyd-4", "names a number format without blocks; valid: mxfp4, .*, nvfp4$"),
        ("mxfp4-per-neuron", "did you mean 'mxfp4'"),
        ("mxfp5", "did you mean 'mxfp4'"),
        (None, "should be a name"),
    ],
)
def test_names_that_are_no_block_formats_are_refused_with_those_of_its_numbers(name, message):
    with pytest.raises(SettingError, match=message) as caught:
        block_format(name)
    assert caught.value.field == ("format",)
    if name is not None:
        with pytest.raises(SettingError, match=message):
            DynamicQuantizer.of_block_format(name)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("lloyd-9", "did you mean 'lloyd-6'"),
        ("mxfp4-per-neuron", "'mxfp4-per-neuron': has '-per-neuron'.*did you mean 'mxfp4'"),
        ("mxfp5", "did you mean 'mxfp4'"),
        ("fp4", "did you mean 'fp4-e2m1'"),
        ("fp16", "has 16 bits"),
    ],
)
def test_outputs_and_cards_say_the_same(name, message):
    for ask in (format_bits, element_and_blocks):
        with pytest.raises(SettingError, match=message):
            ask(name)


def test_other_floating_formats_have_names_too():
    assert code_book("fp5-e2m2").values[-1] == 7.0


def test_lloyd_max_of_a_normal_law_is_the_published_one():
    """Max 1960, table I: values and distortion of 4 levels, on the law's own quantiles."""
    law = stats.norm.ppf((np.arange(400_000) + 0.5) / 400_000)
    book = lloyd_max(law, 2)
    assert book.values[2:] == pytest.approx([0.4528, 1.510], rel=1e-3)
    error = law - book.decode(book.encode(law))
    assert np.mean(error**2) == pytest.approx(0.1175, rel=1e-3)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("bits", [1, 2])
def test_lloyd_max_is_the_best_of_all_cuts(bits, seed):
    """Every way to cut the sorted numbers into 2^b runs is tried."""
    numbers = np.sort(np.random.default_rng(seed).laplace(size=12)).round(1)

    def error(cuts):
        return sum(np.var(run) * run.size for run in np.split(numbers, cuts) if run.size)

    book = lloyd_max(numbers, bits)
    found = np.sum((numbers - book.decode(book.encode(numbers))) ** 2)
    least = min(map(error, itertools.combinations(range(1, 12), 2**bits - 1)))
    assert found == pytest.approx(least, rel=1e-9, abs=1e-12)


def test_lloyd_max_of_many_numbers_is_no_worse_than_a_general_minimiser():
    numbers = np.random.default_rng(3).laplace(size=5000)
    book = lloyd_max(numbers, 2)

    def error(values):
        return np.mean(np.min(abs(numbers[:, None] - np.sort(values)), axis=1) ** 2)

    found = optimize.minimize(error, book.values, method="Nelder-Mead")
    assert error(np.array(book.values)) <= found.fun * (1 + 1e-4)
    assert error(np.array(book.values) + 0.2) > found.fun * (1 + 1e-2)


def test_lloyd_max_of_few_different_numbers_has_all_of_them():
    assert lloyd_max([5.0] * 50 + [1.0, 2.0, 3.0], 2).values == (1.0, 2.0, 3.0, 5.0)
    with pytest.raises(SettingError, match="has 3 different numbers: 4 values need as many"):
        lloyd_max([1.0, 2.0, 2.0, 3.0], 2)


def test_a_fitted_book_is_named_after_its_bits():
    assert isinstance(lloyd_max([0.0, 1.0], 1), CodeBook)
    assert lloyd_max([0.0, 1.0], 1).name == "lloyd-1"


def test_weights_of_lloyd_max_weigh_squared_errors():
    """Values are weighted means of what is nearest; equal weights change nothing, others lessen
    the error that they weigh.
    """
    random = np.random.default_rng(4)
    numbers, weights = random.laplace(size=4000), random.uniform(0.1, 5, 4000)
    weights[numbers > 0] *= 20
    plain = lloyd_max(numbers, 3)
    equal = lloyd_max(numbers, 3, np.full(4000, 7.0))
    assert equal.values == pytest.approx(plain.values, rel=1e-9)
    found = lloyd_max(numbers, 3, weights)
    levels = found.encode(numbers) - found.c_min
    means = np.bincount(levels, weights * numbers) / np.bincount(levels, weights)
    assert np.allclose(found.values, means, rtol=0, atol=1e-7)

    def error(book):
        return float((weights * (book.decode(book.encode(numbers)) - numbers) ** 2).sum())

    assert error(found) < 0.8 * error(plain)
    for wrong in (weights[1:], -weights, 0 * weights):
        with pytest.raises(SettingError, match="weights"):
            lloyd_max(numbers, 3, wrong)


def test_best_scale_is_the_best_of_a_finer_scan():
    random = np.random.default_rng(5)
    numbers, weights = random.laplace(size=500), random.uniform(0.1, 5, 500)
    book = code_book("fp4-e2m1")

    def error(scale, by):
        return (by * (scale * book.decode(book.encode(numbers / scale)) - numbers) ** 2).mean()

    for by in (np.ones(500), weights):
        scale = best_scale(book, numbers, by)
        least = min(error(one, by) for one in np.geomspace(0.02, 3, 3000))
        assert error(scale, by) < 1.01 * least


@pytest.mark.parametrize(
    ("name", "nearest"), [("int0", "int1"), ("log2-1", "log2-2"), ("int44", "int4")]
)
def test_widths_that_a_family_lacks_lead_to_the_nearest(name, nearest):
    with pytest.raises(SettingError, match=f"should have [12] to 8 bits; did you mean '{nearest}'"):
        code_book(name)
