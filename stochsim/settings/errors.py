"""What a user can mend: StochsimError, and SettingError with the broken rules as data.

A SettingError is made by `SettingError.of` and its few siblings, relative to where it is raised;
each section and file that it travels through puts its own name before the field. The text is made
from these data in one place, `Fault.text`. No pydantic here, so that `--help` need not import it.
"""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from stochsim.settings.renamed import RENAMED_KEYS, RENAMED_VALUES
from stochsim.settings.shown_text import bounded, listed, printable, shown_path

KeyPath = tuple[str, ...]
"""Where a key stands in a table: the names of its sections, then its own; a number is an index of a
list.
"""

NOT_SHOWN = object()
"""In place of a value that an error does not show."""

_LONGEST = 120
_MOST_COMPARED = 1_000
_MOST_OF_RULE = 2_000


class StochsimError(Exception):
    """Something the user can mend; the command line prints it and exits with code 2.

    Its text is one line of bounded length, control characters escaped, whatever a file says.
    """

    def __init__(self, text: str = "") -> None:
        super().__init__(bounded(printable(str(text))))


def nearest(value: object, choices: Iterable[object]) -> str:
    """Half a sentence that names the nearest of `choices`, the new name of one that was renamed, or
    all of them; "" of none.

    >>> from stochsim.settings import nearest
    >>> nearest("bit", ["bits", "noise"])
    "did you mean 'bits'?"
    """
    names = [str(choice) for choice in choices]
    wanted = value if isinstance(value, str) else ""
    if RENAMED_VALUES.get(wanted) in names:
        return f"'{wanted}' is now '{RENAMED_VALUES[wanted]}'"
    close = close_name(wanted, names)
    if close:
        return f"did you mean '{bounded(close, _LONGEST)}'?"
    return f"valid: {listed(names)}" if names else ""


def close_name(wanted: str, names: Iterable[str]) -> str:
    """The name that is nearest to a misspelt one, whatever its capitals: one that goes on where it
    ends, first of all. "" where none is near, or it is too long to be compared.
    """
    if not 0 < len(wanted) <= _LONGEST:
        return ""
    by_letters = {name.lower(): name for name in list(names)[:_MOST_COMPARED]}
    wanted = wanted.lower()
    longer = [name for name in by_letters if len(wanted) > 2 and name.startswith(f"{wanted}-")]
    cutoff = 0.0 if longer else 0.5
    found = difflib.get_close_matches(wanted, longer or by_letters, n=1, cutoff=cutoff)
    return by_letters[found[0]] if found else ""


def _known_key(key: str, choices: Iterable[object]) -> str:
    """Half a sentence that says the new name of a renamed key, or what `nearest` says."""
    names = [str(choice) for choice in choices]
    section, dot, last = key.rpartition(".")
    now = RENAMED_KEYS.get(last, "")
    if f"{section}{dot}{now}" in names:
        return f"'{last}' is now '{now}'"
    return nearest(key, names)


def shown(value: object) -> str:
    """A value as an error shows it, on one line of at most 120 characters: its repr, and of an
    array no more than shape and type.
    """
    try:
        shape = getattr(value, "shape", None)
        dtype = getattr(value, "dtype", None)
        if isinstance(shape, tuple) and dtype is not None:
            if shape:
                return f"array of shape {tuple(shape)}, {dtype}"
            value = value.item() if hasattr(value, "item") else value
        text = repr(value).replace("\n", " ")
    except Exception:  # an object of a user's own, a nested tensor, an integer of many digits
        return f"a value of type {type(value).__name__} that cannot be shown"
    if len(text) <= _LONGEST:
        return text
    return f"{text[: _LONGEST - 2]}…{text[-1]}"


