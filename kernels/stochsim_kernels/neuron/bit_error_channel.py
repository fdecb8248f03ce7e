"""Thresholds from thresholds: bit errors of the output codes, comparators of few bits, channels
that were measured.

A read costs the same afterwards: whatever happens to a code is one more channel behind the first,
so P(code | drive) stays known exactly. All steps are elementwise in a fixed order (no BLAS), so
thresholds do not depend on how the stimuli are split.
"""

import numpy as np

ONE = 2**31  # probability 1
_AT_ONCE = 1 << 16  # probabilities mixed at once: half a megabyte


def _check_share(name: str, value: float) -> None:
    if not 0.0 <= value <= 1.0:
        raise ValueError(f"{name} = {value!r}: should be from 0 to 1")


def flip_matrix(bits: int, rate: float) -> np.ndarray:
    """B (levels, levels) float64: B[i, j] = P(code j is read | code i was written), each bit
    flipped with probability `rate` on its own.

    Indices are code - c_min. Two's complement (c_min = -2^(b-1)) differs from the index in the top
    bit alone, unsigned codes and 1-bit codes (c_min = 0) not at all, and which bits differ between
    two codes does not see that: B is a Kronecker power in either case.
    """
    _check_share("rate", rate)
    matrix = np.ones((1, 1))
    one_bit = np.array([[1.0 - rate, rate], [rate, 1.0 - rate]])
    for _ in range(bits):
        matrix = np.kron(matrix, one_bit)
    return matrix


def mix_bit_errors(thresholds: np.ndarray, rate: float) -> np.ndarray:
    """Thresholds (stimulus, levels - 1, neuron) uint32 of codes whose bits then flip with
    probability `rate`, a new array.

    P' = P B with B of `flip_matrix`, bit by bit: b passes instead of a product with 2^b columns.
    Right to half a part in 2^31. Raises ValueError where the levels are no power of two or the rate
    is no probability.
    """
    _check_share("rate", rate)
    levels = thresholds.shape[1] + 1
    neurons = thresholds.shape[2]
    if levels & (levels - 1):
        raise ValueError(f"{levels} levels: bits flip in codes of a power of two")
    out = np.empty_like(thresholds)
    at_once = max(1, _AT_ONCE // max(1, levels * neurons))
    for first in range(0, len(thresholds), at_once):
        part = slice(first, first + at_once)
        mass = _mass(thresholds[part])
        for bit in range(levels.bit_length() - 1):
            _flip_one_bit(mass, 1 << bit, rate)
        for k in range(
            1, levels
        ):  # a running sum over whole rows, cheaper than cumsum along this axis
            mass[:, k] += mass[:, k - 1]
        below = mass[:, :-1]
        below += 0.5
        out[part] = np.clip(below, 0, ONE, out=below)
    return out


def _mass(thresholds: np.ndarray) -> np.ndarray:
    """2^31 P(code) from thresholds, (stimulus, levels, neuron) float64."""
    stimuli, edges, neurons = thresholds.shape
    mass = np.empty((stimuli, edges + 1, neurons))
    mass[:, :-1] = thresholds
    mass[:, -1] = ONE
    mass[:, 1:] -= thresholds
    return mass


def _flip_one_bit(mass: np.ndarray, place: int, rate: float) -> None:
    """Move the share `rate` of mass (stimulus, levels, neuron) between codes that differ in the bit
    of value `place`, in place.
    """
    stimuli, levels, neurons = mass.shape
    pairs = mass.reshape(stimuli, levels // (2 * place), 2, place, neurons)
    moved = rate * (pairs[:, :, 1] - pairs[:, :, 0])
    pairs[:, :, 0] += moved
    pairs[:, :, 1] -= moved


def round_thresholds(thresholds: np.ndarray, bits: int) -> np.ndarray:
    """Thresholds (uint32, any shape) on the grid of a comparator of `bits` bits: multiples of 2^(31
    - bits), halves up, a new array.

    Only the upper `bits` bits of u decide then. 0 and 2^31 stay. Raises ValueError unless bits is
    from 1 to 31.
    """
    if not 1 <= bits <= 31:
        raise ValueError(f"bits = {bits!r}: should be from 1 to 31")
    place = np.uint32(31 - bits)
    half = np.uint32((1 << (31 - bits)) >> 1)
    return (thresholds + half) >> place << place  # at most 2^31 + 2^29: no overflow


def thresholds_from_cumulative(below: np.ndarray) -> np.ndarray:
    """round(2^31 P(code < k)) uint32 from measured P(code < k) (stimulus, levels - 1, neuron).

    Raises ValueError for another number of axes, for a number that is no probability and for one
    that falls as the code grows.
    """
    below = np.asarray(below, np.float64)
    if below.ndim != 3:
        raise ValueError(
            f"cumulative probabilities have shape {below.shape}: should be (stimulus, levels - 1, "
            f"neuron)"
        )
    falls = np.diff(below, axis=1, prepend=0.0) < 0
    for wrong, rule in (
        (~((below >= 0) & (below <= 1)), "should be from 0 to 1"),
        (falls, "should not fall as k grows"),
    ):
        if wrong.any():
            s, k, n = (int(i) for i in np.argwhere(wrong)[0])
            raise ValueError(
                f"P(code < k) = {below[s, k, n]} at stimulus {s}, edge {k}, neuron {n}: {rule}"
            )
    return np.floor(below * ONE + 0.5).astype(np.uint32)
