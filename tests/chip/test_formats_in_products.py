"""Layers whose weights and inputs are of number formats: drives by Python's exact rationals, files,
arrays, noise, rounding at random, refusals.
"""

import dataclasses
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from stattest import assert_frequencies

import stochsim as ss
from stochsim.chip import Chip
from stochsim.energy import Operation
from stochsim.formats import (
    BLOCK_FORMATS,
    CodeBook,
    block_format,
    code_book,
    lloyd_max,
    scales_on_format,
)
from stochsim.hardware import Array, Memory, Noise
from stochsim.program import Layer, Quantizer, load_program, single_layer

FORMATS = (
    *("int4", "fp4-e2m1", "fp6-e3m2", "fp6-e2m3", "fp8-e4m3", "fp8-e5m2"),
    *("log2-4", "nf4", "power-3", "int1", "int8"),
)
LAPLACE = np.random.default_rng(0).laplace(size=2000)


def book_of(name: str) -> CodeBook:
    return lloyd_max(LAPLACE, 3) if name == "lloyd-3" else code_book(name)


def layer_of(weights: str, inputs: str, size: int = 40, **more) -> Layer:
    """A random layer of 6 neurons; scales are powers of two times odd numbers, so that rationals
    stay short.
    """
    book, x_book = book_of(weights), book_of(inputs)
    rng = np.random.default_rng((len(weights), len(inputs), size))
    codes = rng.integers(book.c_min, book.c_min + book.levels, (6, size)).astype(np.int8)
    own = {
        "weight_codes": codes,
        "weight_bits": book.bits,
        "weight_scale": 0.375,
        "input": Quantizer.of_format(x_book, 0.75),
        "output": Quantizer(8, 1.0),
        "bias": np.zeros(6),
        "sigma": np.zeros(6),
        "weight_book": book,
    }
    return Layer(**own | more)


def inputs_of(layer: Layer, rows: int = 15) -> np.ndarray:
    """Stimuli that are values of the input's format, its extremes too."""
    book = layer.input.book
    rng = np.random.default_rng(4)
    codes = rng.integers(book.c_min, book.c_min + book.levels, (rows, layer.inputs))
    codes[0], codes[1] = book.c_min, book.c_min + book.levels - 1
    return layer.input.exact_values(codes)


def chip_for(layer: Layer, **settings) -> Chip:
    hardware = ss.load_hardware("digital-45nm").with_precision(*widths(layer))
    return Chip(single_layer(layer), hardware.replace(**settings))


def widths(layer: Layer) -> tuple[int, int, int]:
    return layer.weight_bits, layer.input.bits, layer.output.bits


def exact(rows: np.ndarray, others: np.ndarray) -> list[list[int]]:
    """rows @ others.T in Python's integers."""
    pairs = [[zip(row, other, strict=True) for other in others] for row in rows]
    return [[sum(int(a) * int(b) for a, b in pair) for pair in row] for row in pairs]


def oracle(layer: Layer, x: np.ndarray) -> np.ndarray:
    """Sums of products of the books' own values, as rationals, rounded to float64 once; values in
    fixed point are as products have them.
    """
    unit, table = layer.weight_book.fixed_point
    x_unit, x_table = layer.input.book.fixed_point
    w_ints = table[layer.weight_codes.astype(int) - layer.weight_book.c_min]
    x_codes = layer.input.codes(x).astype(int) - layer.input.c_min
    x_ints = x_table[x_codes]
    scale = Fraction(unit) * Fraction(x_unit)
    scale *= Fraction(layer.weight_scale) * Fraction(layer.input.scale)
    return np.array([[float(scale * one) for one in row] for row in exact(x_ints, w_ints)])


