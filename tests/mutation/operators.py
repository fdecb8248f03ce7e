"""The operators of mutation: each takes a node of a syntax tree, with its parent and the field that
it stands in, and yields the nodes that may stand there instead.
"""

import ast
import itertools
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

WORDS_WITHOUT_EFFECT = ("strict", "encoding")
"""Named arguments that change nothing where lengths agree and texts are UTF-8."""

PREFIXES = ("m", "µ", "n", "p", "f", "a")

_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Div,
    ast.Pow: ast.Mult,
    ast.Mod: ast.FloorDiv,
}
_BOUNDARY: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
}
_REVERSED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.GtE,
    ast.LtE: ast.Gt,
    ast.Gt: ast.LtE,
    ast.GtE: ast.Lt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
_FUNCTIONS = {"min": "max", "ceil": "floor", "any": "all", "isfinite": "isnan", "isinf": "isnan"}
_FUNCTIONS |= {new: old for old, new in _FUNCTIONS.items() if new != "isnan"}
_ROUNDING = {"ceil", "floor", "round", "int", "len"}
_SYMMETRIC = {"min", "max", "gcd", "hypot"}
_TEXT = (ast.JoinedStr, ast.Tuple, ast.List)


class Spot(NamedTuple):
    """Where a node stands: its parent and the parent's field."""

    parent: ast.AST
    field: str


def arithmetic(node: ast.AST, spot: Spot) -> Iterator[ast.AST]:
    """Another operator between two numbers, also in `+=`."""
    new = _ARITHMETIC.get(type(getattr(node, "op", None)))  # type: ignore[arg-type]
    if new is None:
        return
    if isinstance(node, ast.BinOp) and not isinstance(node.left, _TEXT):
        yield ast.BinOp(node.left, new(), node.right)
    if isinstance(node, ast.AugAssign):
        yield ast.AugAssign(node.target, new(), node.value)


def removed_term(node: ast.AST, spot: Spot) -> Iterator[ast.AST]:
    """One side of a sum, product, power or union alone."""
    if isinstance(node, ast.BinOp):
        yield node.left
        yield node.right


def boundary(node: ast.AST, spot: Spot) -> Iterator[ast.AST]:
    """< for <= and the like: what happens at the border."""
    yield from _compared(node, _BOUNDARY)


def comparison(node: ast.AST, spot: Spot) -> Iterator[ast.AST]:
    """The opposite comparison."""
    yield from _compared(node, _REVERSED)


def _compared(
    node: ast.AST, table: dict[type[ast.cmpop], type[ast.cmpop]]
) -> Iterator[ast.Compare]:
    if not isinstance(node, ast.Compare):
        return
    for i, op in enumerate(node.ops):
        if type(op) in table:
            ops = [*node.ops[:i], table[type(op)](), *node.ops[i + 1 :]]
            yield ast.Compare(node.left, ops, node.comparators)


def logic(node: ast.AST, spot: Spot) -> Iterator[ast.AST]:
    """`or` for `and`, and one operand left out."""
    if not isinstance(node, ast.BoolOp):
        return
    yield ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)
    for i in range(len(node.values)):
        rest = [*node.values[:i], *node.values[i + 1 :]]
        yield rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest)


def condition(node: ast.AST, spot: Spot) -> Iterator[ast.AST]:
    """A negated condition: the other branch is taken."""
    if spot.field in ("test", "ifs"):
        yield ast.UnaryOp(ast.Not(), node)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield node.operand


def branch(node: ast.AST, spot: Spot) -> Iterator[ast.AST]:
    """One branch of `A if B else C` whatever B is."""
    if isinstance(node, ast.IfExp):
        yield node.body
        yield node.orelse


def constant(node: ast.AST, spot: Spot) -> Iterator[ast.AST]:
    """A number plus or minus 1, doubled or zeroed; True for False."""
    if not isinstance(node, ast.Constant):
        return
    value = node.value
    if isinstance(value, bool):
        yield ast.Constant(not value)
    elif isinstance(value, (int, float)):
        for new in (value + 1, value - 1, 2 * value, 0):
            if new != value:
                yield ast.Constant(new) if new >= 0 else ast.UnaryOp(ast.USub(), ast.Constant(-new))


