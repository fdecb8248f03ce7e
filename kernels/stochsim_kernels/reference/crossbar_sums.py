"""The crossbar in plain Python integers, slow and obvious: the oracle of its tests."""

import math

import numpy as np
from scipy import special

from stochsim_kernels.array.adc_channel import AdcChannel, line_codes
from stochsim_kernels.array.crossbar import Readout
from stochsim_kernels.random.address import DrawAddress
from stochsim_kernels.reference.neuron_codes import splitmix64, stream

WHOLE = 1 << 32
FIRST_SHARED = 1 << 32  # the number of the first reference, behind those of all columns


def probabilities(
    value_lsb: float, sigma_lsb: float, edges_lsb: np.ndarray, code_min: int = 0
) -> np.ndarray:
    """P(code), (levels,), from the definition: the Gaussian between neighbouring edges; without
    noise, halves go to the even code.
    """
    edges = np.concatenate([[-np.inf], np.asarray(edges_lsb, float), [np.inf]])
    if sigma_lsb > 0:
        return np.diff(special.ndtr((edges - value_lsb) / sigma_lsb))
    closed = [code for code in range(edges.size - 1) if edges[code] <= value_lsb <= edges[code + 1]]
    inside = [code for code in closed if edges[code] < value_lsb < edges[code + 1]]
    at = [code for code in (closed[0], closed[-1]) if (code_min + code) % 2 == 0]
    return np.eye(edges.size - 1)[(inside or at or [closed[-1]])[0]]


def masses(channel: AdcChannel) -> np.ndarray:
    """How many of the 2^32 values of u give each code: (variance × position, code), read off the
    table cell by cell.
    """
    cells = 1 << channel.bits
    entries = channel.entries.reshape(-1, cells).tolist()
    out = np.zeros((len(entries), channel.code_max - channel.code_min + 1), np.int64)
    for state, row in enumerate(entries):
        base = _base(channel, state % channel.positions)
        for cell, entry in enumerate(row):
            threshold, alias = divmod(entry, cells)
            for j, mass in ((cell, threshold), (alias, WHOLE // cells - threshold)):
                if mass:
                    out[state, base + j] += mass
    return out


def draw_code(channel: AdcChannel, variance: int, position: int, u: int) -> int:
    """The code that the 32-bit integer u picks."""
    cells = 1 << channel.bits
    state = variance * channel.positions + min(max(position, 0), channel.positions - 1)
    threshold, alias = divmod(int(channel.entries[state * cells + u % cells]), cells)
    j = u % cells if u // cells < threshold else alias
    return channel.code_min + _base(channel, state % channel.positions) + j


def _base(channel, position):
    return int(
        line_codes(
            np.array([position]), channel.slope, channel.intercept, channel.shift, channel.base_last
        )[0]
    )


def random32(key: int, layer: int, event: int, stimulus: int, number: int, counter: int) -> int:
    """The 32 bits of column, or reference, `number`: its half of the word at `counter` of the
    pair's stream.
    """
    bits = splitmix64(*stream(key, number // 2, stimulus, event, layer), counter)
    return bits >> 32 if number % 2 else bits % WHOLE


def partial_sums(
    x_codes: np.ndarray, cells: np.ndarray, rows: int, bits: int, cycle_bits: int
) -> np.ndarray:
    """Partial sums (tile, slice, cycle, stimulus, column) of codes (stimulus, input) and cells
    (sign, slice, input, column).
    """
    x = np.asarray(x_codes, np.int64)
    stored = np.asarray(cells, np.int64)
    net = stored[0] - stored[1] if len(stored) == 2 else stored[0]
    tiles, cycles = math.ceil(x.shape[1] / rows), math.ceil(bits / cycle_bits)
    out = np.empty((tiles, len(net), cycles, x.shape[0], net.shape[2]), np.int64)
    for tile, piece, cycle in np.ndindex(out.shape[:3]):
        lines = slice(tile * rows, (tile + 1) * rows)
        digits = (x[:, lines] >> (cycle * cycle_bits)) % (1 << cycle_bits)
        out[tile, piece, cycle] = digits @ net[piece, lines]
    return out


def crossbar(
    partials: np.ndarray,
    readout: Readout,
    address: DrawAddress,
    reads: int,
    variance: np.ndarray | None = None,
) -> np.ndarray:
    """Accumulators (stimulus, read, column) of partial sums (tile, slice, cycle, stimulus, column),
    one conversion after the other.

    variance: like the partial sums, the class of each conversion; 0 if not given.
    """
    tiles, slices, cycles, stimuli, columns = partials.shape
    events = tiles * slices * cycles
    key, layer, event, first_stimulus, first_read = (int(word) for word in address)
    out = np.zeros((stimuli, reads, columns), np.int64)
    for s, read, column in np.ndindex(out.shape):
        for e, (tile, piece, cycle) in enumerate(np.ndindex(tiles, slices, cycles)):
            where = (key, layer, event, first_stimulus + s)
            counter = (first_read + read) * events + e
            at = _position(
                readout, int(partials[tile, piece, cycle, s, column]), tile, piece, column
            )
            if readout.group.size:
                u = random32(*where, FIRST_SHARED + int(readout.group[column]), counter)
                at += draw_code(readout.shared, 0, 0, u)
            kind = 0 if variance is None else int(variance[tile, piece, cycle, s, column])
            code = draw_code(readout.channel, kind, at, random32(*where, column, counter))
            out[s, read, column] += int(readout.factor[piece, cycle]) * code
    return out


def _position(readout, partial, tile, piece, column):
    if not readout.grid.size:
        return partial - readout.rule.p_min
    gain, offset = (int(number) for number in readout.grid[:, tile, piece, column])
    return (gain * partial + offset) >> readout.rule.grid_shift
