"""The search on spaces whose answer is known: it finds the front, stops and goes on as if nothing
had been, and measures nothing twice.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import optuna
import pytest

from stochsim.search.front import Point, front, hypervolume
from stochsim.search.proposals import Plan, Search
from stochsim.search.space import Setting, Space
from stochsim.search.storage import checked_address, open_storage
from stochsim.settings import SettingError, StochsimError

SPACE = Space(
    {
        "weight_bits": (1, 2, 3, 4, 5, 6),
        "input_bits": (1, 2, 3, 4, 5),
        "noise": (0.25, 0.5, 1.0, 2.0),
        "rows": (16, 32, 64),
    }
)
"""360 settings."""
MODELS = ("steep", "flat")


def point(setting: Setting, model: str) -> Point:
    """Joules grow with both widths, exponentially in one model, and with fewer rows; the distance
    falls with either width.

    Noise has one place where it does not hurt, rows two.
    """
    weight, inputs, noise, rows = setting
    joules = (2.0**weight + inputs**2 if model == "steep" else 3 * weight + inputs + 1) * (
        1 + 16 / rows
    )
    return math.log10(joules), 2.0**-weight + 1.5**-inputs + 0.4 * abs(math.log2(noise)) + (
        0.5 if rows == 64 else 0.0
    )


class Measuring:
    """Measures points, keeps what it was asked, and stops when it has measured `most`."""

    def __init__(self, most: int = 10**6) -> None:
        self.asked: list[Setting] = []
        self.most = most

    def __call__(self, settings: Sequence[Setting]) -> list[dict[str, Point]]:
        if len(self.asked) + len(settings) > self.most:
            raise KeyboardInterrupt
        self.asked += settings
        return [{model: point(setting, model) for model in MODELS} for setting in settings]


def plan(trials: int = 16, **changes: Any) -> Plan:
    return Plan(**{"space": SPACE, "models": MODELS, "trials": trials, "key": 3} | changes)


def share(order: Sequence[Setting], model: str) -> float:
    """Hypervolume of what was measured as a share of the whole space's."""
    far = (math.log10(200), 1.5)
    areas = [
        hypervolume([point(setting, model) for setting in settings], far)
        for settings in (order, list(SPACE))
    ]
    return areas[0] / areas[1]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of one SQLite file for all tests: to make one takes a second."""
    return tmp_path_factory.mktemp("storage")


@pytest.fixture(scope="module")
def undisturbed() -> list[Setting]:
    return Search(plan()).run(Measuring())


def test_it_finds_the_front_of_every_model_in_a_fifth_of_the_space_and_random_settings_do_not() -> (
    None
):
    found = {
        sampler: Search(plan(72, sampler=sampler)).run(Measuring()) for sampler in ("tpe", "random")
    }
    for model in MODELS:
        assert share(found["tpe"], model) > 0.97 > share(found["random"], model)


def test_the_same_key_searches_the_same_and_another_one_does_not(
    undisturbed: list[Setting],
) -> None:
    assert Search(plan()).run(Measuring()) == undisturbed
    assert Search(plan(key=4)).run(Measuring()) != undisturbed


@pytest.mark.parametrize("most", [2, 11])
def test_a_search_that_was_stopped_goes_on_as_if_nothing_had_been(
    most: int, folder: Path, undisturbed: list[Setting]
) -> None:
    first = Measuring(most)
    with pytest.raises(KeyboardInterrupt):
        Search(plan(), open_storage(None, folder), f"stopped {most}").run(first)
    assert first.asked == undisturbed[: len(first.asked)]
    assert (
        Search(plan(), open_storage(None, folder), f"stopped {most}").run(Measuring())
        == undisturbed
    )


def test_more_trials_later_are_the_same_as_at_once(
    folder: Path, undisturbed: list[Setting]
) -> None:
    name = "more"
    assert Search(plan(10), open_storage(None, folder), name).run(Measuring()) == undisturbed[:10]
    assert Search(plan(16), open_storage(None, folder), name).run(Measuring()) == undisturbed
    assert Search(plan(8), open_storage(None, folder), name).run(Measuring()) == undisturbed[:8]


def test_a_proposal_that_was_killed_before_it_was_noted_is_asked_again(
    folder: Path, undisturbed: list[Setting]
) -> None:
    name = "killed"
    with pytest.raises(KeyboardInterrupt):
        Search(plan(), open_storage(None, folder), name).run(Measuring(12))
    half = Search(plan(), open_storage(None, folder), name).studies["steep"]
    half.ask()  # no setting, no turn
    assert Search(plan(), open_storage(None, folder), name).run(Measuring()) == undisturbed


def test_every_study_holds_every_setting_that_was_measured(undisturbed: list[Setting]) -> None:
    search = Search(plan())
    search.run(Measuring())
    for study in search.studies.values():
        trials = study.get_trials(states=(optuna.trial.TrialState.COMPLETE,))
        assert {SPACE.at(trial.params) for trial in trials} == set(undisturbed)
        assert len(trials) == len(undisturbed)


def test_a_small_space_is_measured_whole() -> None:
    small = Space({"weight_bits": (1, 2), "input_bits": (1, 3), "noise": (1.0,), "rows": (16,)})
    order = Search(plan(space=small, trials=50)).run(Measuring())
    assert sorted(order) == sorted(small)


def test_one_setting_is_a_space_too() -> None:
    alone = Space({"weight_bits": (2,), "input_bits": (3,), "noise": (1.0,), "rows": (16,)})
    assert Search(plan(space=alone)).run(Measuring()) == [(2, 3, 1.0, 16)]


def test_steps_are_taken_around_what_the_search_is_to_focus_on() -> None:
    centre = (3, 3, 1.0, 32)
    found = Search(plan(48), focus=lambda model, settings: [centre]).run(Measuring())
    assert set(SPACE.neighbours(centre)) <= set(found)
    assert not set(SPACE.neighbours(centre)) <= set(Search(plan(48)).run(Measuring()))


def test_progress_counts_settings() -> None:
    said: list[int] = []
    Search(plan(5)).run(Measuring(), said.append)
    assert said == [2, 4, 5]


def test_the_front_of_the_synthetic_space_is_more_than_its_ends() -> None:
    points = [point(setting, "steep") for setting in SPACE]
    assert len(front(points)) > 8


def test_the_space_knows_its_neighbours() -> None:
    assert SPACE.neighbours((1, 1, 0.25, 64)) == [
        (2, 1, 0.25, 64),
        (1, 2, 0.25, 64),
        (1, 1, 0.5, 64),
        (1, 1, 0.25, 32),
    ]
    assert SPACE.size == len(list(SPACE)) == 360
    last = (3, 2, 2.0, 32)
    assert SPACE.at(SPACE.places(last)) == last
    assert SPACE.draw(0, set(SPACE) - {last}) == last


NAMES = Space({"output_format": ("int4", "fp4-e2m1", "lloyd-4", "int5"), "noise": (0.5, 1.0, 2.0)})


def test_on_an_axis_of_names_every_other_name_is_a_neighbour() -> None:
    assert NAMES.neighbours(("lloyd-4", 0.5)) == [
        ("int4", 0.5),
        ("fp4-e2m1", 0.5),
        ("int5", 0.5),
        ("lloyd-4", 1.0),
    ]
    assert NAMES.order(("lloyd-4", 0.5)) == (2, 0)
    assert NAMES.at(NAMES.places(("int5", 2.0))) == ("int5", 2.0)


def test_names_are_searched_stored_and_gone_on_with(folder: Path) -> None:
    def measure(settings: Sequence[Setting]) -> list[dict[str, Point]]:
        return [dict.fromkeys(MODELS, (len(name) + noise, noise)) for name, noise in settings]

    wanted = plan(11, space=NAMES)  # one less than there are
    whole = Search(wanted).run(measure)
    assert len({*whole}) == 11
    assert {*whole} < {*NAMES}
    storage = open_storage(None, folder)
    assert Search(plan(6, space=NAMES), storage, "names").run(measure) == whole[:6]
    search = Search(wanted, storage, "names")
    assert search.run(measure) == whole
    trials = search.studies["flat"].get_trials(states=(optuna.trial.TrialState.COMPLETE,))
    stored = [tuple(trial.user_attrs["setting"].values()) for trial in trials]
    assert sorted(stored) == sorted(whole)
    assert {type(one).__name__ for one in trials[0].distributions.values()} == {
        "CategoricalDistribution",
        "IntDistribution",
    }


@pytest.mark.parametrize(
    ("address", "error", "said"),
    [
        ("somewhere", SettingError, "should be the address of a database"),
        ("nosuch://host/name", SettingError, "no such kind of database"),
        ("sqlite:////no/such/folder/trials.sqlite", StochsimError, "cannot be opened"),
    ],
)
def test_a_storage_that_cannot_be(
    address: str, error: type[Exception], said: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=said):
        open_storage(address, tmp_path)


def test_a_password_is_never_shown() -> None:
    assert (
        checked_address("postgresql://me:secret@host/trials") == "postgresql://me:***@host/trials"
    )
