"""Chips whose outputs are of a number format: codes, values, probabilities, files, refusals."""

import dataclasses
import math

import numpy as np
import pytest
from scipy import special
from stattest import assert_frequencies

import stochsim as ss
from stochsim.chip import Chip
from stochsim.energy import Operation
from stochsim.formats import CodeBook, block_format, code_book, lloyd_max
from stochsim.hardware import Memory, Noise, RandomSource, preset
from stochsim.program import Quantizer, load_program, random_program, with_log_sigma
from stochsim.settings import SettingError

LAPLACE = np.random.default_rng(0).laplace(size=2000)
X = np.random.default_rng(1).normal(0, 1, (6, 12))
LAYER = random_program((3, 2), (4, 4, 4), sigma=0.0)[0].readout
OUTPUTS = {
    "fp4-e2m1": Quantizer.of_format("fp4-e2m1", 0.5),
    "nf4": Quantizer.of_format("nf4", 3.0),
    "log2-3": Quantizer.of_format("log2-3", 4.0),
    "fp8-e5m2": Quantizer.of_format("fp8-e5m2", 0.01),
    "lloyd-2": Quantizer.of_format(lloyd_max(LAPLACE, 2), 2.0),
}


def chip_of(output, sigma=0.5, **settings):
    program, _ = random_program((12, 5), (4, 4, 4), sigma=sigma)
    hardware = ss.load_hardware("digital-45nm", bits=4).replace(**settings)
    program = program.with_output(output)
    return Chip(program, hardware.with_precision(4, 4, output.bits)), X


def counted(levels, number):
    """How often each level occurs among the reads: (stimulus × neuron, level)."""
    rows = levels.transpose(0, 2, 1).reshape(-1, levels.shape[1])
    return np.array([np.bincount(row, minlength=number) for row in rows])


@pytest.mark.parametrize("output", OUTPUTS.values(), ids=OUTPUTS)
def test_without_noise_values_are_the_nearest_of_the_format(output):
    chip, x = chip_of(output, sigma=0.0)
    drive = chip.drive(x)
    samples = chip.sample(x, 3, 0)
    expected = output.scale * output.book.decode(output.book.encode(drive / output.scale))
    assert np.array_equal(samples.values, np.float32(expected)[:, None].repeat(3, axis=1))
    assert len(np.unique(samples.codes)) > 2


@pytest.mark.parametrize("output", OUTPUTS.values(), ids=OUTPUTS)
def test_probabilities_are_the_closed_form_and_codes_obey_them(output):
    chip, x = chip_of(output)
    drive = chip.drive(x)
    edges = output.scale * np.array(output.book.edges)
    below = special.ndtr((edges - drive[..., None]) / 0.5)
    expected = np.diff(below, axis=-1, prepend=0.0, append=1.0)
    found = chip.probabilities(x)
    assert found.shape == (6, 5, output.levels)
    assert found == pytest.approx(expected, rel=0, abs=2e-9)
    codes = chip.sample(x, 4000, 1).codes
    assert_frequencies(
        counted(codes.astype(int) - output.c_min, output.levels), found.reshape(30, -1)
    )


def test_a_book_of_even_values_gives_the_codes_of_the_quantiser():
    """From the same integers, by other ways."""
    even, x = chip_of(Quantizer(4, 0.5))
    book, _ = chip_of(Quantizer.of_format("int4", 0.5))
    assert np.array_equal(even.sample(x, 50, 2).codes, book.sample(x, 50, 2).codes)
    assert np.array_equal(even.sample(x, 50, 2).values, book.sample(x, 50, 2).values)


