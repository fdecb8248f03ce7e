"""At how many bits, and at how much noise, does posterior sampling break?

Architectures x price laws x bits x noise, on one noisy chip.

Sparse coding of natural image patches on an in-memory chip whose ADCs are noisy (0.29 steps)
and whose inputs are rounded stochastically. Main study: networks trained for that chip. Methods:
the same at 2, 3 and 4 bits against rounding after training and plain quantisation-aware training,
differences of S paired. Limits: weights, inputs and outputs at 4 bits one at a time; and the
posterior itself rounded to the output's grid, the best found there. Data sets: cliff and
gains of noise-aware training on patches of eight photographs, of one (china) and of another
(flower), and trained on the one, tested on the other: a shift to less contrast. Resumable: the same
command goes on where it was stopped.
"""

from itertools import pairwise

import numpy as np
from _bench import Figure, Options, main
from _data_sets import data_set_figures, data_set_rows, write_data_sets
from _lattice import lattice_distances, lattice_survival
from _studies import figure, lower_end, publish, run_study

from stochsim.posterior import Estimate
from stochsim.report import ARCHITECTURE_WORDS
from stochsim.studies import Result, Results

METHODS = ("post-training", "quantisation-aware", "noise-aware")
COMPARED_BITS = (2, 3, 4)
NAME = "posterior_survival"
QUICK_GRID = {"bits": [2, 4, 8], "noise": [0, 1, 4], "rho": [0], "keys": [0]}
METHOD_GRID = {
    "bits": [*COMPARED_BITS],
    "method": [*METHODS],
    "noise": [1],
    "rho": [0],
    "float": False,
}
LIMIT_GRID = {
    "bits": None,
    "weight_bits": [4, 8],
    "input_bits": [4, 8],
    "output_bits": [4, 8],
    "noise": [1],
    "rho": [0],
    "keys": [0],
}
DATA_SET_BITS = (3, 4, 5, 6, 7, 8)
QUICK_DATA_SETS = {"train": {"steps": 200}, "measure": {"stimuli": 16, "reads": 200}}


def _survival(row: Result) -> Estimate:
    if row.survival is None or row.survival.estimate is None:
        return Estimate.missing(row.survival.reason if row.survival else "no common posterior")
    return row.survival.estimate


def cliff_figures(results: Results) -> list[Figure]:
    """The cliff of every architecture and rho at noise x1, in bits (infinite where there is none),
    and S at every width.
    """
    figures = []
    for found in results.cliffs():
        if found["noise"] == 1:
            bits = float("inf") if found["cliff"] is None else float(found["cliff"])
            name = (
                f"cliff, {ARCHITECTURE_WORDS[found['architecture']]}, rho = {found['rho']:g}, "
                f"noise x1"
            )
            figures.append(Figure(name, bits, bits, bits, "bits", better="lower"))
    for row in results.summary:
        if row.is_quantised and row.noise == 1:
            name = (
                f"{ARCHITECTURE_WORDS[row.architecture]}, {row.weight_bits} bits, rho = "
                f"{row.rho:g}: S"
            )
            figures.append(figure(name, _survival(row)))
    return figures


def price_figures(results: Results) -> list[Figure]:
    """D of the float networks from one rho to the next, paired: the least rise."""
    figures = []
    rhos = sorted(results.study.grid.rho)
    for kind in results.study.grid.architecture if len(rhos) > 1 else ():
        rises = [
            results.difference(results.find(kind, rho=b), results.find(kind, rho=a))
            for a, b in pairwise(rhos)
        ]
        least = min(rises, key=lambda rise: rise.low)
        figures.append(
            lower_end(
                f"{ARCHITECTURE_WORDS[kind]}, float: least rise of D with rho, paired",
                least,
                unit="posterior sd",
            )
        )
    return figures


def method_figures(results: Results) -> list[Figure]:
    """S of the three methods, how much noise-aware training gains over each other one, and the
    S of the posterior rounded to the output's grid.
    """
    figures = []
    for kind in results.study.grid.architecture:
        for bits in sorted(results.study.grid.bits or ()):
            rows = {method: results.find(kind, bits, method=method) for method in METHODS}
            place = f"{ARCHITECTURE_WORDS[kind]}, {bits} bits"
            for method, row in rows.items():
                bar = 0.9 if method == "noise-aware" and bits == 4 else None
                figures.append(figure(f"{place}, {method}: S", _survival(row), bar=bar))
            for other in METHODS[:2]:
                gain = results.survival_difference(rows["noise-aware"], rows[other])
                name = f"{place}: S noise-aware less {other}, paired"
                figures.append(lower_end(name, gain) if bits < 4 else figure(name, gain))
    return figures + _best_at_three(results) + _rounded_posteriors(results)


