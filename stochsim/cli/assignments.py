"""Options that are given as `name=number`, several times."""

import argparse
from collections.abc import Callable


def assignment(example: str) -> Callable[[str], tuple[str, float]]:
    """The type of such an option, for argparse; example: what it should be like."""

    def read(text: str) -> tuple[str, float]:
        name, _, number = text.partition("=")
        try:
            return name, float(number)
        except ValueError:
            raise argparse.ArgumentTypeError(f"'{text}' should be like {example}") from None

    return read


def each_once(option: str, given: list[tuple[str, float]]) -> dict[str, float]:
    """Numbers by name; raises SettingError for a name that is given twice."""
    from stochsim.settings import SettingError

    found: dict[str, float] = {}
    for name, value in given:
        if name in found:
            rule = f"'{name}' is given twice, {found[name]:g} and {value:g}; valid: one of the two"
            raise SettingError.of(option, f"{name}={value:g}", rule)
        found[name] = value
    return found
