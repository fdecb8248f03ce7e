"""Wrong values in place of right ones: what mutates an argument of a call or a value of a file."""

import decimal
import fractions
import math
import pathlib
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

Random = np.random.Generator

_MOST_SHOWN = 10**6
WHOLE = (0, -1, 1, 2, 9, 65, 2**31 - 1, 2**31, 2**32, 2**53 + 1, 2**63, 2**64, 10**30, 10**400)
REAL = (
    *(0.0, -0.0, -1.0, 0.5, 1e-320, 5e-324, 1e-38, 1e38, 3.5e38, 1e300, 1e308, -1e308),
    *(math.nan, math.inf, -math.inf),
)
TEXT = (
    *("", " ", "x", "a\x00b", "\x1b[31mred", "A" * 5_000, "é́", "\ud800", "../..", "/dev/zero"),
    *("__class__", "nan", "0", "None", "{0}", "%s", "a.b.c", "a" * 300, "digital-45nm\n"),
)
OTHERS: tuple[Any, ...] = (
    *(None, True, False, 1j, b"bytes", (), [], {}, set(), object(), object, len, ..., range(3)),
    *(np.float16(2), np.int8(3), np.uint64(2**64 - 1), np.longdouble(0.5), np.bool_(True)),
    *(np.str_("x"), np.datetime64("2026-01-01"), np.array(3), np.array([]), np.array(["a"])),
    *(decimal.Decimal("0.5"), fractions.Fraction(1, 2), pathlib.Path("x"), [1, "a"], [[1], [2, 3]]),
    *({"a": 1}, {1: 2}, {"": {}}, [None], lambda *a, **k: None, NotImplemented, Exception("x")),
)
"""Values of other types; `lambda` and `len` can be called, and give nothing of use."""


def _tensors(array: np.ndarray) -> list[Any]:
    """The array as tensors that NumPy does not take as they are."""
    made: list[Any] = []
    if array.dtype.kind in "fiu" and array.dtype.isnative and array.ndim:
        plain = torch.from_numpy(np.ascontiguousarray(array).astype(np.float32))
        made = [
            plain,
            plain.clone().requires_grad_(),
            plain.bfloat16(),
            plain.half(),
            plain.to(torch.complex64),
            plain.to_sparse(),
            plain.to("meta"),
            plain > 0,
            torch.nn.Parameter(plain),
        ]
    return made


def _same_numbers(array: np.ndarray) -> list[Any]:
    """The same numbers in another form: taken, or refused, but never something else."""
    wide = np.repeat(array, 2, axis=0) if array.ndim else array
    return [
        array.tolist(),
        tuple(array.tolist()) if array.ndim else array.item(),
        array[::-1] if array.ndim else array,
        wide[::2] if array.ndim else array,
        np.asfortranarray(array),
        array.astype(array.dtype.newbyteorder()),
        array.astype(object),
        array.astype(np.float16),
        array.astype(np.longdouble),
        array.astype(np.complex128),
        array.astype(str),
        np.matrix(array) if array.ndim == 2 else array,
        np.ma.masked_array(array, mask=False),
        np.ma.masked_array(array, mask=np.arange(array.size).reshape(array.shape) == 0),
        memoryview(np.ascontiguousarray(array).data),
        *_tensors(array),
    ]


def _other_shapes(array: np.ndarray) -> list[Any]:
    rows = array[:1] if array.ndim else array
    return [
        rows,
        array[:0] if array.ndim else array,
        array[..., :-1] if array.ndim else array,
        array[..., :0] if array.ndim else array,
        array[None],
        array[..., None],
        array.T,
        array.ravel(),
        np.concatenate([array, array]) if array.ndim else array,
        np.concatenate([array, array], axis=-1) if array.ndim else array,
        np.broadcast_to(rows, (7, *rows.shape[1:])) if array.size else array,
        np.broadcast_to(np.float64(1), (10**2, 10**2)),
        np.zeros((0,)),
        np.float64(1),
        np.zeros(array.shape, dtype="datetime64[s]"),
        np.zeros(array.shape, dtype=[("a", float)]),
    ]


