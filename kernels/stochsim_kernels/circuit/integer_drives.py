"""The drives of a block of chains of a recurrent circuit: products of bytes, constants, what the
stimulus adds.
"""

from typing import NamedTuple

import numpy as np

from stochsim_kernels._jit import helper, inline
from stochsim_kernels.neuron.simd import LANES
from stochsim_kernels.neuron.stochastic_rounding import round_block
from stochsim_kernels.neuron.streams import block_streams
from stochsim_kernels.product.int_tiles import COLUMNS, ROWS, TilePlace, bytes_tile


class _Rows(NamedTuple):
    """ROWS reads from `first` on, of one panel of neurons; stimulus: its row; stride: bytes from
    read to read of the packed codes.
    """

    stimulus: int
    first: int
    panel: int
    stride: int


@inline
def pack(codes, c_min, stride, out):
    """Write codes (read, neuron) as code - c_min to bytes out, rows `stride` apart."""
    for r in range(codes.shape[0]):
        for n in range(codes.shape[1]):
            out[r * stride + n] = np.uint8(np.int64(codes[r, n]) - c_min)


@helper
def _multiply(packed, first, stride, words, panel, factor, sums):
    """Write factor times the products of ROWS reads, from word `first` on, `stride` words apart,
    and a panel of neurons to sums.
    """
    width = words.shape[2]
    sums[:] = 0
    place = TilePlace(first, stride, panel * width * COLUMNS, width)
    bytes_tile(packed, words, place, factor, 0, sums)


@inline
def _add_up(sums, seen, index, rows, circuit, stimuli, drive):
    """Write drives (read, neuron) of `_Rows`: (sums + constant) scaled, the bias, the stimulus, the
    own code.

    The stimulus gives (seen + its own sums) scaled, and a bias of its own.
    """
    constant = circuit.constant
    scale = circuit.scale
    bias = circuit.bias
    own = circuit.own
    of_stimulus = stimuli.sums[rows.stimulus]
    seen_scale = stimuli.scale
    seen_bias = stimuli.bias
    first = rows.first
    stride = rows.stride
    begin = rows.panel * COLUMNS
    neurons = drive.shape[1]
    some = min(ROWS, drive.shape[0] - first)
    width = min(COLUMNS, neurons - begin)
    for r in range(some):
        row = drive[first + r, begin : begin + width]
        codes = index[(first + r) * stride + begin :]
        for n in range(width):
            lateral = (sums[r, n] + constant[begin + n]) * scale + bias[begin + n]
            stimulus = (seen[r, n] + of_stimulus[begin + n]) * seen_scale + seen_bias[begin + n]
            # unsigned: no test for an index counted from the end
            at = np.uint64(codes[n]) * np.uint64(neurons) + np.uint64(begin + n)
            row[n] = lateral + stimulus + own[at]


@helper
def round_inputs(address, stimuli, s, upper):
    """Write u >= least to upper (read, input), int8, whole blocks of inputs of stimulus s."""
    inputs = upper.shape[1]
    if inputs > 0:
        streams = block_streams(address, np.int64(0), np.int64(0), inputs)
        for n in range(0, inputs, LANES):
            round_block(n, stimuli.least[s : s + 1], streams, upper)


@helper
def fill_drives(index, upper, s, circuit, stimuli, drive):
    """Write the drives (read, neuron) of a step; index: codes of all reads as bytes; upper: bits
    of the inputs (read, input).
    """
    inputs = upper.shape[1]
    words = circuit.words
    input_words = stimuli.words
    width = words.shape[2]
    input_width = inputs // 4
    packed = index.view(np.int32)
    input_packed = upper.reshape(-1).view(np.int32)
    sums = np.empty((ROWS, COLUMNS), np.int32)
    seen = np.zeros((ROWS, COLUMNS), np.int32)
    factor = circuit.factor
    gap = stimuli.gap
    for first in range(0, drive.shape[0], ROWS):
        for panel in range(words.shape[0]):
            if inputs > 0:
                at = first * input_width
                _multiply(input_packed, at, input_width, input_words, panel, gap, seen)
            _multiply(packed, first * width, width, words, panel, factor, sums)
            rows = _Rows(s, first, panel, 4 * width)
            _add_up(sums, seen, index, rows, circuit, stimuli, drive)
