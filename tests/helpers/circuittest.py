"""Small deep and recurrent programs, and what a chip should make of them: one read, one neuron, one
number at a time, in plain Python.
"""

import dataclasses

import numpy as np
from arraytest import random_weights
from scipy import special
from stochsim_kernels.reference.neuron_codes import random31

from stochsim.hardware import preset
from stochsim.program import (
    LATERAL,
    LOG_SIGMA,
    FloatLayer,
    FloatRecurrent,
    Layer,
    Quantizer,
    float_recurrent,
    recurrent,
    single_layer,
    with_log_sigma,
)

INPUTS, NEURONS = 7, 5
INPUT_WORD = 3 << 30


def quantizer(bits, reach):
    """A Quantizer of values up to about `reach`; odd scales, so that no sum lies on an edge."""
    return Quantizer(bits, 1.0371 * reach / (1 if bits == 1 else 2 ** (bits - 1)))


def layer(bits, inputs, neurons, reads, gives, sigma=0.0, seed=0, gain=0.9, bias=True):
    """A Layer with random weights and a bias."""
    top = max(1, 2 ** (bits - 1) - 1)
    offset = np.random.default_rng(seed).normal(0, 0.2, neurons) * bias
    weights = random_weights(bits, neurons, inputs, seed)
    return Layer(
        weights,
        bits,
        gain * 1.0173 / top / np.sqrt(inputs),
        reads,
        gives,
        offset,
        np.full(neurons, float(sigma)),
    )


def hidden_of(program):
    """The hidden layers of a program."""
    return [layer for name, layer in program.layers.items() if name.startswith("hidden")]


def changed(program, name, **changes):
    """A program with these fields of a layer changed."""
    layer = dataclasses.replace(program.layers[name], **changes)
    return dataclasses.replace(program, layers={**program.layers, name: layer})


def single_program(bits=3, sigma=0.3):
    """The single-layer program of these sizes."""
    only = layer(bits, INPUTS, NEURONS, quantizer(bits, 2.0), quantizer(bits, 1.6), sigma)
    return single_layer(only, 0.5)


def format_program(bits=3):
    """Outputs of a floating-point format of 4 bits."""
    return single_program(bits).with_output(Quantizer.of_format("fp4-e2m1", 0.1))


def deep_program(bits=3, base=-1.2, layers=2):
    """Two hidden layers of 9 and 6 neurons, or one, then `readout` and `log_sigma` of 5."""
    sizes = (INPUTS, 9, 6)[: layers + 1]
    codes = (quantizer(bits, 2.0), *(quantizer(bits, 1.0 + 0.1 * i) for i in range(layers)))
    hidden = tuple(
        layer(bits, *sizes[i : i + 2], *codes[i : i + 2], seed=i + 1, gain=1.4)
        for i in range(layers)
    )
    log_sigma = layer(bits, sizes[-1], NEURONS, codes[-1], quantizer(bits, 0.9), seed=11)
    last = layer(bits, sizes[-1], NEURONS, codes[-1], quantizer(bits, 1.6), seed=12)
    base = base + np.linspace(-0.3, 0.3, NEURONS)
    return with_log_sigma(hidden, log_sigma, last, base, 0.5)


def recurrent_program(bits=3, sigma=None, steps=4, neurons=NEURONS, radius=0.9):
    """Random forward and lateral weights; a neuron's own code pulls like 0.6 of its value, and like
    a saturating part of it.
    """
    state = quantizer(bits, 1.6)
    if sigma is None:
        sigma = 1.0 if bits == 1 else 0.3
    forward = layer(bits, INPUTS, neurons, quantizer(bits, 2.0), state, sigma, seed=3)
    lateral = layer(bits, neurons, neurons, state, state, seed=4, gain=0.3, bias=False)
    values = state.z + state.step * (state.c_min + np.arange(state.levels))
    own = 0.6 * values[:, None] - 0.1 * np.tanh(np.outer(values, np.linspace(0.5, 2, neurons)))
    return recurrent(forward, lateral, own, steps, radius, 0.5)


PROGRAMS = {"single": single_program, "deep": deep_program, "recurrent": recurrent_program}


def hardware_of(program, **parts):
    """The digital preset with the program's widths and these other parts."""
    bits = program.weight_bits, program.input.bits, program.output.bits
    return preset("digital-45nm").with_precision(*bits).replace(**parts)


def some_stimuli(count=3, seed=5):
    """Stimuli (stimulus, input), some of which clip."""
    return np.random.default_rng(seed).normal(0, 1.0, (count, INPUTS))


# Reference implementations
# -----------------------------------------------------------------------------------------------


def normal(u):
    """Phi^-1((u + 1/2) / 2^31)."""
    return float(special.ndtri((u + 0.5) / 2**31))


def code_of(drive, output):
    """The code of one drive: the nearest value, halves to the even code, at one bit 0 to the upper
    code; of a format by its edges.
    """
    if output.book is not None:
        return int(output.book.encode(drive / output.scale))
    if output.bits == 1:
        return int(drive >= 0)
    return int(np.clip(np.rint(drive / output.scale), output.c_min, -output.c_min - 1))


def value_of(code, output):
    """z + step c of one code; of a format that of its table."""
    if output.book is not None:
        return output.scale * output.book.values[code - output.c_min]
    return output.z + output.step * code


