"""Results: a run whose every answer is made up, so that what is read out of it is known
beforehand.
"""

from collections.abc import Callable
from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from madeanswers import BLIND, FULL, Made, pictures

from stochsim.runs import Store, Task
from stochsim.settings import StochsimError
from stochsim.studies import ALL_KEYS, Results, open_run

Maker = Callable[..., Results]
APART: dict[str, Any] = {
    "grid__bits": None,
    "grid__weight_bits": [2, 4],
    "grid__input_bits": [3],
    "grid__output_bits": [1, 2, 8],
}


def cliffs(results: Results) -> dict[tuple[str, str, float, float], int | None]:
    return {
        (row["axis"], row["fixed"], row["rho"], row["noise"]): row["cliff"]
        for row in results.cliffs()
    }


def test_one_row_per_cell_sorted_with_the_survival_that_was_put_in(made: Maker) -> None:
    results = made(
        Made(lambda widths, noise, rho, key: widths[0] / 10 + noise / 100),
        grid__bits=[4, 2],
        grid__noise=[1, 0],
    )
    assert [(row.widths, row.noise, row.key) for row in results.rows] == [
        ((2, 2, 2), 0, "0"),
        ((2, 2, 2), 1, "0"),
        ((4, 4, 4), 0, "0"),
        ((4, 4, 4), 1, "0"),
    ]
    assert results.summary == results.rows
    assert results.missing == 0
    for row, expected in zip(results.rows, (0.2, 0.21, 0.4, 0.41), strict=True):
        assert row.survival is not None
        assert row.survival.estimate is not None
        assert row.survival.estimate.value == pytest.approx(expected)
        assert row.survival.d_blind.value == pytest.approx(BLIND)
        assert row.survival.d_full.value == pytest.approx(FULL)
        assert row.estimates["d"].value == pytest.approx(BLIND - expected * (BLIND - FULL))
        assert row.estimates["d"].low < row.estimates["d"].value < row.estimates["d"].high


def test_survival_is_not_clipped(made: Maker) -> None:
    results = made(Made(lambda widths, noise, rho, key: -2.0 if noise else 1.1))
    values = [
        row.survival.estimate.value
        for row in results.rows
        if row.survival and row.survival.estimate
    ]
    assert values == pytest.approx([1.1, -2.0] * 2)


def test_survival_is_not_available_where_the_float_network_is_no_better_than_blind(
    made: Maker,
) -> None:
    results = made(Made(blind=FULL + 0.05))
    for row in results.rows:
        assert row.survival is not None
        assert row.survival.estimate is None
        assert (
            row.survival.reason
            == "the network is not significantly better than ignoring the stimulus"
        )
    assert set(cliffs(results).values()) == {None}


def test_cliff_of_tied_bits_per_noise_level(made: Maker) -> None:
    table = {
        1: {1: 0.95, 2: 0.95, 4: 0.8, 8: 1.0},
        2: {1: 0.92, 2: 0.95, 4: 0.97, 8: 1.0},
        4: {1: 0.99, 2: 0.99, 4: 0.99, 8: 0.89},
    }
    results = made(
        Made(lambda widths, noise, rho, key: table[int(noise)][widths[0]]),
        grid__bits=[1, 2, 4, 8],
        grid__noise=[1, 2, 4],
    )
    assert cliffs(results) == {
        ("bits", "", 0.0, 1.0): 8,
        ("bits", "", 0.0, 2.0): 1,
        ("bits", "", 0.0, 4.0): None,
    }


def test_cliff_per_axis_names_the_other_widths(made: Maker) -> None:
    """Only the output's bits matter here: along the other axes all survive, or none."""
    results = made(
        Made(lambda widths, noise, rho, key: 1.0 if widths[2] >= 2 else 0.5),
        grid__noise=[1],
        grid__rho=[0, 1],
        **APART,
    )
    found = cliffs(results)
    for rho in (0.0, 1.0):
        for weight in (2, 4):
            assert found.pop(("output_bits", f"weight_bits {weight}, input_bits 3", rho, 1.0)) == 2
        for output, weight_cliff, input_cliff in ((1, None, None), (2, 2, 3), (8, 2, 3)):
            assert (
                found.pop(("weight_bits", f"input_bits 3, output_bits {output}", rho, 1.0))
                == weight_cliff
            )
            for weight in (2, 4):
                assert (
                    found.pop(
                        ("input_bits", f"weight_bits {weight}, output_bits {output}", rho, 1.0)
                    )
                    == input_cliff
                )
    assert found == {}