@pytest.mark.parametrize(
    "settings",
    [
        {"noise": Noise(read_sigma_lsb=0.5)},
        {"noise": Noise(family="logistic", read_sigma_lsb=0.5)},
        {"noise": Noise(weight_sigma_lsb=0.3, weight_noise="explicit")},
        {"random": RandomSource(threshold_bits=10)},
        {"random": RandomSource(lfsr_bits=16, threshold_bits=12)},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_noise_and_random_sources_of_a_chip_are_there_too(settings):
    """Codes stay inside the format's, and differ from those without the setting."""
    output = OUTPUTS["fp4-e2m1"]
    chip, x = chip_of(output, **settings)
    plain, _ = chip_of(output)
    codes = chip.sample(x, 200, 3).codes
    assert -7 <= codes.min() < codes.max() <= 7
    assert not np.array_equal(codes, plain.sample(x, 200, 3).codes)


def test_read_noise_is_in_mean_steps():
    """12 / 14 × scale of E2M1, added in variance to the network's own."""
    output = OUTPUTS["fp4-e2m1"]
    chip, x = chip_of(output, noise=Noise(read_sigma_lsb=0.5))
    sigma = math.hypot(0.5, 0.5 * 12 / 14 * 0.5)
    edges = output.scale * np.array(output.book.edges)
    below = special.ndtr((edges - chip.drive(x)[..., None]) / sigma)
    expected = np.diff(below, axis=-1, prepend=0.0, append=1.0)
    assert chip.probabilities(x) == pytest.approx(expected, rel=0, abs=2e-9)


def test_the_card_names_the_format():
    chip, x = chip_of(OUTPUTS["fp4-e2m1"])
    lines = str(chip.sample(x, 200, 0)).splitlines()
    assert lines[1].split(maxsplit=1)[1] == "4 bits of fp4-e2m1, -7 to 7"
    assert lines[2].endswith("in uneven steps, on average 0.429 (units of the drive)")


def test_converters_resolve_the_smallest_step():
    """E2M1: 12 / 0.5 = 24 steps, so log2 25 bits; conversions of a chip that has converters."""
    program, _ = random_program((12, 5), (4, 4, 4), sigma=0.5)
    hardware = preset("in-memory-28nm").with_precision(4, 4, 4)
    for output, bits in ((Quantizer(4, 0.5), 4), (OUTPUTS["fp4-e2m1"], np.log2(25))):
        chip = Chip(program.with_output(output), hardware)
        (counts,) = chip.sample(np.ones((1, 12)), 1, 0).bill.counts.values()
        assert counts[Operation("adc", (bits,))] == 5


def test_bits_of_the_format_are_billed():
    four, x = chip_of(OUTPUTS["fp4-e2m1"])
    even, _ = chip_of(Quantizer(4, 0.5))
    eight, _ = chip_of(OUTPUTS["fp8-e5m2"])
    joules = [chip.sample(x, 10, 0).bill.per_read_j for chip in (four, even, eight)]
    assert joules[0] == joules[1] < joules[2]


def test_bit_errors_flip_the_bits_of_codes_in_the_order_of_their_values():
    chip, x = chip_of(OUTPUTS["lloyd-2"], sigma=0.0, memory=Memory(code_errors=0.1))
    levels = chip.sample(x, 4000, 1).codes + 2
    true = np.array(OUTPUTS["lloyd-2"].book.encode(chip.drive(x) / 2.0) + 2)
    flipped = [bin(bits).count("1") for bits in range(4)]
    errors = np.array([[flipped[one ^ level] for level in range(4)] for one in true.reshape(-1)])
    assert_frequencies(counted(levels, 4), 0.1**errors * 0.9 ** (2 - errors))


@pytest.mark.parametrize("name", ["fp8-e5m2", "lloyd-2", "nf4"])
def test_files_keep_the_format(name, tmp_path):
    program = random_program((6, 3), (4, 4, 4), sigma=0.5)[0].with_output(OUTPUTS[name])
    program.save(tmp_path / "program")
    again = load_program(tmp_path / "program")
    assert again.output == program.output
    assert again.output.book.bit_patterns == pytest.approx(
        program.output.book.bit_patterns, nan_ok=True
    )


def test_a_file_with_a_broken_format_names_the_field(tmp_path):
    program = random_program((6, 3), (4, 4, 4), sigma=0.5)[0].with_output(OUTPUTS["nf4"])
    table = program.output.book.to_table()
    for change, message in (
        ({"values": [1.0, 0.0]}, "'values': should ascend"),
        ({"colour": 3}, "'colour': is no field of a code book"),
        ({"edges": 3}, "'edges' = 3: should be a list"),
        ({"bit_patterns": ["a"] * 16}, "'bit_patterns'"),
    ):
        with pytest.raises(SettingError, match=message):
            CodeBook.from_table(table | change)
    with pytest.raises(SettingError, match="'ties'"):
        CodeBook.from_table({field: one for field, one in table.items() if field != "ties"})


def test_the_head_of_log_sigma_may_have_a_format():
    """sigma = exp(base + value of the head's code): the readout's law has it."""
    hidden = random_program((12, 4), (4, 4, 4), sigma=0.0)[0].readout
    two = [random_program((4, 3), (4, 4, 4), sigma=0.0, key=key)[0].readout for key in (1, 2)]
    readout, head = (dataclasses.replace(one, input=hidden.output) for one in two)
    head = dataclasses.replace(head, output=OUTPUTS["fp4-e2m1"])
    program = with_log_sigma((hidden,), head, readout, np.full(3, -1.0))
    chip = Chip(program, ss.load_hardware("digital-45nm", bits=4))
    codes = hidden.noiseless_codes(hidden.input.integers(hidden.input.codes(X)))
    integers = hidden.output.integers(codes)
    exponents = head.output.exact_values(head.noiseless_codes(integers))
    assert len(np.unique(exponents)) > 2
    scale = readout.weight_scale * readout.input.scale
    drive = scale * integers.astype(float) @ readout.weight_codes.T + readout.bias
    edges = readout.output.z + readout.output.step * (np.arange(-7, 8) - 0.5)
    below = special.ndtr((edges - drive[..., None]) / np.exp(-1.0 + exponents)[..., None])
    expected = np.diff(below, axis=-1, prepend=0.0, append=1.0)
    assert chip.probabilities(X) == pytest.approx(expected, rel=0, abs=2e-9)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"noise": Noise(dither="stochastic")}, "'noise.dither' = 'stochastic': should be 'none'"),
        ({"memory": Memory(code_errors=0.1)}, "'memory.code_errors' = 0.1: should be 0 with"),
    ],
)
def test_settings_without_a_law_are_refused(settings, message):
    with pytest.raises(SettingError, match=message):
        chip_of(OUTPUTS["fp4-e2m1"], **settings)


