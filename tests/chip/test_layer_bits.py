"""Weights of several widths on one chip: Brevitas's own integers code for code, the bill by hand,
and what the Hardware's width then is.
"""

import copy
import functools
import math

import numpy as np
import pytest
import torch
from arraytest import operations_of
from circuittest import changed, deep_program, hardware_of, recurrent_program, some_stimuli

from stochsim.chip import Chip
from stochsim.energy import Operation
from stochsim.hardware import Array, preset
from stochsim.lowering import to_program
from stochsim.models import LinearGaussian
from stochsim.networks import ArchitectureSettings
from stochsim.settings import SettingError
from stochsim.training import TrainSettings, learn_decoder, train_float, train_quantised

INPUTS, NEURONS, HIDDEN = 8, 6, 24
BITS = (4, 5, 3)
CHIP = preset("digital-45nm").with_precision(4, 5, 3)
MODEL = LinearGaussian(neurons=NEURONS, noise_sd=0.5)
STIMULI = np.random.default_rng(0).standard_normal((300, INPUTS)).astype(np.float32)
SHORT = TrainSettings(steps=30, batch=32, learning_rate=1e-2)
LAYER_BITS = {
    "deep": [
        {"hidden": 6, "readout": 3},
        {"hidden": 1, "log_sigma": 8},
        {"hidden": 2, "log_sigma": 3, "readout": 1},
    ],
    "recurrent": [{"lateral": 3}, {"readout": 1, "lateral": 7}],
}
CASES = [(kind, layer_bits) for kind, several in LAYER_BITS.items() for layer_bits in several]


@pytest.fixture(scope="module")
def trained():
    """A function (kind, layer_bits) -> the trained network of these widths; each is trained
    once.
    """
    decoder = learn_decoder(STIMULI, MODEL, SHORT, 1)
    circuit = {
        "deep": ArchitectureSettings(kind="deep"),
        "recurrent": ArchitectureSettings(kind="recurrent", steps=12),
    }
    floats = {
        kind: train_float(decoder, STIMULI, MODEL, SHORT, 0.0, 1, architecture=one)
        for kind, one in circuit.items()
    }

    @functools.cache
    def quantised(kind, own):
        return train_quantised(floats[kind], STIMULI, MODEL, SHORT, BITS, 1, layer_bits=dict(own))

    return lambda kind, own=None: quantised(kind, tuple((own or {}).items()))


@torch.no_grad()
def brevitas_integers(network, x):
    """Output integers (stimulus, neuron) of Brevitas's own modules, in float64 and without noise; a
    circuit after all its steps.
    """
    network = copy.deepcopy(network).double().eval()
    values = network.input_quantizer(torch.tensor(x, dtype=torch.float64))
    if hasattr(network, "hidden"):
        hidden = network.hidden_quantizer(network.hidden(values.value))
        return network.output_quantizer(network.readout(hidden.value)).int().numpy()
    drive = network.readout(values.value)
    lateral = network.lateral.quant_weight().value * network.off_diagonal
    state = network.output_quantizer(torch.zeros_like(drive))
    for _ in range(network.settings.architecture.steps):
        state = network.output_quantizer(drive + state.value @ lateral.T + network.own(state.value))
    return state.int().numpy()


@pytest.mark.parametrize(("kind", "layer_bits"), CASES)
def test_without_noise_its_codes_are_brevitas_integers(kind, layer_bits, trained):
    one = trained(kind, layer_bits)
    program = to_program(one)
    names = program.layers
    linears = copy.deepcopy(one.network).double().linears()
    for name, layer in names.items():
        bits = layer_bits.get(name, 4)
        assert (layer.weight_bits, layer.own_width) == (bits, name in layer_bits)
        assert np.array_equal(
            layer.weight_codes,
            linears[name].quant_weight().int().numpy(),
        )
        assert (
            set(np.unique(layer.weight_codes)) == {-1, 1}
            if bits == 1
            else np.abs(layer.weight_codes).max() <= 2 ** (bits - 1) - 1
        )
    codes = Chip(program, CHIP, sigma_scale=0.0).sample(STIMULI, 1, 1).codes[:, 0].astype(int)
    assert np.array_equal(program.output.integers(codes), brevitas_integers(one.network, STIMULI))
    assert len(np.unique(codes)) >= 5
    assert not np.array_equal(
        program.output.integers(codes), brevitas_integers(trained(kind).network, STIMULI)
    )


def multiply_j(weight_bits, code_bits):
    """QKeras QTools at 45 nm, of one product."""
    return (
        0.0029948 * weight_bits * code_bits + 0.0010417 * math.sqrt(weight_bits * code_bits)
    ) * 1e-12


def memory_j(bits):
    """QKeras QTools at 45 nm, of one bit from an SRAM of this size; smaller ones are priced as the
    smallest that the fit is good for.
    """
    x = math.log2(max(bits, 65536))
    return (9.0243e-4 * x**3 - 2.68848e-2 * x**2 + 0.2089008 * x) * 1e-12


