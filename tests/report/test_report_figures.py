"""Figures: they draw every kind of run, the same bytes twice, leave matplotlib's settings alone,
and show what they claim.
"""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure

from stochsim.report import save_figures
from stochsim.report.figures.energy_figures import bill_figure, energy_figure
from stochsim.report.figures.panels import pareto_front
from stochsim.report.figures.pictures import (
    dictionary_figure,
    dictionary_pictures,
    scatter_figure,
    scatter_settings,
)
from stochsim.report.figures.style import spread, to_png, to_svg
from stochsim.report.figures.survival_figure import survival_figure
from stochsim.studies import open_run

Run = Callable[..., Path]
BUILDERS = (survival_figure, energy_figure, bill_figure, scatter_figure, dictionary_figure)


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts]


@pytest.mark.parametrize("build", BUILDERS)
def test_same_results_same_bytes_and_no_setting_leaks(
    build: Callable[..., Figure], finished: Path
) -> None:
    before = dict(matplotlib.rcParams)
    results = open_run(finished)
    assert to_svg(build(results)) == to_svg(build(results))
    assert to_png(build(results), 50) == to_png(build(results), 50)
    assert dict(matplotlib.rcParams) == before


def test_survival_far_below_zero_stands_at_the_edge_with_its_value(finished: Path) -> None:
    results = open_run(finished)
    figure = survival_figure(results)
    low = figure.axes[0].get_ylim()[0]
    beyond = [
        row.survival.estimate.value
        for row in results.summary
        if row.survival and row.survival.estimate
    ]
    beyond = [value for value in beyond if value < low]
    assert len(beyond) == 3
    assert all(f"{value:.2f}".replace("-", "−") in texts(figure) for value in beyond)
    assert {"noise ×0", "noise ×1", "noise ×2", "float network", "ignores the stimulus"} <= set(
        texts(figure)
    )


def test_survival_that_is_not_available_is_marked(fake_run: Run) -> None:
    def no_better(task: Any, result: dict[str, Any]) -> None:
        if task.kind == "float_samples":
            result["measures"]["d"] = [1.5] * 24

    assert texts(survival_figure(open_run(fake_run(change=no_better)))).count("n/a") == 9


def test_one_panel_per_rho_and_swept_axis(fake_run: Run) -> None:
    grid = {
        "weight_bits": [1, 4],
        "input_bits": [4, 8],
        "output_bits": [8],
        "noise": [1],
        "rho": [0, 1],
    }
    figure = survival_figure(open_run(fake_run(grid=grid)))
    assert [axes.get_xlabel() for axes in figure.axes] == ["weight bits", "input bits"] * 2
    assert [axes.get_title(loc="left") for axes in figure.axes[::2]] == [
        "ρ = 0; input 8, output 8 bits",
        "ρ = 1; input 8, output 8 bits",
    ]


def test_own_decoders_plot_the_distance(fake_run: Run) -> None:
    figure = survival_figure(open_run(fake_run(train={"decoder": "own"})))
    assert figure.axes[0].get_ylabel().startswith("distance D")
    assert "float network" not in texts(figure)


def test_the_pareto_front_leaves_out_infinite_joules_and_beaten_cells() -> None:
    def cell(joules: float, d: float) -> Any:
        return SimpleNamespace(per_read_j=joules, estimates={"d": SimpleNamespace(value=d)})

    kept = [cell(1.0, 3.0), cell(2.0, 1.0), cell(4.0, 0.5)]
    beaten = [cell(1.0, 3.5), cell(3.0, 1.0), cell(5.0, 0.5), cell(float("inf"), 0.01)]
    assert (
        pareto_front([beaten[0], kept[2], beaten[3], kept[0], beaten[1], kept[1], beaten[2]])
        == kept
    )


def test_energy_has_units_and_only_finite_points(finished: Path) -> None:
    axes = energy_figure(open_run(finished)).axes[0]
    assert axes.get_xscale() == "log"
    assert axes.get_xlabel() == "energy per read  [J]"
    assert all(np.isfinite(line.get_xdata()).all() for line in axes.lines)


def test_a_run_of_noise_zero_alone_still_draws(fake_run: Run) -> None:
    results = open_run(fake_run(grid={"bits": [2, 4], "noise": [0]}))
    assert "no cell of finite energy" in texts(energy_figure(results))
    assert "∞" in texts(bill_figure(results))


def test_bars_add_up_to_the_bill(finished: Path) -> None:
    results = open_run(finished)
    axes = bill_figure(results).axes[0]
    tops = {round(bar.get_x(), 3): bar.get_y() + bar.get_height() for bar in axes.patches}
    assert sorted(tops.values()) == pytest.approx(
        sorted(row.per_read_j for row in results.summary if row.noise == 1)
    )


def test_scatter_takes_the_fewest_a_middle_and_the_most_bits(fake_run: Run) -> None:
    results = open_run(fake_run(grid={"bits": [1, 2, 3, 6, 8], "noise": [0, 0.6, 3]}))
    assert [(row.weight_bits, row.noise) for row in scatter_settings(results)] == [
        (1, 0.6),
        (3, 0.6),
        (8, 0.6),
    ]


def test_dictionary_pictures_are_the_decoder_in_pixels_by_norm(finished: Path) -> None:
    pictures, norms = dictionary_pictures(open_run(finished))
    assert pictures.shape == (12, 8, 8)
    assert (np.diff(norms) <= 0).all()
    assert norms[-1] > 0


def test_labels_keep_their_distance_and_order() -> None:
    placed = spread([0.5, 0.5, 0.52, 0.0, 1.0], 0.1, 0.0, 1.0)
    ordered = sorted(placed)
    assert min(np.diff(ordered)) >= 0.1 - 1e-12
    assert (ordered[0], ordered[-1]) == (0.0, 1.0)
    assert placed[3] < placed[0] < placed[2] < placed[4]


def test_save_figures_writes_what_can_be_drawn(
    finished: Path, fake_run: Run, tmp_path: Path
) -> None:
    names = [path.name for path in save_figures(open_run(finished), tmp_path / "figures")]
    assert names == ["survival.png", "energy.png", "bill.png", "scatter.png", "dictionary.png"]
    assert all((tmp_path / "figures" / name).read_bytes().startswith(b"\x89PNG") for name in names)
    nothing = open_run(fake_run(skip=lambda task: True))
    assert save_figures(nothing, tmp_path / "none") == []
