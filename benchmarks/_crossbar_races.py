"""Races of the bit-sliced array, and of Gibbs sampling of the reference posterior."""

from collections.abc import Callable, Iterator

import numpy as np
from _bars import ARRAY_SHARE, BARS
from _baselines import CrossbarWork
from _baselines import crossbar as torch_crossbar
from _baselines import gibbs_sweeps as torch_gibbs
from _neuron_races import GENERATOR
from _speed import KEY, Race
from stochsim_kernels.array import adc_channel, crossbar, crossbar_bits
from stochsim_kernels.posterior import gibbs
from stochsim_kernels.random.address import DrawAddress

ROWS = 128
BITS = 4
LEVELS = 256
BATCH, INPUTS, COLUMNS = 512, 1024, 1024
READS_BATCH = 8
READS = 256


def crossbar_work(
    batch: int = BATCH,
    reads: int = 1,
    sigma_lsb: float = 1.0,
    inputs: int = INPUTS,
    columns: int = COLUMNS,
    rows: int = ROWS,
) -> CrossbarWork:
    """Random 4-bit inputs and 4-bit weights: 1-bit cells, 1-bit cycles, ADCs of 8 bits that
    take all partial sums.
    """
    random = np.random.default_rng(0)
    x_codes = random.integers(0, 2**BITS, (batch, inputs), dtype=np.uint8)
    return CrossbarWork(
        x_codes,
        random.integers(0, 2, (BITS, inputs, columns), dtype=np.uint8),
        sigma_lsb,
        reads,
        rows,
        bits=BITS,
        levels=LEVELS,
    )


def crossbar_by_kernels(work: CrossbarWork) -> Callable[[], np.ndarray]:
    """Accumulators (stimulus, read, column); cells are packed once, inputs in the call."""
    stimuli = len(work.x_codes)
    columns = work.cells.shape[2]
    channel = adc_channel.build_channel(
        np.arange(work.rows + 1) / work.lsb, work.sigma_lsb, adc_channel.ideal_edges(LEVELS)
    )
    factor = np.array([[1 << (piece + cycle) for cycle in range(BITS)] for piece in range(BITS)])
    w_words = crossbar_bits.pack_cells(work.cells[None], work.rows, 1)
    readout = crossbar.readout(channel, factor, len(w_words))
    out = np.ones(
        (stimuli, work.reads, columns), np.int32
    )  # ones: written here, not at the first call

    def run() -> np.ndarray:
        out[:] = 0
        x_words = crossbar_bits.pack_inputs(work.x_codes, work.rows, BITS, 1)
        crossbar.draw_crossbar(x_words, w_words, readout, DrawAddress.of(int(KEY), 0, 0), out)
        return out

    return run


def crossbar_by_torch(work: CrossbarWork) -> Callable[[], np.ndarray]:
    """See `_baselines.crossbar`; a view with the axes of the kernels."""
    run = torch_crossbar(work)
    shape = (len(work.x_codes), work.reads, work.cells.shape[2])
    return lambda: run().transpose(0, 1).reshape(shape).numpy()


def crossbar_race(name: str, work: CrossbarWork, bar: float) -> Race:
    """One conversion per tile, slice, cycle, column, read and stimulus."""
    tiles = -(-work.cells.shape[1] // work.rows)
    conversions = len(work.x_codes) * work.reads * work.cells.shape[2] * tiles * BITS * BITS
    ours = crossbar_by_kernels(work)
    theirs = crossbar_by_torch(work)
    return Race(
        name,
        conversions,
        "conversion",
        ours,
        theirs,
        "torch loop over slices, in place",
        bar,
        (GENERATOR, 1.0),
        ARRAY_SHARE,
    )


def gibbs_race(stimuli: int = 64, neurons: int = 64, chains: int = 4, sweeps: int = 4) -> Race:
    """Sweeps of all chains, for a posterior whose coordinates are about as wide as their prior."""
    random = np.random.default_rng(0)
    decoder = random.normal(0, 1, (neurons, neurons)) / np.sqrt(neurons)
    gram = decoder.T @ decoder
    linear = random.normal(0, 1, (stimuli, neurons)) @ decoder
    state, field = np.empty((2, stimuli, chains, neurons))
    draws = np.empty((stimuli, chains, 0, neurons), np.float32)
    running = gibbs.Chains(KEY, np.arange(stimuli), state, field)
    posterior = gibbs.LaplacePosterior(linear, gram, 1.0)
    schedule = gibbs.Schedule(first_sweep=1, sweeps=sweeps, burn_in=sweeps, thin=1)

    def ours() -> np.ndarray:
        state[:] = 0.0
        field[:] = linear[:, None]
        gibbs.gibbs_sweeps(running, posterior, schedule, draws)
        return state

    theirs = torch_gibbs(linear, gram, 1.0, chains, sweeps)
    name = f"Gibbs, {neurons} coordinates, {stimuli * chains} chains"
    return Race(name, state.size * sweeps, "update", ours, theirs, "torch, all chains at once")


def crossbar_races() -> Iterator[Race]:
    """All of them, one after the other."""
    yield crossbar_race("crossbar 512 × 1024 × 1024, 4 × 4 bits", crossbar_work(), BARS.array)
    name = f"crossbar {READS_BATCH} × 1024 × 1024, 4 × 4 bits, {READS} reads"
    yield crossbar_race(name, crossbar_work(READS_BATCH, READS), BARS.array)
    yield gibbs_race()
