"""Cards and one-line representations: what `print` and the prompt show of an object with arrays."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from stochsim.settings.aligned import columns

CARD_WIDTH = 100
"""Characters of a card's line, at most."""

CARD_LINES = 8
"""Lines of a card, at most."""

_MOST_CHARACTERS = 60
_MOST_ITEMS = 4


def card(title: str, rows: Sequence[Sequence[str]], more: str = "more") -> str:
    """A title and a few rows in columns below it: a label and its value, or a table with its heads.

    Lines beyond CARD_LINES are counted in the last one, "… 5 more layers" (more: "more layers");
    longer ones than CARD_WIDTH are cut.
    """
    lines = [f"  {line}" for line in columns(rows, None)]
    most = CARD_LINES - 1
    if len(lines) > most:
        lines = [*lines[: most - 1], f"  … {len(lines) - most + 1} {more}"]
    return "\n".join(_cut(line, CARD_WIDTH) for line in (title, *lines))


def card_title(self: Any) -> str:
    """`__repr__` of an object whose `__str__` is a card: the card's title."""
    return f"<{str(self).splitlines()[0]}>"


def one_line(self: Any) -> str:
    """`__repr__` of a dataclass or NamedTuple that holds arrays: its fields on one line, of arrays
    type and shape, of long values the beginning.
    """
    if dataclasses.is_dataclass(self):
        names = [one.name for one in dataclasses.fields(self) if one.repr]
    else:
        names = list(self._fields)
    inside = ", ".join(f"{name}={_brief(getattr(self, name))}" for name in names)
    return f"{type(self).__name__}({inside})"


def _brief(value: Any) -> str:
    shape: tuple[int, ...] = getattr(value, "shape", ())
    if hasattr(value, "__array__") and shape:
        sizes = " × ".join(map(str, shape))
        return f"<{sizes} {str(value.dtype).removeprefix('torch.')}>"
    if isinstance(value, Mapping):
        items = [f"{key!r}: {_brief(one)}" for key, one in list(value.items())[:_MOST_ITEMS]]
        return "{" + ", ".join([*items, *_rest(value)]) + "}"
    if isinstance(value, tuple | list) and not hasattr(value, "_fields"):
        inside = ", ".join([*map(_brief, value[:_MOST_ITEMS]), *_rest(value)])
        end = "," if len(value) == 1 else ""
        return f"({inside}{end})" if isinstance(value, tuple) else f"[{inside}]"
    return _cut(" ".join(repr(value).split()), _MOST_CHARACTERS)


def _rest(value: Any) -> list[str]:
    return [f"… {len(value) - _MOST_ITEMS} more"] if len(value) > _MOST_ITEMS else []


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
