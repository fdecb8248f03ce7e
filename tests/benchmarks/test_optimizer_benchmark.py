"""The benchmark that compares the search with a grid: its figures on a made-up grid, and its grid's
settings on real chips.
"""

import itertools
import json
import math
from pathlib import Path
from typing import Any

import pytest

AXES = {"weight_bits": (1, 2, 3), "noise": (1.0, 2.0)}


@pytest.fixture
def bench(load: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The script, its space cut down to six settings."""
    script = load("optimizer_against_grid")
    monkeypatch.setattr(script, "AXES", AXES)
    return script


def rows() -> dict[tuple[float, ...], dict[str, float]]:
    """Joules 10^weight, distance 1 − weight/4, worse at noise 2; ignoring the stimulus is 1."""
    found = {}
    for weight, noise in itertools.product(*AXES.values()):
        d = 1 - weight / 4 + (0.1 if noise == 2 else 0)
        found[weight, noise] = {
            "joules": 10.0**weight,
            "d": d,
            "blind": 1.0,
            "survival": 1 - d,
            "survival_low": 0.9 - d,
        }
    return found


def test_shares_of_the_hypervolume_by_hand(bench: Any) -> None:
    """The front is weight 1, 2, 3 at noise 1; below (3, 1) it takes 2·0.25 + 1·0.25 = 0.75, of
    which weight 2 alone has 1·0.5.
    """
    assert bench.reference(rows()) == (3.0, 1.0)
    assert bench.shares(rows(), [(2, 1.0), (2, 2.0), (1, 1.0)]) == pytest.approx(
        [0.5 / 0.75, 0.5 / 0.75, 1.0]
    )


def test_extra_joules_by_hand(bench: Any) -> None:
    """Positive lower ends are 0.05, 0.15, 0.3, 0.4 and 0.65 less rounding; above their median stand
    weights 2 and 3.
    """
    grid = rows()
    assert bench.extra(grid, [(3, 1.0), (1, 1.0)]) == pytest.approx(9)
    assert bench.extra(grid, [(3, 1.0), (2, 1.0)]) == 0
    assert bench.extra(grid, [(1, 1.0)]) == math.inf


def test_a_search_of_all_settings_is_the_grid(bench: Any) -> None:
    for sampler in bench.SAMPLERS:
        order = bench.search(rows(), 6, sampler, 0)
        assert bench.shares(rows(), order)[-1] == pytest.approx(1)


def test_the_whole_script_on_a_made_up_grid(
    bench: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from _bench import Options

    monkeypatch.setattr(bench, "grid", lambda key, folder: rows())
    monkeypatch.setattr(bench, "SHARE", 0.7)
    figures = bench.measure(Options(True, None, tmp_path))
    assert len(figures) == 2 * (len(bench.SAMPLERS) + 1)
    assert [
        figure.bar
        for figure in figures
        if "stochsim optimize" in figure.name and "hypervolume" in figure.name
    ] == [0.98, 0.98]
    assert (tmp_path / "optimizer_against_grid.png").stat().st_size > 1000


def test_settings_of_the_grid_are_chips(load: Any) -> None:
    grid = load("_optimizer_grid")
    assert len(grid.settings()) == 384
    chip = grid.chip_of((3, 2, 4, 0.5, 5, 16))
    assert (chip.precision.weight_bits, chip.precision.input_bits, chip.precision.output_bits) == (
        3,
        2,
        4,
    )
    assert (chip.array.rows, chip.array.adc.bits, chip.array.adc.sigma_lsb) == (
        16,
        5,
        0.1,
    )


def test_a_kept_grid_is_read_and_another_versions_is_not(
    load: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    grid = load("_optimizer_grid")
    made = [{"d": float(number)} for number in range(384)]
    monkeypatch.setattr(grid, "_measured", lambda key: iter(made))
    first = grid.grid(0, tmp_path)
    monkeypatch.setattr(grid, "_measured", lambda key: pytest.fail("measured again"))
    assert grid.grid(0, tmp_path) == first
    path = tmp_path / "grid-0.json"
    path.write_text(path.read_text().replace(json.dumps(grid.__version__), '"0.0.0"'))
    with pytest.raises(pytest.fail.Exception):
        grid.grid(0, tmp_path)
