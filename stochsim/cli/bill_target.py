"""Which cell of a sweep's run `stochsim energy bill` is about: options that name it, and the
network that stands there.
"""

import argparse
from pathlib import Path
from typing import Any, NamedTuple

from stochsim.studies import FORMAT_AXES, Axis, network_options


class NamedNetwork(NamedTuple):
    """A trained network of a run: what it is, its checkpoint, and its values by axis, of the noise
    and of settings of the chip too.
    """

    label: str
    checkpoint: Path
    values: dict[str, Any]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that name a cell of a run, one for each axis that does."""
    cell = parser.add_argument_group(
        "which network of a run",
        "each must be one that the run's grid names; --rho is also that of a converted network "
        "whose neurons have a noise of their own (default: 0)",
    )
    for axis in network_options():
        cell.add_argument(
            axis.option,
            dest=axis.name,
            type=axis.kind,
            metavar=axis.name.upper(),
            help=f"{axis.hint or axis.words} (default: {_default_words(axis)})",
        )


def _default_words(axis: Axis) -> str:
    if axis.usual is not None:
        return f"{axis.usual:g}"
    return "the grid's first" if axis.choices is not None else "the least"


def check_none_given(about: str, args: argparse.Namespace, but: tuple[str, ...] = ()) -> None:
    """Raises SettingError for an option that names a cell, where `about` is no run; but: those that
    it takes all the same.
    """
    from stochsim.settings import SettingError

    for axis in network_options():
        if axis.name in but:
            continue
        if (value := getattr(args, axis.name)) is not None:
            rule = f"names a network of a run, and this is {about}"
            raise SettingError.of(axis.option, value, rule)


def named_network(results: Any, args: argparse.Namespace) -> NamedNetwork:
    """The network that the options name.

    Raises StochsimError for what the grid does not have, and one not trained yet.
    """
    from stochsim.settings import StochsimError
    from stochsim.studies import BIT_AXES

    done = results.store.hashes()
    folder = results.folder
    widths = _widths(results, args.bits)
    chosen = {axis.name: _chosen(results, axis, args, widths) for axis in network_options()}
    noise = chosen.pop("noise")
    wanted = chosen | dict(zip(BIT_AXES, widths, strict=True))
    for cell in results.plan.cells:
        if all(cell.values.get(name) == value for name, value in wanted.items()):
            if cell.network not in done:
                raise StochsimError(
                    f"{folder}: the network at {_text(widths)} bits is not trained yet: go on with "
                    f"the sweep"
                )
            row = results.store.row(cell.network)
            return NamedNetwork(row.label, row.artifact, wanted | {"noise": noise})
    raise AssertionError("every combination of the grid's axes is a cell")


def _widths(results: Any, given: tuple[int, int, int] | None) -> tuple[int, int, int]:
    """Widths (weight, input, output) in bits: those given, else the widest of the run's grid."""
    from stochsim.settings import SettingError, StochsimError

    there: list[tuple[int, int, int]] = results.study.grid.widths()
    if not there:
        raise StochsimError(
            f"{results.folder}: the study has no quantised networks, so no operations: name bits "
            f"in its grid"
        )
    wanted = given or max(there, key=lambda each: (sum(each), each))
    if wanted not in there:
        rule = "no network of the run has these bits (weight/input/output)"
        choices = map(_text, there)
        raise SettingError.of("--bits", _text(wanted), rule, choices).at(results.folder)
    return wanted


def _chosen(
    results: Any, axis: Axis, args: argparse.Namespace, widths: tuple[int, int, int]
) -> Any:
    """The value given, which must stand on the grid's axis, of formats among those of these widths,
    else the default.
    """
    from stochsim.settings import SettingError

    given = getattr(args, axis.name)
    grid = results.study.grid
    values = axis.given(grid)
    if axis.name in FORMAT_AXES.values():
        there = [one.get(axis.name) for one in grid.formats(widths, (axis.name,))]
        values = tuple(value for value in values if value in there)
    if given in values:
        return given
    if given is None:
        first = values[0] if values else None
        return first if axis.usual is None else axis.usual
    rule = "not in the run's grid" if values else "the run's grid has no such axis"
    choices = values if axis.choices is not None else [f"{value:g}" for value in values]
    raise SettingError.of(axis.option, given, rule, choices).at(results.folder)


def _text(widths: tuple[int, int, int]) -> str:
    return "/".join(map(str, widths))