@pytest.mark.parametrize("inputs", [*FORMATS, "lloyd-3"])
@pytest.mark.parametrize("weights", [*FORMATS, "lloyd-3"])
def test_drives_are_exact(weights: str, inputs: str) -> None:
    """To two units in the last place, of which the scale has one; the largest terms cancel."""
    layer = layer_of(weights, inputs)
    x = inputs_of(layer)
    found, wanted = chip_for(layer).drive(x), oracle(layer, x)
    assert np.all(np.abs(found - wanted) <= 2 * np.spacing(np.abs(wanted)))
    codes = layer.output.codes(found)
    assert np.array_equal(chip_for(layer).sample(x, 1, 0).codes[:, 0], codes)
    integers = layer.input.integers(layer.input.codes(x))
    assert np.array_equal(layer.noiseless_codes(integers), codes)


@pytest.mark.parametrize("name", FORMATS)
def test_integers_are_the_values_in_one_unit(name: str) -> None:
    """To a thousandth at the worst, and exactly where the format has a unit of 32 bits."""
    book = code_book(name)
    quantizer = Quantizer.of_format(book, 0.5)
    codes = np.arange(book.c_min, book.c_min + book.levels)
    found = quantizer.unit * quantizer.integers(codes)
    if name in ("nf4", "power-3"):
        assert found == pytest.approx(0.5 * np.array(book.values), rel=1e-5)
    else:
        assert np.array_equal(found, 0.5 * np.array(book.values))
    assert np.abs(quantizer.integers(codes)).max() == quantizer.largest_integer
    assert -(2 ** (quantizer.integer_bits - 1)) <= quantizer.integers(codes).min()


@pytest.mark.parametrize(
    ("name", "dtype", "largest", "bits"),
    [
        ("fp4-e2m1", np.int8, 12, 5),
        ("fp6-e2m3", np.int8, 60, 7),
        ("int8", np.int8, 128, 8),
        ("fp6-e3m2", np.int16, 448, 10),
        ("fp8-e4m3", np.int32, 229_376, 19),
        ("fp8-e5m2", np.int64, 3_758_096_384, 33),
    ],
)
def test_formats_need_the_integers_that_are_known(name, dtype, largest, bits) -> None:
    quantizer = Quantizer.of_format(name, 1.0)
    found = quantizer.integers(np.array([quantizer.c_min]))
    assert found.dtype == (np.int16 if name == "int8" else dtype)
    assert quantizer.largest_integer == largest
    assert quantizer.integer_bits == bits


@pytest.mark.parametrize("name", ["log2-7", "log2-8"])
def test_values_that_lie_too_far_apart_are_refused(name: str) -> None:
    with pytest.raises(ss.SettingError, match=r"'input' = 'log2-.*lie too far apart"):
        layer_of("int4", name)
    with pytest.raises(ss.SettingError, match=r"'weight_book' = 'log2-"):
        layer_of(name, "int4")


@pytest.mark.parametrize("name", list(BLOCK_FORMATS))
def test_products_of_block_formats_are_exact_inside_blocks_and_rounded_once_between(name) -> None:
    """Block by block in the order of the inputs, float64: the scales of MX by powers of two."""
    given = block_format(name)
    rng = np.random.default_rng(7)
    size = 3 * given.block_size + 5
    scales = scales_on_format(2.0 ** rng.uniform(-60, 40, (6, 4)), given.scale, 2.0**40)
    if given.scale == "e8m0":
        assert np.array_equal(np.log2(scales), np.rint(np.log2(scales)))
    more = {"block_size": given.block_size, "block_scales": given.scale, "weight_scale": scales}
    base = layer_of("int8", "fp8-e4m3", size)
    codes = rng.integers(given.element.c_min, -given.element.c_min, (6, size)).astype(np.int8)
    own = {"weight_codes": codes, "weight_book": given.element, "weight_bits": given.element.bits}
    layer = dataclasses.replace(base, **own, **more)
    x = inputs_of(layer)
    found = chip_for(layer).drive(x)
    unit, table = given.element.fixed_point
    x_unit, x_table = layer.input.book.fixed_point
    integers = x_table[layer.input.codes(x).astype(int) - layer.input.c_min]
    w_ints = table[codes.astype(int) - given.element.c_min]
    top = scales.max(1)
    wanted = np.zeros((len(x), 6))
    for block, part in enumerate(layer.slices):
        sums = np.array(exact(integers[:, part], w_ints[:, part]), dtype=object).astype(float)
        wanted = wanted + (scales[:, block] / top) * sums
    wanted = wanted * (top * unit * (0.75 * x_unit))
    assert np.all(np.abs(found - wanted) <= 2 * np.spacing(np.abs(wanted)))
    assert layer.shape.stored_weight_bits == given.element.bits * 6 * size + 8 * 6 * 4


