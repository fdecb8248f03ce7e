"""Rows of text as aligned columns, and numbers as they stand in them."""

import textwrap
from collections.abc import Iterable, Iterator, Sequence


def columns(rows: Sequence[Sequence[str]], left: int | None = 1) -> Iterator[str]:
    """Rows of text as aligned columns, the first `left` of them to the left (None: all), the others
    to the right.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    to_the_left = len(widths) if left is None else left
    for row in rows:
        cells = [
            cell.ljust(width) if i < to_the_left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()


def ruled_columns(rows: Sequence[Sequence[str]], left: int | None = 1) -> list[str]:
    """The same with a line of dashes below the first row, the heads."""
    heads, *others = columns(rows, left)
    return [heads, "-" * len(heads), *others]


def wrapped_columns(
    rows: Sequence[Sequence[str]], width: int, left: int | None = None
) -> Iterator[str]:
    """As `columns`, with the text of the last column broken to lines of its own where rows would
    be wider than `width`; it keeps 20 characters at least.
    """
    first = [max(map(len, column)) for column in zip(*(row[:-1] for row in rows), strict=True)]
    most = max(20, width - sum(first) - 2 * len(first))
    broken: list[list[str]] = []
    for *cells, last in rows:
        lines = textwrap.wrap(last, most) or [""]
        broken.append([*cells, lines[0]])
        broken += [["" for _ in cells] + [line] for line in lines[1:]]
    yield from columns(broken, left)


def number_text(value: float) -> str:
    """A count for display: whole ones in full with thousands apart, others to four digits."""
    return f"{int(value):,}" if float(value).is_integer() else f"{value:,.4g}"


def counted(count: float, one: str, many: str) -> str:
    """A count with the word for what is counted: "1 stimulus", "8 stimuli"."""
    return f"{number_text(count)} {one if count == 1 else many}"


def range_text(values: Iterable[float]) -> str:
    """The least and the largest of some numbers to three digits: "0.1 to 0.5"; one where they are
    the same.
    """
    found = [float(value) for value in values]
    low = f"{min(found):.3g}"
    high = f"{max(found):.3g}"
    return low if low == high else f"{low} to {high}"
