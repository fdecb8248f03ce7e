"""Rows of text as aligned columns."""

from collections.abc import Iterator, Sequence


def columns(rows: Sequence[Sequence[str]], left: int = 1) -> Iterator[str]:
    """Rows of text as aligned columns, the first `left` of them to the left, the others to the
    right.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [
            cell.ljust(width) if i < left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(cells).rstrip()
