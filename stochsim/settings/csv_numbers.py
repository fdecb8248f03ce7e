"""Tables of numbers as text: cells with commas, semicolons or tabs between, the way spreadsheets of
different countries write them.

What is between the cells is read off the header. Where it is no comma, numbers may have a decimal
comma, all of them or none: "0,5" beside "0.5" is refused.
"""

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass

from stochsim.settings.errors import SettingError

_OF_NUMBERS = frozenset("0123456789+-.eE")


@dataclass(frozen=True)
class TextRow:
    """One line of a table that holds something: its number in the file and its cells."""

    line: int
    cells: list[str]
    decimal: str

    def numbers(self, names: Sequence[str]) -> list[float]:
        """The cells as numbers; raises SettingError with the line where there are not as many as
        `names`, and for one that is no finite number.
        """
        if len(self.cells) != len(names):
            rule = f"{len(self.cells)} values: should be {len(names)}, one per column of the header"
            raise SettingError.of_file("", rule, self.line)
        return [self._number(*pair) for pair in zip(names, self.cells, strict=True)]

    def _number(self, name: str, cell: str) -> float:
        mixed = self.decimal == "," and "." in cell
        value = _number(cell if self.decimal == "." else cell.replace(",", "."))
        if mixed or not math.isfinite(value):
            also = ", with a decimal comma as the others have" if mixed else ""
            raise SettingError.of(name, cell, f"should be a finite number{also}").at("", self.line)
        return value


def _number(text: str) -> float:
    """NaN for what is none: Python alone would take "4_0" for 40, and digits of other scripts."""
    try:
        return float(text) if _OF_NUMBERS.issuperset(text) else math.nan
    except ValueError:
        return math.nan


def filled_rows(text: str) -> list[TextRow]:
    """The lines of a table that are neither empty nor begin with #; raises SettingError with the
    line for what is no table.
    """
    delimiter = _delimiter(text)
    reader = csv.reader(io.StringIO(text), delimiter=delimiter, strict=True)
    try:
        found = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader]
    except csv.Error as error:
        rule = f"not a CSV file ({error})"
        raise SettingError.of_file("", rule, reader.line_num) from None
    filled = [(line, cells) for line, cells in found if any(cells) and not cells[0].startswith("#")]
    has_comma = delimiter != "," and any("," in cell for _, cells in filled[1:] for cell in cells)
    return [TextRow(line, cells, "," if has_comma else ".") for line, cells in filled]


def _delimiter(text: str) -> str:
    """What is between the cells of the first line that is no comment."""
    lines = (line.strip("\r\n \ufeff") for line in io.StringIO(text))
    header = next((line for line in lines if line and not line.startswith("#")), "")
    return next((one for one in (",", ";", "\t") if one in header), ",")


def with_plain_micro(text: str) -> str:
    """The text with "u" for the micro sign and for the Greek letter mu: "g_µs" is "g_us"."""
    return text.replace("\u00b5", "u").replace("\u03bc", "u")
