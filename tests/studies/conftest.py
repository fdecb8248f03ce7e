"""Results of runs whose every answer is made up."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from addedaxis import ADDED
from madeanswers import STIMULI, Made
from tinystudy import store_answers, study_of

from stochsim.runs import Task
from stochsim.studies import Axis, Results, open_run, register, withdraw

Maker = Callable[..., Results]


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Maker]:
    """A function: made(answers, skip=..., section__key=value, ...) gives the results of a made-up
    run.
    """
    with ExitStack() as stack:

        def make(
            answers: Made | None = None,
            skip: Callable[[Task], bool] = lambda task: False,
            **changes: Any,
        ) -> Results:
            folder = store_answers(
                tmp_path / "run",
                study_of(measure__stimuli=STIMULI, **changes),
                answers or Made(),
                skip,
            )
            return stack.enter_context(open_run(folder))

        yield make


@pytest.fixture
def added() -> Iterator[Axis]:
    register(ADDED)
    yield ADDED
    withdraw(ADDED.name)
