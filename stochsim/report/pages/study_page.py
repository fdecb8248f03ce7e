"""The report of a study of the grid: one self-contained HTML page, and the figures as files."""

import base64
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w
from markupsafe import Markup
from matplotlib.figure import Figure

from stochsim.hardware import TABLE_COLUMNS, Hardware
from stochsim.report import flag_text
from stochsim.report import text as words
from stochsim.report.figures.distance_figure import distance_figure, distance_rows
from stochsim.report.figures.energy_figures import MOST_BARS, bill_figure, energy_figure
from stochsim.report.figures.panels import has_survival
from stochsim.report.figures.pictures import (
    dictionary_figure,
    scatter_figure,
    scatter_settings,
    unused_elements,
)
from stochsim.report.figures.style import to_png, to_svg
from stochsim.report.figures.survival_figure import survival_figure
from stochsim.report.pages import appendix, sections, study_columns
from stochsim.report.pages.templates import rendered
from stochsim.report.ranking import has_dependent_reads
from stochsim.report.variants import (
    price_of_reliability,
    quantised,
    varied_axes,
)
from stochsim.report.verdict import verdict
from stochsim.settings import AnyPath, StochsimError, as_path, counted
from stochsim.studies import AXES, BIT_AXES, UNUSED_NORM, Results, column_axes

_PAGE_DPI = 144
_ONE_LINE_COLUMNS = 7  # more, and intervals go below their figures


@dataclass(frozen=True)
class Drawing:
    """One figure: its name, how it is built, whether it has too many points for SVG, and when it
    can be drawn.
    """

    name: str
    build: Callable[[Results], Figure]
    many_points: bool
    ready: Callable[[Results], bool]


def _has_rows(results: Results) -> bool:
    return bool(quantised(results))


def _has_decoder(results: Results) -> bool:
    try:
        return results.decoder_task.artifact is not None
    except KeyError:  # not stored yet
        return False


DRAWINGS = (
    Drawing("survival", survival_figure, False, _has_rows),
    Drawing("distance", distance_figure, False, lambda results: bool(distance_rows(results))),
    Drawing("energy", energy_figure, False, _has_rows),
    Drawing("bill", bill_figure, False, _has_rows),
    Drawing("scatter", scatter_figure, True, lambda results: bool(scatter_settings(results))),
    Drawing("dictionary", dictionary_figure, True, _has_decoder),
)


def save_figures(results: Results, folder: AnyPath) -> list[Path]:
    """Write every figure that can be drawn as a PNG into `folder` (made where missing); returns the
    paths.
    """
    folder = as_path("folder", folder)
    paths = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for drawing in DRAWINGS:
            if drawing.ready(results):
                paths.append(folder / f"{drawing.name}.png")
                paths[-1].write_bytes(to_png(drawing.build(results)))
    except OSError as error:
        raise StochsimError(f"{folder}: figures cannot be written ({error.strerror})") from None
    return paths


def render(results: Results) -> str:
    """The page as HTML text: no script, nothing loaded from elsewhere."""
    return rendered(
        "study.html",
        **_opening(results),
        **_answers(results),
        **_tables(results),
        **_chip(results),
        **_provenance(results),
    )


def _opening(results: Results) -> dict[str, Any]:
    """Title, verdict, and what was measured."""
    measure = results.study.measure
    return {
        "title": _title(results),
        "subtitle": _subtitle(results),
        "verdict": verdict(results),
        "prices": words.price_words(results),
        "missing": words.missing_words(results),
        "n": f"n = {measure.reads} reads of each of {measure.stimuli} held-out stimuli",
        "measure": measure,
        "chains": words.chain_words(results),
        "dependent": has_dependent_reads(results),
        "controls": words.control_words(results),
        "infinite": words.INFINITE_ENERGY if words.has_infinite_energy(results) else "",
        "uneven": results.is_uneven,
        "absences": words.absences(results),
    }


def _answers(results: Results) -> dict[str, Any]:
    """Key figures, pictures, cliffs, and the words around them."""
    tied = results.study.grid.bits is not None
    return {
        "figures": sections.key_figures(results),
        "pictures": {
            drawing.name: _data_address(drawing, results) if drawing.ready(results) else ""
            for drawing in DRAWINGS
        },
        "has_survival": has_survival(results),
        "own_decoder": words.OWN_DECODER,
        "several_networks": bool(varied_axes(results)),
        "cliffs": sections.cliff_rows(results),
        "all_cliffs": [] if tied else sections.cliff_rows(results, everything=True),
        "energy_caption": sections.energy_caption(results),
        "most_bars": MOST_BARS,
        "baselines": words.baselines(results),
        "headline_noise": words.noise_label(words.nearest_noise(results)),
        "dictionary": _dictionary_words(results),
        "unused_norm": f"{UNUSED_NORM:g}",
        "flags": flag_text.flag_words(results),
        "saturated": flag_text.saturated_words(results),
    }


