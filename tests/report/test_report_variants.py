"""A report of several architectures, methods and controls: every row is named in the tables, the
sentences and the page.
"""

import csv
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stochsim.report import console_table, save_figures, write_report, write_results_csv
from stochsim.report.pages.sections import cliff_rows, key_figures
from stochsim.report.variants import variants
from stochsim.report.verdict import verdict
from stochsim.studies import Results, open_run

Run = Callable[..., Path]
GRID: dict[str, Any] = {
    "bits": [4, 8],
    "noise": [1, 2],
    "architecture": ["single", "deep"],
    "method": ["quantisation-aware", "post-training"],
    "control": ["shared-sigma", "langevin"],
    "float": True,
}
PRICED: dict[str, Any] = {"steps": 10, "nats_per_joule": 1e12}
NAMES = ("architecture", "method", "control", "weight_bits", "noise")


def better_trained(task: Any, result: dict[str, Any]) -> None:
    """Of points: single layers survive at 8 bits; deep ones at 4, but where they were only
    rounded.
    """
    if task.kind == "chip_samples" and (
        "8/8/8" in task.label or ("deep" in task.label and "post-training" not in task.label)
    ):
        result["measures"]["d"] = list(np.linspace(0.22, 0.24, 24))


@pytest.fixture(scope="module")
def several(fake_run: Run) -> Path:
    return fake_run(grid=GRID, train=PRICED, change=better_trained)


@pytest.fixture(scope="module")
def floats(fake_run: Run) -> Path:
    return fake_run(
        grid={
            "architecture": ["single", "recurrent"],
            "float": True,
            "noise": [1],
            "control": ["no-noise", "vae"],
        }
    )


def csv_rows(results: Results, path: Path) -> list[dict[str, str]]:
    write_results_csv(results, path)
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def expected_places() -> list[tuple[str, ...]]:
    """(architecture, method, control, bits, noise) as the study names them; float after bits,
    controls last.
    """
    networks = [
        (kind, way, "", bits)
        for kind in GRID["architecture"]
        for way, bits in [*((w, b) for w in GRID["method"] for b in "48"), ("", "float")]
    ]
    cells = [(*network, noise) for network in networks for noise in "12"]
    return [
        *cells,
        ("single", "", "shared-sigma", "float", "1"),
        ("deep", "", "shared-sigma", "float", "1"),
        ("", "", "langevin", "float", "1"),
    ]


def test_every_row_of_the_csv_says_what_it_is(several: Path, tmp_path: Path) -> None:
    rows = csv_rows(open_run(several), tmp_path / "r.csv")
    assert [tuple(row[name] for name in NAMES) for row in rows] == expected_places()
    assert {row["input_bits"] == row["weight_bits"] == row["output_bits"] for row in rows} == {True}
    for row in rows:
        assert (row["per_read_j"] == "") == (row["weight_bits"] == "float")
        assert row["facts"] == ("step 0.25" if row["control"] else "")
        assert row["readout_accuracy_note"] == (
            "not measured of controls" if row["control"] else ""
        )
        assert row["survival_note"] == (
            "no float network of its kind" if row["control"] == "langevin" else ""
        )
    whole = [
        row
        for row in rows
        if row["weight_bits"] == "float" and not row["control"] and row["noise"] == "1"
    ]
    assert [(row["survival"], row["d"] == row["d_full"]) for row in whole] == [("1", True)] * 2


def test_every_row_of_the_csv_has_the_price_of_its_network(
    several: Path, finished: Path, tmp_path: Path
) -> None:
    """c and s that nats_per_joule sets on this chip; those of the ELBO for a control that is no
    network's; as given without a rate.
    """
    results = open_run(several)
    c, s = results.study.train.price(0.0, results.hardware)
    assert c != 1
    for row in csv_rows(results, tmp_path / "r.csv"):
        found = (float(row["c"]), float(row["s"]), row["nats_per_joule"])
        assert found == (
            (pytest.approx(c, rel=1e-5), s, "1e+12") if row["architecture"] else (1, 1, "")
        )
    assert {
        (row["c"], row["s"], row["nats_per_joule"])
        for row in csv_rows(open_run(finished), tmp_path / "f.csv")
    } == {("1", "1", "")}


def table_lines(table: str) -> list[list[str]]:
    """Cells of the table's lines, below its rule and above the next empty line."""
    lines = table.splitlines()
    begin = next(place for place, line in enumerate(lines) if line.startswith("----")) + 1
    return [re.split(r"\s{2,}", line.strip()) for line in lines[begin : lines.index("", begin)]]


def test_the_console_names_network_method_or_control(several: Path) -> None:
    table = console_table(open_run(several))
    assert max(map(len, table.splitlines())) <= 110
    heads = next(line for line in table.splitlines() if line.split()[:1] == ["network"]).split()
    assert heads[:4] == ["network", "method", "bits", "noise"]
    shown = [
        (kind, control or way, bits, f"x{noise}")
        for kind, way, control, bits, noise in expected_places()
    ]
    assert opens(table_lines(table), shown)
    said = " ".join(table.split())
    assert (
        "multi-layer, quantisation-aware: cliff at noise x1: 4 bits (S >= 0.9 at every width "
        "tested: it may lie lower still)" in said
    )
    assert (
        "single-layer, post-training: cliff at noise x1: 8 bits (S >= 0.9 there, the largest width "
        "tested)" in said
    )
    assert "multi-layer: float network D = 0.2" in said
    assert re.search(
        r"price of reliability: λ = 1e\+12 nat/J on in-memory-28nm, so c = [\d.]+ nat at ρ = 0, s "
        r"= 1",
        said,
    )


