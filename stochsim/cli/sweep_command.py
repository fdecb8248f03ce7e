"""`stochsim sweep` and `stochsim report`."""

import argparse
from pathlib import Path
from typing import Any


def add_to(commands: Any) -> None:
    """Add both commands to the parser's."""
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
    sweep.set_defaults(command=_sweep)
    report = commands.add_parser("report", help="write a run's report", description=_report.__doc__)
    report.add_argument("run", type=Path, metavar="RUN", help="the run's folder")
    report.set_defaults(command=_report)


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
    from stochsim.studies import run_sweep, study_needs

    folder = args.out or Path("runs") / args.study.stem
    if args.dry_run:
        print(study_needs(args.study, folder, args.workers))
        return
    run_sweep(args.study, folder, args.workers)
    _print_report(folder)


def _report(args: argparse.Namespace) -> None:
    """Print a run's table and write its report.html, results.csv and timing.csv."""
    _print_report(args.run)


def _print_report(folder: Path) -> None:
    from stochsim.report import console_table, write_report
    from stochsim.studies import open_run

    with open_run(folder) as results:
        page = write_report(
            results
        )  # first: a closed pipe behind the table must not cost the report
        print(f"{console_table(results)}\n\nreport: {page}")
