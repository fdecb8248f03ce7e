"""Reads of one chain: after the program's steps, then one every `steps_between_reads` steps.

Codes are those of reference implementations that take one step at a time.
"""

import itertools

import numpy as np
import pytest
from arraytest import array_of
from circuittest import (
    code_of,
    deep_program,
    drives_of,
    hardware_of,
    normal,
    recurrent_chain,
    recurrent_program,
    single_program,
    some_stimuli,
)
from stochsim_kernels.reference.neuron_codes import random31

from stochsim.chip import Chip
from stochsim.energy import Operation, Operations
from stochsim.hardware import Adc, Memory, Noise, RandomSource
from stochsim.settings import SettingError

KEY = 2**63 + 5
READS = 9


def chain_reference(program, x, every, first_stimulus=0, **options):
    return np.array(
        [
            recurrent_chain(program, one, READS, every, KEY, first_stimulus + s, **options)
            for s, one in enumerate(x)
        ]
    )


@pytest.mark.parametrize("dithered", [False, True])
@pytest.mark.parametrize("every", [1, 3, 4])
@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_codes_are_those_of_the_reference(bits, every, dithered):
    """Also with inputs rounded afresh at every step; another `steps_between_reads` gives
    others, and so does a start from 0 at every read.
    """
    program = recurrent_program(bits)
    x = some_stimuli(3)
    chip = Chip(
        program,
        hardware_of(program, noise=Noise(input_dither="stochastic" if dithered else "none")),
        1.3,
    )
    codes = chip.sample(x, READS, KEY, 11, steps_between_reads=every).codes
    assert np.array_equal(
        codes, chain_reference(program, x, every, 11, noise=1.3, dithered=dithered)
    )
    assert not np.array_equal(
        codes, chain_reference(program, x, every + 1, 11, noise=1.3, dithered=dithered)
    )
    independent = chip.sample(x, READS, KEY, 11).codes
    assert np.array_equal(codes[:, 0], independent[:, 0])  # a chain begins as the first read does
    assert not np.array_equal(codes[:, 1:], independent[:, 1:])


def array_chain(chip, x, every, first_stimulus):
    """Codes (stimulus, read, neuron): the stimulus's sum converted once, the codes' sum at every
    step, by the chip's own ADCs.
    """
    program = chip.program
    forward = chip._runner.readout
    lateral = chip._runner.lateral
    rows = []
    for s, seen in enumerate(program.input.integers(program.input.codes(x)), first_stimulus):
        stimulus_drive = forward.scaled(forward.product.sums(seen[None], 1, KEY, s, 0))[0, 0]
        codes = np.full(program.neurons, code_of(0.0, program.output))
        states = []
        for step in range(program.steps + (READS - 1) * every):
            sums = lateral.product.sums(
                program.output.integers(codes)[None], 1, KEY, s << 16, step
            )[0, 0]
            drives = (
                stimulus_drive
                + lateral.scaled(sums)
                + program.wiring.table[codes - program.output.c_min, np.arange(program.neurons)]
            )
            xi = [normal(random31(KEY, 0, 2 * step, s, 0, n)) for n in range(program.neurons)]
            codes = np.array(
                [
                    code_of(d + sigma * u, program.output)
                    for d, sigma, u in zip(drives, program.sigma, xi, strict=True)
                ]
            )
            states.append(codes)
        rows.append(states[program.steps - 1 :: every])
    return np.array(rows)


@pytest.mark.parametrize("every", [1, 3])
def test_codes_of_a_noisy_array_are_those_of_the_reference(every):
    """Every conversion draws anew at every step."""
    program = recurrent_program(3)
    x = some_stimuli(3)
    noisy = Chip(program, hardware_of(program, array=array_of(Adc(bits=5, sigma_lsb=0.7), rows=4)))
    codes = noisy.sample(x, READS, KEY, 11, steps_between_reads=every).codes
    assert np.array_equal(codes, array_chain(noisy, x, every, 11))
    assert not np.array_equal(codes, chain_reference(program, x, every, 11))


