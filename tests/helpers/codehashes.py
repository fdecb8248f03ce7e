"""Codes of twelve settings in plain NumPy, whole arrays at once, and the SHA-256 of them.

`python tests/helpers/codehashes.py` writes the hashes to tests/kernels/code_hashes.json, for
tests/kernels/test_code_hashes.py; it runs no kernel. A new KERNEL_VERSION may need it.
"""

import hashlib
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy import special
from stochsim_kernels import KERNEL_VERSION
from stochsim_kernels.array import adc_channel
from stochsim_kernels.random.address import DrawAddress

HASHES = Path(__file__).parents[1] / "kernels" / "code_hashes.json"
ADDRESS = DrawAddress.of(0xFEDC_BA98_7654_3210, 3, 5, 7, 1000)
STIMULI = 8
READS = 4096
NEURONS = 255
FEW_READS = 256  # of the first stimulus: what is hashed for the fast tests


class Setting(NamedTuple):
    """A neuron: sigma Gaussian, other of `family`, in units of the drive; each: every read has a
    drive of its own.
    """

    bits: int
    family: str
    activation: str
    sigma: float
    other: float
    each: bool = False


SETTINGS = {
    "1 bit, Gaussian": Setting(1, "gaussian", "identity", 0.5, 0.0),
    "2 bits, Gaussian, ReLU": Setting(2, "gaussian", "relu", 0.7, 0.2),
    "3 bits, logistic, tanh": Setting(3, "logistic", "tanh", 0.0, 0.4),
    "4 bits, Gaussian": Setting(4, "gaussian", "identity", 0.5, 0.0),
    "5 bits, uniform, sigmoid": Setting(5, "uniform", "sigmoid", 0.0, 0.8),
    "6 bits, Gaussian": Setting(6, "gaussian", "identity", 0.3, 0.4),
    "7 bits, logistic": Setting(7, "logistic", "identity", 0.0, 0.3),
    "8 bits, Gaussian, ReLU": Setting(8, "gaussian", "relu", 0.5, 0.0),
    "6 bits, triangular": Setting(6, "triangular", "identity", 0.0, 0.2),
    "4 bits, Gaussian, a drive per read": Setting(4, "gaussian", "identity", 0.5, 0.0, True),
    "5 bits, logistic, tanh, a drive per read": Setting(5, "logistic", "tanh", 0.0, 0.4, True),
}
ADC = "an array's ADC of 6 bits"


def quantiser(setting: Setting) -> tuple[float, float, int]:
    """(z, step, c_min): the codes cover -3 … 3, or what the activation gives."""
    levels = 2**setting.bits
    if setting.bits == 1:
        return -1.0, 2.0, 0
    if setting.activation == "identity":
        return 0.0, 6.0 / levels, -levels // 2
    if setting.activation == "tanh":
        return 0.0, 2.0 / levels, -levels // 2
    return 0.0, (3.0 if setting.activation == "relu" else 1.0) / levels, 0


def drives(s: int, reads: int) -> np.ndarray:
    """Drives (read, neuron) of stimulus s, evenly spread over -4 … 4."""
    number = (s * READS + np.arange(reads)[:, None]) * NEURONS + np.arange(NEURONS)
    return 8.0 * np.modf(number * 0.6180339887498949)[0] - 4.0


