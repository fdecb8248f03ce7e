"""Studies of a user's own parts in TOML files: functions by name, arrays in files."""

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from stochsim.hardware import Hardware, load_hardware
from stochsim.settings import (
    AnyPath,
    SettingError,
    Settings,
    as_path,
    check_flag,
    errors_in,
    read_toml,
)
from stochsim.studies.custom.axis_targets import may_be_none
from stochsim.studies.custom.custom_study import CustomStudy
from stochsim.studies.custom.data import StudyData, study_data
from stochsim.studies.custom.designs import (
    Between,
    grid_points,
    random_points,
    sobol_points,
    zipped_points,
)
from stochsim.studies.custom.measures import STANDARD_MEASURES, Measure

_KEYS = (
    "version",
    "network",
    "sampler",
    "data",
    "measures",
    "reads",
    "key",
    "hardware",
    "axes",
    "design",
    "skip",
    "objective",
)
_DESIGNS = ("grid", "zip", "random", "sobol")


def read_custom_study(path: AnyPath, allow_code: bool = False) -> CustomStudy:
    """The study with axes in a TOML file.

    network or sampler, and measures of the user's own, functions or Measures, are named
    "module:name", of a module that Python finds or that lies beside the file; data is an npz file
    of arrays stimuli, truth, examples, reference, against. [hardware]: preset or file, and settings
    by dotted address; [axes] values by axis, or {low, high, log, whole} where [design] has kind
    "random" or "sobol", points and key; kind "zip" takes axes in step; [[skip]]: points that are
    left out; [objective] is for `stochsim optimize`. allow_code: whether functions that the file
    names may be imported, and so run. Raises SettingError that names file, line, field and rule.
    """
    path = as_path("path", path)
    table = read_toml(path)
    with errors_in(path):
        return _study(table, path.parent, check_flag("allow_code", allow_code))


def custom_study_of(study: Any, allow_code: bool = False) -> CustomStudy | None:
    """A study with axes, as it is or from its file; None of any other study."""
    if isinstance(study, CustomStudy):
        return study
    if isinstance(study, Settings):
        return None
    path = as_path("study", study)
    return read_custom_study(path, allow_code) if "axes" in read_toml(path) else None


def _study(table: dict[str, Any], folder: Path, allow_code: bool) -> CustomStudy:
    for name in table:
        if name not in _KEYS:
            raise SettingError.unknown(name, _KEYS)
    if table.get("version") != 1:
        raise SettingError.of("version", table.get("version"), "should be 1")
    code = _Code(folder, allow_code)
    named: dict[str, Any] = {
        name: code.function(name, table[name]) for name in ("network", "sampler") if name in table
    }
    plain = {name: table[name] for name in ("reads", "key") if name in table}
    return CustomStudy(
        axes=_points(table),
        skip=table.get("skip", ()),
        data=_data(folder, table),
        measures=[code.measure(one) for one in _listed(table, "measures")],
        hardware=_hardware(table.get("hardware"), folder),
        **named,
        **plain,
    )


class _Code:
    """Functions that a file names."""

    def __init__(self, folder: Path, allowed: bool) -> None:
        self._folder = str(folder.resolve())
        self._allowed = allowed

    def measure(self, name: Any) -> Any:
        """A measure by name, or a function or Measure of the user's."""
        is_own = isinstance(name, str) and ":" in name
        return self._named("measures", name, Measure) if is_own else name

    def function(self, field: str, name: Any) -> Callable[..., Any]:
        """The function of "module:function"."""
        found: Callable[..., Any] = self._named(field, name)
        return found

    def _named(self, field: str, name: Any, others: type | tuple[()] = ()) -> Any:
        """What "module:name" names, a function or one of `others`; raises SettingError for another
        text, where code is not allowed, and for what cannot be imported.
        """
        if not isinstance(name, str) or name.count(":") != 1 or not all(name.split(":")):
            choices = STANDARD_MEASURES if field == "measures" else ()
            raise SettingError.of(field, name, "should be 'module:function'", choices)
        if not self._allowed:
            rule = (
                "is code, which runs when it is imported: read it, then allow it by --allow-code "
                "(in Python allow_code=True)"
            )
            raise SettingError.of(field, name, rule)
        module, function = name.split(":")
        if self._folder not in sys.path:
            sys.path.insert(0, self._folder)
        try:
            found = getattr(importlib.import_module(module), function)
        except Exception as error:  # whatever the module does as it is imported
            rule = f"cannot be imported ({type(error).__name__}: {error})"
            raise SettingError.of(field, name, rule) from None
        if not callable(found) and not isinstance(found, others):
            raise SettingError.of(field, name, "is no function")
        return found


