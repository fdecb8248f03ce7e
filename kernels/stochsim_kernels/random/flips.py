"""Bits that flip at a rate, each on its own: found by going from flip to flip, so that the cost
grows with the number of flips.

The bits that stay between two flips are geometric: floor(log U / log(1 - rate)) for U uniform on
(0, 1).
"""

import math

import numpy as np

from stochsim_kernels._jit import helper
from stochsim_kernels.random.address import DrawAddress
from stochsim_kernels.random.counter_rng import stream, uniform, word


def log_of_keeping(rate: float) -> float:
    """log(1 - rate), -inf at rate 1. Raises ValueError for a rate that is no probability."""
    if not 0.0 <= rate <= 1.0:
        raise ValueError(f"rate = {rate!r}: should be from 0 to 1")
    return math.log1p(-rate) if rate < 1.0 else -math.inf


@helper
def next_flip(at, total, seed, gamma, draw, log_keep):
    """The first of `total` bits behind bit `at` that flips, by word `draw` of a stream; `total`
    where none does.
    """
    stay = math.log(uniform(word(seed, gamma, draw))) / log_keep
    return at + 1 + np.int64(stay) if stay < total - 1 - at else np.int64(total)


@helper
def _flip_codes(codes, c_min, bits, log_keep, address):
    stimuli, reads, neurons = codes.shape
    total = neurons * bits
    for s in range(stimuli):
        stimulus = address.first_stimulus + s
        seed, gamma = stream(address.key, np.int64(0), stimulus, address.event, address.layer)
        for r in range(reads):
            draw = (address.first_read + r) * (
                total + 1
            )  # words that a read takes at most: total + 1
            at = next_flip(np.int64(-1), total, seed, gamma, draw, log_keep)
            while at < total:
                n = at // bits
                bit = at % bits
                codes[s, r, n] = c_min + ((codes[s, r, n] - c_min) ^ (1 << bit))
                draw += 1
                at = next_flip(at, total, seed, gamma, draw, log_keep)


def flip_codes(codes: np.ndarray, c_min: int, bits: int, rate: float, address: DrawAddress) -> None:
    """Flip each of the `bits` bits of each code (stimulus, read, neuron) int8, in place, with
    probability `rate`, on its own.

    For codes of sources that are shared or repeat: errors tied to u by
    `bit_error_channel.mix_bit_errors` would be shared and repeat too. Codes are c_min ... c_min +
    2^bits - 1, two's complement or unsigned (one law, see `bit_error_channel.flip_matrix`). A pure
    function of address, stimulus and read; give it an event that draws no codes. Raises ValueError
    for a rate that is no probability.
    """
    log_keep = log_of_keeping(rate)
    if rate > 0.0:
        _flip_codes(codes, c_min, bits, log_keep, address)
