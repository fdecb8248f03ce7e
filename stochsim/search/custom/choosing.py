"""Choosing the best settings of a study with axes from its run."""

import math

from stochsim.search.custom.candidates import Candidate, candidates
from stochsim.search.custom.custom_answer import CustomAnswer
from stochsim.search.custom.custom_objective import (
    JOULES,
    SECONDS,
    CustomObjective,
    figure_of,
    keeps,
    losses,
)
from stochsim.search.front import undominated
from stochsim.settings import SettingError, check_kind
from stochsim.studies import CustomRun


def choose(run: CustomRun, objective: CustomObjective) -> CustomAnswer:
    """The best settings of a run; raises SettingError for figures that it does not have.

    >>> import numpy as np
    >>> import stochsim as ss
    >>> from stochsim.search import CustomObjective, choose
    >>> from stochsim.studies import Measure
    >>> def draws(stimuli, reads, key, width):
    ...     return np.full((len(stimuli), reads, 1), float(width))
    >>> def off(samples, truth):
    ...     return np.abs(samples.values[:, 0, 0] - 2.2)
    >>> study = ss.Study(
    ...     sampler=draws,
    ...     data=np.zeros((8, 1)),
    ...     measures=[Measure("off", off, better="lower")],
    ...     axes={"width": [1, 2, 3]},
    ... )
    >>> run = ss.open_run(ss.run_sweep(study, "runs/off", workers=1))
    >>> choose(run, CustomObjective(minimise="off")).chosen.point
    {'width': 2}
    """
    check_kind("run", run, CustomRun, "should be the run of a study with axes")
    check_kind("objective", objective, CustomObjective, "should be a CustomObjective")
    objective.check(run.measures)
    found = tuple(candidates(run))
    _check_figures(objective, found)
    kept = [one for one in found if keeps(objective, run, one.seen)]
    points = [losses(objective, run, one.seen) for one in kept]
    best = tuple(kept[place] for place in undominated(points))
    best = best if objective.against else best[:1]
    return CustomAnswer(run, objective, found, best, _nearest(objective, found))


def _check_figures(objective: CustomObjective, found: tuple[Candidate, ...]) -> None:
    """Raise SettingError where joules or seconds are asked for and no point has them."""
    asked = {*objective.figures, *(one.figure for one in objective.bounds)}
    for name in (JOULES, SECONDS):
        if name in asked and all(math.isnan(figure_of(one.seen, name)) for one in found):
            field = "minimise" if name == objective.minimise else "keep"
            rule = (
                "no point has a bill: a sampler takes no joules unless it gives Samples of a chip"
            )
            raise SettingError.of(field, name, rule)


def _nearest(objective: CustomObjective, found: tuple[Candidate, ...]) -> Candidate:
    """The setting whose largest shortfall, in units of its bound, is least."""

    def worst(one: Candidate) -> float:
        short = [each.shortfall(one.seen) / (abs(each.value) or 1.0) for each in objective.bounds]
        return max(short, default=0.0)

    return min(found, key=worst)
