"""Run a search: read the file, go on where an earlier run stopped, write the report."""

import hashlib
import json
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Any, overload

import sqlalchemy
from stochsim_kernels import KERNEL_VERSION

from stochsim._version import ANSWERS_VERSION, __version__
from stochsim.keys import fold_in
from stochsim.runs import MOST_WORKERS, Progress, Store, Workers, surroundings
from stochsim.search.answer import Outcome, answer
from stochsim.search.custom.custom_answer import CustomAnswer
from stochsim.search.custom.custom_objective import CustomObjective
from stochsim.search.custom.run_custom_search import objective_of_file, run_custom_search
from stochsim.search.evaluate import Evaluator
from stochsim.search.measured_setting import Measured
from stochsim.search.proposals import Focus, Plan, Search, quiet
from stochsim.search.request import Request
from stochsim.search.search_needs import ONCE, request_needs
from stochsim.search.search_settings import MOST_TRIALS
from stochsim.search.space import Setting
from stochsim.search.storage import checked_address, open_storage
from stochsim.settings import (
    AnyPath,
    SettingError,
    StochsimError,
    as_path,
    check_whole,
    errors_in,
    renamed_arguments,
)
from stochsim.studies import (
    CustomStudy,
    Needs,
    announce_needs,
    check_needs,
    compute,
    custom_study_of,
)


class _Settings(Progress):
    """A bar over the settings, with what each worker is at."""

    unit = "setting"

    def __init__(self, total: int, done: int) -> None:
        self._ran: Counter[str] = Counter()
        self._costly = 0
        self._seen = 0
        super().__init__(total, done)

    def finished(self, task_hash: str) -> None:
        """A task is stored: it is a part of a setting."""
        self._ran[self._ended(task_hash)] += 1
        self._show()

    def _left(self) -> dict[str, float]:
        """Tasks of the settings that are left, each with as many as those measured in this run
        needed; tasks that all settings share come no more, and settings that were stored already
        say nothing.
        """
        settings = self.total - self.done
        each = {kind: count for kind, count in self._ran.items() if kind not in ONCE}
        if not self._costly:
            return dict.fromkeys(("chip_samples",), settings)  # of which none is known yet
        return {kind: settings * count / self._costly for kind, count in each.items()}

    def reached(self, done: int) -> None:
        """Show that `done` settings are measured."""
        more = done - self.done
        ran = self._ran.total()
        if ran > self._seen:
            self._costly += more
        self._seen = ran
        self.done = done
        self._show()


@overload
def run_optimize(
    study: CustomStudy,
    run_folder: AnyPath,
    *,
    objective: CustomObjective | dict[str, Any],
    workers: int = 2,
    **options: Any,
) -> CustomAnswer: ...


@overload
def run_optimize(
    study: AnyPath,
    run_folder: AnyPath,
    *,
    workers: int = 2,
    storage: str | None = None,
    trials: int | None = None,
    allow_code: bool = False,
    objective: CustomObjective | dict[str, Any] | None = None,
    **options: Any,
) -> Outcome | CustomAnswer: ...


@renamed_arguments(file_path="study")
def run_optimize(
    study: AnyPath | CustomStudy,
    run_folder: AnyPath,
    *,
    workers: int = 2,
    storage: str | None = None,
    trials: int | None = None,
    allow_code: bool = False,
    objective: CustomObjective | dict[str, Any] | None = None,
    **options: Any,
) -> Outcome | CustomAnswer:
    """Search as a file says, going on where an earlier run into the folder stopped; returns what
    was found. A study with axes, or its file, has all its points measured, and the best chosen.

    storage, trials: in place of the file's. Of a study with axes alone: allow_code, for a file that
    names functions; objective, in place of the file's (see `CustomObjective`); options, see
    `studies.RunOptions`. Raises StochsimError for a bad file, folder or storage, before anything is
    measured. KeyboardInterrupt and kill lose only the tasks in progress.

    >>> import stochsim as ss
    >>> from stochsim.settings import write_toml
    >>> write_toml("cheapest.toml", {
    ...     "version": 1,
    ...     "model": {"kind": "linear_gaussian", "neurons": 4, "noise_sd": 0.5},
    ...     "data": {"kind": "digits", "size": 8, "components": 8},
    ...     "train": {"steps": 20},
    ...     "hardware": {"preset": "digital-45nm"},
    ...     "search": {"weight_bits": [2, 4], "input_bits": [4], "output_bits": [4]},
    ...     "objective": {"keep": "S >= 0.5", "trials": 2},
    ...     "measure": {"stimuli": 8, "reads": 100},
    ... })
    >>> found = ss.run_optimize("cheapest.toml", "runs/cheapest", workers=1)
    >>> len(found.measured)
    2
    """
    custom = custom_study_of(study, allow_code)
    of_request = {"storage": storage, "trials": trials}
    if custom is not None:
        for name, value in of_request.items():
            if value is not None:
                raise SettingError.of(name, value, "belongs to files with [search], not [axes]")
        if objective is None:
            objective = objective_of_file(study)
        return run_custom_search(custom, run_folder, objective, workers, **options)
    for name in ("objective",) * (objective is not None) + tuple(options):
        rule = "is an option of studies with axes"
        raise SettingError.unknown(name, ("run_folder", "workers", *of_request), rule)
    path = as_path("study", study)
    request = Request.read(path)
    folder = as_path("run_folder", run_folder)
    workers = check_whole("workers", workers, 1, MOST_WORKERS + 1)
    address = storage or request.file.storage
    shown = checked_address(address) if address else ""
    wanted = request.file.objective.trials
    if trials is not None:
        wanted = check_whole("trials", trials, 1, MOST_TRIALS + 1)
    needs = request_needs(request, wanted, workers)
    if not (folder / "store.sqlite").exists():
        with errors_in(path):
            check_needs(needs, folder)
    with Store.create_or_open(folder) as store, _explained(shown or str(folder)):
        store.check_artifacts()
        own = _run_name(store)
        store.set_about({"search": own, **_facts(request)})
        name = f"stochsim/{own}/{_digest(request)}"
        found: dict[Setting, Measured] = {}
        search = Search(
            _plan(request, wanted), open_storage(address, folder), name, _focus(request, found)
        )
        announce_needs(needs)
        _search(request, search, found, store, workers)
        measured = tuple(found[setting] for setting in search.measured)
        about = store.about()
    answers = {model: answer(request, measured, model) for model in request.models}
    return Outcome(
        request,
        measured,
        answers,
        json.loads(about["versions"]),
        json.loads(about["machine"]),
        shown,
    )


