"""Published figures of a macro, one row per number, read from a CSV file."""

import csv
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stochsim.settings import (
    AnyPath,
    SettingError,
    as_path,
    check_choice,
    check_kind,
    read_text,
)
from stochsim.silicon.loading import macros
from stochsim.silicon.macro import CONDITIONS, Macro
from stochsim.silicon.operating_point import OperatingPoint

_TEXT = (
    *("macro", "figure_or_table", "quantity", "unit", "integration", "part", "confidence"),
    *("published_in", "note"),
)
_NUMBERS = (
    *("input_bits", "weight_bits", "output_bits", "voltage_v", "registers", "mean_output"),
    *("value", "fj_per_mac", "ops_per_mac", "scored"),
)
COLUMNS = (*_TEXT, *_NUMBERS)
"""The columns that a file needs; others are not read."""

_PHASES = {"same in both": 1, "one-phase": 1, "two-phase": 2}
_ENERGIES = {
    "energy": ("fJ/MAC", "fJ/OP", "pJ per pass of the array", "pJ per column and 1-bit pass"),
    "efficiency": ("TOPS/W",),
    "energy_share": ("1",),
}
"""Energies and their units; `fj_per_mac` says each in one."""

_SAME = 0.01
"""How near `fj_per_mac` has to be to a value in a unit that says the same, relative."""
_UNITS = {
    ("throughput", "GOPS"): 1e-3,
    ("throughput", "TOPS"): 1.0,
    ("density", "TOPS/mm^2"): 1.0,
    ("latency", "us per pass of the array"): 1e-6,
    ("area", "um^2"): 1.0,
}
"""What turns a value into TOPS, TOPS/mm², s and µm²."""


@dataclass(frozen=True)
class Measured:
    """One published number.

    kind: "energy" (of the whole macro, fJ per MAC), "part" (of one part of it), "speed" (TOPS, s),
    "area" (µm²; TOPS/mm² is a speed), or "task", which no macro model gives. value: in that unit.
    columns: the row as it stands in the file.
    """

    macro: str
    kind: str
    quantity: str
    value: float
    part: str
    conditions: Mapping[str, float]
    is_scored: bool
    columns: Mapping[str, str]

    @property
    def where(self) -> str:
        """Figure and conditions, as a table shows them."""
        given = ", ".join(f"{name} {value:g}" for name, value in self.conditions.items())
        return "; ".join(filter(None, (self.columns["figure_or_table"], given, self.part)))

    def matches(self, wanted: Mapping[str, Any]) -> bool:
        """Whether the row has these values in these columns."""
        return all(_equal(self.columns.get(name, ""), value) for name, value in wanted.items())

    def predicted(self, point: OperatingPoint) -> float:
        """The same figure of a macro's model."""
        if self.kind == "energy":
            return point.per_mac_fj
        if self.kind == "part":
            return point.part_fj(self.part) if self.part in point.energy_j else math.nan
        if self.kind == "area":
            return point.area_um2.get(self.part, math.nan)
        if self.quantity == "latency":
            return point.latency_s
        return point.tops_per_mm2 if self.quantity == "density" else point.tops


def check_rows(rows: object) -> None:
    """Raise SettingError for what is no list of measured rows."""
    rule = "should be Measured rows, as read_measured(path, macro) gives them"
    check_kind("rows", rows, (list, tuple), rule)
    assert isinstance(rows, list | tuple)
    for one in rows:
        check_kind("rows", one, Measured, rule)


def read_measured(path: AnyPath, macro: Macro) -> list[Measured]:
    """The rows of a file that are of this macro, in its order.

    Raises SettingError for a file without the columns COLUMNS, and, with its line, for a number
    that is none, a row that counts another number of operations in a MAC than the macro or whose
    `fj_per_mac` is not what its value says (conventions are not mixed in one table), an unknown
    macro, unit or scored quantity, conditions that cannot be, and a row that stands there twice.

    >>> from stochsim.silicon import load_macro, read_measured
    >>> head = "macro,figure_or_table,quantity,unit,integration,part,confidence,published_in,note,"
    >>> more = "input_bits,weight_bits,output_bits,voltage_v,registers,mean_output,"
    >>> rows = "value,fj_per_mac,ops_per_mac,scored\\nwang,Fig. 23,efficiency,TOPS/W,,,table,,,"
    >>> text = head + more + rows + "8,8,8,0.9,,,20,100,2,1\\n"
    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (folder / "own.csv").write_text(text)
    >>> read_measured(folder / "own.csv", load_macro("wang"))[0].value
    100.0
    """
    check_kind("macro", macro, Macro, "should be a Macro, as load_macro gives one")
    path = as_path("path", path)
    reader = csv.DictReader(io.StringIO(read_text(path)))
    missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
    if missing:
        rule = f"has no column {', '.join(missing)}; valid: {', '.join(COLUMNS)}"
        raise SettingError.of_file(path, rule, 1)
    found: list[Measured] = []
    for row in reader:
        try:
            if row["macro"] != macro.name:
                check_choice("macro", row["macro"], (macro.name, *macros()))
                continue
            one = _measured(row, macro)
            if any(one.columns == other.columns for other in found):
                raise SettingError.of((), rule="the row stands there twice")
            found.append(one)
        except SettingError as error:
            raise error.at(path, reader.line_num) from None
    if not found:
        raise SettingError.of_file(path, f"has no row of macro '{macro.name}'")
    return found


