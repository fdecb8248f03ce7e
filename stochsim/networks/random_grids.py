"""Grids of weights that take one of their two neighbours at random."""

import abc
import contextlib
from collections.abc import Iterator

import torch

from stochsim.hardware import SAME, InputRounding
from stochsim.networks.hardware_noise import Draws

RANDOM_NUMBERS = 2**31
"""Of which one is drawn for every weight that is rounded at random."""


class RandomRounding(torch.nn.Module, abc.ABC):
    """The part of a grid that rounds at random; a grid has a scale, ends and neighbours.

    `round_at_random` makes it a grid of these weights alone, each of which takes one of its two
    neighbours by a number that was drawn for it once; within `drawn_anew` by others.
    """

    draw: torch.Tensor | None
    rounding: InputRounding | None = None
    _draw_of_call: torch.Tensor | None = None

    def round_at_random(self, rounding: InputRounding, draw: torch.Tensor) -> None:
        """Let weights take one of their two neighbours, the upper where the whole number drawn for
        each, `draw` of their shape, int32 from 0 to 2^31 - 1, is below its chance times 2^31.
        """
        self.rounding = rounding
        self.draw = draw

    @contextlib.contextmanager
    def drawn_anew(self, draws: Draws) -> Iterator[None]:
        """Within it weights are rounded by other numbers, of `draws`; a grid that rounds to the
        nearest draws none.
        """
        if self.draw is not None:
            numbers = draws.integers(RANDOM_NUMBERS, self.draw.numel())
            self._draw_of_call = numbers.reshape(self.draw.shape)
        try:
            yield
        finally:
            self._draw_of_call = None

    @property
    def cells_per_square(self) -> float:
        """One over the mean squared error of rounding, in squared distances of the neighbours."""
        return 12 if self.rounding is None else 1 / self.rounding.mean_square

    @abc.abstractmethod
    def scale_of(self, x: torch.Tensor) -> torch.Tensor:
        """The scale, of a shape that broadcasts to x (neuron, …)."""

    @abc.abstractmethod
    def _inside(self, place: torch.Tensor) -> torch.Tensor:
        """Places in units of the scale, clamped to the ends."""

    @abc.abstractmethod
    def _neighbours(self, inside: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The integers below and above places between the ends, in units of the scale."""

    def _at_random(self, x: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        """Weights x (neuron, …) rounded by what was drawn; the gradient passes the rounding between
        the ends.
        """
        inside = self._inside(x / scale)
        value = self._integers_at_random(x).to(x.dtype)
        return (inside + (value - inside).detach()) * scale

    def _integers_at_random(self, x: torch.Tensor) -> torch.Tensor:
        """The factors of the scale in what weights x (neuron, …) take, float64."""
        assert self.rounding is not None
        assert self.draw is not None
        with torch.no_grad():
            inside = self._inside(x.double() / self.scale_of(x).double())
            lower, upper = self._neighbours(inside)
            part = (inside - lower) / (upper - lower)
            near = (part - part.round()).abs() * (upper - lower)
            part = torch.where(near <= SAME * inside.abs(), part.round(), part)
            chance = self.rounding.chance_up(part, x < 0)
            draw = self.draw if self._draw_of_call is None else self._draw_of_call
            return torch.where(draw < chance * RANDOM_NUMBERS, upper, lower)