@dataclass(frozen=True)
class Fault:
    """One broken rule, as data.

    fields: the keys it is about, the first one first; values: as shown, beside each of them, None
    where one is not shown; also: further keys that the rule names; section: the section that the
    rule is about where it is about no field; form: which sentence it makes; hint: the nearest valid
    choice; file, line: where it stands, as far as known; note: what closes the sentence.
    """

    fields: tuple[KeyPath, ...] = ()
    values: tuple[str | None, ...] = ()
    rule: str = ""
    hint: str = ""
    form: Literal["value", "missing", "unknown"] = "value"
    section: KeyPath = ()
    also: tuple[KeyPath, ...] = ()
    file: str = ""
    line: int | None = None
    note: str = ""

    @property
    def places(self) -> tuple[KeyPath, ...]:
        """All keys that the rule is about."""
        return (*self.fields, *self.also)

    def inside(self, section: KeyPath) -> "Fault":
        """The same fault, seen from outside of `section`."""
        return replace(
            self,
            fields=tuple((*section, *field) for field in self.fields),
            also=tuple((*section, *field) for field in self.also),
            section=(*section, *self.section),
        )

    def renamed(self, names: Mapping[KeyPath, KeyPath]) -> "Fault":
        """The same fault with other names, {name or section: what stands in its place}."""
        return replace(
            self,
            fields=tuple(_renamed(field, names) for field in self.fields),
            also=tuple(_renamed(field, names) for field in self.also),
            section=_renamed(self.section, names),
        )

    @property
    def where(self) -> str:
        """The file and line that open the text: "chip.toml:3"; "" where no file is known."""
        file = shown_path(self.file)
        return file if self.line is None else f"{file}:{self.line}"

    @property
    def text(self) -> str:
        """What is said, without the file: "'array.adc.bits' = 13: should be at most 12"."""
        rule = "; ".join(filter(None, (bounded(self.rule, _MOST_OF_RULE), self.hint)))
        note = self.note and f" ({bounded(self.note, _MOST_OF_RULE)})"
        return printable(": ".join(filter(None, (self._opening, rule))) + note)

    @property
    def _opening(self) -> str:
        names = [bounded(".".join(field), _LONGEST) for field in self.fields]
        if self.form == "missing":
            verb = "is" if len(names) == 1 else "are"
            return f"{' and '.join(_named(name, None) for name in names)} {verb} missing"
        if self.form == "unknown":
            return f"unknown key '{names[0]}'"
        if not names:
            return bounded(".".join(self.section), _LONGEST)
        return " and ".join(
            _named(name, value) for name, value in zip(names, self.values, strict=True)
        )


def _renamed(place: KeyPath, names: Mapping[KeyPath, KeyPath]) -> KeyPath:
    """The place with the first of its beginnings in `names` replaced."""
    for length in range(len(place), 0, -1):
        if place[:length] in names:
            return (*names[place[:length]], *place[length:])
    return place


def _named(name: str, value: str | None) -> str:
    """A field with its value: "'bits' = 13"; the value alone where it is the field itself."""
    if value is None:
        return f"'{name}'" if name else ""
    return f"'{name}' = {value}" if name else value


class NotWrittenError(StochsimError):
    """A file cannot be written: the disk is full, the folder is not there or not ours."""


