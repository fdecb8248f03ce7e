"""Recurrent programs by one kernel for all steps, and step by step: the same codes; and what is
billed in advance.
"""

import numpy as np
import pytest
from arraytest import array_of
from circuittest import hardware_of, recurrent_program, some_stimuli
from stochsim_kernels.circuit import integer_circuit

from stochsim.accounting import OFF
from stochsim.chip import Chip
from stochsim.chip.rng_address import Place
from stochsim.hardware import Adc, Memory, Noise, RandomSource

KEY = 2**63 + 5
FIRST = {"first_stimulus": 11, "first_read": 70}
WIDE = 12  # bits that hold every sum of five products of 3 bits
IN_CACHE = {
    "plain": {},
    "read noise": {"noise": Noise(read_sigma=0.2)},
    "logistic read noise": {"noise": Noise(read_sigma=0.2, family="logistic")},
    "input dither": {"noise": Noise(input_dither="stochastic")},
    "input dither and others": {
        "noise": Noise(input_dither="stochastic", dither="triangular"),
        "memory": Memory(weight_errors=0.05),
        "accumulator_bits": WIDE,
    },
    "input dither by two bits": {
        "noise": Noise(input_dither="stochastic", input_random_bits=2, input_cut="nearest")
    },
    "dither": {"noise": Noise(dither="stochastic")},
    "weight errors": {"memory": Memory(weight_errors=0.05)},
    "wide accumulators": {"accumulator_bits": WIDE, "accumulator_overflow": "saturate"},
    "wide accumulators that wrap": {"accumulator_bits": WIDE, "accumulator_overflow": "wrap"},
}
BY_STEPS = {
    "input dither and transient errors": {
        "noise": Noise(input_dither="stochastic"),
        "memory": Memory(weight_read_errors=0.05),
    },
    "input dither and narrow accumulators": {
        "noise": Noise(input_dither="stochastic"),
        "accumulator_bits": 4,
        "accumulator_overflow": "saturate",
    },
    "lumped noise of weights": {"noise": Noise(weight_sigma=0.05)},
    "noise of every weight": {"noise": Noise(weight_sigma=0.05, weight_noise="explicit")},
    "transient weight errors": {"memory": Memory(weight_read_errors=0.05)},
    "code errors": {"memory": Memory(code_errors=0.1)},
    "narrow accumulators": {"accumulator_bits": 4, "accumulator_overflow": "saturate"},
    "own source": {"random": RandomSource(threshold_bits=7, lfsr_bits=9)},
    "array": {"array": array_of(Adc(bits=5, sigma_lsb=0.7), rows=4)},
}


def step_by_step(chip, x, reads, monkeypatch):
    """Codes without the kernel of all steps, and with every read run though all may be alike."""
    codes = np.empty((len(x), reads, chip.program.neurons), np.int8)
    with monkeypatch.context() as patch:
        patch.setattr(integer_circuit, "fused_is_faster", lambda _neurons: False)
        chip._runner._run(x, reads, Place(KEY, *FIRST.values()), codes, OFF)
    return codes


def calls_of_the_kernel(monkeypatch):
    """A list that grows with every call of it."""
    calls = []
    run_chains = integer_circuit.run_chains
    monkeypatch.setattr(
        integer_circuit,
        "run_chains",
        lambda *arguments: (calls.append(arguments[-1].shape), run_chains(*arguments)),
    )
    return calls


@pytest.mark.parametrize("dither", ["none", "stochastic"])
@pytest.mark.parametrize("noise", [0.0, 0.5, 1.0, 4.0])
@pytest.mark.parametrize("bits", range(1, 9))
def test_codes_are_those_of_single_steps(bits, noise, dither, monkeypatch):
    """For one panel of neurons and for two, in whole and in splits of stimuli and reads."""
    calls = calls_of_the_kernel(monkeypatch)
    for neurons, steps in ((5, 6), (70, 3)):
        program = recurrent_program(bits, steps=steps, neurons=neurons)
        x = some_stimuli(5)
        chip = Chip(program, hardware_of(program, noise=Noise(input_dither=dither)), noise)
        whole = chip.sample(x, 131, KEY, **FIRST).codes
        assert np.array_equal(whole, step_by_step(chip, x, 131, monkeypatch))
        assert np.ptp(whole, axis=1).any() == (noise > 0 or dither != "none")
        for a, b in ((0, 1), (1, 5)):
            for c, d in ((0, 64), (64, 131)):
                part = chip.sample(
                    x[a:b], d - c, KEY, first_stimulus=11 + a, first_read=70 + c
                ).codes
                assert np.array_equal(part, whole[a:b, c:d])
    assert len(calls) == 10


@pytest.mark.parametrize("name", [*IN_CACHE, *BY_STEPS])
def test_only_what_the_kernel_can_do_is_done_by_it(name, monkeypatch):
    program = recurrent_program(3)
    x = some_stimuli(4)
    chip = Chip(program, hardware_of(program, **{**IN_CACHE, **BY_STEPS}[name]))
    calls = calls_of_the_kernel(monkeypatch)
    codes = chip.sample(x, 40, KEY, **FIRST).codes
    assert bool(calls) == (name in IN_CACHE)
    assert np.array_equal(codes, step_by_step(chip, x, 40, monkeypatch))
    if name not in ("plain", "wide accumulators", "wide accumulators that wrap"):
        assert not np.array_equal(
            codes, Chip(program, hardware_of(program)).sample(x, 40, KEY, **FIRST).codes
        )


@pytest.mark.parametrize("bits", range(1, 9))
def test_inputs_on_codes_and_on_edges_are_rounded_alike(bits, monkeypatch):
    program = recurrent_program(bits, steps=3)
    read = program.input
    x = np.zeros((4, program.inputs))
    x[:3] = read.z + read.step * (
        read.c_min + np.array([[0.0], [0.5], [read.levels // 2]]) + np.arange(program.inputs) / 2
    )
    x[3, :4] = -1e9, 1e9, -read.scale, read.scale
    chip = Chip(program, hardware_of(program, noise=Noise(input_dither="stochastic")))
    assert np.array_equal(
        chip.sample(x, 131, KEY, **FIRST).codes, step_by_step(chip, x, 131, monkeypatch)
    )


@pytest.mark.parametrize("parts", [{}, {"memory": Memory(weight_read_errors=0.05)}])
def test_without_noise_one_read_runs_for_all(parts, monkeypatch):
    program = recurrent_program(4)
    x = some_stimuli(4)
    chip = Chip(program, hardware_of(program, **parts), 0.0)
    calls = calls_of_the_kernel(monkeypatch)
    codes = chip.sample(x, 40, KEY, **FIRST).codes
    assert calls == ([] if parts else [(4, 1, 5)])
    assert np.array_equal(codes, step_by_step(chip, x, 40, monkeypatch))


@pytest.mark.parametrize("name", ["plain", "input dither", "noise of every weight", "array"])
def test_operations_of_digital_products_are_known_without_a_run(name, monkeypatch):
    program = recurrent_program(3)
    x = some_stimuli(4)
    chip = Chip(program, hardware_of(program, **{**IN_CACHE, **BY_STEPS}[name]))
    expected = chip.sample(x, 10, 0).operations
    if name != "array":
        monkeypatch.delattr("stochsim.chip.recurrent.RecurrentRunner._run")
    assert chip.operations(x, 10) == expected
