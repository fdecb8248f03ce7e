"""`stochsim optimize`."""

import argparse
import json
from pathlib import Path
from typing import Any

from stochsim.cli.sweep_command import add_dry_run, positive
from stochsim.studies import search_axes

_EXAMPLE = """\
The file has the sections of a study (model, data, network, train, hardware, measure) and, in place
of its grid:

  [search]                      every list is an axis of settings to choose from
  weight_bits = [2, 3, 4, 6]    (or bits = [...], which ties weights, inputs and outputs)
  input_bits = [2, 4]
  output_bits = [3, 4, 6]
  noise = [0.5, 1]              multiples of the trained sigma of each network
  reads = [1, 4]                reads averaged into one sample; joules are of all of them
  output_format = ["int4", "fp4-e2m1"]   number formats, in place of output_bits; weights and
                                inputs may have them, too
{settings}
  layer_bits.hidden = [3, 4]    weight bits of one layer

  [objective]
  keep = "S >= 0.9"             the cheapest setting whose 95 % interval keeps it, or: front = true
  trials = 60                   settings to measure

S and D do not depend on what a conversion costs, so the answer is found under five models of
ADC energy at once. It can be stopped at any moment; the same command goes on where it
stopped, and a higher --trials goes on from what is there.

A study with [axes], of a network and data of your own, is searched, too: all its points are
measured, and

  [objective]
  keep = ["accuracy >= 0.97", "seconds_per_read <= 1e-6"]
  minimise = "joules_per_read"  the least of those that keep all rules; or, with
  against = ["accuracy"]        one or two figures more, the front

  stochsim optimize examples/cheapest_chip.toml
  stochsim optimize mine.toml --trials 120 --storage postgresql://me@host/trials
"""


def add_to(commands: Any) -> None:
    """Add the command to the parser's."""
    optimize = commands.add_parser(
        "optimize",
        help="find the cheapest setting that keeps the posterior, or the front; resumable",
        description=_optimize.__doc__,
        epilog=_EXAMPLE.format(settings=_setting_lines()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    optimize.add_argument(
        "file",
        type=Path,
        metavar="FILE.toml",
        help="what to search and what is wanted of the answer",
    )
    optimize.add_argument(
        "--out",
        type=Path,
        metavar="RUN",
        help="the run's folder (default: runs/ and the file's name)",
    )
    optimize.add_argument(
        "--workers",
        type=positive,
        default=2,
        metavar="N",
        help="worker processes, one thread each (default: 2)",
    )
    optimize.add_argument(
        "--trials",
        type=positive,
        metavar="N",
        help="settings to measure in all, in place of the file's",
    )
    optimize.add_argument(
        "--storage",
        metavar="URL",
        help="database of the trials (default: a SQLite file in the run's folder)",
    )
    optimize.add_argument(
        "--allow-code",
        action="store_true",
        help="of a study with [axes]: import and run the functions that the file names",
    )
    add_dry_run(optimize)
    optimize.set_defaults(command=_optimize)


def _setting_lines() -> str:
    """A line for each axis that is a setting of the chip."""
    lines = [f"{f'{axis.name} = […]':<30}{axis.hint}" for axis in search_axes() if axis.setting]
    return "\n".join(f"  {line}" for line in lines)


def _optimize(args: argparse.Namespace) -> None:
    """Search a space of chip settings; print the answer under each ADC model and write
    optimize.html, front.csv and front.png.
    """
    from stochsim.report import console_text, write_optimize_report
    from stochsim.search import CustomAnswer, run_optimize, search_needs_of
    from stochsim.studies import custom_study_of, dry_run

    folder = args.out or Path("runs") / args.file.stem
    if args.dry_run:
        custom = custom_study_of(args.file, args.allow_code)
        needs = {"workers": args.workers, "trials": args.trials}
        print(dry_run(custom) if custom else search_needs_of(args.file, **needs))
        return
    outcome = run_optimize(
        args.file,
        folder,
        workers=args.workers,
        storage=args.storage,
        trials=args.trials,
        allow_code=args.allow_code,
    )
    if isinstance(outcome, CustomAnswer):
        path = folder / "answer.json"
        path.write_text(json.dumps(outcome.to_table(), indent=1) + "\n", encoding="utf-8")
        print(f"{outcome}\n\nanswer: {path}")
        return
    page = write_optimize_report(outcome, folder)
    print(f"{console_text(outcome)}\n\nreport: {page}")
