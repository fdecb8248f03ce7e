"""What a module takes and gives - a tensor, or tuples, lists and dicts of them - beside what its
graph reads and gives: one array, (stimulus, …).

Where there are several tensors, they stand side by side in it: all values of a stimulus, one tensor
after the other, (stimulus, feature), whole numbers and truth values as floats.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch

from stochsim.lowering.trees import (
    Branch,
    Leaf,
    Tree,
    contents,
    filled,
    flattened,
    has_tensors,
    leaves,
)
from stochsim.settings import SettingError, StochsimError

EXACT = {torch.float32: 2**24, torch.float64: 2**53}
"""Floats that a network computes in, and the whole numbers up to which they are exact."""


def side_by_side(parts: list[torch.Tensor], dtype: torch.dtype | None = None) -> torch.Tensor:
    """Several tensors (stimulus, …) as one, (stimulus, feature), in these numbers; one alone keeps
    its axes.
    """
    if len(parts) == 1:
        return parts[0]
    rows = (one.reshape(one.shape[0], math.prod(one.shape[1:])) for one in parts)
    return torch.cat([one.to(dtype or one.dtype) for one in rows], 1)


@dataclass(frozen=True)
class Signature:
    """The structure of what is taken or given, with a Leaf for every tensor."""

    tree: Tree

    @cached_property
    def leaves(self) -> tuple[Leaf, ...]:
        """Its tensors, in order."""
        return tuple(leaves(self.tree))

    @property
    def is_packed(self) -> bool:
        """Whether several tensors stand side by side in one array."""
        return len(self.leaves) > 1

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the array, of one stimulus."""
        if self.is_packed:
            return (sum(math.prod(one.shape) for one in self.leaves),)
        return self.leaves[0].shape

    def apart(self, packed: Any) -> Iterator[Any]:
        """The tensors in an array (stimulus, …) or (stimulus, read, …), with the same axes ahead;
        its numbers are floats still.
        """
        if not self.is_packed:
            yield packed
            return
        first = 0
        for one in self.leaves:
            end = first + math.prod(one.shape)
            part = packed[..., first:end]
            yield part.reshape((*packed.shape[:-1], *one.shape))
            first = end

    def tensors(self, packed: torch.Tensor) -> Iterator[torch.Tensor]:
        """The tensors in an array (stimulus, …), in their own numbers, the stimuli on their own
        axes.
        """
        for one, part in zip(self.leaves, self.apart(packed), strict=True):
            found = part if one.dtype is None else part.to(one.dtype)
            yield found.movedim(0, one.axis) if one.axis else found


@dataclass(frozen=True)
class Inputs(Signature):
    """What a module is called with: one tensor, a tuple of arguments, or a dict of them by name.

    names: of the arguments that may be given by position.
    """

    names: tuple[str, ...] = ()

    @property
    def arguments(self) -> dict[Any, Tree]:
        """Trees by place or name."""
        return dict(self.tree.items) if isinstance(self.tree, Branch) else {0: self.tree}

    def bound(self, args: tuple[Any, ...], named: dict[str, Any]) -> Any:
        """The arguments of a call in the form of the examples; constants may be left out. Raises
        SettingError for arguments that the examples do not have.
        """
        places = self._places
        given: dict[Any, Any] = {}
        for place, value in enumerate(args):
            given[places.get(place, place)] = value
        for name, value in named.items():
            key = places.get(name, name)
            if key in given:
                raise SettingError.of(str(name), rule="is given twice")
            given[key] = value
        for key, one in self.arguments.items():
            if not has_tensors(one):
                given.setdefault(key, filled(one, iter(())))
        if set(given) != set(self.arguments):
            more, less = (
                ", ".join(str(one) for one in some) or "none"
                for some in (
                    given.keys() - self.arguments.keys(),
                    self.arguments.keys() - given.keys(),
                )
            )
            rule = (
                f"should be the arguments of the examples, {self.call}; missing: {less}; not "
                f"among them: {more}"
            )
            raise SettingError.of("x", rule=rule)
        if not isinstance(self.tree, Branch):
            return given[0]
        ordered = {key: given[key] for key in self.arguments}
        return ordered if self.is_named else tuple(ordered.values())

    @property
    def is_named(self) -> bool:
        """Whether arguments are given by name."""
        return isinstance(self.tree, Branch) and not issubclass(self.tree.kind, tuple | list)

    @property
    def _places(self) -> dict[Any, Any]:
        """The keys of arguments, by the other way in which they may be given."""
        if self.is_named:
            return dict(enumerate(self.names))
        places: dict[Any, Any] = {name: place for place, name in enumerate(self.names)}
        return places if isinstance(self.tree, Branch) else {"x": 0, **places}

    @property
    def call(self) -> str:
        """How it is called, as Python has it."""
        if self.is_named:
            return f"({', '.join(f'{name}=…' for name in self.arguments)})"
        known = dict(enumerate(self.names))
        return f"({', '.join(str(known.get(key, f'x[{key}]')) for key in self.arguments)})"

    def called(self, module: torch.nn.Module, packed: torch.Tensor) -> Any:
        """What a module gives for the tensors in an array (stimulus, …)."""
        given = self.form(packed)
        if not isinstance(self.tree, Branch):
            return module(given)
        held = contents(given) or {}
        return module(**held) if self.is_named else module(*held.values())

    def form(self, packed: torch.Tensor) -> Any:
        """The inputs in an array (stimulus, …), in the form of the examples."""
        return filled(self.tree, self.tensors(packed))

    def scaled(self, packed: torch.Tensor, floats: float, others: int) -> torch.Tensor:
        """Other stimuli: floats, and whole numbers and truth values, times these factors."""
        parts = zip(self.leaves, self.apart(packed), strict=True)
        return side_by_side(
            [part * (floats if one.dtype is None else others) for one, part in parts]
        )


@dataclass(frozen=True)
class Outputs(Signature):
    """What a module gives."""

    def joined(self, found: Any, like: torch.Tensor) -> torch.Tensor:
        """The array (stimulus, …) of what a module gave, in the numbers of `like`."""
        parts = [
            part.movedim(one.axis, 0) if one.axis else part
            for one, part in zip(self.leaves, flattened(self.tree, found, "output"), strict=True)
        ]
        return side_by_side(parts, like.dtype) if self.is_packed else parts[0]

    def given(self, packed: torch.Tensor) -> Any:
        """The module's structure of an array (stimulus, …); raises StochsimError for whole numbers
        that floats may have rounded.
        """
        for one, part in zip(self.leaves, self.apart(packed), strict=True):
            if one.dtype is not None and part.is_floating_point() and part.numel():
                _check_exact(one, part)
        return filled(self.tree, self.tensors(packed))

    def read(self, values: Any) -> Any:
        """The module's structure of an array (stimulus, read, …); these axes stay ahead."""
        return filled(self.tree, self.apart(values))


def _check_exact(one: Leaf, part: torch.Tensor) -> None:
    largest = float(part.detach().abs().max())
    if largest >= EXACT[part.dtype]:
        raise StochsimError(
            f"output{one.path} has the value {largest:.0f}: whole numbers pass the network as "
            f"{str(part.dtype).removeprefix('torch.')}, which holds them below {EXACT[part.dtype]}"
        )
