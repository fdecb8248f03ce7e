"""The figure of networks at full precision and of controls: which rows it shows, its panels and
labels; and its section of the page.
"""

import html
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from stochsim.controls import CONTROLS
from stochsim.report import write_report
from stochsim.report.figures.distance_figure import distance_figure, distance_rows
from stochsim.report.figures.style import to_png
from stochsim.studies import open_run

Run = Callable[..., Path]
HEADING = "Networks at full precision, and controls"
GRID: dict[str, Any] = {
    "architecture": ["single", "recurrent"],
    "float": True,
    "bits": [8],
    "noise": [0, 0.5, 2.5],
    "rho": [1, 2],
    "control": ["no-noise", "vae"],
}


def dearer(task: Any, result: dict[str, Any]) -> None:
    """D of float samples is 0.2 at rho 1 and 0.4 at rho 2, 0.3 more in a circuit; their scatter is
    skewed.
    """
    if task.kind == "float_samples":
        middle = (0.4 if "rho 2" in task.label else 0.2) + (0.3 if "recurrent" in task.label else 0)
        skewed = 0.1 * np.linspace(0, 1, 24) ** 4
        result["measures"]["d"] = list(middle + skewed - skewed.mean())


@pytest.fixture(scope="module")
def along_rho(fake_run: Run) -> Path:
    return fake_run(grid=GRID, change=dearer)


@pytest.fixture(scope="module")
def one_rho(fake_run: Run) -> Path:
    grid = {
        "architecture": ["deep"],
        "float": True,
        "noise": [1],
        "control": ["shared-sigma", "langevin"],
    }
    return fake_run(grid=grid)


def lines_of(figure: Figure) -> list[str]:
    """What the lines of the last panel are called."""
    return [label.get_text() for label in figure.axes[-1].get_yticklabels()]


def words_of(run: Path) -> tuple[str, str]:
    """The page, and its words alone."""
    text = write_report(run).read_text(encoding="utf-8")
    return text, html.unescape(re.sub(r"<[^>]*>", " ", re.sub(r'"data:[^"]*"', "", text)))


def test_rows_are_float_networks_at_the_headline_noise_and_controls(along_rho: Path) -> None:
    """0.5 is nearer to x1 in ratio than 2.5; what is quantised stays out."""
    rows = distance_rows(open_run(along_rho))
    kinds = ("single", "recurrent")
    networks = [(kind, "", rho, 0.5) for kind in kinds for rho in (1, 2)]
    controls = [(kind, "no-noise", rho, 1) for kind in kinds for rho in (1, 2)]
    assert [(row.architecture, row.control, row.rho, row.noise) for row in rows] == [
        *networks,
        *controls,
        ("", "vae", 0, 1),
    ]
    assert all(row.widths is None for row in rows)


def test_several_rho_give_a_panel_along_them_and_one_of_controls(along_rho: Path) -> None:
    figure = distance_figure(open_run(along_rho))
    left, right = figure.axes
    assert left.get_xlabel() == "ρ, exponent of the price of reliability"
    assert left.get_ylabel() == right.get_xlabel() == "distance D  [sd of the reference]"
    drawn = {
        name.get_text(): bars.lines[0]
        for name, bars in zip(left.texts, left.containers, strict=True)
    }
    assert list(drawn) == ["single-layer", "recurrent"]
    for name, d in (("single-layer", [0.2, 0.4]), ("recurrent", [0.5, 0.7])):
        np.testing.assert_allclose(drawn[name].get_xydata(), np.column_stack([[1, 2], d]))


def test_controls_stand_below_their_network_at_the_least_rho(along_rho: Path) -> None:
    """The one that is no network's is there too: it holds for every rho."""
    figure = distance_figure(open_run(along_rho))
    right = figure.axes[-1]
    assert lines_of(figure) == ["single-layer", "no-noise", "recurrent", "no-noise", "vae"]
    assert right.get_title(loc="left") == "ρ = 1: networks (filled) and controls"
    assert right.get_xscale() == "log"
    assert right.yaxis_inverted()
    markers = [bars.lines[0] for bars in right.containers]
    white = [to_rgba(marker.get_markerfacecolor()) == to_rgba("white") for marker in markers]
    assert white == [False, True, False, True, True]
    places = [float(marker.get_xdata()[0]) for marker in markers]
    assert (places[0], places[2]) == (pytest.approx(0.2), pytest.approx(0.5))
    assert all(0.6 < place < 0.63 for place in (places[1], places[3], places[4]))


def test_bars_are_the_intervals(along_rho: Path) -> None:
    results = open_run(along_rho)
    found = results.find("single", rho=1, noise=0.5).estimates["d"]
    assert found.high - found.value > 1.05 * (found.value - found.low) > 0
    for axis, panel in zip((1, 0), distance_figure(results).axes, strict=True):
        ends = panel.containers[0].lines[2][0].get_segments()[0]
        np.testing.assert_allclose(ends[:, axis], [found.low, found.high])


def test_one_rho_gives_one_panel(one_rho: Path) -> None:
    figure = distance_figure(open_run(one_rho))
    assert len(figure.axes) == 1
    assert lines_of(figure) == ["multi-layer", "shared-sigma", "langevin"]
    assert figure.axes[0].get_title(loc="left") == "ρ = 0: networks (filled) and controls"


def test_controls_alone_are_drawn_at_any_rho(fake_run: Run) -> None:
    figure = distance_figure(open_run(fake_run(grid={"control": ["langevin"], "rho": [2]})))
    assert lines_of(figure) == ["langevin"]


def test_an_unfinished_run_without_the_least_rho_still_draws(fake_run: Run) -> None:
    grid = {"architecture": ["single"], "float": True, "noise": [1], "rho": [0, 1, 2]}
    results = open_run(fake_run(grid=grid, skip=lambda task: "rho 0" in task.label))
    figure = distance_figure(results)
    assert figure.axes[-1].get_title(loc="left") == "no cell stored yet"
    assert to_png(figure, 50).startswith(b"\x89PNG")


def test_the_page_has_the_section_with_every_control_in_words(one_rho: Path) -> None:
    text, words = words_of(one_rho)
    assert text.count(f">{HEADING}</h2>") == 1
    section = words[words.index(HEADING) : words.index("Every cell")]
    assert "Lower is nearer to the reference posterior." in section
    assert all(f"{name}: {CONTROLS[name].text}" in section for name in ("shared-sigma", "langevin"))
    assert CONTROLS["vae"].text not in section
    assert re.search(r'id="distance">.*\n<img src="data:image/svg', text)


def test_own_decoders_are_said_to_face_their_own_posteriors(fake_run: Run) -> None:
    grid = {"architecture": ["single"], "float": True, "noise": [1]}
    _, words = words_of(fake_run(grid=grid, train={"decoder": "own"}))
    assert "Lower is nearer to the reference posterior (here each network's own)." in words
    assert "Controls:" not in words


def test_the_section_is_absent_where_nothing_is_float(finished: Path) -> None:
    results = open_run(finished)
    assert distance_rows(results) == []
    text, words = words_of(finished)
    assert HEADING not in words
    assert 'id="distance"' not in text
