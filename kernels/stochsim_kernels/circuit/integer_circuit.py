"""Recurrent circuits: a block of chains runs through all steps while its codes, drives and tables
stay in the cache.

At every step a neuron's drive is that of the codes of all neurons, of the stimulus, and of its own
code by a table; its noise gives the next code. The arithmetic is that of `int_tiles` (bytes) and
`nearest_edge`, step for step, so codes are those of a product, a sum and a `drawing.draw_each` for each
step. Where the stimulus is rounded stochastically, afresh at every step, an input has two codes
only: a step draws one bit for each and adds the product of these bits to that of the lower codes.
"""

from typing import NamedTuple

import numpy as np
from numba import prange

from stochsim_kernels._jit import helper, kernel
from stochsim_kernels.neuron.channel import GAUSSIAN, IDENTITY, RELU
from stochsim_kernels.neuron.drawing import _coerced, _row, _streams
from stochsim_kernels.neuron.nearest_edge import bisect_rows, place_rows, spread
from stochsim_kernels.neuron.simd_thresholds import LANES
from stochsim_kernels.neuron.stochastic_rounding import NEVER, round_block
from stochsim_kernels.product.int_tiles import COLUMNS, ROWS, VNNI, _bytes_tile, processor_has
from stochsim_kernels.product.matmul import PackedWeights, product

_CHAINS = 16 * ROWS  # of one stimulus that run together
# neurons up to which products of bytes beat passes over memory where no instruction makes them
_MOST_LONG_HAND = 128


class Rounded(NamedTuple):
    """Stimuli that are rounded stochastically, afresh at every step and read: what they add to
    drives is

        scale sum_i W[n, i] (lower_i + gap (u_i >= least_i)) + bias_n

    weights: (neuron, input) within -128 … 127; bias: (neuron,); lower: integers (stimulus, input)
    of the lower of two codes, gap to the upper one; least: (stimulus, input) uint32, see
    `stochastic_rounding.two_codes`; layer: the word of u, whose other words are those of the neurons.
    """

    weights: PackedWeights
    scale: float
    bias: np.ndarray
    lower: np.ndarray
    gap: int
    least: np.ndarray
    layer: int


def pays(neurons: int) -> bool:
    """Whether chains of so many neurons, or inputs, are faster here than step by step, which
    multiplies by the fastest arithmetic.
    """
    return processor_has(VNNI) or neurons <= _MOST_LONG_HAND


@helper
def _pack(codes, c_min, stride, out):
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
    _bytes_tile(packed, first, stride, words, panel * width * COLUMNS, width, 0, factor, sums)


@helper
def _add_up(
    sums,
    first,
    panel,
    stride,
    index,
    constant,
    scale,
    bias,
    seen,
    held,
    seen_scale,
    seen_bias,
    own,
    drive,
):
    """Write drives of reads from `first` on, of one panel of neurons: (sums + constant) scaled, the
    bias, the stimulus, the own code.

    The stimulus gives (seen + held) scaled, and a bias of its own.
    """
    begin = panel * COLUMNS
    neurons = drive.shape[1]
    some, width = min(ROWS, drive.shape[0] - first), min(COLUMNS, neurons - begin)
    for r in range(some):
        row, codes = drive[first + r, begin : begin + width], index[(first + r) * stride + begin :]
        for n in range(width):
            lateral = (sums[r, n] + constant[begin + n]) * scale + bias[begin + n]
            stimulus = (seen[r, n] + held[begin + n]) * seen_scale + seen_bias[begin + n]
            at = np.uint64(codes[n]) * np.uint64(neurons) + np.uint64(
                begin + n
            )  # unsigned: no test for an index counted from the end
            row[n] = lateral + stimulus + own[at]


@helper
def _run_block(
    words, factor, constant, scale, bias, held, own, input_words, gap, seen_scale, seen_bias, least, input_layer,
    sigma, other, family, activation, edges, z, step, c_min, key, layer, events, first_stimulus, first_read, steps, s, codes,
):  # fmt: skip
    """As `_run_chains`, for some reads of one stimulus s: codes (read, neuron), the first of them
    `first_read`.
    """
    reads, neurons = codes.shape
    stimulus, held, least = first_stimulus + s, held[s], least[s : s + 1]
    sigma, other = _row(sigma, s, neurons), _row(other, s, neurons)
    inputs, whole = least.shape[1], (reads + ROWS - 1) // ROWS * ROWS
    width, input_width = words.shape[2], inputs // 4
    index, upper = np.zeros(whole * 4 * width, np.uint8), np.zeros((whole, inputs), np.int8)
    packed, input_packed = index.view(np.int32), upper.reshape(-1).view(np.int32)
    sums, seen, drive = (
        np.empty((ROWS, COLUMNS), np.int32),
        np.zeros((ROWS, COLUMNS), np.int32),
        np.empty((reads, neurons)),
    )
    placed = family == GAUSSIAN and activation in (IDENTITY, RELU)
    known = spread(sigma, other, activation, edges, z, step, c_min)
    for t in range(steps):
        _pack(codes, c_min, 4 * width, index)
        if inputs > 0:
            streams = _streams(key, input_layer, events * t, stimulus, first_read, inputs)
            for n in range(0, inputs, LANES):
                round_block(n, least, streams, upper)
        for first in range(0, reads, ROWS):
            for panel in range(words.shape[0]):
                if inputs > 0:
                    _multiply(
                        input_packed,
                        first * input_width,
                        input_width,
                        input_words,
                        panel,
                        gap,
                        seen,
                    )
                _multiply(packed, first * width, width, words, panel, factor, sums)
                _add_up(
                    sums,
                    first,
                    panel,
                    4 * width,
                    index,
                    constant,
                    scale,
                    bias,
                    seen,
                    held,
                    seen_scale,
                    seen_bias,
                    own,
                    drive,
                )
        streams = _streams(key, layer, events * t, stimulus, first_read, neurons)
        if placed:
            place_rows(
                drive,
                sigma,
                other,
                known,
                family,
                activation,
                edges,
                z,
                step,
                c_min,
                streams,
                codes,
            )
        else:
            bisect_rows(
                drive, sigma, other, family, activation, edges, z, step, c_min, streams, codes
            )


