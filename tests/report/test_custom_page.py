"""The page of a study with axes: its figures are those of the run, in every kind of design."""

import re

import numpy as np
import pytest
from customstudies import STIMULI, failing, mean_output, mean_square, sampler_study

import stochsim as ss
from stochsim.report import write_report
from stochsim.report.custom_view import custom_view
from stochsim.report.figures.custom_figures import measure_figure
from stochsim.report.pages.custom_page import render
from stochsim.studies import Between, Measure, sobol_points


def ran(folder, axes, **parts):
    return ss.open_run(ss.run_sweep(sampler_study(axes, **parts), folder / "run", workers=1))


def words(stimuli, reads, key, kind, width, shift):
    """Draws whose law is named by a word."""
    scale = {"narrow": 1.0, "wide": 2.0}[kind] * width
    draws = np.random.default_rng(key).normal(size=(len(stimuli), reads, 2))
    return shift + scale * draws


def largest(samples, truth):
    """Of the outputs, by stimulus."""
    return samples.values.max(axis=(1, 2))


def most(rows):
    """Of a resample's stimuli."""
    return rows.max(axis=1)


GRID = {"width": [0.5, 1.0, 2.0], "key": [0, 1], "kind": ["narrow", "wide"], "shift": [0.0]}


@pytest.fixture(scope="module")
def grid(tmp_path_factory):
    return ran(tmp_path_factory.mktemp("grid"), GRID, sampler=words)


def test_keys_are_taken_together_and_lines_run_along_numbers(grid):
    view = custom_view(grid)
    assert view.together == ("key",)
    assert view.axes == {"width": [0.5, 1.0, 2.0], "kind": ["narrow", "wide"]}
    assert view.x == "width"
    assert view.at == {}
    assert [row.estimates["mean_square"] for row in view.rows] == [
        row.estimates["mean_square"] for row in grid.over("key")
    ]


def test_lines_are_the_estimates(grid):
    view = custom_view(grid)
    (panel,) = measure_figure(view, "mean_square").axes
    lines = {
        container.get_label(): container.lines[0].get_xydata() for container in panel.containers
    }
    assert set(lines) == {"kind narrow", "kind wide"}
    for kind in ("narrow", "wide"):
        rows = [row for row in view.rows if row.point["kind"] == kind]
        expected = [(row.point["width"], row.estimates["mean_square"].value) for row in rows]
        assert np.array_equal(lines[f"kind {kind}"], expected)


def test_the_page_holds_every_point_and_loads_nothing(grid):
    page = write_report(grid.folder)
    assert page == grid.folder / "report.html"
    text = page.read_text(encoding="utf-8")
    for row in custom_view(grid).rows:
        one = row.estimates["mean_square"]
        cell = f'<td>{one.value:.4g}<span class="interval">{one.low:.4g} to {one.high:.4g}</span>'
        assert cell in text
    assert "12 of 12 points measured." in text
    assert "over keys and stimuli" in text
    assert not re.search(r'(?:src|href)="(?!data:)', text)
    assert (grid.folder / "results.csv").exists()


def test_what_failed_is_said_and_text_of_users_is_escaped(tmp_path):
    run = ran(tmp_path, {"fails": ["", "error", "<b>"]}, sampler=failing)
    text = render(run)
    assert "2 of 3 points measured, 1 failed." in text
    assert "1 point: ValueError: no such sampler" in text
    assert "&lt;b&gt;" in text
    assert "<b>" not in text


def test_points_on_no_lines_are_shown_over_each_axis(tmp_path):
    ranges = {"width": Between(0.5, 2.0), "shift": Between(-1.0, 1.0)}
    points = sobol_points(ranges, 16, key=0)
    run = ran(tmp_path, points)
    view = custom_view(run)
    assert view.x is None
    panels = measure_figure(view, "mean_square").axes
    assert [panel.get_xlabel() for panel in panels] == ["width", "shift"]
    for panel, name in zip(panels, ranges, strict=True):
        shown = panel.containers[0].lines[0].get_xydata()
        expected = sorted((row.point[name], row.estimates["mean_square"].value) for row in run.rows)
        assert np.array_equal(shown, expected)
    assert render(run)


def test_long_axes_are_held_fixed_until_few_lines_remain(tmp_path):
    axes = {
        "width": [0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5],
        "shift": [0.0, 1.0, 2.0],
        "key": [*range(7)],
    }
    own = Measure("largest", largest, statistic=most)
    view = custom_view(ran(tmp_path, axes, measures=[mean_square, own]))
    assert view.together == ()  # a statistic of the user's own cannot be taken over keys
    assert (view.x, view.at) == ("width", {"key": 0})
    (panel,) = measure_figure(view, "largest").axes
    assert [len(line.lines[0].get_xdata()) for line in panel.containers] == [7, 7, 7]


@pytest.mark.parametrize("axes", [{"width": [1.0]}, {"key": [0, 1, 2]}])
def test_a_run_without_an_axis_to_show_has_its_table(axes, tmp_path):
    run = ran(tmp_path, axes, measures=[mean_output])
    text = render(run)
    assert "<img" not in text
    assert f"of each of {len(STIMULI)} stimuli" in text
    assert "mean output" in text


def test_a_run_with_no_point_says_so(tmp_path):
    run = ran(tmp_path, {"fails": ["error"]}, sampler=failing)
    assert "No point is finished." in render(run)


def test_a_chip_has_joules_by_part_and_its_table(tmp_path):
    from customstudies import linear_program

    program, stimuli = linear_program()
    study = ss.Study(
        network=program,
        data=(stimuli, np.zeros((4, 3))),
        measures=[mean_square],
        hardware=ss.load_hardware("digital-45nm", bits=4),
        axes={"reads": [10, 20], "key": [0, 1]},
    )
    run = ss.open_run(ss.run_sweep(study, tmp_path / "run", workers=1))
    text = render(run)
    row = custom_view(run).rows[0]
    assert sum(row.parts_j.values()) == pytest.approx(row.joules_per_read, rel=1e-12)
    assert "Where the joules go" in text
    for part in row.parts_j:
        assert f"<td>{part}</td>" in text
        assert f"({row.parts_j[part] / row.joules_per_read:.0%})" in text
    assert "energy / read" in text