def test_an_array_whose_adcs_lose_nothing_gives_the_digital_codes():
    program = recurrent_program(3)
    x = some_stimuli(3)
    exact = Chip(program, hardware_of(program, array=array_of(Adc(bits=8), rows=4)))
    assert np.array_equal(
        exact.sample(x, READS, KEY, steps_between_reads=2).codes, chain_reference(program, x, 2)
    )


CHIPS = {
    "plain": {},
    "input dither": {"noise": Noise(input_dither="stochastic")},
    "noise of every weight": {"noise": Noise(weight_sigma=0.05, weight_noise="explicit")},
    "lumped noise of weights": {"noise": Noise(weight_sigma=0.05)},
    "code errors": {"memory": Memory(code_errors=0.1)},
    "transient weight errors": {"memory": Memory(weight_read_errors=0.05)},
    "shift registers": {"random": RandomSource(threshold_bits=7, lfsr_bits=9)},
    "shared sources": {"random": RandomSource(neurons_per_source=2)},
    "array": {"array": array_of(Adc(bits=5, sigma_lsb=0.7), rows=4)},
}


@pytest.mark.parametrize("name", CHIPS)
def test_splits_in_stimuli_portions_and_operations(name, monkeypatch):
    """Same codes in any split of stimuli; the bill of operations() is that of key 0; fewer reads
    are the first of more.
    """
    program = recurrent_program(3)
    x = some_stimuli(4)
    chip = Chip(program, hardware_of(program, **CHIPS[name]))
    whole = chip.sample(x, READS, KEY, 11, steps_between_reads=2)
    parts = [
        chip.sample(x[a:b], READS, KEY, 11 + a, steps_between_reads=2) for a, b in ((0, 1), (1, 4))
    ]
    assert np.array_equal(np.concatenate([part.codes for part in parts]), whole.codes)
    assert np.array_equal(
        chip.sample(x, 4, KEY, 11, steps_between_reads=2).codes, whole.codes[:, :4]
    )
    billed = chip.sample(x, READS, 0, steps_between_reads=2).operations
    assert chip.operations(x, READS, steps_between_reads=2) == billed
    assert chip.sample(x, READS, 0, steps_between_reads=2, count=False).operations == Operations()
    monkeypatch.setattr("stochsim.chip.memory_portions.STATES_AT_ONCE", 7)
    monkeypatch.setattr("stochsim.chip.memory_portions.DRIVES_AT_ONCE", 7)
    again = chip.sample(x, READS, KEY, 11, steps_between_reads=2)
    assert np.array_equal(again.codes, whole.codes)
    assert set(again.operations) == set(whole.operations)
    np.testing.assert_allclose(
        [again.operations[one] for one in whole.operations],
        list(whole.operations.values()),
        rtol=1e-12,
    )


@pytest.mark.parametrize("dithered", [False, True])
def test_operations_by_hand(dithered):
    """4 + 9 × 3 steps per stimulus in place of 10 × 4; the stimulus's sum is made once per
    stimulus, or at every step.
    """
    program = recurrent_program(sigma=0.25)
    x = some_stimuli(4)
    noise = Noise(input_dither="stochastic" if dithered else "none")
    found = (
        Chip(program, hardware_of(program, noise=noise))
        .sample(x, 10, 1, steps_between_reads=3)
        .operations
    )
    steps = 4 * (4 + 9 * 3)
    sums = steps if dithered else 4
    counts = {
        kind: found.count(kind)
        for kind in (
            "multiply",
            "add",
            "dac",
            "adc",
            "code_memory",
            "weight_memory",
            "random",
            "reliability",
        )
    }
    assert counts == {
        "multiply": sums * 35 + steps * 25,
        "add": sums * 35 + steps * (25 + 2 * 5),
        "dac": sums * 7 + steps * 5,
        "adc": steps * 5,
        "code_memory": 3 * (sums * 7 + steps * 2 * 5),
        "weight_memory": 4 * 3 * 60,
        "random": steps * 5 * 32 + (sums * 7 * 16 if dithered else 0),
        "reliability": steps * 5,
    }
    assert found.get(Operation("multiply", (3, 3))) == counts["multiply"]


