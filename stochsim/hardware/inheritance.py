"""Chip files: TOML, one chip each, which may inherit from a preset or from another file; an error
names file and line.

`inherits = "rram-array"` takes a preset, `inherits = "base.toml"` a file relative to the one that
says so. Tables are merged key by key, the heir's first; `name` and `description` are each file's
own; `sources` are appended. `without = ["array.cells.age_s", "memory"]` drops keys or sections of
the base before the heir's own are merged. An heir that names another price does not inherit the
parameters of the old.
"""

import copy
import difflib
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stochsim.hardware.measured_files import is_file, with_measured_files
from stochsim.settings import Fault, Place, SettingError, line_of, nearest, read_toml

PRESETS = Path(__file__).parent / "presets"
INHERITS, WITHOUT = "inherits", "without"
_MOST_CHARACTERS = 1_000
_SYNTAX_LINE = re.compile(r": (not valid TOML .*at line (\d+),.*)", re.DOTALL)


def presets() -> tuple[str, ...]:
    """Names of the chips that come with the package."""
    return tuple(sorted(path.stem for path in PRESETS.glob("*.toml")))


def preset_path(name: str) -> Path:
    """The file of a preset; raises SettingError that names the nearest one."""
    if name not in presets():
        raise SettingError(f"hardware preset '{name}' is unknown: {nearest(name, presets())}")
    return PRESETS / f"{name}.toml"


@dataclass(frozen=True)
class ChipFile:
    """One file: its path, its text and its own table."""

    path: Path
    text: str
    table: dict[str, Any]

    @property
    def label(self) -> str:
        """The preset's name, or the file's."""
        return self.path.stem if self.path.parent == PRESETS else self.path.name

    @property
    def dropped(self) -> list[Place]:
        """The places of its base that it does without."""
        return [tuple(name.split(".")) for name in self.table.get(WITHOUT, [])]

    def error(self, place: Place, rule: str) -> SettingError:
        """An error of this file, on the line of `place`, or of the section that should have it."""
        fault = Fault((), rule, (place,))
        return SettingError(f"{self.path}:{self.line(place) or 1}: {rule}", faults=[fault])

    def line(self, place: Place) -> int | None:
        """The line of `place`, or of the innermost section of it that the file has."""
        lines = (line_of(self.text, place[:length]) for length in range(len(place), 0, -1))
        return next((line for line in lines if line is not None), None)


@dataclass(frozen=True)
class ChipFiles:
    """A chip's file and those it inherits from, one after the other; the chip's own comes first."""

    files: tuple[ChipFile, ...]

    @property
    def chain(self) -> tuple[str, ...]:
        """Names of the chip's file, of what it inherits from, and so on."""
        return tuple(file.label for file in self.files)

    def table(self) -> dict[str, Any]:
        """The whole table, merged, with the text of the CSV files that it names."""
        whole: dict[str, Any] = {}
        for base, file in zip((None, *self.files[::-1]), self.files[::-1], strict=False):
            whole = _merged(_without(whole, file), _own_table(file, base))
        return whole

    def located(self, error: SettingError) -> SettingError:
        """The same error, each of its faults with the file and the line on which the offending key
        stands.
        """
        if not error.faults:
            return SettingError(f"{self.files[0].path}: {error}")
        return SettingError(
            "; ".join(self._located(fault) for fault in error.faults), faults=error.faults
        )

    def _located(self, fault: Fault) -> str:
        file, line = self._find(fault)
        inherited = f" ({' -> '.join(self.chain)})" if file is not self.files[0] else ""
        return f"{file.path}:{line}: {fault.full_text}{inherited}"

    def _find(self, fault: Fault) -> tuple[ChipFile, int]:
        """The first file, the heir before its base, with a key that the fault is about; else with
        the innermost section around one.
        """
        keys = [
            (*place, word) for place in fault.places for word in re.findall(r"'(\w+)'", fault.text)
        ]  # as of a price's parameters
        sections = [
            place[:length]
            for place in (*fault.places, fault.section)
            for length in range(len(place) - 1, 0, -1)
        ]
        return (
            self._first(keys)
            or self._first(fault.places)
            or self._first([fault.section, *sections])
            or (self.files[0], 1)
        )

    def _first(self, places: Collection[Place]) -> tuple[ChipFile, int] | None:
        for file in self.files:
            for place in filter(None, places):
                line = line_of(file.text, place)
                if line is None and any(place[: len(gone)] == gone for gone in file.dropped):
                    line = line_of(file.text, (WITHOUT,))
                if line is not None:
                    return file, line
        return None


def read_chip_files(path: Path, fields: Collection[str]) -> ChipFiles:
    """Read a chip's file and those it inherits from; `fields` are the keys that a chip may have.

    Raises SettingError with file and line for bad TOML, an unknown preset, a missing file, a loop,
    and a file without a name of its own.
    """
    files = [_read_one(path, fields)]
    while (base := _base_path(files)) is not None:
        files.append(_read_one(base, fields))
    return ChipFiles(tuple(files))


def _read_one(path: Path, fields: Collection[str]) -> ChipFile:
    try:
        table = read_toml(path)
    except SettingError as error:
        found = _SYNTAX_LINE.search(str(error))
        raise SettingError(f"{path}:{found[2]}: {found[1]}" if found else str(error)) from None
    file = ChipFile(path, path.read_text(encoding="utf-8"), table)
    _check_own_keys(file, fields)
    _check_without(file)
    return file


