"""Hostile values, every place of a table where they can stand, and a judge of what comes of it."""

import copy
import json
import math
import struct
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from stochsim.settings import StochsimError

Place = tuple[str | int, ...]
GONE = object()
"""In place of a value: the key is taken away."""


def texts(canary: Path) -> list[str]:
    """Strings that would run code, leave a folder, break a format, or exhaust what reads them."""
    touch = f"__import__('os').system('touch {canary}')"
    return [
        touch,
        f"x={touch}",
        f"x); {touch}  #",
        f'x"); {touch}  #',
        f"x\n    {touch}\n",
        f"x\r\n\timport os; os.system('touch {canary}')",
        f"self.{touch}",
        f"*args, y={touch}",
        f"[{touch} for _ in (1,)]",
        f"$(touch {canary})",
        f"`touch {canary}`",
        f"'; import os; os.system('touch {canary}'); '",
        "os.system",
        "builtins.exec",
        "torch.hub.load",
        "torch.load",
        "forward",
        "__class__",
        "a.b.__init__",
        "__class__.__init__.__globals__",
        "_modules",
        "{0.__class__.__mro__}",
        "%s%n%x",
        "../../../../etc/passwd",
        "/etc/passwd",
        "/dev/zero",
        "..",
        ".",
        "",
        "\x00",
        "a\x00b",
        "\u202eexec",
        "ｅｘｅｃ",
        "é́",
        "A" * 100_000,
        "(" * 5_000 + ")" * 5_000,
        "9**9**9",
        "1e999",
        "NaN",
        "True",
        "0",
    ]


def values() -> list[Any]:
    """Values of the wrong type or size."""
    return [
        None,
        True,
        -1,
        0,
        2**31,
        2**63,
        -(2**63),
        2**64,
        10**400,
        -0.5,
        0.0,
        1e308,
        5e-324,
        math.nan,
        math.inf,
        [],
        {},
        [None],
        [[[[[[1]]]]]],
        {"node": "x"},
        {"tuple": [2**40, 2**40]},
        {"slice": [0, 0, 0]},
        {"": ""},
        [10**9] * 4,
        list(range(200)),
        nested(200),
    ]


def nested(levels: int) -> Any:
    """A list in a list in a list …"""
    found: Any = 1
    for _ in range(levels):
        found = [found]
    return found


def places(table: Any, here: Place = ()) -> Iterator[Place]:
    """Every place of a table, those of lists and tables themselves too."""
    if here:
        yield here
    pairs: list[tuple[Any, Any]] = []
    if isinstance(table, dict):
        pairs = list(table.items())
    elif isinstance(table, list):
        pairs = list(enumerate(table))
    for key, inside in pairs:
        yield from places(inside, (*here, key))


def changed(table: Any, place: Place, value: Any) -> Any:
    """A copy with another value there, or none."""
    table = copy.deepcopy(table)
    inner, last = _inner(table, place)
    if value is GONE:
        del inner[last]
    else:
        inner[last] = value
    return table


def renamed(table: Any, place: Place, name: str) -> Any:
    """A copy in which the key there, of a table, has another name."""
    table = copy.deepcopy(table)
    inner, last = _inner(table, place)
    if isinstance(inner, dict):
        inner[name] = inner.pop(last)
    return table


def beside(table: Any, place: Place, name: str) -> Any:
    """A copy with one more key beside it, of the same value."""
    table = copy.deepcopy(table)
    inner, last = _inner(table, place)
    if isinstance(inner, dict):
        inner[name] = inner[last]
    else:
        inner.append(inner[last])
    return table


def _inner(table: Any, place: Place) -> tuple[Any, Any]:
    *way, last = place
    for key in way:
        table = table[key]
    return table, last


def variants(table: Any, canary: Path, each: int | None = None) -> Iterator[Any]:
    """The table with a hostile value, name or neighbour at every place: all of them, or this many
    at each place, in turn, so that every value is used somewhere.
    """
    words, others = texts(canary), values()
    ways: list[Callable[[Place], Any]] = [
        *(lambda place, v=value: changed(table, place, v) for value in (*words, *others, GONE)),
        *(lambda place, n=name: renamed(table, place, n) for name in words),
        *(lambda place, n=name: beside(table, place, n) for name in words),
    ]
    order = np.random.default_rng(0).permutation(len(ways))  # so that neighbours differ in kind
    count = len(ways) if each is None else each
    for number, place in enumerate(places(table)):
        for i in range(count):
            yield ways[order[(number * count + i) % len(ways)]](place)


def judged(act: Callable[[], Any], canary: Path, seen: Any) -> str:
    """ "loaded" or "refused"; fails where the canary is there, or another error comes up."""
    outcome = "loaded"
    said = "nothing"
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")  # numbers without bounds overflow, which is no fault
            act()
    except StochsimError as error:
        outcome = "refused"
        said = str(error)
    except Exception as error:
        raise AssertionError(f"{type(error).__name__}: {error}, of {str(seen)[:3000]}") from error
    assert said, f"an error without words, of {str(seen)[:3000]}"
    assert not canary.exists(), f"the canary was made by {str(seen)[:3000]}"
    return outcome


def dumped(table: Any) -> bytes:
    """JSON of any table, numbers without end and half surrogates too."""
    return json.dumps(table).encode()


def tensors_of(whole: bytes) -> tuple[dict[str, Any], bytes]:
    """The header and the numbers of a safetensors file."""
    end = 8 + struct.unpack("<Q", whole[:8])[0]
    header: dict[str, Any] = json.loads(whole[8:end])
    return header, whole[end:]


def with_header(header: Any, numbers: bytes) -> bytes:
    """A safetensors file of this header."""
    text = dumped(header)
    return struct.pack("<Q", len(text)) + text + numbers
