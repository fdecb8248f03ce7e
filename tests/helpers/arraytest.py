"""Small programs, arrays and products for the tests of analog arrays, and what noise of known
variance is compared with.
"""

import itertools

import numpy as np
import pytest
from stattest import assert_mean

from stochsim.accounting import Meter
from stochsim.chip import Chip
from stochsim.hardware import Adc, Array, Cells, preset
from stochsim.program import Layer, Quantizer, single_layer

WIDE = 12
"""Bits of an ADC that holds every partial sum of these small arrays, so that its step is 1."""


def random_weights(bits, neurons, inputs, seed=0):
    """Weight codes (neuron, input) int8: -1 and 1 at one bit, -(2^(b-1) - 1) … 2^(b-1) - 1 above,
    as trained.
    """
    random = np.random.default_rng(seed)
    top = max(1, 2 ** (bits - 1) - 1)
    codes = (
        2 * random.integers(0, 2, (neurons, inputs)) - 1
        if bits == 1
        else random.integers(-top, top + 1, (neurons, inputs))
    )
    return codes.astype(np.int8)


def random_inputs(bits, stimuli, inputs, seed=1):
    """Input integers (stimulus, input) int8: -1 and 1 at one bit, every code of two's complement
    above.
    """
    random = np.random.default_rng(seed)
    half = 2 ** (bits - 1)
    codes = (
        2 * random.integers(0, 2, (stimuli, inputs)) - 1
        if bits == 1
        else random.integers(-half, half, (stimuli, inputs))
    )
    return codes.astype(np.int8)


def program_of(weights, weight_bits=4, input_bits=4, output_bits=8, sigma=0.0, scale=0.25):
    """A Program whose input codes are the stimuli themselves (at two bits and more) and whose drive
    is W_q x_q / 8.
    """
    neurons = len(weights)
    quantizers = Quantizer(input_bits, 1.0), Quantizer(output_bits, scale)
    layer = Layer(
        np.asarray(weights, np.int8),
        weight_bits,
        0.125,
        *quantizers,
        np.zeros(neurons),
        np.full(neurons, sigma),
    )
    return single_layer(layer)


def operations_of(product, x_ints, reads):
    """What a product reports for this number of reads of these integers (stimulus, input)."""
    meter = Meter()
    product.report(meter, "layer", x_ints, reads)
    return dict(meter.total)


def hardware_for(program, array=None, **parts):
    """The digital preset with the program's widths, this array, whose input lines have DACs,
    and these other parts.
    """
    bits = program.weight_bits, program.input.bits, program.output.bits
    chip = preset("digital-45nm").with_precision(*bits)
    return (chip if array is None else chip.with_price("dac", "dac-isaac-32nm")).replace(
        array=array, **parts
    )


def array_of(adc=None, cells=None, **geometry):
    """An Array of 1-bit cells and cycles whose ADC loses nothing, unless told otherwise."""
    return Array(adc=adc or Adc(bits=WIDE), cells=cells or Cells(), **geometry)


def wide_enough(rows, cell_bits, cycle_bits, signs):
    """Bits of the smallest ADC of step 1 that holds every partial sum."""
    largest = rows * (2**cell_bits - 1) * (2**cycle_bits - 1)
    return largest.bit_length() + (signs == "differential")


def product_of(
    weights, array=None, weight_bits=4, input_bits=4, chip_key=0, calibration=None, **parts
):
    """The product of a chip, free of neurons."""
    program = program_of(weights, weight_bits, input_bits)
    return Chip(
        program, hardware_for(program, array, **parts), chip_key=chip_key, calibration=calibration
    ).product


def sums_of(product, x, reads=1, key=3):
    """(stimulus, read, neuron) of input integers x (stimulus, input), or of one stimulus
    (input,).
    """
    sums = product.sums(np.atleast_2d(np.asarray(x, np.int8)), reads, key, 0, 0)
    return sums[:, None] if sums.ndim == 2 else sums