@pytest.mark.parametrize("weights", ["fp4-e2m1", "fp6-e2m3"])
def test_an_array_with_fine_adcs_has_the_drives_of_the_digital_chip(weights: str) -> None:
    """Cells and lines hold the integers of the values."""
    layer = layer_of(weights, "fp4-e2m1", 12)
    x = inputs_of(layer)
    ideal = ss.load_hardware("digital-45nm").with_price("dac", "dac-isaac-32nm")
    ideal = ideal.with_precision(*widths(layer)).replace(
        array=Array(rows=16, columns=64, cell_bits=1, cycle_bits=1)
    )
    ideal = ideal.with_({"array.adc.bits": 8})
    samples = Chip(single_layer(layer), ideal).sample(x, 1, 0)
    assert np.array_equal(samples.codes[:, 0], layer.output.codes(oracle(layer, x)))
    wide = layer_of("fp8-e4m3", "fp4-e2m1", 12)
    with pytest.raises(ss.SettingError, match=r"'weight_book' = 'fp8-e4m3'.*they have 19"):
        Chip(single_layer(wide), ideal.with_precision(*widths(wide)))


def test_noise_of_weights_is_in_mean_steps() -> None:
    """Var = (σ 12/14 scale)² Σ x² of E2M1: 3,000 reads give it to 6 sd."""
    layer = layer_of("fp4-e2m1", "fp4-e2m1", 12, output=Quantizer(8, 0.5))
    x = 0.25 * inputs_of(layer, 6)
    for kind in ("lumped", "explicit"):
        chip = chip_for(layer, noise=Noise(weight_sigma_lsb=1.5, weight_noise=kind))
        seen = layer.input.exact_values(layer.input.codes(x))
        variance = (1.5 * 0.375 * 12 / 14) ** 2 * np.square(seen).sum(1, keepdims=True) + 0.25 / 12
        inside = np.abs(chip_for(layer).drive(x)) + 5 * np.sqrt(variance) < 60
        assert inside.sum() > 5
        found = chip.sample(x, 3000, 1).values.astype(float).var(1) / variance
        assert found[inside] == pytest.approx(1.0, abs=6 * np.sqrt(2 / 3000))


def test_inputs_are_rounded_at_random_to_their_neighbours() -> None:
    """P(upper) = (x - a) / (b - a) of neighbours a < b: 20,000 reads of one input each."""
    book = code_book("fp4-e2m1")
    own = {"bias": np.zeros(1), "sigma": np.zeros(1)}
    grid = Quantizer.of_format(book, 1.0)
    one = Layer(np.array([[1]], np.int8), 2, 1.0, grid, Quantizer.of_format(book, 1.0), **own)
    chip = chip_for(one, noise=Noise(input_dither="stochastic"))
    x = np.array([[-7.0], [-5.0], [-0.1], [0.3], [0.5], [1.9], [3.9], [6.0]])
    codes = chip.sample(x, 20_000, 3).codes[:, :, 0].astype(int) + 7
    values = np.array(book.values)
    expected = np.zeros((len(x), 15))
    for row, value in enumerate(np.clip(x[:, 0], -6, 6)):
        above = int(np.searchsorted(values, value))
        if values[above] == value:
            expected[row, above] = 1
            continue
        part = (value - values[above - 1]) / (values[above] - values[above - 1])
        expected[row, above - 1 : above + 1] = 1 - part, part
    counts = np.array([np.bincount(row, minlength=15) for row in codes])
    assert_frequencies(counts, expected)
    assert np.array_equal(chip.sample(x[2:5], 100, 3, 2).codes, chip.sample(x, 100, 3).codes[2:5])


