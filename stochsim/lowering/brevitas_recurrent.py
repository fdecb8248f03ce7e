"""Recurrent stacks of Brevitas, in torch's own operations."""

from typing import Any

import torch
from torch import nn

from stochsim.lowering.brevitas_quantisers import OnePart, Reading, learned_as
from stochsim.lowering.on_grid import OnGrid
from stochsim.settings import StochsimError


class _Gate(nn.Module):
    """The product of a gate with inputs and states, whose weights are on one grid, and its sum's
    quantiser.
    """

    def __init__(self, gate: Any, accumulator: Any, activation: Any, read: Reading) -> None:
        super().__init__()
        parts = [read.weight(one) for one in (gate.input_weight, gate.hidden_weight)]
        self.grid = parts[0][1]
        grids = [grid.scale for _, grid in parts if isinstance(grid, OnGrid)]
        if grids and not torch.equal(*grids):
            raise read.refused("weights of inputs and of states are on different grids")
        learned = gate.input_weight.weight.requires_grad
        self.weight = nn.Parameter(torch.cat([values for values, _ in parts], 1), learned)
        biases = read.biases(gate)
        if len(biases) > 1:
            raise read.refused("its quantised biases differ from step to step")
        self.bias = learned_as(gate, "bias", biases[0]) if biases else None
        self.accumulator = read.quantiser(accumulator)
        self.activation = read.quantiser(activation) if _is_proxy(activation) else activation

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """Values (stimulus, unit) of inputs and states (stimulus, feature)."""
        drive = nn.functional.linear(z, self.grid(self.weight), self.bias)
        found: torch.Tensor = self.activation(self.accumulator(drive))
        return found


def _is_proxy(given: Any) -> bool:
    return hasattr(given, "fused_activation_quant_proxy")


class _Direction(nn.Module):
    """One layer of a recurrent network, in one direction."""

    input: nn.Module
    forget: nn.Module | None
    cell: nn.Module
    output: nn.Module

    def __init__(self, layer: Any, read: Reading) -> None:
        super().__init__()
        cell = layer.cell
        self.axis = int(cell.batch_first)
        self.is_reversed = bool(cell.reverse_input)
        self.units = int(layer.hidden_size)
        self.on_grid = read.quantiser(layer.io_quant)
        if isinstance(self.on_grid, OnGrid) and self.on_grid.low == self.on_grid.high:
            raise read.refused("states of one bit, ±scale, cannot start from 0")
        self.has_cells = hasattr(layer, "input_gate_params")
        if not self.has_cells:
            self.gate = _Gate(layer.gate_params, cell.gate_acc_quant, cell.act_fn, read)
            return
        for name, activation in (
            ("input", "input_sigmoid"),
            ("forget", "forget_sigmoid"),
            ("cell", "cell_tanh"),
            ("output", "output_sigmoid"),
        ):
            own = getattr(layer, f"{name}_gate_params")
            accumulator = getattr(cell, f"{name}_acc_quant")
            quants = (accumulator, getattr(cell, f"{activation}_quant"))
            self.add_module(name, None if own is None else _Gate(own, *quants, read))
        self.cells_on_grid = read.quantiser(cell.cell_state_quant)
        self.tanh = read.quantiser(cell.hidden_state_tanh_quant)
        if self.forget is None:
            one = read.quantiser(cell.input_sigmoid_quant)
            self.one_on_grid = one[-1] if isinstance(one, nn.Sequential) else nn.Identity()

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Outputs (stimulus, step, unit) or the like, and the last states, (1, stimulus, unit)."""
        steps = list(x.unbind(self.axis))
        if self.is_reversed:
            steps.reverse()
        hidden = steps[0].new_zeros((steps[0].shape[0], self.units))
        cells = hidden
        found = []
        for one in steps:
            z = self.on_grid(torch.cat([one, hidden], -1))
            if self.has_cells:
                hidden, cells = self._step(z, cells)
            else:
                hidden = self.on_grid(self.gate(z))
            found.append(hidden)
        if self.is_reversed:
            found.reverse()
        states = (hidden, cells) if self.has_cells else (hidden,)
        return torch.stack(found, self.axis), *(one.unsqueeze(0) for one in states)

    def _step(self, z: torch.Tensor, cells: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        taken = self.input(z)
        if self.forget is None:
            kept = self.one_on_grid(torch.ones_like(taken)) - taken
        else:
            kept = self.forget(z)
        new = self.cells_on_grid(taken * self.cell(z))
        cells = self.cells_on_grid(self.cells_on_grid(kept * cells) + new)
        return self.on_grid(self.output(z) * self.tanh(cells)), cells


class Recurrent(OnePart):
    """A QuantLSTM or QuantRNN, step by step: a gate's products with inputs and states, whose values
    and weights are on one grid each, are one layer.
    """

    def __init__(self, stack: Any, read: Reading) -> None:
        super().__init__(type(stack).__name__)
        directions = ([_Direction(one, read) for one in layer] for layer in stack.layers)
        self.layers = nn.ModuleList(map(nn.ModuleList, directions))
        self.joins_cells = getattr(stack, "cat_output_cell_states", True)

    def forward(self, x: torch.Tensor, *states: Any) -> Any:
        """Outputs, and the last states of all layers and directions."""
        if any(one is not None for one in states):
            raise StochsimError(
                f"a {self.kind} of Brevitas that starts from given states cannot be converted"
            )
        ends: list[tuple[torch.Tensor, ...]] = []
        for layer in self.layers:
            assert isinstance(layer, nn.ModuleList)
            outputs, *last = zip(*(direction(x) for direction in layer), strict=True)
            x = torch.cat(outputs, -1)
            ends.append(tuple(torch.cat(one, 0) for one in last))
        hidden, *cells = (torch.cat(one, 0) for one in zip(*ends, strict=True))
        if not cells:
            return x, hidden
        return x, (hidden, cells[0] if self.joins_cells else list(cells[0].split(1)))
