"""How fast are the kernels?

Each against an expert's torch in place, and against what the machine can give, in the same run.

Both sides run on two threads, turn by turn in the same loop, after warm-up; a turn is the best of
up to 20 calls. Every ratio, time and share of a limit is the median over the turns with their 10 %
and 90 % quantiles. Compile times stand apart: the first calls of all kernels in a fresh process,
with an empty cache and with the one it left. Limits: random numbers, counted bits and int8 products
per second, and GB/s of memory, on the processor that is named with its features; a product's limit
is that of the arithmetic that is chosen for it; the ratios that should be reached
depend on its maker (_bars.py). A code of up to 5 bits takes 16 random bits, any other 32.

Neurons: 64 × 256 drives, 256 reads of each, from drives to int8. Noisy products: 512 float inputs,
1,024 × 1,024 weights of 8 bits, packed once; torch's weight noise is one fresh matrix per call, the
chip's is lumped and fresh for every stimulus. Crossbar: 128 rows, 4 × 4 bits in 1-bit cells and
1-bit cycles, 8-bit ADCs with noise of one step; torch's planes are ready float32, the kernels
pack their inputs within the call.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import Any

import numpy as np
from _bars import features
from _bench import Figure, Options, main
from _crossbar_races import crossbar_races
from _first_calls import first_call_figures
from _limits import MEMORY, limit_works
from _memory import crossbar_bytes
from _neuron_races import neuron_races
from _peers import peer_races
from _product_races import product_races
from _speed import Race, Result, quantiles, run, turn_by_turn

TURNS, QUICK_TURNS = 15, 4
SHARE = ": share of limit"
MEMORY_NAME = "working memory of the crossbar's call"


def limit_figures(turns: int) -> list[Figure]:
    """Rates of the machine, 1e9 per second, of memory GB/s."""
    figures = []
    for name, units, work in limit_works():
        rates = quantiles(1e-9 * units / turn_by_turn({name: work}, turns)[name])
        figures.append(Figure(name, *rates, "GB/s" if name == MEMORY else "1e9/s"))
    return figures


def race_figures(races: Iterable[Race], limits: Iterable[Figure], turns: int) -> list[Figure]:
    """All ratios, then all times, then all shares of a limit."""
    rates = {figure.name: 1e9 * figure.value for figure in limits}
    results = [run(race, turns) for race in races]
    ways: tuple[Callable[[Result], list[Figure]], ...] = (
        Result.ratio,
        lambda result: [result.time()],
        lambda result: result.share(rates),
    )
    return [figure for way in ways for result in results for figure in way(result)]


def memory_figure(processes: int) -> Figure:
    """Of the crossbar, each time in a fresh process."""
    megabytes = np.array([1e-6 * crossbar_bytes() for _ in range(processes)])
    return Figure(
        MEMORY_NAME,
        float(np.median(megabytes)),
        float(megabytes.min()),
        float(megabytes.max()),
        "MB",
        None,
        4.0,
        "lower",
    )


def measure(options: Options) -> list[Figure]:
    """4 turns with --quick, else 15."""
    turns, processes = (QUICK_TURNS, 1) if options.quick else (TURNS, 5)
    starts = first_call_figures(processes)
    memory = memory_figure(processes)
    limits = limit_figures(turns)
    races = race_figures(
        chain(neuron_races(), product_races(), crossbar_races(), peer_races()), limits, turns
    )
    figures = [*races, *limits, memory, *starts]
    if options.out is not None:
        picture(figures, options)
    return figures


def picture(figures: list[Figure], options: Options) -> None:
    """kernel_speed.png: how many times faster than the baseline, with the bars; beside it the
    shares of the limits, work by work.
    """
    from matplotlib.figure import Figure as Picture

    ratios = {figure.name: figure for figure in figures if figure.unit == "×"}
    shares = {
        figure.name.removesuffix(SHARE): figure for figure in figures if figure.name.endswith(SHARE)
    }
    works = list(ratios)
    sheet = Picture(figsize=(12, 1.5 + 0.3 * len(works)), layout="constrained")
    left, right = sheet.subplots(1, 2, sharey=True, width_ratios=(3, 2))
    _bars(left, list(ratios.values()), start=1.0)
    for place, work in enumerate(works):
        if (bar := ratios[work].bar) is not None:
            left.plot([bar] * 2, [place - 0.45, place + 0.45], color="black", linewidth=2.5)
    left.set(
        xscale="log",
        xlabel="times faster than the baseline",
        title="against the baseline named (mark: bar; orange: below)",
    )
    left.set_xlim(right=8 * left.get_xlim()[1])  # room for the names of the baselines
    left.axvline(1.0, color="black", linewidth=0.8)
    _bars(right, [shares.get(work) for work in works], start=0.0)
    right.set(
        xlabel="%", title="share of the limit named", xlim=(0, 2 * max(100.0, *right.get_xlim()))
    )
    right.axvline(100.0, color="black", linewidth=0.8)
    left.set_yticks(np.arange(len(works)), works, fontsize=8)
    left.invert_yaxis()
    left.margins(y=0.01)
    assert options.out is not None
    sheet.savefig(options.out / "kernel_speed.png", dpi=150)


def _bars(axes: Any, rows: Sequence[Figure | None], start: float) -> None:
    """Horizontal bars from `start` with intervals, and what each is compared with; one that misses
    what it should reach is orange.
    """
    for place, row in enumerate(rows):
        if row is not None:
            colour = "tab:orange" if row.verdict == "no" else "tab:blue"
            axes.barh(place, row.value - start, left=start, color=colour, alpha=0.6)
            axes.plot([row.low, row.high], [place, place], color="black", linewidth=1)
            axes.text(
                0.99,
                place,
                row.baseline,
                fontsize=6.5,
                va="center",
                ha="right",
                color="0.3",
                transform=axes.get_yaxis_transform(),
            )


if __name__ == "__main__":
    main(__doc__, measure, features())
