"""Floating-point accumulators of a chip: drives of every architecture against fractions, formats
and blocks, rounding at random, the bill, refusals.
"""

import dataclasses
from fractions import Fraction

import numpy as np
import pytest
from circuittest import PROGRAMS, hardware_of, some_stimuli
from floatsums import accumulator_of, chip_of, layer_of
from stochsim_kernels.product.float_sums import Accumulator
from stochsim_kernels.reference import float_sums as reference

import stochsim as ss
from stochsim.chip import Chip
from stochsim.chip.float_adder import FloatAdder
from stochsim.chip.rng_address import Place
from stochsim.energy import Operation
from stochsim.formats import code_book
from stochsim.hardware import Array, FloatAccumulation, InputRounding, Memory, Noise
from stochsim.program import (
    LATERAL,
    READOUT,
    DynamicQuantizer,
    Layer,
    Quantizer,
)
from stochsim.settings import SettingError


def stimuli_of(layer: Layer, rows: int = 6) -> np.ndarray:
    rng = np.random.default_rng(1)
    return np.array(layer.input.book.values)[
        rng.integers(0, layer.input.book.levels, (rows, layer.inputs))
    ] * (layer.input.scale)


def step_by_step(layer: Layer, x: np.ndarray, chosen: Accumulator, group: int = 1) -> np.ndarray:
    """Drives in fractions: groups of products, the scale, the bias, each rounded."""
    weights = [
        [Fraction(layer.weight_book.values[code - layer.weight_book.c_min]) for code in row]
        for row in layer.weight_codes.astype(int)
    ]
    scale = layer.weight_scale * layer.input.scale
    out = np.empty((len(x), layer.neurons))
    for s, n in np.ndindex(out.shape):
        inputs = [Fraction(one) / Fraction(layer.input.scale) for one in x[s]]
        total = Fraction(0)
        for first in range(0, layer.inputs, group):
            some = slice(first, first + group)
            products = zip(inputs[some], weights[n][some], strict=True)
            total = reference.rounded(total + sum(a * b for a, b in products), chosen)
        drive = reference.rounded(total * Fraction(scale), chosen)
        out[s, n] = float(reference.rounded(drive + Fraction(layer.bias[n]), chosen))
    return out


@pytest.mark.parametrize("format_", ["fp32", "bf16", "fp16", "fp10-e5m4", "fp26-e2m23"])
@pytest.mark.parametrize("group", [None, 5])
@pytest.mark.parametrize(
    ("weights", "inputs"),
    [("int4", "int4"), ("fp4-e2m1", "fp8-e4m3"), ("fp8-e5m2", "fp8-e5m2"), ("int1", "int1")],
)
def test_drives_are_those_of_fractions(weights, inputs, group, format_):
    """An accumulator holds the numbers of the formats, whatever integers products are made of."""
    layer = layer_of(weights, inputs)
    x = stimuli_of(layer)
    wanted = step_by_step(layer, x, accumulator_of(format_), group or 1)
    chip = chip_of(layer, accumulator_format=format_, accumulator_group=group)
    assert np.array_equal(chip.drive(x), wanted)
    codes = layer.output.codes(wanted)
    assert np.array_equal(chip.sample(x, 3, 0).codes, np.repeat(codes[:, None], 3, 1))


def test_a_group_that_cancels_keeps_what_is_small():
    """57,344² + 2^-32 - 57,344² of E5M2, added exactly; one at a time the small one is lost."""
    book = code_book("fp8-e5m2")
    values = [57344.0, 2.0**-16, 57344.0]
    codes = np.array([book.encode(np.array([values[0], values[1], -values[2]]))], np.int8)
    layer = layer_of(
        "fp8-e5m2",
        "fp8-e5m2",
        weight_codes=codes,
        weight_scale=1.0,
        input=Quantizer.of_format("fp8-e5m2", 1.0),
        bias=np.zeros(1),
        sigma=np.zeros(1),
    )
    x = np.array([values])
    together = chip_of(layer, accumulator_format="fp32", accumulator_group=3).drive(x)
    assert together == [[2.0**-32]]
    assert chip_of(layer, accumulator_format="fp32").drive(x) == [[0.0]]


def test_random_integers_are_apart_by_step_and_addition():
    adder = FloatAdder(FloatAccumulation.named("bf16", "stochastic-8"), 0)
    places = [(Place(1, 0, 0, step), what) for step in (0, 1, 2) for what in range(5)]
    drawn = [adder.integers((2, 3, 4), place, what) for place, what in places]
    assert len({one.tobytes() for one in drawn}) == len(places)


