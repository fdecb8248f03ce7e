"""A plan: one task per different piece of work, known by a hash of everything that changes its
answer and of nothing else.
"""

import dataclasses
import json
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest
from tinystudy import TINY, kinds, plan_of, study_of

from stochsim.hardware import preset
from stochsim.settings import read_toml
from stochsim.studies import Study
from stochsim.studies.axis import TASK_KINDS
from stochsim.studies.plan import Plan, plan_study

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "first_light.toml"
SPARSE = {"kind": "sparse_coding", "neurons": 8, "noise_sd": 0.5, "laplace_scale": 1.0}
ALL = {"decoder", "reference", "prior_samples", "float", "float_samples", "network", "chip_samples"}


def hashes(found: Plan) -> dict[str, set[str]]:
    """Hashes by kind."""
    return {kind: {key for key, task in found.tasks.items() if task.kind == kind} for kind in ALL}


@pytest.mark.parametrize(
    ("changes", "counts"),
    [
        (
            {},
            {
                "decoder": 1,
                "reference": 1,
                "prior_samples": 1,
                "float": 1,
                "float_samples": 1,
                "network": 2,
                "chip_samples": 4,
            },
        ),
        (
            {"grid__rho": [0, 1, 2]},
            {
                "decoder": 1,
                "reference": 1,
                "prior_samples": 1,
                "float": 3,
                "float_samples": 3,
                "network": 6,
                "chip_samples": 12,
            },
        ),
        (
            {"grid__keys": [3, 5]},
            {
                "decoder": 2,
                "reference": 2,
                "prior_samples": 2,
                "float": 2,
                "float_samples": 2,
                "network": 4,
                "chip_samples": 8,
            },
        ),
        (
            {
                "grid__bits": None,
                "grid__weight_bits": [2, 4],
                "grid__input_bits": [3],
                "grid__output_bits": [1, 8, 5],
            },
            {
                "decoder": 1,
                "reference": 1,
                "prior_samples": 1,
                "float": 1,
                "float_samples": 1,
                "network": 6,
                "chip_samples": 12,
            },
        ),
        (
            {"train__decoder": "own"},
            {"decoder": 1, "reference": 2, "float": 1, "network": 2, "chip_samples": 4},
        ),
        (
            {"train__decoder": "own", "grid__rho": [0, 1], "grid__keys": [0, 1]},
            {"decoder": 2, "reference": 8, "float": 4, "network": 8, "chip_samples": 16},
        ),
    ],
)
def test_a_network_is_trained_once_however_many_noise_levels_use_it(
    changes: dict[str, Any], counts: dict[str, int]
) -> None:
    assert kinds(plan_of(**changes)) == counts


def test_the_demo_has_41_tasks() -> None:
    study = Study.from_table(read_toml(EXAMPLE))
    found = plan_study(study, preset("digital-45nm"))
    assert (len(found.tasks), len(found.cells), kinds(found)["network"]) == (41, 30, 6)


CHANGES: list[tuple[dict[str, Any], set[str]]] = [
    ({"model__neurons": 9}, ALL),
    ({"model__noise_sd": 0.6}, ALL),
    ({"model": SPARSE}, ALL),
    ({"data__size": 5}, ALL),
    ({"data__components": 9}, ALL),
    ({"data": {"kind": "digits", "size": 8, "components": 8}}, ALL),
    ({"train__steps": 31}, ALL),
    ({"train__batch": 33}, ALL),
    ({"train__learning_rate": 6e-3}, ALL),
    ({"train__c": 2.0}, ALL),
    ({"train__s": 2.0}, ALL),
    ({"grid__keys": [1]}, ALL),
    ({"grid__rho": [1]}, {"float", "float_samples", "network", "chip_samples"}),
    ({"grid__bits": [3, 5]}, {"network", "chip_samples"}),
    ({"grid__noise": [0.5, 2]}, {"chip_samples"}),
    ({"hardware__preset": "in-memory-28nm"}, {"chip_samples"}),
    ({"hardware__noise": {"read_sigma": 0.1}}, {"chip_samples"}),
    ({"hardware__noise": {"read_sigma": 0.1, "family": "logistic"}}, {"chip_samples"}),
    ({"hardware__timing": {"clock_hz": 2e9}}, {"chip_samples"}),
    ({"measure__stimuli": 9}, {"reference", "prior_samples", "float_samples", "chip_samples"}),
    ({"measure__reads": 104}, {"prior_samples", "float_samples", "chip_samples"}),
    ({"measure__directions": 9}, {"prior_samples", "float_samples", "chip_samples"}),
]


@pytest.mark.parametrize(
    ("changes", "affected"),
    CHANGES,
    ids=lambda part: " ".join(part) if isinstance(part, dict) else "",
)
def test_what_changes_an_answer_changes_the_hash_of_its_task_and_of_no_other(
    changes: dict[str, Any], affected: set[str]
) -> None:
    before, after = hashes(plan_of()), hashes(plan_of(**changes))
    assert {kind for kind in ALL if not before[kind] & after[kind]} == affected
    assert {kind for kind in ALL if before[kind] == after[kind]} == ALL - affected


