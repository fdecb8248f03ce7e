"""The chip's own random source in plain Python: polynomials over GF(2) as integers, one shift at a
time.
"""

import numpy as np

from stochsim_kernels.random.address import DrawAddress
from stochsim_kernels.random.source import ChipSource
from stochsim_kernels.reference.neuron_codes import random31, splitmix64, stream


def shifted(state: int, p: int) -> int:
    """state x mod p: one shift of the register in Galois form; p includes its leading term."""
    state <<= 1
    return state ^ p if state >> (p.bit_length() - 1) else state


def remainder(a: int, p: int) -> int:
    """a mod p by long division."""
    while a.bit_length() >= p.bit_length():
        a ^= p << (a.bit_length() - p.bit_length())
    return a


def product(a: int, b: int, p: int) -> int:
    """a b mod p: the sum of a x^i over the terms x^i of b, then the remainder."""
    total = 0
    for i in range(b.bit_length()):
        total ^= (a << i) * (b >> i & 1)
    return remainder(total, p)


def power_of_x(exponent: int, p: int) -> int:
    """x^exponent mod p, digit by digit of the exponent from the top."""
    power = 1
    for digit in f"{exponent:b}":
        power = product(power, power, p)
        if digit == "1":
            power = shifted(power, p)
    return power


def is_maximal(p: int) -> bool:
    """Whether x has order 2^L - 1 modulo p, L its degree: then a register of L bits runs through
    every state but 0.
    """
    period = (1 << (p.bit_length() - 1)) - 1
    factors = set()
    rest = period
    q = 2
    while rest > 1:
        if rest % q == 0:
            factors.add(q)
            rest //= q
        else:
            q += 1 if q * q <= rest else rest - q
    return power_of_x(period, p) == 1 and all(
        power_of_x(period // factor, p) != 1 for factor in factors
    )


def start_state(length: int, key: int, layer: int, event: int, stimulus: int, source: int) -> int:
    """The register's state at read 0, from 1 to 2^length - 1."""
    return splitmix64(*stream(key, source, stimulus, event, layer), 0) % ((1 << length) - 1) + 1


def register_reads(
    p: int, state: int, bits: int, shifts: int, first_read: int, reads: int
) -> list[int]:
    """u of some reads: jump to the first by x^(first_read shifts), then shift by shift."""
    length = p.bit_length() - 1
    state = product(state, power_of_x(first_read * shifts, p), p)
    out = []
    for _ in range(reads):
        out.append((state >> (length - bits)) << (31 - bits))
        for _ in range(shifts):
            state = shifted(state, p)
    return out


def fill_source(
    taps: tuple[int, ...] | None,
    source: ChipSource,
    address: DrawAddress,
    shape: tuple[int, int, int],
) -> np.ndarray:
    """u (stimulus, read, neuron) uint32 of a register with these taps, or of the counter generator
    where taps is None.
    """
    out = np.empty(shape, np.uint32)
    key, layer, event, first_stimulus, first_read = (int(word) for word in address)
    shifts = source.bits if source.shifts is None else source.shifts
    for s, n in np.ndindex(shape[0], shape[2]):
        number = n // source.per_source
        stimulus = first_stimulus + s
        if taps is None:
            out[s, :, n] = [
                random31(key, layer, event, stimulus, first_read + r, number)
                for r in range(shape[1])
            ]
        else:
            state = start_state(taps[0], key, layer, event, stimulus, number)
            p = sum(1 << tap for tap in taps) + 1
            out[s, :, n] = register_reads(p, state, source.bits, shifts, first_read, shape[1])
    return out


def count_thresholds(thresholds: np.ndarray, u: np.ndarray, c_min: int) -> np.ndarray:
    """c_min + #{k : u >= threshold_k}, int8 (stimulus, read, neuron)."""
    return (c_min + (u[:, :, None, :] >= thresholds[:, None]).sum(axis=2)).astype(np.int8)