def opens(lines: list[list[str]], wanted: list[tuple[str, ...]]) -> bool:
    """Whether the lines open with these cells; empty ones do not show."""
    cells = [[cell for cell in row if cell] for row in wanted]
    return [line[: len(row)] for line, row in zip(lines, cells, strict=True)] == cells


def test_one_architecture_and_method_are_not_named(finished: Path) -> None:
    table = console_table(open_run(finished))
    assert not re.search(r"network  |method|single-layer|quantisation", table)
    assert "price of reliability: c = 1 nat, s = 1" in table


def test_a_sentence_for_each_network_and_one_for_the_float_ones(several: Path) -> None:
    single, rounded, deep, rounded_deep, floats = verdict(open_run(several))
    assert single.startswith(
        "At noise ×1 (single-layer, quantisation-aware) the posterior survives only at 8 bits, the "
        "largest width tested: S = 0.9"
    )
    assert rounded.startswith(
        "At noise ×1 (single-layer, post-training) the posterior survives only at 8 bits"
    )
    assert deep.startswith(
        "At noise ×1 (multi-layer, quantisation-aware) the posterior survives down to 4 bits, the "
        "cliff: S = 0.9"
    )
    assert rounded_deep.startswith(
        "At noise ×1 (multi-layer, post-training) the posterior survives only at 8 bits"
    )
    assert re.fullmatch(
        r"Float networks at ρ = 0, noise ×1: single-layer D = 0\.2\d* \[.*\], multi-layer D = "
        r"0\.2\d* \[.*\]\.",
        floats,
    )


def test_the_headline_is_the_lowest_cliff(several: Path) -> None:
    (survival, *_), (energy, _, place) = key_figures(open_run(several))[:2]
    assert (survival, energy) == ("Survival S", "Energy per read")
    assert place.startswith("multi-layer, quantisation-aware, 4 bits, noise ×1; ")


def test_a_method_that_keeps_nothing_says_so(fake_run: Run) -> None:
    def lost(task: Any, result: dict[str, Any]) -> None:
        if task.kind == "chip_samples" and "post-training" in task.label:
            result["measures"]["d"] = [1.4] * 24

    grid = {"bits": [8], "noise": [1], "method": ["quantisation-aware", "post-training"]}
    kept, nothing = verdict(open_run(fake_run(grid=grid, change=lost)))
    assert "survives only at 8 bits" in kept
    assert nothing.startswith(
        "At noise ×1 (post-training) no number of bits keeps S ≥ 0.9: the best, 8 bits, has S = 0.0"
    )


def read_page(run: Path) -> tuple[str, str]:
    """The page, and its words alone."""
    text = write_report(run).read_text(encoding="utf-8")
    return text, re.sub(r"<[^>]*>", " ", re.sub(r'"data:[^"]*"', "", text))


def test_the_page_has_every_network_and_its_cliff(several: Path) -> None:
    text, words = read_page(several)
    assert not re.search(r"\b(nan|inf|None)\b", words)
    assert all(
        f">{head}</th>" in text for head in ("network", "method", "control", "c [nat]", "λ [nat/J]")
    )
    assert all(
        f"<td>{name}</td>" in text
        for name in ("shared-sigma", "langevin", "no network", "multi-layer", "post-training")
    )
    results = open_run(several)
    assert [row[0] for row in cliff_rows(results)] == [
        ", ".join((_word(v.architecture), v.method)) for v in variants(results) for _ in "12"
    ]
    cliff = text[text.index('id="cliff"') : text.index('id="table"')]
    assert {len(re.findall("<t[hd]", row)) for row in cliff.split("<tr>")[1:]} == {
        7
    }  # as many cells as heads


def _word(architecture: str) -> str:
    return {"single": "single-layer", "deep": "multi-layer"}[architecture]


def test_float_networks_alone_have_a_page_without_joules(floats: Path, tmp_path: Path) -> None:
    text, words = read_page(floats)
    assert not re.search(r"\b(nan|inf|None)\b", words)
    assert "Float networks at ρ = 0, noise ×1: single-layer D = 0.2" in words
    assert not re.search(r'id="(cliff|energy|survival)"', text)
    assert "converter" not in words[: words.index("Every cell")]
    assert "price model decides" not in words
    names = [path.name for path in save_figures(open_run(floats), tmp_path)]
    assert names == ["distance.png", "scatter.png", "dictionary.png"]
    shown = [
        (kind, control, "float") for control in ("", "no-noise") for kind in ("single", "recurrent")
    ]
    assert opens(table_lines(console_table(open_run(floats))), [*shown, ("", "vae", "float")])


def test_own_decoders_have_all_rows_too(fake_run: Run, tmp_path: Path) -> None:
    run = fake_run(grid=GRID, train={"decoder": "own"})
    rows = csv_rows(open_run(run), tmp_path / "r.csv")
    assert [tuple(row[name] for name in NAMES) for row in rows] == expected_places()
    assert {row["survival_note"] for row in rows} == {"no common posterior: decoder = own"}
    few: dict[str, Any] = {"bits": [8], "noise": [1], "control": ["shared-sigma"], "float": True}
    assert "No survival S here" in read_page(fake_run(grid=few, train={"decoder": "own"}))[1]