@kernel
def _run_chains(
    words, factor, constant, scale, bias, held, own, input_words, gap, seen_scale, seen_bias, least, input_layer,
    sigma, other, family, activation, edges, z, step, c_min, key, layer, events, first_stimulus, first_read, steps, codes,
):  # fmt: skip
    """`run_chains` of words (panel, 1, word, COLUMNS), factor and constant (neuron,): the sums are
    those of factor (code - c_min) W.

    Where inputs are rounded stochastically, least (stimulus, input) has whole blocks of them, and
    held the sums of their lower codes; where not, least has none, and held the drives.
    """
    stimuli, reads, _ = codes.shape
    chunks = (reads + _CHAINS - 1) // _CHAINS
    for task in prange(stimuli * chunks):
        s = task // chunks
        first = (task % chunks) * _CHAINS
        last = min(reads, first + _CHAINS)
        _run_block(
            words, factor, constant, scale, bias, held, own, input_words, gap, seen_scale, seen_bias, least, input_layer,
            sigma, other, family, activation, edges, z, step, c_min,
            key, layer, events, first_stimulus, first_read + first, steps, s, codes[s, first:last],
        )  # fmt: skip


def _seen(held):
    """What `_run_chains` needs of the stimuli: held, words, gap, scale, bias, least, layer."""
    if not isinstance(held, Rounded):
        stimuli, neurons = held.shape
        return (
            held,
            np.empty((0, 1, 0, COLUMNS), np.int32),
            0,
            1.0,
            np.zeros(neurons),
            np.empty((stimuli, 0), np.uint32),
            0,
        )
    sums = product(held.lower, held.weights)
    blocks = -(-held.least.shape[1] // LANES)
    least = np.full((len(held.least), blocks * LANES), NEVER)
    least[:, : held.least.shape[1]] = held.least
    return (
        sums,
        held.weights.bytes.words,
        int(held.gap),
        float(held.scale),
        held.bias,
        least,
        int(held.layer),
    )


def run_chains(
    weights: PackedWeights,
    scale: float,
    bias: np.ndarray,
    held: np.ndarray | Rounded,
    own: np.ndarray,
    sigma: np.ndarray,
    other: np.ndarray,
    channel: tuple[int, int, np.ndarray, float, float, int],
    where: tuple[int, int, int, int, int],
    steps: int,
    codes: np.ndarray,
) -> None:
    """Move codes (stimulus, read, neuron) int8, C-contiguous, in place, by so many steps; every
    read is a chain of its own. At each step

        drive_n = scale sum_m W[n, m] i_m + bias_n + held_n + own[c_n - c_min, n],    c_n = code of drive_n + noise

    with integers i = c, or 2c - 1 where there are two levels. weights: (neuron, neuron) within -128
    … 127; bias: (neuron,); held: (stimulus, neuron), or the stimuli that make it afresh at every
    step and read; own: (levels, neuron), float64; sigma, other, and the members of channel (family,
    activation, edges, z, step, c_min) as in `drawing.draw_each`. where: key, layer, the number of
    events from step to step (the first is 0), first stimulus and read. Memory beyond the codes: two
    drives for each neuron of 96 reads, and thread.
    """
    family, activation, edges, z, step, c_min = channel
    key, layer, events, first_stimulus, first_read = where
    factor, least = (2, -1) if edges.size == 1 else (1, int(c_min))
    constant = (least * weights.sums).astype(np.int32)
    held, *rounded, seen_bias, least, input_layer = _seen(held)
    bias, held, own, sigma, other, seen_bias = _coerced(bias, held, own, sigma, other, seen_bias)
    _run_chains(
        weights.bytes.words, factor, constant, float(scale), bias, held, own.reshape(-1), *rounded, seen_bias, least, input_layer,
        sigma, other, family, activation, edges, float(z), float(step), int(c_min),
        np.uint64(key), int(layer), int(events), int(first_stimulus), int(first_read), int(steps), codes,
    )  # fmt: skip
