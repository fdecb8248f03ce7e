"""Recurrent circuits whose states, inputs and weights are of number formats, or whose weights have
a scale for each neuron: codes of the plain Python reference, tables, fits, operations.
"""

import dataclasses

import numpy as np
import pytest
from circuittest import (
    hardware_of,
    recurrent_program,
    reference_codes,
    single_program,
    some_stimuli,
)
from scipy import special
from stattest import assert_frequencies

import stochsim as ss
from stochsim.chip import Chip, with_less_noise, with_output_format
from stochsim.energy import Operation
from stochsim.formats import code_book
from stochsim.hardware import Noise
from stochsim.program import LATERAL, READOUT, Program, Quantizer, load_program
from stochsim.settings import SettingError

STATES = {
    "fp4-e2m1": Quantizer.of_format("fp4-e2m1", 0.29),
    "nf4": Quantizer.of_format("nf4", 1.71),
    "log2-3": Quantizer.of_format("log2-3", 1.37),
    "fp6-e3m2": Quantizer.of_format("fp6-e3m2", 0.11),
    "int3": Quantizer.of_format("int3", 0.43),
}


def chip_of(program: Program, noise: float = 1.0, **own) -> Chip:
    return Chip(program, hardware_of(program, noise=Noise(**own)), noise)


def with_formats(weights: str, inputs: str, state: str) -> Program:
    """The random circuit with these formats; its weights keep their codes."""
    program = recurrent_program(4).with_output(STATES[state])
    book = code_book(weights)
    layers = {
        name: dataclasses.replace(layer, weight_book=book, weight_bits=book.bits)
        for name, layer in program.layers.items()
    }
    read = Quantizer.of_format(inputs, 0.4)
    layers[READOUT] = dataclasses.replace(layers[READOUT], input=read)
    return dataclasses.replace(program, layers=layers)


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("noise", [0.0, 1.0])
def test_states_of_a_format_have_the_codes_of_the_reference(state: str, noise: float) -> None:
    chip = chip_of(recurrent_program(4).with_output(STATES[state]), noise)
    codes = chip.sample(some_stimuli(), 9, 7).codes
    expected = reference_codes("recurrent", chip.program, some_stimuli(), 9, 7, noise=noise)
    assert np.array_equal(codes, expected)
    assert len(np.unique(codes)) > 3


@pytest.mark.parametrize(
    ("weights", "inputs", "state"),
    [("fp4-e2m1", "fp4-e2m1", "nf4"), ("nf4", "fp8-e4m3", "fp4-e2m1"), ("int4", "nf4", "int3")],
)
def test_weights_and_inputs_of_formats(weights: str, inputs: str, state: str) -> None:
    chip = chip_of(with_formats(weights, inputs, state))
    codes = chip.sample(some_stimuli(), 9, 7).codes
    expected = reference_codes("recurrent", chip.program, some_stimuli(), 9, 7)
    assert np.array_equal(codes, expected)


def test_a_chain_goes_on_in_its_format() -> None:
    chip = chip_of(recurrent_program(4).with_output(STATES["nf4"]))
    codes = chip.sample(some_stimuli(), 4, 7, steps_between_reads=2).codes
    first = reference_codes("recurrent", chip.program, some_stimuli(), 1, 7)
    assert np.array_equal(codes[:, :1], first)
    longer = dataclasses.replace(chip.program.wiring, steps=chip.program.steps + 2)
    program = dataclasses.replace(chip.program, wiring=longer)
    second = reference_codes("recurrent", program, some_stimuli(), 1, 7)
    assert np.array_equal(codes[:, 1:2], second)


def test_integers_by_name_are_integers() -> None:
    """The book int4 and evenly spaced values of 4 bits: the same codes, by other kernels."""
    program = recurrent_program(4)
    book = program.with_output(Quantizer.of_format("int4", program.output.scale))
    assert np.allclose(book.wiring.table, program.wiring.table, rtol=1e-12, atol=1e-15)
    plain, of_book = (chip_of(one).sample(some_stimuli(40), 50, 3).codes for one in (program, book))
    assert np.mean(plain != of_book) < 1e-4  # a drive within a rounding of an edge
    other = program.with_output(Quantizer.of_format("int4", 1.01 * program.output.scale))
    assert np.mean(plain != chip_of(other).sample(some_stimuli(40), 50, 3).codes) > 1e-2


