"""Every mutant of a file: of Python by its syntax tree, of the price book by its numbers and
formulas.

Left out by rule, as no behaviour that a test is meant to pin: documentation, imports, type
annotations (but the bounds of a Field), type aliases, decorators, assertions that narrow a type,
raise statements with their messages, hashes, the order of names asked by `in` or isinstance, and
`strict` and `encoding` of calls.
"""

import ast
import copy
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

from .mutant import Change, Mutant
from .operators import OPERATORS, WORDS_WITHOUT_EFFECT, Spot

Path = tuple[tuple[str, int | None], ...]
"""The way from the root of a tree to a node: fields, and places in those that are lists."""

_OUTSIDE = (ast.Import, ast.ImportFrom, ast.Raise, ast.Assert)
_TYPES = {"Annotated", "Callable", "Literal", "Mapping", "Sequence", "Iterator", "Iterable"}
_TYPES |= {"dict", "frozenset", "list", "set", "tuple", "type"}
_ATOMS = (ast.Constant, ast.Name, ast.Call)
_BOOK_FORMULA = re.compile(r'^((?:formula|define\.\w+) = ")(.*)(")$')
_BOOK_NUMBERS = re.compile(r"^(?:table|parameters|valid\.\w+|voltage_v) = ")
_NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?:e-?\d+)?(?![\w.]| *=)")


class _Place(NamedTuple):
    path: Path
    node: ast.AST
    spot: Spot


def changes(file: str, source: str) -> list[Change]:
    """All mutants of a file with this text, each with the text that comes of it."""
    found = _of_book(file, source) if file.endswith(".toml") else _of_python(file, source)
    seen: Counter[Mutant] = Counter()
    texts = {source}
    kept = []
    for mutant, text in found:
        if text in texts:  # two operators may agree
            continue
        texts.add(text)
        kept.append(Change(mutant.__class__(**vars(mutant) | {"nth": seen[mutant]}), text))
        seen[mutant] += 1
    return kept


def plain(file: str, source: str) -> str:
    """The text with nothing changed, set as mutants are: without comments where it is Python."""
    return source if file.endswith(".toml") else ast.unparse(ast.parse(source))


def definitions(source: str) -> dict[str, range]:
    """Lines of each function and class of a Python text, and of each method as "Class.method"."""
    found = {}
    for node in ast.parse(source).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found[node.name] = range(node.lineno, (node.end_lineno or node.lineno) + 1)
        if isinstance(node, ast.ClassDef):
            for one in node.body:
                if isinstance(one, ast.FunctionDef):
                    lines = range(one.lineno, (one.end_lineno or one.lineno) + 1)
                    found[f"{node.name}.{one.name}"] = lines
    return found


def _of_python(file: str, source: str) -> Iterator[tuple[Mutant, str]]:
    tree = ast.parse(source)
    for path, node, spot in _walk(tree):
        for operator in OPERATORS:
            for new in operator(node, spot):
                before, after = ast.unparse(node), ast.unparse(ast.fix_missing_locations(new))
                if before != after:
                    mutant = Mutant(file, _line(node), operator.__name__, before, after)
                    yield mutant, ast.unparse(_with(tree, path, new))


def _line(node: ast.AST) -> int:
    return int(getattr(node, "lineno", 0))


def _with(tree: ast.AST, path: Path, new: ast.AST) -> ast.AST:
    """A copy of the tree with another node at a place."""
    field, index = path[0]
    rest = path[1:]
    found = copy.copy(tree)
    child: Any = getattr(tree, field)
    old = child if index is None else child[index]
    replacement = _with(old, rest, new) if rest else new
    if index is not None:
        replacement = [*child[:index], replacement, *child[index + 1 :]]
    setattr(found, field, replacement)
    return found


def _walk(node: ast.AST, path: Path = (), silent: bool = False) -> Iterator[_Place]:
    """All nodes within scope; silent: inside a type, where only the bounds of a Field count."""
    for field, value in ast.iter_fields(node):
        children = value if isinstance(value, list) else [value]
        for i, child in enumerate(children):
            if not isinstance(child, ast.AST) or _outside(node, field, child):
                continue
            here = (*path, (field, i if isinstance(value, list) else None))
            quiet = (silent or _is_type(field, child)) and not _is_field(child)
            if not quiet and not _is_order_of_names(node, field, child):
                yield _Place(here, child, Spot(node, field))
            yield from _walk(child, here, quiet)


def _outside(parent: ast.AST, field: str, child: ast.AST) -> bool:
    if isinstance(child, _OUTSIDE) or field == "decorator_list":
        return True
    if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
        return True  # documentation
    if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
        return True
    if isinstance(child, ast.FunctionDef) and child.name == "__hash__":
        return True
    if isinstance(child, ast.Call) and ast.unparse(child.func) == "TypeVar":
        return True
    return isinstance(child, ast.keyword) and child.arg in WORDS_WITHOUT_EFFECT


def _is_type(field: str, child: ast.AST) -> bool:
    if field in ("annotation", "returns", "type"):
        return True
    return (
        isinstance(child, ast.Subscript)
        and isinstance(child.value, ast.Name)
        and child.value.id in _TYPES
    )


def _is_field(child: ast.AST) -> bool:
    return isinstance(child, ast.Call) and ast.unparse(child.func) == "Field"


def _is_order_of_names(parent: ast.AST, field: str, child: ast.AST) -> bool:
    """Whether a tuple is only asked what it has: its order is nothing."""
    if not isinstance(child, ast.Tuple):
        return False
    if isinstance(parent, ast.Compare) and field == "comparators":
        return any(isinstance(op, (ast.In, ast.NotIn)) for op in parent.ops)
    return isinstance(parent, ast.Call) and ast.unparse(parent.func) == "isinstance"


def _of_book(file: str, source: str) -> Iterator[tuple[Mutant, str]]:
    lines = source.splitlines()
    for i, line in enumerate(lines):
        for operator, after in (*_formulas(line), *_numbers(line)):
            text = "\n".join([*lines[:i], after, *lines[i + 1 :]]) + "\n"
            yield Mutant(file, i + 1, operator, line, after), text


def _formulas(line: str) -> Iterator[tuple[str, str]]:
    found = _BOOK_FORMULA.match(line)
    if not found or found[2] == "table":
        return
    tree = ast.parse(found[2], mode="eval")
    for _, node, spot in _walk(tree):
        if not isinstance(node, ast.expr) or node.end_col_offset is None:
            continue
        ahead, behind = found[2][: node.col_offset], found[2][node.end_col_offset :]
        for operator in OPERATORS:
            for new in operator(node, spot):
                text = ast.unparse(ast.fix_missing_locations(new))
                inside = text if isinstance(new, _ATOMS) else f"({text})"
                yield operator.__name__, f"{found[1]}{ahead}{inside}{behind}{found[3]}"


def _numbers(line: str) -> Iterator[tuple[str, str]]:
    if not _BOOK_NUMBERS.match(line):
        return
    for number in _NUMBER.finditer(line):
        value = float(number[0])
        for new in (value + 1, value - 1, 2 * value, 0.0):
            if new != value and new >= 0:
                yield "constant", f"{line[: number.start()]}{new:.10g}{line[number.end() :]}"