def test_several_keys_have_a_row_each_and_one_for_all(made: Maker) -> None:
    results = made(
        Made(lambda widths, noise, rho, key: 0.5 + key / 10),
        grid__bits=[2],
        grid__noise=[1],
        grid__keys=[3, 1],
    )
    assert [row.key for row in results.rows] == ["1", "3", ALL_KEYS]
    first, third, both = (row.survival.estimate for row in results.rows if row.survival is not None)
    assert first is not None
    assert third is not None
    assert both is not None
    assert (first.value, third.value, both.value) == pytest.approx((0.6, 0.8, 0.7))
    assert both.low < 0.65 < 0.75 < both.high  # the keys differ, and the interval says so
    assert results.summary == results.rows[2:]
    assert len(results.rows[2].cells) == 2
    assert results.cliffs()[0]["cliff"] is None


def test_a_cell_that_lacks_a_key_has_no_row_for_all(made: Maker) -> None:
    results = made(
        skip=lambda task: (
            task.kind == "chip_samples" and "key 3" in task.label and "2/2/2" in task.label
        ),
        grid__keys=[1, 3],
        grid__noise=[1],
    )
    assert [(row.widths[0], row.key) for row in results.rows] == [
        (2, "1"),
        (4, "1"),
        (4, "3"),
        (4, ALL_KEYS),
    ]
    assert [(row.widths[0], row.key) for row in results.summary] == [(2, "1 of 2"), (4, ALL_KEYS)]
    assert results.missing == 1
    assert results.finished_cells == sum(len(row.cells) for row in results.summary) == 3
    assert results.is_uneven
    with pytest.raises(StochsimError, match="no finished cell"):
        results.find(widths=2)  # over all keys: there is none
    assert results.find(widths=2, key="1").key == "1"
    assert results.find(widths=4).key == ALL_KEYS


def test_with_own_decoders_there_is_no_survival_and_no_cliff(made: Maker) -> None:
    results = made(train__decoder="own")
    assert len(results.rows) == 4
    assert all(row.survival is None and row.survival_absolute is None for row in results.rows)
    assert all(row.estimates["d"].available for row in results.rows)
    assert results.cliffs() == []


def test_absolute_survival_compares_with_the_best_float_network_of_the_key(made: Maker) -> None:
    results = made(
        Made(full_of=lambda rho: 0.2 + 0.3 * rho),
        grid__rho=[0, 1],
        grid__bits=[2],
        grid__noise=[1],
        grid__keys=[0, 1],
    )
    found = {row.rho: (row.survival, row.survival_absolute) for row in results.summary}
    relative, absolute = (survival.estimate for survival in found[1.0] if survival is not None)
    assert relative is not None
    assert absolute is not None
    assert relative.value == pytest.approx(1.0)
    assert absolute.value == pytest.approx((BLIND - 0.5) / (BLIND - 0.2))
    assert found[0.0][0] == found[0.0][1]


def test_an_unfinished_run_shows_what_is_there(made: Maker) -> None:
    results = made(skip=lambda task: task.kind == "chip_samples" and "4/4/4" in task.label)
    assert results.missing == 2
    assert [row.widths[0] for row in results.rows] == [2, 2]
    assert set(cliffs(results).values()) == {2}
    assert len(results.timing()) == 9


@pytest.mark.parametrize("kind", ["float_samples", "prior_samples"])
def test_a_cell_waits_for_what_its_survival_needs(kind: str, made: Maker) -> None:
    results = made(skip=lambda task: task.kind == kind)
    assert (results.rows, results.summary, results.cliffs(), results.missing) == ([], [], [], 1)


def test_a_run_that_has_just_begun_has_no_rows(made: Maker) -> None:
    results = made(skip=lambda task: True)
    assert (results.rows, results.missing, results.timing()) == ([], 11, [])


def test_a_store_without_a_study_is_refused(tmp_path: Path) -> None:
    Store.create_or_open(tmp_path / "run").close()
    with pytest.raises(StochsimError, match=r"run: the run has not begun: nothing to report"):
        open_run(tmp_path / "run")