def _best_at_three(results: Results) -> list[Figure]:
    """3 bits: the best architecture, which should reach 0.9."""
    if 3 not in (results.study.grid.bits or ()):
        return []
    rows = [results.find(kind, 3, method="noise-aware") for kind in results.study.grid.architecture]
    best = max(rows, key=lambda row: _survival(row).value if _survival(row).available else -np.inf)
    return [
        figure(
            f"3 bits, noise-aware, best ({ARCHITECTURE_WORDS[best.architecture]}): S",
            _survival(best),
            bar=0.9,
        )
    ]


def _rounded_posteriors(results: Results) -> list[Figure]:
    figures = []
    for bits in sorted(results.study.grid.bits or ()):
        rows = [
            results.find(kind, bits, method="noise-aware")
            for kind in results.study.grid.architecture
        ]
        distances = lattice_distances(
            results, rows[0], bits
        )  # all architectures face the same references
        found = [lattice_survival(results, row, distances) for row in rows]
        figures.append(
            figure(
                f"posterior rounded to {bits} bits: D", found[0].d, "posterior sd", better="lower"
            )
        )
        for row, each in zip(rows, found, strict=True):
            if each.estimate is not None:
                figures.append(
                    figure(
                        f"posterior rounded to {bits} bits: S for "
                        f"{ARCHITECTURE_WORDS[row.architecture]}",
                        each.estimate,
                    )
                )
    return figures


def limit_figures(results: Results) -> list[Figure]:
    """S with weights, inputs and outputs at 4 or 8 bits, each by itself."""
    rows = [row for row in results.summary if row.is_quantised]
    names = [
        f"{ARCHITECTURE_WORDS[row.architecture]}, weights/inputs/outputs "
        f"{'/'.join(map(str, row.widths or ()))} bits"
        for row in rows
    ]
    return [figure(f"{name}: S", _survival(row)) for name, row in zip(names, rows, strict=True)]


def range_figures(options: Options, keys: list[int]) -> list[Figure]:
    """Cliff and gains over data sets; with --quick two widths, short training and few reads, in
    runs of their own: that it works, no figure to quote.
    """
    grid: dict[str, dict] = {"grid": {"keys": keys}}
    if options.quick:
        changes = grid | QUICK_DATA_SETS
        rows = data_set_rows(NAME, "_data_sets_quick", changes, (4, 7), (2,))
    else:
        rows = data_set_rows(NAME, "", grid, DATA_SET_BITS, COMPARED_BITS)
    write_data_sets(rows, NAME, options)
    return data_set_figures(rows)


def measure(options: Options) -> list[Figure]:
    """Three keys, rho 0, 1, 2, 1 to 8 bits, five noise levels; four data sets.

    With --quick one key, rho 0, bits 2, 4, 8, three noise levels, no limits; see `range_figures`.
    """
    ending, keys = ("_quick", [0]) if options.quick else ("", [0, 1, 2])
    figures: list[Figure] = []
    methods = METHOD_GRID | {"keys": keys} | ({"bits": [2]} if options.quick else {})
    with run_study(NAME, {"grid": methods}, f"{NAME}{ending}") as results:
        figures += method_figures(results)
        publish(results, f"{NAME}_methods", options, ("survival",))
    if not options.quick:
        with run_study(NAME, {"grid": LIMIT_GRID}, NAME) as results:
            figures += limit_figures(results)
            publish(results, f"{NAME}_limits", options, ("survival",))
    ranges = range_figures(options, keys)
    for done in range(
        len(keys)
        # key by key: what is stopped half way has whole keys to report, and the page is the main
        # study's
    ):
        grid = (QUICK_GRID if options.quick else {}) | {"keys": keys[: done + 1]}
        with run_study(NAME, {"grid": grid}, f"{NAME}{ending}") as results:
            if done + 1 == len(keys):
                figures = [*cliff_figures(results), *price_figures(results), *figures]
                publish(results, NAME, options)
    return figures + ranges


if __name__ == "__main__":
    main(__doc__, measure)
