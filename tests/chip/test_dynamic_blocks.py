"""Inputs in blocks whose scales follow from their values: exact products, the joint law behind a
noisy layer, noise, rounding at random, files, the bill, refusals.
"""

import dataclasses
import itertools
import json
from fractions import Fraction

import numba
import numpy as np
import pytest
from scipy.stats import norm
from stattest import assert_frequencies, power

import stochsim as ss
from stochsim.chip import Chip, bill_of_inputs
from stochsim.energy import Operation
from stochsim.formats import E4M3, CodeBook, code_book
from stochsim.hardware import Array, Noise
from stochsim.program import (
    DynamicQuantizer,
    Layer,
    Quantizer,
    feed_forward,
    load_program,
    recurrent,
    single_layer,
    with_log_sigma,
)

FP4 = code_book("fp4-e2m1")
INT3 = code_book("int3")
VALUES = np.array(FP4.values)


def layer_of(neurons: int, inputs: int, name: str = "mxfp4", seed: int = 0, **more) -> Layer:
    """Random weights of E2M1 without blocks, in steps of a power of two."""
    codes = np.random.default_rng(seed).integers(-7, 8, (neurons, inputs)).astype(np.int8)
    own = {
        "weight_codes": codes,
        "weight_bits": 4,
        "weight_scale": 0.25,
        "weight_book": FP4,
        "input": DynamicQuantizer.of_block_format(name),
        "output": Quantizer(8, 0.5),
        "bias": np.zeros(neurons),
        "sigma": np.zeros(neurons),
    }
    return Layer(**own | more)


def chip_for(layer: Layer, **parts) -> Chip:
    return Chip(single_layer(layer), hardware_for(**parts))


def hardware_for(output_bits: int = 8, **parts) -> ss.Hardware:
    return ss.load_hardware("digital-45nm").with_precision(4, 4, output_bits).replace(**parts)


def stimuli(rows: int, inputs: int, seed: int = 1) -> np.ndarray:
    """Values whose exponents differ from block to block."""
    rng = np.random.default_rng(seed)
    return rng.laplace(size=(rows, inputs)) * 2.0 ** rng.integers(-4, 5, (rows, inputs))


def exact_drives(layer: Layer, x: np.ndarray) -> np.ndarray:
    """Sums of rationals: values in their blocks times weights times the scales of these."""
    rounded = layer.input.rounded(x)
    scales = layer.of_inputs(np.atleast_1d(layer.weight_scale))
    scales = np.broadcast_to(scales, (layer.neurons, layer.inputs))
    weights = VALUES[layer.weight_codes.astype(int) + 7]
    found = np.zeros((len(x), layer.neurons))
    for s, n in np.ndindex(found.shape):
        terms = zip(rounded[s], weights[n], scales[n], strict=True)
        found[s, n] = float(sum(Fraction(a) * Fraction(b) * Fraction(c) for a, b, c in terms))
    return found