@pytest.mark.parametrize("dither", ["none", "stochastic"])
def test_scales_of_neurons(dither: str) -> None:
    """Different ones as in the reference; equal ones give the codes of one scale, which another
    kernel computes.
    """
    program = recurrent_program(4)
    factors = np.linspace(0.5, 1.5, program.neurons)

    def scaled(by: np.ndarray) -> Program:
        layers = {
            name: dataclasses.replace(layer, weight_scale=by * layer.weight_scale)
            for name, layer in program.layers.items()
        }
        return dataclasses.replace(program, layers=layers)

    own = {"input_dither": dither}
    codes = chip_of(scaled(factors), **own).sample(some_stimuli(), 9, 7).codes
    how = {"dithered": dither != "none"}
    expected = reference_codes("recurrent", scaled(factors), some_stimuli(), 9, 7, **how)
    assert np.array_equal(codes, expected)
    equal = chip_of(scaled(np.ones(program.neurons)), **own).sample(some_stimuli(), 9, 7).codes
    assert np.array_equal(equal, chip_of(program, **own).sample(some_stimuli(), 9, 7).codes)


def test_scales_of_groups() -> None:
    """Lateral weights with a scale for every two of a neuron's, against float64 by hand."""
    program = recurrent_program(4)
    readout, lateral = program.layers.values()
    scales = lateral.weight_scale * np.linspace(0.5, 1.5, 15).reshape(5, 3)
    grouped = dataclasses.replace(lateral, weight_scale=scales, block_size=2)
    program = dataclasses.replace(program, layers={READOUT: readout, LATERAL: grouped})
    codes = chip_of(program, noise=0.0).sample(some_stimuli(), 2, 7).codes
    x = readout.input.exact_values(readout.input.codes(some_stimuli()))
    seen = x @ (readout.weight_scale * readout.weight_codes.T) + readout.bias
    weights = lateral.weight_codes * np.repeat(scales, 2, axis=1)[:, :5]
    state = program.output.codes(np.zeros((len(x), 5)))
    for _ in range(program.steps):
        place = state.astype(int) - program.output.c_min
        own = np.take_along_axis(program.wiring.table, place, axis=0)
        drive = seen + program.output.exact_values(state) @ weights.T + lateral.bias + own
        state = program.output.codes(drive)
    assert np.array_equal(codes[:, 0], state)


def test_the_law_of_one_step_is_the_closed_form() -> None:
    state = STATES["fp4-e2m1"]
    program = recurrent_program(4, steps=1).with_output(state)
    x = some_stimuli()
    readout = program.readout
    start = state.book.encode(0.0) - state.c_min
    drive = readout.input.exact_values(readout.input.codes(x)) @ (
        readout.weight_scale * readout.weight_codes.T
    )
    drive = drive + readout.bias + program.wiring.table[start]
    edges = state.scale * np.array(state.book.edges)
    below = special.ndtr((edges - drive[..., None]) / readout.sigma[:, None])
    law = np.diff(below, axis=-1, prepend=0.0, append=1.0).reshape(-1, state.levels)
    codes = chip_of(program).sample(x, 20_000, 5).codes - state.c_min
    rows = codes.transpose(0, 2, 1).reshape(-1, codes.shape[1])
    counts = np.array([np.bincount(row, minlength=state.levels) for row in rows])
    assert_frequencies(counts, law)
    with pytest.raises(AssertionError):
        assert_frequencies(counts, np.roll(law, 1, axis=0))


def test_own_terms_lie_on_lines_through_those_before() -> None:
    """Of a table that is linear in the value: linear again, within the old values and beyond."""
    program = recurrent_program(4)
    state = program.output
    values = state.exact_values(state.c_min + np.arange(state.levels))
    slopes = np.linspace(-1, 1, program.neurons)
    wiring = dataclasses.replace(program.wiring, table=0.3 + np.outer(values, slopes))
    wide = Quantizer.of_format("fp4-e2m1", 0.5 * state.scale * state.levels)
    changed = dataclasses.replace(program, wiring=wiring).with_output(wide)
    new = wide.exact_values(wide.c_min + np.arange(wide.levels))
    assert new.max() > 2 * values.max()
    expected = 0.3 + np.outer(new, slopes)
    assert np.allclose(changed.wiring.table, expected, rtol=1e-9, atol=1e-12)
    assert changed.layers[LATERAL].input == changed.layers[LATERAL].output == wide


