"""`stochsim energy silicon`: macros that were built, and their models against what was measured."""

import argparse
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stochsim.cli.assignments import assignment, each_once

if TYPE_CHECKING:
    from stochsim.silicon import Score, Scored

_EXAMPLES = """\
examples:
  stochsim energy silicon                        the macros, at their usual conditions
  stochsim energy silicon neurram --at input_bits=8 --at output_bits=10 --at phases=2
                                                 one of them: energy by part, speed, area, sources
  stochsim energy silicon --data measured/       models against measured figures, misses first;
                                                 measured/ holds NAME.csv, one row per number

The measured figures do not come with stochsim. A column `scored` says whether a row counts.
"""


def add_to(actions: Any) -> None:
    """Add the command to those of `stochsim energy`."""
    silicon = actions.add_parser(
        "silicon",
        help="chips that were built and measured: their energy, and a scoreboard",
        description=_silicon.__doc__,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    silicon.add_argument(
        "macro", nargs="?", metavar="MACRO", help="a macro's name, or its TOML file"
    )
    silicon.add_argument(
        "--at",
        action="append",
        type=assignment("voltage_v=0.7"),
        default=[],
        metavar="CONDITION=VALUE",
        help="input_bits=4, voltage_v=0.7, …; may be given several times",
    )
    silicon.add_argument(
        "--data",
        type=Path,
        metavar="FOLDER",
        help="folder with MACRO.csv of measured figures: print the scoreboard",
    )
    silicon.add_argument("--rows", action="store_true", help="with --data: every row, too")
    silicon.add_argument("--json", action="store_true", help="the same as JSON")
    silicon.set_defaults(command=_silicon)


def _silicon(args: argparse.Namespace) -> None:
    """Macros that were built and measured: joules per multiply-accumulate from geometry,
    capacitances and supply, with every parameter's source; with --data against what was measured.
    """
    from stochsim.settings import SettingError
    from stochsim.silicon import macros

    if args.data is not None:
        if args.at:
            rule = "the rows of --data say at which conditions they were measured"
            raise SettingError.of("--at", dict(args.at), rule)
        _scoreboard(args, [args.macro] if args.macro is not None else list(macros()))
    elif args.rows:
        raise SettingError.of("--rows", True, "shows rows of measured figures: give --data, too")
    elif args.macro is not None:
        _one(args)
    else:
        _all(args)


def _all(args: argparse.Namespace) -> None:
    """A line for each macro."""
    from stochsim.settings import SettingError, wrapped_columns
    from stochsim.silicon import load_macro, macros

    if args.at:
        rule = f"name a macro, too; valid: {', '.join(macros())}"
        raise SettingError.of("--at", dict(args.at), rule)
    found = [load_macro(name) for name in macros()]
    if args.json:
        print(json.dumps([_point_json(macro.name, {}) for macro in found], indent=1))
        return
    rows = [["macro", "node", "fJ per MAC", "TOPS/W", "TOPS", "what it is, and at what"]]
    for macro in found:
        point = macro.at()
        at = ", ".join(f"{name} {value:g}" for name, value in point.conditions.items())
        figures = [f"{point.per_mac_fj:.3g}", f"{point.tops_per_w:.3g}", f"{point.tops:.3g}"]
        about = f"{macro.description}; at {at}"
        rows.append([macro.name, f"{macro.node_nm:g} nm", *figures, about])
    print(*wrapped_columns(rows, 110), sep="\n")
    print(
        "\n1 MAC of these widths is 2 operations, not normalised to bits. More about one: "
        "stochsim energy silicon MACRO"
    )


def _one(args: argparse.Namespace) -> None:
    from stochsim.silicon import load_macro, macro_lines

    conditions = each_once("--at", args.at)
    if args.json:
        print(json.dumps(_point_json(args.macro, conditions), indent=1))
        return
    print(*macro_lines(load_macro(args.macro), **conditions), sep="\n")


def _point_json(name: str, conditions: dict[str, float]) -> dict[str, Any]:
    from stochsim.silicon import load_macro

    macro = load_macro(name)
    point = macro.at(**conditions)
    return {
        "macro": macro.name,
        "node_nm": macro.node_nm,
        "conditions": dict(point.conditions),
        "fj_per_mac": point.per_mac_fj,
        "tops_per_w": point.tops_per_w,
        "tops": point.tops,
        "tops_per_mm2": None if math.isnan(point.tops_per_mm2) else point.tops_per_mm2,
        "operations_per_mac": point.ops_per_mac,
        "joules_by_part": dict(point.energy_j),
        "area_um2_by_part": dict(point.area_um2),
        "flags": list(point.flags),
        "parameters": macro.digest,
    }


def _scoreboard(args: argparse.Namespace, names: list[str]) -> None:
    from stochsim.silicon import load_macro, read_measured, score, score_lines, spread_lines

    scores = []
    for name in names:
        macro = load_macro(name)
        path = args.data / f"{macro.name}.csv" if args.data.is_dir() else args.data
        scores.append(score(macro, read_measured(path, macro)))
    if args.json:
        print(json.dumps([_score_json(one) for one in scores], indent=1))
        return
    print(*score_lines(scores, every_row=args.rows), sep="\n")
    if len(scores) > 1:
        print("", *spread_lines(scores), sep="\n")


def _score_json(score: "Score") -> dict[str, Any]:
    shares = {kind: score.share(kind) for kind in ("energy", "part", "speed", "area")}
    return {
        "macro": score.macro.name,
        "parameters": score.macro.digest,
        "shares": {kind: _finite(value) for kind, value in shares.items()},
        "log_rmse": _finite(score.log_rmse),
        "null_log_rmse": _finite(score.null_log_rmse),
        "rows": [_row_json(one) for one in score.rows],
    }


def _row_json(one: "Scored") -> dict[str, Any]:
    return {
        "kind": one.row.kind,
        "where": one.row.where,
        "measured": one.row.value,
        "modelled": _finite(one.predicted),
        "low": _finite(one.low),
        "high": _finite(one.high),
        "null": _finite(one.null),
        "scored": one.row.is_scored,
        "given": one.is_given,
        "flags": list(one.flags),
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