def _philox(key: int, c0: np.ndarray, c1: int, c2: int, c3: int) -> list[np.ndarray]:
    low, half = np.uint64(0xFFFFFFFF), np.uint64(32)
    keys = [key & 0xFFFFFFFF, key >> 32]
    c = [np.broadcast_to(np.uint64(word), c0.shape) for word in (c0, c1, c2, c3)]
    for _ in range(10):
        products = np.uint64(0xD2511F53) * c[0], np.uint64(0xCD9E8D57) * c[2]
        first = (products[1] >> half) ^ c[1] ^ np.uint64(keys[0])
        third = (products[0] >> half) ^ c[3] ^ np.uint64(keys[1])
        c = [first, products[1] & low, third, products[0] & low]
        keys = [(keys[0] + 0x9E3779B9) & 0xFFFFFFFF, (keys[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return c


def _words(numbers: int, s: int, positions: np.ndarray) -> np.ndarray:
    """Words of the streams 0 … numbers - 1 of stimulus s at positions that broadcast with them."""
    key, layer, event, first_stimulus, _ = (int(word) for word in ADDRESS)
    w = _philox(key, np.arange(numbers, dtype=np.uint64), first_stimulus + s, event, layer)
    gamma = w[2] | (w[3] << np.uint64(32)) | np.uint64(1)
    changes = np.bitwise_count(gamma ^ (gamma >> np.uint64(1)))
    gamma = np.where(changes < 24, gamma ^ np.uint64(0xAAAAAAAAAAAAAAAA), gamma)
    z = (w[0] | (w[1] << np.uint64(32))) + gamma * (positions + np.uint64(1))
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def _read_numbers(reads: int) -> np.ndarray:
    return np.arange(reads, dtype=np.uint64)[:, None] + np.uint64(ADDRESS.first_read)


def _pieces(table: np.ndarray, bits: int) -> np.ndarray:
    """Words (read, number) cut into pieces, lowest first: (read, number × pieces)."""
    shifts = np.arange(0, 64, bits, dtype=np.uint64)
    cut = (table[:, :, None] >> shifts) & np.uint64((1 << bits) - 1)
    return cut.reshape(len(table), -1)


def integers(s: int, reads: int) -> np.ndarray:
    """u (read, neuron), uint32."""
    quads = np.arange(-(-NEURONS // 4), dtype=np.uint64)
    position = (_read_numbers(reads) << np.uint64(24)) + quads
    upper = _pieces(_words(1, s, position), 16)
    lower = _pieces(_words(1, s, position + np.uint64(2**63)), 16)
    return ((upper << np.uint64(15)) | (lower >> np.uint64(1))).astype(np.uint32)[:, :NEURONS]


def _inverse(activation: str, edges: np.ndarray) -> np.ndarray:
    if activation == "relu":
        return np.where(edges > 0, edges, -np.inf)
    if activation == "tanh":
        inside = np.arctanh(np.clip(edges, -1, 1))
        return np.where(np.abs(edges) < 1, inside, np.copysign(np.inf, edges))
    return special.logit(edges) if activation == "sigmoid" else edges


def _below(t: np.ndarray, setting: Setting) -> np.ndarray:
    """P(noise < t)."""
    if setting.family == "gaussian":
        return special.ndtr(t / np.hypot(setting.sigma, setting.other))
    assert setting.sigma == 0.0
    unit = t / setting.other
    if setting.family == "logistic":
        return special.expit(unit * (np.pi / np.sqrt(3)))
    if setting.family == "uniform":
        return np.clip(0.5 + unit / np.sqrt(12), 0, 1)
    tail = 0.5 * np.maximum(1 - np.abs(unit) / np.sqrt(6), 0) ** 2
    return np.where(unit < 0, tail, 1 - tail)


def neuron_codes(setting: Setting, s: int, reads: int) -> np.ndarray:
    """Codes (read, neuron) int8 of stimulus s: c_min + #{k : u >= round(2^31 P(code < k))}."""
    z, step, c_min = quantiser(setting)
    edges = z + (c_min + np.arange(1, 2**setting.bits) - 0.5) * step
    drive = drives(s, reads if setting.each else 1)
    u = integers(s, reads)
    count = np.zeros(u.shape, np.int64)
    for edge in _inverse(setting.activation, edges):
        count += u >= np.floor(_below(edge - drive, setting) * 2**31 + 0.5)
    return (c_min + count).astype(np.int8)


def channel() -> adc_channel.AdcChannel:
    """An ADC of 6 bits that sees positions 0 … 255, four to a step, with noise of 0.7 steps."""
    return adc_channel.build_channel(np.arange(256) / 4, 0.7, adc_channel.ideal_edges(64))


def positions(s: int) -> np.ndarray:
    """What the ADCs of all columns see, (column,) integers."""
    return (np.arange(NEURONS) * 37 + 11 * s) % 256


def adc_codes(s: int, reads: int) -> np.ndarray:
    """Codes (read, column) int8 of stimulus s."""
    adc = channel()
    cells = 1 << adc.bits
    at = positions(s)
    u = _pieces(_words(-(-NEURONS // 2), s, _read_numbers(reads)), 32)[:, :NEURONS].astype(np.int64)
    entry = adc.entries.astype(np.int64)[at * cells + u % cells]
    j = np.where(u // cells < entry // cells, u % cells, entry % cells)
    line = (adc.slope * at + adc.intercept) >> adc.shift
    return (adc.code_min + np.clip(line, 0, adc.base_last) + j).astype(np.int8)


def digest(codes: np.ndarray) -> str:
    """SHA-256 of codes, in the order of their axes."""
    return hashlib.sha256(np.ascontiguousarray(codes, np.int8).tobytes()).hexdigest()


def _hashes(name: str) -> dict[str, str]:
    def of(s, reads):
        return adc_codes(s, reads) if name == ADC else neuron_codes(SETTINGS[name], s, reads)

    whole = hashlib.sha256()
    for s in range(STIMULI):
        whole.update(of(s, READS).tobytes())
    return {"few": digest(of(0, FEW_READS)), "all": whole.hexdigest()}


def main() -> None:
    """Write HASHES."""
    hashes = {}
    for name in [*SETTINGS, ADC]:
        hashes[name] = _hashes(name)
        print(name, hashes[name]["all"], flush=True)
    facts = {"kernel_version": KERNEL_VERSION, "hashes": hashes}
    HASHES.write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()
