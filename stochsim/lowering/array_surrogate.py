"""What training knows of an array: the mean and the variance of its drives, fitted to the chip's
own, in place of the chip in every step.
"""

from typing import Any, NamedTuple

import numpy as np
import torch

from stochsim.chip import Chip, Place
from stochsim.lowering.emulated_layer import ChipLayer, Moments
from stochsim.lowering.graph_network import Network
from stochsim.lowering.walks import Walk

_ROWS = 512  # that a layer is fitted on, at most
_LEAST = 64  # rows × reads
_HELD_OUT = 128
_READS = 4  # of the rows that are held out
_STIMULI = 64


class SurrogateError(NamedTuple):
    """How far a layer's `Moments` are from its array, on what they were not fitted to.

    mean_lsb: the root mean square difference of means over reads, in steps of the outputs, less
    what the few reads leave uncertain; sd_ratio: the sd that training draws over that of the array
    from read to read.
    """

    mean_lsb: float
    sd_ratio: float


class _Rows(NamedTuple):
    """Drives (row, neuron) of exact products, and the array's (row, read, neuron)."""

    exact: np.ndarray
    drawn: np.ndarray


def fitted_moments(
    network: Network, chip: Chip, x: torch.Tensor, key: int
) -> tuple[dict[str, Moments], dict[str, SurrogateError]]:
    """Those of every layer for what it reads of x (stimulus, …) without noise, by name, and their
    errors. key: of the array's reads.
    """
    moments: dict[str, Moments] = {}
    errors: dict[str, SurrogateError] = {}

    def step(layer: ChipLayer, values: torch.Tensor) -> torch.Tensor:
        given = values.detach().cpu().numpy()
        reads = -(-_LEAST // len(given))  # where there are few rows
        fit, held_out = (
            _Rows(*chip.layer_drives(layer.name, given, (rows, half), times, Place(key, 0, 0)))
            for half, (rows, times) in enumerate(((_ROWS, reads), (_HELD_OUT, _READS)))
        )
        moments[layer.name] = _moments(fit, layer.weight)
        step = float(layer.output_grid.step().detach())
        errors[layer.name] = _error(moments[layer.name], held_out, step)
        return layer(values)

    with torch.no_grad():
        Walk(network, step).run(x[:_STIMULI])
    return moments, errors


def _moments(rows: _Rows, like: torch.Tensor) -> Moments:
    """Least squares for every neuron; a neuron whose exact drive is the same for all rows has gain
    1.
    """
    exact, drawn = rows.exact, rows.drawn
    centre, mean = exact.mean(0), drawn.mean((0, 1))
    apart = exact - centre
    spread = np.square(apart).sum(0)
    slope = (apart * (drawn.mean(1) - mean)).sum(0)
    gain = np.where(spread > 0, slope / np.where(spread > 0, spread, 1.0), 1.0)
    offset = mean - gain * centre
    off = drawn - (gain * exact + offset)[:, None]
    sd = np.sqrt(np.square(off).sum((0, 1)) / max(drawn.shape[0] * drawn.shape[1] - 2, 1))
    return Moments(*(torch.as_tensor(one).to(like) for one in (gain, offset, sd)))


def _error(moments: Moments, rows: _Rows, step: float) -> SurrogateError:
    gain, offset, sd = (one.double().cpu().numpy() for one in moments)
    variance = rows.drawn.var(1, ddof=1)
    off = rows.drawn.mean(1) - gain * rows.exact - offset
    squared = np.mean(np.square(off) - variance / _READS)
    over_reads = float(np.sqrt(variance.mean()))
    ratio = float(np.sqrt(np.square(sd).mean())) / over_reads if over_reads > 0 else np.inf
    return SurrogateError(float(np.sqrt(max(squared, 0.0))) / step, ratio)


CALLS = 100
"""Calls in training between two fits: weights move, and their array's errors with them."""


class Surrogate:
    """The moments of all layers of a module in training, fitted anew every `CALLS` calls, and where
    its Hardware or the chip's key has changed.
    """

    def __init__(self) -> None:
        self.errors: dict[str, SurrogateError] = {}
        self._moments: dict[str, Moments] = {}
        self._fitted_for: tuple[object, ...] = ()
        self._calls = 0

    def moments_of(self, module: Any) -> dict[str, Moments]:
        """Those of a `ChipModule` for its next call."""
        made_for = (module.hardware, module.chip_key)
        if self._calls % CALLS == 0 or made_for != self._fitted_for:
            chip = module.chip()
            fitted = fitted_moments(module.network, chip, module.examples, module.key)
            self._moments, self.errors = fitted
            self._fitted_for, self._calls = made_for, 0
        self._calls += 1
        return self._moments