def test_products_of_formats_are_refused():
    """Of those whose values are no integers of one unit of 32 bits."""
    readout = random_program((6, 3), (4, 4, 4), sigma=0.5)[0].readout
    wide = Quantizer.of_format("log2-8", 1.0)
    with pytest.raises(SettingError, match=r"'input' = 'log2-8': .*lie too far apart"):
        dataclasses.replace(readout, input=wide)
    with pytest.raises(SettingError, match=r"'book' = 'log2-8': .*lie too far apart"):
        wide.integers(np.array([0]))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Quantizer(3, 1.0, book=code_book("nf4")), "'bits' = 3: should be 4"),
        (lambda: Quantizer(4, 1.0, True, code_book("nf4")), "'unsigned' = True: is for"),
        (lambda: Quantizer(4, 1.0, book=3), "'book' = 3: should be a CodeBook"),
        (lambda: Quantizer(4, 1.0, book="nf4"), r"of a name: Quantizer.of_format\(name, scale\)"),
        (
            lambda: Quantizer.of_format(block_format("mxfp4"), 1.0),
            "of blocks of inputs: DynamicQuantizer.of_block_format",
        ),
        (lambda: dataclasses.replace(LAYER, weight_book="nf4"), r"`stochsim.formats.code_book\("),
        (lambda: dataclasses.replace(LAYER, input="int4"), r"'input' = 'int4'.*of_format\("),
        (lambda: Quantizer.of_format("nf5", 1.0), "did you mean 'nf4'"),
        (lambda: Quantizer.of_format(4, 1.0), "'book' = 4: should be a CodeBook, or the name"),
        (lambda: Quantizer.of_format("nf4", 0.0), "'scale' = 0"),
    ],
)
def test_quantisers_that_are_none_are_refused(call, message):
    with pytest.raises(SettingError, match=message):
        call()


def test_a_format_has_a_width_of_its_own_beside_hidden_layers():
    """8 bits behind hidden codes of 4, on a Hardware of 4; an even readout of 8 bits is refused."""
    program, _ = random_program((12, 6, 5), (4, 4, 4), sigma=0.0)
    hardware = ss.load_hardware("digital-45nm", bits=4)
    chip = Chip(program.with_output(OUTPUTS["fp8-e5m2"]), hardware)
    hidden, readout = program.layers.values()
    codes = hidden.noiseless_codes(hidden.input.integers(hidden.input.codes(X)))
    last = dataclasses.replace(readout, output=OUTPUTS["fp8-e5m2"])
    expected = last.noiseless_codes(hidden.output.integers(codes))
    assert np.array_equal(chip.sample(X, 1, 0).codes[:, 0], expected)
    with pytest.raises(SettingError, match=r"precision\.output_bits"):
        Chip(program.with_output(Quantizer(8, 0.1)), hardware)
