"""Operations of deep and recurrent programs, and of inputs rounded stochastically, counted by hand;
and of sample as of operations.
"""

import numpy as np
import pytest
from arraytest import array_of
from circuittest import (
    INPUTS,
    PROGRAMS,
    deep_program,
    hardware_of,
    recurrent_program,
    single_program,
    some_stimuli,
)

from stochsim.chip import Chip
from stochsim.energy import Operation, Operations
from stochsim.hardware import Adc, Memory, Noise, RandomSource, Reliability

X = some_stimuli(4)
READS = 4 * 10  # 4 stimuli × 10 reads


def counted(program, multiplier=1.0, **parts):
    return Chip(program, hardware_of(program, **parts), multiplier).sample(X, 10, 1).operations


def test_a_deep_program_by_hand():
    """Layers of 7 × 9, 9 × 6, 6 × 5 and 6 × 5 weights of 3 bits; codes of 3 bits.

    Only the last layer buys reliability and random bits.
    """
    program = deep_program()
    chip = Chip(program, hardware_of(program, reliability=Reliability(s=0.5)), sigma_scale=2.0)
    found = chip.sample(X, 10, 1).operations
    expected = {
        Operation("multiply", (3, 3)): READS * (63 + 54 + 30 + 30),
        Operation("add", (9,)): READS * (63 + 30 + 30),  # 3 + 3 + 3 bits for 7 inputs, and for 6
        Operation("add", (10,)): READS * 54,
        Operation("dac", (3,)): READS * (7 + 9 + 6 + 6),
        Operation("adc", (3,)): READS * (9 + 6 + 5 + 5),
        Operation("weight_memory", (3 * 177,)): 4 * 3 * 177,
        # every code is written once and read by each layer behind it; those of log sigma are read
        # to set sigma
        Operation("code_memory", (3 * (7 + 9 + 6 + 5 + 5),)): READS
        * 3
        * (7 + 9 + 9 + 6 + 6 + 6 + 5 + 5 + 5),
        Operation("random"): READS * 5 * 32,
    }
    held = {
        operation: count for operation, count in found.items() if operation.kind == "reliability"
    }
    assert {
        operation: count for operation, count in found.items() if operation.kind != "reliability"
    } == expected
    sigmas = chip.sigmas(X)[0]
    by_hand = Operations()
    for sigma in sigmas.ravel():
        by_hand += Operations({Operation("reliability", (sigma / 0.5,)): 10})
    assert sum(held.values()) == sum(by_hand.values()) == READS * 5
    ordered = [
        np.array(sorted((operation.args[0], count) for operation, count in one.items()))
        for one in (held, by_hand)
    ]
    np.testing.assert_allclose(*ordered, rtol=1e-12)


@pytest.mark.parametrize("dithered", [False, True])
def test_a_recurrent_program_by_hand(dithered):
    """7 inputs, 5 neurons, 4 steps of 3-bit codes: the stimulus's sum is made once and kept, or at
    every step where inputs are dithered.
    """
    program = recurrent_program(sigma=0.25)
    times = 4 if dithered else 1
    noise = Noise(input_dither="stochastic" if dithered else "none")
    found = counted(program, 2.0, noise=noise, reliability=Reliability(s=0.5))
    steps = 4 * READS
    assert found == Operations(
        {
            Operation("multiply", (3, 3)): READS * times * 35 + steps * 25,
            # sums of 7 and of 5 inputs are both 9 bits wide; the stimulus's sum and the own
            # term are added at every step
            Operation("add", (9,)): READS * times * 35 + steps * (25 + 2 * 5),
            Operation("dac", (3,)): READS * times * 7 + steps * 5,
            Operation("adc", (3,)): steps * 5,
            Operation("weight_memory", (3 * 60,)): 4 * 3 * 60,
            Operation("code_memory", (3 * 12,)): 3 * (READS * times * 7 + steps * 2 * 5),
            Operation("random"): steps * 5 * 32 + (READS * times * 7 * 16 if dithered else 0),
            Operation("reliability", (2 * 0.25 / 0.5,)): steps * 5,
        }
    )


def test_random_bits_of_input_dither_and_of_noisy_hidden_layers():
    """16 for each input and read.

    Hidden layers draw random bits where the output quantisers dither on purpose, and only there.
    """
    for build in (single_program, deep_program):
        program = build()
        plain = counted(program).count("random")
        assert (
            counted(program, noise=Noise(input_dither="stochastic")).count("random")
            == plain + READS * INPUTS * 16
        )
        assert (
            counted(program, noise=Noise(read_sigma=0.1)).count("random") == plain == READS * 5 * 32
        )
        neurons = sum(layer.neurons for layer in program.layers.values())
        assert (
            counted(program, noise=Noise(dither="stochastic")).count("random")
            == READS * neurons * 32
        )
    shared = counted(
        deep_program(), random=RandomSource(neurons_per_source=3, random_bits_per_code=8)
    )
    assert shared.count("random") == READS * 2 * 8


CHIPS = {
    "plain": {},
    "read noise": {"noise": Noise(read_sigma=0.2)},
    "input dither": {"noise": Noise(input_dither="stochastic")},
    "array": {"array": array_of(Adc(bits=6, sigma_lsb=0.4), rows=4)},
    "array and input dither": {
        "array": array_of(Adc(bits=6), rows=4),
        "noise": Noise(input_dither="stochastic"),
    },
}


@pytest.mark.parametrize("name", CHIPS)
@pytest.mark.parametrize("kind", PROGRAMS)
def test_operations_are_those_of_a_sample_with_key_0(kind, name, monkeypatch):
    """Portions do not change the bill, nor do threads; splitting in stimuli splits it, and
    count=False is no bill.
    """
    program = PROGRAMS[kind]()
    chip = Chip(program, hardware_of(program, **CHIPS[name]))
    whole = chip.operations(X, 10)
    assert chip.sample(X, 10, 0).operations == whole
    assert chip.sample(X, 10, 0, count=False).operations == Operations()
    halves = [chip.sample(X[a:b], 10, 0, first_stimulus=a).operations for a, b in ((0, 1), (1, 4))]
    assert_close(halves[0] + halves[1], whole)
    for block in ("DRIVES_AT_ONCE", "STATES_AT_ONCE"):
        monkeypatch.setattr(f"stochsim.chip.memory_portions.{block}", 4 * 9)
    assert_close(chip.operations(X, 10), whole)


def assert_close(found, expected):
    """Equal kinds and counts, but for the last places of currents and of sigmas."""
    assert set(found) == set(expected)
    np.testing.assert_allclose(
        [found[one] for one in expected], list(expected.values()), rtol=1e-12
    )


def test_the_bill_of_an_array_follows_the_codes_of_every_layer():
    """Currents of deep and recurrent programs change with the stimulus and with what noise makes of
    hidden codes.
    """
    for build in (deep_program, recurrent_program):
        program = build()
        array = array_of(Adc(bits=6), rows=4)
        quiet = counted(program, array=array)
        noisy = counted(program, array=array, memory=Memory(code_errors=0.3))
        assert quiet.count("adc") == noisy.count("adc") > 0
        assert quiet.count("cell") != noisy.count("cell")
