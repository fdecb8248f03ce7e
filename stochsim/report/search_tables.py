"""A search as tables: front.csv, rows of the page, and text for the terminal."""

import csv
import io
import math
import textwrap
from pathlib import Path

from stochsim.energy import format_energy
from stochsim.posterior import Estimate
from stochsim.report import search_text as words
from stochsim.report.console_tables import CONSOLE_COLUMNS
from stochsim.report.csv_tables import write_whole
from stochsim.report.search_doubt import doubt_words
from stochsim.search import Measured, Outcome
from stochsim.settings import ruled_columns
from stochsim.studies import value_text


def write_front_csv(outcome: Outcome, path: Path) -> None:
    """Every setting measured, in order: S and D with intervals, joules per sample under every
    model, whether it is on the front there.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    models = list(outcome.answers)
    estimates = [f"{name}{end}" for name in ("survival", "d") for end in ("", "_low", "_high")]
    energies = [f"{name}_{model}" for model in models for name in ("joules", "front", "answer")]
    writer.writerow([*outcome.space.axes, *estimates, "keeps", "samples_per_effective", *energies])
    for each in outcome.measured:
        keeps = "" if outcome.rule is None else str(each.keeps(outcome.rule)).lower()
        own = [value_text(value) for value in each.setting]
        figures = [
            _plain(value)
            for found in (each.s, each.d)
            for value in (found.value, found.low, found.high)
        ]
        writer.writerow(
            [*own, *figures, keeps, _plain(each.samples_per_effective), *_energies(outcome, each)]
        )
    write_whole(path, text.getvalue())


def _energies(outcome: Outcome, each: Measured) -> list[str]:
    cells = []
    for model, answer in outcome.answers.items():
        on_front = any(each.setting == other.setting for other in answer.front)
        chosen = answer.chosen is not None and answer.chosen.setting == each.setting
        cells += [_plain(each.joules(model)), str(on_front).lower(), str(chosen).lower()]
    return cells


def _plain(value: float) -> str:
    return "" if math.isnan(value) else f"{value + 0.0:.6g}"


def answer_rows(outcome: Outcome) -> list[list[str]]:
    """The answer under each model: model, price and tag, setting, joules, S, D, what the first
    model's choice costs there.
    """
    rows: list[list[str]] = []
    for model, answer in outcome.answers.items():
        name, tag = words.model_price(outcome, model)
        shown = answer.shown
        setting = words.setting_words(outcome.space, shown.setting)
        if rows and shown.setting == outcome.first.shown.setting:
            setting = "the same"
        setting = setting if answer.chosen is not None else f"none; nearest: {setting}"
        extra = outcome.extra(model)
        more = "–"
        if extra > 0 and outcome.rule is not None:
            more = f"+{100 * extra:.3g} %"
        rows.append(
            [
                words.MODEL_WORDS[model],
                f"{name} [{tag}]",
                setting,
                format_energy(outcome.joules(shown, model)),
                *_qualities(shown),
                more,
            ]
        )
    return rows


ANSWER_HEADS = (
    "ADC model",
    "price [tag]",
    "setting",
    "energy",
    "S",
    "D",
    "first row's setting here",
)


def _qualities(measured: Measured) -> list[str]:
    return [estimate_words(measured.s), estimate_words(measured.d)]


def estimate_words(estimate: Estimate) -> str:
    """A figure with its interval, or n/a."""
    return f"{estimate:.2f}" if estimate.available else "n/a"


def front_rows(outcome: Outcome) -> list[list[str]]:
    """The first model's front by rising joules: setting, joules, S, D."""
    answer = outcome.first
    return [
        [
            words.setting_words(outcome.space, each.setting),
            format_energy(outcome.joules(each, answer.model)),
            *_qualities(each),
            "answer" if answer.chosen is not None and each.setting == answer.chosen.setting else "",
        ]
        for each in answer.front
    ]


def neighbour_rows(outcome: Outcome) -> list[list[str]]:
    """One step from the first answer on each axis: change, joules, difference, S, D, whether it
    keeps the rule.
    """
    answer = outcome.first
    own = outcome.space.named(answer.shown.setting)
    here = outcome.joules(answer.shown, answer.model)
    rows = []
    for axis, value, measured in outcome.neighbours():
        change = f"{words.axis_name(axis)}: {value_text(own[axis])} → {value_text(value)}"
        if measured is None:
            rows.append([change, "not measured", "", "", "", ""])
            continue
        joules = outcome.joules(measured, answer.model)
        keeps = ""
        if outcome.rule is not None:
            keeps = "yes" if measured.keeps(outcome.rule) else "no"
        change_of = (
            f"{100 * (joules / here - 1):+.1f} %" if here > 0 and math.isfinite(joules) else "–"
        )
        rows.append([change, format_energy(joules), change_of, *_qualities(measured), keeps])
    return rows


def bill_rows(outcome: Outcome) -> list[list[str]]:
    """The first answer's joules by part, the largest first: part, joules, share of the whole."""
    answer = outcome.first
    energy = answer.shown.energy(answer.model)
    parts = sorted(energy.parts.items(), key=lambda part: -part[1])
    return [
        [name, format_energy(joules), _share(joules / energy.per_sample_j)]
        for name, joules in parts
        if joules > 0
    ]


def _share(share: float) -> str:
    return f"{share:.0%}" if share >= 0.005 else "< 1%"


def largest_part_words(outcome: Outcome) -> str:
    """What moves the first answer's joules most: a sentence."""
    energy = outcome.first.shown.energy(outcome.first.model)
    if not 0 < energy.per_sample_j < math.inf:
        return ""
    part, joules = max(energy.parts.items(), key=lambda each: each[1])
    share = joules / energy.per_sample_j
    return (
        f"What moves it most is {part}, {share:.0%} of the joules: at half its price the whole "
        f"would cost {share / 2:.0%} less."
    )


def console_text(outcome: Outcome) -> str:
    """The answer in sentences, then the table of the models."""
    sentences = [
        words.headline(outcome),
        words.difference_words(outcome),
        doubt_words(outcome),
        words.progress_words(outcome),
    ]
    lines = [textwrap.fill(sentence, CONSOLE_COLUMNS) for sentence in sentences if sentence]
    heads = ["ADC model", "price [tag]", "energy", "S", "D", "choice"]
    letters = {
        setting: chr(ord("A") + index % 26) for index, (setting, _) in enumerate(outcome.groups)
    }
    rows = [[row[0], row[1], row[3], row[4], row[5], ""] for row in answer_rows(outcome)]
    for row, answer in zip(rows, outcome.answers.values(), strict=True):
        row[-1] = (
            letters[answer.shown.setting]
            if answer.chosen is not None
            else f"none (nearest {letters[answer.shown.setting]})"
        )
    named = [
        f"{letter}: {words.setting_words(outcome.space, setting)}"
        for setting, letter in letters.items()
    ]
    flags = [
        textwrap.fill(f"flag: {flag}", CONSOLE_COLUMNS, subsequent_indent="  ")
        for flag in words.flag_words(outcome)
    ]
    return "\n".join([*lines, "", *ruled_columns([heads, *rows], left=None), "", *named, *flags])