class SettingError(StochsimError, ValueError):
    """A setting breaks a rule; `faults` are the broken rules one by one, `field` says where the
    first one stands.

    >>> import stochsim as ss
    >>> try:
    ...     ss.load_hardware("digital-45nm").with_({"precision.weight_bits": 9})
    ... except ss.SettingError as error:
    ...     print(error)
    'precision.weight_bits' = 9: should be less than or equal to 8
    """

    def __init__(self, text: str = "", *, faults: Iterable[Fault] = ()) -> None:
        self.faults = tuple(faults)
        super().__init__(_text(self.faults) if self.faults else text)

    @classmethod
    def of(
        cls,
        field: str | tuple[str, ...],
        value: object = NOT_SHOWN,
        rule: str = "",
        choices: Iterable[object] = (),
        *,
        section: KeyPath = (),
        also: tuple[str, ...] = (),
    ) -> "SettingError":
        """`'field' = value: rule; did you mean 'choice'?`

        field: a name, dotted where it stands in sections ("array.adc.bits"); "" for the value
        itself, as in a validator of one field, whose name is put before it further out; several
        names for a rule that ties fields, then `value` is a tuple of as many values; () for a rule
        about `section` as a whole. value: left out where there is none to show, or NOT_SHOWN for
        one of several. choices: the valid values, of which the nearest is named, or all. section:
        what stands before the names, where a part of it may hold a dot. also: fields that the rule
        names beside.
        """
        names = field if isinstance(field, tuple) else (field,)
        values = value if isinstance(field, tuple) else (value,)
        if not isinstance(values, tuple):
            values = (NOT_SHOWN,) * len(names)
        fault = Fault(
            tuple(map(_path, names)),
            tuple(None if each is NOT_SHOWN else shown(each) for each in values),
            rule,
            nearest(values[0] if values else "", choices),
            also=tuple(map(_path, also)),
        )
        return cls(faults=[fault.inside(section)])

    @classmethod
    def missing(
        cls, field: str | tuple[str, ...], rule: str = "", *, section: KeyPath = ()
    ) -> "SettingError":
        """`'field' is missing: rule`"""
        names = field if isinstance(field, tuple) else (field,)
        fault = Fault(tuple(map(_path, names)), (None,) * len(names), rule, form="missing")
        return cls(faults=[fault.inside(section)])

    @classmethod
    def unknown(
        cls, field: str, choices: Iterable[object] = (), rule: str = "", *, section: KeyPath = ()
    ) -> "SettingError":
        """`unknown key 'field': did you mean 'choice'?`, or `'field' is now 'choice'` where it was
        renamed; a dot in `field` is part of the key.
        """
        fault = Fault(((field,),), (None,), rule, _known_key(field, choices), form="unknown")
        return cls(faults=[fault.inside(section)])

    @classmethod
    def of_file(
        cls, file: object, rule: str, line: int | None = None, hint: str = ""
    ) -> "SettingError":
        """`file:line: rule; hint`, where the file itself is at fault."""
        return cls(faults=[Fault(rule=rule, hint=hint, file=str(file), line=line)])

    @property
    def field(self) -> KeyPath:
        """Where the first fault stands; empty where it is about no field."""
        return next((place for fault in self.faults for place in fault.places), ())

    def inside(self, *section: str) -> "SettingError":
        """The same error, seen from outside of `section`; a part of it may hold a dot."""
        faults = self.faults or (Fault(rule=str(self)),)
        return type(self)(faults=[fault.inside(section) for fault in faults])

    def renamed(self, names: Mapping[KeyPath, KeyPath]) -> "SettingError":
        """The same error with other names, {name or section: what stands in its place}."""
        return type(self)(faults=[fault.renamed(names) for fault in self.faults])

    def at(self, file: object, line: int | None = None) -> "SettingError":
        """The same error with the file, and the line, of those faults that have none yet."""
        faults = self.faults or (Fault(rule=str(self)),)
        return type(self)(faults=[_placed(fault, str(file), line) for fault in faults])


def _placed(fault: Fault, file: str, line: int | None) -> Fault:
    if fault.file:
        return fault
    return replace(fault, file=file, line=line if fault.line is None else fault.line)


def _path(name: object) -> KeyPath:
    """The parts of a dotted name; of what is no text, as it is shown."""
    text = name if isinstance(name, str) else shown(name)
    return tuple(text.split(".")) if text else ()


_MOST_FAULTS = 20


def _text(faults: tuple[Fault, ...]) -> str:
    """All faults as one text, the first _MOST_FAULTS at most; a file and line are not repeated in a
    row, the names that are valid in a section not at all.
    """
    before = ""
    said: set[tuple[KeyPath, str]] = set()
    texts = []
    for fault in faults[:_MOST_FAULTS]:
        opening = f"{fault.where}: " if fault.where and fault.where != before else ""
        before = fault.where
        listed = (fault.places[0][:-1] if fault.places else (), fault.hint)
        is_list = fault.form == "unknown" and fault.hint.startswith("valid: ")
        texts.append(opening + (replace(fault, hint="") if listed in said else fault).text)
        if is_list:
            said.add(listed)
    if len(faults) > _MOST_FAULTS:
        texts.append(f"and {len(faults) - _MOST_FAULTS} more")
    return "; ".join(texts)
