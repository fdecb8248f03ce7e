"""The figure that answers the question: survival against bits, one line per noise level."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stochsim.posterior import CLIFF_SURVIVAL
from stochsim.report import text as words
from stochsim.report.figures.panels import Panel, has_survival, panel_title, panels, shown
from stochsim.report.figures.style import FAINT, QUIET, label_ends, new_figure, noise_looks, styled
from stochsim.report.variants import quantised
from stochsim.studies import Result, Results

LOWEST_S = -0.5
HIGHEST_S = 1.6
"""S beyond these leaves the panel, and its value is written at the edge."""
_DODGE = 0.009
_LABEL_STEP = 0.0215
"""Between neighbours of one width, as shares of a whole figure's width."""


@styled
def survival_figure(results: Results) -> Figure:
    """S against bits, one line per noise level with 95 % bars, one panel per ρ, network and swept
    bit axis; D where there is no S.
    """
    grid = panels(results)
    figure, axes = new_figure(len(grid), len(grid[0]), 0.6 + 4.1 * len(grid), sharey="row")
    limits = _survival_limits(results) if has_survival(results) else (0.0, _top(results))
    for row, line_of_axes in zip(grid, axes, strict=True):
        for panel, ax in zip(row, line_of_axes, strict=True):
            _draw_panel(results, panel, ax, limits, last=ax is line_of_axes[-1])
        line_of_axes[0].set_ylabel(
            "survival S" if has_survival(results) else "distance D  [sd of the reference]"
        )
    return figure


def _top(results: Results) -> float:
    highest = [row.estimates["d"].high for row in quantised(results)]
    return 1.08 * max(highest, default=1.0)


def _survival_limits(results: Results) -> tuple[float, float]:
    known = [
        estimate
        for row in quantised(results)
        if (estimate := words.available(row.survival)) is not None
    ]
    low = min((estimate.low for estimate in known), default=0.0)
    high = max((estimate.high for estimate in known), default=1.0)
    return max(LOWEST_S, min(-0.12, low - 0.05)), min(HIGHEST_S, max(1.1, high + 0.05))


def _draw_panel(
    results: Results, panel: Panel, ax: Axes, limits: tuple[float, float], last: bool
) -> None:
    looks = noise_looks(results.study.grid.noise)
    ax.set_ylim(*limits)
    margin = 0.06 * (panel.widths[-1] - panel.widths[0]) or 0.5
    ax.set_xlim(panel.widths[0] - margin, panel.widths[-1] + margin)
    ax.set_xticks(panel.widths, [str(width) for width in panel.widths])
    tied = "bits of weights, inputs and outputs" if len(panels(results)[0]) < 3 else "bits"
    ax.set_xlabel(tied if panel.axis == "bits" else words.AXIS_WORDS[panel.axis])
    ax.set_title(panel_title(results, panel), loc="left", color=QUIET, fontsize=10)
    if has_survival(results):
        _reference_lines(ax)
    ends = []
    _label_edges(results, panel, ax, looks)
    for index, (noise, points) in enumerate(panel.lines.items()):
        shift = _DODGE * _span(results, ax) * (index - (len(panel.lines) - 1) / 2)
        end = _draw_line(results, ax, points, shift, looks[noise])
        if end is not None:
            ends.append((*end, f"noise {words.noise_label(noise)}", looks[noise][0]))
    if last:
        label_ends(ax, ends)
    if not panel.lines:
        ax.text(0.5, 0.5, "no cell stored yet", transform=ax.transAxes, ha="center", color=QUIET)


def _reference_lines(ax: Axes) -> None:
    left, right = ax.get_xlim()
    for height, text, style, x, below in (
        (1.0, "float network", ":", left, False),
        (CLIFF_SURVIVAL, f"cliff, S = {CLIFF_SURVIVAL:g}", "--", left, True),
        (0.0, "ignores the stimulus", "-", right, True),
    ):
        ax.axhline(height, color=QUIET if style == "--" else FAINT, lw=1.0, ls=style, zorder=0)
        ax.annotate(
            text,
            (x, height),
            (4 if x == left else -4, -3 if below else 3),
            textcoords="offset points",
            fontsize=9,
            color=QUIET,
            ha="left" if x == left else "right",
            va="top" if below else "bottom",
        )


def _draw_line(
    results: Results,
    ax: Axes,
    points: list[tuple[int, Result]],
    shift: float,
    look: tuple[Any, str],
) -> tuple[float, float] | None:
    """One noise level; returns the end of its line.

    Filled markers: the cliff's rule is met (or there is no S).
    """
    colour, marker = look
    known = [
        (width + shift, row, estimate)
        for width, row in points
        if (estimate := shown(results, row)) is not None
    ]
    if not known:
        return None
    x, y = [place for place, _, _ in known], [estimate.value for _, _, estimate in known]
    ax.plot(x, y, color=colour, lw=1.6, zorder=2)
    for place, row, estimate in known:
        if _edge(ax, estimate.value) == "inside":
            filled = not has_survival(results) or words.survives(row)
            bars = [
                [max(0.0, estimate.value - estimate.low)],
                [max(0.0, estimate.high - estimate.value)],
            ]
            ax.errorbar(
                [place],
                [estimate.value],
                bars,
                color=colour,
                elinewidth=1.3,
                capsize=2.5,
                lw=0,
                zorder=3,
            )
            ax.plot(
                [place],
                [estimate.value],
                marker=marker,
                ms=6,
                color=colour,
                mfc=colour if filled else "white",
                mew=1.3,
                ls="",
                zorder=4,
            )
    return x[-1], y[-1]


def _span(results: Results, ax: Axes) -> float:
    """Bits that a whole figure's width would show at the scale of this panel."""
    low, high = ax.get_xlim()
    return (high - low) * len(panels(results)[0])


def _edge(ax: Axes, value: float) -> str:
    low, high = ax.get_ylim()
    if value < low:
        return "low"
    return "high" if value > high else "inside"


def _label_edges(
    results: Results, panel: Panel, ax: Axes, looks: dict[float, tuple[Any, str]]
) -> None:
    """Values beyond the panel and n/a, written at its edge side by side, in order of noise."""
    slots: dict[tuple[int, str], list[tuple[str, Any]]] = {}
    for noise, points in panel.lines.items():
        for width, row in points:
            estimate = shown(results, row)
            edge = "low" if estimate is None else _edge(ax, estimate.value)
            if edge != "inside":
                text = "n/a" if estimate is None else words.number(estimate.value, ".2f")
                slots.setdefault((width, edge), []).append((text, looks[noise][0]))
    for (width, edge), labels in slots.items():
        for index, (text, colour) in enumerate(labels):
            _edge_label(
                ax,
                width + _LABEL_STEP * _span(results, ax) * (index - (len(labels) - 1) / 2),
                edge,
                text,
                colour,
            )


def _edge_label(ax: Axes, x: float, edge: str, text: str, colour: Any) -> None:
    y, sign = (ax.get_ylim()[0], 1) if edge == "low" else (ax.get_ylim()[1], -1)
    if text != "n/a":
        ax.plot(
            [x],
            [y],
            marker="v" if edge == "low" else "^",
            color=colour,
            ms=7,
            clip_on=False,
            ls="",
            zorder=5,
        )
    ax.annotate(
        text,
        (x, y),
        (0, (8 if text != "n/a" else 3) * sign),
        textcoords="offset points",
        rotation=90,
        ha="center",
        va="bottom" if edge == "low" else "top",
        fontsize=9,
        color=colour,
        zorder=5,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8, "alpha": 0.85},
    )
