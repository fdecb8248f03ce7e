"""Number formats as text: one line per format for a list, everything about one of them."""

import textwrap
from collections.abc import Iterable

import numpy as np

from stochsim.formats.block_formats import BLOCK_FORMATS
from stochsim.formats.books import CodeBook
from stochsim.settings import check_kind, columns, counted

_MARKS = 49  # of a number line, with 0 in the middle
_WIDTH = 88


def list_lines(books: Iterable[CodeBook]) -> list[str]:
    """One aligned line per format: name, bits, number of values, smallest distance, range, and a
    line on which values are marked, from minus to plus the largest.
    """
    books = list(books)
    for book in books:
        check_kind("books", book, CodeBook, "should be CodeBooks, as code_book(…) gives one")
    rows = [("format", "bits", "values", "smallest step", "range", "where its values lie")]
    rows += [
        (
            book.name,
            str(book.bits),
            str(book.levels),
            f"{book.smallest_step:.4g}",
            f"{book.values[0]:.6g} … {book.values[-1]:.6g}",
            number_line(book),
        )
        for book in books
    ]
    return list(columns(rows, left=None))


def block_lines() -> list[str]:
    """One aligned line per block format: what its numbers are, how many share a scale of which
    format, and the stored bits of a number.
    """
    rows = [("block format", "numbers", "block", "scale", "bits per number")]
    rows += [
        (
            one.name,
            one.element.name,
            str(one.block_size),
            one.scale,
            f"{one.bits_per_number:g}",
        )
        for one in BLOCK_FORMATS.values()
    ]
    return list(columns(rows, left=None))


def number_line(book: CodeBook) -> str:
    """Marks where values lie, from minus to plus the largest; 0 in the middle."""
    largest = max(abs(book.values[0]), abs(book.values[-1]))
    half = _MARKS // 2
    places = np.rint(np.array(book.values) / largest * half).astype(int) + half
    marks = np.full(_MARKS, "·")
    marks[places] = "|"
    return "".join(marks)


def format_lines(book: CodeBook) -> list[str]:
    """All about one format: sizes, the unit that its values share, values, edges, and the stored
    patterns that stand for no value of their own.
    """
    check_kind("book", book, CodeBook, "should be a CodeBook, as code_book(…) gives one")
    shared = book.as_integers()
    facts = {
        "stored bits": str(book.bits),
        "values": f"{book.levels}, {book.values[0]:.10g} … {book.values[-1]:.10g}",
        "smallest step": f"{book.smallest_step:.10g}",
        "unit": "no unit of 63-bit integers" if shared is None else _unit(*shared),
        "other patterns": _others(book),
    }
    lines = [book.name, *columns([(f"  {name}", value) for name, value in facts.items()], None)]
    lines += ["", f"  {number_line(book)}", ""]
    lines += ["  values", *_wrapped(book.values)]
    return [*lines, "  edges; * where a number on the edge takes the value above", *_edges(book)]


def _unit(unit: float, integers: np.ndarray) -> str:
    bits = counted(int(abs(integers).max()).bit_length() + 1, "bit", "bits")
    return f"{unit:.10g}; integers up to {abs(integers).max()} in size, {bits} with their sign"


def _others(book: CodeBook) -> str:
    numbers = np.array(book.bit_patterns)
    kinds = {
        "NaN": int(np.isnan(numbers).sum()),
        "±infinity": int(np.isinf(numbers).sum()),
        "-0": int(((numbers == 0) & np.signbit(numbers)).sum()),
    }
    return ", ".join(f"{count} × {kind}" for kind, count in kinds.items() if count) or "none"


def _edges(book: CodeBook) -> list[str]:
    marked = zip(book.edges, book.ties, strict=True)
    return _wrapped(f"{edge:.6g}{'*' * tie}" for edge, tie in marked)


def _wrapped(found: Iterable[object]) -> list[str]:
    text = "  ".join(one if isinstance(one, str) else f"{one:.6g}" for one in found)
    return textwrap.wrap(text, _WIDTH, initial_indent="    ", subsequent_indent="    ")
