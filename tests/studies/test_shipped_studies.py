"""Every study that comes with the project is valid on its own hardware."""

import hashlib
import json
from pathlib import Path

import pytest

from stochsim.search.evaluate import setting_plan
from stochsim.search.request import Request
from stochsim.studies import Plan, Study
from stochsim.studies.plan import plan_study

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted([*ROOT.glob("examples/*.toml"), *ROOT.glob("benchmarks/studies/*.toml")])
SHIPPED = [
    path for path in FILES if "\n[search]" not in path.read_text()
]  # those with a search are no sweeps
SEARCHES = [path for path in FILES if path not in SHIPPED]


def test_there_are_examples_and_studies_of_benchmarks() -> None:
    assert {"first_light", "emergence", "posterior_survival"} <= {path.stem for path in SHIPPED}


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_it_is_valid_on_its_hardware(path: Path) -> None:
    study = Study.read(path)
    hardware = study.hardware.resolve(path.parent)
    study.check(hardware)
    assert len(plan_study(study, hardware).cells) >= 1


def digest(plan: Plan) -> str:
    """Of all that tasks are known by, beside the versions: kinds, settings, what they need."""
    places = {task: place for place, task in enumerate(plan.tasks)}
    tasks = [
        (task.kind, task.settings, [(role, places[need]) for role, need in task.needs])
        for task in plan.tasks.values()
    ]
    return hashlib.sha256(json.dumps(tasks).encode()).hexdigest()[:12]


DIGESTS = {
    "adc_models": "c21454e020f3",
    "bit_axes": "29eaa80c15c5",
    "chains": "9a7abb85972c",
    "cheapest_chip": "2619358f3594",
    "digits": "8899c198861b",
    "digits_sparse": "c5104a7645e7",
    "emergence": "4c1ec84043ea",
    "first_light": "08c150fe1fd6",
    "overcomplete": "ef93ac96c11b",
    "posterior_survival": "bd08e3f34623",
    "scale_mixture": "3d291420466c",
    "trained_for_a_chip": "95402488db80",
}
"""A change of these makes every stored run of the study compute its tasks anew."""


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_its_tasks_are_those_of_stored_runs(path: Path) -> None:
    study = Study.read(path)
    assert digest(plan_study(study, study.hardware.resolve(path.parent))) == DIGESTS[path.stem]


@pytest.mark.parametrize("path", SEARCHES, ids=lambda path: path.stem)
def test_the_first_tasks_of_a_search_are_those_of_stored_runs(path: Path) -> None:
    request = Request.read(path)
    assert digest(setting_plan(request, next(iter(request.space)))) == DIGESTS[path.stem]
