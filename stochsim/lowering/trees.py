"""Tuples, lists, dicts and dataclasses of tensors, as modules of torch take and give them."""

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch

from stochsim.settings import SettingError

Tree = Any
"""A Leaf, a Branch, or a constant: None, a number, a truth value, a word."""

CONSTANTS = (bool, int, float, str, type(None))


@dataclasses.dataclass(frozen=True)
class Leaf:
    """A tensor of many stimuli. path: where it stands, as Python has it ("['mask'][0]"); shape: of
    one stimulus; dtype: of its whole numbers or truth values, None for floats; axis: of the
    stimuli.
    """

    path: str
    shape: tuple[int, ...]
    dtype: torch.dtype | None = None
    axis: int = 0


@dataclasses.dataclass(frozen=True)
class Branch:
    """A tuple, list, dict or dataclass, and its trees by index, key or field."""

    kind: type
    items: Mapping[Any, Tree]


def tensor_of(value: Any) -> Any:
    """The tensor that stands in a value of another class, as in Brevitas's quantised tensors."""
    return value.value if type(value).__name__.endswith("QuantTensor") else value


def contents(value: Any) -> dict[Any, Any] | None:
    """What a tuple, list, dict or dataclass holds, by index, key or field; None for others."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {one.name: getattr(value, one.name) for one in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return dict(value._asdict())
    return dict(enumerate(value)) if isinstance(value, tuple | list) else None


def tree_of(value: Any, leaf: Callable[[str, Any], Leaf], name: str, path: str = "") -> Tree:
    """The tree of a value; leaf: makes a Leaf of a path and a tensor or array. Raises SettingError
    for anything else, by its name.
    """
    value = tensor_of(value)
    if isinstance(value, torch.Tensor | np.ndarray):
        return leaf(path, value)
    found = contents(value)
    if found is None:
        is_endless = isinstance(value, float) and not math.isfinite(value)
        if is_endless or not isinstance(value, CONSTANTS):
            rule = "should be a tensor, or a tuple, list or dict of tensors"
            raise SettingError.of(name + path, value, rule)
        return value
    for key in found:
        if not isinstance(key, str | int) or isinstance(key, bool):
            raise SettingError.of(name + path, key, "keys should be words or whole numbers")
    steps = {key: path + _step(value, key) for key in found}
    return Branch(
        type(value), {key: tree_of(one, leaf, name, steps[key]) for key, one in found.items()}
    )


def _step(value: Any, key: Any) -> str:
    """How Python's text goes on to what a value holds."""
    has_names = dataclasses.is_dataclass(value) or hasattr(value, "_asdict")
    return f".{key}" if has_names else f"[{key!r}]"


def leaves(tree: Tree) -> Iterator[Leaf]:
    """The tensors of a tree, in order."""
    if isinstance(tree, Leaf):
        yield tree
    elif isinstance(tree, Branch):
        for one in tree.items.values():
            yield from leaves(one)


def with_shapes(tree: Tree, shapes: Iterator[tuple[int, ...]]) -> Tree:
    """The tree with other shapes of its tensors, in order."""
    if isinstance(tree, Leaf):
        return dataclasses.replace(tree, shape=next(shapes))
    if isinstance(tree, Branch):
        return Branch(tree.kind, {key: with_shapes(one, shapes) for key, one in tree.items.items()})
    return tree


def has_tensors(tree: Tree) -> bool:
    """Whether there is a tensor in it."""
    return next(leaves(tree), None) is not None


def flattened(tree: Tree, value: Any, name: str) -> Iterator[Any]:
    """What stands at the leaves of a tree in a value like it; raises SettingError for another
    structure. Constants may be left out.
    """
    value = tensor_of(value)
    if isinstance(tree, Leaf):
        if contents(value) is not None or isinstance(value, CONSTANTS):
            raise SettingError.of(name, value, "should be a tensor or an array, as the examples")
        yield value
    elif isinstance(tree, Branch):
        found = contents(value)
        if found is None or not _needed(tree) <= set(found) <= set(tree.items):
            raise _unlike(tree, value, name)
        for key, one in tree.items.items():
            if key in found:
                yield from flattened(one, found[key], name + _step(value, key))
    elif not isinstance(value, CONSTANTS) or value != tree:
        rule = f"is a constant of the conversion, {tree!r}: convert once more for another one"
        raise SettingError.of(name, value, rule)


def _unlike(branch: Branch, value: Any, name: str) -> SettingError:
    """The error of a value that does not hold what a branch does."""
    rule = f"should have {_listed(branch)}, as the examples"
    if isinstance(value, tuple | list):
        return SettingError.of(name, rule=f"is a {type(value).__name__} of {len(value)}: {rule}")
    return SettingError.of(name, list(value) if isinstance(value, Mapping) else value, rule)


def _needed(branch: Branch) -> set[Any]:
    """The keys of what holds tensors."""
    return {key for key, one in branch.items.items() if has_tensors(one)}


def _listed(branch: Branch) -> str:
    """What a branch holds, in words."""
    if issubclass(branch.kind, tuple | list):
        return f"{len(branch.items)} items"
    return f"the keys {', '.join(map(repr, branch.items))}"


def filled(tree: Tree, values: Iterator[Any]) -> Any:
    """The structure of a tree, with values in place of its leaves."""
    if isinstance(tree, Leaf):
        return next(values)
    if isinstance(tree, Branch):
        return _built(tree.kind, {key: filled(one, values) for key, one in tree.items.items()})
    return tree


def _built(kind: type, items: dict[Any, Any]) -> Any:
    """A value of a kind again; a tuple or a dict of what it held, where that cannot be made."""
    make: Any = getattr(kind, "_make", kind)
    try:
        if dataclasses.is_dataclass(kind):
            return make(**items)
        return make(items if issubclass(kind, Mapping) else list(items.values()))
    except Exception:  # whatever a user's own class raises
        return tuple(items.values()) if issubclass(kind, tuple) else dict(items)