def _other_entries(array: np.ndarray, random: Random) -> list[Any]:
    made = []
    if array.size and array.dtype.kind in "fiu":
        entry = int(random.integers(array.size))
        for value in (*REAL, 127, -128, 1000):
            one = array.astype(np.float64)
            one.flat[entry] = value
            made.append(one)
            made.append(np.full(array.shape, float(value)))
    return made


def array_mutant(array: np.ndarray, random: Random) -> Any:
    """An array in another form, of another shape, or with other entries."""
    kinds = (_same_numbers, _other_shapes, lambda one: _other_entries(one, random))
    with np.errstate(all="ignore"):
        found = kinds[int(random.integers(3))](array) or [None]
    return found[int(random.integers(len(found)))]


def _number_mutant(value: Any, random: Random) -> Any:
    near = [value + 1, value - 1, -value, value * 2, str(value), [value], np.array([value])]
    if abs(value) < 1e300:
        near += [value / 2, np.float32(value), np.float64(value)]
    pools: tuple[Any, ...] = (WHOLE, REAL, near)
    return _one(pools[int(random.integers(3))], random)


def _one(pool: Any, random: Random) -> Any:
    return pool[int(random.integers(len(pool)))]


def _text_mutant(text: str, random: Random) -> Any:
    near = (
        text.upper(),
        text + "x",
        text[:-1],
        text * 2,
        f" {text}",
        text.encode(errors="replace"),
        [text],
        text[::-1],
    )
    return _one(_one((TEXT, near), random), random)


def _table_mutant(table: Mapping[Any, Any], random: Random) -> Any:
    found = dict(table)
    way = int(random.integers(4))
    if not found or way == 0:
        found[_one((*TEXT, 3, None, (1, 2)), random)] = 1
        return found
    key = _one(list(found), random)
    if way == 1:
        del found[key]
    elif way == 2:
        found[_one((*TEXT, f"{key}x"), random)] = found.pop(key)
    else:
        found[key] = mutant(found[key], random)
    return found


def _list_mutant(values: Any, random: Random) -> Any:
    found = list(values)
    way = int(random.integers(4))
    if not found or way == 0:
        return type(values)([*found, _one((*OTHERS, *WHOLE), random)])
    place = int(random.integers(len(found)))
    if way == 1:
        del found[place]
    elif way == 2:
        found.append(found[place])
    else:
        found[place] = mutant(found[place], random)
    return type(values)(found)


def mutant(value: Any, random: Random) -> Any:
    """Something else in place of a value: near it in kind three times out of four."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _mutant(value, random)
    except (ValueError, TypeError, ArithmeticError, RuntimeError):  # a mutant cannot be so mutated
        return _one(OTHERS, random)


def _mutant(value: Any, random: Random) -> Any:
    if random.random() < 0.25:
        return _one((*OTHERS, *REAL, *WHOLE, *TEXT), random)
    if (
        isinstance(value, torch.Tensor)
        and type(value) is torch.Tensor
        and value.is_floating_point()
    ):
        value = np.zeros(value.shape, np.float32) if value.is_meta else value.detach().to_dense()
        value = np.asarray(value.float() if isinstance(value, torch.Tensor) else value)
    if isinstance(value, np.ndarray) and value.size < _MOST_SHOWN:
        return array_mutant(value, random)
    if isinstance(value, bool) or value is None:
        return _one((*OTHERS, *WHOLE, *TEXT), random)
    if isinstance(value, int | float):
        return _number_mutant(value, random)
    if isinstance(value, str):
        return _text_mutant(value, random)
    if isinstance(value, Mapping):
        return _table_mutant(value, random)
    if type(value) in (list, tuple):
        return _list_mutant(value, random)
    return _one((*OTHERS, value.__class__, [value], {"a": value}, str(type(value))), random)


def shown(value: Any) -> str:
    """A value in a few words, for a record of what was tried."""
    if isinstance(value, np.ndarray) and value.size < _MOST_SHOWN:
        flat: list[Any] = list(value.ravel()[:4]) if value.size < _MOST_SHOWN else []
        return f"{type(value).__name__}{value.shape} {value.dtype} {flat}"[:120]
    try:
        return f"{type(value).__name__} {value!r}"[:120]
    except Exception as error:  # a value that cannot even be shown
        return f"{type(value).__name__} ({type(error).__name__} when shown)"
