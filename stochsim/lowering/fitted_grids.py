"""Rules by which the grids of a converted network are fitted to values and weights."""

import math
from typing import Any

import numpy as np

from stochsim.lowering.grids import Grid
from stochsim.networks import optimal_row_steps, optimal_step

RANGES = ("mse", "minmax", "percentile", "lsq")
"""Rules for the range of a grid: the least mean squared error; nothing is clipped; the largest
thousandth of the values is; the start and the gradient of LSQ (see `Grid`)."""

_SHARE = 1e-3


def fitted(
    values: np.ndarray,
    bits: int,
    unsigned: bool,
    ranges: str = "mse",
    extremes: tuple[float, float] | None = None,
) -> Grid:
    """The grid for values (stimulus, …) by a rule of RANGES; of scale 1 where all of them are 0.
    Two values ±scale have the least squared error by any rule.

    extremes: the lowest and the highest of all values, where `values` are some of them.
    """
    if not np.any(values):
        return Grid(bits, 1.0, unsigned)
    if ranges == "lsq" and (unsigned or bits > 1):
        return Grid(bits, _first_step(np.abs(values).mean(), bits, unsigned), unsigned, is_lsq=True)
    if ranges != "mse" and (unsigned or bits > 1):
        return _covering(values, bits, unsigned, extremes if ranges == "minmax" else None, ranges)
    if unsigned:  # values from 0 on meet the same codes in a signed grid of one bit more
        return Grid(bits, optimal_step(np.maximum(values, 0), bits + 1), unsigned)
    return Grid(bits, optimal_step(values, bits))


def _first_step(mean_size: Any, bits: int, unsigned: bool = False) -> Any:
    """The step that LSQ starts from, 2 mean|v| / √Q for the largest integer Q (Esser et al. 2020,
    section 2.1), for mean sizes of any shape.
    """
    return 2 * mean_size / math.sqrt(Grid(bits, 1.0, unsigned).high)


def _covering(
    values: np.ndarray,
    bits: int,
    unsigned: bool,
    extremes: tuple[float, float] | None,
    ranges: str,
) -> Grid:
    """The grid whose codes reach the lowest and highest value, or its quantiles."""
    low, high = extremes or (float(np.min(values)), float(np.max(values)))
    if ranges == "percentile":
        low, high = np.quantile(values, [_SHARE / 2, 1 - _SHARE / 2])
    grid = Grid(bits, 1.0, unsigned)
    scale = max(high / grid.high, 0.0 if unsigned else low / grid.low)
    return Grid(bits, scale if scale > 0 else 1.0, unsigned)


def fitted_from_lowest(
    values: np.ndarray, bits: int, ranges: str, extremes: tuple[float, float]
) -> tuple[float, int]:
    """Scale, and integer that stands for 0, of an affine grid of 2^bits values for ascending values
    (stimulus, …), some negative, by a rule of RANGES; extremes: see `fitted`.
    """
    if ranges == "percentile":
        low, high = np.quantile(values, [_SHARE / 2, 1 - _SHARE / 2])
    else:
        low, high = extremes
    shares = np.linspace(1, 0.3, _SHARES) if ranges == "mse" else np.ones(1)
    grids = [_affine(low * share, high * share, bits) for share in shares]
    errors = []
    for scale, zero in grids:
        codes = np.clip(np.rint(values / scale) + zero, 0, 2**bits - 1)
        errors.append(np.square((codes - zero) * scale - values).sum())
    return grids[int(np.argmin(errors))]


_SHARES = 36


def _affine(low: float, high: float, bits: int) -> tuple[float, int]:
    """Scale and zero of the grid from low to high, 0 among its values."""
    low, high = min(low, 0.0), max(high, 0.0)
    scale = (high - low) / (2**bits - 1) or 1.0
    return scale, int(np.rint(-low / scale))


def fitted_to_weights(
    weight: np.ndarray, bits: int, of_neurons: bool = False, ranges: str = "mse"
) -> Grid:
    """The same for weights (neuron, …), whose grid is narrow: one for all of them, or one for
    those of each neuron.
    """
    rows = weight.reshape(len(weight) if of_neurons else 1, -1)
    if ranges == "mse" or bits == 1:
        scales = optimal_row_steps(rows, bits)
    elif ranges == "lsq":
        sizes = _first_step(np.abs(rows).mean(1), bits)
        scales = np.where(sizes > 0, sizes, optimal_row_steps(rows, bits))
    else:
        share = 1.0 if ranges == "minmax" else 1 - _SHARE
        sizes = np.quantile(np.abs(rows), share, axis=1) / (2 ** (bits - 1) - 1)
        scales = np.where(sizes > 0, sizes, optimal_row_steps(rows, bits))
    is_lsq = ranges == "lsq" and bits > 1
    return Grid(bits, scales if of_neurons else float(scales[0]), narrow=True, is_lsq=is_lsq)
