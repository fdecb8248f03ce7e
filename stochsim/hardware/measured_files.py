"""A user's own device from a CSV file: conductance statistics, or a neuron's measured channel
P(code | drive).

Both are a header line and rows of numbers, with commas, semicolons or tabs between (see
settings/csv_numbers.py); empty lines and lines that begin with # are skipped. Between rows the
values are interpolated linearly. An error names the file and the line. A Hardware keeps the text of
its files, so that it is whole without them.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import AfterValidator

from stochsim.hardware.memory_device import Device
from stochsim.settings import SettingError, check_kind, filled_rows, read_text, with_plain_micro

_SUM_TOLERANCE = 1e-6
_LONGEST_NAME = 40
_MOST_US = 1e9
_NEEDED = ("g_us", "programming_sigma_us")
_OPTIONAL = ("mean_us", "read_sigma_us")


@dataclass(frozen=True)
class _Table:
    """A CSV file as numbers (row, column), with the line each row came from."""

    where: str
    names: list[str]
    lines: list[int]
    values: np.ndarray

    def column(self, name: str) -> np.ndarray:
        return np.ascontiguousarray(self.values[:, self.names.index(name)])

    def refuse(self, wrong: np.ndarray, name: str, rule: str) -> None:
        """Raise for the first row where `wrong` (row,) holds."""
        if wrong.any():
            row = int(np.argmax(wrong))
            error = SettingError.of(name, float(self.column(name)[row]), rule)
            raise error.at(self.where, self.lines[row])

    def check_ascending(self, name: str) -> None:
        self.refuse(
            np.diff(self.column(name), prepend=-np.inf) <= 0, name, "should be above the row before"
        )


def read_device(path: Path) -> Device:
    """The Device that a CSV file describes: `read_device_text`."""
    return read_device_text(read_text(path), str(path))


def read_device_text(text: str, where: str = "measured device") -> Device:
    """A Device from the text of a CSV file: columns `g_us`, `programming_sigma_us`, and perhaps
    `mean_us`, `read_sigma_us`; all in µS.

    `g_us` is the target, ascending; its first and last value are the device's range. `mean_us` is
    the mean conductance reached, the target where it is missing. Raises SettingError that names
    `where`, a file, and the line.
    """
    table = _parse(where, text, _check_device_columns)
    for name in table.names:
        table.refuse(table.column(name) < 0, name, "should be at least 0")
        table.refuse(table.column(name) > _MOST_US, name, f"should be at most {_MOST_US:g} µS")
    table.check_ascending("g_us")
    target = table.column("g_us")

    def interpolated(name: str) -> Callable[[np.ndarray], np.ndarray] | None:
        if name not in table.names:
            return None
        values = table.column(name)
        return lambda g: np.interp(g, target, values)

    sigma = interpolated("programming_sigma_us")
    read = interpolated("read_sigma_us")
    assert sigma is not None
    return Device(
        name=where,
        g_min_us=float(target[0]),
        g_max_us=float(target[-1]),
        formula="linear interpolation between the rows of the file",
        source=where,
        tag="measured by the user",
        programming=lambda g, _: sigma(g),
        read=None if read is None else lambda g, _, __: read(g),
        mean=interpolated("mean_us"),
    )


@dataclass(frozen=True, eq=False)
class MeasuredChannel:
    """P(code | drive) as measured: drives (row,) ascending, in units of the drive; probabilities
    (row, level), rows sum to 1.
    """

    drives: np.ndarray
    probabilities: np.ndarray

    @property
    def levels(self) -> int:
        """Number of codes."""
        return int(self.probabilities.shape[1])

    @property
    def bits(self) -> int:
        """log2 of the number of codes."""
        return self.levels.bit_length() - 1

    def below(self, drive: np.ndarray) -> np.ndarray:
        """P(code < k | drive) for k = 1 … levels - 1: (stimulus, levels - 1, neuron) float64 from
        drives (stimulus, neuron).

        Linear in the drive between two rows, held beyond the first and the last.
        """
        drive = np.clip(drive, self.drives[0], self.drives[-1])
        cumulative = np.minimum(np.cumsum(self.probabilities, axis=1)[:, :-1], 1.0)
        left = np.clip(
            np.searchsorted(self.drives, drive, side="right") - 1, 0, self.drives.size - 2
        )
        share = ((drive - self.drives[left]) / (self.drives[left + 1] - self.drives[left]))[
            ..., None
        ]
        below = (1.0 - share) * cumulative[left] + share * cumulative[left + 1]
        return np.ascontiguousarray(np.swapaxes(below, 1, 2))


def read_channel(path: Path) -> MeasuredChannel:
    """The MeasuredChannel that a CSV file describes: `read_channel_text`."""
    return read_channel_text(read_text(path), str(path))


def read_channel_text(text: str, where: str = "measured channel") -> MeasuredChannel:
    """A MeasuredChannel from the text of a CSV file with columns `drive`, `p0` … `p{levels - 1}`,
    levels a power of two.

    Raises SettingError that names `where`, a file, and the line.
    """
    table = _parse(where, text, _check_channel_columns)
    for name in table.names[1:]:
        table.refuse(
            (table.column(name) < 0) | (table.column(name) > 1), name, "should be from 0 to 1"
        )
    table.check_ascending("drive")
    probabilities = table.values[:, 1:]
    sums = probabilities.sum(axis=1)
    wrong = np.abs(sums - 1) > _SUM_TOLERANCE
    if wrong.any():
        row = int(np.argmax(wrong))
        rule = f"the probabilities sum to {sums[row]:.8g}: should be 1 within {_SUM_TOLERANCE:g}"
        raise SettingError.of_file(where, rule, table.lines[row])
    return MeasuredChannel(table.column("drive"), probabilities / sums[:, None])


def _check_is_table(text: str) -> str:
    """The text of a measured table, "" for none; raises SettingError for a line, as the name of a
    file is.
    """
    if text and "\n" not in text:
        rule = (
            "is one line: should be the text of a CSV file, as read_text() of its path gives; only "
            "a chip's own TOML file has its name"
        )
        raise SettingError.of("", text, rule)
    return text


CsvText = Annotated[str, AfterValidator(_check_is_table)]
"""The text of a CSV file, "" for none; with_measured_files puts it in the place of its name."""

_PLACES = (
    ("noise", "measured_csv", read_channel_text),
    ("array", "cells", "device_csv", read_device_text),
)
"""Where the table of a Hardware names a CSV file, and what reads it."""


def with_measured_files(table: dict[str, Any], folder: Path) -> dict[str, Any]:
    """A copy of a Hardware's TOML table with the text of a CSV file wherever the table has its
    name, relative to `folder`.

    What has a line break in it is such a text already. Raises SettingError that names the CSV file
    and its line, at the key that names it.
    """
    table = copy.deepcopy(table)
    for *sections, field, read in _PLACES:
        inner: Any = table
        for section in sections:
            inner = inner.get(section) if isinstance(inner, dict) else None
        name = inner.get(field) if isinstance(inner, dict) else None
        if isinstance(name, str) and name and "\n" not in name:
            try:
                inner[field] = read_text(folder / name)
                read(inner[field], str(folder / name))
            except SettingError as error:
                rule = str(error)  # with the CSV file and its line
                raise SettingError.of(field, rule=rule, section=tuple(sections)) from None
    return table


def _check_device_columns(names: list[str]) -> None:
    """Raise SettingError for columns that no device has, and for those that are missing."""
    for name in names:
        if name not in _NEEDED + _OPTIONAL:
            raise SettingError.of("column", name, "no such column", _NEEDED + _OPTIONAL)
    for name in _NEEDED:
        if name not in names:
            raise SettingError.missing(name, f"the file has columns {', '.join(names)}")


def _check_channel_columns(names: list[str]) -> None:
    """Raise SettingError unless columns are a drive and the probabilities of 2, 4, 8 … codes."""
    levels = len(names) - 1
    expected = ["drive", *(f"p{code}" for code in range(levels))]
    if names != expected or levels < 2 or levels & (levels - 1):
        rule = "should be drive, p0, p1 … with 2, 4, 8 … probabilities"
        raise SettingError.of("columns", names, rule)


def _parse(where: str, text: str, check_columns: Callable[[list[str]], None]) -> _Table:
    """The table of a file whose header is right: until then nothing of it is repeated but names."""
    check_kind("text", text, str, "should be the text of a CSV file")
    try:
        rows = filled_rows(text)
    except SettingError as error:
        raise error.at(where) from None
    if len(rows) < 3:
        count = max(0, len(rows) - 1)
        rule = f"{count} rows of numbers: should be at least 2, below a header line"
        raise SettingError.of_file(where, rule)
    names = [with_plain_micro(name) for name in rows[0].cells]
    if not all(name.isidentifier() and len(name) <= _LONGEST_NAME for name in names):
        rule = (
            "should begin with a header line: names of columns, with commas, semicolons or tabs "
            "between"
        )
        raise SettingError.of_file(where, rule, rows[0].line)
    if len(set(names)) < len(names):
        raise SettingError.of("columns", names, "a column of the header occurs twice").at(where)
    try:
        check_columns(names)
        values = [row.numbers(names) for row in rows[1:]]
    except SettingError as error:
        raise error.at(where) from None
    return _Table(where, names, [row.line for row in rows[1:]], np.array(values))
