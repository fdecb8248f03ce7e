"""Programs read from folders: every name, number and array is checked before it is used."""

from typing import Any

import numpy as np

from stochsim.formats import CodeBook, NeuronBooks
from stochsim.program.dynamic_quantizer import BLOCK_SCALES, DynamicQuantizer
from stochsim.program.folders import check_keys, check_types, read_folder
from stochsim.program.layer import (
    ARRAYS_OF_LAYER,
    DYNAMIC_FIELDS,
    FIELDS_OF_LAYER,
    OPTIONAL_FIELDS,
    QUANTIZER_FIELDS,
    WEIGHT_BOOK,
    WEIGHT_SCALES,
    ZERO_POINTS,
    Layer,
)
from stochsim.program.program import Program
from stochsim.program.quantizer import Quantizer
from stochsim.program.wiring import WIRINGS
from stochsim.settings import (
    MOST_RHO,
    AnyPath,
    Arrays,
    SettingError,
    StochsimError,
    as_path,
    strict,
)


def load_program(folder: AnyPath) -> Program:
    """What `Program.save` wrote: the same program, so the same codes by the same key.

    Raises StochsimError that names the folder where files are missing, damaged, of another format,
    kind or version, or say what no program can be.

    >>> import stochsim as ss
    >>> from stochsim.program import random_program
    >>> program, _ = random_program((6, 3), (4, 4, 4), sigma=0.5)
    >>> program.save("my_program")
    >>> ss.load_program("my_program").neurons
    3
    """
    kind, table, arrays = read_folder(as_path("folder", folder), tuple(WIRINGS))
    try:
        return _program(kind, table, arrays)
    except SettingError as error:
        raise StochsimError(f"{folder}: not a program that can be read ({error})") from None


def _program(kind: str, table: dict[str, Any], arrays: Arrays) -> Program:
    wiring = WIRINGS[kind]
    check_keys("program", table, ("layers", "rho", *wiring.stored_numbers()))
    layers, used = read_layers(table["layers"], arrays)
    own = {name: f"wiring.{name}" for name in wiring.stored_arrays()}
    strict.only_arrays(arrays, used.union(own.values()))
    for name in own.values():
        _check_reals(name, arrays)
    rho = strict.number("program.rho", table["rho"], 0.0, MOST_RHO)
    fields = {name: table[name] for name in wiring.stored_numbers()}
    check_types("program", fields, wiring.stored_numbers())
    fields |= {name: arrays[stored] for name, stored in own.items()}
    return Program(layers, wiring(**fields), rho)


def read_layers(given: Any, arrays: Arrays) -> tuple[dict[str, Layer], set[str]]:
    """All layers by name, and the names of the arrays that they take; raises SettingError for what
    no layer can be.
    """
    layers: dict[str, Layer] = {}
    used: set[str] = set()
    for i, row in enumerate(strict.items("program.layers", given)):
        has = row if isinstance(row, dict) else {}
        more = tuple(field for field in OPTIONAL_FIELDS if field in has)
        check_keys(f"layers.{i}", row, ("name", *FIELDS_OF_LAYER, *more))
        name = strict.text(f"layers.{i}.name", row["name"])
        if name in layers:
            raise SettingError.of(f"layers.{i}.name", name, "another layer has this name")
        own = {field: row[field] for field in (*FIELDS_OF_LAYER, *more)}
        stored = _arrays_of(own, name, arrays)
        layers[name] = _read_layer(own, name, arrays)
        used |= {f"layers.{name}.{field}" for field in stored}
    return layers, used


def _check_reals(name: str, arrays: Arrays) -> None:
    """Raise SettingError unless an array is there and holds finite float64."""
    if name not in arrays:
        raise SettingError.missing(name, section=("arrays",))
    found = arrays[name]
    if found.dtype != np.float64 or not np.isfinite(found).all():
        raise SettingError.of(name, found, "should be finite float64", section=("arrays",))


def _arrays_of(table: dict[str, Any], name: str, arrays: Arrays) -> dict[str, Any]:
    """The arrays that a layer has, with their types: scales where its table has none, zero points
    where they are there.
    """
    own: dict[str, Any] = {WEIGHT_SCALES: np.float64} if table["weight_scale"] is None else {}
    if f"layers.{name}.{ZERO_POINTS}" in arrays:
        own[ZERO_POINTS] = np.int16
    return ARRAYS_OF_LAYER | own


def _read_layer(table: dict[str, Any], name: str, arrays: Arrays) -> Layer:
    """The layer of this name again; raises SettingError for what does not fit or is missing."""
    where = f"layers.{name}"
    stored = _arrays_of(table, name, arrays)
    given = {field: value for field, value in table.items() if value is not None}
    types = FIELDS_OF_LAYER | OPTIONAL_FIELDS
    check_types(where, given, {field: types[field] for field in given})
    for side in ("input", "output"):
        has = table[side] if isinstance(table[side], dict) else {}
        own: dict[str, type] = {"book": dict} if "book" in has else {}
        own |= DYNAMIC_FIELDS if BLOCK_SCALES in has else {}
        check_types(f"{where}.{side}", table[side], QUANTIZER_FIELDS | own)
    for field in sorted(stored):
        if f"{where}.{field}" not in arrays:
            raise SettingError.missing(f"{where}.{field}", section=("arrays",))
    found = {field: arrays[f"{where}.{field}"] for field in stored}
    for field, dtype in stored.items():
        if found[field].dtype != dtype:
            rule = f"should be {np.dtype(dtype)}"
            raise SettingError.of(f"{where}.{field}", found[field], rule)
    try:
        quantizers = {side: _read_quantizer(side, table[side]) for side in ("input", "output")}
        if WEIGHT_SCALES in found:
            found["weight_scale"] = found.pop(WEIGHT_SCALES)
        books = (
            {WEIGHT_BOOK: CodeBook.from_table(table[WEIGHT_BOOK])} if WEIGHT_BOOK in table else {}
        )
        return Layer(**(table | quantizers | found | books))
    except SettingError as error:
        raise error.inside("layers", name) from None


def _read_quantizer(side: str, table: dict[str, Any]) -> Quantizer:
    try:
        if "book" in table:
            kind = NeuronBooks if "books" in table["book"] else CodeBook
            table = table | {"book": kind.from_table(table["book"])}
        return (DynamicQuantizer if BLOCK_SCALES in table else Quantizer)(**table)
    except SettingError as error:
        raise error.inside(side) from None