def test_an_own_decoder_is_another_training() -> None:
    before, after = hashes(plan_of()), hashes(plan_of(train__decoder="own"))
    assert not any(before[kind] & after[kind] for kind in ALL)


@pytest.mark.parametrize("name", ["__version__", "KERNEL_VERSION"])
def test_another_version_is_another_answer(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = hashes(plan_of())
    monkeypatch.setattr(f"stochsim.runs.task.{name}", "other")
    after = hashes(plan_of())
    assert not any(before[kind] & after[kind] for kind in ALL)


@pytest.mark.parametrize(
    "changes",
    [
        {"grid__bits": [1, 2, 3, 4, 8]},
        {"grid__noise": [0, 0.25, 1, 7]},
        {"grid__rho": [0, 1, 2]},
        {"grid__keys": [0, 7]},
        {
            "grid__bits": None,
            "grid__weight_bits": [2, 4],
            "grid__input_bits": [2, 4],
            "grid__output_bits": [2, 4],
        },
    ],
    ids=lambda changes: " ".join(changes),
)
def test_siblings_in_the_grid_change_no_hash(changes: dict[str, Any]) -> None:
    assert set(plan_of().tasks) < set(plan_of(**changes).tasks)


@pytest.mark.parametrize(
    "changes",
    [
        {"grid__bits": [4, 2], "grid__noise": [1, 0]},
        {"grid__noise": [0.0, 1.0], "grid__rho": [0]},
        {"train__c": 1, "train__s": 1, "train__decoder": "shared"},
        {"hardware__noise": {"family": "gaussian"}},
        {"model": dict(reversed(list(TINY["model"].items())))},
    ],
    ids=lambda changes: " ".join(changes),
)
def test_the_same_study_in_other_words_is_the_same_plan(changes: dict[str, Any]) -> None:
    assert plan_of(**changes) == plan_of()


def test_a_label_is_no_part_of_the_hash() -> None:
    for task in plan_of().tasks.values():
        assert dataclasses.replace(task, label="other").hash == task.hash
        assert dataclasses.replace(task, settings="{}").hash != task.hash
        assert dataclasses.replace(task, kind="other").hash != task.hash
        assert dataclasses.replace(task, needs=(("source", "other"),)).hash != task.hash


def test_labels_name_each_task_apart() -> None:
    found = plan_of(grid__rho=[0, 1], grid__keys=[0, 1], train__decoder="own")
    assert len({task.label for task in found.tasks.values()}) == len(found.tasks)


@pytest.mark.parametrize("decoder", ["shared", "own"])
def test_tasks_stand_after_what_they_need(decoder: str) -> None:
    found = plan_of(train__decoder=decoder, grid__rho=[0, 1], grid__keys=[0, 1])
    seen: set[str] = set()
    for key, task in found.tasks.items():
        assert key == task.hash
        assert {need for _, need in task.needs} <= seen
        assert task.kind in TASK_KINDS
        seen.add(key)


def _needs(found: Plan, task: str) -> dict[str, str]:
    return {role: found.tasks[need].kind for role, need in found.tasks[task].needs}


def test_a_shared_decoder_gives_one_posterior_to_every_cell() -> None:
    found = plan_of(grid__rho=[0, 1])
    assert len({cell.reference for cell in found.cells}) == 1
    assert len({cell.prior_samples for cell in found.cells}) == 1
    assert len({cell.float_samples for cell in found.cells}) == 2
    assert _needs(found, found.cells[0].reference) == {"source": "decoder"}
    assert _needs(found, found.cells[0].network) == {"start": "float"}
    assert _needs(found, found.cells[0].samples) == {"network": "network", "reference": "reference"}


def test_an_own_decoder_gives_each_network_its_own_posterior() -> None:
    found = plan_of(train__decoder="own")
    assert all(cell.float_samples is None and cell.prior_samples is None for cell in found.cells)
    assert (
        len({cell.reference for cell in found.cells})
        == len({cell.network for cell in found.cells})
        == 2
    )
    assert all(
        found.tasks[cell.reference].needs == (("source", cell.network),) for cell in found.cells
    )


def test_cells_are_the_grid_and_say_what_their_tasks_were_given() -> None:
    study = study_of(
        grid__bits=None,
        grid__weight_bits=[2, 3],
        grid__input_bits=[4],
        grid__output_bits=[5, 6],
        grid__keys=[1, 9],
    )
    found = plan_study(study, preset("digital-45nm"))
    axes = attrgetter("weight_bits", "input_bits", "output_bits", "rho", "noise", "key")
    expected = {
        (w, 4, o, 0.0, noise, key)
        for w in (2, 3)
        for o in (5, 6)
        for noise in (0.0, 1.0)
        for key in (1, 9)
    }
    assert {axes(cell) for cell in found.cells} == expected
    assert len(found.cells) == len(expected) == len({cell.samples for cell in found.cells})
    for cell in found.cells:
        network, point = (
            json.loads(found.tasks[task].settings) for task in (cell.network, cell.samples)
        )
        assert (*network["widths"], network["rho"], network["key"]) == (*axes(cell)[:4], cell.key)
        assert (point["noise"], point["key"]) == (cell.noise, cell.key)
