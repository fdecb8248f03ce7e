"""Comparing two rows of a run: the differences are paired, over stimuli and keys; and finding rows
by their place in the grid.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from madeanswers import BLIND, FULL, STIMULI, Made

from stochsim.keys import generator
from stochsim.settings import StochsimError
from stochsim.studies import ALL_KEYS, Result, Results

Maker = Callable[..., Results]
ROUGH = Made(s_of=lambda widths, noise, rho, key: 0.7 + widths[0] / 20, rough=0.02)
SEVERAL: dict[str, Any] = {
    "grid__architecture": ["recurrent", "single"],
    "grid__method": ["quantisation-aware", "post-training"],
    "grid__control": ["no-noise", "langevin"],
    "grid__float": True,
    "grid__noise": [1, 0.5],
    "grid__bits": [4],
}


def drawn(shape: tuple[int, ...], resamples: int = 40_000) -> np.ndarray[Any, Any]:
    """Flat row numbers of a bootstrap by hand: keys first, then within each drawn key stimuli,
    (resample, key, stimulus).
    """
    random = generator(11, "by hand")
    keys, stimuli = (1, *shape)[-2:]
    rows = random.integers(keys, size=(resamples, keys, 1)) * stimuli
    return (rows + random.integers(stimuli, size=(resamples, keys, stimuli))).reshape(resamples, -1)


def interval(statistic: np.ndarray[Any, Any]) -> tuple[float, float]:
    low, high = np.quantile(statistic, [0.025, 0.975])
    return float(low), float(high)


def distances(results: Results, row: Result) -> list[np.ndarray[Any, Any]]:
    """D of the cell, of ignoring the stimulus and of the float network, flattened over keys and
    stimuli.
    """
    tasks = [
        [getattr(cell, name) for cell in row.cells]
        for name in ("samples", "prior_samples", "float_samples")
    ]
    return [np.concatenate([_d(results, task) for task in names]) for names in tasks]


def _d(results: Results, task: str) -> np.ndarray[Any, Any]:
    result = results.store.row(task).result
    return np.array(result.get("measures", result)["d"])


@pytest.mark.parametrize("keys", [[0], [1, 4, 6]])
def test_a_difference_is_bootstrapped_over_pairs(keys: list[int], made: Maker) -> None:
    """By hand: the difference of each drawn stimulus; 8 % of the width are 5 sd of a bound.

    Drawn apart it would be half as wide again.
    """
    results = made(ROUGH, grid__noise=[1], grid__keys=keys)
    two, four = results.summary
    found = results.difference(two, four)
    first, second = (distances(results, row)[0] for row in (two, four))
    assert found.value == pytest.approx((first - second).mean())
    shape = results.per_stimulus(two).shape
    assert shape == ((len(keys), STIMULI) if len(keys) > 1 else (STIMULI,))
    picks = drawn(shape)
    low, high = interval((first - second)[picks].mean(axis=1))
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.08 * (high - low))
    apart = interval(first[picks].mean(axis=1) - second[picks[::-1]].mean(axis=1))
    assert apart[1] - apart[0] > 1.5 * (found.high - found.low)


@pytest.mark.parametrize("keys", [[0], [1, 4, 6]])
def test_a_difference_of_survival_draws_both_together(keys: list[int], made: Maker) -> None:
    results = made(ROUGH, grid__noise=[1], grid__keys=keys)
    two, four = results.summary
    found = results.survival_difference(two, four)
    cells = [distances(results, row) for row in (two, four)]
    assert found.value == pytest.approx((2 - 4) / 20)
    picks = drawn(results.per_stimulus(two).shape)

    def s_of(cell: list[np.ndarray[Any, Any]], rows: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        d, blind, full = (array[rows].mean(axis=1) for array in cell)
        return np.asarray((blind - d) / (blind - full))

    low, high = interval(s_of(cells[0], picks) - s_of(cells[1], picks))
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.08 * (high - low))
    assert two.survival is not None
    assert two.survival.estimate is not None
    values = [cell.survival.estimate.value for cell in (two, four)]  # type: ignore[union-attr]
    assert found.value == pytest.approx(values[0] - values[1])


def test_a_row_does_not_differ_from_itself(made: Maker) -> None:
    results = made(ROUGH, grid__noise=[1])
    row = results.summary[0]
    for found in (
        results.difference(row, row),
        results.survival_difference(row, row),
        results.difference(row, row, "elbo_nat"),
    ):
        assert (found.value, found.low, found.high) == (0, 0, 0)


def test_rows_of_different_keys_are_no_pairs(made: Maker) -> None:
    results = made(grid__noise=[1], grid__bits=[2], grid__keys=[1, 3])
    first, third, both = results.rows
    assert both.key == ALL_KEYS
    for a, b, said in ((first, third, "1] and [3]"), (both, third, "1, 3] and [3]")):
        for compare in (results.difference, results.survival_difference):
            with pytest.raises(StochsimError) as refused:
                compare(a, b)
            assert (
                str(refused.value)
                == f"rows of keys [{said}: only rows of the same keys can be compared as pairs"
            )


def test_what_one_of_the_two_lacks_is_not_available(made: Maker) -> None:
    results = made(grid__bits=[2])
    still, noisy = results.summary
    assert results.difference(noisy, still, "elbo_nat").reason == "n/a in one of the two"
    assert results.difference(noisy, still).available


LACKING: list[tuple[dict[str, Any], str]] = [
    ({"train__decoder": "own"}, "no common posterior"),
    ({}, "the network is not significantly better than ignoring the stimulus"),
]


@pytest.mark.parametrize(("changes", "reason"), LACKING, ids=["own", "blind"])
def test_survival_that_one_of_the_two_lacks_has_no_difference(
    changes: dict[str, Any], reason: str, made: Maker
) -> None:
    results = made(Made(blind=FULL + 0.05), grid__noise=[1], **changes)
    assert results.survival_difference(*results.summary).reason == reason


# Several architectures, methods and controls


def places(results: Results) -> list[tuple[Any, ...]]:
    return [
        (row.architecture, row.method, row.control, row.widths and row.widths[0], row.noise)
        for row in results.summary
    ]


def test_rows_stand_as_the_study_names_them_float_after_bits_and_controls_last(made: Maker) -> None:
    cells = [
        (way, 4, noise) for way in ("quantisation-aware", "post-training") for noise in (0.5, 1)
    ]
    cells += [("", None, 0.5), ("", None, 1)]
    networks = [
        (kind, way, "", bits, noise)
        for kind in ("recurrent", "single")
        for way, bits, noise in cells
    ]
    controls = [
        ("recurrent", "", "no-noise", None, 1),
        ("single", "", "no-noise", None, 1),
        ("", "", "langevin", None, 1),
    ]
    assert places(made(**SEVERAL)) == networks + controls


def test_every_row_is_found_by_its_place(made: Maker) -> None:
    results = made(**SEVERAL, grid__keys=[2, 5])
    for row in results.summary:
        place = (row.architecture, row.widths, row.rho, row.noise)
        assert results.find(*place, control=row.control, method=row.method or None) is row
    assert results.find("single", 4).method == "quantisation-aware"  # the study's first
    assert [results.find("single", 4, key=key).key for key in ("2", "5", ALL_KEYS)] == [
        "2",
        "5",
        ALL_KEYS,
    ]
    for wrong in (
        {"architecture": "deep"},
        {"noise": 3.0},
        {"control": "vae"},
        {"method": "noise-aware", "widths": 4},
        {"key": "7"},
    ):
        with pytest.raises(StochsimError, match="no finished cell at"):
            results.find(**wrong)


def test_controls_have_facts_and_float_samples_survive_whole(made: Maker) -> None:
    results = made(Made(control=0.95), **SEVERAL, grid__keys=[2, 5])
    no_noise = results.find("single", control="no-noise")
    langevin = results.find("", control="langevin")
    assert (no_noise.facts, langevin.facts) == ({"fact": 4.0}, {"fact": 4.0})  # means over keys
    assert (no_noise.is_float, no_noise.is_quantised, np.isnan(no_noise.per_read_j)) == (
        False,
        False,
        True,
    )
    assert no_noise.survival is not None
    assert no_noise.survival.estimate is not None
    assert no_noise.survival.estimate.value == pytest.approx((BLIND - 0.95) / (BLIND - FULL))
    assert langevin.survival is None
    whole = results.find("recurrent")
    assert whole.is_float
    assert whole.survival is not None
    assert whole.survival.estimate is not None
    assert (whole.survival.estimate.value, whole.survival.estimate.low) == (1, 1)


def test_rows_say_the_price_of_reliability_that_their_networks_faced(made: Maker) -> None:
    results = made(**SEVERAL, train__nats_per_joule=1e12, grid__rho=[0, 2])
    for row in results.summary:
        c, s = (
            results.study.train.price(row.rho, results.hardware) if row.architecture else (1.0, 1.0)
        )
        assert (row.c, row.s, row.nats_per_joule) == (c, s, 1e12 if row.architecture else None)
    assert len({row.c for row in results.summary}) == 3


def test_each_architecture_and_method_has_its_cliffs(made: Maker) -> None:
    results = made(**SEVERAL)
    found = [(row["architecture"], row["method"], row["noise"]) for row in results.cliffs()]
    ways = ("quantisation-aware", "post-training")
    assert found == [
        (kind, way, noise) for kind in ("recurrent", "single") for way in ways for noise in (0.5, 1)
    ]
