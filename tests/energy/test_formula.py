"""Formulas of the price book: arithmetic as Python does it, and nothing else."""

import math
from typing import Any

import pytest

from stochsim.energy.formula import FUNCTIONS, parse_formula
from stochsim.settings import SettingError, shown

VALUES = {"bits": 6.0, "V": 0.9, "node_nm": 32.0}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1.5", 1.5),
        ("-bits**2", -36.0),
        ("2**-bits", 2**-6),
        ("2**3**2", 512.0),
        ("(100*bits + 0.001*4**bits) * V**2", (600 + 0.001 * 4096) * 0.9**2),
        ("bits - 2 - 1", 3.0),
        ("7/2/bits", 7 / 12),
        ("0 if bits <= 6 else 1", 0.0),
        ("1 if bits != 6 else 2 if V < 1 else 3", 2.0),
        ("min(bits, V, node_nm) + max(bits, 7)", 7.9),
        ("ceil(V) + floor(V)", 1.0),
        (
            "sqrt(bits) + log(bits) + log2(bits) + log10(bits) + exp(V)",
            6**0.5 + math.log(6) + math.log2(6) + math.log10(6) + math.exp(0.9),
        ),
    ],
)
def test_values_are_those_of_arithmetic(text: str, expected: float) -> None:
    formula = parse_formula(text, VALUES)
    assert formula(VALUES) == pytest.approx(expected, rel=1e-15)
    assert formula.names == {name for name in VALUES if name in text}


def test_a_branch_that_is_not_taken_is_not_evaluated() -> None:
    assert parse_formula("0 if bits <= 6 else log(0)", VALUES)(VALUES) == 0


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("3*bitz", "'bitz': unknown name; did you mean 'bits'"),
        ("sqroot(bits)", "'sqroot': unknown function; did you mean 'sqrt'"),
        ("bits(2)", "'bits': unknown function; valid: sqrt"),
        ("__import__('os')", "'__import__': unknown function"),
        ("bits.real", "'bits.real': is not allowed"),
        ("().__class__", "is not allowed"),
        ("[bits]", "is not allowed"),
        ("bits[0]", "is not allowed"),
        ("lambda: 1", "is not allowed"),
        ("'text'", "is not allowed"),
        ("True", "is not allowed"),
        ("1j", "is not allowed"),
        ("bits // 2", "is not allowed"),
        ("bits % 2", "is not allowed"),
        ("bits and V", "is not allowed"),
        ("0 < bits < 3", "is not allowed"),
        ("min(*bits, V)", "is not allowed"),
        ("log(bits, base=2)", "is not allowed"),
        ("(x := 3)", "is not allowed"),
        ("log(bits, 2)", "'log': takes one argument, not 2"),
        ("max(bits)", "'max': takes at least two arguments, not 1"),
        ("3*", "not an expression"),
        ("", "not an expression"),
        ("a = 3", "not an expression"),
        ("import os", "not an expression"),
        ("(" * 300 + "1" + ")" * 300, "not an expression"),
    ],
)
def test_what_is_no_arithmetic_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(SettingError) as caught:
        parse_formula(text, VALUES)
    assert str(caught.value).startswith(f"{shown(text)}: ")
    assert complaint in str(caught.value)


@pytest.mark.parametrize(
    "text",
    ["log(bits - 6)", "sqrt(-bits)", "(-bits)**V", "1/(bits - 6)", "9**9**9**9", "exp(1000*bits)"],
)
def test_what_has_no_value_raises_at_once(text: str) -> None:
    with pytest.raises((ValueError, ArithmeticError)):
        parse_formula(text, VALUES)(VALUES)


def test_no_function_reaches_out() -> None:
    allowed: set[Any] = {
        math.sqrt,
        math.log,
        math.log2,
        math.log10,
        math.exp,
        math.ceil,
        math.floor,
        min,
        max,
    }
    assert set(FUNCTIONS.values()) == allowed


def test_formulas_of_one_text_are_equal() -> None:
    first, again = (parse_formula("2*bits", ("bits",)) for _ in range(2))
    assert first == again
    assert first != parse_formula("3*bits", ("bits",))
