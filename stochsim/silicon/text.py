"""Macros and their scores as text."""

import math
import textwrap
from collections.abc import Iterator, Sequence

from stochsim.energy import format_energy
from stochsim.settings import check_kind, columns, wrapped_columns
from stochsim.silicon.macro import MACRO_RULE, Macro
from stochsim.silicon.scoreboard import Score, Scored
from stochsim.silicon.spread import prior_spread

_KINDS = {"energy": "energies", "part": "parts", "speed": "speeds, given", "area": "areas"}
_WIDTH = 110


def macro_lines(macro: Macro, **conditions: float) -> Iterator[str]:
    """A macro at these conditions: energy by part, speed, area, what is in and out, and every
    parameter with its source.
    """
    check_kind("macro", macro, Macro, MACRO_RULE)
    point = macro.at(**conditions)
    given = ", ".join(f"{name} {value:g}" for name, value in point.conditions.items())
    yield from _filled(f"{macro.name}: {macro.description}; {macro.node_nm:g} nm")
    yield from _filled(f"source: {macro.source}")
    yield f"at {given}"
    yield ""
    yield from _point_lines(macro, conditions)
    yield ""
    yield from _part_rows(macro, conditions)
    if macro.system:
        yield ""
        beside = [["beside the macro", "in the energy?"], *map(list, macro.system.items())]
        yield from columns(beside)
    yield ""
    yield from _parameter_rows(macro)
    yield from _chip_lines(macro, dict(point.conditions))
    for one in macro.contradictions:
        yield from _filled(f"the source contradicts itself: {one}")
    for flag in point.flags:
        yield from _filled(f"warning: {flag}")


def _filled(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, subsequent_indent="  ")


def _point_lines(macro: Macro, conditions: dict[str, float]) -> Iterator[str]:
    point = macro.at(**conditions)
    ends = [corner.at(**conditions).per_mac_fj for corner in macro.corners()]
    between = f" ({min(ends):.3g} to {max(ends):.3g})" if len(ends) > 1 else ""
    per_mac = f"{point.per_mac_fj:.3g} fJ per multiply-accumulate{between}"
    yield f"{per_mac}, {point.tops_per_w:.3g} TOPS/W"
    arrays = f" of {point.copies:g} arrays" if point.copies > 1 else ""
    density = f", {point.tops_per_mm2:.3g} TOPS/mm² (first model)" if point.area_um2 else ""
    yield f"{point.tops:.3g} TOPS{arrays}{density}"
    yield (
        f"convention: 1 multiply-accumulate of these widths is {point.ops_per_mac} operations, not "
        "normalised to bits"
    )


def _part_rows(macro: Macro, conditions: dict[str, float]) -> Iterator[str]:
    point = macro.at(**conditions)
    rows = [["part", "per operation", "share", "area", "note"]]
    for name in dict.fromkeys((*macro.energy, *macro.area)):
        joules = point.energy_j.get(name, math.nan)
        area = point.area_um2.get(name, math.nan)
        rows.append(
            [
                name,
                "" if math.isnan(joules) else format_energy(joules),
                "" if math.isnan(joules) else f"{joules / point.all_j:.1%}",
                "" if math.isnan(area) else f"{area:,.0f} µm²",
                macro.energy[name].note if name in macro.energy else "",
            ]
        )
    return wrapped_columns(rows, _WIDTH, left=1)


def _parameter_rows(macro: Macro) -> Iterator[str]:
    rows = [["parameter", "value", "tag", "source"]]
    for name, one in macro.parameters.items():
        value = f"{one.value:.4g}" if one.unit == "1" else f"{one.value:.4g} {one.unit}"
        between = "" if one.range is None else f"; {one.range[0]:g} to {one.range[1]:g}"
        rows.append([name, value, f"[{one.tag}]", one.source + between])
    return wrapped_columns(rows, _WIDTH)


def _chip_lines(macro: Macro, conditions: dict[str, float]) -> Iterator[str]:
    """How the chip that computes its outputs is set, and what it leaves out."""
    if macro.chip is None:
        return
    yield ""
    if macro.chip.none:
        yield f"outputs: none, {macro.chip.none}"
        return
    values = macro.chip.values(macro.known(conditions))
    rows = [["outputs: setting of the chip", "value", "tag", "source"]]
    rows += [
        [address, str(values[address]), f"[{one.tag}]", one.source]
        for address, one in macro.chip.settings.items()
    ]
    yield from wrapped_columns(rows, _WIDTH)
    yield f"all else as of {macro.chip.preset}, whose joules are not the macro's"
    for one in macro.chip.departures:
        yield from _filled(f"not modelled: {one}")


