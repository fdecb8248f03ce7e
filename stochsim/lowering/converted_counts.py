"""What a converted network takes, layer by layer.

Products and conversions are counted at every position; weights are read once per stimulus (or read:
`memory.weights_read`), never per position; a feature map passes the code memory once when it is
written and once when it is read, for a line buffer holds the windows. Parts left in float are
billed for the multiply-adds of their linear layers and convolutions, in float32; others are listed
as not priced.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import fx

from stochsim.accounting import Bill, layer_cycles, upkeep
from stochsim.accounting import counts as tally
from stochsim.chip import RANDOM_BITS, Place
from stochsim.energy import Operation
from stochsim.lowering import trace as graphs
from stochsim.lowering.emulated_layer import ChipLayer
from stochsim.lowering.layer_on_chip import LayerOnChip

if TYPE_CHECKING:
    from stochsim.lowering.chip_module import Converted

FLOAT_BITS = 32


def bill_of(converted: "Converted", x: torch.Tensor, reads: int) -> Bill:
    """The bill of so many reads of stimuli x; what depends on draws is that of key 0."""
    count = _Counter(converted, len(x), reads)
    if converted.hardware.array is not None:
        converted.read(x, reads, Place(0, 0, 0), count.products)
    count.shapes(x[:2])
    return Bill(
        converted.hardware, tally.by_layer(count.counts, count.names), count.cycles, len(x), reads
    )


class _NamedShapes(graphs.Shapes):
    """Shapes; an error names the node."""

    def run_node(self, n: fx.Node) -> Any:
        with graphs.named_part(n):
            return super().run_node(n)


class _Counter:
    """Counts by layer, as the network is walked through."""

    def __init__(self, converted: "Converted", stimuli: int, reads: int) -> None:
        self.converted, self.hardware = converted, converted.hardware
        self.layers, self.on_chip = converted.layers, {one.name: one for one in converted.chip()}
        self.stimuli, self.reads, self.draws = stimuli, reads, stimuli * reads
        self.counts: tally.Counts = {}
        self.cycles: dict[str, int] = {}
        self.names: list[str] = []
        self._stored = 0
        self._moved: dict[str, int] = {}

    def products(self, layer: LayerOnChip, rows: list[np.ndarray], reads: int) -> None:
        """Of an array: the products of rows (row, position, input), so many reads of each."""
        for own, seen in zip(layer.layers, rows, strict=True):
            tally.add(
                self.counts, layer.name, own.operations(seen.reshape(-1, seen.shape[2]), reads)
            )

    def shapes(self, x: torch.Tensor) -> None:
        """What follows from the shapes alone; x: a stimulus or two."""
        walk = _NamedShapes(self.converted.network)
        with torch.no_grad():
            walk.run(x)
        for node in graphs.calls(self.converted.network.graph):
            shape = walk.found[node]
            layer = (
                self.converted.network.get_submodule(str(node.target))
                if node.op == "call_module"
                else None
            )
            if isinstance(layer, ChipLayer):
                before, after = walk.found[graphs.data_input(node)], shape
                assert before is not None
                assert after is not None
                self._layer(str(node.target), layer, before[1:], after[1:])
            elif shape is not None:
                self._float(node, shape[1:])
        self._memories()

    def _layer(
        self, name: str, layer: ChipLayer, before: tuple[int, ...], after: tuple[int, ...]
    ) -> None:
        own, positions = self.on_chip[name], layer.geometry.positions(before)
        self.names.append(name)
        if self.hardware.array is None:
            for one in own.layers:
                tally.add(self.counts, name, one.operations_of_digital(self.draws * positions))
        inputs, outputs = (int(np.prod(shape)) for shape in (before, after))
        read, written = inputs * layer.input_grid.bits, outputs * layer.output_grid.bits
        self._stored += written + (0 if layer.takes_codes else read)
        self._moved[name] = read + written
        random = RANDOM_BITS * inputs * self.draws if own.dithered else 0
        if self.hardware.noise.dither != "none":
            random += sum(
                tally.random_bits(self.hardware, program, self.draws * positions)
                for program in own.programs
            )  # type: ignore[assignment]
        tally.add(self.counts, name, {Operation("random"): random})
        self.cycles[name] = positions * sum(
            layer_cycles(program, self.hardware) for program in own.programs
        )

    def _float(self, node: fx.Node, shape: tuple[int, ...]) -> None:
        macs = graphs.float_macs(self.converted.network, node, shape)
        if macs:
            name = graphs.name_of(node)
            self.names.append(name)
            both = {
                Operation(kind, (FLOAT_BITS,)): float(macs * self.draws)
                for kind in ("float_multiply", "float_add")
            }
            tally.add(self.counts, name, both)

    def _memories(self) -> None:
        """Weights and codes; each weight is stored once, where layers share it too."""
        bits = {
            name: sum(map(tally.weight_bits, self.on_chip[name].programs)) for name in self._moved
        }
        first_of = {id(self.layers[name].weight): name for name in reversed(self._moved)}
        size = sum(bits[name] for name in first_of.values())
        times = self.draws if self.hardware.memory.weights_read == "read" else self.stimuli
        for name, moved in self._moved.items():
            tally.add(self.counts, name, {Operation("weight_memory", (size,)): times * bits[name]})
            tally.add(
                self.counts, name, {Operation("code_memory", (self._stored,)): self.draws * moved}
            )
        for name in first_of.values():
            for program in self.on_chip[name].programs:
                for (_, operation), count in upkeep(
                    self.hardware, {name: program}, {}, self.draws
                ).items():
                    tally.add(self.counts, name, {operation: count})
        for (name, operation), count in upkeep(self.hardware, {}, self.cycles, self.draws).items():
            tally.add(self.counts, name, {operation: count})
