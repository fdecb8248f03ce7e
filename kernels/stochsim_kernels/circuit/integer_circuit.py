"""Recurrent circuits: a block of chains runs through all steps while its codes, drives and tables
stay in the cache.

At every step a neuron's drive is that of the codes of all neurons, of the stimulus, and of its own
code by a table; its noise gives the next code. The arithmetic is that of `int_tiles` (bytes) and
`nearest_edge`, step for step, so codes are those of a product, a sum and a `drawing.draw_each` for
each step. Where the stimulus is rounded stochastically, afresh at every step, an input has two
codes only: a step draws one bit for each and adds the product of these bits to that of the lower
codes.
"""

from typing import NamedTuple

import numpy as np

from stochsim_kernels._jit import helper, inline, kernel
from stochsim_kernels.circuit.integer_drives import fill_drives, pack, round_inputs
from stochsim_kernels.neuron.channel import NeuronLaw, is_placed
from stochsim_kernels.neuron.drawing import as_float64, codes_at_once, row_of
from stochsim_kernels.neuron.nearest_edge import bisect_rows, place_rows, spread
from stochsim_kernels.neuron.simd import LANES
from stochsim_kernels.neuron.stochastic_rounding import NEVER
from stochsim_kernels.neuron.streams import block_streams
from stochsim_kernels.processor import VNNI, processor_has
from stochsim_kernels.product.int_tiles import COLUMNS, ROWS
from stochsim_kernels.product.matmul import PackedWeights, product
from stochsim_kernels.random.address import DrawAddress
from stochsim_kernels.tasks import run_tasks

_CHAINS = 16 * ROWS  # of one stimulus that run together
# neurons up to which products of bytes beat passes over memory where no instruction makes them
_MOST_LONG_HAND = 128


class Rounded(NamedTuple):
    """Stimuli that are rounded stochastically, afresh at every step and read: what they add to
    drives is

        scale sum_i W[n, i] (lower_i + gap (u_i >= least_i)) + bias_n

    weights: (neuron, input) within -128 … 127; bias: (neuron,); lower: integers (stimulus, input)
    of the lower of two codes, gap to the upper one; least: (stimulus, input) uint32, see
    `stochastic_rounding.two_codes`; layer: the word of u, whose other words are those of the
    neurons.
    """

    weights: PackedWeights
    scale: float
    bias: np.ndarray
    lower: np.ndarray
    gap: int
    least: np.ndarray
    layer: int


class Circuit(NamedTuple):
    """What turns codes into the next ones but for the stimulus. At every step a neuron's drive is

        scale sum_m W[n, m] i_m + bias_n + own[c_n - c_min, n] + what the stimulus adds

    with integers i = c, or 2c - 1 where there are two levels. weights: (neuron, neuron) within -128
    … 127; bias: (neuron,); own: (levels, neuron); sigma, other, law: as in `drawing.draw_each`.
    """

    weights: PackedWeights
    scale: float
    bias: np.ndarray
    own: np.ndarray
    sigma: np.ndarray
    other: np.ndarray
    law: NeuronLaw


class Steps(NamedTuple):
    """How many steps, and how many event words lie between one and the next."""

    number: int
    events: int


class _CircuitTables(NamedTuple):
    """A circuit as its kernel takes it. words: (panel, 1, word, COLUMNS) int32; constant: (neuron,)
    int32: sums are factor times the product of code - c_min, plus constant; bias: (neuron,); own:
    (levels × neuron,); sigma, other: (1 or stimulus, 1 or neuron), float64.
    """

    words: np.ndarray
    factor: int
    constant: np.ndarray
    scale: float
    bias: np.ndarray
    own: np.ndarray
    sigma: np.ndarray
    other: np.ndarray


class _StimulusTables(NamedTuple):
    """Stimuli as the kernel takes them: they add (gap times the product of the bits + sums) scaled,
    and a bias.

    least: (stimulus, input) uint32, whole blocks of inputs, and sums (stimulus, neuron) float64 of
    their lower codes; where nothing is rounded, least has no inputs and sums are drives.
    words: (panel, 1, word, COLUMNS) int32; bias: (neuron,); layer: the word of u.
    """

    sums: np.ndarray
    words: np.ndarray
    gap: int
    scale: float
    bias: np.ndarray
    least: np.ndarray
    layer: int


def fused_is_faster(neurons: int) -> bool:
    """Whether chains of this number of neurons, or inputs, are faster here than step by step, which
    multiplies by the fastest arithmetic.
    """
    return processor_has(VNNI) or neurons <= _MOST_LONG_HAND