def test_hidden_layers_pass_codes_of_a_format_on() -> None:
    grid = Quantizer.of_format("fp4-e2m1", 0.5)
    rng = np.random.default_rng(0)
    layers = []
    for neurons, inputs in ((8, 12), (5, 8)):
        codes = rng.integers(-7, 8, (neurons, inputs)).astype(np.int8)
        own = {"bias": np.zeros(neurons), "sigma": np.zeros(neurons)}
        more = {"weight_book": code_book("fp4-e2m1")}
        layers.append(Layer(codes, 4, 0.125, grid, grid, **own, **more))
    program = ss.program.feed_forward({"one": layers[0], "two": layers[1]})
    x = rng.normal(size=(20, 12))
    hardware = ss.load_hardware("digital-45nm").with_precision(4, 4, 4)
    found = Chip(program, hardware).sample(x, 1, 0).codes[:, 0]
    table = np.array(code_book("fp4-e2m1").values)
    values = grid.exact_values(grid.codes(x))
    for layer in layers:
        drive = values @ (0.125 * table[layer.weight_codes + 7]).T
        codes = grid.codes(drive)
        values = grid.exact_values(codes)
    assert np.array_equal(found, codes)


def test_files_keep_formats_and_blocks(tmp_path) -> None:
    given = block_format("nvfp4")
    scales = scales_on_format(np.random.default_rng(1).uniform(0.1, 1, (6, 3)), "fp8-e4m3", 1.0)
    more = {"block_size": 16, "block_scales": given.scale, "weight_scale": scales}
    for layer in (layer_of("nf4", "fp8-e5m2"), layer_of("fp4-e2m1", "fp6-e3m2", **more)):
        single_layer(layer).save(tmp_path / "net")
        (again,) = load_program(tmp_path / "net").layers.values()
        assert again.weight_book == layer.weight_book
        assert (again.block_size, again.block_scales) == (layer.block_size, layer.block_scales)
        x = inputs_of(layer)
        assert np.array_equal(chip_for(again).drive(x), chip_for(layer).drive(x))


def test_the_bill_moves_stored_bits_and_multiplies_integers() -> None:
    """E2M1: 4 bits stored and moved, 5 bits multiplied."""
    layer = layer_of("fp4-e2m1", "fp4-e2m1", 12)
    counts = chip_for(layer).sample(inputs_of(layer)[:1], 1, 0).bill.counts["readout"]
    assert counts[Operation("multiply", (5, 5))] == 72
    (stored,) = (count for one, count in counts.items() if one.kind == "weight_memory")
    assert stored == 4 * 72
    (moved,) = (count for one, count in counts.items() if one.kind == "code_memory")
    assert moved == 4 * 12 + 8 * 6


def counts_of(weights: str, inputs: str) -> Any:
    layer = layer_of(weights, inputs, 12)
    return chip_for(layer).sample(inputs_of(layer)[:1], 1, 0).bill.counts["readout"]


def test_wide_formats_multiply_significands_and_add_exponents() -> None:
    """E4M3: integers up to 448 / 2^-9 = 7 · 2^15, 19 bits with their sign; 4 bits of significand,
    15 exponents. 12 products of 72 weights in all; sums of 19 + 19 + ⌈log2 12⌉ = 42 bits.
    """
    counts = counts_of("fp8-e4m3", "fp8-e4m3")
    assert counts[Operation("multiply", (4, 4))] == 72
    assert counts[Operation("add", (42,))] == 2 * 72  # shifted, and summed
    assert counts[Operation("add", (5,))] == 72
    counts = counts_of("fp8-e4m3", "int8")
    assert counts[Operation("multiply", (4, 8))] == 72
    assert counts[Operation("add", (19 + 8 + 4,))] == 2 * 72
    counts = counts_of("nf4", "fp4-e2m1")
    assert counts[Operation("multiply", (22, 5))] == 72
    assert counts[Operation("add", (22 + 5 + 4,))] == 72