def test_towards_zero_loses_size():
    layer = layer_of(bias=np.zeros(5))
    x = np.abs(stimuli_of(layer)).clip(0, 5.25)
    layer = dataclasses.replace(layer, weight_codes=np.abs(layer.weight_codes).clip(0, 7))
    chosen = accumulator_of("fp7-e4m2", "to-zero")
    chip = chip_of(layer, accumulator_format="fp7-e4m2", accumulator_rounding="to-zero")
    assert np.array_equal(chip.drive(x), step_by_step(layer, x, chosen))
    nearest = chip_of(layer, accumulator_format="fp7-e4m2").drive(x)
    assert chip.drive(x).sum() < nearest.sum()


def test_a_wide_format_gives_the_codes_of_integers():
    """fp32 has every sum of these, and scales that are powers of two; the same noise is drawn."""
    layer = layer_of(weight_scale=0.25, sigma=np.full(5, 0.7))
    layer = dataclasses.replace(layer, input=Quantizer.of_format("int4", 0.5))
    x = stimuli_of(layer)
    wide, integer = chip_of(layer, accumulator_format="fp32"), chip_of(layer)
    assert np.array_equal(wide.sample(x, 50, 1).codes, integer.sample(x, 50, 1).codes)
    narrow = chip_of(layer, accumulator_format="fp8-e4m3").sample(x, 50, 1)
    assert not np.array_equal(narrow.codes, integer.sample(x, 50, 1).codes)


@pytest.mark.parametrize("group", [None, 3])
@pytest.mark.parametrize("scale", ["fp16", "e8m0"])
def test_blocks_of_weights_and_inputs(scale, group):
    """A block is a group of its own, and its sum enters the accumulator times its scales."""
    rng = np.random.default_rng(2)
    own = 2.0 ** rng.integers(-9, 9, (5, 3))
    scales = own * rng.integers(5, 8, (5, 3)) if scale == "fp16" else own
    layer = layer_of(
        "fp4-e2m1",
        "fp4-e2m1",
        weight_scale=scales,
        block_size=8,
        block_scales=scale,
        bias=np.zeros(5),
        input=DynamicQuantizer(4, 1.0, book=code_book("fp4-e2m1"), block_size=8),
    )
    x = rng.normal(size=(6, 24)) * 10.0 ** rng.integers(-3, 3, (6, 24))
    chosen, book = accumulator_of("bf16"), layer.weight_book
    values, weights = layer.input.rounded(x), np.array(book.values)[layer.weight_codes + 7]
    wanted = np.zeros((6, 5))
    for s, n in np.ndindex(6, 5):
        total = Fraction(0)
        for block in range(3):
            for first in range(0, 8, group or 8):
                some = slice(8 * block + first, 8 * block + min(8, first + (group or 8)))
                pairs = zip(values[s, some], weights[n, some], strict=True)
                products = sum(Fraction(a) * Fraction(b) for a, b in pairs)
                total = reference.rounded(total + products * Fraction(scales[n, block]), chosen)
        wanted[s, n] = float(reference.rounded(total, chosen))
    chip = chip_of(layer, accumulator_format="bf16", accumulator_group=group)
    assert np.array_equal(chip.drive(x), wanted)
    assert not np.array_equal(chip.drive(x), chip_of(layer).drive(x))


def test_zero_points_of_neurons_and_blocks():
    """Weights less their zero points, as without: fp32 has all sums."""
    plain = layer_of(weight_scale=0.25, weight_book=None, zero_points=np.arange(5))
    plain = dataclasses.replace(plain, input=Quantizer(4, 0.5))
    x = np.random.default_rng(0).normal(size=(6, 24))
    points = np.arange(15).reshape(5, 3) % 5
    blocks = dataclasses.replace(
        plain, weight_scale=np.full((5, 3), 0.25), block_size=8, zero_points=points
    )
    for layer in (plain, blocks):
        found = chip_of(layer, accumulator_format="fp32").drive(x)
        assert np.array_equal(found, chip_of(layer).drive(x))
        assert not np.array_equal(found, chip_of(layer, accumulator_format="fp7-e4m2").drive(x))


