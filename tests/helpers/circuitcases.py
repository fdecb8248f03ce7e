"""Random circuits for the kernel of chains, and their codes by two other ways: the reference
implementation, and draws step by step.
"""

import numpy as np
from stochsim_kernels.circuit import integer_circuit
from stochsim_kernels.neuron import channel, drawing, stochastic_rounding
from stochsim_kernels.product import matmul
from stochsim_kernels.random.address import DrawAddress
from stochsim_kernels.reference import circuit_steps

KEY = 0xFEDC_BA98_7654_3210
LAYER = 3
INPUT_LAYER = 3 << 30
EVENTS = 2


def quantiser(bits):
    """(z, step, c_min, levels)"""
    return (-0.7, 1.4, 0, 2) if bits == 1 else (0.0, 2.6 / 2**bits, -(2 ** (bits - 1)), 2**bits)


def case(bits, stimuli, neurons, sigma=0.3, seed=0, bias=0.1):
    """(weights, scale, bias, stimulus_drive, own, sigma, other) of a random circuit; weights to
    -128 at 8 bits; every third neuron has no noise.
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
    stimulus_drive = random.normal(0, 0.5, (stimuli, neurons))
    return (
        weights.astype(np.int8),
        scale,
        bias * random.normal(0, 1, neurons),
        stimulus_drive,
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
    weights, scale, bias, stimulus_drive, own, sigma, other = arguments
    c_min = quantiser(bits)[2]
    numbers = channel.FAMILIES[family], channel.ACTIVATIONS[activation]
    law = channel.neuron_law(*numbers, *quantiser(bits))
    stimuli = len(
        stimulus_drive.lower
        if isinstance(stimulus_drive, integer_circuit.Rounded)
        else stimulus_drive
    )
    codes = np.full((stimuli, reads, len(weights)), c_min + 1, np.int8)
    circuit = integer_circuit.Circuit(
        matmul.pack_weights(weights), scale, bias, own, sigma[None], other[None], law
    )
    address = DrawAddress.of(KEY, LAYER, 0, first_stimulus, first_read)
    integer_circuit.run_chains(
        circuit, stimulus_drive, address, integer_circuit.Steps(steps, EVENTS), codes
    )
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
    """The same by `drawing.draw_each`; stimulus_drive: also (step, stimulus, read, neuron)."""
    weights, scale, bias, stimulus_drive, own, sigma, other = arguments
    c_min = quantiser(bits)[2]
    numbers = channel.FAMILIES[family], channel.ACTIVATIONS[activation]
    law = channel.neuron_law(*numbers, *quantiser(bits))
    codes = np.full(
        (
            stimulus_drive.shape[-3] if stimulus_drive.ndim == 4 else len(stimulus_drive),
            reads,
            len(weights),
        ),
        c_min + 1,
        np.int8,
    )
    for t in range(steps):
        integers = codes.astype(np.int64)
        sums = (2 * integers - 1 if bits == 1 else integers) @ weights.T.astype(np.int64)
        drive = (
            sums * scale
            + bias
            + (stimulus_drive[t] if stimulus_drive.ndim == 4 else stimulus_drive[:, None])
            + own[integers - c_min, np.arange(len(weights))]
        )
        address = DrawAddress.of(KEY, LAYER, EVENTS * t, first_stimulus, first_read)
        drawing.draw_each(drive, sigma[None], other[None], law, address, codes)
    return codes


def by_reference(arguments, law):
    """Codes (2, 7, 5) after three steps, by the reference implementation."""
    weights, scale, bias, stimulus_drive, own, sigma, other = arguments
    circuit = circuit_steps.PlainCircuit(weights, scale, bias, own, sigma, other, law)
    start = np.full((2, 7, 5), law.c_min + 1, np.int8)
    steps = integer_circuit.Steps(3, EVENTS)
    return circuit_steps.run_chains(
        circuit, stimulus_drive, DrawAddress.of(KEY, LAYER, 0, 5, 50), steps, start
    )