@inline
def _chunks(reads):
    return (reads + _CHAINS - 1) // _CHAINS


@helper
def _run_block(task, circuit, stimuli, law, address, steps, all_codes):
    """As `_run_chains`, for some reads of one stimulus."""
    chunks = _chunks(all_codes.shape[1])
    s = task // chunks
    first = (task % chunks) * _CHAINS
    codes = all_codes[s, first : first + _CHAINS]
    reads, neurons = codes.shape
    sigma = row_of(circuit.sigma, s, neurons)
    other = row_of(circuit.other, s, neurons)
    inputs = stimuli.least.shape[1]
    width = circuit.words.shape[2]
    whole = (reads + ROWS - 1) // ROWS * ROWS
    index = np.zeros(whole * 4 * width, np.uint8)
    upper = np.zeros((whole, inputs), np.int8)
    drive = np.empty((reads, neurons))
    placed = is_placed(law)
    known = spread(sigma, other, law)
    key = address.key
    stimulus = address.first_stimulus + s
    read = address.first_read + first
    for t in range(steps.number):
        event = address.event + steps.events * t
        pack(codes, law.c_min, 4 * width, index)
        round_inputs(DrawAddress(key, stimuli.layer, event, stimulus, read), stimuli, s, upper)
        fill_drives(index, upper, s, circuit, stimuli, drive)
        here = DrawAddress(key, address.layer, event, stimulus, read)
        streams = block_streams(here, np.int64(0), np.int64(0), neurons)
        if placed:
            place_rows(drive, sigma, other, known, law, streams, codes)
        else:
            bisect_rows(drive, sigma, other, law, streams, codes)


@kernel
def _run_chains(circuit, stimuli, law, address, steps, codes):
    """`run_chains` of `_CircuitTables` and `_StimulusTables`."""
    tasks = codes.shape[0] * _chunks(codes.shape[1])
    run_tasks(_run_block, tasks, (circuit, stimuli, law, address, steps, codes))


def _circuit_tables(circuit: Circuit) -> _CircuitTables:
    factor, least = (2, -1) if circuit.law.edges.size == 1 else (1, circuit.law.c_min)
    constant = (least * circuit.weights.sums).astype(np.int32)
    bias, own, *sigmas = as_float64(circuit.bias, circuit.own, circuit.sigma, circuit.other)
    words = circuit.weights.bytes.words
    scale = float(circuit.scale)
    return _CircuitTables(words, factor, constant, scale, bias, own.reshape(-1), *sigmas)


def _stimulus_tables(given: np.ndarray | Rounded) -> _StimulusTables:
    if not isinstance(given, Rounded):
        stimuli, neurons = given.shape
        words = np.empty((0, 1, 0, COLUMNS), np.int32)
        least = np.empty((stimuli, 0), np.uint32)
        (drives,) = as_float64(given)
        return _StimulusTables(drives, words, 0, 1.0, np.zeros(neurons), least, 0)
    blocks = -(-given.least.shape[1] // LANES)
    least = np.full((len(given.least), blocks * LANES), NEVER)
    least[:, : given.least.shape[1]] = given.least
    sums, bias = as_float64(product(given.lower, given.weights), given.bias)
    words = given.weights.bytes.words
    scale = float(given.scale)
    return _StimulusTables(sums, words, int(given.gap), scale, bias, least, int(given.layer))


def run_chains(
    circuit: Circuit,
    stimulus_drive: np.ndarray | Rounded,
    address: DrawAddress,
    steps: Steps,
    codes: np.ndarray,
) -> None:
    """Move codes (stimulus, read, neuron) int8, C-contiguous, in place, by `steps`; every
    read is a chain of its own.

    stimulus_drive: what the stimulus adds at every step, (stimulus, neuron), or the stimuli that
    make it afresh at every step and read. address: that of the first step. Memory beyond the codes:
    two drives for each neuron of 96 reads, and thread. A call of the kernel takes about half a
    second, or one step.
    """
    tables = _circuit_tables(circuit)
    stimuli = _stimulus_tables(stimulus_drive)
    number, events = int(steps.number), int(steps.events)
    at_once = max(1, codes_at_once(circuit.law) // max(1, codes.size))
    for first in range(0, number, at_once):
        here = address._replace(event=address.event + events * first)
        some = Steps(min(at_once, number - first), events)
        _run_chains(tables, stimuli, circuit.law, here, some, codes)
