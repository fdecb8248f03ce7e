"""The macros against the published figures, where these are at hand."""

import statistics
from pathlib import Path

import pytest

from stochsim.silicon import fit, load_macro, macros, prior_spread, read_measured, score

FIGURES = Path(__file__).resolve().parents[3] / "shared" / "data" / "silicon"

pytestmark = pytest.mark.skipif(
    not FIGURES.is_dir(),
    reason="the published figures are not beside the project: shared/data/silicon",
)


@pytest.fixture(scope="module")
def scores():
    found = {}
    for name in macros():
        macro = load_macro(name)
        found[name] = score(macro, read_measured(FIGURES / f"{name}.csv", macro))
    return found


@pytest.mark.parametrize("name", macros())
def test_fitted_parameters_are_what_their_points_give(name):
    macro = load_macro(name)
    again = fit(macro, read_measured(FIGURES / f"{name}.csv", macro))
    for parameter in macro.fitted:
        value = macro.parameters[parameter].value
        assert again.parameters[parameter].value == pytest.approx(value, rel=1e-5)


def test_energies_of_whole_macros_are_within_a_fifth(scores):
    shares = {name: one.share("energy") for name, one in scores.items()}
    assert min(shares.values()) >= 0.6, shares
    assert statistics.fmean(shares.values()) >= 0.8, shares


def test_parts_speeds_and_the_null_model(scores):
    for name, one in scores.items():
        for kind, least in (("part", 1.0), ("speed", 0.8)):
            assert not one.predicted(kind) or one.share(kind) >= least, (name, kind)
    for name in ("colonnade", "neurram", "sinangil"):
        assert scores[name].log_rmse < scores[name].null_log_rmse


def test_without_fits_the_bars_are_missed(scores):
    """The negative control: the same score sees that a prior is no fit."""
    macro = load_macro("colonnade").without_fits()
    bare = score(macro, [one.row for one in scores["colonnade"].rows])
    assert bare.share("energy") == 0
    assert prior_spread(list(scores.values())).high > 3
