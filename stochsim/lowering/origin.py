"""Where a node of a captured graph comes from, and the shape of what it gives."""

from typing import Any, NamedTuple

import torch
from torch import fx

DOOR = "door"
"""The kind of what takes inputs out of the one array that the graph reads, puts outputs into the
one that it gives, or shifts what a layer reads by the zero of its grid: it computes nothing.
"""


class Origin(NamedTuple):
    """Where a node comes from. part: the path of the module without parts of its own, or of the
    torch module, that it is of, "" where it is of none; kind: that module's class; shape: of its
    value, a multiple k of the number of stimuli as -k; None where it is no tensor or another shape;
    dtype: of its numbers; mixes: whether what it gives for a stimulus depends on the others; call:
    which call of its module it is of, counted from 0.
    """

    part: str = ""
    kind: str = ""
    shape: tuple[int, ...] | None = None
    dtype: str = ""
    mixes: bool = False
    call: int = 0


def shape_of(node: fx.Node) -> tuple[int, ...] | None:
    """See `Origin.shape`; of a node of an exported graph."""
    value = node.meta.get("val")
    if not isinstance(value, torch.Tensor):
        return None
    sizes = [_size(one) for one in value.shape]
    return None if None in sizes else tuple(one for one in sizes if one is not None)


def _size(size: Any) -> int | None:
    """An int; a multiple k of the one symbol, the number of stimuli, as -k."""
    if isinstance(size, int):
        return size
    expression = size.node.expr
    symbols = expression.free_symbols
    if len(symbols) != 1:
        return None
    (stimuli,) = symbols
    found = [int(expression.subs(stimuli, count)) for count in _COUNTS]
    times = found[0] // _COUNTS[0]
    return -times if found == [times * count for count in _COUNTS] else None


_COUNTS = (7 * 5040, 11 * 5040)
"""Numbers of stimuli that most sizes divide: a multiple is one for both."""
