"""Stimuli of a converted network, as users give them: arrays or tensors (stimulus, …), one or
several.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from stochsim.lowering.calls_of_modules import names_of_arguments
from stochsim.lowering.signature import EXACT, Inputs, side_by_side
from stochsim.lowering.trees import Branch, Leaf, flattened, tree_of, with_shapes
from stochsim.settings import SettingError, StochsimError, check_kind, real_array, rule_of_reals

TENSOR_RULE = "should be a tensor (stimulus, …), as modules of torch take; `sample` takes arrays"
_UNSIGNED = (torch.uint16, torch.uint32, torch.uint64)
_RULE = "should be an array or a tensor of real numbers (stimulus, …)"
_WORDS = ("key", "first_stimulus")
"""What calls of a converted network say beside its inputs."""


def inputs_and_stimuli(examples: Any, module: torch.nn.Module) -> tuple[Inputs, torch.Tensor]:
    """How the module is called with the examples, and these as one tensor (stimulus, …); raises
    SettingError for examples that no module can be converted for.
    """
    names = names_of_arguments(module)
    if not _are_several(examples):
        x = checked_stimuli("examples", examples, module)
        return Inputs(Leaf("", tuple(x.shape[1:])), names), x
    tree = tree_of(examples, _leaf, "examples")
    assert isinstance(tree, Branch)
    inputs = Inputs(tree, names)
    if not inputs.leaves:
        raise SettingError.of("examples", examples, "should hold a tensor (stimulus, …)")
    for name in _WORDS:
        if name in inputs.arguments:
            rule = f"give it by position, in a tuple: calls say {name}= for the noise"
            raise SettingError.of(f"examples[{name!r}]", rule=rule)
    return inputs, stimuli_of("examples", examples, inputs, module)


def _are_several(examples: Any) -> bool:
    """Whether they are a tuple, list or dict of tensors; lists of numbers are an array."""
    if isinstance(examples, Mapping):
        return True
    return type(examples) in (tuple, list) and any(
        isinstance(one, torch.Tensor | np.ndarray) or _are_several(one) for one in examples
    )


def _leaf(path: str, value: Any) -> Leaf:
    found = _numbers(f"examples{path}", value)
    if found.ndim == 0 or 0 in found.shape:
        rule = "should be (stimulus, …), none of its axes empty; give a constant as a number"
        raise SettingError.of(f"examples{path}", value, rule)
    return Leaf(path, tuple(found.shape[1:]), _kind(found))


def _kind(x: torch.Tensor) -> torch.dtype | None:
    """The whole numbers or truth values of a tensor, None for floats."""
    return None if x.is_floating_point() else x.dtype


def stimuli_of(
    name: str, x: Any, inputs: Inputs, module: torch.nn.Module, least: int = 1
) -> torch.Tensor:
    """Stimuli in the form of the examples as one tensor (stimulus, …) in the module's numbers.

    Raises SettingError that names the input which is of another form, shape or kind, not finite, or
    of another number of stimuli; and for fewer than `least`.
    """
    if isinstance(inputs.tree, Branch):
        found = _side_by_side(name, x, inputs, module).detach()
        if len(found) < least:
            raise SettingError.of(name, rule="should have one stimulus at least")
        return found
    found = checked_stimuli(name, x, module, least)
    _check_axes(name, found, inputs.leaves[0])
    return found


def tensors_of(name: str, x: Any, inputs: Inputs, module: torch.nn.Module) -> torch.Tensor:
    """As `stimuli_of`, of tensors alone; there may be no stimuli, and a gradient passes."""
    given = checked_tensors(name, x, inputs)
    if isinstance(inputs.tree, Branch):
        return _side_by_side(name, x, inputs, module)
    check_tensor(name, given[0])
    _check_axes(name, given[0], inputs.leaves[0])
    if not torch.isfinite(given[0]).all():
        raise SettingError.of(name, given[0].detach(), "should be finite")
    return given[0]


def checked_tensors(name: str, x: Any, inputs: Inputs) -> list[torch.Tensor]:
    """The inputs one by one; raises SettingError for what is no tensor."""
    found = list(flattened(inputs.tree, x, name)) if isinstance(inputs.tree, Branch) else [x]
    for leaf, one in zip(inputs.leaves, found, strict=True):
        check_kind(f"{name}{leaf.path}", one, torch.Tensor, TENSOR_RULE)
    return found


def _side_by_side(name: str, x: Any, inputs: Inputs, module: torch.nn.Module) -> torch.Tensor:
    """Several inputs in one tensor (stimulus, feature); one alone keeps its axes."""
    like = _numbers_of(module)
    values = zip(inputs.leaves, flattened(inputs.tree, x, name), strict=True)
    parts = [_checked(f"{name}{leaf.path}", value, leaf, like.dtype) for leaf, value in values]
    for leaf, one in zip(inputs.leaves, parts, strict=True):
        if len(one) != len(parts[0]):
            rule = (
                f"has {len(one)} stimuli, where {name}{inputs.leaves[0].path} has "
                f"{len(parts[0])}; what is the same for all of them should be a buffer of the "
                f"module"
            )
            raise SettingError.of(f"{name}{leaf.path}", rule=rule)
    return side_by_side([one.to(like) for one in parts])


def _checked(name: str, value: Any, leaf: Leaf, floats: torch.dtype) -> torch.Tensor:
    """One of several inputs, in its own numbers."""
    found = _numbers(name, value)
    _check_shape(name, found, leaf)
    kind = _kind(found)
    if (leaf.dtype == torch.bool) != (kind == torch.bool):
        word = "truth values" if leaf.dtype == torch.bool else "numbers"
        raise SettingError.of(name, found, f"should be {word}, as the examples")
    if leaf.dtype is not None and kind is None:
        raise SettingError.of(name, found, "should be whole numbers, as the examples")
    if kind is None and not torch.isfinite(found).all():
        raise SettingError.of(name, found, "should be finite")
    if kind not in (None, torch.bool):
        check_exact(name, found, floats, leaf.dtype)
    return found


def _check_shape(name: str, x: torch.Tensor, leaf: Leaf) -> None:
    if tuple(x.shape[1:]) != leaf.shape or x.ndim == 0:
        raise unlike_examples(name, x, leaf)


def _check_axes(name: str, x: torch.Tensor, leaf: Leaf) -> None:
    if x.ndim != 1 + len(leaf.shape):
        raise unlike_examples(name, x, leaf)


def unlike_examples(name: str, x: Any, leaf: Leaf, why: str = "") -> SettingError:
    """The error of an input of another shape than the examples have."""
    shape = ", ".join(["stimulus", *map(str, leaf.shape)])
    because = f" ({why})" if why else ""
    return SettingError.of(name, x, f"should have the axes of the examples, ({shape}){because}")


def resized(inputs: Inputs, x: Any) -> Inputs:
    """The inputs in the sizes of x; as they are, where x is of their sizes, or is unlike them in
    another way.
    """
    try:
        values = list(flattened(inputs.tree, x, "x")) if isinstance(inputs.tree, Branch) else [x]
        shapes = [tuple(map(int, np.shape(one)))[1:] for one in values]
    except (ValueError, TypeError, RuntimeError, AttributeError):  # no arrays, or another structure
        return inputs
    own = [one.shape for one in inputs.leaves]
    if shapes == own or any(0 in shape for shape in shapes):
        return inputs
    if [len(shape) for shape in shapes] != [len(shape) for shape in own]:
        return inputs
    return replace(inputs, tree=with_shapes(inputs.tree, iter(shapes)))


def unlike_sizes(name: str, inputs: Inputs, x: Any, why: str) -> SettingError:
    """The error of inputs x of other sizes than the examples', which names the first such."""
    values = list(flattened(inputs.tree, x, name)) if isinstance(inputs.tree, Branch) else [x]
    pairs = zip(inputs.leaves, values, strict=True)
    leaf, value = next((leaf, one) for leaf, one in pairs if np.shape(one)[1:] != leaf.shape)
    return unlike_examples(f"{name}{leaf.path}", value, leaf, why)