def score_lines(scores: Sequence[Score], every_row: bool = False) -> Iterator[str]:
    """Scores of macros: misses first, then shares by macro, then every row if wanted."""
    _check_scores(scores)
    yield from _miss_rows(scores)
    yield ""
    yield from _share_rows(scores)
    if every_row:
        for score in scores:
            yield ""
            yield from wrapped_columns([_HEAD, *map(_row, score.rows)], _WIDTH)
    yield ""
    for score in scores:
        beside = ", ".join(f"{name} {where}" for name, where in score.macro.system.items())
        digest = score.macro.digest[:16]
        yield from _filled(f"{score.macro.name}: parameters {digest}; beside the array: {beside}")
        for one in score.macro.contradictions:
            yield from _filled(f"{score.macro.name}: the source contradicts itself: {one}")


def _check_scores(scores: Sequence[Score]) -> None:
    """Raise SettingError for what is no list of scores."""
    rule = "should be Scores, as score(macro, rows) gives one"
    check_kind("scores", scores, (list, tuple), rule)
    for one in scores:
        check_kind("scores", one, Score, rule)


def _miss_rows(scores: Sequence[Score]) -> Iterator[str]:
    rows = [["misses", "where", "measured", "ratio", "envelope", "in it", "suspected"]]
    for score in scores:
        for one in score.misses:
            shown = _row(one)
            inside = "yes" if one.is_in_envelope else "no"
            rows.append([score.macro.name, *shown[1:3], *shown[4:6], inside, _reason(one)])
    return wrapped_columns(rows, _WIDTH) if len(rows) > 1 else iter(("no misses",))


def _reason(one: Scored) -> str:
    if math.isnan(one.predicted):
        return "not modelled"
    return "; ".join(filter(None, (*one.flags, one.doubt)))


def _share_rows(scores: Sequence[Score]) -> Iterator[str]:
    heads = [f"{words} {_words(kind)}" for kind, words in _KINDS.items()]
    rows = [["macro", "fitted", *heads, "in envelope", "log RMSE", "null model"]]
    for score in scores:
        shares = [*(_share(score, kind) for kind in _KINDS), _enveloped(score)]
        errors = [_number(value) for value in (score.log_rmse, score.null_log_rmse)]
        rows.append([score.macro.name, str(len(score.macro.fitted)), *shares, *errors])
    return columns(rows, left=1)


def _words(kind: str) -> str:
    return "×1.5" if kind == "part" else "±20 %"


def _share(score: Score, kind: str) -> str:
    rows = score.predicted(kind)
    return f"{sum(one.is_within for one in rows)} of {len(rows)}" if rows else "-"


def _enveloped(score: Score) -> str:
    """How many energies lie between the model's ends, of those that have such."""
    rows = [one for one in score.predicted("energy") if one.low < one.high]
    return f"{sum(one.is_in_envelope for one in rows)} of {len(rows)}" if rows else "-"


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"


def spread_lines(scores: Sequence[Score]) -> Iterator[str]:
    """How far each macro is off with fitted parameters at their prior, alone and calibrated by the
    others, and what follows for a machine that was not measured.
    """
    _check_scores(scores)
    spread = prior_spread(scores)
    yield "With fitted parameters at their prior, modelled / measured:"
    rows = [["macro", "mean ratio", "calibrated by the others"]]
    for name, residual in spread.by_macro.items():
        rows.append([name, f"{math.exp(residual):.2f}", f"{spread.left_out(name):.2f}"])
    yield from columns(rows)
    yield (
        f"A machine that was not measured: {spread.low:.2g} to {spread.high:.2g} of the modelled "
        f"joules (95 %, Student's law with {len(spread.by_macro) - 1} degrees of freedom)."
    )


_HEAD = ["kind", "where", "measured", "modelled", "ratio", "envelope", "null", ""]


def _row(one: Scored) -> list[str]:
    unit = {"energy": "fJ/MAC", "part": "fJ/MAC", "area": "µm²"}.get(one.row.kind, "")
    if not unit:
        unit = {"latency": "s", "density": "TOPS/mm²"}.get(one.row.quantity, "TOPS")
    notes = ["given" if one.is_given else "", "" if one.row.is_scored else "not scored"]
    return [
        one.row.kind,
        one.row.where,
        f"{one.row.value:.4g} {unit}",
        "-" if math.isnan(one.predicted) else f"{one.predicted:.4g}",
        "-" if math.isnan(one.predicted) else f"{one.ratio:.3f}",
        _envelope(one),
        "" if math.isnan(one.null) else f"{one.null / one.row.value:.3f}",
        ", ".join(filter(None, (*notes, *one.flags))),
    ]


def _envelope(one: Scored) -> str:
    """The ratios at the ends of the plausible ranges; empty where nothing has one."""
    if not one.low < one.high:
        return ""
    return f"{one.low / one.row.value:.2f} to {one.high / one.row.value:.2f}"