@pytest.mark.parametrize("cut", ["floor", "nearest", "zero"])
def test_sums_and_inputs_are_rounded_at_random_by_one_law(cut):
    """The chance of the upper neighbour is that of `InputRounding`."""
    chosen = accumulator_of("bf16", f"stochastic-3-{cut}")
    for part in np.arange(32) / 32:
        for is_negative in (False, True):
            wanted = InputRounding(3, cut).chance_up(part, np.bool_(is_negative))
            assert reference.chance_up(Fraction(part), is_negative, chosen) == Fraction(
                float(wanted)
            )


@pytest.mark.parametrize("architecture", PROGRAMS)
def test_sums_rounded_at_random_belong_to_stimulus_and_read(architecture):
    """Fresh at every read, the same whatever runs together; nearest ones differ only by noise."""
    program = PROGRAMS[architecture](4)
    hardware = hardware_of(program).replace(
        accumulator_format="fp7-e4m2", accumulator_rounding="stochastic-8"
    )
    chip, x = Chip(program, hardware), some_stimuli(4)
    whole = chip.sample(x, 9, 5).codes
    assert np.array_equal(
        chip.sample(x[2:], 4, 5, first_stimulus=2, first_read=3).codes, whole[2:, 3:7]
    )
    assert not np.array_equal(whole, chip.sample(x, 9, 6).codes)
    quiet = Chip(
        dataclasses.replace(
            program,
            layers={
                name: dataclasses.replace(one, sigma=np.zeros(one.neurons))
                for name, one in program.layers.items()
            },
        ),
        hardware,
    )
    drawn = quiet.sample(x, 40, 5).codes
    assert np.ptp(drawn, axis=1).max() > 0


def test_the_state_of_a_circuit_is_added_in_the_format():
    """Products, the stimulus and the own code, one addition after another, step for step."""
    program = PROGRAMS["recurrent"](4)
    program = dataclasses.replace(
        program,
        layers={
            name: dataclasses.replace(one, sigma=np.zeros(one.neurons))
            for name, one in program.layers.items()
        },
    )
    x = some_stimuli(4)
    chosen = accumulator_of("fp8-e5m2")
    readout, lateral = program.layers[READOUT], program.layers[LATERAL]

    def rounded(values: np.ndarray) -> np.ndarray:
        found = [float(reference.rounded(Fraction(one), chosen)) for one in values.ravel()]
        return np.array(found).reshape(values.shape)

    def drive(layer: Layer, integers: np.ndarray) -> np.ndarray:
        total = np.zeros((len(integers), layer.neurons))
        for i in range(layer.inputs):
            total = rounded(total + np.outer(integers[:, i], layer.weight_codes[:, i].astype(int)))
        found = rounded(total * (layer.weight_scale * layer.input.scale))
        return rounded(found + layer.bias) if layer.bias.any() else found

    given = drive(readout, program.input.numbers(x).astype(int))
    codes = np.broadcast_to(program.output.codes(np.zeros(1)), given.shape)
    for _ in range(program.wiring.steps):
        total = rounded(drive(lateral, program.output.integers(codes).astype(int)) + given)
        own = program.wiring.table[
            codes.astype(int) - program.output.c_min, np.arange(codes.shape[1])
        ]
        codes = program.output.codes(rounded(total + own))
    chip = Chip(program, hardware_of(program).replace(accumulator_format="fp8-e5m2"))
    assert np.array_equal(chip.sample(x, 1, 0).codes[:, 0], codes)
    assert not np.array_equal(
        Chip(program, hardware_of(program)).sample(x, 1, 0).codes[:, 0], codes
    )


def operations(chip: Chip, x: np.ndarray) -> dict[Operation, float]:
    return dict(chip.sample(x, 1, 0).operations)


