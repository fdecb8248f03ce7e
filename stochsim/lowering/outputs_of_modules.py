"""What a module gives for its examples: the structure, and where its tensors have the stimuli."""

import itertools
from typing import Any

import torch

from stochsim.lowering.capture import Wrapped, copied
from stochsim.lowering.ids_of_tables import CheckedIds, NoSuchId
from stochsim.lowering.observing import STIMULI, same_random_numbers
from stochsim.lowering.queries import first_line
from stochsim.lowering.signature import Inputs, Outputs
from stochsim.lowering.trees import Leaf, has_tensors, leaves, tensor_of, tree_of
from stochsim.settings import SettingError, StochsimError

_COUNTS = (2, 3)
"""Numbers of stimuli by which their axis is found."""

_ERRORS = (RuntimeError, ValueError, IndexError, TypeError)


def signature_of(
    module: torch.nn.Module, x: torch.Tensor, choices: list[Inputs]
) -> tuple[Inputs, Outputs]:
    """The first of these inputs that the module takes, and what it gives. x: examples as one
    tensor. Raises SettingError for stimuli that it cannot take, StochsimError for what it gives
    and no chip can.
    """
    errors: list[Exception] = []
    for inputs in choices:
        try:
            found = called(module, inputs, x[:STIMULI])
        except NoSuchId:
            raise
        except _ERRORS as error:
            errors.append(error)
        else:
            return inputs, _outputs(module, inputs, x, found)
    rule = f"does not pass the network: {first_line(errors[-1])}"
    if isinstance(choices[0].tree, Leaf):
        raise SettingError.of("examples", x[:STIMULI], rule)
    raise SettingError.of("examples", rule=rule)


def called(module: torch.nn.Module, inputs: Inputs, x: torch.Tensor) -> Any:
    """What a copy of the module gives for stimuli x, as one tensor."""
    whole = Wrapped(copied(module), inputs)
    with torch.no_grad(), same_random_numbers(), CheckedIds(whole):
        return whole(x.clone())


def _outputs(module: torch.nn.Module, inputs: Inputs, x: torch.Tensor, found: Any) -> Outputs:
    """The structure of what the module gave for the first STIMULI of x."""
    kind = type(module).__name__
    try:
        tree = tree_of(found, lambda path, value: _leaf(0, path, value), "output")
    except SettingError as error:
        raise StochsimError(f"{kind} cannot be converted: {error}") from None
    if isinstance(tree, Leaf) and len(tensor_of(found)) == len(x[:STIMULI]):
        return Outputs(tree)
    if not has_tensors(tree):
        raise StochsimError(f"{kind} gives no tensor (stimulus, …), but a {type(found).__name__}")
    try:
        axes = iter(_axes(module, inputs, x))
    except _ERRORS:  # of a fixed number of stimuli: the capture says so
        axes = itertools.repeat(0)
    return Outputs(tree_of(found, lambda path, value: _leaf(next(axes), path, value), "output"))


def _axes(module: torch.nn.Module, inputs: Inputs, x: torch.Tensor) -> list[int]:
    """The axes of the stimuli in the tensors that a module gives."""
    few, more = (
        leaves(tree_of(called(module, inputs, _several(x, count)), _by_shape, "output"))
        for count in _COUNTS
    )
    kind = type(module).__name__
    return [_axis(kind, one, other) for one, other in zip(few, more, strict=True)]


def _several(x: torch.Tensor, count: int) -> torch.Tensor:
    return x[:1].repeat(count, *(1,) * (x.ndim - 1))


def _by_shape(path: str, value: torch.Tensor) -> Leaf:
    return Leaf(path, tuple(value.shape))


def _axis(kind: str, few: Leaf, more: Leaf) -> int:
    """The axis of a tensor that is as long as there are stimuli."""
    sizes = list(zip(few.shape, more.shape, strict=False))
    axes = [axis for axis, pair in enumerate(sizes) if pair[0] != pair[1]]
    if len(few.shape) != len(more.shape) or len(axes) != 1 or sizes[axes[0]] != _COUNTS:
        raise StochsimError(
            f"{kind} cannot be converted: its output{few.path} has no axis of stimuli (its shape "
            f"is {few.shape} of {_COUNTS[0]} stimuli, {more.shape} of {_COUNTS[1]})"
        )
    return axes[0]


def _leaf(axis: int, path: str, value: torch.Tensor) -> Leaf:
    """A tensor with its stimuli on an axis; raises SettingError for one that no chip gives."""
    name = f"output{path}"
    if not isinstance(value, torch.Tensor) or value.is_complex() or value.is_quantized:
        raise SettingError.of(name, value, "should be a tensor of real numbers or truth values")
    if value.ndim == 0 or 0 in value.shape:
        raise SettingError.of(name, value, "should be (stimulus, …), none of its axes empty")
    sizes = tuple(value.shape)
    dtype = None if value.is_floating_point() else value.dtype
    return Leaf(path, (*sizes[:axis], *sizes[axis + 1 :]), dtype, axis)
