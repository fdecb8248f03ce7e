"""What a converted network takes and gives, as a table of JSON: tuples, lists and dicts by their
names, named tuples as tuples and dataclasses as dicts.
"""

import math
from collections.abc import Mapping
from typing import Any

import torch

from stochsim.lowering.signature import Inputs, Outputs, Signature
from stochsim.lowering.trees import CONSTANTS, Branch, Leaf, Tree
from stochsim.settings import SettingError, strict

_WHOLE = ("uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64")
_DTYPES = ("float", "bool", *_WHOLE)
_TAGS = ("tensor", "tuple", "list", "dict", "constant")
_LEAF = ("shape", "dtype", "axis")
_MOST_SIZE = 2**31 - 1
_END = 2**63 - 1
_MOST_TENSORS = 1000
_KINDS: Mapping[str, type] = {"tuple": tuple, "list": list}


def table_of(signature: Signature) -> dict[str, Any]:
    """The table of a signature; of inputs with the names of arguments."""
    names = {"names": list(signature.names)} if isinstance(signature, Inputs) else {}
    return {"tree": _written(signature.tree), **names}


def _written(tree: Tree) -> dict[str, Any]:
    if isinstance(tree, Leaf):
        dtype = "float" if tree.dtype is None else str(tree.dtype).removeprefix("torch.")
        return {"tensor": {"shape": list(tree.shape), "dtype": dtype, "axis": tree.axis}}
    if not isinstance(tree, Branch):
        return {"constant": tree}
    for tag, kind in _KINDS.items():
        if issubclass(tree.kind, kind):
            return {tag: [_written(one) for one in tree.items.values()]}
    return {"dict": [[key, _written(one)] for key, one in tree.items.items()]}


def inputs_of(where: str, table: Any) -> Inputs:
    """Inputs of a file's table; raises SettingError that names the entry that is at fault."""
    strict.exact_table(where, table, ("tree", "names"))
    names = strict.items(f"{where}.names", table["names"], _MOST_TENSORS)
    found = Inputs(
        _tree(f"{where}.tree", table["tree"], ""),
        tuple(strict.identifier(f"{where}.names[{i}]", one) for i, one in enumerate(names)),
    )
    _check_tensors(where, found)
    if any(one.axis for one in found.leaves):
        raise SettingError.of(where, rule="stimuli of inputs stand on axis 0")
    return found


def outputs_of(where: str, table: Any) -> Outputs:
    """Outputs of a file's table; raises SettingError that names the entry that is at fault."""
    strict.exact_table(where, table, ("tree",))
    found = Outputs(_tree(f"{where}.tree", table["tree"], ""))
    _check_tensors(where, found)
    return found


def _check_tensors(where: str, found: Signature) -> None:
    """Raise SettingError for no tensors, or too many."""
    count = len(found.leaves)
    if not 1 <= count <= _MOST_TENSORS:
        rule = f"has {count} tensors: should have from 1 to {_MOST_TENSORS}"
        raise SettingError.of(where, rule=rule)


def _tree(where: str, table: Any, path: str) -> Tree:
    tag = _tag(where, table)
    value = table[tag]
    where = f"{where}.{tag}"
    if tag == "tensor":
        return _leaf(where, value, path)
    if tag == "constant":
        return _constant(where, value)
    own = strict.items(where, value, _MOST_TENSORS)
    if tag in _KINDS:
        return Branch(
            _KINDS[tag],
            {i: _tree(f"{where}[{i}]", one, f"{path}[{i}]") for i, one in enumerate(own)},
        )
    pairs = [_pair(f"{where}[{i}]", one) for i, one in enumerate(own)]
    if len({key for key, _ in pairs}) < len(pairs):
        raise SettingError.of(where, rule="has a key twice")
    return Branch(
        dict,
        {
            key: _tree(f"{where}[{i}]", one, f"{path}[{key!r}]")
            for i, (key, one) in enumerate(pairs)
        },
    )


def _tag(where: str, table: Any) -> str:
    """The one key of a table, which says what it is."""
    found = strict.table(where, table)
    if len(found) != 1:
        raise SettingError.of(where, list(found)[:5], "should have one key", _TAGS)
    return strict.word(where, next(iter(found)), _TAGS)


def _pair(where: str, own: Any) -> tuple[str | int, Any]:
    """A key and the table of what stands there."""
    strict.same_length(where, strict.items(where, own, 2), 2)
    key, value = own
    if isinstance(key, str):
        return strict.text(where, key), value
    return strict.whole(where, key, -_END, _END), value


def _leaf(where: str, value: Any, path: str) -> Leaf:
    own = strict.exact_table(where, value, _LEAF)
    shape = strict.wholes(f"{where}.shape", own["shape"], 1, _MOST_SIZE)
    if math.prod(shape) > _MOST_SIZE:
        raise SettingError.of(f"{where}.shape", list(shape), "has too many values")
    dtype = strict.word(f"{where}.dtype", own["dtype"], _DTYPES)
    axis = strict.whole(f"{where}.axis", own["axis"], 0, len(shape))
    return Leaf(path, shape, None if dtype == "float" else getattr(torch, dtype), axis)


def _constant(where: str, value: Any) -> Any:
    if isinstance(value, str):
        return strict.text(where, value)
    if not isinstance(value, CONSTANTS):
        raise SettingError.of(where, value, "should be a number, a word, true, false or null")
    return value


def check_arrays(found: Signature, shape: tuple[int, ...], name: str) -> None:
    """Raise SettingError unless an array of this shape of one stimulus holds these tensors."""
    if found.shape != shape:
        rule = f"are tensors of {found.shape} values, where the network has {shape}"
        raise SettingError.of(f"program.{name}", rule=rule)
