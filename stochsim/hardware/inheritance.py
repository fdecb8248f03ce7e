"""Chip files: TOML, one chip each, which may inherit from a preset or from another file; an error
names file and line.

`inherits = "rram-array"` takes a preset, `inherits = "base.toml"` a file relative to the one that
says so. Tables are merged key by key, the heir's first; `name` and `description` are each file's
own; `sources` are appended, less those that are about settings of which the heir says something
else or gives a source of its own (stochsim.hardware.provenance). `without = ["array.cells.age_s",
"memory"]` drops keys or sections of the base before the heir's own are merged. An heir that names
another price does not inherit the parameters of the old.
"""

import copy
import difflib
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from stochsim.energy import FIGURE
from stochsim.hardware.measured_files import with_measured_files
from stochsim.hardware.merged_tables import are_texts, joined, own_prices, with_prices_kept
from stochsim.hardware.provenance import addresses_of, sources_that_hold
from stochsim.settings import (
    Fault,
    KeyPath,
    SettingError,
    Settings,
    is_file,
    line_of,
    read_toml_text,
    stands_in,
)

PRESETS = Path(__file__).parent / "presets"
INHERITS = "inherits"
WITHOUT = "without"
_MOST_CHARACTERS = 1_000
_NO_NAME = 'should be a preset\'s name or a file "NAME.toml"'


def presets() -> tuple[str, ...]:
    """Names of the chips that come with the package.

    >>> import stochsim as ss
    >>> "digital-45nm" in ss.presets()
    True
    """
    return tuple(sorted(path.stem for path in PRESETS.glob("*.toml")))


def preset_path(name: str) -> Path:
    """The file of a preset; raises SettingError that names the nearest one."""
    if name not in presets():
        raise SettingError.of("preset", name, choices=presets())
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
    def dropped(self) -> list[KeyPath]:
        """The places of its base that it does without."""
        return [tuple(name.split(".")) for name in self.table.get(WITHOUT, [])]

    def located(self, error: SettingError, place: KeyPath | None = None) -> SettingError:
        """The same error with this file, on the line of `place`, or of the section that should have
        it; of the error's own field where no place is given.
        """
        return error.at(self.path, self.line(error.field if place is None else place) or 1)

    def line(self, place: KeyPath) -> int | None:
        """The line of `place`, or of the innermost section of it that the file has."""
        lines = (line_of(self.text, place[:length]) for length in range(len(place), 0, -1))
        return next((line for line in lines if line is not None), None)


@dataclass(frozen=True)
class ChipFiles:
    """A chip's file and those it inherits from, one after the other; the chip's own comes first."""

    files: tuple[ChipFile, ...]
    known: type[Settings] = Settings

    @property
    def chain(self) -> tuple[str, ...]:
        """Names of the chip's file, of what it inherits from, and so on."""
        return tuple(file.label for file in self.files)

    def table(self) -> dict[str, Any]:
        """The whole table, merged, with the text of the CSV files that it names."""
        whole: dict[str, Any] = {}
        for base, file in zip((None, *self.files[::-1]), self.files[::-1], strict=False):
            kept = _without(whole, file)
            own = _own_table(file, base)
            _check_new_figures(kept, own, file)
            merged = joined(with_prices_kept(kept, own), own)
            whole = merged | self._sources(file, whole, kept, merged)
        return whole

    def _sources(self, file: ChipFile, *tables: dict[str, Any]) -> dict[str, Any]:
        """The sources of a file, those of its base that still hold first, each once: {} where they
        are none. tables: the base, what is kept of it, and what both together say.
        """
        base, kept, merged = tables
        inherited = kept.get("sources", [])
        own = file.table.get("sources", [])
        if not (are_texts(inherited) and are_texts(own)):
            return {}  # refused where they are checked
        try:
            taken = addresses_of(own, self.known)
        except SettingError:
            return {}
        hold = sources_that_hold(inherited, base, merged, self.known, taken)
        return {"sources": list(dict.fromkeys((*hold, *own)))}

    def located(self, error: SettingError) -> SettingError:
        """The same error, each of its faults with the file and the line on which the offending key
        stands.
        """
        return SettingError(faults=map(self._located, error.faults))

    def _located(self, fault: Fault) -> Fault:
        file, line = self._find(fault)
        inherited = "" if file is self.files[0] else " -> ".join(self.chain)
        return replace(fault, file=str(file.path), line=line, note=inherited)

    def _find(self, fault: Fault) -> tuple[ChipFile, int]:
        """The first file, the heir before its base, with a key that the fault is about; else with
        the innermost section around one.
        """
        sections = [
            place[:length]
            for place in (*fault.places, fault.section)
            for length in range(len(place) - 1, 0, -1)
        ]
        return (
            self._first(fault.places)
            or self._first([fault.section, *sections])
            or (self.files[0], 1)
        )

    def _first(self, places: Collection[KeyPath]) -> tuple[ChipFile, int] | None:
        for file in self.files:
            for place in filter(None, places):
                line = line_of(file.text, place)
                if line is None and any(place[: len(gone)] == gone for gone in file.dropped):
                    line = line_of(file.text, (WITHOUT,))
                if line is None and stands_in(file.table, place):
                    line = 1  # a text in which no line was found
                if line is not None:
                    return file, line
        return None


