"""Races of neurons: from drives to noisy codes, with the simulator's random integers and with a
chip's own source.
"""

from collections.abc import Iterator

import numpy as np
from _bars import BARS, CODES_SHARE
from _baselines import neuron_codes
from _speed import KEY, Race
from stochsim_kernels.neuron import channel, drawing
from stochsim_kernels.random import source
from stochsim_kernels.random.address import DrawAddress

STIMULI = 64
NEURONS = 256
READS = 256
BITS = (1, 2, 3, 4, 6, 8)
BITS_OF_EACH = (4, 8)
GENERATOR = "random numbers made in a kernel"
_FEW_BITS = 5  # up to which a code takes 16 random bits of the 32 of a number
_ADDRESS = DrawAddress.of(int(KEY), 0, 0)


def quantiser(bits: int) -> tuple[float, float, int]:
    """(z, step, c_min): -1 and 1 at one bit, else six standard deviations of the drives."""
    return (-1.0, 2.0, 0) if bits == 1 else (0.0, 6.0 / 2**bits, -(2 ** (bits - 1)))


def neuron_race(
    bits: int,
    sigma: float = 0.5,
    each: bool = False,
    shape: tuple[int, int, int] = (STIMULI, READS, NEURONS),
) -> Race:
    """Normal drives and noise of `sigma`, both in units of the drive; `each`: every read has a
    drive of its own.
    """
    stimuli, reads, neurons = shape
    z, step, c_min = quantiser(bits)
    drive = np.random.default_rng(0).normal(0, 1, shape if each else (stimuli, neurons))
    sigmas = np.full((stimuli, neurons), sigma)
    other = np.zeros((stimuli, neurons))
    law = channel.neuron_law(channel.GAUSSIAN, channel.IDENTITY, z, step, c_min, 2**bits)
    codes = np.empty(shape, np.int8)
    draw = drawing.draw_each if each else drawing.draw

    def ours() -> np.ndarray:
        draw(drive, sigmas, other, law, _ADDRESS, codes)
        return codes

    theirs = neuron_codes(drive, sigma, z, step, c_min, 2**bits, reads)
    name = f"neuron codes, {bits} bit{'s' if bits > 1 else ''}" + (
        ", a drive per read" if each else ""
    )
    return Race(
        name,
        codes.size,
        "code",
        ours,
        theirs,
        bar=None if each else BARS.codes.get(bits),
        limit=(GENERATOR, 0.5 if bits <= _FEW_BITS and not each else 1.0),
        share_bar=CODES_SHARE if bits < _FEW_BITS and not each else None,
    )


def source_race(bits: int = 4, register_bits: int = 16) -> Race:
    """Codes by a shift register per neuron, whose upper 8 bits are compared."""
    z, step, c_min = quantiser(bits)
    drive = np.random.default_rng(0).normal(0, 1, (STIMULI, NEURONS))
    law = channel.neuron_law(channel.GAUSSIAN, channel.IDENTITY, z, step, c_min, 2**bits)
    thresholds = np.empty((STIMULI, 2**bits - 1, NEURONS), np.uint32)
    sigmas = np.full(drive.shape, 0.5)
    other = np.zeros(drive.shape)
    channel.fill_thresholds(drive, sigmas, other, law, thresholds)
    registers = source.ChipSource(register_bits, 8)
    u = np.empty((STIMULI, READS, NEURONS), np.uint32)
    codes = np.empty((STIMULI, READS, NEURONS), np.int8)

    def ours() -> np.ndarray:
        source.fill_source(registers, _ADDRESS, u)
        drawing.count_thresholds(thresholds, u, c_min, codes)
        return codes

    return Race(
        f"neuron codes, {bits} bits, {register_bits}-bit registers", codes.size, "code", ours
    )


def neuron_races() -> Iterator[Race]:
    """All of them, one after the other."""
    yield from (neuron_race(bits) for bits in BITS)
    yield from (neuron_race(bits, each=True) for bits in BITS_OF_EACH)
    yield source_race()