def weight_blocks(name: str, neurons: int, inputs: int) -> dict:
    """Scales of blocks whose largest is a power of two, so that factors are exact."""
    size, scale = (32, "e8m0") if name == "mxfp4" else (16, E4M3)
    rng = np.random.default_rng(5)
    shape = (neurons, -(-inputs // size))
    e4m3 = np.array([one for one in code_book(E4M3).values if 1 <= one <= 256])
    found = 2.0 ** rng.integers(-5, 1, shape) if name == "mxfp4" else rng.choice(e4m3, shape)
    found[:, 0] = 1.0 if name == "mxfp4" else 256.0
    return {"block_size": size, "block_scales": scale, "weight_scale": found}


@pytest.mark.parametrize("has_blocks", [True, False], ids=["blocks", "one scale"])
@pytest.mark.parametrize("name", ["mxfp4", "nvfp4"])
def test_products_are_those_of_rationals_bit_for_bit(name: str, has_blocks: bool) -> None:
    """Sums of 75 inputs need less than 53 bits here, so no addition rounds."""
    more = weight_blocks(name, 6, 75) if has_blocks else {}
    layer, x = layer_of(6, 75, name, **more), stimuli(8, 75)
    chip, wanted = chip_for(layer), exact_drives(layer, x)
    assert np.array_equal(chip.drive(x), wanted)
    codes = layer.output.codes(wanted)
    assert np.array_equal(chip.sample(x, 1, 0).codes[:, 0], codes)
    assert np.array_equal(layer.noiseless_codes(layer.input.numbers(x)), codes)


def test_wide_numbers_and_integer_weights_with_zero_points() -> None:
    """E4M3 in blocks of 32 against integers of 4 bits that count from another one."""
    zeros = np.array([3, -2, 0, 3], np.int16)
    more = {"weight_book": None, "zero_points": zeros, "weight_scale": np.array([0.5, 1, 2, 0.25])}
    layer = layer_of(4, 75, "mxfp8-e4m3", **more)
    x = stimuli(7, 75)
    weights = (layer.weight_codes - zeros[:, None]) * layer.weight_scale[:, None]
    wanted = layer.input.rounded(x) @ weights.T
    found = Chip(single_layer(layer), hardware_for()).drive(x)
    assert found == pytest.approx(wanted, rel=1e-12)
    assert layer.shape.zero_points == 3 * 2


@pytest.mark.parametrize("dither", ["none", "stochastic"])
def test_codes_do_not_depend_on_batch_and_threads(dither: str) -> None:
    layer = layer_of(9, 75, "nvfp4", sigma=np.full(9, 2.0), **weight_blocks("nvfp4", 9, 75))
    chip = chip_for(layer, noise=Noise(input_dither=dither, weight_sigma=0.1))
    x = stimuli(11, 75)
    before = numba.get_num_threads()
    try:
        codes = []
        for threads in (1, before):
            numba.set_num_threads(threads)
            codes.append(chip.sample(x, 20, 3).codes)
    finally:
        numba.set_num_threads(before)
    assert np.array_equal(*codes)
    parts = [chip.sample(x[s : s + 1], 20, 3, s).codes for s in range(len(x))]
    assert np.array_equal(np.concatenate(parts), codes[0])


def two_layers() -> tuple[Layer, Layer]:
    """Four neurons of 2 bits, and two of 2 bits behind them that read blocks of three and one, of
    evenly spaced numbers, whose rounding depends on the scale.
    """
    grid = Quantizer(2, 0.75)
    first = layer_of(4, 3, input=Quantizer(4, 0.25), output=grid, sigma=np.full(4, 0.8), seed=2)
    blocks = DynamicQuantizer(3, 1.0, book=INT3, block_size=3)
    more = {"input": blocks, "output": Quantizer(2, 1.0), "weight_scale": 0.3}
    return first, layer_of(2, 4, sigma=np.full(2, 0.6), seed=7, **more)


def law_of(drive: np.ndarray, sigma: float, scale: float) -> np.ndarray:
    """P(code) of 2-bit neurons with Gaussian noise, (…, 4)."""
    below = norm.cdf((scale * np.array([-1.5, -0.5, 0.5]) - drive[..., None]) / sigma)
    return np.diff(below, axis=-1, prepend=0.0, append=1.0)


def joint_law(x: np.ndarray, rounded) -> np.ndarray:
    """P(codes of both neurons), (stimulus, 16), summed over all 256 codes of the first layer;
    rounded: what the second layer has in place of the values of these.
    """
    first, last = two_layers()
    of_first = law_of(exact_static(first, x), 0.8, 0.75)
    found = np.zeros((len(x), 16))
    weights = 0.3 * VALUES[last.weight_codes.astype(int) + 7]
    for codes in itertools.product(range(4), repeat=4):
        chance = np.prod(of_first[:, np.arange(4), codes], axis=1)
        values = 0.75 * (np.array(codes) - 2.0)
        one, other = law_of(rounded(values) @ weights.T, 0.6, 1.0)
        found += chance[:, None] * np.outer(one, other).ravel()
    return found


def exact_static(layer: Layer, x: np.ndarray) -> np.ndarray:
    values = layer.input.exact_values(layer.input.codes(x))
    return values @ (0.25 * VALUES[layer.weight_codes.astype(int) + 7]).T


def in_blocks_of_three(values: np.ndarray) -> np.ndarray:
    """By the rule, written out: the scale of three values 2^(floor(log2 max) - 1), then of one."""
    found = np.zeros(4)
    for part in (slice(0, 3), slice(3, 4)):
        largest = np.abs(values[part]).max()
        if largest == 0:
            continue
        scale = 2.0 ** (np.floor(np.log2(largest)) - 1)
        found[part] = scale * np.clip(np.rint(values[part] / scale), -4, 3)
    return found


def test_codes_behind_noise_have_the_joint_law_of_all_codes_before() -> None:
    """40,000 reads of three stimuli against a sum over the 256 codes of the first layer, 48 cells
    of both codes: fails right code at most once in a million runs. Negative controls: the laws of
    a constant scale and of one block of four, which 999 of 1,000 runs at least tell from it.
    """
    x = np.array([[0.5, -0.25, 1.0], [1.5, 0.75, -1.0], [0.0, 0.0, 0.25]])
    program = feed_forward(dict(zip(("one", "two"), two_layers(), strict=True)))
    chip = Chip(program, hardware_for(2))
    codes = chip.sample(x, 40_000, 11).codes.astype(int) + 2
    counts = np.array([np.bincount(4 * a + b, minlength=16) for a, b in codes.transpose(0, 2, 1)])
    right = joint_law(x, in_blocks_of_three)
    assert_frequencies(counts, right)
    whole = DynamicQuantizer(3, 1.0, book=INT3, block_size=4)
    static = Quantizer.of_format(INT3, 0.5)
    for wrong in (
        joint_law(x, whole.rounded),
        joint_law(x, lambda values: static.exact_values(static.codes(values))),
    ):
        assert power(right, wrong, 40_000) > 0.999
        with pytest.raises(AssertionError):
            assert_frequencies(counts, wrong)
    product = right.reshape(3, 4, 4)  # codes are not independent
    marginals = product.sum(2)[:, :, None] * product.sum(1)[:, None]
    assert np.abs(product - marginals).max() > 0.01


def test_a_head_and_a_readout_may_read_blocks_of_their_own() -> None:
    """Without noise: the head's exponents and the readout's drives by NumPy."""
    hidden = layer_of(5, 3, input=Quantizer(4, 0.25), output=Quantizer(4, 0.5))
    grid = DynamicQuantizer(4, 1.0, book=FP4, block_size=2)
    head = layer_of(2, 5, input=grid, output=Quantizer(4, 0.25), seed=3)
    readout = layer_of(2, 5, input=hidden.output, output=Quantizer(4, 0.5), seed=4)
    chip = Chip(with_log_sigma((hidden,), head, readout, np.zeros(2)), hardware_for(4))
    x = stimuli(6, 3)
    codes = hidden.noiseless_codes(hidden.input.numbers(x))
    values = hidden.output.exact_values(codes)
    exponents = head.output.exact_values(head.noiseless_codes(grid.numbers(values)))
    assert chip.sigmas(x)[0] == pytest.approx(np.exp(exponents), rel=1e-12)
    drives = values @ (0.25 * VALUES[readout.weight_codes.astype(int) + 7]).T
    assert chip.drive(x) == pytest.approx(drives, rel=1e-12)


@pytest.mark.parametrize("kind", ["lumped", "explicit"])
@pytest.mark.parametrize("has_blocks", [True, False], ids=["blocks", "one scale"])
def test_noise_of_weights_meets_the_values_of_blocks(kind: str, has_blocks: bool) -> None:
    """Var = σ² Σ x² + Δ²/12: 3,000 reads give it to 6 sd."""
    more = weight_blocks("mxfp4", 5, 75) if has_blocks else {}
    layer, x = layer_of(5, 75, **more), 0.01 * stimuli(6, 75)
    noise = Noise(weight_sigma=3.0, weight_noise=kind)
    variance = 9 * np.square(layer.input.rounded(x)).sum(1, keepdims=True) + 0.25 / 12
    found = chip_for(layer, noise=noise).sample(x, 3000, 1).values.astype(float).var(1)
    inside = np.abs(chip_for(layer).drive(x)) + 5 * np.sqrt(variance) < 60
    assert inside.sum() > 5
    assert (found / variance)[inside] == pytest.approx(1.0, abs=6 * np.sqrt(2 / 3000))


def test_rounding_at_random_is_on_the_grid_of_the_block() -> None:
    """Blocks [6, v, w] have scale 1, and [0.75, v / 8, w / 8] an eighth of it: 20,000 reads."""
    grid = DynamicQuantizer.of_block_format("mxfp4")
    output = Quantizer.of_format(FP4, 1.0)
    eye = np.eye(3, dtype=np.int8)
    more = {"weight_book": None, "weight_bits": 2, "weight_codes": eye, "weight_scale": 1.0}
    one = layer_of(3, 3, input=grid, output=output, **more)
    x = np.array([[6.0, 0.3, -2.25], [6.0, 4.5, 3.1], [7.5, 6.5, -1.0]])
    expected = np.zeros((9, 15))
    for cell, value in enumerate(np.clip(x.ravel(), -6, 6)):
        above = int(np.searchsorted(VALUES, value))
        low, high = VALUES[max(above - 1, 0)], VALUES[above]
        up = (value - low) / (high - low)
        expected[cell, above - 1 : above + 1] = 1 - up, up
    noise = Noise(input_dither="stochastic")
    for shrunk, layer in ((1.0, one), (0.125, dataclasses.replace(one, weight_scale=8.0))):
        hardware = hardware_for(noise=noise).with_precision(2, 4, 4)
        codes = Chip(single_layer(layer), hardware).sample(shrunk * x, 20_000, 3).codes.astype(int)
        counts = [
            np.bincount(own, minlength=15) for own in (codes + 7).transpose(0, 2, 1).reshape(9, -1)
        ]
        assert_frequencies(np.array(counts), expected)


def test_files_keep_dynamic_blocks(tmp_path) -> None:
    scale = float(np.float32(0.0123))
    grids = (
        DynamicQuantizer.of_block_format("nvfp4", scale),
        DynamicQuantizer.of_block_format("mxint8"),
        DynamicQuantizer(4, 1.0, book=FP4, block_size=7),
    )
    x = stimuli(5, 75)
    for grid in grids:
        layer = layer_of(6, 75, input=grid)
        single_layer(layer).save(tmp_path / "net")
        again = load_program(tmp_path / "net").readout
        assert again.input == grid
        assert np.array_equal(
            again.noiseless_codes(grid.numbers(x)), layer.noiseless_codes(grid.numbers(x))
        )
    assert "nvfp4" in str(single_layer(layer_of(6, 75, "nvfp4")))


@pytest.mark.parametrize(
    ("side", "change", "rule"),
    [
        ("input", {"block_size": 0}, "block_size"),
        ("input", {"block_size": "32"}, "block_size"),
        ("input", {"block_scales": "e9m0"}, "block_scales"),
        ("input", {"block_scales": None}, "block_scales"),
        ("input", {"scale": 0.5}, "scale"),
        ("input", {"book": None}, "book"),
        ("output", {"block_size": 8, "block_scales": "e8m0"}, "output"),
    ],
)
def test_files_of_other_blocks_are_refused(side, change, rule: str, tmp_path) -> None:
    program = single_layer(layer_of(6, 75, output=Quantizer.of_format(FP4, 1.0)))
    program.save(tmp_path / "net")
    path = tmp_path / "net" / "program.json"
    stored = json.loads(path.read_text())
    table = stored["content"]["layers"][0]
    table[side] |= change
    path.write_text(json.dumps(stored))
    with pytest.raises(ss.StochsimError, match=rule):
        load_program(tmp_path / "net")


def counts_of(layer: Layer) -> dict:
    x = stimuli(1, layer.inputs)
    sampled = chip_for(layer).sample(x, 1, 0).bill.counts["readout"]
    given = bill_of_inputs(
        single_layer(layer), hardware_for(), {"readout": layer.input.numbers(x)}, 1, 0.0
    )
    assert (
        given.counts["readout"][Operation("multiply", (5, 5))]
        == sampled[Operation("multiply", (5, 5))]
    )
    return sampled


def test_the_bill_has_what_finds_and_uses_the_scales() -> None:
    """6 neurons on 75 inputs. MX: 3 blocks, so 72 comparisons at 32 bits, 3 exponents at 8, 18
    additions to exponents for inputs and as many for weights, 18 sums. NVFP4: 5 blocks, 70
    comparisons, 5 products of significands, 30 multiplications for each side.
    """
    static = layer_of(6, 75, input=Quantizer.of_format(FP4, 1.0))
    before = chip_for(static).sample(stimuli(1, 75), 1, 0).bill.counts["readout"]
    mx = counts_of(layer_of(6, 75))
    assert mx[Operation("add", (32,))] == 72
    assert mx[Operation("add", (8,))] == 3 + 18
    width = 5 + 5 + 5  # of sums of 32
    assert mx[Operation("add", (width + 8,))] == 18
    both = counts_of(layer_of(6, 75, **weight_blocks("mxfp4", 6, 75)))
    assert both[Operation("add", (8,))] == 3 + 18 + 18
    assert both[Operation("add", (width + 16,))] == 18
    nv = counts_of(layer_of(6, 75, "nvfp4", **weight_blocks("nvfp4", 6, 75)))
    width = 5 + 5 + 4
    assert nv[Operation("add", (32,))] == 70
    assert nv[Operation("multiply", (24, 24))] == 5
    assert nv[Operation("multiply", (width, 8))] == 30
    assert nv[Operation("multiply", (width + 8, 8))] == 30
    memories = [
        sum(count for one, count in counts.items() if one.kind == "code_memory")
        for counts in (before, mx, nv)
    ]
    assert memories[1] - memories[0] == 3 * 2 * 8
    assert memories[2] - memories[0] == 5 * 2 * 8


def test_numbers_without_a_scale_are_refused() -> None:
    grid = DynamicQuantizer.of_block_format("mxfp4")
    for bad in (np.nan, np.inf):
        with pytest.raises(ss.SettingError, match=r"'values'.*NaN or Inf"):
            grid.numbers(np.array([1.0, bad]))
        with pytest.raises(ss.SettingError):
            chip_for(layer_of(2, 3)).sample(np.array([[1.0, bad, 0.0]]), 1, 0)
    for refused in (grid.codes, grid.values, grid.exact_values, grid.integers):
        with pytest.raises(ss.SettingError, match=r"'mxfp4'.*`numbers`"):
            refused(np.array([1]))


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"block_size": 0}, "'block_size' = 0"),
        ({"block_scales": "fp16"}, "'block_scales' = 'fp16'.*e8m0"),
        ({"block_scales": "e4m3"}, "did you mean 'fp8-e4m3'"),
        ({"scale": 2.0}, "'scale' = 2.*should be 1 beside"),
        ({"book": None}, "'book'.*CodeBook"),
        ({"book": CodeBook((-2.0, -1.0)), "bits": 1}, "'book'.*numbers above 0"),
        ({"bits": 5}, "should be 4"),
    ],
)
def test_what_no_dynamic_quantiser_has_is_refused(change, rule: str) -> None:
    own = {"bits": 4, "scale": 1.0, "book": FP4}
    with pytest.raises(ss.SettingError, match=rule):
        DynamicQuantizer(**own | change)
    with pytest.raises(ss.SettingError, match="did you mean 'mxfp4'"):
        DynamicQuantizer.of_block_format("mxfp5")


