"""A walk through a network on shapes alone, before it computes anything: what does not fit, is no
tensor, or would not fit into memory is an error that names the node.
"""

import math
import operator
from typing import Any

import torch
from torch import fx

from stochsim.lowering.emulated_layer import ChipLayer
from stochsim.lowering.graph_network import Network
from stochsim.lowering.window_products import drive
from stochsim.settings import SettingError

MOST_VALUES = 2**28
"""Of one node for two stimuli, at most: 1 GiB in float32."""

MOST_LIVE = 2**29
"""Of all values for two stimuli that nodes further on still read, at most."""

_STIMULI = 2
_MOST_ITEMS = 64
_END = 2**63


def rehearse(network: Network, stimuli: torch.Tensor) -> torch.Tensor:
    """What the network gives for two stimuli of this shape, on torch's meta device; raises
    SettingError for what cannot run.
    """
    x = torch.empty((_STIMULI, *stimuli.shape[1:]), dtype=stimuli.dtype, device="meta")
    with torch.no_grad():
        out = _Rehearsal(network).run(x)
    if not isinstance(out, torch.Tensor) or out.shape[:1] != (_STIMULI,):
        raise SettingError.of("graph", rule="its output should be one tensor (stimulus, …)")
    return out


class _Rehearsal(fx.Interpreter):
    """Runs a graph on torch's meta device, where tensors have a shape and no numbers."""

    def __init__(self, network: Network) -> None:
        super().__init__(network)
        self.extra_traceback = False

    def run_node(self, n: fx.Node) -> Any:
        """Run it, and look at what it gives."""
        try:
            value = super().run_node(n)
            _check_value(value)
            self._check_live(value)
        except Exception as error:  # whatever torch raises for values that do not fit
            line = (str(error).splitlines() or [type(error).__name__])[0][:300]
            raise SettingError.of(f"graph.{n.name}", rule=f"cannot run: {line}") from None
        return value

    def _check_live(self, value: Any) -> None:
        """Raise SettingError where this value and those kept for later nodes are too many."""
        live = sum(map(_count, (value, *self.env.values())))
        if live > MOST_LIVE:
            raise _cannot_run(f"{live} values are kept for {_STIMULI} stimuli: at most {MOST_LIVE}")

    def call_module(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A layer by its drive alone."""
        layer = self.submodules[target]
        x, *rest = args
        if not isinstance(x, torch.Tensor) or rest or kwargs:
            raise _cannot_run("a layer takes one tensor")
        return _response(layer, x)

    def call_function(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """An operation; the arithmetic of Python's operators is that of sizes."""
        if not isinstance(target, torch._ops.OpOverload):
            for one in args if target is not operator.getitem else args[1:]:
                if not isinstance(one, int):
                    kind = type(one).__name__
                    raise _cannot_run(f"{target.__name__} takes whole numbers, not a {kind}")
        elif any(one.name == "device" for one in target._schema.arguments):
            kwargs = {**kwargs, "device": "meta"}
        return super().call_function(target, args, kwargs)

    def get_attr(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """An array's shape."""
        return super().get_attr(target, args, kwargs).to("meta")


def _response(layer: ChipLayer, x: torch.Tensor) -> torch.Tensor:
    """The shape of a layer's outputs; raises SettingError where it does not fit its inputs."""
    own = layer.geometry
    least = 1 if own.lookup else 2
    if x.ndim < least or x.shape[0] != _STIMULI or (own.kernel and x.ndim != 2 + len(own.kernel)):
        raise _cannot_run(f"the layer reads {tuple(x.shape)}: should be (stimulus, …)")
    bias = None if layer.bias is None else layer.bias.to("meta")
    weight = layer.weight.to("meta")
    if own.kernel and (own.is_padded or own.input_dilation):
        apart = own.dilated(tuple(x.shape[2:]))
        sizes = [n + sum(pad) for n, pad in zip(apart, own.padding, strict=True)]
        _check_size((*x.shape[:2], *sizes))
    response = drive(own, x, weight, bias, 0.0)
    seen = own.lookup or math.prod(weight.shape[1:]) * own.groups
    _check_size((_STIMULI, own.positions(tuple(x.shape[1:])), seen))
    return response


def _check_value(value: Any) -> None:
    """Raise SettingError for what no node gives: another type, too many values, a number without
    end.
    """
    if isinstance(value, torch.Tensor):
        _check_size(tuple(value.shape))
    elif isinstance(value, tuple | list):
        if len(value) > _MOST_ITEMS:
            raise _cannot_run(f"{len(value)} items: at most {_MOST_ITEMS}")
        for one in value:
            _check_value(one)
    elif isinstance(value, int):
        if abs(value) >= _END:
            raise _cannot_run("a whole number of 2^63 or more")
    elif not (value is None or isinstance(value, float)):
        raise _cannot_run(f"it gives a {type(value).__name__}")


def _count(value: Any) -> int:
    """Values in a tensor, or in those of a tuple or list."""
    if isinstance(value, tuple | list):
        return sum(map(_count, value))
    return value.numel() if isinstance(value, torch.Tensor) else 0


def _check_size(shape: tuple[int, ...]) -> None:
    if math.prod(shape) > MOST_VALUES:
        raise _cannot_run(f"{shape} are more than {MOST_VALUES} values for {_STIMULI} stimuli")


def _cannot_run(rule: str) -> SettingError:
    """The error of the node that runs, whose name `run_node` puts before it."""
    return SettingError.of("", rule=rule)