def exact_sums(weights, x):
    """W_q x_q, (stimulus, neuron)."""
    return np.atleast_2d(x).astype(np.int64) @ np.asarray(weights, np.int64).T


def places(bits, at_once):
    """The place values of the slices of a weight, or of the cycles of an input."""
    return 2.0 ** np.arange(0, bits, at_once)


def assert_variance(deviations, expected, wrong):
    """Assert the mean square of independent deviations (any shape), with false-fail rate below
    1e-6; the wrong one must fail.

    10 times below, because the squares of Gaussians are skew: at 10^5 of them the t test at a level
    of 1e-7 fails right code at most twice as often as that.
    """
    squares = np.ravel(deviations) ** 2
    assert_mean(squares, expected, 1e-7)
    with pytest.raises(AssertionError):
        assert_mean(squares, wrong, 1e-7)


def offset_code(bits):
    """(v, x0) of codes that are v y + x0 with y >= 0."""
    return (2, -1) if bits == 1 else (1, -(2 ** (bits - 1)))


def slice_digits(weights, weight_bits, cell_bits, signs):
    """Cells (slice, neuron, input) of weight codes, negative ones for the second of a differential
    pair.
    """
    mask = 2**cell_bits - 1
    scale = 1
    if signs == "offset":
        w, w0 = offset_code(weight_bits)
        codes = (weights.astype(int) - w0) // w
        stored_bits = weight_bits
    else:
        codes = np.abs(weights.astype(int))
        scale = np.sign(weights)
        stored_bits = max(1, weight_bits - 1)
    return np.stack([scale * (codes >> shift & mask) for shift in range(0, stored_bits, cell_bits)])


def input_digits(x, input_bits, cycle_bits):
    """Digits (cycle, stimulus, input) of offset binary inputs."""
    v, x0 = offset_code(input_bits)
    unsigned = (x.astype(int) - x0) // v
    return np.stack(
        [unsigned >> shift & 2**cycle_bits - 1 for shift in range(0, input_bits, cycle_bits)]
    )


def converted_sums(
    weights, x, array, lsb, weight_bits=4, input_bits=4, edges=None, first_code=None
):
    """The noiseless sums (stimulus, neuron) that ADCs of step `lsb` give, partial sum by
    partial sum: the rule in plain NumPy.

    A partial sum becomes the nearest code, to even, or the number of `edges` (in lsb, ascending)
    below it; codes outside the range clip, which begins at `first_code` where that is given.
    """
    levels = 2**array.adc.bits
    signed = array.signs == "differential"
    low = -levels // 2 if signed else 0
    low = low if first_code is None else first_code
    cells = slice_digits(weights, weight_bits, array.cell_bits, array.signs)
    digits = input_digits(x, input_bits, array.cycle_bits)
    total = np.zeros((len(x), len(weights)))
    for first in range(0, x.shape[1], array.rows):
        rows = slice(first, first + array.rows)
        for (s, of_slice), (c, line) in itertools.product(enumerate(cells), enumerate(digits)):
            value = line[:, rows] @ of_slice[:, rows].T / lsb
            code = np.rint(value) if edges is None else low + np.searchsorted(edges, value - low)
            total += (
                2.0 ** (s * array.cell_bits + c * array.cycle_bits)
                * np.clip(code, low, low + levels - 1)
                * lsb
            )
    v, x0 = offset_code(input_bits)
    w, w0 = (1, 0) if signed else offset_code(weight_bits)
    unsigned = (x.astype(int) - x0) // v
    stored = (weights.astype(int) - w0) // w
    return (
        w * v * total
        + v * w0 * unsigned.sum(axis=1)[:, None]
        + w * x0 * stored.sum(axis=1)
        + w0 * x0 * x.shape[1]
    )


ONE_BIT = {"weight_bits": 1, "input_bits": 1}
