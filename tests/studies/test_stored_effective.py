"""Effective samples and joules of each: what results make of what points stored, and what points
really store.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from madeanswers import STIMULI, Made
from tinystudy import changed, plan_of, store_answers, stored_rows, study_of, work

from stochsim.energy import Operation, Operations
from stochsim.runs import Task
from stochsim.settings import SettingError, StochsimError
from stochsim.studies import (
    Results,
    Study,
    open_run,
    operations_from_json,
    operations_to_json,
    stored_operations,
)

Maker = Callable[..., Results]
CIRCUITS: dict[str, Any] = {
    "grid__architecture": ["single", "recurrent"],
    "grid__bits": [4],
    "network": {"steps": 8},
}


def test_joules_of_all_reads_by_effective_samples(made: Maker) -> None:
    """100 reads of 3 pJ each are worth 20 samples at half of the stimuli and 60 at the others: 15
    and 5 pJ a sample, 10 in the mean.
    """
    row = made(
        Made(effective_of=lambda widths, noise: [20.0, 60.0] * (STIMULI // 2)),
        grid__bits=[2],
        grid__noise=[1],
    ).rows[0]
    assert row.effective_samples.value == pytest.approx(40)
    assert row.effective_samples.low < 40 < row.effective_samples.high
    assert row.joules_per_effective_sample.value == pytest.approx(10e-12)
    assert row.joules_per_effective_sample.value != pytest.approx(
        100 * row.per_read_j / 40
    )  # the ratio of means has it cheaper
    assert row.independent is True


def test_stimuli_whose_reads_do_not_vary_are_left_out(made: Maker) -> None:
    row = made(
        Made(effective_of=lambda widths, noise: [np.nan, 50.0] * (STIMULI // 2)),
        grid__bits=[2],
        grid__noise=[1],
    ).rows[0]
    assert row.effective_samples.value == pytest.approx(50)
    assert row.joules_per_effective_sample.value == pytest.approx(6e-12)


def test_infinite_and_not_available_are_told_apart(made: Maker) -> None:
    """At noise 0 joules have no bound where noise of the chip makes reads vary; where nothing
    varies there is no sample to pay for.
    """
    still = made(
        Made(
            effective_of=lambda widths, noise: (
                [np.nan] * STIMULI if widths[0] == 2 else [100.0] * STIMULI
            )
        ),
        grid__noise=[0],
    ).rows
    for estimate in (still[0].effective_samples, still[0].joules_per_effective_sample):
        assert estimate.reason == "the reads do not vary"
    assert still[1].effective_samples.value == 100
    assert still[1].joules_per_effective_sample.value == np.inf
    assert still[1].joules_per_effective_sample.available


def test_several_keys_are_resampled_together(made: Maker) -> None:
    rows = made(grid__bits=[2], grid__noise=[1], grid__keys=[0, 3]).rows
    assert [row.joules_per_effective_sample.value for row in rows] == pytest.approx([3e-12] * 3)


def test_points_of_older_versions_and_cells_off_the_chip_are_not_available(made: Maker) -> None:
    results = made(
        Made(effective_of=lambda widths, noise: None),
        grid__float=True,
        grid__bits=[2],
        grid__noise=[1],
    )
    on_chip, off_chip = results.rows
    assert (
        on_chip.effective_samples.reason
        == on_chip.joules_per_effective_sample.reason
        == "stored by an older version"
    )
    assert off_chip.effective_samples.reason == "counted of networks on the chip alone"
    assert (on_chip.independent, off_chip.independent) == (None, None)
    with pytest.raises(StochsimError, match="no operations: stored by an older version"):
        stored_operations(results.store.row(on_chip.cells[0].samples))
    assert {entry["effective_samples"] for entry in results.timing()} == {0.0}


def test_timing_counts_the_samples_of_all_stimuli(made: Maker) -> None:
    results = made(
        Made(effective_of=lambda widths, noise: [np.nan, *[10.0] * (STIMULI - 1)]),
        grid__bits=[2],
        grid__noise=[1],
    )
    assert {entry["kind"]: entry["effective_samples"] for entry in results.timing()}[
        "chip_samples"
    ] == 10 * (STIMULI - 1)


def test_operations_come_back_as_they_were_stored() -> None:
    operations = Operations(
        {
            Operation("multiply", (3, 4)): 600.0,
            Operation("random"): 1.0,
            Operation("reliability", (0.1,)): 20.0,
        }
    )
    rows = json.loads(json.dumps(operations_to_json(operations, 20)))
    assert rows == [["multiply", [3, 4], 30.0], ["random", [], 0.05], ["reliability", [0.1], 1.0]]
    assert operations_from_json(rows) == operations * (1 / 20)


# steps_between_reads in a study
# -----------------------------------------------------------------------------------------------


def points(plan: Any) -> dict[str, str]:
    return {task.label: task.hash for task in plan.tasks.values() if task.kind == "chip_samples"}


def test_thin_changes_the_points_of_circuits_and_no_other_task() -> None:
    whole, thinned, more = (
        plan_of(**CIRCUITS, **own)
        for own in ({}, {"measure__steps_between_reads": 2}, {"measure__steps_between_reads": 3})
    )
    moved = {label for label, task in points(whole).items() if points(thinned)[label] != task}
    assert moved == {label for label in points(whole) if label.startswith("recurrent")}
    assert len(moved) == 2
    assert set(whole.tasks) - set(thinned.tasks) == {points(whole)[label] for label in moved}
    assert len({points(plan)[label] for plan in (whole, thinned, more) for label in moved}) == 6


def test_a_study_without_circuits_on_the_chip_refuses_steps_between_reads() -> None:
    for own in (
        {},
        {"grid__architecture": ["deep"]},
        {"grid__architecture": ["recurrent"], "grid__bits": None, "grid__float": True},
    ):
        study = study_of(measure__steps_between_reads=2, **own)
        with pytest.raises(
            SettingError,
            match=r"'measure.steps_between_reads' = 2: belongs to recurrent networks on the "
            r"chip, which the grid does not have",
        ):
            study.check(study.hardware.resolve(Path()))
    for every in (0, 1.5, True, "2"):
        with pytest.raises(SettingError, match="steps_between_reads"):
            Study.from_table(changed(measure__steps_between_reads=every, **CIRCUITS))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One run read twice: reads of chains of their own, then every 2nd step of one chain."""
    where = tmp_path_factory.mktemp("chains") / "run"
    for own in ({}, {"measure__steps_between_reads": 2}):
        store_answers(where, study_of(**CIRCUITS, **own, grid__noise=[0, 1]), work, skip=_alone)
    return where