def _tables(results: Results) -> dict[str, Any]:
    """The main table and the one of everything else."""
    main = study_columns.main_columns(results)
    detail = study_columns.detail_columns(results)
    return {
        "main": main,
        "main_style": "main" if len(main) <= _ONE_LINE_COLUMNS else "stacked",
        "main_rows": study_columns.table(results, main),
        "detail": detail,
        "detail_rows": study_columns.table(results, detail),
    }


def _chip(results: Results) -> dict[str, Any]:
    """The hardware, its prices and their sources."""
    return {
        "hardware": _hardware_words(results),
        "hardware_sources": results.hardware.sources,
        "price_heads": TABLE_COLUMNS,
        "price_rows": appendix.price_rows(results),
        "references": appendix.reference_rows(results),
        "chip": _toml(_without_precision(results.hardware)),
    }


def _hardware_words(results: Results) -> str:
    """The chip's name and description, and the widths of its networks: those of the grid."""
    widths = results.study.grid.widths()
    hardware = results.hardware
    if not widths:
        return f"{hardware.name}. {hardware.description}"
    by_axis = zip(BIT_AXES, zip(*widths, strict=True), strict=True)
    spans = {AXES[name].words: _span(sorted(set(found))) for name, found in by_axis}
    tied = results.study.grid.bits is not None
    named = f"{next(iter(spans.values()))} bits of weights, inputs and outputs alike"
    if not tied:
        named = ", ".join(f"{name} {span}" for name, span in spans.items())
    return f"{hardware.name} with the grid's widths: {named}. {hardware.description}"


def _span(widths: list[int]) -> str:
    return ", ".join(map(str, widths))


def _without_precision(hardware: Hardware) -> dict[str, Any]:
    """The chip's table less its own widths: networks of a study have those of the grid."""
    return {name: part for name, part in hardware.to_table().items() if name != "precision"}


def _provenance(results: Results) -> dict[str, Any]:
    """The study itself, keys, versions, machine and times."""
    keys = sorted(results.study.grid.keys)
    return {
        "study": _toml(results.study.to_table()),
        "keys": ", ".join(map(str, keys)),
        "several_keys": len(keys) > 1,
        "versions": sorted(results.versions.items()),
        "machine": results.machine,
        "timing": appendix.timing_rows(results),
    }


def _title(results: Results) -> str:
    return f"Does the posterior survive? {_model_words(results)} on {results.hardware.name}"


def _model_words(results: Results) -> str:
    return (
        f"{results.study.model.kind.replace('_', ' ').capitalize()}, "
        f"{results.study.model.neurons} neurons,"
    )


def _subtitle(results: Results) -> str:
    data = results.study.data
    grid = results.study.grid
    source = data.words
    settings = len(grid.widths()) + grid.float
    axes = [
        f"{len(names)} {what}s"
        for what, names in (("architecture", grid.architecture), ("method", grid.method))
        if len(names) > 1
    ]
    axes += [f"{settings} settings of bits"] if settings > 1 else []
    named = [axis for axis in column_axes(grid) if axis.is_of_the_chip]
    axes += [f"{len(axis.given(grid))} values of {axis.words}" for axis in named]
    axes += [f"{len(grid.noise)} noise levels"] if len(grid.noise) > 1 else []
    axes += [f"{len(grid.rho)} ρ", f"{len(grid.keys)} key{'s' if len(grid.keys) > 1 else ''}"]
    axes += [counted(len(grid.chip_keys), "chip", "chips")] if grid.chip_keys else []
    price = f"price of reliability: {price_of_reliability(results)}"
    return (
        f"{source}, {data.size}×{data.size} pixels whitened to {data.components} inputs; "
        f"{' × '.join(axes)}; {price}"
    )


def _dictionary_words(results: Results) -> str:
    key = min(results.study.grid.keys)
    if not _has_decoder(results):
        return ""
    unused = unused_elements(results)
    tail = (
        f" {unused} of {results.study.model.neurons} elements are unused (norm below "
        f"{UNUSED_NORM:g} of the largest): their posterior is the prior."
        if unused
        else ""
    )
    if has_survival(results):
        shared = "the posterior under it is that of every width, noise level and ρ of this key"
        return f"Learned once in float with key {key}, then frozen: {shared}.{tail}"
    return (
        f"Learned in float with key {key}; each network went on from it to a dictionary of its "
        f"own.{tail}"
    )


def _toml(table: dict[str, Any]) -> str:
    """TOML with short arrays of numbers on one line."""
    return re.sub(
        r"\[\n([^\[\]\"]*),\n\]",
        lambda found: f"[{', '.join(found[1].replace(chr(10), '').replace(' ', '').split(','))}]",
        tomli_w.dumps(table),
    )


def _data_address(drawing: Drawing, results: Results) -> Any:
    """The figure as a data address, so that the page contains it and loads nothing."""
    figure = drawing.build(results)
    kind, data = (
        ("png", to_png(figure, _PAGE_DPI))
        if drawing.many_points
        else ("svg+xml", to_svg(figure).encode())
    )
    return Markup(f"data:image/{kind};base64,{base64.b64encode(data).decode()}")
