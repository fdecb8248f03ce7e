"""Arguments of calls: of the right types, in the right order."""

from typing import NamedTuple

from stochsim.settings.errors import SettingError


class Argument(NamedTuple):
    """An argument of a call: its name, what was given, its types, and the rule that says how such
    an object is had.

    is_open: whether further types are taken, if they are not those of another argument.
    """

    name: str
    value: object
    kinds: type | tuple[type, ...]
    rule: str
    is_open: bool = False


def check_arguments(call: str, *arguments: Argument) -> None:
    """Raise SettingError for an argument that is not of its types; where what was given is of the
    types of another one, the error shows the order: `call`, "Chip(program, hardware)".
    """
    for one in arguments:
        is_misplaced = any(isinstance(one.value, other.kinds) for other in arguments)
        if isinstance(one.value, one.kinds) or (one.is_open and not is_misplaced):
            continue
        order = f"; arguments stand in the order {call}" if is_misplaced else ""
        raise SettingError.of(one.name, one.value, one.rule + order)