def test_layers_that_cannot_have_dynamic_blocks_are_refused() -> None:
    blocks = weight_blocks("mxfp4", 6, 75)
    with pytest.raises(ss.SettingError, match=r"'input' = 'nvfp4'.*blocks of 32.*of 16"):
        layer_of(6, 75, "nvfp4", **blocks)
    grid = DynamicQuantizer.of_block_format("mxfp4")
    with pytest.raises(ss.SettingError, match=r"'output' = 'mxfp4'.*closed form.*of_format"):
        layer_of(6, 75, output=grid)
    array = Array(rows=64, columns=64, cell_bits=2, cycle_bits=1)
    chip = ss.load_hardware("digital-45nm").with_price("dac", "dac-isaac-32nm")
    chip = chip.with_precision(4, 4, 8).replace(array=array).with_({"array.adc.bits": 8})
    with pytest.raises(ss.SettingError, match=r"'input' = 'mxfp4'.*array.*'fp4-e2m1'"):
        Chip(single_layer(layer_of(6, 75)), chip)
    state = Quantizer(4, 0.5)
    lateral = layer_of(4, 4, input=state, output=state)
    with pytest.raises(ss.SettingError, match=r"'readout.input' = 'mxfp4'.*constant scale"):
        recurrent(layer_of(4, 3, output=state), lateral, np.zeros((16, 4)), 3, 0.5)


def test_rounding_at_random_inside_layers_of_a_chain_is_refused() -> None:
    program = feed_forward(dict(zip(("one", "two"), two_layers(), strict=True)))
    noisy = hardware_for(2, noise=Noise(input_dither="stochastic"))
    with pytest.raises(
        ss.SettingError, match=r"noise\.input_dither' = 'stochastic'.*'two'.*blocks"
    ):
        Chip(program, noisy)
