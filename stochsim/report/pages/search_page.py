"""The report of a search: optimize.html, one self-contained page, front.csv and front.png beside
it.
"""

import base64
from pathlib import Path
from typing import Any

import tomli_w
from markupsafe import Markup

from stochsim.hardware import TABLE_COLUMNS, describe
from stochsim.report import search_tables as tables
from stochsim.report import search_text as words
from stochsim.report.csv_tables import write_whole
from stochsim.report.figures.search_figures import bill_figure, front_figure
from stochsim.report.figures.style import to_png, to_svg
from stochsim.report.pages.templates import rendered
from stochsim.report.search_doubt import doubt_words
from stochsim.search import Outcome
from stochsim.settings import AnyPath, StochsimError, as_path


def write_optimize_report(outcome: Outcome, folder: AnyPath) -> Path:
    """Write optimize.html, front.csv and front.png into a run's folder; returns the page's path.

    StochsimError where that fails.
    """
    folder = as_path("folder", folder)
    tables.write_front_csv(outcome, folder / "front.csv")
    try:
        (folder / "front.png").write_bytes(to_png(front_figure(outcome)))
    except OSError as error:
        raise StochsimError(
            f"{folder / 'front.png'}: cannot be written ({error.strerror})"
        ) from None
    page = folder / "optimize.html"
    write_whole(page, render(outcome))
    return page


def render(outcome: Outcome) -> str:
    """The page as HTML text: no script, nothing loaded from elsewhere."""
    file = outcome.request.file
    hardware = outcome.request.hardware
    first = outcome.first
    measure = file.measure
    keys = file.objective.keys
    table = {name: section for name, section in file.to_table().items() if name != "storage"}
    return rendered(
        "optimize.html",
        title=f"The cheapest setting of {hardware.name}"
        if outcome.rule is not None
        else f"Joules against the posterior: {hardware.name}",
        subtitle=_subtitle(outcome),
        headline=words.headline(outcome),
        difference=words.difference_words(outcome),
        doubt=doubt_words(outcome),
        progress=words.progress_words(outcome),
        unverified=words.unverified_words(outcome),
        answer_heads=tables.ANSWER_HEADS,
        answer_rows=tables.answer_rows(outcome),
        rule=outcome.rule,
        n=f"n = {measure.reads} samples of each of {measure.stimuli} held-out stimuli",
        several_keys=len(keys) > 1,
        front_picture=_svg(front_figure(outcome)),
        bill_picture=_svg(bill_figure(outcome)),
        bill_rows=tables.bill_rows(outcome),
        largest=tables.largest_part_words(outcome),
        neighbours=tables.neighbour_rows(outcome),
        unknown_neighbours=any(measured is None for *_, measured in outcome.neighbours()),
        front_rows=tables.front_rows(outcome),
        first_model=words.MODEL_WORDS[first.model],
        averages=len(file.search.reads) > 1 or file.search.reads != (1,),
        effective=outcome.effective,
        flags=words.flag_words(outcome),
        hardware=describe(first.shown.chip),
        price_heads=TABLE_COLUMNS,
        price_rows=_price_rows(outcome),
        file=tomli_w.dumps(table),
        chip=tomli_w.dumps(first.shown.chip.to_table()),
        keys=", ".join(map(str, sorted(keys))),
        versions=sorted(outcome.versions.items()),
        machine=outcome.machine,
        storage=outcome.storage,
        measured=len(outcome.measured),
        size=outcome.space.size,
    )


def _subtitle(outcome: Outcome) -> str:
    file = outcome.request.file
    space = outcome.space
    source = file.data.words
    axes = [f"{len(space.axes[name])} {words.axis_name(name)}" for name in space.free]
    model = (
        f"{file.model.kind.replace('_', ' ').capitalize()}, {file.model.neurons} neurons, {source}"
    )
    return (
        f"{model}; {file.search.architecture} network, {file.search.method}; "
        f"{' × '.join(axes)} "
        f"= {space.size} settings"
    )


def _price_rows(outcome: Outcome) -> list[tuple[str, ...]]:
    """Every price that an answer's bill used."""
    found = {
        citation
        for model, answer in outcome.answers.items()
        for citation in answer.shown.energy(model).prices
    }
    return [tuple(getattr(each, column) for column in TABLE_COLUMNS) for each in sorted(found)]


def _svg(figure: Any) -> Markup:
    return Markup(f"data:image/svg+xml;base64,{base64.b64encode(to_svg(figure).encode()).decode()}")