def check_exact(
    name: str, x: torch.Tensor, floats: torch.dtype, whole: torch.dtype | None = None
) -> None:
    """Raise SettingError for whole numbers that these floats, or these whole numbers, do not hold
    exactly.
    """
    low, high = -EXACT[floats], EXACT[floats]
    if whole is not None:
        limits = torch.iinfo(whole)
        low, high = max(low, limits.min), min(high, limits.max)
    x = x if x.is_floating_point() else x.long()  # narrow ones do not hold the limits
    wrong = x[(x < low) | (x > high)]
    if wrong.numel():
        rule = (
            f"has the value {int(wrong[0])}: whole numbers pass the network as {_name(floats)}, "
            f"which holds them from {low} to {high}"
        )
        raise SettingError.of(name, rule=rule)


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def checked_stimuli(name: str, x: Any, module: torch.nn.Module, least: int = 1) -> torch.Tensor:
    """Stimuli as a tensor in the numbers of the module; raises SettingError where they are missing,
    fewer than `least`, of one axis, or not finite.
    """
    if x is None:
        rule = (
            "give stimuli (stimulus, …), a tensor or an array of what the network will see (a few "
            "hundred are enough)"
        )
        raise SettingError.missing(name, rule)
    like = _numbers_of(module)
    real = _real(name, x)
    if are_integers(x):
        check_exact(name, real, like.dtype)
    found = real.to(like)
    if found.ndim < 2 or len(found) < least:
        raise SettingError.of(name, found, "should be (stimulus, …), one stimulus at least")
    if not torch.isfinite(found).all():
        raise SettingError.of(name, found, "should be finite")
    return found


