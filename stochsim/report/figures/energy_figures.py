"""Figures of joules: distance against energy with the Pareto front, and the energy bill by part."""

import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from stochsim.energy import PARTS, format_energy
from stochsim.report import text as words
from stochsim.report.figures.panels import pareto_front
from stochsim.report.figures.style import (
    INK,
    PART_COLOURS,
    QUIET,
    colours,
    label_ends,
    new_figure,
    noise_looks,
    styled,
)
from stochsim.report.variants import (
    Variant,
    bits_words,
    network_words,
    quantised,
    variants,
    widths_label,
)
from stochsim.studies import Result, Results

MOST_BARS = 24
_MOST_LABELS = 12
_WHITE = {"facecolor": "white", "edgecolor": "none", "pad": 0.5, "alpha": 0.7}


@styled
def energy_figure(results: Results) -> Figure:
    """D against joules per read, colour for bits, marker for noise, with the Pareto front; one
    panel per ρ and network.
    """
    rhos = sorted(results.study.grid.rho)
    networks = variants(results)
    figure, axes = new_figure(len(networks), len(rhos), 4.4 * len(networks), sharey=True)
    for variant, line in zip(networks, axes, strict=True):
        for rho, ax in zip(rhos, line, strict=True):
            rows = [row for row in quantised(results, variant) if row.rho == rho]
            _draw_energies(results, rows, ax, last=ax is line[-1])
            ax.set_title(_title(results, variant, rho), loc="left", color=QUIET)
            ax.set_xlabel("energy per read  [J]")
        line[0].set_ylabel("distance D  [sd of the reference]")
    return figure


def _title(results: Results, variant: Variant, rho: float) -> str:
    parts = (
        network_words(results, *variant),
        f"ρ = {rho:g}" if len(results.study.grid.rho) > 1 else "",
    )
    return "; ".join(part for part in parts if part)


def _draw_energies(results: Results, rows: list[Result], ax: Axes, last: bool) -> None:
    """D against joules of one panel's cells; both ends of joules lie off a logarithmic axis."""
    finite = [row for row in rows if 0 < row.per_read_j < math.inf]
    if not finite:
        ax.text(
            0.5, 0.5, "no cell of finite energy", transform=ax.transAxes, ha="center", color=QUIET
        )
        return
    looks = noise_looks(results.study.grid.noise)
    widths = list(dict.fromkeys(widths_label(row) for row in quantised(results)))
    colour = dict(zip(widths, colours(len(widths), "viridis", 0.0, 0.88), strict=True))
    front = pareto_front(finite)
    _front_line(ax, front)
    for row in finite:
        edge = INK if row in front else "white"
        _cell_mark(ax, row, colour[widths_label(row)], looks[row.noise][1], edge)
    energy_axis(ax, [row.per_read_j for row in finite])
    ax.set_ylim(0, 1.12 * _highest(results))
    _label_bits(ax, finite if len(colour) <= _MOST_LABELS else front, colour)
    _distance_lines(ax, rows, named=last)
    if last:
        _marker_legend(ax, sorted({row.noise for row in finite}), looks)


def _front_line(ax: Axes, front: list[Result]) -> None:
    joules = [row.per_read_j for row in front]
    d = [row.estimates["d"].value for row in front]
    ax.plot(joules, d, color=INK, lw=1.2, drawstyle="steps-post", zorder=1)


def _cell_mark(ax: Axes, row: Result, colour: Any, marker: str, edge: str) -> None:
    """D of one cell with its interval."""
    d = row.estimates["d"]
    ax.vlines(row.per_read_j, d.low, d.high, color=colour, lw=1.0, alpha=0.55, zorder=2)
    style: dict[str, Any] = {"ms": 8, "mec": edge, "mew": 0.9, "ls": "", "zorder": 3}
    ax.plot([row.per_read_j], [d.value], marker=marker, color=colour, **style)


def energy_axis(ax: Axes, joules: list[float]) -> None:
    """A logarithmic axis that shows all `joules`, with a margin, and its ticks."""
    low, high = min(joules), max(joules)
    margin = max(1.15, (high / low) ** 0.08)
    ax.set_xscale("log")
    ax.set_xlim(low / margin, high * margin)
    energy_ticks(ax)


def _highest(results: Results) -> float:
    """The largest D that any panel has to show, that of ignoring the stimulus among them."""
    rows = [row for row in quantised(results) if 0 < row.per_read_j < math.inf]
    blind = [row.survival.d_blind.value for row in rows if row.survival is not None]
    return max(*blind, *(row.estimates["d"].high for row in rows), 0.0)


def energy_ticks(ax: Axes) -> None:
    """Ticks of a logarithmic axis of joules, as far apart as its range asks for; set the limits
    first.
    """
    low, high = ax.get_xlim()
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps: tuple[float, ...] = (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8)
    if high / low > 1e3:
        steps = (1,)
    elif high / low > 3:
        steps = (1, 2, 5)
    ticks = [step * 10.0**decade for decade in decades for step in steps]
    ax.set_xticks([tick for tick in ticks if low <= tick <= high])
    ax.xaxis.set_major_formatter(FuncFormatter(lambda joules, _: format_energy(joules, 2)))
    ax.xaxis.set_minor_formatter(NullFormatter())


