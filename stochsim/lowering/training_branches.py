"""What a module computes in training alone: branches on `self.training`, beside the dropouts and
batch normalisations that a converted network turns on by itself.
"""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from stochsim.lowering.brevitas_quantisers import is_of_brevitas
from stochsim.lowering.graph_network import CUMULATIVE, FROZEN, TRAINING_PLACES, Network
from stochsim.lowering.observing import same_random_numbers
from stochsim.lowering.queries import origin_of
from stochsim.lowering.signature import Inputs

_ALIKE = (nn.modules.batchnorm._NormBase, nn.modules.dropout._DropoutNd, nn.RReLU)
_KNOWN = ("dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "rrelu", "batch_norm")
"""Functions that a converted network turns on in training, whatever mode they are called in."""

_MODES = ("training", "train", "inplace")


@contextlib.contextmanager
def branches_of_training(module: nn.Module) -> Iterator[None]:
    """A module with its own code in training; torch's modules in it stay as they are."""
    found = [one for one in module.modules() if _has_branches(one) and not one.training]
    for one in found:
        one.training = True
    try:
        yield
    finally:
        for one in found:
            one.training = False


def may_branch(module: nn.Module) -> bool:
    """Whether any part of a module is of a class that may have branches of its own."""
    return any(map(_has_branches, module.modules()))


def _has_branches(module: nn.Module) -> bool:
    """Whether a module is of a class that may have branches of its own."""
    return not type(module).__module__.startswith("torch.") and not isinstance(module, _ALIKE)


def trains_otherwise(module: nn.Module, inputs: Inputs, x: torch.Tensor) -> bool:
    """Whether a module calls other functions of torch in training than in evaluation, or with other
    arguments, or gives other results of theirs, for stimuli x as one tensor; False of one whose
    training fails.
    """
    if is_of_brevitas(module) or not may_branch(module):
        return False
    try:
        before = _calls(module, inputs, x)
        with branches_of_training(module):
            return before != _calls(module, inputs, x)
    except Exception:  # whatever a user's own code raises
        return False


def _calls(module: nn.Module, inputs: Inputs, x: torch.Tensor) -> list[Any]:
    """The functions of torch that a module calls, with their arguments, and what it gives."""
    tensors = (*module.named_parameters(), *module.named_buffers())
    trace = _Trace({id(one): name for name, one in tensors})
    with torch.no_grad(), same_random_numbers(), trace:
        found = inputs.called(module, x.clone())
    return [*trace.calls, trace.shown(found)]


class _Trace(TorchFunctionMode):
    """Notes the functions of torch that are called, each tensor by the call that gave it; names: of
    a module's own tensors, by identity.
    """

    def __init__(self, names: Mapping[int, str]) -> None:
        super().__init__()
        self.calls: list[Any] = []
        self._names: dict[int, Any] = dict(names)
        self._results: list[Any] = []  # kept, so that no other tensor has the identity of one

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Note a call."""
        name = getattr(func, "__name__", repr(func))
        kwargs = kwargs or {}
        given = (args, kwargs)
        if name in _KNOWN:
            given = args[:2], {key: one for key, one in kwargs.items() if key not in _MODES}
        self.calls.append((name, self.shown(given)))
        found = func(*args, **kwargs)
        self._results.append(found)
        parts = found if isinstance(found, tuple | list) else (found,)
        for place, one in enumerate(parts):
            if isinstance(one, torch.Tensor):
                self._names[id(one)] = (len(self.calls), place)
        return found

    def shown(self, value: Any) -> Any:
        """A value, so that equal ones are those that are computed in one way."""
        if isinstance(value, torch.Tensor):
            return tuple(value.shape), value.dtype, self._names.get(id(value))
        if isinstance(value, tuple | list):
            return [self.shown(one) for one in value]
        if isinstance(value, Mapping):
            return [(key, self.shown(one)) for key, one in value.items()]
        is_plain = isinstance(value, int | float | str | torch.dtype | slice)
        return repr(value) if is_plain else type(value).__name__


def note_modes(network: Network, module: nn.Module) -> None:
    """Note in the kinds of parts which of them stay in evaluation when the module is put in
    training, by a `train` of its own, and which have running statistics without a momentum.
    """
    modes = {one: one.training for one in module.modules()}
    try:
        module.train()
        frozen = {path for path, one in module.named_modules() if not one.training}
    except Exception:  # whatever a user's own code raises
        frozen = set()
    finally:
        for one, mode in modes.items():
            one.training = mode
    parts = dict(module.named_modules())
    for node in network.graph.nodes:
        own = origin_of(node)
        if node.target not in TRAINING_PLACES:
            continue
        part = parts.get(own.part)
        if own.part in frozen:
            node.meta["origin"] = own._replace(kind=own.kind + FROZEN)
        elif isinstance(part, nn.modules.batchnorm._NormBase) and _counts_batches(part):
            node.meta["origin"] = own._replace(kind=own.kind + CUMULATIVE)


def _counts_batches(part: nn.modules.batchnorm._NormBase) -> bool:
    """Whether running statistics are means over all batches."""
    return part.track_running_stats and part.momentum is None


def off_in_graph(network: Network) -> None:
    """Turn off what differs in training, which a network turns on there."""
    for node in network.graph.nodes:
        place = TRAINING_PLACES.get(node.target)
        if place is not None and len(node.args) > place:
            node.update_arg(place, False)
