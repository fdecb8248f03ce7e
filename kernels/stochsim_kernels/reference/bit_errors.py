"""Errors of weights, and of codes as they are stored, in plain NumPy: cell by cell, bit by bit."""

import math

import numpy as np
from scipy import special

from stochsim_kernels.random.address import DrawAddress
from stochsim_kernels.reference.neuron_codes import integers, splitmix64, stream


def explicit_drives(
    x_values: np.ndarray,
    weight: np.ndarray,
    weight_sigma: np.ndarray,
    address: DrawAddress,
    reads: int,
) -> np.ndarray:
    """sum_i (w + sigma xi) x_i for every (stimulus, read, neuron), xi the quantile of (u + 1/2) /
    2^31; one cell after the other.
    """
    neurons, inputs = weight.shape
    u = integers(address, (len(x_values), reads, weight.size))
    xi = special.ndtri((u.reshape(len(x_values), reads, neurons, inputs) + 0.5) / 2**31)
    return np.sum((weight + weight_sigma * xi) * x_values[:, None, None], axis=3)


def flips(cells: int, bits: int, rate: float, address: DrawAddress) -> np.ndarray:
    """Which bits flip as the cells are read at an address, (cell, bit) bool: gaps floor(log U /
    log(1 - rate)) between flips, cell by cell.
    """
    flipped = np.zeros(cells * bits, bool)
    key, layer, event, stimulus, read = (int(word) for word in address)
    seed, gamma = stream(key, 0, stimulus, event, layer)
    at = -1
    draw = read * (cells * bits + 1)
    while rate > 0:
        u = ((splitmix64(seed, gamma, draw) >> 12) + 0.5) * 2.0**-52
        gap = 0.0 if rate == 1 else math.log(u) / math.log1p(-rate)
        if at + 1 + gap >= flipped.size:
            break
        at += 1 + math.floor(gap)
        draw += 1
        flipped[at] = True
    return flipped.reshape(cells, bits)


def _moved(address: DrawAddress, stimulus: int, read: int = 0) -> DrawAddress:
    return address._replace(
        first_stimulus=address.first_stimulus + stimulus, first_read=address.first_read + read
    )


def flip_code(code: int, bits: int, flipped: np.ndarray) -> int:
    """The signed value of a b-bit code after the flips (bit,), bit 0 first: two's complement; at
    one bit the code is -1 or 1.
    """
    if bits == 1:
        return -code if flipped[0] else code
    pattern = code & ((1 << bits) - 1)
    for bit in np.flatnonzero(flipped).tolist():
        pattern ^= 1 << bit
    return pattern - (1 << bits) if pattern >> (bits - 1) else pattern


def transient_sums(
    x_ints: np.ndarray, w_codes: np.ndarray, bits: int, rate: float, address: DrawAddress
) -> np.ndarray:
    """x_ints @ w_codes.T, int64 (stimulus, neuron), with the weights as each stimulus reads
    them, whatever the read.
    """
    out = np.empty((len(x_ints), len(w_codes)), np.int64)
    for s, x in enumerate(x_ints.astype(np.int64)):
        table = flips(w_codes.size, bits, rate, _moved(address, s)._replace(first_read=0))
        read = [
            flip_code(code, bits, flipped)
            for code, flipped in zip(w_codes.ravel().tolist(), table, strict=True)
        ]
        out[s] = np.array(read, np.int64).reshape(w_codes.shape) @ x
    return out


def flip_codes(
    codes: np.ndarray, c_min: int, bits: int, rate: float, address: DrawAddress
) -> np.ndarray:
    """Codes (stimulus, read, neuron) whose own patterns have had the bits of `flips` turned;
    unsigned where c_min is 0.
    """
    out = codes.copy()
    for s, r in np.ndindex(codes.shape[:2]):
        table = flips(codes.shape[2], bits, rate, _moved(address, s, r))
        for n, flipped in enumerate(table):
            pattern = (int(codes[s, r, n]) & ((1 << bits) - 1)) ^ sum(
                1 << bit for bit in np.flatnonzero(flipped).tolist()
            )
            out[s, r, n] = pattern - (1 << bits) if pattern - c_min >= 1 << bits else pattern
    return out


def mix_bit_errors(thresholds: np.ndarray, bits: int, rate: float, c_min: int) -> np.ndarray:
    """2^31 P(code < k), (stimulus, levels - 1, neuron) float64, after bit errors, from the patterns
    of the codes c_min … c_min + 2^bits - 1 in two's complement.
    """
    patterns = (c_min + np.arange(1 << bits)) & ((1 << bits) - 1)
    differ = np.array(
        [[int(a ^ b).bit_count() for b in patterns.tolist()] for a in patterns.tolist()]
    )
    matrix = rate**differ * (1 - rate) ** (bits - differ)
    mass = np.diff(thresholds.astype(np.float64), axis=1, prepend=0.0, append=2.0**31)
    return np.cumsum(np.einsum("skn,kj->sjn", mass, matrix), axis=1)[:, :-1]
