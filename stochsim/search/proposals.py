"""The search: Optuna proposes settings, what is measured goes to one study per ADC model, and
all of it can stop at any moment.

Optuna's tree-structured Parzen estimator for several objectives proposes (Ozaki et al. 2022), on
(log10 joules, a distance), all axes together; every fourth proposal is one step from the front
instead, which neighbours improve. The front is what is searched for, and the cheapest setting that
keeps the posterior is read from it: on an enumerated space that found the grid's answer sooner than
a search under the constraint did.

The models share what is measured. They take turns to propose; a round of proposals is measured
together. A proposal is a pure function of the trials of its study and of the key, so a search that
was stopped goes on as if it had not been.
"""

import contextlib
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from stochsim.keys import fold_in
from stochsim.search.front import Point, front
from stochsim.search.space import Setting, Space

Sampler = Literal["tpe", "nsga2", "random"]
_STARTUP = 10
_ASKS = 12
_STEP_EVERY = 4
"""Once there is a front, every fourth proposal is one step away from it."""
_SETTING = "setting"
_TURN = "turn"


Measure = Callable[[Sequence[Setting]], list[dict[str, Point]]]
"""Measures settings: for each of them, per ADC model, (log10 joules, distance); both finite,
better where smaller.
"""

Focus = Callable[[str, list[Setting]], list[Setting]]
"""Of a model and the settings measured so far: those whose neighbours are worth measuring before
those of the front.
"""


def _nothing(model: str, settings: list[Setting]) -> list[Setting]:
    return []


@dataclass(frozen=True)
class Plan:
    """What a search is: its space, its ADC models, how many settings it measures, how many at
    once, its key.

    sampler: "tpe" is the search; the others, without its steps, are what it is compared with.
    """

    space: Space
    models: tuple[str, ...]
    trials: int
    batch: int = 2
    key: int = 0
    sampler: Sampler = "tpe"


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep Optuna's log at errors, and put back what it was."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


