"""Figures of a search: the front under each ADC model, and the bill of each answer by
part.
"""

import math
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from stochsim.energy import PARTS, format_energy
from stochsim.report.figures.energy_figures import energy_axis
from stochsim.report.figures.style import (
    FAINT,
    INK,
    PART_COLOURS,
    QUIET,
    label_ends,
    new_figure,
    styled,
)
from stochsim.report.search_text import MODEL_WORDS
from stochsim.search import OWN, Answer, Measured, Outcome

_CHOSEN = PART_COLOURS["converter"]
_KEPT = PART_COLOURS["multiply"]
_COLUMNS = 3


@styled
def front_figure(outcome: Outcome) -> Figure:
    """The quality of every setting against its joules, the front joined, the answer marked; one
    panel per ADC model.
    """
    answers = list(outcome.answers.values())
    columns = min(_COLUMNS, len(answers))
    rows = -(-len(answers) // columns)
    figure, axes = new_figure(rows, columns, 3.3 * rows if columns > 1 else 4.2, sharey=True)
    limits = _quality_limits(outcome)
    for place, ax in enumerate(axes.flat):
        if place >= len(answers):
            ax.set_axis_off()
            continue
        _panel(outcome, answers[place], ax)
        ax.set_ylim(*limits)
        if place % columns == 0:
            ax.set_ylabel(
                "survival S" if _against_survival(outcome) else "distance D  [sd of the reference]"
            )
    if len(answers) < axes.size:
        _legend(outcome, axes.flat[len(answers)], "center left")
    else:
        _legend(
            outcome,
            axes.flat[len(answers) - 1],
            "lower right" if _against_survival(outcome) else "upper right",
        )
    return figure


def _against_survival(outcome: Outcome) -> bool:
    return outcome.request.file.objective.against_survival


def _quality(outcome: Outcome, measured: Measured) -> float:
    return measured.s.value if _against_survival(outcome) else measured.d.value


def _quality_limits(outcome: Outcome) -> tuple[float, float]:
    """Limits of the axis of quality, from ignoring the stimulus to the best: settings that are
    worse stand at the edge.
    """
    values = [_quality(outcome, each) for each in outcome.measured]
    known = [value for value in values if math.isfinite(value)]
    if _against_survival(outcome):
        return (-0.05, max(1.05, 1.05 * max(known, default=1.0)))
    blind = max(each.survival.d_blind.value for each in outcome.measured)
    return (0.0, 1.08 * blind)


def _panel(outcome: Outcome, answer: Answer, ax: Axes) -> None:
    ax.set_title(MODEL_WORDS[answer.model], loc="left", color=INK, fontsize=10.5)
    finite = [
        each
        for each in outcome.measured
        if 0 < outcome.joules(each, answer.model) < math.inf
        and math.isfinite(_quality(outcome, each))
    ]
    if not finite:
        text = "no setting of finite joules"
        ax.text(0.5, 0.5, text, transform=ax.transAxes, ha="center", color=QUIET)
        return
    _scatter(outcome, answer, finite, ax)
    joules = [outcome.joules(each, answer.model) for each in answer.front]
    quality = [_quality(outcome, each) for each in answer.front]
    style: dict[str, Any] = {"drawstyle": "steps-post", "marker": "o", "ms": 3.5}
    ax.plot(joules, quality, color=INK, lw=1.3, zorder=3, **style)
    _mark_answer(outcome, answer, ax)
    energy_axis(ax, [outcome.joules(each, answer.model) for each in finite])
    ax.tick_params(labelsize=9)
    per = "effective sample" if outcome.effective else "sample"
    ax.set_xlabel(f"energy per {per}", fontsize=9.5)
    if outcome.rule is not None:
        ax.axhline(outcome.rule.value, color=QUIET, lw=0.9, ls=":", zorder=0)


def _scatter(outcome: Outcome, answer: Answer, measured: list[Measured], ax: Axes) -> None:
    """All settings, those that keep the rule in their own colour, worse ones at the edge."""
    low, high = _quality_limits(outcome)
    edge = 0.01 * (high - low)
    for kept, colour, size in ((False, FAINT, 18), (True, _KEPT, 22)):
        some = [
            each
            for each in measured
            if (outcome.rule is not None and each.keeps(outcome.rule)) == kept
        ]
        if some:
            joules = [outcome.joules(each, answer.model) for each in some]
            quality = np.clip([_quality(outcome, each) for each in some], low + edge, high - edge)
            alpha = 0.55 if kept else 1.0
            ax.scatter(joules, quality, s=size, color=colour, alpha=alpha, linewidths=0, zorder=2)


def _mark_answer(outcome: Outcome, answer: Answer, ax: Axes) -> None:
    if answer.chosen is None:
        return
    chosen = answer.chosen
    survival = _against_survival(outcome)
    place = (outcome.joules(chosen, answer.model), _quality(outcome, chosen))
    estimate = chosen.s if survival else chosen.d
    ax.vlines(place[0], estimate.low, estimate.high, color=_CHOSEN, lw=1.4, zorder=4)
    ax.plot(*place, marker="*", ms=15, color=_CHOSEN, mec="white", mew=0.8, ls="", zorder=5)
    style: dict[str, Any] = {
        "textcoords": "offset points",
        "fontsize": 9.5,
        "fontweight": "bold",
        "color": _CHOSEN,
    }
    ax.annotate(format_energy(place[0]), place, (9, -14 if survival else 9), **style)


def _legend(
    outcome: Outcome, ax: Axes, where: Literal["center left", "lower right", "upper right"]
) -> None:
    ax.plot([], [], marker="o", ms=5, ls="", color=FAINT, label="measured")
    if outcome.rule is not None:
        ax.plot(
            [],
            [],
            marker="o",
            ms=5,
            ls="",
            color=_KEPT,
            alpha=0.55,
            label=f"keeps {outcome.rule}, whole interval",
        )
    ax.plot([], [], color=INK, lw=1.3, marker="o", ms=3.5, label="front")
    answered = (
        "answer, 95 % interval" if outcome.rule is not None else "bend of the front, 95 % interval"
    )
    ax.plot([], [], marker="*", ms=12, ls="", color=_CHOSEN, label=answered)
    ax.legend(frameon=False, loc=where, fontsize=9.5, labelcolor=INK)


@styled
def bill_figure(outcome: Outcome) -> Figure:
    """Joules per sample of each model's answer by part, stacked."""
    models = list(outcome.answers)
    figure, axes = new_figure(1, 1, 3.6)
    ax: Axes = axes[0, 0]
    base = np.zeros(len(models))
    places = np.arange(len(models))
    ends = []
    parts = {
        part: np.array([outcome.answers[m].shown.energy(m).parts[part] for m in models])
        for part in PARTS
    }
    for part, joules in parts.items():
        if np.isfinite(joules).all() and joules.any():
            ax.bar(
                places,
                joules,
                0.62,
                bottom=base,
                color=PART_COLOURS[part],
                edgecolor="white",
                linewidth=0.6,
            )
            ends.append(
                (places[-1] + 0.31, float(base[-1] + joules[-1] / 2), part, PART_COLOURS[part])
            )
            base = base + joules
    for place, top in zip(places, base, strict=True):
        ax.annotate(
            format_energy(float(top)),
            (place, top),
            (0, 3),
            textcoords="offset points",
            ha="center",
            fontsize=9.5,
        )
    ax.set_ylim(0, 1.12 * max(float(base.max()), 1e-30))
    ax.set_xticks(
        places,
        [MODEL_WORDS[model] if model != OWN else "chip's own prices" for model in models],
        fontsize=9.5,
    )
    ax.yaxis.set_major_formatter(FuncFormatter(lambda joules, _: format_energy(max(0.0, joules))))
    label_ends(ax, ends, gap=0.08)
    return figure
