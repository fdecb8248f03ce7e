"""Weights that are read wrongly: explicit read noise of every cell (the check of the lumped one),
bits that flip as they are read.
"""

import numpy as np

from stochsim_kernels._jit import helper, inline, kernel
from stochsim_kernels.random.address import DrawAddress
from stochsim_kernels.random.counter_rng import stream
from stochsim_kernels.random.flips import log_of_keeping, next_flip
from stochsim_kernels.random.integers import draw_integers
from stochsim_kernels.random.normal import fill_normals
from stochsim_kernels.tasks import run_tasks

# Gaussians at once: 12 MB with their integers; a stream per cell is set up for each part of the
# reads
_AT_ONCE = 1 << 20


def explicit_drives(
    x_values: np.ndarray,
    weight: np.ndarray,
    weight_sigma: np.ndarray,
    address: DrawAddress,
    out: np.ndarray,
) -> None:
    """Write sum_i (weight + weight_sigma xi) x_i to out (stimulus, read, neuron) float64: a new
    Gaussian xi for every cell and read.

    x_values: (stimulus, input), weight and weight_sigma: (neuron, input), float64, in the same
    units as the drive. In law this is the sum plus one Gaussian of standard deviation sqrt(sum_i
    (weight_sigma x_i)^2) per neuron and read, at the price of one Gaussian per cell. xi is a pure
    function of address, stimulus, read and cell (that of neuron number neuron inputs + input in
    `draw_integers`); give it an event that draws no codes. Raises ValueError for arrays whose
    shapes do not fit.
    """
    stimuli, reads, neurons = out.shape
    inputs = weight.shape[1]
    if (
        weight.shape != weight_sigma.shape
        or x_values.shape != (stimuli, inputs)
        or len(weight) != neurons
    ):
        shapes = (
            f"x_values {x_values.shape}, weight {weight.shape}, weight_sigma "
            f"{weight_sigma.shape} and out {out.shape}"
        )
        raise ValueError(f"{shapes} do not fit")
    at_once = max(1, _AT_ONCE // max(1, weight.size))
    for s in range(stimuli):
        for first in range(0, reads, at_once):
            part = out[s, first : first + at_once]
            here = address._replace(
                first_stimulus=address.first_stimulus + s, first_read=address.first_read + first
            )
            u = np.empty((1, len(part), weight.size), np.uint32)
            draw_integers(here, u)
            cells = np.empty((len(part), neurons, inputs))
            fill_normals(u.reshape(-1), cells.reshape(-1))
            cells *= weight_sigma
            cells += weight
            cells *= x_values[s]
            cells.sum(axis=2, out=part)


@inline
def _change(code, bit, bits):
    """What a flip of one bit adds to a weight: its value with the other sign.

    Bits are independent terms of two's complement.
    """
    if bits == 1:
        return -2 * code
    value = -(1 << bit) if bit == bits - 1 else 1 << bit
    return value if (code >> bit) & 1 == 0 else -value


@helper
def _flip(s, all_sums, x_ints, w_codes, bits, log_keep, address):
    """Add the flips of stimulus s to its sums.

    Bits are counted neuron by neuron, input by input, from the lowest.
    """
    stimulus = address.first_stimulus + s
    seed, gamma = stream(address.key, np.int64(0), stimulus, address.event, address.layer)
    sums = all_sums[s]
    x = x_ints[s]
    inputs = w_codes.shape[1]
    total = w_codes.size * bits
    draw = np.int64(0)
    at = next_flip(np.int64(-1), total, seed, gamma, draw, log_keep)
    while at < total:
        cell = at // bits
        bit = at % bits
        n = cell // inputs
        i = cell % inputs
        sums[n] += _change(np.int64(w_codes[n, i]), bit, bits) * x[i]
        draw += 1
        at = next_flip(at, total, seed, gamma, draw, log_keep)


@kernel
def add_flips(sums, x_ints, w_codes, bits, log_keep, address):
    """`transient_flips` with sums and x_ints int64 and log_keep = log(1 - rate)."""
    run_tasks(_flip, sums.shape[0], (sums, x_ints, w_codes, bits, log_keep, address))


def transient_flips(
    sums: np.ndarray,
    x_ints: np.ndarray,
    w_codes: np.ndarray,
    bits: int,
    rate: float,
    address: DrawAddress,
) -> None:
    """Turn the sums x_ints @ w_codes.T (stimulus, neuron), int32 or int64, in place, into those of
    weights read with bit errors.

    Weights are read from their memory once per stimulus; each of the `bits` bits of each code then
    flips with probability `rate`, on its own. w_codes: (neuron, input) int8 in two's complement, -1
    and 1 at one bit; x_ints: (stimulus, input). The cost grows with the number of flips. A pure
    function of address and stimulus, whatever the read; give it an event that draws no codes.
    Raises ValueError for a rate that is no probability, bits outside 1 ... 8, or arrays whose
    shapes do not fit.
    """
    log_keep = log_of_keeping(rate)
    if not 1 <= bits <= 8:
        raise ValueError(f"bits = {bits!r}: should be from 1 to 8")
    if sums.shape != (len(x_ints), len(w_codes)) or x_ints.shape[1:] != w_codes.shape[1:]:
        raise ValueError(
            f"sums {sums.shape}, x_ints {x_ints.shape} and w_codes {w_codes.shape} do not fit"
        )
    if rate == 0.0:
        return
    wide = np.ascontiguousarray(sums, np.int64)  # sums itself where they are int64
    x = np.ascontiguousarray(x_ints, np.int64)
    w = np.ascontiguousarray(w_codes, np.int8)
    add_flips(wide, x, w, bits, log_keep, address)
    if wide is not sums:
        sums[...] = wide
