"""Drives and noise of every kind for the kernels that draw a neuron's codes, and the plain count of
its thresholds.
"""

import numpy as np
from stochsim_kernels.neuron import channel
from stochsim_kernels.random.address import DrawAddress
from stochsim_kernels.random.integers import draw_integers
from stochsim_kernels.reference import neuron_codes as reference

KEY = 0xFEDC_BA98_7654_3210
WHERE = (3, 5, 7, 1000)  # layer, event, first stimulus, first read
LAWS = [
    *(("gaussian", activation) for activation in channel.ACTIVATIONS),
    ("logistic", "identity"),
    ("uniform", "relu"),
    ("logistic", "tanh"),
    ("uniform", "step"),
]


def quantiser(bits, step=0.25, unsigned=False):
    """(z, step, c_min, levels)"""
    if bits == 1:
        return -step, 2 * step, 0, 2
    return (0.0, step, 0 if unsigned else -(2 ** (bits - 1)), 2**bits)


def law_of(family, activation, quantiser):
    numbers = channel.FAMILIES[family], channel.ACTIVATIONS[activation]
    return channel.neuron_law(*numbers, *quantiser)


def call(function, drive, sigma, other, family, activation, quantiser, reads, where=WHERE):
    out = np.full((drive.shape[0], reads, drive.shape[-1]), 77, np.int8)
    sigmas = (
        np.broadcast_to(np.asarray(value, float), (drive.shape[0], drive.shape[-1]))
        for value in (sigma, other)
    )
    law = law_of(family, activation, quantiser)
    function(drive, *sigmas, law, DrawAddress.of(KEY, *where), out)
    return out


def integers(shape, where=WHERE):
    out = np.empty(shape, np.uint32)
    draw_integers(DrawAddress.of(KEY, *where), out)
    return out


def thresholds(drive, sigma, other, family, activation, quantiser):
    """(stimulus, read, levels - 1, neuron) for drives (stimulus, read, neuron)."""
    levels = quantiser[3]
    stimuli, reads, neurons = drive.shape
    sigmas = (
        np.broadcast_to(value, (stimuli, neurons))[:, None]
        .repeat(reads, axis=1)
        .reshape(-1, neurons)
        for value in (sigma, other)
    )
    out = np.empty((stimuli * reads, levels - 1, neurons), np.uint32)
    flat = np.ascontiguousarray(drive, np.float64).reshape(-1, neurons)
    channel.fill_thresholds(flat, *sigmas, law_of(family, activation, quantiser), out)
    return out.reshape(stimuli, reads, levels - 1, neurons)


def plain(drive, sigma, other, family, activation, quantiser, reads, where=WHERE):
    """The plain count, for drives (stimulus, neuron) or (stimulus, read, neuron)."""
    table = thresholds(
        drive[:, None] if drive.ndim == 2 else drive, sigma, other, family, activation, quantiser
    )
    return reference.count_codes(
        integers((drive.shape[0], reads, drive.shape[-1]), where), table, quantiser[2]
    )


def drives(shape, bits, seed=0):
    """Over the codes and beyond; some on edges and codes, some far outside."""
    random = np.random.default_rng(seed)
    drive = random.uniform(-0.2, 0.2, shape) * 2**bits + random.normal(0, 0.3, shape)
    special_ones = np.array(
        [0.0, -0.0, 0.125, -0.125, 0.25, 0.375, 50.0, -50.0, 1e9, -1e9, 1e30, -3e29, 1e300, -1e300]
    )
    chosen = random.random(shape) < 0.3
    drive[chosen] = random.choice(special_ones, chosen.sum())
    return drive


def sigmas(shape, seed=1):
    """Gaussian and other: none, tiny, usual, huge."""
    random = np.random.default_rng(seed)
    some = np.array([0.0, 0.0, 1e-300, 1e-9, 1e-3, 0.1, 0.5, 0.5, 2.0, 1e3, 1e7, 1e30])
    return random.choice(some, shape), random.choice(some[:9], shape)
