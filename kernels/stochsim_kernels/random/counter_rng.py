"""Random integers as a pure function of (key, layer, event, stimulus, neuron, read).

Two named generators, each for what it is best at:

- Philox4x32-10 (Salmon, Moraes, Dror, Shaw 2011) maps the 64-bit key and the 128-bit counter
  (number, stimulus, event, layer) to the seed and the increment of a stream;
- SplitMix64 (Steele, Lea, Flood 2014) maps (seed, increment, position) to 64 bits. A stream has
  period 2^64.

Codes of neurons are drawn from integers u of 31 bits. All neurons of a stimulus share one stream,
number 0. Four neurons, a quad, share a word: that at position read 2^24 + neuron // 4 gives the
upper 16 bits of each one's u, the lowest piece of the word those of the first neuron; that 2^63
positions further on gives the lower 15 bits, which few codes need. An array's ADCs have a stream
for each pair of columns, and give each 32 bits of a word.

Nothing here keeps state, so no order of calls, thread count or batch split can change a number.
"""

import numpy as np

from stochsim_kernels._jit import helper, inline
from stochsim_kernels.random.popcount import popcount64

_M0 = np.uint64(0xD2511F53)
_M1 = np.uint64(0xCD9E8D57)
_W0 = np.uint64(0x9E3779B9)
_W1 = np.uint64(0xBB67AE85)
_LOW = np.uint64(0xFFFFFFFF)
_32 = np.uint64(32)
_ALTERNATING = np.uint64(0xAAAAAAAAAAAAAAAA)
_HALF_PERIOD = np.uint64(1 << 63)  # of positions, and so of states, for increments are odd
_QUAD_BITS = np.uint64(24)
MOST_NEURONS = 4 << 24
"""Of a stimulus, so that no two have a word in common."""
MOST_READS = 1 << 39
"""Beyond it positions come to those of the lower words."""


@inline
def mix64(z):
    """SplitMix64's output function: a bijection of 64-bit integers (variant 13 of Stafford's
    mixers).
    """
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@inline
def word(seed, gamma, counter):
    """The 64 random bits at `counter` of the stream (seed, gamma)."""
    return mix64(seed + gamma * (np.uint64(counter) + np.uint64(1)))


@inline
def lower_word(seed, gamma, counter):
    """The 64 random bits 2^63 positions further on in the stream."""
    return mix64((seed + gamma * (np.uint64(counter) + np.uint64(1))) ^ _HALF_PERIOD)


@inline
def stream_of_quad(seed, gamma, quad, read):
    """(seed, increment) of a quad's words alone, at `read` and the reads behind it, at positions 0,
    1, … of its own, out of the stream of all neurons.
    """
    of_a_read = gamma << _QUAD_BITS
    position = (np.uint64(read) << _QUAD_BITS) + np.uint64(quad) + np.uint64(1)
    return seed + gamma * position - of_a_read, of_a_read


@inline
def integer31(upper, lower, n):
    """u, uint64, of neuron n in the two words of its quad."""
    place = np.uint64(16 * (n % 4))
    high = (upper >> place) & np.uint64(0xFFFF)
    low = (lower >> place) & np.uint64(0xFFFF)
    return (high << np.uint64(15)) | (low >> np.uint64(1))


@inline
def read_integer(streams, read, n):
    """u, uint64, of neuron n at a read of the streams of all quads, (2, quad) uint64."""
    seed = streams[0, n // 4]
    gamma = streams[1, n // 4]
    return integer31(word(seed, gamma, read), lower_word(seed, gamma, read), n)


@inline
def uniform(bits):
    """64 random bits as a float64 in the open interval (0, 1): 52 bits and a half, so that neither
    end can be reached by rounding.
    """
    return (np.float64(bits >> np.uint64(12)) + 0.5) * (1.0 / 4503599627370496.0)


@helper
def philox4x32(key, c0, c1, c2, c3):
    """Philox4x32-10: the 64-bit `key` and four 32-bit counter words to four 32-bit words (as
    uint64).
    """
    k0 = np.uint64(key) & _LOW
    k1 = np.uint64(key) >> _32
    c0 = np.uint64(c0)
    c1 = np.uint64(c1)
    c2 = np.uint64(c2)
    c3 = np.uint64(c3)
    for _ in range(10):
        p0 = _M0 * c0
        p1 = _M1 * c2
        c0, c1, c2, c3 = (p1 >> _32) ^ c1 ^ k0, p1 & _LOW, (p0 >> _32) ^ c3 ^ k1, p0 & _LOW
        k0 = (k0 + _W0) & _LOW
        k1 = (k1 + _W1) & _LOW
    return c0, c1, c2, c3


@helper
def stream(key, number, stimulus, event, layer):
    """(seed, gamma) of one stream; gamma is odd with at least 24 bit changes (SplittableRandom's
    rule against weak increments).
    """
    w0, w1, w2, w3 = philox4x32(key, number, stimulus, event, layer)
    gamma = (w2 | (w3 << _32)) | np.uint64(1)
    if popcount64(gamma ^ (gamma >> np.uint64(1))) < np.uint64(24):
        gamma ^= _ALTERNATING
    return w0 | (w1 << _32), gamma


@helper
def fill_words(key, number, stimulus, event, layer, first, out):
    """Write words first, first + 1, … of one stream to `out` (uint64), for tests of the generator
    itself.
    """
    seed, gamma = stream(key, number, stimulus, event, layer)
    for i in range(out.size):
        out[i] = word(seed, gamma, first + i)
