"""What the reads of one stimulus ask of a converted network, from the shapes of its values.

Products and conversions are counted at every position; weights are read once per stimulus (or read:
`memory.weights_read`), never per position; a feature map passes the code memory once when it is
written and once when it is read, for a line buffer holds the windows. Parts left in float are
billed for the multiply-adds of their linear layers and convolutions, in float32; others are listed
as not priced.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import fx

from stochsim.hardware import Noise
from stochsim.lowering import trace
from stochsim.lowering.emulated_layer import ChipLayer
from stochsim.lowering.graph_network import Network
from stochsim.lowering.windowed_layer import WindowedLayer
from stochsim.program import LayerUse, Workload


class _NamedShapes(trace.Shapes):
    """Shapes; an error names the node."""

    def run_node(self, n: fx.Node) -> Any:
        """Run it, and note its shape."""
        with trace.named_part(n):
            return super().run_node(n)


def converted_workload(
    network: Network,
    on_chip: Mapping[str, WindowedLayer],
    noise: Noise,
    x: torch.Tensor,
    reads: int,
) -> tuple[Workload, list[str]]:
    """The workload of so many reads of one stimulus, and the rows of its bill in the order in which
    they run.

    network: layers by name among its modules; on_chip: the same layers on their chip; x: a stimulus
    or two.
    """
    walk = _NamedShapes(network)
    with torch.no_grad():
        walk.run(x[:2])
    uses: list[LayerUse] = []
    rows, rounded, float_macs = list[str](), dict[str, int](), dict[str, int]()
    stored = 0
    seen: set[int] = set()
    for node in trace.calls(network.graph):
        shape, name = walk.found[node], str(node.target)
        layer = network.get_submodule(name) if node.op == "call_module" else None
        if isinstance(layer, ChipLayer):
            before = walk.found[trace.data_input(node)]
            assert before is not None
            assert shape is not None
            inputs, outputs = int(np.prod(before[1:])), int(np.prod(shape[1:]))
            read, written = inputs * layer.input_grid.bits, outputs * layer.output_grid.bits
            stored += written + (0 if layer.takes_codes else read)
            positions = layer.geometry.positions(before[1:])
            is_stored = id(layer.weight) not in seen
            seen.add(id(layer.weight))
            rows.append(name)
            uses += _uses(on_chip[name], noise, reads, positions, read + written, is_stored)
            if on_chip[name].dithered:
                rounded[name] = inputs * reads
        elif shape is not None and (macs := trace.float_macs(network, node, shape[1:])):
            rows.append(trace.name_of(node))
            float_macs[rows[-1]] = float_macs.get(rows[-1], 0) + macs * reads
    return Workload(tuple(uses), reads, stored, rounded, float_macs), rows


def _uses(
    layer: WindowedLayer, noise: Noise, reads: int, positions: int, moved: int, is_stored: bool
) -> list[LayerUse]:
    """A layer's uses, one for each group of its channels; moved: bits of codes of one read."""
    products = reads * positions
    draws = products if noise.dither != "none" else 0
    found = []
    for number, group in enumerate(layer.groups):
        bits = reads * moved if number == 0 else 0
        use = LayerUse(layer.name, group.shape, products, bits, draws, is_stored=is_stored)
        found.append(use)
    return found
