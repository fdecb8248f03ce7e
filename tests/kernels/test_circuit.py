"""Chains in one kernel: against the reference implementation in plain NumPy, and against a product,
a sum and a draw for each step.
"""

import numba
import numpy as np
import pytest
from stochsim_kernels.circuit import integer_circuit
from stochsim_kernels.neuron import channel, drawing, stochastic_rounding
from stochsim_kernels.product import matmul
from stochsim_kernels.random.address import DrawAddress
from stochsim_kernels.reference import circuit_steps
from stochsim_kernels.reference.neuron_codes import PlainLaw

KEY = 0xFEDC_BA98_7654_3210
LAYER = 3
INPUT_LAYER = 3 << 30
EVENTS = 2


def quantiser(bits):
    """(z, step, c_min, levels)"""
    return (-0.7, 1.4, 0, 2) if bits == 1 else (0.0, 2.6 / 2**bits, -(2 ** (bits - 1)), 2**bits)


def case(bits, stimuli, neurons, sigma=0.3, seed=0, bias=0.1):
    """(weights, scale, bias, held, own, sigma, other) of a random circuit; weights to -128 at 8
    bits; every third neuron has no noise.
    """
    random = np.random.default_rng(seed)
    z, step, c_min, levels = quantiser(bits)
    top = 2 ** (bits - 1)
    weights = (
        random.choice([-1, 1], (neurons, neurons))
        if bits == 1
        else random.integers(-top, top, (neurons, neurons))
    )
    values = z + step * (c_min + np.arange(levels))
    own = 0.5 * values[:, None] * random.uniform(0.5, 1, neurons)
    scale = 0.6 * step / top / np.sqrt(neurons)
    noise = np.where(np.arange(neurons) % 3 == 2, 0.0, sigma)
    held = random.normal(0, 0.5, (stimuli, neurons))
    return (
        weights.astype(np.int8),
        scale,
        bias * random.normal(0, 1, neurons),
        held,
        own,
        noise,
        np.zeros(neurons),
    )


def stimuli_of(bits, stimuli, inputs, neurons, seed=0):
    """(weights, scale, bias, stimuli, edges) of inputs that are rounded at every step; some clip,
    some lie on codes and on edges.
    """
    random = np.random.default_rng([seed, bits])
    z, step, c_min, levels = quantiser(bits)
    x = random.normal(0, 0.9, (stimuli, inputs))
    x.ravel()[: 2 * levels : 3] = (z + step * (c_min + 0.5 * np.arange(2 * levels)))[: x.size : 3]
    top = 2 ** (bits - 1)
    weights = (
        random.choice([-1, 1], (neurons, inputs))
        if bits == 1
        else random.integers(-top, top, (neurons, inputs))
    )
    edges = channel.inverse_edges(channel.IDENTITY, z, step, c_min, levels)
    return (
        weights.astype(np.int8),
        0.7 * step / top / np.sqrt(inputs),
        random.normal(0, 0.1, neurons),
        x,
        edges,
    )


def rounded(bits, weights, scale, bias, x, edges):
    """`circuit.Rounded` of `stimuli_of`."""
    _, step, c_min, _ = quantiser(bits)
    levels, least = stochastic_rounding.two_codes(x, step, edges)
    lower = (levels.astype(int) + c_min).astype(np.int8)
    lower = 2 * lower - 1 if bits == 1 else lower
    return integer_circuit.Rounded(
        matmul.pack_weights(weights), scale, bias, lower, 2 if bits == 1 else 1, least, INPUT_LAYER
    )


def seen_by_steps(bits, reads, steps, weights, scale, bias, x, edges):
    """What they add to drives at every step, (step, stimulus, read, neuron), by `drawing.draw`."""
    z, step, c_min, _ = quantiser(bits)
    out = []
    law = channel.NeuronLaw(channel.UNIFORM, channel.IDENTITY, edges, z, step, c_min)
    sigmas = np.zeros((1, 1)), np.full((1, 1), step / np.sqrt(12))
    for t in range(steps):
        codes = np.empty((len(x), reads, x.shape[1]), np.int8)
        drawing.draw(x, *sigmas, law, DrawAddress.of(KEY, INPUT_LAYER, EVENTS * t, 5, 50), codes)
        out.append(
            (2 * codes.astype(int) - 1 if bits == 1 else codes.astype(int))
            @ weights.T.astype(int)
            * scale
            + bias
        )
    return np.array(out)