def test_a_shift_register_runs_on_from_step_to_step_and_its_noise_repeats():
    """255 states, 3 bits a step, 5 steps a read: the register is back after 255 / gcd(255, 15) = 17
    reads, and not before.

    Two states that see the same noise come together where the circuit contracts, so in the end the
    reads repeat as well.
    """
    program = recurrent_program(4, steps=5)
    chip = Chip(program, hardware_of(program, random=RandomSource(threshold_bits=3, lfsr_bits=8)))
    assert chip.register_period(steps_between_reads=5) == 17
    assert (chip.register_period(steps_between_reads=1), chip.register_period()) == (85, 17)
    codes = chip.sample(some_stimuli(2), 120, KEY, steps_between_reads=5).codes
    assert np.array_equal(codes[:, 60:-17], codes[:, 77:])
    for shift in range(1, 17):
        assert not np.array_equal(codes[:, 60:-shift], codes[:, 60 + shift :])


def test_which_reads_are_independent():
    program = recurrent_program()
    plain, shared = (
        Chip(program, hardware_of(program, **CHIPS[name])) for name in ("plain", "shared sources")
    )
    assert (
        plain.reads_are_independent(),
        plain.reads_are_independent(steps_between_reads=4),
        plain.register_period(),
    ) == (True, False, None)
    assert (
        shared.reads_are_independent()
    )  # neurons that share a source depend on each other, reads of a neuron do not
    assert not Chip(
        program, hardware_of(program, **CHIPS["shift registers"])
    ).reads_are_independent()
    feed_forward = single_program()
    register = Chip(
        feed_forward, hardware_of(feed_forward, random=RandomSource(threshold_bits=6, lfsr_bits=8))
    )
    assert register.register_period() == 255 // 3


def test_a_chain_without_noise_still_moves_and_then_rests():
    program = recurrent_program(8, sigma=0.0)
    x = some_stimuli(3)
    codes = Chip(program, hardware_of(program)).sample(x, 40, 1, steps_between_reads=1).codes
    assert np.ptp(codes[:, :3], axis=1).any()
    assert not np.ptp(codes[:, -3:], axis=1).any()


def test_what_is_not_possible_is_refused():
    x = some_stimuli(2)
    for build in (single_program, deep_program):
        program = build()
        with pytest.raises(
            SettingError,
            match="'steps_between_reads' = 2: only a recurrent program has steps between reads; "
            "valid: None",
        ):
            Chip(program, hardware_of(program)).sample(x, 4, 1, steps_between_reads=2)
    program = recurrent_program()
    chip = Chip(program, hardware_of(program))
    for every, call in itertools.product(
        (0, -1, 1.5, True),
        (
            lambda k: chip.sample(x, 4, 1, steps_between_reads=k),
            lambda k: chip.operations(x, 4, steps_between_reads=k),
        ),
    ):
        with pytest.raises(
            SettingError, match=r"'steps_between_reads' = .*: should be an integer from 1"
        ):
            call(every)
    with pytest.raises(
        SettingError,
        match=r"'first_read' = 3: a chain \(steps_between_reads = 2\) starts at its first "
        r"read; valid: 0",
    ):
        chip.sample(x, 4, 1, first_read=3, steps_between_reads=2)
    with pytest.raises(
        SettingError,
        match=r"'reads' = 5: should be at most 3 with steps_between_reads = 1000000000: a "
        r"chain has fewer than 2\^31 steps",
    ):
        chip.sample(x, 5, 1, steps_between_reads=10**9)


def test_a_step_is_the_reference_arithmetic_by_hand():
    """The reference implementation's arithmetic: one step from a known state, by hand."""
    program = recurrent_program(4, steps=1)
    x = some_stimuli(1)
    first, second = (
        Chip(program, hardware_of(program)).sample(x, 2, KEY, steps_between_reads=1).codes[0]
    )
    seen = drives_of(program.readout, program.input.codes(x)[0])
    back = drives_of(program.layers["lateral"], list(first))
    own = program.wiring.table[first - program.output.c_min, np.arange(program.neurons)]
    xi = [normal(random31(KEY, 0, 2, 0, 0, n)) for n in range(program.neurons)]
    by_hand = [
        code_of(a + b + c + s * u, program.output)
        for a, b, c, s, u in zip(seen, back, own, program.sigma, xi, strict=True)
    ]
    assert list(second) == by_hand
