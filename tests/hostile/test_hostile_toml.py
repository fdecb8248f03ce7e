"""Chips, price books, studies and searches with hostile text and values at every place run nothing,
and formulas are arithmetic alone.
"""

import contextlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import tinyoptimize
import tinystudy
import tomli_w
from hostilefiles import HERE, all_judged
from hostilevalues import judged, texts, variants

from stochsim.energy.formula import parse_formula
from stochsim.energy.price_book import read_book
from stochsim.hardware import Hardware
from stochsim.search.request import Request
from stochsim.settings import SettingError
from stochsim.studies import Study

CHIP: dict[str, Any] = {
    "name": "mine",
    "inherits": "rram-array",
    "without": ["random"],
    "random": {"random_bits_per_code": 0},
    "sources": ["mine"],
    "noise": {"read_sigma_lsb": 0.1, "measured_csv": ""},
    "array": {
        "rows": 32,
        "cells": {"device": "rram-wan", "age_s": 10.0},
        "adc": {"bits": 6, "range": "full"},
    },
    "prices": {
        "adc": "mine",
        "parameters": {"adc": {"a": 1.0}},
        "own": {
            "mine": {
                "kind": "adc",
                "formula": "a * 2 ** bits + b",
                "define": {"b": "sqrt(bits)"},
                "unit": "fJ per conversion",
                "source": "me",
                "tag": "user",
                "valid": {"bits": [1, 10]},
                "parameters": {"a": 1.0},
            }
        },
    },
}


def test_chips(tmp_path: Path, canary: Path) -> None:
    read_toml_of(CHIP, tmp_path, canary, Hardware.read, 400)


def test_studies(tmp_path: Path, canary: Path) -> None:
    def read(path: Path) -> None:
        study = Study.read(path)
        hardware = study.hardware.resolve(path.parent)
        study.check(hardware)

    read_toml_of(tinystudy.TINY, tmp_path, canary, read, 150)


def test_searches(tmp_path: Path, canary: Path) -> None:
    read_toml_of(tinyoptimize.TINY, tmp_path, canary, Request.read, 200)


def test_price_books(tmp_path: Path, canary: Path) -> None:
    entry = {**CHIP["prices"]["own"]["mine"], "parameters": {"a": 1.0}}
    table = {
        "prices": {"mine": entry},
        "facts": {"one": {"what": "w", "value": 1.0, "unit": "u", "source": "s", "tag": "user"}},
    }
    read_toml_of(table, tmp_path, canary, read_book, 150)


def read_toml_of(
    table: dict[str, Any], folder: Path, canary: Path, read: Callable[[Path], Any], count: int
) -> None:
    """Every variant that TOML can say."""
    path = folder / "file.toml"

    def act(text: str) -> None:
        path.write_text(text, encoding="utf-8")
        read(path)

    def written() -> Iterable[str]:
        for one in variants(table, canary, 2 * HERE):
            with contextlib.suppress(TypeError, ValueError):  # TOML has no None
                yield tomli_w.dumps(one)

    act(tomli_w.dumps(table))
    all_judged(written(), act, canary, count)


TOML = {
    "nested": "a = " + "[" * 50_000,
    "deep": "a = " + "[" * 60 + "]" * 60,
    "digits": "a = " + "9" * 5_000,
    "large": "name = " + "9" * 400,
    "twice": "a = 1\na = 2",
    "tables": "[" + ".".join("a" * 2_000) + "]\nx = 1",
}


@pytest.mark.parametrize("name", TOML)
@pytest.mark.parametrize("read", [Hardware.read, Study.read, Request.read, read_book])
def test_texts_that_are_no_toml(name: str, read: Any, tmp_path: Path) -> None:
    path = tmp_path / "file.toml"
    path.write_text(TOML[name])
    with pytest.raises(SettingError, match=r"file\.toml:?.* not valid TOML"):
        read(path)


FORMULAS = (
    "9**9**9**9",
    "9**999999999",
    "1" + "0" * 5_000,
    "1" + "0" * 400,
    "-" * 10_000 + "1",
    "(" * 300 + "1" + ")" * 300,
    "+".join(["1"] * 900),
    "1 if 1 else " * 150 + "1",
    "a.__class__",
    "a['x']",
    "[a for a in (1,)]",
    "(lambda: 1)()",
    "f'{a}'",
    "print(a)",
    "sqrt(x=1)",
    "min(*a)",
    "(a := 1)",
    "max(" * 120 + "1,1" + ",1)" * 120,
    "1 < 2 < 3",
    "'a' * 10**9",
    "b'a'",
    "1j",
    "...",
    "True",
)


def test_formulas(canary: Path) -> None:
    """Arithmetic alone; a tower of powers is an overflow, and at once."""

    def act(text: str) -> None:
        with contextlib.suppress(ValueError, ArithmeticError):  # as every caller expects
            parse_formula(text, ["a"])({"a": 2.0})

    found = {
        text: judged(lambda t=text: parse_formula(t, ["a"]), canary, text)
        for text in (*FORMULAS, *texts(canary))
    }
    loaded = {text for text, outcome in found.items() if outcome == "loaded"}
    assert loaded == {"9**9**9**9", "9**999999999", "9**9**9", "0"}
    for text in loaded:
        act(text)
    assert not canary.exists()
