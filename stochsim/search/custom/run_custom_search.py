"""Run a study with axes and choose its best settings."""

from typing import Any

from stochsim.search.custom.choosing import choose
from stochsim.search.custom.custom_answer import CustomAnswer
from stochsim.search.custom.custom_objective import CustomObjective
from stochsim.settings import AnyPath, SettingError, as_path, check_kind, errors_in, read_toml
from stochsim.studies import CustomStudy, open_custom_run, run_custom_study

OBJECTIVE = "objective"


def run_custom_search(
    study: CustomStudy,
    run_folder: AnyPath,
    objective: CustomObjective | dict[str, Any],
    workers: int = 2,
    **options: Any,
) -> CustomAnswer:
    """Measure all points of a study into a folder, going on where an earlier run stopped, and
    choose.

    objective: a CustomObjective, or its settings as a dict. options: see `studies.RunOptions`.
    Raises SettingError for figures that the study does not have, before anything runs, and as
    `run_custom_study` and `choose` do.

    >>> import numpy as np
    >>> import stochsim as ss
    >>> from stochsim.program import random_program
    >>> program, _ = random_program((6, 3), (4, 4, 4), sigma=2.0)
    >>> def off(samples, truth):
    ...     return samples.values.std(axis=(1, 2))
    >>> study = ss.Study(
    ...     network=program,
    ...     data=np.zeros((4, 6)),
    ...     hardware="digital-45nm",
    ...     measures=[off],
    ...     axes={"hardware.noise.read_sigma": [0.0, 1.0], "reads": [4, 8]},
    ... )
    >>> found = ss.run_optimize(study, "runs/best", objective={"keep": "off <= 100"}, workers=1)
    >>> len(found.candidates), len(found.best)
    (4, 1)
    """
    check_kind("study", study, CustomStudy, "should be a study with axes")
    for name in ("shard", "at"):
        if options.get(name):
            rule = (
                "leaves points out, and a search is of all; `choose` takes the runs of merged parts"
            )
            raise SettingError.of(name, options[name], rule)
    wanted = _objective(objective)
    try:
        wanted.check(study.measure_facts)
    except SettingError as error:
        raise error.inside(OBJECTIVE) from None
    folder = run_custom_study(study, run_folder, workers, **options)
    return choose(open_custom_run(folder), wanted)


def objective_of_file(study: AnyPath | CustomStudy) -> CustomObjective:
    """The section [objective] of the file of a study with axes; raises SettingError where there is
    none, and for a study that is no file.
    """
    rule = 'what is wanted of the answer, as {"keep": ["accuracy >= 0.97"]}'
    if isinstance(study, CustomStudy):
        raise SettingError.missing(OBJECTIVE, rule)
    path = as_path("study", study)
    table = read_toml(path)
    with errors_in(path):
        if OBJECTIVE not in table:
            raise SettingError.missing(OBJECTIVE, rule)
        return _objective(table[OBJECTIVE])


def _objective(given: Any) -> CustomObjective:
    if isinstance(given, CustomObjective):
        return given
    if not isinstance(given, dict):
        rule = "should be a CustomObjective, or a table of its settings"
        raise SettingError.of(OBJECTIVE, given, rule)
    try:
        return CustomObjective(**given)
    except SettingError as error:
        raise error.inside(OBJECTIVE) from None