def test_a_circuit_is_fitted_saved_and_billed(tmp_path) -> None:
    """The network as trained, with a fitted state of 4 bits: near to that of 8 bits; products of
    the state's values are billed by their widths.
    """
    data = ss.load_dataset("digits", size=8, components=8, key=0)
    model = ss.SparseCoding(neurons=4, noise_sd=0.5, laplace_scale=1.0)
    full = ss.train(model, data.train, 0, architecture="recurrent", steps=40)
    hardware = ss.load_hardware("digital-45nm", bits=8)
    how = {"weight_scales": "per-channel", "steps": 40}
    fine = ss.to_program(full.quantise(8, 0, hardware=hardware, method="noise-aware", **how))
    assert fine.readout.weight_scale.shape == (4,)
    x = data.held_out[:40]
    means = ss.Chip(fine, hardware).sample(x, 400, 1).values.mean(1)
    products = 4 * 4 * fine.steps * 40 * 400
    for name, limit in (("lloyd-4", 0.2), ("fp4-e2m1", 0.3)):
        program = with_output_format(fine, hardware, name, data.train, key=0)
        program.save(tmp_path / name)
        chip = ss.Chip(load_program(tmp_path / name), hardware.with_precision(8, 8, 4))
        samples = chip.sample(x, 400, 1)
        assert np.sqrt(np.mean((samples.values.mean(1) - means) ** 2)) < limit * means.std()
        assert np.array_equal(
            samples.codes, ss.Chip(program, chip.hardware).sample(x, 400, 1).codes
        )
        assert np.array_equal(samples.values, program.output.values(samples.codes))
        counts = samples.bill.counts[LATERAL]
        assert counts[Operation("multiply", (8, program.output.integer_bits))] == products


@pytest.mark.parametrize("noise", [{"read_sigma_lsb": 0.3}, {"read_sigma_fs": 0.02}])
def test_sigma_makes_room_for_the_read_noise_of_other_steps(noise: dict[str, float]) -> None:
    """The noise before a circuit's quantiser has the variance that it had; of a layer, whose noise
    does not pass through steps, sigma stays.
    """
    program = recurrent_program(8)
    hardware = hardware_of(program, noise=Noise(**noise))
    made = with_output_format(program, hardware, "int4", some_stimuli(), key=0)
    variances = [
        one.sigma**2 + hardware.noise.read_sigma_drive(one.output.step, one.output.levels) ** 2
        for one in (program, made)
    ]
    np.testing.assert_allclose(*variances, rtol=1e-12)
    assert (made.sigma < 0.98 * program.sigma).all()
    layer = single_program(8)
    other = with_output_format(layer, hardware, "int4", some_stimuli(), key=0)
    assert np.array_equal(other.sigma, layer.sigma)


def test_less_noise_leaves_a_thousandth() -> None:
    program = recurrent_program(4)
    own = program.sigma**2
    found = with_less_noise(program, np.linspace(-1, 2, len(own)) * own)
    left = np.maximum(1 - np.linspace(-1, 2, len(own)), 1e-3)
    np.testing.assert_allclose(found.sigma**2, own * left, rtol=1e-12)


@pytest.mark.parametrize("name", ["mxfp4", "nvfp4"])
def test_one_block_of_outputs_is_multiplied_as_its_numbers_are(name: str) -> None:
    """Five neurons are one block: integers up to 12, as those of "fp4-e2m1"."""
    program, hardware = recurrent_program(8), hardware_of(recurrent_program(8))
    made, plain = (
        with_output_format(program, hardware, one, some_stimuli(), key=0)
        for one in (name, "fp4-e2m1")
    )
    assert made.output.integer_bits == plain.output.integer_bits == 5
    assert made.output.largest_integer == 12
    values = made.output.unit * made.output.integers(made.output.book.encode(np.ones((1, 5))))
    np.testing.assert_allclose(values, made.output.values(made.output.codes(np.ones((1, 5)))))


@pytest.mark.parametrize(
    ("variance", "rule"),
    [(np.zeros(3), "one for each of 5 neurons"), (np.nan, "NaN"), ("little", "one number")],
)
def test_less_noise_by_what_is_no_variance(variance: object, rule: str) -> None:
    with pytest.raises(SettingError, match=f"variance.*{rule}"):
        with_less_noise(recurrent_program(4), variance)
    with pytest.raises(SettingError, match="program"):
        with_less_noise(None, 0.1)