@pytest.mark.parametrize("name", [*FORMATS, "fp7-e3m3", "fp8-e3m4", "log2-5", "power-6"])
def test_significands_and_exponents_give_every_value(name: str) -> None:
    book = code_book(name)
    if book.fixed_point is None:
        return
    significand, exponent = book.factor_bits
    integers = {abs(int(one)) for one in book.fixed_point[1]}
    if exponent == 0:
        assert max(integers) < 2**significand
        return
    made = {k << s for k in range(2**significand) for s in range(2**exponent)}
    assert integers <= made
    fewer = {k << s for k in range(2 ** (significand - 1)) for s in range(2 ** (exponent + 3))}
    assert not integers <= fewer


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"weight_bits": 5}, "'weight_bits' = 5: should be 4, as the book 'fp4-e2m1' has"),
        ({"weight_codes": np.full((6, 40), 8)}, "should be from -7 to 7"),
        ({"zero_points": np.ones(6, int)}, "'zero_points'.*None beside a 'weight_book'"),
        ({"weight_book": 3}, "'weight_book' = 3: should be a CodeBook"),
        ({"block_scales": "e8m1"}, "did you mean 'e8m0'"),
    ],
)
def test_what_no_layer_has_is_refused(change, rule: str) -> None:
    with pytest.raises(ss.SettingError, match=rule):
        dataclasses.replace(layer_of("fp4-e2m1", "fp4-e2m1"), **change)


def test_what_has_no_law_is_refused() -> None:
    layer = layer_of("fp4-e2m1", "fp4-e2m1")
    for memory in (Memory(weight_errors=0.01), Memory(weight_read_errors=0.01)):
        with pytest.raises(ss.SettingError, match=r"memory\.weight.*'fp4-e2m1'"):
            chip_for(layer, memory=memory)
    huge = layer_of("fp8-e5m2", "fp8-e5m2")
    with pytest.raises(ss.SettingError, match=r"accumulator_bits.*beyond 53 bits"):
        chip_for(huge, accumulator_bits=40)


def test_narrow_accumulators_count_the_integers_of_values() -> None:
    layer = layer_of("fp4-e2m1", "fp4-e2m1")
    chip = chip_for(layer, accumulator_bits=8, accumulator_overflow="saturate")
    x = inputs_of(layer)
    table = code_book("fp4-e2m1").as_integers()[1]
    integers = table[layer.input.codes(x).astype(int) + 7]
    weights = table[layer.weight_codes.astype(int) + 7]
    sums = np.zeros((len(x), 6), int)
    for i in range(40):
        sums = np.clip(sums + integers[:, i : i + 1] * weights[:, i], -128, 127)
    assert np.array_equal(chip.drive(x), sums * (0.375 * 0.5 * (0.75 * 0.5)))


@pytest.mark.parametrize(
    ("name", "scales"),
    [("e8m0", [[3.0, 1.0, 1.0]]), ("fp8-e4m3", [[1.03, 1.001, 1.0]])],
)
def test_scales_off_their_format_are_refused(name: str, scales) -> None:
    own = {"block_size": 16, "weight_scale": np.repeat(scales, 6, 0)}
    layer_of("fp4-e2m1", "fp4-e2m1", **own)
    with pytest.raises(ss.SettingError, match=rf"'weight_scale'.*format '{name}'"):
        layer_of("fp4-e2m1", "fp4-e2m1", **own, block_scales=name)
    with pytest.raises(ss.SettingError, match=r"'block_scales'.*without a 'block_size'"):
        layer_of("fp4-e2m1", "fp4-e2m1", block_scales=name)


@pytest.mark.parametrize("factor", [1.0, 1e-9, 37.3])
def test_scales_in_e4m3_are_taken_with_any_factor_and_in_float32(factor: float) -> None:
    rng = np.random.default_rng(3)
    values = np.array([one for one in code_book("fp8-e4m3").values if one > 0])
    scales = (factor * rng.choice(values, (6, 3))).astype(np.float32).astype(float)
    layer_of("fp4-e2m1", "int4", block_size=16, weight_scale=scales, block_scales="fp8-e4m3")