def run(
    arguments,
    bits,
    reads,
    steps,
    family="gaussian",
    activation="identity",
    first_stimulus=5,
    first_read=50,
):
    """Codes after this number of steps, from code c_min + 1 on."""
    weights, scale, bias, held, own, sigma, other = arguments
    c_min = quantiser(bits)[2]
    numbers = channel.FAMILIES[family], channel.ACTIVATIONS[activation]
    law = channel.neuron_law(*numbers, *quantiser(bits))
    stimuli = len(held.lower if isinstance(held, integer_circuit.Rounded) else held)
    codes = np.full((stimuli, reads, len(weights)), c_min + 1, np.int8)
    circuit = integer_circuit.Circuit(
        matmul.pack_weights(weights), scale, bias, own, sigma[None], other[None], law
    )
    address = DrawAddress.of(KEY, LAYER, 0, first_stimulus, first_read)
    integer_circuit.run_chains(circuit, held, address, integer_circuit.Steps(steps, EVENTS), codes)
    return codes


def by_steps(
    arguments,
    bits,
    reads,
    steps,
    family="gaussian",
    activation="identity",
    first_stimulus=5,
    first_read=50,
):
    """The same by `drawing.draw_each`; held: also (step, stimulus, read, neuron)."""
    weights, scale, bias, held, own, sigma, other = arguments
    c_min = quantiser(bits)[2]
    numbers = channel.FAMILIES[family], channel.ACTIVATIONS[activation]
    law = channel.neuron_law(*numbers, *quantiser(bits))
    codes = np.full(
        (held.shape[-3] if held.ndim == 4 else len(held), reads, len(weights)), c_min + 1, np.int8
    )
    for t in range(steps):
        integers = codes.astype(np.int64)
        sums = (2 * integers - 1 if bits == 1 else integers) @ weights.T.astype(np.int64)
        drive = (
            sums * scale
            + bias
            + (held[t] if held.ndim == 4 else held[:, None])
            + own[integers - c_min, np.arange(len(weights))]
        )
        address = DrawAddress.of(KEY, LAYER, EVENTS * t, first_stimulus, first_read)
        drawing.draw_each(drive, sigma[None], other[None], law, address, codes)
    return codes


def by_reference(arguments, law):
    """Codes (2, 7, 5) after three steps, by the reference implementation."""
    weights, scale, bias, held, own, sigma, other = arguments
    circuit = circuit_steps.PlainCircuit(weights, scale, bias, own, sigma, other, law)
    start = np.full((2, 7, 5), law.c_min + 1, np.int8)
    steps = integer_circuit.Steps(3, EVENTS)
    return circuit_steps.run_chains(
        circuit, held, DrawAddress.of(KEY, LAYER, 0, 5, 50), steps, start
    )


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
    held = rounded(bits, *stimuli)
    plain = circuit_steps.PlainStimuli(stimuli[0], *held[1:6])
    address = DrawAddress.of(KEY, INPUT_LAYER, 0, 5, 50)
    steps = integer_circuit.Steps(3, EVENTS)
    seen = circuit_steps.rounded(plain, address, steps, 7)
    assert np.ptp(seen, axis=2).any()
    assert np.ptp(seen, axis=0).any()
    law = PlainLaw("gaussian", "identity", *quantiser(bits))
    expected = by_reference((*arguments[:3], seen, *arguments[4:]), law)
    assert np.array_equal(run((*arguments[:3], held, *arguments[4:]), bits, 7, 3), expected)


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
    before = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        assert np.array_equal(whole, run(arguments, bits, reads, 5))
    finally:
        numba.set_num_threads(before)


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
    held = np.broadcast_to(arguments[3][:1], (2, 9))
    own = np.asfortranarray(arguments[4])
    own.flags.writeable = False
    for bits in (4, 1):
        weights, scale, bias, *_, sigma, other = case(bits, 2, 9)
        table = own if bits == 4 else own[:2]
        assert np.array_equal(
            run((weights, scale, bias, held, table, sigma, other), bits, 3, 1),
            run((weights, scale, bias, held.copy(), table.copy(), sigma, other), bits, 3, 1),
        )
    run((*arguments[:3], rounded(4, *stimuli_of(4, 2, 20, 9)), *arguments[4:]), 4, 3, 1)
    assert len(integer_circuit._run_chains.signatures) == before == 1
