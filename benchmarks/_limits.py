"""What the machine gives: random numbers, bits counted, products and bytes of memory per second, on
the same threads as the kernels.
"""

from collections.abc import Iterator

import numpy as np
import torch
from _baselines import byte_product, float_product
from _neuron_races import GENERATOR
from _product_races import BATCH, BYTES, FLOATS, INPUTS, NEURONS, WORDS, codes_of
from _speed import KEY, THREADS, Way
from numba import prange
from stochsim_kernels._jit import inline, kernel
from stochsim_kernels.random import counter_rng
from stochsim_kernels.random.popcount import popcount64

STREAMS = 64
LENGTH = 2**14
FOLDED = 2**20  # words per thread of a generator whose words are not kept
COUNTED = 2**12  # words in the first-level cache
PASSES = 2**9
STREAMED = 2**25  # numbers of 8 bytes in each of three arrays: 0.8 GB, far beyond the caches
MEMORY = "bytes of memory, a = b + s c"

_philox = inline(counter_rng.philox4x32.py_func)


@kernel
def fill_splitmix(key, out):
    """64-bit words of SplitMix64, one stream per row of out (stream, word)."""
    for row in prange(out.shape[0]):
        counter_rng.fill_words(key, row, 0, 0, 0, 0, out[row])


@kernel
def fill_philox(key, out):
    """64-bit words of Philox4x32-10, two per call, counter (word, row, 0, 0)."""
    for row in prange(out.shape[0]):
        for i in range(out.shape[1] // 2):
            w0, w1, w2, w3 = _philox(key, i, row, 0, 0)
            out[row, 2 * i] = w0 | (w1 << np.uint64(32))
            out[row, 2 * i + 1] = w2 | (w3 << np.uint64(32))


@kernel
def fold_splitmix(key, words, out):
    """XOR of `words` words of SplitMix64, one stream per item of out (stream,): nothing is written
    on the way.
    """
    for row in prange(out.size):
        seed, gamma = counter_rng.stream(key, row, 0, 0, 0)
        total = np.uint64(0)
        for i in range(words):
            total ^= counter_rng.word(seed, gamma, i)
        out[row] = total


@kernel
def fold_philox(key, words, out):
    """The same of Philox4x32-10."""
    for row in prange(out.size):
        total = np.uint64(0)
        for i in range(words // 2):
            w0, w1, w2, w3 = _philox(key, i, row, 0, 0)
            total ^= (w0 | (w1 << np.uint64(32))) ^ (w2 | (w3 << np.uint64(32)))
        out[row] = total


@kernel
def count_bits(words, passes, out):
    """Ones in words (word,) & a mask that changes with each pass; out (thread,)."""
    for row in prange(out.size):
        total = np.uint64(0)
        for i in range(passes):
            mask = counter_rng.mix64(np.uint64(i))
            for k in range(words.size):
                total += popcount64(words[k] & mask)
        out[row] = total


@kernel
def triad(a, b, c, s):
    """a = b + s c (number,): each of three arrays is read or written once."""
    for i in prange(a.size):
        a[i] = b[i] + s * c[i]


def memory_work(size: int = STREAMED) -> tuple[str, float, Way]:
    """STREAM's triad; bytes as it counts them, without those that a write reads before."""
    a, b, c = np.zeros(size), np.ones(size), np.ones(size)
    return MEMORY, 3.0 * a.nbytes, lambda: triad(a, b, c, 3.0)


def limit_works() -> Iterator[tuple[str, float, Way]]:
    """(name, units per call, work): random numbers are of 31 or 32 bits, two to a word."""
    words = np.empty((STREAMS, LENGTH), np.uint64)
    folded = np.empty(THREADS, np.uint64)
    counted = np.random.default_rng(0).integers(0, 2**64, COUNTED, np.uint64)
    normals = torch.empty(words.size)
    draws = torch.Generator().manual_seed(1)
    x = codes_of(8, (BATCH, INPUTS))
    w = codes_of(8, (NEURONS, INPUTS))
    yield "random numbers, SplitMix64, written", 2 * words.size, lambda: fill_splitmix(KEY, words)
    yield "random numbers, Philox4x32-10, written", 2 * words.size, lambda: fill_philox(KEY, words)
    yield GENERATOR, 2 * FOLDED * THREADS, lambda: fold_splitmix(KEY, FOLDED, folded)
    yield (
        "Philox4x32-10 in a kernel",
        2 * FOLDED * THREADS,
        lambda: fold_philox(KEY, FOLDED, folded),
    )
    yield "torch normal_", words.size, lambda: normals.normal_(generator=draws)
    yield WORDS, COUNTED * PASSES * THREADS, lambda: count_bits(counted, PASSES, folded)
    yield BYTES, x.size * len(w), byte_product(x, w)
    yield FLOATS, x.size * len(w), float_product(x, w)
    yield memory_work()