def _alone(task: Task) -> bool:
    return task.kind in ("float_samples", "prior_samples")


def stored(folder: Path, every: int | None) -> dict[str, dict[str, Any]]:
    """Results of the points of one of the two studies, by label."""
    rows = stored_rows(folder)
    tasks = points(
        plan_of(
            **CIRCUITS,
            **({} if every is None else {"measure__steps_between_reads": every}),
            grid__noise=[0, 1],
        )
    )
    return {label: json.loads(rows[task][4]) for label, task in tasks.items()}


def test_points_store_effective_samples(folder: Path) -> None:
    """Independent reads count in full; a chain's are worth less, and take 8 + 99 × 2 steps where
    chains of their own take 100 × 8.
    """
    whole, thinned = stored(folder, None), stored(folder, 2)
    for label, result in whole.items():
        assert result["independent"] is True
        found = np.array(result["effective_samples"])
        assert np.isnan(found).all() if label.endswith("x0") else (found == 100).all()
    chain = next(
        result
        for label, result in thinned.items()
        if label.startswith("recurrent") and label.endswith("x1")
    )
    own = next(
        result
        for label, result in whole.items()
        if label.startswith("recurrent") and label.endswith("x1")
    )
    assert chain["independent"] is False
    assert (np.array(chain["effective_samples"]) < 95).all()
    counts = [operations_from_json(result["operations"]).count("adc") for result in (chain, own)]
    assert counts[0] / counts[1] == pytest.approx((8 + 99 * 2) / (100 * 8))
    assert chain["measures"]["d"] != own["measures"]["d"]


def test_stored_operations_are_priced_as_the_point_was(folder: Path) -> None:
    hardware = study_of().hardware.resolve(Path()).with_precision(4, 4, 4)
    for result in (*stored(folder, None).values(), *stored(folder, 2).values()):
        again = hardware.energy(operations_from_json(result["operations"]), 0.0)
        assert set(again.parts) == set(result["energy"]["parts_j"])
        for part, joules in again.parts.items():
            assert joules == pytest.approx(result["energy"]["parts_j"][part], rel=1e-12)


def test_a_run_of_chains_reads_out(folder: Path) -> None:
    store_answers(
        folder, study_of(**CIRCUITS, measure__steps_between_reads=2, grid__noise=[0, 1]), work
    )
    with open_run(folder) as results:
        chain, single = results.find("recurrent", 4), results.find("single", 4)
        assert (chain.independent, single.independent) == (False, True)
        assert single.joules_per_effective_sample.value == pytest.approx(single.per_read_j)
        assert chain.joules_per_effective_sample.value > 1.05 * chain.per_read_j
        assert (
            results.find("recurrent", 4, noise=0.0).effective_samples.reason
            == "the reads do not vary"
        )
