"""Joules of a read of a converted network at widths between whole numbers, by the prices of its
bill, with gradients.
"""

import itertools
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch

from stochsim.accounting import Meter, add_fixed
from stochsim.energy import Operations
from stochsim.hardware import Hardware
from stochsim.networks import MOST_BITS
from stochsim.program import Graph, LayerShape, Program, Workload

_MEMORIES = ("code_memory", "weight_memory")
"""Operations whose price is set by the bits of all layers together."""

_NEAR = 1e-3  # of a memory's size: where the slope of its price is taken

Widths = tuple[int, int, int]


class PriceOfWidths:
    """Joules per read on a digital Hardware, `reads` of each stimulus, for widths (layer, 3) of
    weights, inputs and outputs.

    What a layer takes beside memories depends on its own widths alone, and is trilinear between
    whole ones; so are the bits that it stores and moves. A bit's price follows the size of the
    whole memory, which is linear in all widths. Reliability is left out: it has a price of its own.
    x: stimuli (stimulus, …), whose size sets the positions of convolutions.
    """

    def __init__(self, program: Program, hardware: Hardware, x: np.ndarray, reads: int) -> None:
        assert isinstance(program.wiring, Graph)
        self.hardware = hardware
        self.reads = reads
        self._prices = hardware.price_table()
        self._wiring = program.wiring
        self._shapes = program.shapes
        self._values = self._wiring.value_shapes(self._shapes, self._wiring.stimuli(x, 0)[:2])
        self._rows: dict[Widths, np.ndarray] = {}
        self._fixed, self._slopes = self._sizes()

    def is_of(self, hardware: Hardware, reads: int, noisy: list[bool]) -> bool:
        """Whether it was made for this; noisy: by layer, whether neurons have a noise of their
        own.
        """
        same = noisy == [shape.has_noise for shape in self._shapes.values()]
        return same and reads == self.reads and hardware == self.hardware

    def __call__(self, widths: torch.Tensor) -> torch.Tensor:
        """Joules of a read, a scalar in float64; widths (layer, 3) from 1 to 8."""
        joules, *bits = self._between(widths)
        sizes = self._fixed + torch.tensordot(self._slopes, widths.cpu(), 2)
        for kind, moved, size in zip(_MEMORIES, bits, sizes, strict=True):
            joules = joules + moved * self._price_of_bit(kind, size)
        return joules

    def _between(self, widths: torch.Tensor) -> torch.Tensor:
        """Joules beside memories, and bits of each memory, trilinear between whole widths: (3,)."""
        low = widths.detach().floor().clamp(1, MOST_BITS - 1)
        part = (widths - low).cpu()
        found = torch.zeros(3, dtype=torch.float64)
        for corner in itertools.product((0, 1), repeat=3):
            above = torch.tensor(corner, dtype=torch.bool)
            share = torch.where(above, part, 1 - part).prod(1)
            found = found + share @ self._at(low.cpu() + above)
        return found + torch.from_numpy(self._others)

    def _at(self, widths: torch.Tensor) -> torch.Tensor:
        """Rows of `_table`, each of a layer at its own whole widths (layer, 3)."""
        places = [(int(one), int(two), int(three)) for one, two, three in widths.tolist()]
        return torch.from_numpy(np.stack([self._table(at)[i] for i, at in enumerate(places)]))

    def _table(self, at: Widths) -> np.ndarray:
        """Joules beside memories and bits of each memory, a row for each layer, all layers being of
        these widths; last those of everything else.
        """
        if at not in self._rows:
            shapes = {name: _of_widths(shape, at) for name, shape in self._shapes.items()}
            rows = self._counted(shapes)[1].by_layer(shapes)
            rest = sum((one for name, one in rows.items() if name not in shapes), Operations())
            counts = [*(rows[name] for name in shapes), rest]
            self._rows[at] = np.array([self._row(one) for one in counts]) / self.reads
        return self._rows[at]

    @property
    def _others(self) -> np.ndarray:
        """What has no widths: parts in float, and the rounding of inputs."""
        found: np.ndarray = self._table((MOST_BITS, MOST_BITS, MOST_BITS))[-1]
        return found

    def _row(self, counts: Operations) -> tuple[float, ...]:
        others = {one: count for one, count in counts.items() if one.kind not in _MEMORIES}
        joules = self.hardware.energy(Operations(others)).all_operations_j
        return joules, *(counts.count(kind) for kind in _MEMORIES)

    def _counted(self, shapes: Mapping[str, LayerShape]) -> tuple[Workload, Meter]:
        """The workload of layers of these shapes, and what a meter counts of it, beside
        reliability.
        """
        given = (self._values, shapes, self.hardware.noise, self.reads)
        workload = self._wiring.workload_of_values(*given)
        uses = tuple(use._replace(reliability=0) for use in workload.uses)
        meter = Meter(1, self.reads)
        add_fixed(meter, self.hardware, workload._replace(uses=uses), {})
        return workload, meter

    def _sizes(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Bits of the memories of codes and weights as linear functions of the widths: the fixed
        ones (2,), and those of one more bit of each width (2, layer, 3).
        """
        one_bit = {name: _of_widths(shape, (1, 1, 1)) for name, shape in self._shapes.items()}
        least = self._stored(one_bit)
        slopes = np.zeros((2, len(one_bit), 3))
        for i, (name, shape) in enumerate(one_bit.items()):
            for side in range(3):
                wider = _of_widths(shape, tuple(1 + (side == one) for one in range(3)))  # type: ignore[arg-type]
                slopes[:, i, side] = self._stored({**one_bit, name: wider}) - least
        fixed = least - slopes.sum((1, 2))
        return torch.from_numpy(fixed), torch.from_numpy(slopes)

    def _stored(self, shapes: Mapping[str, LayerShape]) -> np.ndarray:
        """Bits that the memories of codes and weights hold, (2,)."""
        workload, meter = self._counted(shapes)
        sizes = [one.args[0] for one in meter.total if one.kind == "weight_memory"]
        return np.array([workload.code_memory_bits, *sizes[:1]], np.float64)

    def _price_of_bit(self, kind: str, size: torch.Tensor) -> torch.Tensor:
        """Joules of a bit of a memory of `size` bits, with its slope."""
        at = float(size.detach())
        here, above = (self._joules(kind, one) for one in (at, at * (1 + _NEAR)))
        return here + (size - at) * (above - here) / (at * _NEAR)

    def _joules(self, kind: str, size: float) -> float:
        return self._prices[kind].energy_j((size,), self.hardware.prices.voltage_v)


def _of_widths(shape: LayerShape, widths: Widths) -> LayerShape:
    weight_bits, input_bits, output_bits = widths
    return replace(shape, weight_bits=weight_bits, input_bits=input_bits, output_bits=output_bits)
