"""Bills of layers whose inputs are given: equal to the chip's where it has these layers, and those
of random programs.
"""

from dataclasses import replace

import numpy as np
import pytest
from arraytest import array_of
from billtest import CHIPS, X
from circuittest import deep_program, hardware_of, single_program

from stochsim.chip import Chip, bill_of_inputs
from stochsim.energy import KINDS, Operation, Operations
from stochsim.hardware import Adc, Noise, preset
from stochsim.program import feed_forward, random_program
from stochsim.settings import SettingError


def test_a_program_s_layers_are_billed_as_the_program():
    """A single layer; a sigma of 0 costs nothing."""
    program = single_program()
    hardware = hardware_of(program)
    integers = program.input.integers(program.input.codes(X))
    bill = bill_of_inputs(program, hardware, {"readout": integers}, 10, 0.0)
    assert bill == Chip(program, hardware).bill(X, 10, 0.0)


@pytest.mark.parametrize("name", ["digital", "output dither", "leaking", "array"])
def test_hidden_layers_are_billed_as_those_of_a_deep_program(name):
    """But for the sizes of memories, which hold fewer layers; on an array the first layer, for what
    the second reads is then converted.
    """
    program = deep_program()
    hardware = hardware_of(program, **CHIPS[name])
    integers = program.input.integers(program.input.codes(X))
    read = {}
    hidden = dict(list(program.layers.items())[:2])
    for name_of_layer, layer in hidden.items():
        read[name_of_layer] = integers
        sums = (
            layer.weight_scale * layer.input.scale * (integers.astype(int) @ layer.weight_codes.T)
            + layer.bias
        )
        integers = layer.output.integers(layer.output.codes(sums))
    bill = bill_of_inputs(feed_forward(hidden), hardware, read, 10, 0.0)
    deep = Chip(program, hardware).bill(X, 10, 0.0)
    for layer in ("hidden 1",) if name == "array" else ("hidden 1", "hidden 2"):
        assert bill.cycles[layer] == deep.cycles[layer]
        for kind in KINDS:
            assert bill.operations[layer].count(kind) == pytest.approx(
                deep.operations[layer].count(kind), rel=1e-15
            )


def test_layers_that_do_not_fit_are_refused():
    program, read = random_program((6, 4, 3), (4, 4, 4), 1.0)
    hardware = preset("digital-45nm")
    with pytest.raises(SettingError, match=r"'layers' = \[\]: should have at least one layer"):
        feed_forward({})
    with pytest.raises(
        SettingError,
        match=r"'integers.layer 2' = array of shape \(1, 6\), .*: should be "
        r"\(stimulus, input\) = \(1, 4\)",
    ):
        bill_of_inputs(program, hardware, {**read, "layer 2": read["layer 1"]})
    with pytest.raises(SettingError, match=r"'integers' = \['layer 1'\]: should be of the layers"):
        bill_of_inputs(program, hardware, {"layer 1": read["layer 1"]})
    with pytest.raises(SettingError, match=r"'b\.inputs' = 6: should be 4, the neurons of 'a'"):
        feed_forward(dict.fromkeys("ab", program.layers["layer 1"]))
    for sizes in ((5,), (5, 0)):
        with pytest.raises(SettingError, match="784-100-10"):
            random_program(sizes, (4, 4, 4), 1.0)
    with pytest.raises(SettingError, match="weights of 10000000 × 10000000 need"):
        random_program((10**7, 10**7), (4, 4, 4), 1.0)


@pytest.mark.parametrize("bits", [1, 2, 8])
@pytest.mark.parametrize("signs", ["offset", "differential"])
def test_a_random_program_fits_every_array(bits, signs):
    """Codes fill their range, weights have pairs; the same key draws the same network."""
    program, read = random_program((200, 50, 4), (bits, bits, bits), 1.0, stimuli=3)
    _, again = random_program((200, 50, 4), (bits, bits, bits), 1.0, stimuli=3)
    assert all(np.array_equal(read[name], again[name]) for name in read)
    hardware = hardware_of(program, array=array_of(Adc(bits=8), signs=signs))
    bill = bill_of_inputs(program, hardware, read)
    assert list(bill.counts) == ["layer 1", "layer 2"]
    codes = program.layers["layer 1"].weight_codes
    least = -1 if bits == 1 else 1 - 2 ** (bits - 1)
    assert (codes.min(), codes.max()) == (least, -least)


@pytest.mark.parametrize("sizes", [(1, 1), (6, 4), (6, 4, 3), (6, 5, 4, 3)])
def test_a_random_program_holds_the_neurons_of_its_last_layer_alone(sizes):
    """At the sigma that is asked for; each layer reads what the one before gives, in its bits."""
    program, read = random_program(sizes, (2, 3, 4), 0.7, stimuli=5)
    names = [f"layer {number}" for number in range(1, len(sizes))]
    assert list(program.layers) == list(read) == names
    for number, (name, layer) in enumerate(program.layers.items(), 1):
        assert set(layer.sigma) == ({0.7} if name == names[-1] else {0.0})
        assert (layer.inputs, layer.neurons) == (sizes[number - 1], sizes[number])
        assert layer.weight_bits == 2
        assert (layer.input.bits, layer.output.bits) == (3 if number == 1 else 4, 4)
        assert read[name].shape == (5, sizes[number - 1])
    bill = bill_of_inputs(program, preset("digital-45nm"), read, 3, 0.0)
    assert (bill.stimuli, bill.reads, bill.rho) == (5, 3, 0.0)
    held = {name: found.count("reliability") for name, found in bill.operations.items()}
    assert held == {name: sizes[-1] if name == names[-1] else 0 for name in names}
    drawing = {name for name, found in bill.operations.items() if found.count("random")}
    assert drawing == {names[-1]}


def test_a_bill_has_the_programs_rho_unless_given():
    program, read = random_program((6, 4, 3), (4, 4, 4), 1.0)
    program = replace(program, rho=2.0)
    assert bill_of_inputs(program, preset("digital-45nm"), read).rho == 2.0
    assert bill_of_inputs(program, preset("digital-45nm"), read, rho=1.0).rho == 1.0


def test_stimuli_are_rounded_in_the_first_layer_alone():
    program, read = random_program((6, 4, 3), (4, 4, 4), 1.0, stimuli=2)
    hardware = preset("digital-45nm").replace(noise=Noise(input_dither="stochastic"))
    bill = bill_of_inputs(program, hardware.with_precision(4, 4, 4), read, 3, 0.0)
    assert bill.operations["input"] == Operations({Operation("random"): 16 * 6})
    assert list(bill.operations) == ["input", "layer 1", "layer 2"]


@pytest.mark.parametrize(
    ("bits", "weights", "inputs"), [(1, {-1, 1}, {-1, 1}), (2, {-1, 0, 1}, {-2, -1, 0, 1})]
)
def test_a_random_program_takes_every_code(bits, weights, inputs):
    """Of weights those that have a pair, of inputs all."""
    program, read = random_program((60, 50), (bits, bits, bits), 1.0, stimuli=3)
    assert set(program.layers["layer 1"].weight_codes.ravel()) == weights
    assert set(read["layer 1"].ravel()) == inputs