def test_additions_are_billed_in_the_format():
    layer = layer_of("int4", "int4")
    x = stimuli_of(layer, 1)
    one = operations(chip_of(layer, accumulator_format="bf16"), x)
    assert one[Operation("float_add", (16,))] == 24 * 5
    assert not any(operation.kind == "add" for operation in one)
    groups = operations(chip_of(layer, accumulator_format="fp32", accumulator_group=10), x)
    assert groups[Operation("float_add", (32,))] == 3 * 5
    assert groups[Operation("add", (4 + 4 + 4,))] == 21 * 5
    floats = layer_of("fp8-e4m3", "fp8-e4m3")  # products are shifted, but into sums of groups alone
    alone = operations(chip_of(floats, accumulator_format="fp32"), stimuli_of(floats, 1))
    assert sum(count for one, count in alone.items() if one.kind == "add") == 24 * 5  # exponents
    grouped = chip_of(floats, accumulator_format="fp32", accumulator_group=10)
    shifted = operations(grouped, stimuli_of(floats, 1))
    added = sum(count for one, count in shifted.items() if one.kind == "add")
    assert added == (24 + 24 + 21) * 5  # exponents, shifts, sums
    random = chip_of(layer, accumulator_format="fp16", accumulator_rounding="stochastic-8")
    drawn = operations(random, x)[Operation("random")]
    assert drawn - operations(chip_of(layer), x).get(Operation("random"), 0) == 8 * 24 * 5


def test_what_floating_point_sums_do_not_go_with():
    layer = layer_of()
    for settings, named in (
        ({"noise": Noise(weight_sigma=0.1, weight_noise="explicit")}, "noise.weight_noise"),
        ({"memory": Memory(weight_read_errors=0.1)}, "memory.weight_read_errors"),
        ({"array": Array()}, "array"),
        ({"accumulator_bits": 20}, "accumulator_bits"),
    ):
        with pytest.raises(SettingError, match="accumulator_format") as caught:
            chip_of(layer, accumulator_format="bf16", **settings)
        assert named in str(caught.value)
    for settings, message in (
        ({"accumulator_format": "fp17"}, "did you mean 'fp16'"),
        ({"accumulator_format": "float32"}, "did you mean 'fp32'"),
        ({"accumulator_format": "fp012-e4m7"}, "should be 'fp32', 'tf32'"),
        ({"accumulator_format": "fp12-e9m2"}, "2 to 8 bits of exponent"),
        ({"accumulator_format": "fp12-e4m6"}, "did you mean 'fp11-e4m6'"),
        ({"accumulator_rounding": "to-zero"}, "integers are added exactly"),
        ({"accumulator_group": 3}, "integers are added exactly"),
        ({"accumulator_format": "bf16", "accumulator_rounding": "to zero"}, "to-zero"),
        ({"accumulator_format": "bf16", "accumulator_overflow": "wrap"}, "saturate"),
    ):
        with pytest.raises(SettingError, match=message):
            chip_of(layer, **settings)
    random = chip_of(layer, accumulator_format="bf16", accumulator_rounding="stochastic")
    with pytest.raises(SettingError, match="differ from read to read"):
        random.drive(stimuli_of(layer))
    assert random.sample(stimuli_of(layer), 2, 0).codes.shape == (6, 2, 5)


def test_bit_lines_have_no_accumulators():
    with pytest.raises(SettingError, match=r"'prices\.add'.*bit line"):
        ss.load_hardware("in-memory-28nm", bits=4).replace(accumulator_format="bf16")


@pytest.mark.parametrize(("format_", "is_flagged"), [("fp10-e5m4", True), ("fp16", False)])
def test_additions_narrower_than_their_price_are_flagged(format_, is_flagged):
    chip = chip_of(layer_of(), accumulator_format=format_)
    flags = chip.bill(stimuli_of(layer_of()), reads=1).flags
    assert any("float-add-horowitz-45nm: bits at 10" in flag for flag in flags) == is_flagged


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("fp64", "fp32"),
        ("fp8", "fp8-e5m2"),
        ("E5M10", "fp16"),
        ("e4m3", "fp8-e4m3"),
        ("Float16", "fp16"),
        ("fp12-e9m2", "fp11-e8m2"),
        ("fp9-e4m3", "fp8-e4m3"),
    ],
)
def test_names_of_others_lead_to_the_nearest_format(name, nearest):
    with pytest.raises(SettingError, match=f"(did you mean|valid:) '?{nearest}'?"):
        ss.load_hardware("digital-45nm", bits=4).replace(accumulator_format=name)


@pytest.mark.parametrize(
    ("word", "nearest"),
    [("stochastic-17", "stochastic-16"), ("stochastic-99-zero", "stochastic-16-zero")],
)
def test_more_random_bits_than_there_are_lead_to_the_most(word, nearest):
    chip = ss.load_hardware("digital-45nm", bits=4)
    with pytest.raises(SettingError, match=f"from 0 to 16>.*did you mean '{nearest}'"):
        chip.replace(accumulator_format="bf16", accumulator_rounding=word)
