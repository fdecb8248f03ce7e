"""Small noisy arrays in every mode, for the kernel of the bit-sliced array."""

import numpy as np
from stochsim_kernels.array import adc_channel, crossbar, crossbar_bits
from stochsim_kernels.random.address import DrawAddress
from stochsim_kernels.reference import crossbar_sums

KEY = 0xFEDC_BA98_7654_3210
WHERE = {"key": KEY, "layer": 3, "event": 2**32 - 1, "first_stimulus": 2**31, "first_read": 2**40}


def draw(x_words, w_words, readout, reads=1, variance=None, **address):
    out = np.zeros((x_words.shape[0], reads, w_words.shape[-1]), np.int32)
    crossbar.draw_crossbar(x_words, w_words, readout, at(**address), out, variance)
    return out


def at(key=KEY, layer=0, event=0, first_stimulus=0, first_read=0):
    return DrawAddress.of(key, layer, event, first_stimulus, first_read)


def ideal_channel(p_min, p_max, sigma=0.0):
    """One code per partial sum, the sum itself."""
    return adc_channel.build_channel(
        np.arange(p_max - p_min + 1.0), sigma, adc_channel.ideal_edges(p_max - p_min + 1), p_min
    )


def shifts(slices, cell_bits, cycles, cycle_bits):
    return 2 ** (cell_bits * np.arange(slices)[:, None] + cycle_bits * np.arange(cycles))


def case(mode, seed=0, stimuli=3, inputs=37, columns=9, rows=13, sign=2, cycle_bits=2):
    """A small noisy array in one of the modes: (x words, w words, readout, variance, partial sums,
    variance of each conversion).
    """
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 8, (stimuli, inputs))
    cells = rng.integers(0, 4, (sign, 2, inputs, columns)).astype(np.uint8)
    x_words = crossbar_bits.pack_inputs(x, rows, 3, cycle_bits)
    w_words = crossbar_bits.pack_cells(cells, rows, 2)
    partials = crossbar_sums.partial_sums(x, cells, rows, 3, cycle_bits)
    tiles, slices, cycles = partials.shape[:3]
    edges = adc_channel.ideal_edges(33) + rng.normal(0, 0.2, 32)
    wiring = {"p_min": -60}
    positions = np.arange(121) / 3.0 - 4
    sigma = np.zeros((1, 1)) if mode == "certain" else np.ones((1, 1))
    if mode in ("grid", "shared", "shared certain"):
        slope = 0.3 * rng.normal(1, 0.1, (tiles, slices, columns))
        shift = rng.normal(16, 2, (tiles, slices, columns))
        gain, offset = crossbar.grid_map(slope, shift, 8.0, 3)
        wiring = {"grid": crossbar.GridMap(gain, offset, 16)}
        positions = np.arange(49 * 8) / 8 - 8.0
    if "shared" in mode:
        group = np.arange(columns) // 3 + rng.integers(0, 2, columns)
        wiring["references"] = crossbar.References(group, adc_channel.shared_noise(6.0))
        sigma *= 0.0 if "certain" in mode else 1.0
    variance = each = None
    if mode == "variance":
        sigma = np.array([[0.0], [0.5], [2.0]])
        variance = rng.integers(0, 3, (stimuli, tiles, cycles))
        each = np.broadcast_to(variance.transpose(1, 2, 0)[:, None, :, :, None], partials.shape)
    channel = adc_channel.build_channel(positions, sigma, np.sort(edges), -16)
    factor = rng.integers(-9, 10, (slices, cycles))
    return (
        x_words,
        w_words,
        crossbar.readout(channel, factor, tiles, **wiring),
        variance,
        partials,
        each,
    )


MODES = ["exact", "certain", "grid", "shared", "shared certain", "variance"]
