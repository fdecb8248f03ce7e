"""Chains in one kernel: against the reference implementation in plain NumPy, and against a product,
a sum and a draw for each step.
"""

import numpy as np
import pytest
from circuitcases import (
    EVENTS,
    INPUT_LAYER,
    KEY,
    by_reference,
    by_steps,
    case,
    quantiser,
    rounded,
    run,
    seen_by_steps,
    stimuli_of,
)
from stochsim_kernels.circuit import integer_circuit
from stochsim_kernels.neuron import channel, stochastic_rounding
from stochsim_kernels.random.address import DrawAddress
from stochsim_kernels.reference import circuit_steps
from stochsim_kernels.reference.neuron_codes import PlainLaw
from threadtest import threads


@pytest.mark.parametrize("sigma", [0.0, 0.3, 2.0])
@pytest.mark.parametrize("bits", range(1, 9))
def test_codes_are_those_of_the_reference_implementation(bits, sigma):
    arguments = case(bits, 2, 5, sigma)
    expected = by_reference(arguments, PlainLaw("gaussian", "identity", *quantiser(bits)))
    found = run(arguments, bits, 7, 3)
    assert found.dtype == expected.dtype
    assert np.array_equal(found, expected)
    assert len(np.unique(found)) > 1


@pytest.mark.parametrize(
    ("family", "activation"), [("gaussian", "relu"), ("gaussian", "tanh"), ("uniform", "identity")]
)
def test_other_laws_are_those_of_the_reference_implementation(family, activation):
    arguments = case(3, 2, 5)
    other = np.full(5, 0.2)
    law = PlainLaw(family, activation, *quantiser(3))
    expected = by_reference((*arguments[:6], other), law)
    assert np.array_equal(run((*arguments[:6], other), 3, 7, 3, family, activation), expected)


@pytest.mark.parametrize("bits", range(1, 9))
@pytest.mark.parametrize(
    ("neurons", "reads"), [(1, 1), (16, 6), (37, 97), (64, 200), (70, 95), (130, 7)]
)
def test_codes_are_those_of_draws_step_by_step(bits, neurons, reads):
    """Any number of neurons and reads beside those of tiles, panels and chunks."""
    for sigma, bias in ((0.3, 0.1), (0.02, 0.0)):
        arguments = case(bits, 2, neurons, sigma, seed=neurons, bias=bias)
        assert np.array_equal(run(arguments, bits, reads, 4), by_steps(arguments, bits, reads, 4))


@pytest.mark.parametrize("bits", range(1, 9))
def test_two_codes_are_those_of_all_thresholds(bits):
    """The reference implementation's but for the last place of a probability, and exactly those of
    `channel.fill_thresholds`.
    """
    z, step, c_min, levels = quantiser(bits)
    *_, x, edges = stimuli_of(bits, 3, 400, 2)
    x[0, -4:] = 1e300, -1e300, z, z + step * c_min
    lower, least = stochastic_rounding.two_codes(x, step, edges)
    table = np.empty((3, levels - 1, 400), np.uint32)
    nothing = np.zeros(x.shape)
    law = channel.NeuronLaw(channel.UNIFORM, channel.IDENTITY, edges, z, step, c_min)
    channel.fill_thresholds(x, nothing, nothing + step / np.sqrt(12), law, table)
    between = (table > 0) & (table < 2**31)
    assert between.sum(axis=1).max() == 1
    assert np.array_equal(lower, (table == 0).sum(axis=1))
    assert np.array_equal(
        least,
        np.where(between, table, 0).sum(axis=1, dtype=np.uint32) + 2**31 * ~between.any(axis=1),
    )
    reference_lower, reference_least = circuit_steps.two_codes(
        x[:, -40:], PlainLaw("uniform", "identity", z, step, c_min, levels)
    )
    assert np.array_equal(lower[:, -40:], reference_lower)
    assert np.abs(least[:, -40:].astype(int) - reference_least).max() <= 1


