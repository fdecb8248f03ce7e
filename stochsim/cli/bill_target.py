"""Which cell of a sweep's run `stochsim energy bill` is about: options that name it, and the
network that stands there.
"""

import argparse
from pathlib import Path
from typing import Any, NamedTuple

OPTIONS = ("architecture", "method", "rho", "key", "noise")
"""Those that belong to a run alone, as its grid names its axes."""


class NamedNetwork(NamedTuple):
    """A trained network of a run: what it is, its checkpoint, its key, and the multiple of its
    noise.
    """

    label: str
    checkpoint: Path
    key: int
    noise: float


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that name a cell of a run."""
    cell = parser.add_argument_group(
        "which network of a run", "each must be one that the run's grid names"
    )
    cell.add_argument("--architecture", metavar="KIND", help="default: the grid's first")
    cell.add_argument(
        "--method", metavar="NAME", help="how it was trained (default: the grid's first)"
    )
    cell.add_argument(
        "--rho",
        type=float,
        metavar="R",
        help="exponent of the price of reliability (default: the least)",
    )
    cell.add_argument("--key", type=int, metavar="K", help="default: the least")
    cell.add_argument(
        "--noise",
        type=float,
        metavar="X",
        help="multiple of the sigma that the network bought (default: 1)",
    )


def check_none_given(about: str, args: argparse.Namespace) -> None:
    """Raises SettingError for an option that names a cell, where `about` is no run."""
    from stochsim.settings import SettingError

    for name in OPTIONS:
        if (value := getattr(args, name)) is not None:
            raise SettingError(f"--{name} = {value}: names a network of a run, and this is {about}")


def named_network(results: Any, args: argparse.Namespace) -> NamedNetwork:
    """The network that the options name.

    Raises StochsimError for what the grid does not have, and one not trained yet.
    """
    from stochsim.settings import StochsimError

    grid, done, folder = results.study.grid, results.store.hashes(), results.folder
    widths = _widths(results, args.bits)
    architecture = _chosen(
        folder, "architecture", args.architecture, grid.architecture, grid.architecture[0]
    )
    method = _chosen(folder, "method", args.method, grid.method, grid.method[0])
    rho = _chosen(folder, "rho", args.rho, grid.rho, min(grid.rho))
    key = _chosen(folder, "key", args.key, grid.keys, min(grid.keys))
    noise = 1.0 if args.noise is None else _chosen(folder, "noise", args.noise, grid.noise, 1.0)
    for cell in results.plan.cells:
        if (cell.widths, cell.architecture, cell.method, cell.rho, cell.key) == (
            widths,
            architecture,
            method,
            rho,
            key,
        ):
            if cell.network not in done:
                raise StochsimError(
                    f"{folder}: the network at {_text(widths)} bits is not trained yet: go on with "
                    f"the sweep"
                )
            row = results.store.row(cell.network)
            return NamedNetwork(row.label, row.artifact, key, noise)
    raise AssertionError("every combination of the grid's axes is a cell")


def _widths(results: Any, given: tuple[int, int, int] | None) -> tuple[int, int, int]:
    """Those given, else the widest."""
    from stochsim.settings import StochsimError

    there: list[tuple[int, int, int]] = results.study.grid.widths()
    if not there:
        raise StochsimError(
            f"{results.folder}: the study has no quantised networks, so no operations: name bits "
            f"in its grid"
        )
    wanted = given or max(there, key=lambda each: (sum(each), each))
    if wanted not in there:
        have = ", ".join(map(_text, there))
        raise StochsimError(
            f"{results.folder}: no network at {_text(wanted)} bits (weight/input/output); there "
            f"are {have}"
        )
    return wanted


def _chosen(folder: Path, name: str, given: Any, axis: tuple[Any, ...], default: Any) -> Any:
    """The value given, which must stand on the grid's axis, else the default."""
    from stochsim.settings import StochsimError, nearest

    if given is None or given in axis:
        return default if given is None else given
    hint = (
        nearest(given, axis)
        if isinstance(given, str)
        else f"valid: {', '.join(f'{value:g}' for value in sorted(axis))}"
    )
    raise StochsimError(f"{folder}: --{name} = {given}: not in the run's grid: {hint}")


def _text(widths: tuple[int, int, int]) -> str:
    return "/".join(map(str, widths))
