"""How fast are the kernels? Codes of noisy neurons against torch in place, the random integers, the integer product.

Codes: 64 × 256 drives, 256 reads of each, from drive to int8, noise of half a standard deviation of the drives. The kernels compute
thresholds and draw; torch fills one preallocated float32 buffer: normal_, mul_, add_ (the division by the step is folded into the scale and
the drive beforehand), round_, clamp_, copy_ to int8. Both run on two threads, turn by turn in the same loop, after warm-up. A turn is the
best of five calls, for a thread that loses its core stalls a whole call, and short calls most. Every figure is the median over the turns
with their 10 % and 90 % quantiles.
"""

import os
import time
from collections.abc import Callable

import numba
import numpy as np
import torch
from _bench import Figure, Options, main
from numba import prange
from stochsim_kernels import channel, counter_rng, matmul, neuron
from stochsim_kernels._jit import kernel

STIMULI, NEURONS, READS = 64, 256, 256
CODES = STIMULI * NEURONS * READS
BARS = {1: 10.0, 4: 3.0}
BITS = (1, 2, 3, 4, 6, 8)
CALLS = 5
THREADS = min(2, os.cpu_count() or 1)
KEY = np.uint64(1)


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
            w0, w1, w2, w3 = counter_rng.philox4x32(key, i, row, 0, 0)
            out[row, 2 * i] = w0 | (w1 << np.uint64(32))
            out[row, 2 * i + 1] = w2 | (w3 << np.uint64(32))


def seconds(work: Callable[[], object], calls: int = 1) -> float:
    """Wall time of the best of so many calls, with the threads of both libraries set first: each of them changes the other's."""
    numba.set_num_threads(THREADS)
    torch.set_num_threads(THREADS)
    best = np.inf
    for _ in range(calls):
        started = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - started)
    return best


def turn_by_turn(works: dict[str, Callable[[], object]], repeats: int) -> dict[str, np.ndarray]:
    """Seconds (repeat,) of each work, measured in turn so that a busy machine slows all alike; two rounds of warm-up before."""
    rounds = [{name: seconds(work, CALLS) for name, work in works.items()} for _ in range(repeats + 2)][2:]
    return {name: np.array([one[name] for one in rounds]) for name in works}


def quantiles(values: np.ndarray) -> tuple[float, float, float]:
    """Median, 10 % and 90 % quantile."""
    low, median, high = np.quantile(values, [0.1, 0.5, 0.9])
    return float(median), float(low), float(high)


def neuron_work(bits: int) -> dict[str, Callable[[], object]]:
    """The kernels' and torch's way from the same drives to int8 codes."""
    z, step, c_min = (-1.0, 2.0, 0) if bits == 1 else (0.0, 6.0 / 2**bits, -(2 ** (bits - 1)))
    drive = np.random.default_rng(0).normal(0, 1, (STIMULI, NEURONS))
    sigma, other = np.full_like(drive, 0.5), np.zeros_like(drive)
    edges = channel.inverse_edges(channel.IDENTITY, z, step, c_min, 2**bits)
    thresholds = np.empty((STIMULI, 2**bits - 1, NEURONS), np.uint32)
    codes = np.empty((STIMULI, READS, NEURONS), np.int8)
    scaled_drive = torch.tensor((drive - z) / step, dtype=torch.float32)[:, None, :]
    scaled_sigma = torch.full((NEURONS,), 0.5 / step)
    buffer, torch_codes = torch.empty(codes.shape, dtype=torch.float32), torch.empty(codes.shape, dtype=torch.int8)
    draws = torch.Generator().manual_seed(1)

    def by_kernels() -> None:
        channel.fill_thresholds(drive, sigma, other, channel.GAUSSIAN, channel.IDENTITY, edges, z, step, c_min, thresholds)
        neuron.draw_codes(thresholds, c_min, KEY, 0, 0, 0, 0, codes)

    def by_torch() -> None:
        buffer.normal_(generator=draws).mul_(scaled_sigma).add_(scaled_drive).round_().clamp_(c_min, c_min + 2**bits - 1)
        torch_codes.copy_(buffer)

    return {"kernels": by_kernels, "torch": by_torch}


