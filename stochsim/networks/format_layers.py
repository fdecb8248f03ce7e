"""Layers of our own networks whose weights have the values of a number format."""

import numpy as np
import torch

from stochsim.formats import element_and_blocks
from stochsim.networks.book_grids import BookGrid
from stochsim.networks.fitted_formats import GridFormat, fitted_weights_to_book
from stochsim.networks.network_settings import WeightScales


class FormatLinear(torch.nn.Linear):
    """A linear layer with weights of a format, and a float bias; the scales of its `grid` are
    fitted to its weights by `fit_grid`.

    scales: which weights share a scale, where the format has no blocks that do.
    """

    def __init__(self, inputs: int, neurons: int, bias: bool, name: str, scales: WeightScales):
        super().__init__(inputs, neurons, bias=bias)
        self.format = GridFormat(*element_and_blocks(name))
        self.scales: WeightScales | int = self.format.block_size or scales
        self.grid: BookGrid = self._fitted(np.zeros((neurons, inputs)))

    def fit_grid(self, weight: np.ndarray) -> None:
        """Scales of the least squared error on weights (neuron, input)."""
        self.grid = self._fitted(weight)

    def _fitted(self, weight: np.ndarray) -> BookGrid:
        return fitted_weights_to_book(weight, self.format, self.scales)

    def values(self) -> torch.Tensor:
        """Weights (neuron, input) as they act, with a gradient that passes the rounding between the
        ends.
        """
        return self.grid(self.weight).to(self.weight.dtype)

    def step(self) -> torch.Tensor:
        """The mean distance of neighbouring values: one, (neuron,), or of blocks that of each
        weight, (neuron, input).
        """
        step = self.grid.step() if self.grid.block_size is None else self.grid.step_of(self.weight)
        return step.to(self.weight.dtype)