def search_needs_of(file_path: AnyPath, *, workers: int = 2, trials: int | None = None) -> Needs:
    """What `run_optimize` with the same arguments would need at most; nothing runs, and nothing is
    written. Raises StochsimError for a bad file, but not for a need that is too large.
    """
    request = Request.read(as_path("file_path", file_path))
    workers = check_whole("workers", workers, 1, MOST_WORKERS + 1)
    wanted = request.file.objective.trials
    if trials is not None:
        wanted = check_whole("trials", trials, 1, MOST_TRIALS + 1)
    return request_needs(request, wanted, workers)


def _plan(request: Request, trials: int) -> Plan:
    objective = request.file.objective
    return Plan(
        request.space,
        request.models,
        trials,
        objective.batch,
        fold_in(min(objective.keys), "optimize"),
    )


def _focus(request: Request, found: dict[Setting, Measured]) -> Focus:
    """The search looks around the answer that it has so far, so that no single step from it stays
    unknown.
    """

    def around(model: str, settings: list[Setting]) -> list[Setting]:
        now = answer(request, [found[setting] for setting in settings], model)
        return [now.chosen.setting] if now.chosen is not None else []

    return around


def _search(
    request: Request, search: Search, found: dict[Setting, Measured], store: Store, workers: int
) -> None:
    """Run the search to its end, into `found`; the workers start with the first task."""
    total = min(search.plan.trials, request.space.size)
    with ExitStack() as stack:
        progress = stack.enter_context(closing(_Settings(total, 0)))
        pool: list[Workers] = []

        def started() -> Workers:
            if not pool:
                pool.append(stack.enter_context(Workers(workers, store.folder, compute)))
            return pool[0]

        search.run(Evaluator(request, store, started, progress, found), progress.reached)


@contextmanager
def _explained(shown: str) -> Iterator[None]:
    """Turn errors of the trials' database into one sentence."""
    try:
        with quiet():
            yield
    except sqlalchemy.exc.SQLAlchemyError as error:
        text = str(getattr(error, "orig", None) or error).strip().splitlines()
        raise StochsimError(
            f"{shown}: trials cannot be stored ({text[0] if text else type(error).__name__})"
        ) from None


def _run_name(store: Store) -> str:
    """What distinguishes this run's studies from those of others on one server."""
    return store.about().get("search") or uuid.uuid4().hex[:12]


def _digest(request: Request) -> str:
    """A hash of everything that changes what is proposed or measured; the number of trials does not
    change it.
    """
    table = request.file.to_table()
    table["objective"] = {
        name: value for name, value in table["objective"].items() if name != "trials"
    }
    table.pop("storage", None)
    versions = (__version__, KERNEL_VERSION, ANSWERS_VERSION)
    content = json.dumps([table, request.hardware.to_table(), *versions], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def _facts(request: Request) -> dict[str, str]:
    file = {
        name: value for name, value in request.file.to_table().items() if name != "storage"
    }  # it may hold a password
    return {
        "optimize": json.dumps(file),
        "hardware": json.dumps(request.hardware.to_table()),
        **surroundings("optuna", "sqlalchemy"),
    }