def neuron_figures(repeats: int) -> list[Figure]:
    """Speed against torch, and the kernels' own time per code, at every width; the time of the very first call apart."""
    figures = []
    for bits in BITS:
        works = neuron_work(bits)
        first = seconds(works["kernels"])
        if bits == BITS[0]:
            figures.append(Figure("first call, compiled or from cache", first, first, first, "s", better="lower"))
        times = turn_by_turn(works, repeats)
        against = "torch in place"
        figures.append(Figure(f"neuron codes, {bits} bits", *quantiles(times["torch"] / times["kernels"]), "×", against, BARS.get(bits)))
        figures.append(Figure(f"time per code, {bits} bits", *quantiles(1e9 * times["kernels"] / CODES), "ns", better="lower"))
    return figures


def generator_figures(repeats: int) -> list[Figure]:
    """Random numbers per second on the same threads: two 31-bit integers of each 64-bit word, one normal each of torch."""
    words = np.empty((STIMULI, 2**14), np.uint64)
    normals = torch.empty(2 * words.size)
    draws = torch.Generator().manual_seed(1)
    works: dict[str, Callable[[], object]] = {
        "SplitMix64": lambda: fill_splitmix(KEY, words),
        "Philox4x32-10": lambda: fill_philox(KEY, words),
        "torch normal_": lambda: normals.normal_(generator=draws),
    }
    times = turn_by_turn(works, repeats)
    return [Figure(f"{name}, random numbers", *quantiles(2e-6 * words.size / taken), "1e6/s") for name, taken in times.items()]


def product_figures(repeats: int) -> list[Figure]:
    """Exact integer product of int8 codes, conversions included, against torch's product of ready float32 arrays."""
    random = np.random.default_rng(0)
    figures = []
    for stimuli, inputs, neurons in ((4096, 48, 64), (1024, 784, 512)):
        x, w = random.integers(-8, 8, (stimuli, inputs), dtype=np.int8), random.integers(-7, 8, (neurons, inputs), dtype=np.int8)
        x_float, w_float = torch.tensor(x, dtype=torch.float32), torch.tensor(w, dtype=torch.float32)
        works = _product_work(x, w, x_float, w_float)
        times = turn_by_turn(works, repeats)
        name = f"integer product {stimuli} × {inputs} × {neurons}"
        figures.append(Figure(name, *quantiles(times["torch"] / times["kernels"]), "×", "torch float32"))
    x, w = (2 * random.integers(0, 2, shape, dtype=np.int8) - 1 for shape in ((512, 1024), (1024, 1024)))
    times = turn_by_turn(_product_work(x, w, torch.tensor(x, dtype=torch.float32), torch.tensor(w, dtype=torch.float32)), repeats)
    figures.append(Figure("product of signs 512 × 1024 × 1024", *quantiles(times["torch"] / times["kernels"]), "×", "torch float32"))
    return figures


def _product_work(x: np.ndarray, w: np.ndarray, x_float: torch.Tensor, w_float: torch.Tensor) -> dict[str, Callable[[], object]]:
    return {"kernels": lambda: matmul.integer_product(x, w), "torch": lambda: x_float @ w_float.T}


def measure(options: Options) -> list[Figure]:
    """5 turns with --quick, else 21."""
    repeats = 5 if options.quick else 21
    figures = neuron_figures(repeats) + generator_figures(repeats) + product_figures(repeats)
    if options.out is not None:
        _picture(figures, options)
    return figures


def _picture(figures: list[Figure], options: Options) -> None:
    from matplotlib.figure import Figure as Picture

    rows = [figure for figure in figures if figure.name.startswith("neuron codes")]
    value, low, high = (np.array([getattr(row, name) for row in rows]) for name in ("value", "low", "high"))
    picture = Picture(figsize=(5, 3.5), layout="constrained")
    axes = picture.subplots()
    axes.errorbar(BITS, value, [value - low, high - value], fmt="o-", capsize=3)
    for bits, bar in BARS.items():
        axes.plot([bits - 0.3, bits + 0.3], [bar, bar], color="black", label="bar" if bits == 1 else None)
    axes.axhline(1.0, color="grey", linewidth=0.8, linestyle=":")
    axes.set(yscale="log", xlabel="bits", ylabel="times faster than torch in place")
    axes.legend()
    assert options.out is not None
    picture.savefig(options.out / "kernel_speed.png", dpi=150)


if __name__ == "__main__":
    main(__doc__, measure)
