"""Weights of converted networks that take one of their two neighbours at random."""

import contextlib
from collections.abc import Iterator, Mapping

import numpy as np
import torch

from stochsim.hardware import InputRounding
from stochsim.keys import generator
from stochsim.lowering.emulated_layer import ChipLayer
from stochsim.networks import RANDOM_NUMBERS, Draws, Grid


def round_weights(
    grid: Grid, weight: torch.Tensor, rounding: InputRounding, key: int, name: str
) -> None:
    """Let a grid round these weights (neuron, …) of a layer by numbers that follow from the key and
    the layer's name.
    """
    numbers = generator(key, "weight rounding", name).integers(
        RANDOM_NUMBERS, size=tuple(weight.shape), dtype=np.int32
    )
    grid.round_at_random(rounding, torch.from_numpy(numbers).to(weight.device))


@contextlib.contextmanager
def weights_drawn_anew(layers: Mapping[str, ChipLayer], draws: Draws) -> Iterator[None]:
    """Within it all layers whose weights are rounded at random have other numbers for them; layers
    on the same cells have the same.
    """
    with contextlib.ExitStack() as stack:
        for grid in {
            id(layer.weight_grid): layer.weight_grid for layer in layers.values()
        }.values():
            stack.enter_context(grid.drawn_anew(draws))
        yield
