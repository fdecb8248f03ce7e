"""SettingError: one wording, made from data, everywhere in the package."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import stochsim
from stochsim.settings import NOT_SHOWN, SettingError, shown

PACKAGE = Path(stochsim.__file__).parent


@pytest.mark.parametrize(
    ("error", "text", "field"),
    [
        (
            SettingError.of("bits", 13, "should be at most 12"),
            "'bits' = 13: should be at most 12",
            "bits",
        ),
        (
            SettingError.of("array.adc.bits", 13, "too many"),
            "'array.adc.bits' = 13: too many",
            "array.adc.bits",
        ),
        (
            SettingError.of("kind", "dgo", choices=["cat", "dog"]),
            "'kind' = 'dgo': did you mean 'dog'?",
            "kind",
        ),
        (
            SettingError.of("kind", "x", choices=["cat", "dog"]),
            "'kind' = 'x': valid: cat, dog",
            "kind",
        ),
        (
            SettingError.of("kind", "dgo", "no animal", ["cat", "dog"]),
            "'kind' = 'dgo': no animal; did you mean 'dog'?",
            "kind",
        ),
        (
            SettingError.of("bits", 3, "should be less", [1, 2]),
            "'bits' = 3: should be less; valid: 1, 2",
            "bits",
        ),
        (SettingError.of("csv", rule="holds NaN"), "'csv': holds NaN", "csv"),
        (SettingError.of("", 3, "should be a table"), "3: should be a table", ""),
        (SettingError.of("", rule="gives no number"), "gives no number", ""),
        (
            SettingError.of(("low", "high"), (2, 1), "should ascend"),
            "'low' = 2 and 'high' = 1: should ascend",
            "low",
        ),
        (
            SettingError.of(("price", "scaling"), ("a", NOT_SHOWN), "one of both"),
            "'price' = 'a' and 'scaling': one of both",
            "price",
        ),
        (SettingError.of("low", (2, 1), "one number"), "'low' = (2, 1): one number", "low"),
        (SettingError.of("a", None, "belongs to b", also=("b",)), "'a' = None: belongs to b", "a"),
        (SettingError.missing("unit"), "'unit' is missing", "unit"),
        (SettingError.missing("unit", "give it one"), "'unit' is missing: give it one", "unit"),
        (SettingError.missing(("a", "b")), "'a' and 'b' are missing", "a"),
        (
            SettingError.unknown("romms", ["rooms"]),
            "unknown key 'romms': did you mean 'rooms'?",
            "romms",
        ),
        (SettingError.unknown("fom", (), "it has none"), "unknown key 'fom': it has none", "fom"),
        (SettingError.of_file("a.toml", "not valid TOML", 3), "a.toml:3: not valid TOML", ""),
        (SettingError.of_file("a.toml", "cannot be read"), "a.toml: cannot be read", ""),
    ],
)
def test_the_wording(error: SettingError, text: str, field: str) -> None:
    assert str(error) == text
    assert error.field == (tuple(field.split(".")) if field else ())


class Long:
    """An object whose repr is long and on several lines."""

    def __repr__(self) -> str:
        return "<" + "long\n" * 100 + ">"


class Broken:
    """An object without a repr."""

    def __repr__(self) -> str:
        raise RuntimeError("no words")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("x", "'x'"),
        (0.1, "0.1"),
        (np.float64(0.1), "0.1"),
        (np.int32(3), "3"),
        (True, "True"),
        ([1, "a"], "[1, 'a']"),
        (np.zeros((3, 4), np.float32), "array of shape (3, 4), float32"),
        (np.zeros(0), "array of shape (0,), float64"),
        (np.float64("nan"), "nan"),
        ("two\nlines", r"'two\nlines'"),
        (10**5000, "a value of type int that cannot be shown"),
        (Broken(), "a value of type Broken that cannot be shown"),
    ],
    ids=range(12),
)
def test_values_are_shown(value: object, text: str) -> None:
    assert shown(value) == text


@pytest.mark.parametrize(
    "value",
    ["x" * 10_000, list(range(1000)), Long(), {"a": "b" * 500}],
    ids=["text", "list", "object", "table"],
)
def test_long_values_are_cut_to_one_line(value: object) -> None:
    text = shown(value)
    assert len(text) <= 120
    assert "…" in text
    assert "\n" not in text
    assert text[-1] == repr(value)[-1]


def test_errors_need_no_pydantic() -> None:
    code = (
        "import sys; from stochsim.settings import SettingError, StochsimError; "
        "assert 'pydantic' not in sys.modules and 'numpy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# ---- none by hand ----


def _by_hand(source: str) -> Iterator[int]:
    """Lines of calls `SettingError("…")`, or of validators that raise ValueError in its place."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id == "SettingError" and node.args:
                yield node.lineno
            if node.func.id == "ValueError":
                yield node.lineno


def test_no_error_is_written_by_hand() -> None:
    found = [
        f"{path.relative_to(PACKAGE)}:{line}"
        for path in sorted(PACKAGE.rglob("*.py"))
        for line in _by_hand(path.read_text(encoding="utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("raise SettingError(f'{x}: no')", [1]),
        ("x = 1\nraise SettingError('no', faults=[])", [2]),
        ("raise ValueError('no')", [1]),
        ("raise SettingError.of('x', 1, 'no')", []),
        ("raise SettingError(faults=[])", []),
    ],
)
def test_the_search_finds_what_is_written_by_hand(source: str, lines: list[int]) -> None:
    assert list(_by_hand(source)) == lines


@pytest.mark.parametrize("package", ["settings", "hardware"])
def test_no_regular_expressions_read_messages(package: str) -> None:
    reads_toml = PACKAGE / "settings" / "toml_lines.py"  # statements of TOML, no messages
    for path in set((PACKAGE / package).rglob("*.py")) - {reads_toml}:
        assert "import re\n" not in path.read_text(encoding="utf-8"), path


def test_valid_names_of_a_section_are_said_once() -> None:
    """Of sections apart each, and each nearest name by itself."""
    keys = [("xyz", "a"), ("qqq", "a"), ("xyz", "b"), ("romms", "a"), ("rommms", "a")]
    faults = [
        fault
        for key, section in keys
        for fault in SettingError.unknown(key, ["rooms", "doors"], section=(section,)).faults
    ]
    assert str(SettingError(faults=faults)) == (
        "unknown key 'a.xyz': valid: rooms, doors; unknown key 'a.qqq'; "
        "unknown key 'b.xyz': valid: rooms, doors; "
        "unknown key 'a.romms': did you mean 'rooms'?; "
        "unknown key 'a.rommms': did you mean 'rooms'?"
    )
