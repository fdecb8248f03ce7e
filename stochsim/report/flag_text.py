"""Flags of bills and of training, as sentences."""

import re

from stochsim.report.variants import network_words, variant_of, widths_label
from stochsim.studies import Result, Results

SATURATED_SHARE = 0.1
"""Above this share of neurons with σ at a bound, a network is flagged "σ saturated"."""


def flag_words(results: Results) -> list[str]:
    """Flags of the bills and of training, those that differ in one figure as one, with the widths
    that carry them.
    """
    where: dict[str, list[str]] = {}
    figures: dict[str, list[float]] = {}
    for row in results.summary:
        for flag in (*row.flags, *_saturation(row)):
            found = _FIGURE.search(flag)
            text = _FIGURE.sub("{}", flag, count=1)
            where.setdefault(text, []).append(_place(results, row))
            figures.setdefault(text, []).extend([float(found[0])] if found else [])
    return [
        f"{text.replace('{}', _span(figures[text]))} — bits: {_listed(places)}"
        for text, places in sorted(where.items())
    ]


_FIGURE = re.compile(
    r"(?<= at )[0-9.e+]+(?= is )|(?<=saturated: )[0-9.]+(?=%)|(?<=coarse ADCs: )[0-9.e+-]+"
    r"|(?<=clipping ADCs: )[0-9.]+(?=%)"
)
"""The figure in which equal flags differ: the argument of a price used beyond its range, the share
of saturated neurons, the steps of coarse ADCs, what others clip.
"""


def _span(figures: list[float]) -> str:
    low, high = min(figures, default=0.0), max(figures, default=0.0)
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


def _place(results: Results, row: Result) -> str:
    """The network, where there are several, and the widths that carry a flag."""
    parts = (network_words(results, *variant_of(row)), widths_label(row))
    return " ".join(part for part in parts if part)


def _listed(labels: list[str], most: int = 8) -> str:
    """The labels, each once; past `most` of them, the number of the others."""
    once = list(dict.fromkeys(labels))
    return ", ".join(once[:most]) + (f" and {len(once) - most} more" if len(once) > most else "")


def _saturation(row: Result) -> list[str]:
    if row.saturated_share <= SATURATED_SHARE:
        return []
    return [
        f"σ saturated: {100 * row.saturated_share:.0f}% of the neurons have σ at a bound, 1e-3·R "
        f"or R (ρ = {row.rho:g})"
    ]


def saturated_words(results: Results) -> str:
    """The widths whose networks are flagged "σ saturated", as a sentence; empty where none is."""
    rows = [row for row in results.summary if row.saturated_share > SATURATED_SHARE]
    labels = [_place(results, row) for row in rows]
    return f"σ saturated, see the flags, at bits: {_listed(labels)}." if labels else ""