def _measured(row: dict[str, str], macro: Macro) -> Measured:
    numbers = {name: _number(name, row[name] or "") for name in _NUMBERS}
    if numbers["scored"] not in (0, 1):
        raise SettingError.of("scored", row["scored"], "should be 0 or 1")
    counted = numbers["ops_per_mac"]
    if not math.isnan(counted) and counted != macro.ops_per_mac:
        rule = (
            f"one multiply-accumulate is {macro.ops_per_mac} operations in '{macro.name}': "
            "conventions are not mixed in one table"
        )
        raise SettingError.of("ops_per_mac", counted, rule)
    kind, value = _kind_and_value(row, numbers, macro)
    conditions = {
        name: numbers[name]
        for name in CONDITIONS
        if name in macro.conditions and name in numbers and not math.isnan(numbers[name])
    }
    if row["integration"] and "phases" in macro.conditions:
        if row["integration"] not in _PHASES:
            raise SettingError.of("integration", row["integration"], choices=_PHASES)
        conditions["phases"] = _PHASES[row["integration"]]
    if kind == "energy" and "voltage_v" in macro.conditions and "voltage_v" not in conditions:
        raise SettingError.missing("voltage_v", "an energy holds at one supply")
    if kind != "task":
        macro.at(**conditions)  # raises SettingError for conditions that cannot be
    return Measured(
        macro=macro.name,
        kind=kind,
        quantity=row["quantity"],
        value=value,
        part=row["part"],
        conditions=conditions,
        is_scored=numbers["scored"] == 1,
        columns=row,
    )


def _kind_and_value(
    row: dict[str, str], numbers: dict[str, float], macro: Macro
) -> tuple[str, float]:
    quantity, unit = row["quantity"], row["unit"]
    if quantity in _ENERGIES:
        check_choice("unit", unit, _ENERGIES[quantity], f"no unit of '{quantity}'")
        _check_same(unit, numbers, macro)
        return ("part" if row["part"] else "energy"), _above_0("fj_per_mac", numbers)
    known = [name for name, _ in _UNITS]
    if quantity not in known:
        if numbers["scored"]:
            rule = "no figure that a macro gives, so it cannot be scored"
            raise SettingError.of("quantity", quantity, rule, (*_ENERGIES, *known))
        return "task", numbers["value"]
    units = [each for name, each in _UNITS if name == quantity]
    check_choice("unit", unit, units, f"no unit of '{quantity}'")
    kind = "area" if quantity == "area" else "speed"
    return kind, _above_0("value", numbers) * _UNITS[quantity, unit]


def _check_same(unit: str, numbers: dict[str, float], macro: Macro) -> None:
    """Raise SettingError where `fj_per_mac` is not what the value says in its own unit."""
    value = _above_0("value", numbers)
    said = {
        "fJ/MAC": value,
        "fJ/OP": value * macro.ops_per_mac,
        "TOPS/W": 1e3 * macro.ops_per_mac / value,
    }.get(unit)
    if said is not None and not math.isclose(said, numbers["fj_per_mac"], rel_tol=_SAME):
        rule = f"should be {said:.5g}, as {value:g} {unit} says: conventions are not mixed"
        raise SettingError.of("fj_per_mac", numbers["fj_per_mac"], rule)


def _above_0(name: str, numbers: dict[str, float]) -> float:
    if not 0 < numbers[name] < math.inf:
        raise SettingError.of(name, numbers[name], "should be a finite number above 0")
    return numbers[name]


def _number(name: str, text: str) -> float:
    """The number of a cell, NaN where it is empty."""
    if not text:
        return math.nan
    try:
        return float(text)
    except ValueError:
        raise SettingError.of(name, text, "should be a number, or empty") from None


def _equal(cell: str, value: Any) -> bool:
    if isinstance(value, str):
        return cell == value
    return bool(cell) and float(cell) == float(value)