def prefix(node: ast.AST, spot: Spot) -> Iterator[ast.AST]:
    """The prefix of a unit for its neighbours."""
    if isinstance(node, ast.Constant) and node.value in PREFIXES:
        place = PREFIXES.index(node.value)
        for near in (place - 1, place + 1):
            if 0 <= near < len(PREFIXES):
                yield ast.Constant(PREFIXES[near])


def text(node: ast.AST, spot: Spot) -> Iterator[ast.AST]:
    """A text that loses its words, or a figure that is shown with a digit less."""
    if not (isinstance(node, ast.Constant) and isinstance(node.value, str)):
        return
    digit = re.fullmatch(r"(.*\.)([1-9]\d*|0)([fge%]?)", node.value)
    if digit:
        yield ast.Constant(f"{digit[1]}{abs(int(digit[2]) - 1)}{digit[3]}")
    elif node.value.strip() and node.value not in PREFIXES:
        yield ast.Constant("")


def function(node: ast.AST, spot: Spot) -> Iterator[ast.AST]:
    """max for min, floor for ceil, all for any."""
    if isinstance(node, ast.Name) and node.id in _FUNCTIONS and spot.field == "func":
        yield ast.Name(_FUNCTIONS[node.id], node.ctx)
    if isinstance(node, ast.Attribute) and node.attr in _FUNCTIONS and spot.field == "func":
        yield ast.Attribute(node.value, _FUNCTIONS[node.attr], node.ctx)


def rounding(node: ast.AST, spot: Spot) -> Iterator[ast.AST]:
    """A rounded number off by one; the floor for the ceiling that `-(-a // b)` is."""
    if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in _ROUNDING:
        yield ast.BinOp(node, ast.Add(), ast.Constant(1))
        yield ast.BinOp(node, ast.Sub(), ast.Constant(1))
    if not (isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub)):
        return
    inner = node.operand
    if isinstance(inner, ast.BinOp) and isinstance(inner.op, ast.FloorDiv):
        yield ast.BinOp(ast.UnaryOp(ast.USub(), inner.left), ast.FloorDiv(), inner.right)
        yield ast.BinOp(node, ast.Add(), ast.Constant(1))


def sign(node: ast.AST, spot: Spot) -> Iterator[ast.AST]:
    """A number without its minus."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield node.operand


def swapped(node: ast.AST, spot: Spot) -> Iterator[ast.AST]:
    """Two neighbouring arguments of a call, or elements of a tuple, change places."""
    if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] not in _SYMMETRIC:
        for args in _with_neighbours_swapped(node.args):
            yield ast.Call(node.func, args, node.keywords)
    if isinstance(node, ast.Tuple) and isinstance(node.ctx, ast.Load):
        for elements in _with_neighbours_swapped(node.elts):
            yield ast.Tuple(elements, node.ctx)


def _with_neighbours_swapped(nodes: list[ast.expr]) -> Iterator[list[ast.expr]]:
    for i, (one, other) in enumerate(itertools.pairwise(nodes)):
        yield [*nodes[:i], other, one, *nodes[i + 2 :]]


def dropped(node: ast.AST, spot: Spot) -> Iterator[ast.AST]:
    """A named argument left out, a statement that is made for its effect left out."""
    if isinstance(node, ast.Call):
        for i, word in enumerate(node.keywords):
            if word.arg not in (None, *WORDS_WITHOUT_EFFECT):
                yield ast.Call(node.func, node.args, [*node.keywords[:i], *node.keywords[i + 1 :]])
    if isinstance(node, ast.AugAssign) or (
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
    ):
        yield ast.Pass()


Operator = Callable[[ast.AST, Spot], Iterator[ast.AST]]

OPERATORS: tuple[Operator, ...] = (
    arithmetic,
    removed_term,
    boundary,
    comparison,
    logic,
    condition,
    branch,
    constant,
    prefix,
    text,
    function,
    rounding,
    sign,
    swapped,
    dropped,
)
