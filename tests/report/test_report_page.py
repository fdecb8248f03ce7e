"""The page: one file that loads nothing, with every part a finished, unfinished or own-decoder run
calls for.
"""

import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from stochsim.report import console_table, write_report
from stochsim.runs import Task
from stochsim.settings import StochsimError
from stochsim.studies import open_run

Run = Callable[..., Path]
LOADING = {"src", "href", "srcset", "data", "poster", "action", "background"}


class Reader(HTMLParser):
    """Tags, what their attributes load, the ids, and the plain text of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.loads: list[str] = []
        self.ids: set[str] = set()
        self.words = ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.loads += [value or "" for name, value in attributes if name in LOADING]
        self.ids |= {value or "" for name, value in attributes if name == "id"}

    def handle_data(self, data: str) -> None:
        self.words += data


def read(run: Path) -> tuple[Reader, str]:
    text = write_report(run).read_text(encoding="utf-8")
    reader = Reader()
    reader.feed(text)
    return reader, text


@pytest.fixture(scope="module")
def page(finished: Path) -> tuple[Reader, str]:
    return read(finished)


def test_it_loads_nothing_from_elsewhere(page: tuple[Reader, str]) -> None:
    reader, text = page
    assert reader.loads
    assert all(load.startswith("data:image/") for load in reader.loads)
    assert reader.tags & {"script", "link", "iframe", "object", "embed"} == set()
    assert not re.search(r"url\(|@import", text)


def test_every_part_is_there(page: tuple[Reader, str]) -> None:
    reader, _ = page
    parts = {
        "survival",
        "cliff",
        "table",
        "energy",
        "moments",
        "dictionary",
        "flags",
        "prices",
        "settings",
        "origin",
        "words",
        "limits",
    }
    assert parts <= reader.ids
    assert len(reader.loads) == 5


@pytest.mark.parametrize(
    "words",
    [
        "At noise ×1 the posterior survives only at 8 bits, the largest width tested: S = 0.9",
        "ADC adc-zigzag-28nm, (100*bits + 0.001*4**bits) * V**2, V = 0.9 fJ per conversion",
        "n = 200 reads of each of 24 held-out stimuli",
        'kind = "sparse_coding"',
        "bits = [1, 4, 8]",
        "memory-sram-45nm at 192 to 1536 is outside the model's range",
        "σ saturated: 40% of the neurons",
        "largest rank R-hat 1.0040 (bar 1.01), smallest bulk ESS per draw 0.90 (bar 0.8), thinning "
        "up to 5",
        "engineering default",
        "linear slope of the ZigZag converter",
        "a processor",
        "numpy",
        "infinite joules: 1 bit ×0",
        "Read-out accuracy",
    ],
)
def test_it_says(page: tuple[Reader, str], words: str) -> None:
    assert words in page[0].words


def test_every_measure_of_the_panel_has_a_column(page: tuple[Reader, str]) -> None:
    heads = (
        "D axes",
        "D proj.",
        "D blind",
        "D full",
        "S abs",
        "log sd bias",
        "log sd RMS",
        "cover 50 %",
        "KL [nat]",
        "MMD²",
        "reconstruction",
    )
    assert all(
        f">{head}</th>" in page[1] for head in (*heads, "mean error", "accuracy", "energy / read")
    )


def test_every_price_is_printed_with_its_source(page: tuple[Reader, str], finished: Path) -> None:
    for price in open_run(finished).hardware.price_table(0.0).values():
        if price.name in ("leakage-none", "program-none"):  # not counted
            continue
        assert all(
            part in page[0].words
            for part in (price.name, price.formula, price.unit, price.source, price.tag, price.note)
        )


def test_no_figure_is_printed_raw(page: tuple[Reader, str]) -> None:
    assert not re.search(r"\b(nan|inf|None)\b", page[0].words)


def test_text_from_outside_cannot_become_markup(fake_run: Run) -> None:
    def sly(task: Any, result: dict[str, Any]) -> None:
        if task.kind == "chip_samples":
            result["energy"]["flags"] = ["<script>alert(1)</script>"]

    reader, _ = read(fake_run(grid={"bits": [4], "noise": [1]}, change=sly))
    assert "script" not in reader.tags
    assert "<script>alert(1)</script>" in reader.words


@pytest.mark.usefixtures("page")  # the first report
def test_the_csv_files_stand_beside_it_and_a_second_report_changes_nothing(finished: Path) -> None:
    names = ("report.html", "results.csv", "timing.csv")
    first = [(finished / name).read_bytes() for name in names]
    write_report(finished)
    assert [(finished / name).read_bytes() for name in names] == first
    assert not list(finished.glob(".tmp-*"))


def test_own_decoders_are_told_apart(fake_run: Run) -> None:
    reader, _ = read(fake_run(grid={"bits": [4, 8], "noise": [1]}, train={"decoder": "own"}))
    assert "No survival S here. Every network learned a decoder" in reader.words
    assert (
        "At noise ×1 the smallest distance, each network to its own posterior, is D = "
        in reader.words
    )
    assert "cliff" not in reader.ids


def test_an_unfinished_run_is_marked(fake_run: Run) -> None:
    reader, _ = read(
        fake_run(skip=lambda task: task.kind == "chip_samples" and "8/8/8" in task.label)
    )
    assert (
        "Unfinished run. 3 of 17 tasks not stored yet; 6 of 9 cells of the grid are shown."
        in reader.words
    )


@pytest.mark.parametrize(
    "done", [(), ("decoder",), ("decoder", "float", "network", "prior_samples", "float_samples")]
)
def test_a_run_without_a_finished_cell_has_a_page(fake_run: Run, done: tuple[str, ...]) -> None:
    reader, _ = read(fake_run(skip=lambda task: task.kind not in done))
    assert "No cell of the grid is stored yet." in reader.words
    assert len(reader.loads) == ("decoder" in done)


def test_untied_bits_list_every_cliff(fake_run: Run) -> None:
    grid = {"weight_bits": [4, 8], "input_bits": [4, 8], "output_bits": [2, 8], "noise": [1]}
    reader, _ = read(fake_run(grid=grid))
    assert "Cliffs at every setting of the other widths (12)" in reader.words
    assert "weight bits, input bits 4, output bits 2" in reader.words


def test_several_keys_are_one_row_each_cell(fake_run: Run) -> None:
    reader, text = read(fake_run(grid={"bits": [4, 8], "noise": [1], "keys": [3, 5]}))
    assert "Keys: 3, 5." in reader.words
    assert "bootstraps over stimuli and keys" in reader.words
    assert text.count("<td>×1</td>") == 2 * 2  # two widths, in the main table and in the details


def test_not_a_run(tmp_path: Path) -> None:
    with pytest.raises(StochsimError, match="not a run"):
        write_report(tmp_path)


def _only_first_key(task: Task) -> bool:
    return task.kind == "chip_samples" and "key 0" not in task.label


def test_a_partial_run_of_several_keys_agrees_with_itself(fake_run: Run) -> None:
    """The verdict, the counter and the table are of the same cells: those of one key."""
    run = fake_run(grid={"bits": [1, 4], "noise": [1], "keys": [0, 1, 2]}, skip=_only_first_key)
    reader, _ = read(run)
    assert "No cell" not in reader.words
    assert "2 of 6 cells of the grid are shown, a cell being of one key: 2 rows, 0" in reader.words
    with open_run(run) as results:
        assert [row.key for row in results.summary] == ["1 of 3"] * 2
        table = console_table(results)
    assert table.count("1 of 3") == 2
    assert "2 of 6 cells of the grid are shown" in " ".join(table.split())
    assert reader.words.count("1 of 3") >= 4  # in both tables
    assert "Rows whose keys are “1 of …” are of one key" in reader.words


def test_the_page_names_the_widths_of_the_grid_and_not_those_of_the_chip_file(
    page: tuple[Reader, str],
) -> None:
    reader, _ = page
    assert "4/4/4 bits" not in reader.words
    assert "in-memory-28nm with the grid's widths: 1, 4, 8 bits of weights" in reader.words
    assert "[precision]" not in reader.words


def test_infinite_joules_are_explained_where_they_stand(
    page: tuple[Reader, str], finished: Path, fake_run: Run
) -> None:
    reader, source = page
    assert "Energy ∞: at noise ×0 the price of reliability" in reader.words
    assert 'title="∞: at noise ×0' in source
    with open_run(finished) as results:
        assert "∞: at noise ×0 the price of reliability" in console_table(results)
    reader, _ = read(fake_run(grid={"bits": [1, 4], "noise": [1]}))
    assert "∞: at noise" not in reader.words