def _listed(table: dict[str, Any], name: str) -> list[Any]:
    if name not in table:
        raise SettingError.missing(name)
    if not isinstance(table[name], list | tuple):
        raise SettingError.of(name, table[name], "should be a list")
    return list(table[name])


def _data(folder: Path, table: dict[str, Any]) -> StudyData:
    """Arrays of an npz file; no Python objects are read."""
    if "data" not in table:
        raise SettingError.missing("data", "the name of an npz file, seen from the study's folder")
    name = table["data"]
    if not isinstance(name, str) or not name.endswith(".npz"):
        raise SettingError.of("data", name, "should be the name of an npz file")
    try:
        with open(folder / name, "rb") as file, np.load(file, allow_pickle=False) as arrays:
            found = {one: arrays[one] for one in arrays.files}
    except (ValueError, OSError, EOFError, KeyError, BadZipFile) as error:
        rule = f"cannot be read ({getattr(error, 'strerror', None) or error})"
        raise SettingError.of("data", name, rule) from None
    return study_data(found)


def _hardware(table: Any, folder: Path) -> Hardware | None:
    if table is None:
        return None
    if not isinstance(table, dict):
        raise SettingError.of("hardware", table, "should be a table, as [hardware] preset = …")
    given = dict(table)
    sources = [name for name in ("preset", "file") if name in given]
    if len(sources) != 1:
        rule = "names one of the two: a preset, or a chip file"
        raise SettingError.of(("preset", "file"), rule=rule, section=("hardware",))
    source = given.pop(sources[0])
    try:
        found = load_hardware(source if sources == ["preset"] else folder / str(source))
        return found.with_(given) if given else found
    except SettingError as error:
        raise error.inside("hardware") from None


def _points(table: dict[str, Any]) -> Any:
    axes, design = table["axes"], dict(table.get("design", {"kind": "grid"}))
    for name in design:
        if name not in ("kind", "points", "key"):
            raise SettingError.unknown(name, ("kind", "points", "key"), section=("design",))
    kind = design.get("kind")
    if kind not in _DESIGNS:
        raise SettingError.of("kind", kind, "is no design", _DESIGNS, section=("design",))
    if not isinstance(axes, dict):
        raise SettingError.of("axes", axes, "should be a table of values by axis")
    flat = _flat(axes)
    if kind in ("grid", "zip"):
        if unused := [name for name in ("points", "key") if name in design]:
            rule = f"belongs to random and Sobol designs, and this one is '{kind}'"
            raise SettingError.of(unused[0], design[unused[0]], rule, section=("design",))
        return grid_points(flat) if kind == "grid" else zipped_points(flat)
    if "points" not in design:
        raise SettingError.missing("points", section=("design",))
    draw = random_points if kind == "random" else sobol_points
    return draw(flat, design["points"], design.get("key", 0))


def _flat(axes: dict[str, Any], before: str = "") -> dict[str, Any]:
    """Axes by dotted name: of [axes.hardware.array] rows = […], "hardware.array.rows"."""
    found: dict[str, Any] = {}
    for name, value in axes.items():
        if isinstance(value, dict) and {"low", "high"} <= set(value):
            found[f"{before}{name}"] = _between(f"{before}{name}", value)
        elif isinstance(value, dict):
            found |= _flat(value, f"{before}{name}.")
        else:
            found[f"{before}{name}"] = _with_none(f"{before}{name}", value)
    return found


def _with_none(name: str, values: Any) -> Any:
    """An axis's values with None for "none", which TOML lacks, where a chip can be without the
    setting, or a network without the format.
    """
    if not isinstance(values, list) or not may_be_none(name):
        return values
    return [None if one == "none" else one for one in values]


def _between(name: str, table: dict[str, Any]) -> Between:
    for one in table:
        if one not in Between._fields:
            raise SettingError.unknown(one, Between._fields, section=("axes", name))
    return Between(**table)