def input_codes(x, read, dithered, key, stimulus, number_of_read, step=0):
    """Codes of one stimulus: rounded to nearest, or floor(x/scale + u); at one bit 1 with
    probability (x/scale + 1)/2.
    """
    if not dithered:
        return [code_of(value, read) for value in x]
    codes = []
    for i, value in enumerate(x):
        u = (random31(key, INPUT_WORD, 2 * step, stimulus, number_of_read, i) + 0.5) / 2**31
        place = (value / read.scale + 1) / 2 if read.bits == 1 else value / read.scale
        codes.append(int(np.clip(np.floor(place + u), read.c_min, read.c_min + read.levels - 1)))
    return codes


def drives_of(program, codes):
    """Drives of a layer whose inputs have these codes: value times value, summed."""
    if program.weight_book is not None or program.input.book is not None:
        values = [value_of(c, program.input) for c in codes]
        book = program.weight_book
        rows = program.weight_codes if book is None else book.decode(program.weight_codes)
        scale = program.weight_scale
    else:
        values = [2 * c - 1 if program.input.bits == 1 else c for c in codes]
        rows = program.weight_codes.astype(int)
        scale = program.weight_scale * program.input.scale
    scales = np.broadcast_to(scale, len(rows))
    return [
        s * sum(w * v for w, v in zip(row, values, strict=True)) + b
        for s, row, b in zip(scales, rows.tolist(), program.bias, strict=True)
    ]


def deep_read(program, x, key, stimulus, read, noise=1.0, dithered=False):
    """Codes (neuron,) of one read of one stimulus."""
    codes = input_codes(x, program.input, dithered, key, stimulus, read)
    for one in hidden_of(program):
        codes = [code_of(drive, one.output) for drive in drives_of(one, codes)]
    head = program.layers[LOG_SIGMA]
    log_sigma = [
        value_of(code_of(drive, head.output), head.output) for drive in drives_of(head, codes)
    ]
    out = []
    for n, drive in enumerate(drives_of(program.readout, codes)):
        sigma = noise * np.exp(program.wiring.base[n] + log_sigma[n])
        where = (
            (stimulus << 16 | read, 0) if dithered else (stimulus, read)
        )  # where sigma differs from read to read, rows
        out.append(code_of(drive + sigma * normal(random31(key, 0, 0, *where, n)), program.output))
    return out


def recurrent_read(program, x, key, stimulus, read, noise=1.0, dithered=False):
    """Codes (neuron,) after the last step of one chain of one stimulus."""
    return recurrent_states(program, x, key, stimulus, read, program.steps, noise, dithered)[-1]


def recurrent_chain(program, x, reads, every, key, stimulus, noise=1.0, dithered=False):
    """Codes (read, neuron) of one chain of one stimulus, whose numbers are those of read 0: after
    its steps, then after `every` further ones each.
    """
    states = recurrent_states(
        program, x, key, stimulus, 0, program.steps + (reads - 1) * every, noise, dithered
    )
    return states[program.steps - 1 :: every]


def recurrent_states(program, x, key, stimulus, read, steps, noise, dithered):
    """Codes (step, neuron) after each of the first `steps` steps of one chain."""
    codes = [code_of(0.0, program.output)] * program.neurons
    states = []
    for step in range(steps):
        seen = drives_of(
            program.readout, input_codes(x, program.input, dithered, key, stimulus, read, step)
        )
        drives = drives_of(program.layers[LATERAL], codes)
        after = []
        for n, code in enumerate(codes):
            drive = seen[n] + drives[n] + program.wiring.table[code - program.output.c_min, n]
            xi = normal(random31(key, 0, 2 * step, stimulus, read, n))
            after.append(code_of(drive + noise * program.sigma[n] * xi, program.output))
        codes = after
        states.append(codes)
    return states


def single_read(program, x, key, stimulus, read, noise=1.0, dithered=False):
    """Codes (neuron,) of one read of one stimulus."""
    drives = drives_of(
        program.readout, input_codes(x, program.input, dithered, key, stimulus, read)
    )
    draws = [normal(random31(key, 0, 0, stimulus, read, n)) for n in range(program.neurons)]
    return [
        code_of(drive + noise * s * xi, program.output)
        for drive, s, xi in zip(drives, program.sigma, draws, strict=True)
    ]


READS = {"single": single_read, "deep": deep_read, "recurrent": recurrent_read}


def reference_codes(kind, program, x, reads, key, first_stimulus=0, first_read=0, **options):
    """Codes (stimulus, read, neuron) as `Chip.sample` should give them."""
    one = READS[kind]
    rows = [
        [
            one(program, stimulus, key, first_stimulus + s, first_read + r, **options)
            for r in range(reads)
        ]
        for s, stimulus in enumerate(x)
    ]
    return np.array(rows, np.int8)


def small_float_circuit(**changes):
    """A stable one of two neurons and three inputs."""
    parts = {
        "readout": FloatLayer(np.ones((2, 3)), np.zeros(2)),
        "lateral": np.array([[0.0, 0.5], [0.5, 0.0]]),
        "time_step": 0.25,
        "shrink": np.ones(2),
        "width": np.ones(2),
        "sigma": np.ones(2),
        "steps": 3,
        **changes,
    }
    readout, lateral = parts.pop("readout"), parts.pop("lateral")
    return float_recurrent(readout, lateral, FloatRecurrent(**parts))