class Search:
    """Studies of one plan in a storage (None: in memory), named `name` and the model; goes on where
    an earlier search stopped.
    """

    def __init__(
        self, plan: Plan, storage: Any = None, name: str = "search", focus: Focus = _nothing
    ) -> None:
        self.plan = plan
        self.space = plan.space
        self._focus = focus
        self._distributions: dict[str, BaseDistribution] = {
            axis: _places(self.space, axis) for axis in self.space.free
        }
        with quiet():
            self.studies = {model: self._study(storage, f"{name}/{model}") for model in plan.models}
        self._found: dict[Setting, dict[str, Point]] = {}
        for study in self.studies.values():
            self._close_half_asked(study)

    @staticmethod
    def _study(storage: Any, name: str) -> optuna.Study:
        return optuna.create_study(
            storage=storage,
            study_name=name,
            directions=["minimize", "minimize"],
            load_if_exists=True,
        )

    @property
    def measured(self) -> list[Setting]:
        """Settings measured so far, in order."""
        return list(self._found)

    def run(
        self, measure: Measure, progress: Callable[[int], None] = lambda done: None
    ) -> list[Setting]:
        """Measure until the plan's number of settings is reached, or all; returns them in the order
        in which they were measured.
        """
        with quiet():
            self._remeasure(measure, progress)
            while len(self._found) < min(self.plan.trials, self.space.size):
                self._tell(self._round(), measure)
                progress(len(self._found))
        return self.measured

    def _remeasure(self, measure: Measure, progress: Callable[[int], None]) -> None:
        """The trials that the studies have already, round by round in the order of their turns; a
        round that was cut short is left open.
        """
        turns = self._turns()
        for first in range(0, len(turns), self.plan.batch):
            some = turns[
                first : min(first + self.plan.batch, self.plan.trials)
            ]  # an earlier search may have been longer
            if not some or (self._is_open(some) and len(some) < self._due(first)):
                return
            self._tell(some, measure)
            progress(len(self._found))

    def _is_open(self, settings: list[Setting]) -> bool:
        return all(
            self._told(model, setting) is None for model in self.plan.models for setting in settings
        )

    def _due(self, first: int) -> int:
        """Proposals of the round whose first is this one."""
        return min(self.plan.batch, min(self.plan.trials, self.space.size) - first)

    def _round(self) -> list[Setting]:
        """Proposals that nobody has measured: those of a round that was cut short first."""
        chosen = [setting for setting in self._turns() if setting not in self._found][
            : self.plan.batch
        ]
        done = len(self._found)
        while len(chosen) < self._due(done):
            turn = done + len(chosen)
            chosen.append(
                self._propose(
                    self.plan.models[turn % len(self.plan.models)], turn, {*self._found, *chosen}
                )
            )
        return chosen

    def _propose(self, model: str, turn: int, taken: set[Setting]) -> Setting:
        """A setting that is not taken: the corners first, then what the model's study is asked for,
        now and then a step from its front.
        """
        corners = self.space.corners
        if self.plan.trials >= self.space.size:
            return self._enqueued(
                model, turn, next(setting for setting in self.space if setting not in taken)
            )
        if turn < len(corners) and corners[turn] not in taken:
            return self._enqueued(model, turn, corners[turn])
        if self.plan.sampler == "tpe" and turn > _STARTUP and turn % _STEP_EVERY == 0:
            return self._enqueued(model, turn, self._step_from_front(model, turn, taken))
        for attempt in range(_ASKS):
            trial = self._ask(model, fold_in(self.plan.key, model, turn, attempt))
            setting = self.space.at(trial.params)
            if setting not in taken:
                return self._kept(trial, setting, turn)
            self.studies[model].tell(trial, state=TrialState.FAIL)
        return self._enqueued(model, turn, self._step_from_front(model, turn, taken))

    def _ask(self, model: str, key: int) -> optuna.Trial:
        study = self.studies[model]
        study.sampler = _sampler(self.plan.sampler, key % 2**32)
        return study.ask(self._distributions)

    def _enqueued(self, model: str, turn: int, setting: Setting) -> Setting:
        study = self.studies[model]
        study.add_trial(
            create_trial(
                state=TrialState.RUNNING,
                params=self.space.places(setting),
                distributions=self._distributions,
                user_attrs={_TURN: turn, _SETTING: self.space.named(setting)},
            )
        )
        return setting

    def _kept(self, trial: optuna.Trial, setting: Setting, turn: int) -> Setting:
        trial.set_user_attr(_SETTING, self.space.named(setting))
        trial.set_user_attr(_TURN, turn)
        return setting

    def _step_from_front(self, model: str, turn: int, taken: set[Setting]) -> Setting:
        """One step on one axis from what the search is to focus on, else from the front, else
        anywhere.
        """
        settings = list(self._found)
        best = [
            settings[index]
            for index in front([self._found[setting][model] for setting in settings])
        ]
        key = fold_in(self.plan.key, model, turn, "step")
        for sources in (self._focus(model, settings), best):
            steps = [
                step
                for setting in sources
                for step in self.space.neighbours(setting)
                if step not in taken
            ]
            if steps:
                return steps[key % len(steps)]
        return self.space.draw(key, taken)

    def _tell(self, settings: list[Setting], measure: Measure) -> None:
        """Measure settings and give every study what it has not got yet, in one order."""
        for setting, points in zip(settings, measure(settings), strict=True):
            for model, study in self.studies.items():
                if self._told(model, setting) is None:
                    self._tell_study(study, setting, points[model])
            self._found[setting] = points

    def _tell_study(self, study: optuna.Study, setting: Setting, values: Point) -> None:
        asked = next(
            (trial for trial in _running(study) if self.space.at(trial.params) == setting), None
        )
        if asked is not None:
            study.tell(asked.number, list(values))
            return
        named = {_SETTING: self.space.named(setting)}
        places: dict[str, Any] = self.space.places(setting)
        study.add_trial(
            create_trial(
                values=list(values),
                params=places,
                distributions=self._distributions,
                user_attrs=named,
            )
        )

    def _told(self, model: str, setting: Setting) -> FrozenTrial | None:
        trials = self.studies[model].get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        return next((trial for trial in trials if self.space.at(trial.params) == setting), None)

    def _turns(self) -> list[Setting]:
        """All proposals so far, by turn."""
        asked = [
            trial
            for study in self.studies.values()
            for trial in study.get_trials(deepcopy=False)
            if _TURN in trial.user_attrs
        ]
        return [
            self.space.at(trial.params)
            for trial in sorted(asked, key=lambda trial: trial.user_attrs[_TURN])
        ]

    def _close_half_asked(self, study: optuna.Study) -> None:
        """A proposal that was killed before it was noted is nobody's: the same will be asked
        again.
        """
        for trial in _running(study):
            if _TURN not in trial.user_attrs:
                study.tell(trial.number, state=TrialState.FAIL)


def _places(space: Space, axis: str) -> BaseDistribution:
    """The places of an axis's values: in a row, or those of names without any order."""
    count = len(space.axes[axis])
    if space.is_of_names(axis):
        return CategoricalDistribution(range(count))
    return IntDistribution(0, count - 1)


def _running(study: optuna.Study) -> list[FrozenTrial]:
    return study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))


def _sampler(name: Sampler, seed: int) -> optuna.samplers.BaseSampler:
    if name == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    if name == "nsga2":
        return optuna.samplers.NSGAIISampler(seed=seed, population_size=16)
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", optuna.exceptions.ExperimentalWarning
        )  # multivariate: all axes together
        return optuna.samplers.TPESampler(seed=seed, n_startup_trials=_STARTUP, multivariate=True)