def _check_own_keys(file: ChipFile, fields: Collection[str]) -> None:
    """The keys that are not inherited: nothing further on would miss them, or know them."""
    own, known = ("name", INHERITS, WITHOUT), (*fields, INHERITS, WITHOUT)
    for key in file.table:
        close = (
            ""
            if key in known
            else next(iter(difflib.get_close_matches(key, known, n=1, cutoff=0.5)), "")
        )
        if close in own:
            raise file.error((key,), f"unknown key '{key}': did you mean '{close}'?")
    if "name" not in file.table:
        raise file.error((), "'name' is missing: every chip file gives its own")


def _check_without(file: ChipFile) -> None:
    dropped = file.table.get(WITHOUT)
    if dropped is None:
        return
    if not (isinstance(dropped, list) and all(isinstance(name, str) and name for name in dropped)):
        raise file.error(
            (WITHOUT,), f"'{WITHOUT}' = {dropped!r}: should be a list of names of sections or keys"
        )
    if INHERITS not in file.table:
        raise file.error((WITHOUT,), f"'{WITHOUT}' belongs to '{INHERITS}', which is not given")
    if own := sorted({"name", "description"} & set(dropped)):
        raise file.error((WITHOUT,), f"'{WITHOUT}' names '{own[0]}', which is not inherited")


def _base_path(files: list[ChipFile]) -> Path | None:
    """The file that the last of `files` inherits from; None where it stands alone."""
    heir = files[-1]
    if INHERITS not in heir.table:
        return None
    name = heir.table[INHERITS]
    said, chain = (
        f"'{INHERITS}' = {name!r}",
        " -> ".join([*(file.label for file in files), str(name)]),
    )
    if not isinstance(name, str):
        raise heir.error((INHERITS,), f'{said}: should be a preset\'s name or a file "NAME.toml"')
    if not name.isprintable() or len(name) > _MOST_CHARACTERS:
        raise heir.error(
            (INHERITS,),
            f"'{INHERITS}' = {name[:60]!r}: should be a preset's name or a file \"NAME.toml\"",
        )
    path = heir.path.parent / name if name.endswith(".toml") else PRESETS / f"{name}.toml"
    if any(path.resolve() == file.path.resolve() for file in files):
        raise heir.error((INHERITS,), f"{said} closes a loop: {chain}")
    if not name.endswith(".toml") and name not in presets():
        raise heir.error((INHERITS,), f"{said} is no preset: {nearest(name, presets())} ({chain})")
    if not is_file(path):
        beside = sorted(
            other.name for other in heir.path.parent.glob("*.toml") if other != heir.path
        )
        raise heir.error(
            (INHERITS,),
            f"{said}: no such file; {nearest(name, beside) if beside else 'none lies beside it'} "
            f"({chain})",
        )
    return path


def _own_table(file: ChipFile, base: ChipFile | None) -> dict[str, Any]:
    """What a file says of the chip itself, a description made up where an heir has none."""
    try:
        table = with_measured_files(file.table, file.path.parent)
    except SettingError as error:
        raise ChipFiles((file,)).located(error) from None
    if base is not None:
        table.setdefault("description", f"Based on {base.table['name']}.")
    return {key: value for key, value in table.items() if key not in (INHERITS, WITHOUT)}


def _merged(base: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """Both tables as one, key by key, those of `own` first; the base's sources come before its own,
    each once.
    """
    whole = _joined(_with_parameters_kept(base, own), own)
    both = [table.get("sources", []) for table in (base, own)]
    if all(isinstance(sources, list) for sources in both):
        whole["sources"] = [
            source
            for i, source in enumerate(both[0] + both[1])
            if source not in (both[0] + both[1])[:i]
        ]
    return whole


def _with_parameters_kept(base: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """A base's table without the parameters of prices that `own` replaces by others."""
    before, after = base.get("prices"), own.get("prices")
    if not (
        isinstance(before, dict)
        and isinstance(after, dict)
        and isinstance(before.get("parameters"), dict)
    ):
        return base
    kept = {
        kind: values
        for kind, values in before["parameters"].items()
        if after.get(kind) in (None, before.get(kind))
    }
    return {**base, "prices": {**before, "parameters": kept}}


def _joined(base: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    both = {
        key: _joined(base[key], own[key])
        for key in own
        if isinstance(base.get(key), dict) and isinstance(own[key], dict)
    }
    return {**base, **own, **both}


def _without(table: dict[str, Any], file: ChipFile) -> dict[str, Any]:
    """A copy of a base's table less what `file` drops; raises SettingError for what the base does
    not have.
    """
    table = copy.deepcopy(table)
    for place in file.dropped:
        *sections, last = place
        inner: Any = table
        for section in sections:
            inner = inner.get(section, {}) if isinstance(inner, dict) else {}
        if not (isinstance(inner, dict) and last in inner):
            choices = list(_places(table))
            raise file.error(
                (WITHOUT,),
                f"'{WITHOUT}' names '{'.'.join(place)}', which its base does not have: "
                f"{nearest('.'.join(place), choices)}",
            )
        del inner[last]
    return table


def _places(table: dict[str, Any], section: str = "") -> Iterator[str]:
    """The dotted names of all sections and keys that can be dropped."""
    for key, value in table.items():
        if key not in ("name", "description"):
            yield section + key
            if isinstance(value, dict):
                yield from _places(value, f"{section}{key}.")
