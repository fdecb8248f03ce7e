"""The chip's own random source, where its generator is part of the story: neurons that share a
source, and shift registers that repeat.

Two sources of u, the 31-bit integer that a code compares with its thresholds:

- length 0: the counter generator. Neurons n of one group n // per_source get the same u, that of
  neuron n // per_source in `draw_integers`.
- length L = 8 ... 32: a linear feedback shift register of maximal period 2^L - 1, in Galois form:
  the state is a polynomial over GF(2) of degree < L, a shift multiplies it by x modulo a primitive
  polynomial p. At read r the comparator takes the register's upper bits, and between reads the
  register shifts `shifts` times. The state at read r is start x^(r shifts) mod p, by jump-ahead: a
  pure function of the read, so any split in reads gives the same codes, and reads repeat after the
  period as they do on the chip.

Each (key, layer, event, stimulus, source) starts from its own nonzero state, drawn by the counter
generator.
"""

from typing import NamedTuple

import numpy as np

from stochsim_kernels._jit import helper, inline
from stochsim_kernels.random.address import DrawAddress
from stochsim_kernels.random.counter_rng import stream, word
from stochsim_kernels.random.integers import draw_integers

_TABLE = (
    (8, 6, 5, 4), (9, 5), (10, 7), (11, 9), (12, 6, 4, 1), (13, 4, 3, 1), (14, 5, 3, 1), (15, 14),
    (16, 15, 13, 4), (17, 14), (18, 11), (19, 6, 2, 1), (20, 17), (21, 19), (22, 21), (23, 18),
    (24, 23, 22, 17), (25, 22), (26, 6, 2, 1), (27, 5, 2, 1), (28, 25), (29, 27), (30, 6, 4, 1),
    (31, 28), (32, 22, 2, 1),
)  # fmt: skip
TAPS = {taps[0]: taps for taps in _TABLE}
"""Length -> exponents of p beside x^0: the table of Alfke, Xilinx application note XAPP 052 (1996).
"""


def polynomial(length: int) -> int:
    """The primitive polynomial p of a register of `length` bits: bit i is the coefficient of
    x^i.
    """
    return sum(1 << tap for tap in TAPS[length]) | 1


class ChipSource(NamedTuple):
    """What a chip draws its integers from.

    length: 0, the counter generator, all 31 bits; or 8 ... 32, the bits of a shift register, whose
    upper `bits` bits are the upper bits of u and the others are 0, so that thresholds belong on the
    same grid (`round_thresholds`). per_source: neurons that share a source. shifts: how often a
    register shifts between reads, `bits` times if None.
    """

    length: int = 0
    bits: int = 31
    per_source: int = 1
    shifts: int | None = None


class Register(NamedTuple):
    """A shift register as kernels take it: polynomial, uint64, by `polynomial`; the others int64,
    as in `ChipSource`.
    """

    polynomial: np.uint64
    length: int
    bits: int
    shifts: int


def fill_source(source: ChipSource, address: DrawAddress, out: np.ndarray) -> None:
    """Write the u of a chip's own source to out (stimulus, read, neuron), uint32.

    Raises ValueError for a length not in the table, bits beyond 31 or the length, and per_source or
    shifts below 1.
    """
    shifts = source.bits if source.shifts is None else source.shifts
    _check(source, shifts)
    stimuli, reads, neurons = out.shape
    groups = -(-neurons // source.per_source)
    u = out if source.per_source == 1 else np.empty((stimuli, reads, groups), np.uint32)
    if source.length:
        p = np.uint64(polynomial(source.length))
        fill_registers(Register(p, int(source.length), int(source.bits), int(shifts)), address, u)
    else:
        draw_integers(address, u)
    if source.per_source > 1:
        out[...] = np.repeat(u, source.per_source, axis=2)[:, :, :neurons]


def _check(source: ChipSource, shifts: int) -> None:
    length = source.length
    bits = source.bits
    if source.per_source < 1:
        raise ValueError(f"per_source = {source.per_source!r}: should be at least 1")
    if length and length not in TAPS:
        raise ValueError(
            f"length = {length!r}: should be 0 (counter generator) or from {min(TAPS)} to "
            f"{max(TAPS)}"
        )
    if length and not 1 <= bits <= min(length, 31):
        raise ValueError(
            f"bits = {bits!r}: should be from 1 to {min(length, 31)}, the register has {length} "
            f"bits and u has 31"
        )
    if length and not 1 <= shifts < 2**16:
        raise ValueError(f"shifts = {shifts!r}: should be from 1 to {2**16 - 1}")


@inline
def _shifted(state, p, length):
    """state x mod p: one shift of the register."""
    doubled = state << np.uint64(1)
    return doubled ^ (p & (np.uint64(0) - (doubled >> np.uint64(length))))


@helper
def _product(a, b, p, length):
    """a b mod p, over GF(2), by shifting and adding."""
    product = np.uint64(0)
    for i in range(length - 1, -1, -1):
        product = _shifted(product, p, length)
        product ^= a & (np.uint64(0) - ((b >> np.uint64(i)) & np.uint64(1)))
    return product


@inline
def _power_of_x(exponent, p, length):
    """x^exponent mod p, by squaring."""
    power = np.uint64(1)
    square = np.uint64(2)
    while exponent:
        if exponent & 1:
            power = _product(power, square, p, length)
        square = _product(square, square, p, length)
        exponent >>= 1
    return power


@inline
def _registers_at(register, address, stimulus, state):
    """States of all sources at the first read: a random start from 1 to 2^length - 1, moved on by
    read x shifts.
    """
    p = register.polynomial
    length = register.length
    period = (1 << length) - 1
    shifts = address.first_read % period * (register.shifts % period) % period
    jump = _power_of_x(shifts, p, length)
    for g in range(state.size):
        seed, gamma = stream(address.key, g, stimulus, address.event, address.layer)
        start = word(seed, gamma, 0) % np.uint64(period) + np.uint64(1)
        state[g] = _product(start, jump, p, length)


@inline
def _run_registers(register, state, out):
    """Upper bits of all registers at every read, out (read, source); sources innermost, so that
    shifts run on vectors.
    """
    p = register.polynomial
    length = register.length
    bits = register.bits
    for r in range(out.shape[0]):
        for g in range(state.size):
            out[r, g] = state[g] >> np.uint64(length - bits) << np.uint64(31 - bits)
        for _ in range(register.shifts):
            for g in range(state.size):
                state[g] = _shifted(state[g], p, length)


@helper
def fill_registers(register, address, out):
    """Write u of one shift register per source to out (stimulus, read, source), uint32."""
    state = np.empty(out.shape[2], np.uint64)
    for s in range(out.shape[0]):
        _registers_at(register, address, address.first_stimulus + s, state)
        _run_registers(register, state, out[s])
