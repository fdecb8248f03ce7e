"""Whole jobs in torch, in place and with everything prepared that an expert would prepare, and in
NumPyro. What a call returns and its buffers are allocated within it, as by our chips.
"""

import importlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from _baselines import CrossbarWork, crossbar
from _speed import Way

from stochsim.hardware import Array
from stochsim.program import Layer

_ROWS_AT_ONCE = 4096
"""Rows (stimulus and read) that pass through the network together: their hidden codes fit the
second-level cache.
"""


def _scaled(layer: Layer) -> torch.Tensor:
    """Weights (input, neuron) in output steps per input code."""
    steps = layer.weight_scale * layer.input.scale / layer.output.scale
    return torch.tensor(layer.weight_codes * steps, dtype=torch.float32).T.contiguous()


def digital_reads(layers: Sequence[Layer], x: np.ndarray, reads: int, sigma_lsb: float) -> Way:
    """Codes (stimulus, read, neuron) int8 of two layers whose every output is noisy: the first
    product once per stimulus, then reads in parts that fit the cache.
    """
    first, second = layers
    integers = torch.tensor(x / first.input.scale, dtype=torch.float32).round_()
    weights = [_scaled(layer) for layer in layers]
    low, high = _limits(first)
    hidden_low, hidden_high = _limits(second)
    at_once = max(1, min(reads, _ROWS_AT_ONCE))
    draws = torch.Generator().manual_seed(1)

    def run() -> torch.Tensor:
        noise = torch.empty(at_once, weights[0].shape[1])
        drives = torch.empty(at_once, weights[1].shape[1])
        outputs = torch.empty_like(drives)
        codes = torch.empty(len(x), reads, weights[1].shape[1], dtype=torch.int8)
        drive = integers @ weights[0]
        for s in range(len(codes)):
            for begin in range(0, reads, at_once):
                some = min(at_once, reads - begin)
                hidden = noise[:some].normal_(generator=draws).mul_(sigma_lsb).add_(drive[s])
                hidden.round_().clamp_(low, high)
                out = torch.mm(hidden, weights[1], out=drives[:some])
                out.add_(outputs[:some].normal_(generator=draws), alpha=sigma_lsb)
                codes[s, begin : begin + some] = out.round_().clamp_(hidden_low, hidden_high)
        return codes

    return run


def _limits(layer: Layer) -> tuple[int, int]:
    """The least and the largest output code."""
    return layer.output.c_min, layer.output.c_min + layer.output.levels - 1


def array_reads(
    layers: Sequence[Layer], x: np.ndarray, reads: int, sigma_lsb: float, array: Array
) -> Way:
    """As many conversions as the array makes for two layers, by a loop over tiles, slices and
    cycles: the currents of a differential pair are subtracted before their one ADC. The second
    layer's inputs differ from read to read. The neurons' noise comes after.
    """
    hidden, outputs = (layer.weight_codes.shape[0] for layer in layers)
    bits = layers[0].weight_bits
    random = np.random.default_rng(0)
    slices = bits - 1  # of one bit each, -1, 0 or 1 in a pair of columns
    first = CrossbarWork(
        random.integers(0, 2**bits, x.shape, dtype=np.uint8),
        random.integers(-1, 2, (slices, x.shape[1], hidden), dtype=np.int8),
        array.adc.sigma_lsb,
        reads,
        array.rows,
        bits=bits,
        lowest=-128,
    )
    second = first._replace(
        x_codes=random.integers(0, 2**bits, (len(x) * reads, hidden), dtype=np.uint8),
        cells=random.integers(-1, 2, (slices, hidden, outputs), dtype=np.int8),
        reads=1,
    )
    products = [crossbar(work, in_place=False) for work in (first, second)]
    draws = torch.Generator().manual_seed(2)

    def run() -> list[torch.Tensor]:
        found = [work() for work in products]
        for sums in found:
            sums.add_(torch.empty_like(sums).normal_(generator=draws), alpha=sigma_lsb)
            sums.round_().clamp_(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        return found

    return run


def nuts(
    decoder: np.ndarray, x: np.ndarray, noise_sd: float, laplace_scale: float, draws: int
) -> Way:
    """`draws` draws of four chains of every stimulus by NumPyro, as many warm-up steps before,
    compiled when this returns; the call gives the effective samples of the worst coordinate.
    """
    jax: Any = importlib.import_module("jax")
    numpyro: Any = importlib.import_module("numpyro")
    infer: Any = importlib.import_module("numpyro.infer")
    diagnostics: Any = importlib.import_module("numpyro.diagnostics")
    distributions: Any = importlib.import_module("numpyro.distributions")
    matrix = jax.numpy.asarray(decoder, dtype=jax.numpy.float32)

    def model(signal: Any) -> None:
        with numpyro.plate("neurons", matrix.shape[1]):
            r = numpyro.sample("r", distributions.Laplace(0.0, laplace_scale))
        numpyro.sample("x", distributions.Normal(matrix @ r, noise_sd), obs=signal)

    sampler = infer.MCMC(
        infer.NUTS(model),
        num_warmup=draws,
        num_samples=draws,
        num_chains=4,
        chain_method="vectorized",
        progress_bar=False,
        jit_model_args=True,  # compiled once for all stimuli
    )

    def draw(key: int, signal: np.ndarray) -> float:
        sampler.run(jax.random.PRNGKey(key), jax.numpy.asarray(signal, jax.numpy.float32))
        found = np.asarray(sampler.get_samples(group_by_chain=True)["r"])
        return float(diagnostics.effective_sample_size(found).min())

    draw(0, x[0])  # compiles
    return lambda: min(draw(s, signal) for s, signal in enumerate(x))