def _numbers_of(module: torch.nn.Module) -> torch.Tensor:
    """A tensor of the module's floats, where it has them; raises SettingError for others."""
    check_has_numbers(module)
    like = next((one for one in module.parameters() if one.is_floating_point()), torch.zeros(()))
    if like.dtype not in EXACT:
        rule = "should compute in torch.float32 or torch.float64, as module.float() makes it"
        raise SettingError.of("module", like.dtype, rule)
    return like.detach()


def _real(name: str, x: Any) -> torch.Tensor:
    """A tensor of real numbers; raises SettingError for anything else."""
    if isinstance(x, torch.Tensor):
        if _has_no_reals(x):
            raise SettingError.of(name, x, rule_of_reals(_RULE))
        dense = x.detach().to_dense()
        # a copy has its numbers in memory, whatever kind of view x is
        return torch.empty(dense.shape, dtype=dense.dtype, device=dense.device).copy_(dense)
    array = real_array(name, x, _RULE)
    if array.dtype.kind == "u":  # torch has no unsigned integers of every width
        array = array.astype(np.float64)
    return torch.tensor(np.ascontiguousarray(array))  # a copy: it may be read-only


def _numbers(name: str, x: Any) -> torch.Tensor:
    """A tensor of real numbers or truth values, with its gradient."""
    if isinstance(x, torch.Tensor):
        found = x
    else:
        array = np.asarray(x)
        if array.dtype.kind != "b":
            array = real_array(name, x, _RULE)
            kept = array.dtype.kind != "u" or array.itemsize == 1
            array = array if kept else array.astype(np.int64)
        found = torch.tensor(np.ascontiguousarray(array))
    if _is_no_array(found):
        raise SettingError.of(name, found, rule_of_reals(_RULE))
    if found.dtype in _UNSIGNED:
        return found.to(torch.int64)
    return found.to_dense() if found.layout != torch.strided else found


def check_has_numbers(module: torch.nn.Module) -> None:
    """Raise StochsimError for a module whose parameters have no numbers yet, or no shape."""
    for name, one in (*module.named_parameters(), *module.named_buffers()):
        if torch.nn.parameter.is_lazy(one):
            raise StochsimError(
                f"{type(module).__name__} cannot be converted: its '{name}' has no shape yet; call "
                f"the module once"
            )
        if one.is_meta:
            raise StochsimError(
                f"{type(module).__name__} cannot be converted: its '{name}' has no numbers (it is "
                f"on torch's meta device)"
            )


def are_integers(x: Any) -> bool:
    """Whether stimuli are whole numbers, such as those of characters."""
    if isinstance(x, torch.Tensor):
        return not (x.is_floating_point() or x.is_complex())
    return np.asarray(x).dtype.kind in "iu"


def check_tensor(name: str, x: Any) -> None:
    """Raise SettingError for what is no dense tensor of real numbers."""
    rule = "should be a tensor (stimulus, …) of real numbers, not sparse"
    if not isinstance(x, torch.Tensor) or _has_no_reals(x) or x.layout != torch.strided:
        raise SettingError.of(name, x, rule)


def _has_no_reals(x: torch.Tensor) -> bool:
    """Whether a tensor is of other numbers, of none, or no array of them."""
    return x.dtype == torch.bool or _is_no_array(x)


def _is_no_array(x: torch.Tensor) -> bool:
    """Whether a tensor is of complex or quantised numbers, of none, or no array."""
    return x.is_complex() or x.is_quantized or x.is_meta or x.is_nested