def test_energy_is_the_sum_of_its_parts_and_infinite_without_noise(made: Maker) -> None:
    still, noisy = made(grid__bits=[2], grid__noise=[0, 2]).rows
    assert still.per_read_j == np.inf
    assert noisy.energy_j == {"add": 2e-12, "reliability": 0.5e-12}
    assert noisy.per_read_j == pytest.approx(2.5e-12)
    assert (noisy.flags, noisy.saturated_share) == (("noise 2",), 0.25)


def test_what_is_not_available_is_missing_with_a_reason_and_not_nan(made: Maker) -> None:
    still, noisy = made(grid__bits=[2]).rows
    assert not still.estimates["elbo_nat"].available
    assert still.estimates["elbo_nat"].reason
    assert noisy.estimates["elbo_nat"].value == 0.5


def test_accuracy_is_there_where_the_data_have_labels(made: Maker) -> None:
    assert "readout_accuracy" not in made().rows[0].estimates


def test_accuracy_of_labelled_data(made: Maker) -> None:
    results = made(
        Made(accuracy=0.75), data={"kind": "digits", "size": 8, "components": 8}, grid__keys=[0, 1]
    )
    assert {row.estimates["readout_accuracy"].value for row in results.rows} == {0.75}


def test_pictures_dictionary_and_timing_are_the_stored_ones(made: Maker) -> None:
    results = made(grid__keys=[7, 2])
    cell = results.rows[0].cells[0]
    expected = pictures(results.plan.tasks[cell.samples].label)
    assert np.array_equal(results.pictures(cell).reference_sd, expected["reference_sd"])
    assert results.decoder_task.label == "decoder, key 2"
    assert [row["task"] for row in results.timing()] == [
        task.label for task in results.plan.tasks.values()
    ]
    assert {row["seconds"] for row in results.timing()} == {0.5}


def test_intervals_are_the_same_at_every_reading(made: Maker) -> None:
    results = made()
    with open_run(results.folder) as again:
        assert list(map(astuple, results.rows)) == list(map(astuple, again.rows))


def test_estimate_of_a_task(made: Maker) -> None:
    results = made()
    cell = results.rows[0].cells[0]
    assert results.estimate_of(cell.float_samples).value == pytest.approx(FULL)
    assert results.estimate_of(cell.prior_samples, "d_axes").value == pytest.approx(BLIND)
    assert results.estimate_of(None).reason == "not measured"


def lacking(count: int) -> Callable[..., tuple[dict[str, Any], Path | None]]:
    """Answers whose first `count` stimuli have neither a density nor a log sd."""

    def answer(task: Task, needs: dict[str, Path], folder: Path) -> Any:
        found, artifact = Made()(task, needs, folder)
        if task.kind == "chip_samples":
            for name in ("elbo_nat", "gaussian_kl_nat", "log_sd_bias"):
                values = np.arange(len(found["measures"]["d"]), dtype=float)
                values[:count] = np.nan
                found["measures"][name] = values.tolist()
        return found, artifact

    return answer


def test_nats_of_some_stimuli_alone_are_no_mean_over_all(made: Maker) -> None:
    """A bound of a stimulus without a density is minus infinity, and so is the mean: numbers 0, 1,
    2 … of the others would seem to be one of all.
    """
    results = made(lacking(3), grid__noise=[1], grid__bits=[2])
    row = results.summary[0]
    stimuli = len(results.per_stimulus(row))
    for name in ("elbo_nat", "gaussian_kl_nat"):
        assert not row.estimates[name].available
        assert row.estimates[name].reason.endswith(f"; at 3 of {stimuli} stimuli")
    assert row.estimates["log_sd_bias"].value == pytest.approx(np.mean(np.arange(3, stimuli)))


def test_nats_of_all_stimuli_are_their_mean(made: Maker) -> None:
    results = made(lacking(0), grid__noise=[1], grid__bits=[2])
    row = results.summary[0]
    for name in ("elbo_nat", "gaussian_kl_nat"):
        assert row.estimates[name].value == pytest.approx((len(results.per_stimulus(row)) - 1) / 2)
    assert results.difference(row, row, "elbo_nat").value == 0


def test_a_difference_of_nats_needs_every_stimulus(made: Maker) -> None:
    results = made(lacking(1), grid__noise=[1], grid__bits=[2])
    row = results.summary[0]
    assert results.difference(row, row, "elbo_nat").reason.startswith("n/a in one of the two; at 1")
    assert results.difference(row, row, "log_sd_bias").value == 0