@pytest.mark.parametrize("bits", range(1, 9))
def test_rounded_stimuli_are_those_of_the_reference_implementation(bits):
    arguments = case(bits, 2, 5)
    stimuli = stimuli_of(bits, 2, 7, 5)
    stimulus_drive = rounded(bits, *stimuli)
    plain = circuit_steps.PlainStimuli(stimuli[0], *stimulus_drive[1:6])
    address = DrawAddress.of(KEY, INPUT_LAYER, 0, 5, 50)
    steps = integer_circuit.Steps(3, EVENTS)
    seen = circuit_steps.rounded(plain, address, steps, 7)
    assert np.ptp(seen, axis=2).any()
    assert np.ptp(seen, axis=0).any()
    law = PlainLaw("gaussian", "identity", *quantiser(bits))
    expected = by_reference((*arguments[:3], seen, *arguments[4:]), law)
    assert np.array_equal(
        run((*arguments[:3], stimulus_drive, *arguments[4:]), bits, 7, 3), expected
    )


@pytest.mark.parametrize("bits", range(1, 9))
@pytest.mark.parametrize(
    ("inputs", "neurons", "reads"), [(1, 1, 1), (48, 64, 97), (33, 70, 200), (130, 16, 95)]
)
def test_rounded_stimuli_are_those_of_draws_step_by_step(bits, inputs, neurons, reads):
    arguments = case(bits, 2, neurons, seed=neurons)
    stimuli = stimuli_of(bits, 2, inputs, neurons)
    expected = by_steps(
        (*arguments[:3], seen_by_steps(bits, reads, 4, *stimuli), *arguments[4:]), bits, reads, 4
    )
    assert np.array_equal(
        run((*arguments[:3], rounded(bits, *stimuli), *arguments[4:]), bits, reads, 4), expected
    )


@pytest.mark.parametrize("bits", [1, 3, 8])
def test_splits_and_threads_change_no_code(bits):
    arguments = case(bits, 3, 9)
    reads = 300
    stimuli = stimuli_of(bits, 3, 20, 9)
    whole = run(arguments, bits, reads, 5)
    afresh = run((*arguments[:3], rounded(bits, *stimuli), *arguments[4:]), bits, reads, 5)
    for a, b in ((0, 1), (1, 3)):
        for c, d in ((0, 1), (1, 130), (130, reads)):
            some = (*arguments[:3], arguments[3][a:b], *arguments[4:])
            assert np.array_equal(
                whole[a:b, c:d], run(some, bits, d - c, 5, first_stimulus=5 + a, first_read=50 + c)
            )
            some = (
                *arguments[:3],
                rounded(bits, *stimuli[:3], stimuli[3][a:b], stimuli[4]),
                *arguments[4:],
            )
            assert np.array_equal(
                afresh[a:b, c:d], run(some, bits, d - c, 5, first_stimulus=5 + a, first_read=50 + c)
            )
    with threads():
        assert np.array_equal(whole, run(arguments, bits, reads, 5))


def test_steps_go_on_from_codes():
    """Two steps are one step from the codes of one, whose integers belong to the next event; no
    step moves nothing.
    """
    arguments = case(4, 2, 9)
    one, two = run(arguments, 4, 20, 1), run(arguments, 4, 20, 2)
    assert not np.array_equal(one, two)
    assert np.array_equal(run(arguments, 4, 20, 0), np.full((2, 20, 9), -7))


def test_the_kernel_is_compiled_once():
    arguments = case(4, 2, 9)
    run(arguments, 4, 3, 1)
    before = len(integer_circuit._run_chains.signatures)
    stimulus_drive = np.broadcast_to(arguments[3][:1], (2, 9))
    own = np.asfortranarray(arguments[4])
    own.flags.writeable = False
    for bits in (4, 1):
        weights, scale, bias, *_, sigma, other = case(bits, 2, 9)
        table = own if bits == 4 else own[:2]
        assert np.array_equal(
            run((weights, scale, bias, stimulus_drive, table, sigma, other), bits, 3, 1),
            run(
                (weights, scale, bias, stimulus_drive.copy(), table.copy(), sigma, other),
                bits,
                3,
                1,
            ),
        )
    run((*arguments[:3], rounded(4, *stimuli_of(4, 2, 20, 9)), *arguments[4:]), 4, 3, 1)
    assert len(integer_circuit._run_chains.signatures) == before == 1
