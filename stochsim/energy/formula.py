"""The formulas of the price book: a few words of arithmetic, read once into closures.

What is shown is what is evaluated.
"""

import ast
import math
import operator
import warnings
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from stochsim.settings import SettingError

Values = Mapping[str, float]
Evaluator = Callable[[Values], float]

FUNCTIONS: dict[str, Callable[..., float]] = {
    "sqrt": math.sqrt,
    "log": math.log,
    "log2": math.log2,
    "log10": math.log10,
    "exp": math.exp,
    "min": min,
    "max": max,
    "ceil": math.ceil,
    "floor": math.floor,
}
"""The functions that a formula may call: `log` is the natural logarithm, `min` and `max` take two
arguments or more, the others one.
"""

_OPERATORS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    # of floats: no tower of powers hangs, and no root of a negative number turns complex
    ast.Pow: math.pow,
}
_COMPARISONS: dict[type[ast.cmpop], Callable[[float, float], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
MOST_CHARACTERS = 2_000
"""Of one formula, at most."""

MOST_DEEP = 100
"""Levels of operations within each other, at most."""

_WORDS = f"numbers, names, + - * / **, comparisons, A if B else C, {', '.join(FUNCTIONS)}"


@dataclass(frozen=True)
class Formula:
    """An expression over named numbers; `names` are those that it uses."""

    text: str
    names: frozenset[str]
    evaluate: Evaluator = field(compare=False)

    def __call__(self, values: Values) -> float:
        """The value; raises ValueError or ArithmeticError where there is none (a logarithm of 0, an
        overflow).
        """
        return float(self.evaluate(values))


def parse_formula(text: str, names: Collection[str]) -> Formula:
    """Read an expression over `names`; raises SettingError for bad syntax, an unknown name (with
    the nearest) and what is no arithmetic.
    """
    if len(text) > MOST_CHARACTERS:
        raise SettingError.of("", text, f"{len(text)} characters; at most {MOST_CHARACTERS}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of syntax that only a file's own text has
            body = ast.parse(text.strip(), mode="eval").body
        _check_depth(body)
        reader = _Reader(names)
        evaluate = reader.read(body)
    except SettingError as error:
        raise SettingError.of("", text, str(error)) from None
    except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError) as error:
        rule = f"not an expression ({getattr(error, 'msg', error)})"
        raise SettingError.of("", text, rule) from None
    return Formula(text, frozenset(reader.used), evaluate)


def _check_depth(node: ast.AST) -> None:
    """Raise SettingError where operations nest deeper than MOST_DEEP."""
    level: list[ast.AST] = [node]
    for _ in range(MOST_DEEP):
        level = [inside for one in level for inside in ast.iter_child_nodes(one)]
        if not level:
            return
    raise SettingError.of((), rule=f"its operations nest deeper than {MOST_DEEP} levels")


def _constant(value: int | float) -> Evaluator:
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise SettingError.of((), rule="a number in it is not finite: at most 1.8e308")
    return lambda values: number


class _Reader:
    """Turns a syntax tree into closures, and notes which names it meets."""

    def __init__(self, names: Collection[str]) -> None:
        self.names = names
        self.used = set[str]()

    def read(self, node: ast.expr) -> Evaluator:
        match node:
            case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
                return _constant(value)
            case ast.Name(id=name):
                return self._name(name)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                inner = self.read(operand)
                return lambda values: -inner(values)
            case ast.BinOp(op=op) if type(op) in _OPERATORS:
                return self._pair(_OPERATORS[type(op)], node.left, node.right)
            case ast.Compare(ops=[op], comparators=[right]) if type(op) in _COMPARISONS:
                return self._pair(_COMPARISONS[type(op)], node.left, right)
            case ast.IfExp():
                test, yes, no = (self.read(part) for part in (node.test, node.body, node.orelse))
                return lambda values: yes(values) if test(values) else no(values)
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
                return self._call(name, arguments)
        raise SettingError.of("", ast.unparse(node), f"is not allowed; valid: {_WORDS}")

    def _name(self, name: str) -> Evaluator:
        if name not in self.names:
            raise SettingError.of("", name, "unknown name", self.names)
        self.used.add(name)
        return lambda values: values[name]

    def _pair(
        self, function: Callable[[float, float], float], left: ast.expr, right: ast.expr
    ) -> Evaluator:
        first = self.read(left)
        second = self.read(right)
        return lambda values: function(first(values), second(values))

    def _call(self, name: str, nodes: list[ast.expr]) -> Evaluator:
        if name not in FUNCTIONS:
            raise SettingError.of("", name, "unknown function", FUNCTIONS)
        many = name in ("min", "max")
        if many and len(nodes) < 2:
            raise SettingError.of("", name, f"takes at least two arguments, not {len(nodes)}")
        if not many and len(nodes) != 1:
            raise SettingError.of("", name, f"takes one argument, not {len(nodes)}")
        function = FUNCTIONS[name]
        arguments = [self.read(node) for node in nodes]
        return lambda values: function(*(argument(values) for argument in arguments))