def _label_bits(ax: Axes, rows: list[Result], colour: dict[str, Any]) -> None:
    """The widths written over the highest point of each, in its colour."""
    for label in colour:
        tops = [row for row in rows if widths_label(row) == label]
        if tops:
            top = max(tops, key=lambda row: row.estimates["d"].high)
            style = {
                "ha": "center",
                "fontsize": 9.5,
                "fontweight": "bold",
                "color": colour[label],
                "bbox": _WHITE,
            }
            ax.annotate(
                bits_words(top),
                (top.per_read_j, top.estimates["d"].high),
                (0, 8),
                textcoords="offset points",
                **style,
            )


def _marker_legend(ax: Axes, levels: list[float], looks: dict[float, tuple[Any, str]]) -> None:
    for noise in levels:
        ax.plot(
            [],
            [],
            marker=looks[noise][1],
            color=QUIET,
            ls="",
            ms=7,
            label=f"noise {words.noise_label(noise)}",
        )
    ax.legend(
        frameon=False,
        loc="upper left",
        bbox_to_anchor=(1.0, 1.0),
        fontsize=10,
        handletextpad=0.2,
        labelcolor=INK,
    )


def _distance_lines(ax: Axes, rows: list[Result], named: bool) -> None:
    survival = next((row.survival for row in rows if row.survival is not None), None)
    if survival is None:
        return
    for estimate, text in (
        (survival.d_blind, "ignores the stimulus"),
        (survival.d_full, "float network"),
    ):
        ax.axhline(estimate.value, color=QUIET, lw=1.0, ls=":", zorder=0)
        if named:
            place = (1.01, estimate.value)
            ax.annotate(
                text,
                place,
                xycoords=("axes fraction", "data"),
                va="center",
                fontsize=9,
                color=QUIET,
                annotation_clip=False,
            )


@styled
def bill_figure(results: Results) -> Figure:
    """Joules per read by part, stacked, one bar per width at the headline noise, one panel per ρ
    and network.
    """
    rhos = sorted(results.study.grid.rho)
    noise = words.nearest_noise(results)
    networks = variants(results)
    figure, axes = new_figure(len(networks), len(rhos), 3.9 * len(networks), sharey="row")
    tied = results.study.grid.bits is not None
    for variant, line in zip(networks, axes, strict=True):
        bars = {rho: words.results_at(results, rho, noise, variant)[-MOST_BARS:] for rho in rhos}
        most = max((_finite_total(row) for rows in bars.values() for row in rows), default=0.0)
        for rho, ax in zip(rhos, line, strict=True):
            _draw_bill(ax, bars[rho], most, len(rhos), last=ax is line[-1])
            ax.set_title(_title(results, variant, rho), loc="left", color=QUIET)
            ax.set_xlabel(
                f"bits{'' if tied else ' (weight/input/output)'}, noise {words.noise_label(noise)}"
            )
        line[0].set_ylabel("energy per read  [J]")
    return figure


def _finite_total(row: Result) -> float:
    return sum(joules for joules in row.energy_j.values() if math.isfinite(joules))


def _draw_bill(ax: Axes, rows: list[Result], most: float, panels: int, last: bool) -> None:
    if not rows:
        ax.text(0.5, 0.5, "no cell stored yet", transform=ax.transAxes, ha="center", color=QUIET)
        return
    places = np.arange(len(rows))
    base = np.zeros(len(rows))
    ends = []
    for part in PARTS:
        parts = [row.energy_j.get(part, 0.0) for row in rows]  # a run may be older than a part
        joules = np.array([value if math.isfinite(value) else 0.0 for value in parts])
        if joules.max() > 0:
            ax.bar(
                places,
                joules,
                0.68,
                bottom=base,
                color=PART_COLOURS[part],
                edgecolor="white",
                linewidth=0.6,
            )
            ends.append(
                (places[-1] + 0.34, float(base[-1] + joules[-1] / 2), part, PART_COLOURS[part])
            )
            base += joules
    crowded = len(rows) * panels > 8
    for place, row, top in zip(places, rows, base, strict=True):
        ax.annotate(
            words.energy_words(row),
            (place, top),
            (0, 3),
            textcoords="offset points",
            ha="center",
            fontsize=9,
            rotation=60 if crowded else 0,
        )
    ax.set_ylim(0, (most or 1.0) * (1.25 if crowded else 1.1))
    ax.set_xticks(places, [widths_label(row) for row in rows], rotation=60 if crowded else 0)
    ax.yaxis.set_major_formatter(FuncFormatter(lambda joules, _: format_energy(max(0.0, joules))))
    if last:
        label_ends(ax, ends, gap=0.075)
