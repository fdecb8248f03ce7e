"""Text as it is shown: on one line, control characters escaped, cut where it is long."""

MOST_SHOWN = 8_000
"""Characters of one error, at most."""

_MOST_OF_PATH = 300
_MOST_OF_LIST = 1_000


def printable(text: str) -> str:
    r"""The text with everything that a terminal would obey, not show, as its escape: "\x1b".

    >>> from stochsim.settings import printable
    >>> print(printable("a\x1b[31m\nµ"))
    a\x1b[31m\nµ
    """
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)


def bounded(text: str, most: int = MOST_SHOWN) -> str:
    """The text, its end left out where it has more than this many characters."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def shown_path(path: object) -> str:
    """A path as an error shows it: printable, the middle of a long one left out."""
    text = printable(str(path))
    if len(text) <= _MOST_OF_PATH:
        return text
    return f"{text[:60]}…{text[60 - _MOST_OF_PATH :]}"


def listed(names: list[str]) -> str:
    """Names with commas between, those beyond a thousand characters counted."""
    whole = ", ".join(names)
    if len(whole) <= _MOST_OF_LIST:
        return whole
    kept: list[str] = []
    for name in names:
        if len(", ".join([*kept, name])) > _MOST_OF_LIST:
            break
        kept.append(name)
    return f"{', '.join(kept)} … and {len(names) - len(kept)} more"
