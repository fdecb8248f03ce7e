"""Does the optimiser find the front of a space whose every setting is known, with a fifth of the
grid's evaluations?

384 settings of an SRAM array (weight, input and output bits, noise, ADC bits, rows): a sparse
code of natural image patches, rounded after training. Of each key the whole grid is measured once
and kept in runs/; the searches then look settings up, four of each key. Figure: hypervolume of
(log10 joules per read, D) as a share of the grid's, the worst of the four; the interval is from the
worst to the best. Its reference point is the most expensive setting of the grid and the distance of
draws that ignore the stimulus. Searches by random settings and by NSGA-II stand beside it, each
with the same first two settings; and how much more expensive than the grid's the cheapest setting
is that keeps S above the grid's median of positive lower ends. The keys are not those on which the
search was tuned.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from _bench import Figure, Options, main
from _optimizer_grid import AXES, Setting, grid

from stochsim.keys import fold_in
from stochsim.report.figures.style import INK, PART_COLOURS, QUIET, new_figure, styled, to_png
from stochsim.search.front import Point, hypervolume
from stochsim.search.proposals import Plan, Sampler, Search
from stochsim.search.space import Space

KEYS = (5, 6, 7, 8, 9)  # the search was tuned on 0 to 4
QUICK_KEYS = (5, 6)
REPEATS, QUICK_REPEATS = 4, 1
SHARE = 0.2
FOLDER = Path("runs") / "optimizer_grid"
SAMPLERS: dict[Sampler, str] = {
    "tpe": "stochsim optimize",
    "nsga2": "NSGA-II",
    "random": "random settings",
}
Grid = dict[Setting, dict[str, float]]


def points(rows: Grid) -> dict[Setting, Point]:
    """(log10 joules, D) of every setting; worse than ignoring the stimulus is as bad, as the
    optimiser sees it.
    """
    return {
        setting: (math.log10(row["joules"]), min(row["d"], row["blind"]))
        for setting, row in rows.items()
    }


def reference(rows: Grid) -> Point:
    """The most expensive setting's joules, and the distance of draws that ignore the stimulus."""
    return math.log10(max(row["joules"] for row in rows.values())), next(iter(rows.values()))[
        "blind"
    ]


def search(rows: Grid, trials: int, sampler: Sampler, key: int) -> list[Setting]:
    """The settings that a search measures, in order."""
    known = points(rows)

    def look_up(settings: Sequence[Setting]) -> list[dict[str, Point]]:
        return [{"only": known[setting]} for setting in settings]

    return Search(Plan(Space(AXES), ("only",), trials, key=key, sampler=sampler)).run(look_up)


def shares(rows: Grid, order: Sequence[Setting]) -> list[float]:
    """Hypervolume after each evaluation, as a share of the whole grid's."""
    known = points(rows)
    far = reference(rows)
    whole = hypervolume(list(known.values()), far)
    return [
        hypervolume([known[setting] for setting in order[: count + 1]], far) / whole
        for count in range(len(order))
    ]


def extra(rows: Grid, order: Sequence[Setting]) -> float:
    """How much dearer the search's cheapest setting that keeps a bound is than the grid's, as a
    share; infinite without one.
    """
    bound = float(
        np.median([row["survival_low"] for row in rows.values() if row["survival_low"] > 0])
    )
    kept = {setting: row["joules"] for setting, row in rows.items() if row["survival_low"] >= bound}
    return (
        min((kept[setting] for setting in order if setting in kept), default=math.inf)
        / min(kept.values())
        - 1
    )


def measure(options: Options) -> list[Figure]:
    """Hypervolume shares of every sampler and key, and the searches' curves as a picture."""
    keys, repeats = (QUICK_KEYS, QUICK_REPEATS) if options.quick else (KEYS, REPEATS)
    trials = math.floor(SHARE * math.prod(map(len, AXES.values())))
    curves: dict[Sampler, list[list[float]]] = {sampler: [] for sampler in SAMPLERS}
    figures = []
    for key in keys:
        rows = grid(key, FOLDER)
        for sampler, name in SAMPLERS.items():
            orders = [
                search(rows, trials, sampler, fold_in(key, "search", repeat))
                for repeat in range(repeats)
            ]
            found = [shares(rows, order) for order in orders]
            curves[sampler] += found
            bar: dict[str, Any] = {"bar": 0.98} if sampler == "tpe" else {}
            title = f"{name}, key {key}: hypervolume after {trials} of {len(rows)} evaluations"
            figures.append(
                _worst(
                    title, [each[-1] for each in found], "of the grid's", "the whole grid", **bar
                )
            )
            if sampler == "tpe":
                title = f"{name}, key {key}: cheapest setting above the bound of S, dearer by"
                figures.append(
                    _worst(
                        title,
                        [extra(rows, order) for order in orders],
                        "of it",
                        "the grid's cheapest",
                        better="lower",
                    )
                )
    if options.out is not None:
        (options.out / "optimizer_against_grid.png").write_bytes(to_png(picture(curves)))
    return sorted(figures, key=lambda figure: ("dearer" in figure.name, figure.bar is None))


def _worst(title: str, values: list[float], unit: str, baseline: str, **more: Any) -> Figure:
    """The worst of several searches, with the range of all."""
    worst = max(values) if more.get("better") == "lower" else min(values)
    return Figure(title, worst, min(values), max(values), unit, baseline, **more)


@styled
def picture(curves: dict[Sampler, list[list[float]]]) -> Any:
    """Hypervolume share against evaluations: a line per search, the worst of each sampler drawn
    thick.
    """
    figure, axes = new_figure(1, 1, 4.2)
    ax = axes[0, 0]
    colours = {"tpe": PART_COLOURS["multiply"], "nsga2": PART_COLOURS["random"], "random": QUIET}
    for sampler, lines in curves.items():
        for line in lines:
            ax.plot(range(1, len(line) + 1), line, color=colours[sampler], lw=0.8, alpha=0.45)
        worst = np.min(np.array(lines), axis=0)
        ax.plot(
            range(1, len(worst) + 1),
            worst,
            color=colours[sampler],
            lw=2.2,
            label=f"{SAMPLERS[sampler]}: worst of {len(lines)} searches",
        )
    ax.axhline(0.98, color=INK, lw=0.9, ls=":")
    ax.annotate("98 %", (1, 0.98), (0, 3), textcoords="offset points", fontsize=9.5, color=INK)
    ax.set_xlabel("settings measured")
    ax.set_ylabel("hypervolume, share of the grid's")
    ax.set_ylim(0, 1.03)
    ax.legend(frameon=False, loc="lower right", labelcolor=INK)
    return figure


if __name__ == "__main__":
    main(__doc__, measure)
