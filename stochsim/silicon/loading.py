"""Macros from files: those that come with stochsim, by name, or a file of one's own."""

from importlib import resources
from pathlib import Path
from typing import Any

from stochsim.settings import AnyPath, SettingError, as_path, read_toml
from stochsim.silicon.macro import Condition, Macro, Part
from stochsim.silicon.macro_chip import ChipSetting, MacroChip
from stochsim.silicon.parameter import Parameter

_FOLDER = resources.files("stochsim.silicon") / "presets"
_SECTIONS: dict[str, type] = {
    "conditions": Condition,
    "parameters": Parameter,
    "energy": Part,
    "area": Part,
}


def macros() -> tuple[str, ...]:
    """Names of the macros that come with stochsim.

    >>> from stochsim.silicon import macros
    >>> macros()
    ('colonnade', 'jia', 'neurram', 'sinangil', 'wang')
    """
    names = (entry.name for entry in _FOLDER.iterdir())
    return tuple(sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml")))


def load_macro(name: AnyPath) -> Macro:
    """The macro of this name, or of a file whose name ends with .toml; raises SettingError for an
    unknown name, with the nearest, and for what `Macro` and `Parameter` refuse, with the file.

    >>> from stochsim.silicon import load_macro
    >>> load_macro("neurram").node_nm
    130.0
    """
    if str(name).endswith(".toml"):
        return _tried(as_path("name", name))
    if name not in macros():
        raise SettingError.of("macro", name, "no macro of this name", macros())
    with resources.as_file(_FOLDER / f"{name}.toml") as path:
        return _read(path)


def _tried(path: Path) -> Macro:
    """The macro of a user's file, which has values at its usual conditions, and a chip if any."""
    found = _read(path)
    try:
        found.at()
        if found.chip is not None and not found.chip.none:
            found.hardware()
    except SettingError as error:
        raise error.at(path) from None
    return found


def _read(path: Path) -> Macro:
    table = read_toml(path)
    try:
        for section, kind in _SECTIONS.items():
            if isinstance(table.get(section), dict):
                table[section] = _built(kind, section, table[section])
        if isinstance(table.get("chip"), dict):
            table["chip"] = _chip(table["chip"])
        return Macro.from_table(table)
    except SettingError as error:
        raise error.at(path) from None


def _chip(table: dict[str, Any]) -> MacroChip:
    settings = table.get("settings", {})
    try:
        if isinstance(settings, dict):
            table = {**table, "settings": _built(ChipSetting, "settings", settings)}
        return MacroChip(**table)
    except SettingError as error:
        raise error.inside("chip") from None


def _built(kind: type, section: str, entries: dict[str, Any]) -> dict[str, Any]:
    found = {}
    for name, entry in entries.items():
        if not isinstance(entry, dict):
            raise SettingError.of(name, entry, "should be a table", section=(section,))
        try:
            found[name] = kind(**entry)
        except SettingError as error:
            raise error.inside(section, name) from None
    return found
