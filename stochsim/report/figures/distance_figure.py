"""The figure of networks at full precision: distance to the posterior along ρ, and that of every
control at the smallest ρ.
"""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from stochsim.networks import ARCHITECTURES
from stochsim.report import text as words
from stochsim.report.figures.style import FAINT, QUIET, label_ends, new_figure, styled
from stochsim.report.variants import float_words, unquantised
from stochsim.studies import Result, Results

_HUES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00")
_SHAPES = "os^vP"
_COLOURS = {**dict(zip(ARCHITECTURES, _HUES, strict=False)), "": QUIET}
_MARKERS = {**dict(zip(ARCHITECTURES, _SHAPES, strict=False)), "": "D"}
_LABEL = "distance D  [sd of the reference]"


def distance_rows(results: Results) -> list[Result]:
    """Finished cells of float networks at the headline noise, and of controls."""
    noise = words.nearest_noise(results)
    return [row for row in unquantised(results) if row.control or row.noise == noise]


@styled
def distance_figure(results: Results) -> Figure:
    """D with 95 % bars: left of float networks against ρ, one line per architecture; right of
    networks and controls at the smallest ρ.
    """
    rows = distance_rows(results)
    rhos = sorted({row.rho for row in rows if row.is_float})
    rho = min(results.study.grid.rho)
    least = [
        row for row in rows if row.rho == rho or not row.architecture
    ]  # what is no network's is the same at every ρ
    height = max(3.6, 0.8 + 0.27 * len(least))
    figure, axes = new_figure(1, 2 if len(rhos) > 1 else 1, height)
    if len(rhos) > 1:
        _along_rho(axes[0][0], [row for row in rows if row.is_float])
    _controls(axes[0][-1], least, rho)
    return figure


def _along_rho(ax: Axes, rows: list[Result]) -> None:
    ends = []
    for label in dict.fromkeys(float_words(row) for row in rows):
        line = [row for row in rows if float_words(row) == label]
        kind = line[0].architecture
        d = [row.estimates["d"] for row in line]
        bars = [[each.value - each.low for each in d], [each.high - each.value for each in d]]
        x, y = [row.rho for row in line], [each.value for each in d]
        ax.errorbar(
            x,
            y,
            bars,
            color=_COLOURS[kind],
            marker=_MARKERS[kind],
            ms=6,
            lw=1.6,
            elinewidth=1.3,
            capsize=2.5,
        )
        ends.append((x[-1], y[-1], label, _COLOURS[kind]))
    ax.set_xlim(right=ax.get_xlim()[1] * 1.02)
    ax.set_ylim(bottom=0)
    ax.set_xlabel("ρ, exponent of the price of reliability")
    ax.set_ylabel(_LABEL)
    ax.set_title("networks at full precision", loc="left", color=QUIET, fontsize=10)
    label_ends(ax, ends)


def _controls(ax: Axes, rows: list[Result], rho: float) -> None:
    """One line per cell, networks first, then their controls, then those that are no network's."""
    order = list(_MARKERS)
    rows = sorted(rows, key=lambda row: (order.index(row.architecture), bool(row.control)))
    labels = []
    for place, row in enumerate(rows):
        d = row.estimates["d"]
        colour = _COLOURS[row.architecture]
        bars = [[d.value - d.low], [d.high - d.value]]
        filled = colour if not row.control else "white"
        look: dict[str, Any] = {
            "marker": _MARKERS[row.architecture],
            "ms": 6,
            "mfc": filled,
            "elinewidth": 1.3,
            "capsize": 2.5,
        }
        ax.errorbar([d.value], [place], xerr=bars, color=colour, **look)
        ax.axhline(place, color=FAINT, lw=0.5, zorder=0)
        labels.append(row.control if row.control else float_words(row))
    ax.set_yticks(range(len(rows)), labels, fontsize=9)
    ax.invert_yaxis()
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.xaxis.set_major_formatter("{x:g}")
    ax.xaxis.set_minor_formatter("")
    ax.set_xlabel(_LABEL)
    title = f"ρ = {rho:g}: networks (filled) and controls" if rows else "no cell stored yet"
    ax.set_title(title, loc="left", color=QUIET, fontsize=10)
