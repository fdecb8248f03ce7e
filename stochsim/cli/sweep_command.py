"""`stochsim sweep` and `stochsim report`."""

import argparse
import contextlib
from pathlib import Path
from typing import Any


def add_to(commands: Any) -> None:
    """Add the commands to the parser's."""
    _add_sweep(commands)
    merge = commands.add_parser(
        "merge", help="join runs of the shards of one study", description=_merge.__doc__
    )
    merge.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="the shards' folders")
    merge.add_argument("--out", type=Path, required=True, metavar="RUN", help="the new folder")
    merge.set_defaults(command=_merge)
    report = commands.add_parser("report", help="write a run's report", description=_report.__doc__)
    report.add_argument("run", type=Path, metavar="RUN", help="the run's folder")
    report.set_defaults(command=_report)


def _add_sweep(commands: Any) -> None:
    sweep = commands.add_parser(
        "sweep",
        help="run a study over bits, noise, rho and keys; resumable",
        description=_sweep.__doc__,
    )
    sweep.add_argument(
        "study",
        type=Path,
        metavar="FILE.toml",
        help="the study: model, data, training, hardware, grid, measures",
    )
    sweep.add_argument(
        "--out",
        type=Path,
        metavar="RUN",
        help="the run's folder (default: runs/ and the study's name)",
    )
    sweep.add_argument(
        "--workers",
        type=positive,
        default=2,
        metavar="N",
        help="worker processes, one thread each (default: 2)",
    )
    add_dry_run(sweep)
    sweep.add_argument(
        "--json",
        action="store_true",
        help="progress as lines of JSON on stdout, one a second, in place of bar and table",
    )
    _add_options_of_axes(
        sweep.add_argument_group("studies with [axes], of a network and data of your own")
    )
    sweep.set_defaults(command=_sweep)


def _add_options_of_axes(axes: Any) -> None:
    axes.add_argument(
        "--allow-code",
        action="store_true",
        help='import and run the functions that the file names, as network = "module:function"',
    )
    axes.add_argument(
        "--shard",
        metavar="I/N",
        help="the I-th of N equal parts, in a folder of its own; `stochsim merge` joins them",
    )
    axes.add_argument(
        "--at",
        action="append",
        metavar="AXIS=VALUE",
        help="only points with this value, such as --at bits=4; may be given several times",
    )
    axes.add_argument(
        "--retries",
        type=int,
        metavar="N",
        help="how often a point starts anew whose process was killed (default: 1)",
    )
    axes.add_argument(
        "--limit-s", type=float, metavar="S", help="seconds after which a point is given up"
    )
    axes.add_argument(
        "--dask",
        metavar="ADDRESS",
        help="measure on the workers of this Dask scheduler, which share the run's folder",
    )


def add_dry_run(command: argparse.ArgumentParser) -> None:
    """Add --dry-run."""
    command.add_argument(
        "--dry-run",
        action="store_true",
        help="print tasks, memory, disk and a rough time; run nothing, write nothing",
    )


def positive(text: str) -> int:
    """A whole number from 1 to 2^31 - 1, for argparse: as many as there can be reads or stimuli."""
    if not (text.isascii() and text.isdigit() and len(text) <= 10 and 1 <= int(text) < 2**31):
        rule = f"should be a whole number from 1 to {2**31 - 1}"
        raise argparse.ArgumentTypeError(f"'{text:.40}' {rule}")
    return int(text)


def _sweep(args: argparse.Namespace) -> None:
    """Run a study into a folder, going on where an earlier run stopped; then print the table and
    write the report.
    """
    from stochsim.studies import custom_study_of, dry_run, run_sweep, study_needs

    folder = args.out or Path("runs") / args.study.stem
    if args.dry_run:
        custom = custom_study_of(args.study, args.allow_code)
        print(dry_run(custom) if custom else study_needs(args.study, folder, args.workers))
        return
    names = ("allow_code", "shard", "at", "retries", "limit_s", "dask")
    given = {name: getattr(args, name) for name in names}
    given["as_json"] = args.json
    options = {name: value for name, value in given.items() if value not in (None, False)}
    run_sweep(args.study, folder, args.workers, **options)
    _print_report(folder, silent=args.json)


def _merge(args: argparse.Namespace) -> None:
    """Put the runs of all shards of a study into one new folder, and print its table. Shards that
    are missing, unfinished, or of another study are named.
    """
    from stochsim.studies import merge_runs

    _print_report(merge_runs(args.runs, args.out))


def _report(args: argparse.Namespace) -> None:
    """Print a run's table and write its report.html, results.csv and timing.csv (of a study with
    axes: results.parquet).
    """
    _print_report(args.run)


def _print_report(folder: Path, silent: bool = False) -> None:
    from stochsim.report import console_table, custom_table, write_report
    from stochsim.studies import CustomRun, open_run

    results = open_run(folder)
    is_custom = isinstance(results, CustomRun)  # which is read whole, and needs no closing
    table = custom_table if is_custom else console_table
    with contextlib.nullcontext() if is_custom else results:
        # first: a closed pipe behind the table must not cost the report
        page = write_report(results)
        if not silent:
            print(f"{table(results)}\n\nreport: {page}")
