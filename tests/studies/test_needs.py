"""What a study needs is known, and refused where it is too much, before anything is written."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tinystudy import changed, plan_of, study_of, write_study

from stochsim.settings import SettingError
from stochsim.studies import check_needs, needs_of, run_sweep, study_needs
from stochsim.studies.grid import MOST_CELLS
from stochsim.studies.needs import bytes_text, need_of, seconds_text

WIDE: dict[str, Any] = {
    "grid__bits": [4],
    "grid__noise": [1],
    "grid__architecture": ["deep"],
    "model__neurons": 128,
    "data__size": 12,
    "data__components": 128,
    "measure__stimuli": 128,
    "measure__reads": 1000,
    "measure__directions": 256,
}
PEAKS: list[tuple[dict[str, Any], dict[str, int]]] = [
    (
        {"grid__bits": [4], "grid__noise": [1]},
        {"decoder": 512, "reference": 515, "network": 515, "chip_samples": 548},
    ),
    (WIDE, {"decoder": 985, "reference": 2551, "network": 991, "prior_samples": 2374}),
]
"""Peak memory of a worker process in MiB, measured of each task alone."""


@pytest.mark.parametrize(("changes", "peaks"), PEAKS, ids=["tiny", "wide"])
def test_memory_is_within_a_factor_of_two_of_what_was_measured(
    changes: dict[str, Any], peaks: dict[str, int]
) -> None:
    study = study_of(**changes)
    needs = {task.kind: need_of(study, task) for task in plan_of(**changes).tasks.values()}
    ratios = {kind: needs[kind].memory_bytes / 2**20 / peak for kind, peak in peaks.items()}
    assert {kind for kind, ratio in ratios.items() if not 0.8 < ratio < 2} == set()


STEPS: list[tuple[str, int, float]] = [
    ("single", 64, 0.0022),
    ("single", 4_096, 0.0197),
    ("single", 65_536, 0.349),
    ("single", 262_144, 2.16),
    ("single", 1_048_576, 10.9),
    ("deep", 64, 0.0078),
    ("deep", 4_096, 0.133),
    ("deep", 262_144, 9.14),
]
"""Seconds of one core that a step of training took, of 64 neurons on 48 components."""


@pytest.mark.parametrize(("architecture", "batch", "seconds"), STEPS)
def test_time_of_a_training_is_within_a_factor_of_two_of_what_was_measured(
    architecture: str, batch: int, seconds: float
) -> None:
    """From products alone it was three to seven times too low for large batches."""
    sizes = {
        "model__neurons": 64,
        "data__size": 8,
        "data__components": 48,
        "grid__architecture": [architecture],
    }
    changes = {**sizes, "train__batch": batch, "train__steps": 1_000}
    needs = [need_of(study_of(**changes), task) for task in plan_of(**changes).tasks.values()]
    found = max(need.seconds for need in needs if need.kind == "float") / 1_000
    assert 0.5 < found / seconds < 2


def test_disk_is_that_of_the_stored_files() -> None:
    """Of the wide study a reference is a file of 656,704 KiB, a network one of 838."""
    needs = {task.kind: need_of(study_of(**WIDE), task) for task in plan_of(**WIDE).tasks.values()}
    assert needs["reference"].disk_bytes / 1024 == pytest.approx(656_704, rel=0.02)
    assert needs["network"].disk_bytes / 1024 == pytest.approx(838, rel=0.3)


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"model__neurons": 100_000}, "'measure.stimuli' = 8 and 'model.neurons' = 100000"),
        (
            {"measure__directions": 2**20, "measure__reads": 5000, "measure__stimuli": 64},
            "'measure.directions' = 1048576 and 'measure.stimuli' = 64 and 'measure.reads' = 5000",
        ),
    ],
)
def test_more_than_the_memory_is_refused_before_the_folder_exists(
    changes: dict[str, Any], fields: str, tmp_path: Path
) -> None:
    path = write_study(tmp_path, **changes)
    with pytest.raises(SettingError) as error:
        run_sweep(path, tmp_path / "run", workers=1)
    said = str(error.value)
    assert said.startswith(f"{path}:")
    assert f"{fields}: " in said
    assert " of memory, " in said
    assert said.endswith(" are free; valid: less of these")
    assert not (tmp_path / "run").exists()
    assert study_needs(path, tmp_path / "run").memory_bytes > 10**11  # a dry run shows it
    assert not (tmp_path / "run").exists()


def test_more_than_the_disk_is_refused(tmp_path: Path) -> None:
    needs = needs_of(study_of(), plan_of().tasks.values(), 1, 4)
    check_needs(needs, tmp_path / "not" / "there")
    with pytest.raises(SettingError, match=r"need 1,024 PiB of disk, .* are free under /"):
        check_needs(replace(needs, disk_bytes=2**60), tmp_path / "not" / "there")


def test_memory_is_that_of_all_workers_and_time_is_shared_by_them() -> None:
    tasks = plan_of(grid__keys=[0, 1, 2, 3]).tasks.values()
    one, four = (needs_of(study_of(), tasks, workers, 16) for workers in (1, 4))
    assert four.memory_bytes == 4 * one.memory_bytes
    assert four.seconds == pytest.approx(one.seconds / 4)
    assert four.disk_bytes == one.disk_bytes
    assert needs_of(study_of(), list(tasks)[:1], 64, 16).workers == 1


def test_a_dry_run_is_of_what_is_left_and_says_it(tmp_path: Path) -> None:
    found = str(study_needs(write_study(tmp_path), tmp_path / "run", 2))
    assert found.splitlines()[0] == "needs: 4 cells, 11 tasks"
    assert "1 decoder, 1 reference, 1 float, 2 network" in found
    assert "× 2 workers" in found
    assert "about " in found
    assert list(tmp_path.iterdir()) == [tmp_path / "study.toml"]


HUGE = [
    ("model__neurons", 10**9),
    ("model__neurons", 2**63),
    ("model__noise_sd", 1e308),
    ("model__noise_sd", 1e-308),
    ("train__batch", 10**9),
    ("train__steps", 2**31),
    ("train__learning_rate", 1e300),
    ("train__c", 1e300),
    ("train__s", 1e300),
    ("train__nats_per_joule", 1e300),
    ("measure__reads", 10**12),
    ("measure__stimuli", 10**12),
    ("measure__directions", 10**12),
    ("grid__noise", [1e300]),
    ("grid__rho", [1e300]),
]


@pytest.mark.parametrize(("place", "value"), HUGE)
def test_every_size_and_scale_has_a_bound(place: str, value: Any) -> None:
    with pytest.raises(SettingError) as error:
        study_of(**{place: value})
    field = place.replace("__", ".")
    assert f"'{field}" in str(error.value)
    assert "should be " in str(error.value)
    assert len(str(error.value)) < 200


def test_a_grid_of_millions_of_cells_is_refused_by_its_longest_list() -> None:
    grid = {"bits": [2, 4], "noise": [i / 1000 for i in range(1000)], "keys": list(range(900))}
    with pytest.raises(SettingError, match=r"'grid\.noise': names 1,000 values of 1,800,000 cells"):
        study_of(grid=grid)
    most = changed(grid={"bits": [2], "keys": list(range(MOST_CELLS))})
    assert len(study_of(grid=most["grid"]).grid.keys) == MOST_CELLS


def test_workers_have_a_bound(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="'workers' = 65536: should be an integer from 1 to"):
        run_sweep(write_study(tmp_path), tmp_path / "run", workers=65_536)


def test_figures_are_for_reading() -> None:
    assert [bytes_text(count) for count in (12, 2048, 3.5 * 2**30, 2**60)] == [
        "12 bytes",
        "2.0 KiB",
        "3.5 GiB",
        "1,024 PiB",
    ]
    assert [seconds_text(value) for value in (40, 720, 3 * 3600, 20 * 86400)] == [
        "40 s",
        "12 min",
        "3 h",
        "20 days",
    ]