def test_the_bill_by_hand(trained):
    """Hidden weights of 6 bits for 4 and last ones of 3: products, the width of their sums, and the
    memory of all weights.
    """
    programs = [to_program(trained("deep", own)) for own in ({}, {"hidden": 6, "readout": 3})]
    plain, mixed = (Chip(program, CHIP).operations(STIMULI[:5], 7) for program in programs)
    first = HIDDEN * INPUTS
    heads = HIDDEN * NEURONS
    codes = 5 * 7
    by_hand = {
        Operation("multiply", (6, 5)): codes * first,
        Operation("multiply", (4, 3)): codes * heads,
        Operation("multiply", (3, 3)): codes * heads,
        Operation("add", (14,)): codes * first,  # 6 + 5 bits, and 3 for 8 inputs
        Operation("add", (12,)): codes * heads,  # 4 + 3 and 5 for 24
        Operation("add", (11,)): codes * heads,
    }
    assert {one: n for one, n in mixed.items() if one.kind in ("multiply", "add")} == by_hand
    stored = {"plain": 4 * (first + 2 * heads), "mixed": 6 * first + 4 * heads + 3 * heads}
    assert [ops.count("weight_memory") for ops in (plain, mixed)] == [
        5 * stored["plain"],
        5 * stored["mixed"],
    ]
    before, after = (CHIP.energy(ops, 0.0) for ops in (plain, mixed))
    more = first * (multiply_j(6, 5) - multiply_j(4, 5)) + heads * (
        multiply_j(3, 3) - multiply_j(4, 3)
    )
    assert after.multiply_j - before.multiply_j == pytest.approx(codes * more, rel=1e-9)
    assert after.add_j - before.add_j == pytest.approx(
        codes * 0.003125e-12 * (2 * first - heads), rel=1e-9
    )
    more = stored["mixed"] * memory_j(stored["mixed"]) - stored["plain"] * memory_j(stored["plain"])
    assert after.memory_j - before.memory_j == pytest.approx(5 * more, rel=1e-6)


def with_own(program, **layers):
    """The program with widths of weights (of its random codes, cut to fit) that these layers were
    given.
    """
    for name, bits in layers.items():
        top = 2 ** (bits - 1) - 1
        codes = np.clip(program.layers[name].weight_codes, -top, top)
        program = changed(program, name, weight_codes=codes, weight_bits=bits, own_width=True)
    return program


@pytest.mark.parametrize(
    ("build", "own", "bits"),
    [
        (deep_program, {"readout": 2}, 3),
        (
            deep_program,
            {"readout": 2, "log_sigma": 5, "hidden 1": 8},
            3,
        ),  # of two hidden layers the other one has 3
        (recurrent_program, {"lateral": 6}, 3),
        (recurrent_program, {"readout": 6}, 3),
        (recurrent_program, {"readout": 6, "lateral": 8}, 8),
    ],
)
def test_the_width_of_a_program_is_that_of_the_layers_without_their_own(build, own, bits):
    program = with_own(build(), **own)
    assert program.weight_bits == bits
    Chip(program, hardware_of(program))
    if bits == 3:
        with pytest.raises(
            SettingError, match=r"'precision\.weight_bits' = 4: should be 3, which the program was"
        ):
            Chip(program, hardware_of(program).with_precision(weight_bits=4))
    else:
        Chip(
            program, hardware_of(program).with_precision(weight_bits=4)
        )  # nothing on it has the Hardware's width
    for name in own:
        undeclared = changed(program, name, own_width=False)
        with pytest.raises(SettingError, match=r"'precision\.weight_bits' = 1: should be "):
            Chip(undeclared, hardware_of(program).with_precision(weight_bits=1))


def test_cells_of_an_array_hold_the_width_of_the_layer():
    """A layer of 2 bits takes half of the slices of one of 4, in cells of one bit each; cells of 3
    bits do not fit it.
    """
    program = with_own(deep_program(4, layers=1), readout=2)
    x = some_stimuli(3)
    cells = {
        bits: Chip(program, hardware_of(program, array=Array(cell_bits=bits))) for bits in (1, 2)
    }
    whole = Chip(deep_program(4, layers=1), hardware_of(program, array=Array(cell_bits=1)))
    ones = np.ones((1, 9), np.int64)
    slices = [operations_of(chip.product, ones, 1) for chip in (whole, cells[1])]
    assert len(cells[2].sample(x, 2, 1).codes) == 3
    assert (
        slices[0][next(o for o in slices[0] if o.kind == "adc")]
        == 2 * slices[1][next(o for o in slices[1] if o.kind == "adc")]
    )
    with pytest.raises(SettingError, match=r"'array.cell_bits' = 3: more than 2-bit weights"):
        Chip(program, hardware_of(program, array=Array(cell_bits=3)))
