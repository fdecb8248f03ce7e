"""Deep and recurrent programs on a chip, and inputs that are rounded stochastically, against
reference implementations in plain Python: equal codes.
"""

import dataclasses

import numpy as np
import pytest
from circuittest import PROGRAMS, hardware_of, reference_codes, some_stimuli

from stochsim.chip import Chip
from stochsim.hardware import Noise
from stochsim.program import single_layer

KINDS = tuple(PROGRAMS)


def chip_of(kind, bits, noise=1.0, **own):
    program = PROGRAMS[kind](bits)
    return Chip(program, hardware_of(program, noise=Noise(**own)), noise)


@pytest.mark.parametrize("bits", [1, 2, 3, 4, 6, 8])
@pytest.mark.parametrize("kind", KINDS)
def test_codes_without_noise_are_those_of_the_reference(kind, bits):
    """And every read gives the same ones."""
    x = some_stimuli(6)
    chip = chip_of(kind, bits, noise=0.0)
    codes = chip.sample(x, 3, 4).codes
    assert np.array_equal(codes[:, :1], reference_codes(kind, chip.program, x, 1, 4, noise=0.0))
    assert np.array_equal(codes, np.repeat(codes[:, :1], 3, axis=1))
    assert len(np.unique(codes)) > 1


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("kind", KINDS)
def test_noisy_codes_are_those_of_the_reference(kind, bits):
    """Same integers, same codes; another multiplier of the noise gives others."""
    x = some_stimuli(2)
    chip = chip_of(kind, bits, noise=1.3)
    where = {"first_stimulus": 11, "first_read": 70}
    codes = chip.sample(x, 9, 2**63 + 5, **where).codes
    assert np.array_equal(
        codes, reference_codes(kind, chip.program, x, 9, 2**63 + 5, noise=1.3, **where)
    )
    assert not np.array_equal(
        codes, reference_codes(kind, chip.program, x, 9, 2**63 + 5, noise=0.6, **where)
    )


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("kind", KINDS)
def test_dithered_codes_are_those_of_the_reference(kind, bits):
    """Inputs rounded afresh at every read, and at every step of a recurrent circuit."""
    x = some_stimuli(2)
    chip = chip_of(kind, bits, input_dither="stochastic")
    codes = chip.sample(x, 9, 8, first_stimulus=3, first_read=5).codes
    assert np.array_equal(codes, reference_codes(kind, chip.program, x, 9, 8, 3, 5, dithered=True))
    assert not np.array_equal(codes, reference_codes(kind, chip.program, x, 9, 8, 3, 5))


@pytest.mark.parametrize("layers", [1, 2])
def test_depth(layers):
    program = PROGRAMS["deep"](4, layers=layers)
    x = some_stimuli()
    codes = Chip(program, hardware_of(program)).sample(x, 4, 1).codes
    assert np.array_equal(codes, reference_codes("deep", program, x, 4, 1))


def test_more_steps_go_on_from_fewer():
    """The state starts at the code of value 0; with no steps left out or added.

    One step is a single layer with own[0] in its bias.
    """
    program = PROGRAMS["recurrent"](4, steps=1)
    x = some_stimuli()
    readout = program.readout
    start = readout.output.codes(np.zeros(1))[0]
    bias = readout.bias + program.wiring.table[start - program.output.c_min]
    single = single_layer(dataclasses.replace(readout, bias=bias))
    expected = Chip(single, hardware_of(single)).sample(x, 30, 3).codes
    assert np.array_equal(Chip(program, hardware_of(program)).sample(x, 30, 3).codes, expected)
    longer = dataclasses.replace(program, wiring=dataclasses.replace(program.wiring, steps=2))
    assert not np.array_equal(Chip(longer, hardware_of(longer)).sample(x, 30, 3).codes, expected)
