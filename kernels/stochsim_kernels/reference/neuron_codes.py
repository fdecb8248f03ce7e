"""The kernels in plain NumPy, slow and obvious: the oracle of every test.

(That of Gibbs sampling is `coordinate_gibbs`.)
"""

import itertools
from typing import Any, NamedTuple

import numpy as np
from scipy import integrate, special, stats

from stochsim_kernels.random.address import DrawAddress

_MASK32 = 0xFFFFFFFF
_MASK64 = 0xFFFFFFFFFFFFFFFF


def philox4x32(key: int, counter: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    """Philox4x32-10 in Python integers (Salmon et al. 2011)."""
    k0 = key & _MASK32
    k1 = key >> 32
    c0, c1, c2, c3 = counter
    for _ in range(10):
        p0 = 0xD2511F53 * c0
        p1 = 0xCD9E8D57 * c2
        c0, c1, c2, c3 = (p1 >> 32) ^ c1 ^ k0, p1 & _MASK32, (p0 >> 32) ^ c3 ^ k1, p0 & _MASK32
        k0 = (k0 + 0x9E3779B9) & _MASK32
        k1 = (k1 + 0xBB67AE85) & _MASK32
    return c0, c1, c2, c3


def splitmix64(seed: int, gamma: int, counter: int) -> int:
    """Output `counter` of SplitMix64 (Steele, Lea, Flood 2014) in Python integers."""
    z = (seed + gamma * (counter + 1)) & _MASK64
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK64
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK64
    return z ^ (z >> 31)


def stream(key: int, number: int, stimulus: int, event: int, layer: int) -> tuple[int, int]:
    """(seed, gamma) of the stream at these counter words."""
    w0, w1, w2, w3 = philox4x32(key, (number, stimulus, event, layer))
    gamma = (w2 | (w3 << 32)) | 1
    if (gamma ^ (gamma >> 1)).bit_count() < 24:
        gamma ^= 0xAAAAAAAAAAAAAAAA
    return w0 | (w1 << 32), gamma


def random31(key: int, layer: int, event: int, stimulus: int, read: int, neuron: int) -> int:
    """The 31-bit integer u of one code: its upper 16 bits from the word of its quad of neurons at
    this read, its lower 15 bits from the word 2^63 positions further on.
    """
    seed, gamma = stream(key, 0, stimulus, event, layer)
    position = 2**24 * read + neuron // 4
    place = 16 * (neuron % 4)
    upper = (splitmix64(seed, gamma, position) >> place) & 0xFFFF
    lower = (splitmix64(seed, gamma, position + 2**63) >> place) & 0xFFFF
    return (upper << 15) | (lower >> 1)


_UNIT_LAWS = {
    "gaussian": stats.norm(),
    "logistic": stats.logistic(scale=np.sqrt(3) / np.pi),
    "uniform": stats.uniform(-np.sqrt(3), 2 * np.sqrt(3)),
    "triangular": stats.triang(0.5, -np.sqrt(6), 2 * np.sqrt(6)),
}


def noise_cdf(t: float, sigma: float, other: float, family: str) -> float:
    """P(sigma xi + other eta < t) by adaptive quadrature where two families meet."""
    if family == "gaussian" or other == 0:
        return float(special.ndtr(t / np.hypot(sigma, other if family == "gaussian" else 0.0)))
    law = _UNIT_LAWS[family]
    if sigma == 0:
        return float(law.cdf(t / other))
    low, high = (-25.0, 25.0) if family == "logistic" else law.support()
    centre = min(max(t / other, low), high)
    points = sorted(
        {low, 0.0, high, *np.clip(centre + sigma / other * np.linspace(-9, 9, 13), low, high)}
    )
    pieces = [
        integrate.quad(
            lambda q: law.pdf(q) * special.ndtr((t - other * q) / sigma), a, b, epsabs=1e-13
        )[0]
        for a, b in itertools.pairwise(points)
    ]
    return float(sum(pieces))


_ACTIVATIONS: dict[str, Any] = {
    "identity": lambda a: a,
    "relu": lambda a: np.maximum(a, 0.0),
    "tanh": np.tanh,
    "step": lambda a: np.where(a >= 0, 1.0, 0.0),
    "sigmoid": special.expit,
}


def _step_inverse(edge: float) -> float:
    """The least drive whose step reaches `edge`."""
    if edge <= 0:
        return -np.inf
    return 0.0 if edge <= 1 else np.inf


_INVERSES = {
    "identity": lambda e: e,
    "relu": lambda e: e if e > 0 else -np.inf,
    "tanh": lambda e: np.arctanh(e) if abs(e) < 1 else np.copysign(np.inf, e),
    "step": _step_inverse,
    "sigmoid": lambda e: float(special.logit(min(max(e, 0.0), 1.0))),
}


class PlainLaw(NamedTuple):
    """The channel of a neuron by names and numbers: value = z + step code, codes c_min … c_min +
    levels - 1; or, of uneven values, `edges` between them, (edge, whether a value on it takes the
    code above).
    """

    family: str
    activation: str
    z: float
    step: float
    c_min: int
    levels: int
    edges: tuple[tuple[float, bool], ...] = ()

    @property
    def edges_of_values(self) -> list[float]:
        """The least response that takes each code but the smallest, levels - 1 of them."""
        if self.edges:
            return [edge if above else np.nextafter(edge, np.inf) for edge, above in self.edges]
        return [self.z + (self.c_min + k - 0.5) * self.step for k in range(1, self.levels)]


def noiseless_code(drive: float, law: PlainLaw) -> int:
    """clip(round((f(a) - z) / step)): half to even; with two levels the edge belongs to the upper
    code. Of uneven values: how many edges f(a) has passed.
    """
    response = float(_ACTIVATIONS[law.activation](drive))
    if law.edges:
        passed = [response > edge or (response == edge and above) for edge, above in law.edges]
        return law.c_min + sum(passed)
    value = (response - law.z) / law.step
    if law.levels == 2:
        return law.c_min + int(value - law.c_min >= 0.5)
    return int(np.clip(np.rint(value), law.c_min, law.c_min + law.levels - 1))


def code_probabilities(drive: float, sigma: float, other: float, law: PlainLaw) -> np.ndarray:
    """P(code = c_min + k | drive), k = 0 … levels - 1, (levels,), from the definition of the
    channel.
    """
    if sigma == 0 and other == 0:
        certain = np.zeros(law.levels)
        certain[noiseless_code(drive, law) - law.c_min] = 1.0
        return certain
    inverse = _INVERSES[law.activation]
    edges = [inverse(edge) for edge in law.edges_of_values]
    below = [_below(edge - drive, sigma, other, law.family) for edge in edges]
    return np.diff([0.0, *below, 1.0])


def _below(t: float, sigma: float, other: float, family: str) -> float:
    """P(noise < t), t infinite too."""
    if np.isinf(t):
        return float(t > 0)
    return noise_cdf(t, sigma, other, family)


def thresholds(drive: np.ndarray, sigma: float, other: float, law: PlainLaw) -> np.ndarray:
    """round(P(code < k) 2^31), uint32 (stimulus, levels - 1, neuron), of drives (stimulus, neuron);
    agrees with the kernel up to the last place of erfc (+-1).
    """
    out = np.empty((drive.shape[0], law.levels - 1, drive.shape[1]), np.uint32)
    for s, n in np.ndindex(drive.shape):
        p = code_probabilities(float(drive[s, n]), sigma, other, law)
        out[s, :, n] = np.floor(np.clip(np.cumsum(p)[:-1], 0, 1) * 2**31 + 0.5)
    return out


def integers(address: DrawAddress, shape: tuple[int, ...]) -> np.ndarray:
    """The 31-bit integers u (stimulus, read, neuron), int64."""
    key, layer, event, first_stimulus, first_read = (int(word) for word in address)
    out = np.empty(shape, np.int64)
    for s, r, n in np.ndindex(*shape):
        out[s, r, n] = random31(key, layer, event, first_stimulus + s, first_read + r, n)
    return out


def draw_codes(thresholds: np.ndarray, c_min: int, address: DrawAddress, reads: int) -> np.ndarray:
    """c_min + #{k : u >= threshold_k} for every (stimulus, read, neuron)."""
    stimuli, _, neurons = thresholds.shape
    u = integers(address, (stimuli, reads, neurons))
    return count_codes(u, thresholds[:, None], c_min)


def count_codes(u: np.ndarray, thresholds: np.ndarray, c_min: int) -> np.ndarray:
    """c_min + #{k : u >= threshold_k}, int8, for u (…, neuron) and thresholds (…, levels - 1,
    neuron) of the same leading axes.
    """
    return (c_min + (u[..., None, :] >= thresholds).sum(axis=-2)).astype(np.int8)


def integer_product(x_codes: np.ndarray, w_codes: np.ndarray) -> np.ndarray:
    """x_codes (stimulus, input) times w_codes (neuron, input), transposed, int64."""
    return x_codes.astype(np.int64) @ w_codes.astype(np.int64).T
