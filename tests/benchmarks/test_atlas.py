"""The atlas: its file is read, a point is measured again by the command that is printed, larger
plans have as many points as they say.
"""

import shlex

import numpy as np
import pytest

from stochsim.cli import main
from stochsim.studies import open_custom_run, read_custom_study


@pytest.mark.slow
def test_a_small_atlas_in_parts_and_one_point_again(load, monkeypatch, tmp_path):
    """The same figures, bit for bit."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ATLAS_NETWORKS", str(tmp_path / "networks"))
    atlas, bench = load("atlas"), load("_bench")
    figures = atlas.measure(bench.Options(True, None, tmp_path))
    shares = [one.value for one in figures if "settings with" in one.name]
    assert len(shares) == 3
    assert 0 <= min(shares) <= max(shares) <= 1
    assert (tmp_path / "atlas.csv").read_text().count("\n") == 13
    assert (tmp_path / "atlas.png").stat().st_size > 10_000
    run = open_custom_run(tmp_path / "runs" / "atlas_quick")
    row = run.rows[5]
    _, *words = shlex.split(atlas.again(tmp_path / "runs" / "atlas_quick.toml", row))
    assert main(words) == 0
    (found,) = open_custom_run(tmp_path / "runs" / "again").rows
    assert found.point == row.point
    assert np.array_equal(found.per_stimulus["survival"], row.per_stimulus["survival"])
    assert found.joules_per_read == row.joules_per_read


def test_plans_have_as_many_points_as_they_say(load, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    atlas = load("atlas")
    (tmp_path / "runs").mkdir()
    np.savez(tmp_path / "runs" / "atlas_data.npz", stimuli=np.zeros((3, 2)), reference=_draws())
    sizes = atlas.PLANS["9,600 points"]
    axes = {name: atlas.values_of(name, count) for name, count in sizes.items()}
    study = read_custom_study(atlas.changed("plan", axes), allow_code=True)
    assert len(study.points) == 9600
    assert 3 * np.prod(list(atlas.PLANS["a million points"].values())) > 1_000_000


def _draws() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(3, 800, 2))
