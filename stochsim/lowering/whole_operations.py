"""Operations that `torch.export` would take apart, or drop in evaluation, and that stay whole here:
dropout and batch normalisation, which differ in training; and the parts of a module that cannot be
captured at all.
"""

import copy
import math
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import fx

from stochsim.lowering.graph_network import Network
from stochsim.settings import StochsimError

_aten = torch.ops.aten
_OWN = torch.library.Library("stochsim", "DEF")

_DROPOUTS = ("dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout")
_WHOLE = {
    **{
        getattr(_aten, name).default: "(Tensor x, float p, bool train) -> Tensor"
        for name in _DROPOUTS
    },
    _aten.batch_norm.default: (
        "(Tensor x, Tensor? weight, Tensor? bias, Tensor? mean, Tensor? var, bool training, "
        "float momentum, float eps, bool cudnn) -> Tensor"
    ),
}
_STAND_INS: dict[Any, Any] = {}
for _op, _takes in _WHOLE.items():
    _name = _op._schema.name.partition("::")[2]
    _OWN.define(_name + _takes)
    _OWN.impl(_name, lambda x, *rest: torch.empty_like(x), "Meta")
    _STAND_INS[_op] = getattr(torch.ops.stochsim, _name).default
_OWN.define("part(Tensor x, str path, int[] shape) -> Tensor")
_OWN.impl("part", lambda x, path, shape: x.new_empty((x.shape[0], *shape)), "Meta")

_IN_PLACE = {getattr(_aten, f"{name}_").default: getattr(_aten, name).default for name in _DROPOUTS}


def made_whole(network: fx.GraphModule) -> None:
    """Stand-ins that no decomposition takes apart; `made_plain` puts torch's own back."""
    for node in list(network.graph.nodes):
        if node.target in _IN_PLACE:
            plain = _IN_PLACE[node.target]
            if node.args[2]:
                with network.graph.inserting_before(node):
                    drawn = network.graph.call_function(_STAND_INS[plain], node.args)
                    drawn.meta = dict(node.meta)
                node.target = _aten.copy_.default
                node.args = (node.args[0], drawn)
            else:  # changes nothing in evaluation
                node.target = plain
        node.target = _STAND_INS.get(node.target, node.target)
    network.recompile()


def made_plain(network: Network) -> None:
    """torch's operations again for the stand-ins, and modules for parts that were not captured."""
    plain = {stand_in: op for op, stand_in in _STAND_INS.items()}
    for node in network.graph.nodes:
        if node.target is torch.ops.stochsim.part.default:
            x, path, _ = node.args
            path = path.partition(".")[2]  # within the module that was captured
            node.op, node.target, node.args = "call_module", path, (x,)
        else:
            node.target = plain.get(node.target, node.target)


@contextmanager
def opaque_parts(
    module: torch.nn.Module, x: torch.Tensor, paths: Collection[str]
) -> Iterator[dict[str, torch.nn.Module]]:
    """Stand-ins in place of the parts of a module at these paths, which give values of the shape
    that the parts give for x; copies of the parts.
    """
    shapes: dict[str, tuple[int, ...]] = {}
    parts = {path: module.get_submodule(path) for path in paths}
    hooks = [part.register_forward_hook(_noting(shapes, path)) for path, part in parts.items()]
    with torch.no_grad():
        module(x[:2].clone())
    for hook in hooks:
        hook.remove()
    for path, shape in shapes.items():
        module.set_submodule(path, _Opaque(path, shape))
    try:
        yield {path: copy.deepcopy(parts[path]) for path in shapes}
    finally:
        for path in shapes:
            module.set_submodule(path, parts[path])


def _noting(shapes: dict[str, tuple[int, ...]], path: str) -> Callable[..., None]:
    def note(part: torch.nn.Module, given: Any, found: torch.Tensor) -> None:
        shapes[path] = tuple(found.shape[1:])

    return note


class _Opaque(torch.nn.Module):
    """Stands for a part in a capture."""

    def __init__(self, path: str, shape: tuple[int, ...]) -> None:
        super().__init__()
        self._path = path
        self._shape = list(shape)

    def forward(self, x: torch.Tensor, *more: Any, **named: Any) -> torch.Tensor:
        if more or named:
            path = self._path.partition(".")[2]
            raise StochsimError(
                f"the part '{path}' cannot be kept in float: it is called with more than one tensor"
            )
        found: torch.Tensor = torch.ops.stochsim.part(x, self._path, self._shape)
        return found


def own_forms() -> dict[Any, Callable[..., Any]]:
    """Decompositions of our own: attention as two products and a softmax."""
    return {_aten.scaled_dot_product_attention.default: _attention}


def _attention(  # noqa: PLR0913 - as torch has it
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> torch.Tensor:
    """softmax(query · keyᵀ · scale + mask) · value over (…, position, feature)."""
    if enable_gqa:
        times = query.shape[-3] // key.shape[-3]
        key, value = (one.repeat_interleave(times, -3) for one in (key, value))
    factor = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    scores = torch.matmul(query, key.transpose(-2, -1)) * factor
    if is_causal:
        ones = torch.ones(query.shape[-2], key.shape[-2], dtype=torch.bool, device=query.device)
        scores = scores.masked_fill(ones.tril().logical_not(), -math.inf)
    if attn_mask is not None and attn_mask.dtype == torch.bool:
        scores = scores.masked_fill(attn_mask.logical_not(), -math.inf)
    elif attn_mask is not None:
        scores = scores + attn_mask
    weights = torch.softmax(scores, -1)
    if dropout_p > 0:
        weights = torch.ops.stochsim.dropout(weights, dropout_p, True)
    return torch.matmul(weights, value)