def read_chip_files(path: Path, known: type[Settings]) -> ChipFiles:
    """Read a chip's file and those it inherits from; `known`: the settings that a chip may have.

    Raises SettingError with file and line for bad TOML, an unknown preset, a missing file, a loop,
    and a file without a name of its own.
    """
    fields = tuple(known.model_fields)
    files = [_read_one(path, fields)]
    while (base := _base_path(files)) is not None:
        files.append(_read_one(base, fields))
    return ChipFiles(tuple(files), known)


def _read_one(path: Path, fields: Collection[str]) -> ChipFile:
    file = ChipFile(path, *read_toml_text(path))
    _check_own_keys(file, fields)
    _check_without(file)
    return file


def _check_own_keys(file: ChipFile, fields: Collection[str]) -> None:
    """The keys that are not inherited: nothing further on would miss them, or know them."""
    own = ("name", INHERITS, WITHOUT)
    known = (*fields, INHERITS, WITHOUT)
    for key in filter(lambda key: key not in known, file.table):
        close = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
        if close and close[0] in own:
            raise file.located(SettingError.unknown(key, known))
    if "name" not in file.table:
        raise file.located(SettingError.missing("name", "every chip file gives its own"))


def _check_without(file: ChipFile) -> None:
    dropped = file.table.get(WITHOUT)
    if dropped is None:
        return
    if not (isinstance(dropped, list) and all(isinstance(name, str) and name for name in dropped)):
        rule = "should be a list of names of sections or keys"
        raise file.located(SettingError.of(WITHOUT, dropped, rule))
    if INHERITS not in file.table:
        rule = f"belongs to '{INHERITS}', which is not given"
        raise file.located(SettingError.of(WITHOUT, dropped, rule))
    if own := sorted({"name", "description"} & set(dropped)):
        rule = f"names '{own[0]}', which is not inherited"
        raise file.located(SettingError.of(WITHOUT, dropped, rule))


def _base_path(files: list[ChipFile]) -> Path | None:
    """The file that the last of `files` inherits from; None where it stands alone."""
    heir = files[-1]
    if INHERITS not in heir.table:
        return None
    name = heir.table[INHERITS]
    rule, choices = _broken_base(files, name)
    if not rule:
        return _path_of_base(heir, name)
    error = SettingError.of(INHERITS, name, rule, choices)
    raise heir.located(error)


def _path_of_base(heir: ChipFile, name: str) -> Path:
    return heir.path.parent / name if name.endswith(".toml") else PRESETS / f"{name}.toml"


def _broken_base(files: list[ChipFile], name: object) -> tuple[str, list[str]]:
    """The rule that this base of the last of `files` breaks, with the valid choices; "" for
    none.
    """
    heir = files[-1]
    if not isinstance(name, str):
        return _NO_NAME, []
    if not name.isprintable() or len(name) > _MOST_CHARACTERS:
        return _NO_NAME, []
    chain = " -> ".join([*(file.label for file in files), name])
    path = _path_of_base(heir, name)
    if any(_is_same(path, file.path) for file in files):
        return f"closes a loop: {chain}", []
    if not name.endswith(".toml") and name not in presets():
        return f"no such preset ({chain})", list(presets())
    if is_file(path):
        return "", []
    beside = sorted({other.name for other in heir.path.parent.glob("*.toml")} - {heir.path.name})
    return f"no such file{'' if beside else ', and none lies beside it'} ({chain})", beside


def _is_same(one: Path, other: Path) -> bool:
    """Whether both paths lead to one file; False where one of them leads nowhere."""
    try:
        return one.samefile(other)
    except (OSError, ValueError):
        return False


def _own_table(file: ChipFile, base: ChipFile | None) -> dict[str, Any]:
    """What a file says of the chip itself, a description made up where an heir has none."""
    try:
        table = with_measured_files(file.table, file.path.parent)
    except SettingError as error:
        raise ChipFiles((file,)).located(error) from None
    if base is not None:
        table.setdefault("description", f"Based on {base.table['name']}.")
    return {key: value for key, value in table.items() if key not in (INHERITS, WITHOUT)}


def _check_new_figures(base: dict[str, Any], own: dict[str, Any], file: ChipFile) -> None:
    """Raise SettingError where an heir gives an inherited own price another figure and leaves it
    the base's source, which never gave that.
    """
    inherited = own_prices(base.get("prices"))
    for name, entry in own_prices(own.get("prices")).items():
        if not isinstance(entry, dict) or name not in inherited or "source" in entry:
            continue
        changed = [field for field in FIGURE if field in entry]
        if changed:
            place = ("prices", "own", name)
            rule = f"'{changed[0]}' is another than the base's, whose source is of its own figure"
            error = SettingError.missing("source", rule, section=place)
            raise file.located(error, (*place, changed[0]))


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
            rule = "its base does not have this"
            error = SettingError.of(WITHOUT, ".".join(place), rule, _places(table))
            raise file.located(error)
        del inner[last]
    return table


def _places(table: dict[str, Any], section: str = "") -> Iterator[str]:
    """The dotted names of all sections and keys that can be dropped."""
    for key, value in table.items():
        if key not in ("name", "description"):
            yield section + key
            if isinstance(value, dict):
                yield from _places(value, f"{section}{key}.")
