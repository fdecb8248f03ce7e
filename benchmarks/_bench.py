"""What all benchmarks share: arguments, figures with bars as JSON objects, and the table on the
screen.
"""

import argparse
import json
import os
import platform
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from stochsim.runs import processor


@dataclass(frozen=True)
class Figure:
    """One measured number with its interval; `bar` is what it should reach (None: no bar),
    `baseline` what it is compared with.
    """

    name: str
    value: float
    low: float
    high: float
    unit: str
    baseline: str | None = None
    bar: float | None = None
    better: Literal["higher", "lower"] = "higher"

    @property
    def verdict(self) -> str:
        """ "yes" or "no": does the value reach its bar? Empty without a bar."""
        if self.bar is None:
            return ""
        reached = self.value >= self.bar
        if self.better == "lower":
            reached = self.value <= self.bar
        return "yes" if reached else "no"

    @property
    def row(self) -> tuple[str, ...]:
        """The cells of the table."""
        sign = ">=" if self.better == "higher" else "<="
        bar = "" if self.bar is None else f"{sign} {self.bar:g}"
        return (
            self.name,
            f"{self.value:.4g}",
            f"[{self.low:.4g}, {self.high:.4g}]",
            self.unit,
            self.baseline or "",
            bar,
            self.verdict,
        )


@dataclass(frozen=True)
class Options:
    """The arguments of every benchmark; `out` is the folder for pictures, made when asked for."""

    quick: bool
    json: Path | None
    out: Path | None


HEADINGS = ("figure", "value", "interval", "unit", "against", "bar", "reached")


def table(figures: Sequence[Figure]) -> str:
    """Aligned columns, one line per figure."""
    rows = [HEADINGS, *(figure.row for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def parse(description: str, arguments: Sequence[str] | None = None) -> Options:
    """--quick, --json FILE, --out DIR."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="fewer repeats and keys")
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write the figures as a JSON list"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="write pictures to this folder")
    chosen = parser.parse_args(arguments)
    return Options(chosen.quick, chosen.json, chosen.out)


def markdown(
    name: str,
    description: str,
    figures: Sequence[Figure],
    options: Options,
    features: Sequence[str] = (),
) -> str:
    """The same as a page: what was asked, the command, the machine, with features of its processor
    where these matter, the versions, and the table.
    """
    versions = ", ".join(
        f"{package} {metadata.version(package)}"
        for package in ("stochsim", "torch", "brevitas", "numba", "numpy")
    )
    command = f"python benchmarks/{name}.py{' --quick' if options.quick else ''}"
    machine = f"{processor()} ({', '.join(features)})" if features else processor()
    rows = [
        f"| {' | '.join(cell.replace('|', '/') for cell in figure.row)} |" for figure in figures
    ]
    head = [f"| {' | '.join(HEADINGS)} |", f"|{'---|' * len(HEADINGS)}"]
    about = (
        f"`{command}` on {os.cpu_count()} cores of {machine}; {versions}; Python "
        f"{platform.python_version()}."
    )
    return "\n".join([f"# {name}", "", description.strip(), "", about, "", *head, *rows, ""])


def main(
    description: str | None,
    measure: Callable[[Options], Sequence[Figure]],
    features: Sequence[str] = (),
) -> None:
    """Run a benchmark: `measure(options)` gives its figures; they are printed, and written where
    asked; features: those of the processor that matter.
    """
    options = parse((description or "").splitlines()[0])
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
    figures = measure(options)
    print(table(figures))
    if options.out is not None:
        name = Path(sys.argv[0]).stem
        (options.out / f"{name}.md").write_text(
            markdown(name, description or "", figures, options, features), encoding="utf-8"
        )
    if options.json is not None:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(
            json.dumps([asdict(figure) for figure in figures], indent=1) + "\n", encoding="utf-8"
        )
