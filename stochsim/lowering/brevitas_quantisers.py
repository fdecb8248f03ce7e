"""The quantisers of layers of Brevitas, as `OnGrid`."""

from typing import Any

import torch
from torch import nn

from stochsim.lowering.on_grid import OnGrid
from stochsim.lowering.trees import tensor_of
from stochsim.settings import StochsimError

_MOST_BITS = 31  # of an accumulator's quantiser; chips have up to 8
_STEPS = 4  # values tried between two of a grid


def is_of_brevitas(module: nn.Module) -> bool:
    """Whether any part is a layer of Brevitas; does not import it."""
    return any(is_its_layer(type(part)) for part in module.modules())


def is_its_layer(kind: type) -> bool:
    """Whether a class is one of Brevitas's layers, or made of one."""
    return any(one.__module__.startswith("brevitas.nn.") for one in kind.__mro__)


class OnePart(nn.Module):
    """Several operations that count as one part of a module, of this `kind`."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind


class Reading:
    """Reads the quantisers of one layer; its errors name the layer."""

    def __init__(self, name: str, biases: dict[int, list[torch.Tensor]]) -> None:
        self.name = name
        self._biases = biases

    def refused(self, why: str) -> StochsimError:
        """An error that names the layer."""
        return StochsimError(f"'{self.name}' of Brevitas cannot be converted: {why}")

    def quantiser(self, proxy: Any) -> nn.Module:
        """What quantises activations, with the activation before it."""
        fused = proxy.fused_activation_quant_proxy
        if fused is None:
            return nn.Identity()
        plain = self._activation(fused.activation_impl)
        if not proxy.is_quant_enabled:
            return plain
        try:
            with torch.no_grad():
                scale, zero = proxy.scale(), proxy.zero_point()
                bits = round(float(proxy.bit_width()))
        except (RuntimeError, AttributeError, TypeError) as error:
            why = f"the grid of its {type(proxy).__name__} depends on the values"
            raise self.refused(why) from error
        grid = OnGrid(scale, zero, *_ends(bits, proxy.is_signed, bool(proxy.is_narrow_range)))
        self._check(proxy, plain, grid)
        return grid if isinstance(plain, nn.Identity) else nn.Sequential(plain, grid)

    def _activation(self, given: nn.Module) -> nn.Module:
        """The activation before a quantiser, as torch has it."""
        kind = type(given)
        if not is_its_layer(kind):
            return given
        if kind.__name__ not in ("Sigmoid", "Tanh"):
            raise self.refused(f"its activation {kind.__name__} is none of torch's")
        found: nn.Module = getattr(nn, kind.__name__)()
        return found

    def _check(self, proxy: Any, activation: nn.Module, grid: OnGrid) -> None:
        """Raise StochsimError where a quantiser does something else than `OnGrid`."""
        ends = 2**_MOST_BITS if grid.high > 2**8 else max(grid.high - grid.low, 1) + 2
        steps = torch.linspace(-ends, ends, 2 * _STEPS * min(ends, 2**8) + 1).to(grid.scale)
        values = steps.reshape(-1, *(1,) * grid.scale.ndim) * grid.scale
        with torch.no_grad():
            wanted = tensor_of(proxy(values))
            if not torch.equal(wanted, grid(activation(values))):
                kind = type(proxy.fused_activation_quant_proxy.tensor_quant).__name__
                raise self.refused(f"its {kind} does not round to the nearest integer of a range")

    def weight(self, layer: Any) -> tuple[torch.Tensor, nn.Module]:
        """The values that weights have, and the grid that they lie on."""
        proxy = layer.weight_quant
        values = layer.weight.detach().clone()
        if not proxy.is_quant_enabled:
            return values, nn.Identity()
        try:
            with torch.no_grad():
                found = proxy(layer.weight)
        except (RuntimeError, TypeError, AssertionError) as error:
            raise self.refused(f"its weights depend on more than themselves ({error})") from error
        if type(found).__name__ != "IntQuantTensor":
            raise self.refused(f"its weights are on no integer grid ({type(found).__name__})")
        integers = (found.value / found.scale).round()
        values = (integers * found.scale).detach()
        bits = round(float(found.bit_width))
        ends = -int(-integers.min()), int(integers.max())
        if bits == 1 and bool((integers.abs() == 1).all()):
            grid = (0, 0)
        elif found.zero_point.any() or ends[0] < -(2 ** (bits - 1)) or ends[1] >= 2 ** (bits - 1):
            largest = max(-ends[0], ends[1])
            grid = (-largest, largest)
        else:
            grid = _ends(bits, signed=True, narrow=bool(proxy.is_narrow_range))
        return values, OnGrid(found.scale, torch.zeros_like(found.scale), *grid)

    def biases(self, layer: Any) -> list[torch.Tensor]:
        """The quantised bias of every use, where they differ; one of all, or none."""
        if getattr(layer, "bias", None) is None:
            return []
        found = self._biases.get(id(layer.bias_quant), [layer.bias.detach().clone()])
        return found[:1] if all(torch.equal(one, found[0]) for one in found) else found


def _ends(bits: int, signed: bool, narrow: bool) -> tuple[int, int]:
    """The lowest and the highest integer; equal for ±1."""
    if not signed:
        return 0, 2**bits - 1 - narrow
    if bits == 1:
        return 0, 0
    return narrow - 2 ** (bits - 1), 2 ** (bits - 1) - 1


def learned_as(layer: Any, name: str, value: torch.Tensor) -> nn.Parameter:
    """A parameter in place of the layer's, learned where that is."""
    return nn.Parameter(value, getattr(layer, name).requires_grad)
