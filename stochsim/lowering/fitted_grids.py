"""Rules by which the grids of a converted network are fitted to values and weights."""

import math
from typing import Any

import numpy as np

from stochsim.networks import CLIPPED_SHARE, Blocks, Grid, optimal_row_steps, optimal_step

RANGES = ("mse", "minmax", "percentile", "lsq")
"""Rules for the range of a grid: the least mean squared error; nothing is clipped; the largest
thousandth of the values is; the start and the gradient of LSQ (see `Grid`)."""


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
        step = _first_step(np.abs(values).mean(), bits, unsigned)
        return Grid(bits, step, unsigned).learned_by_lsq()
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
        low, high = np.quantile(values, [CLIPPED_SHARE / 2, 1 - CLIPPED_SHARE / 2])
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
        low, high = np.quantile(values, [CLIPPED_SHARE / 2, 1 - CLIPPED_SHARE / 2])
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


WEIGHT_SCALES = ("per-tensor", "per-channel")
"""What the weights of a layer share a scale with: all others, or those of their neuron. A whole
number stands for blocks (groups) of so many of a neuron's weights."""


def fitted_to_weights(
    weight: np.ndarray, bits: int, weight_scales: str | int = "per-tensor", ranges: str = "mse"
) -> Grid:
    """The same for weights (neuron, …), whose grid is narrow. weight_scales: of WEIGHT_SCALES, or
    weights of a neuron that share a scale.
    """
    blocks = Blocks(weight, weight_scales)
    scales = blocks.joined([_fitted_steps(rows, bits, ranges) for rows in blocks.rows])
    grid = Grid(bits, scales, narrow=True, block_size=blocks.size)
    return grid.learned_by_lsq() if ranges == "lsq" and bits > 1 else grid


def _fitted_steps(rows: np.ndarray, bits: int, ranges: str) -> np.ndarray:
    """Steps (row,) for rows of weights, by a rule of RANGES."""
    if ranges == "mse" or bits == 1:
        return optimal_row_steps(rows, bits)
    if ranges == "lsq":
        sizes = _first_step(np.abs(rows).mean(1), bits)
    else:
        share = 1.0 if ranges == "minmax" else 1 - CLIPPED_SHARE
        sizes = np.quantile(np.abs(rows), share, axis=1) / (2 ** (bits - 1) - 1)
    return np.where(sizes > 0, sizes, optimal_row_steps(rows, bits))


def fitted_affine_to_weights(
    weight: np.ndarray, bits: int, weight_scales: str | int = "per-tensor", ranges: str = "mse"
) -> Grid:
    """An affine grid for weights (neuron, …), from 2 bits on: from the lowest to the highest in
    2^bits - 2 steps, 0 among its values, by a rule of RANGES. weight_scales: see
    `fitted_to_weights`.
    """
    blocks = Blocks(weight, weight_scales)
    found = [_affine_steps(rows, bits, ranges) for rows in blocks.rows]
    scales, zeros = (blocks.joined(list(one)) for one in zip(*found, strict=True))
    zeros = np.asarray(zeros).astype(np.int64)
    points = zeros if zeros.ndim else int(zeros)
    return Grid(
        bits,
        scales,
        narrow=True,
        is_given=True,
        zero_points=points,
        block_size=blocks.size,
    )


def _affine_steps(rows: np.ndarray, bits: int, ranges: str) -> tuple[np.ndarray, np.ndarray]:
    """Scales and zero points (row,) for rows of weights, by a rule of RANGES."""
    share = CLIPPED_SHARE / 2 if ranges == "percentile" else 0.0
    low, high = np.quantile(rows, [share, 1 - share], axis=1, keepdims=True)
    shares = np.linspace(1, 0.3, _SHARES) if ranges == "mse" else np.ones(1)
    best = least = None
    for part in shares:
        found = _narrow_affine(part * np.minimum(low, 0), part * np.maximum(high, 0), bits)
        error = _squared_error(rows, *found, bits)
        if least is None or best is None:
            best, least = found, error
        best = tuple(np.where(error < least, *pair) for pair in zip(found, best, strict=True))  # type: ignore[assignment]
        least = np.minimum(error, least)
    assert best is not None
    return best[0][:, 0], best[1][:, 0]


def _narrow_affine(low: np.ndarray, high: np.ndarray, bits: int) -> tuple[np.ndarray, np.ndarray]:
    """Scales and zero points of grids from low to high, of the codes of narrow ones."""
    top = 2 ** (bits - 1) - 1
    scale = (high - low) / (2 * top)
    scale = np.where(scale > 0, scale, 1.0)
    return scale, np.clip(np.rint(-low / scale) - top, -top, top)


def _squared_error(rows: np.ndarray, scale: np.ndarray, zero: np.ndarray, bits: int) -> np.ndarray:
    top = 2 ** (bits - 1) - 1
    codes = np.clip(np.rint(rows / scale) + zero, -top, top)
    found: np.ndarray = np.square((codes - zero) * scale - rows).sum(1, keepdims=True)
    return found
