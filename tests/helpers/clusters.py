"""Real processes of a cluster and of its drivers, that tests stop and cut off; their words are
shown where a test fails.
"""

import contextlib
import importlib.util
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from customstudies import sampler_study, slow

from stochsim.runs import Store
from stochsim.studies.custom.points import measured

needs_distributed = pytest.mark.skipif(
    importlib.util.find_spec("distributed") is None, reason="needs the package distributed"
)
POINTS = 200
SECONDS = [0.05 + n / 1e5 for n in range(POINTS)]
HELPERS = str(Path(__file__).parent)
_DRIVER = f"""
import faulthandler, signal, sys
faulthandler.register(signal.SIGUSR1)
sys.path.insert(0, {HELPERS!r})
import stochsim as ss
from customstudies import sampler_study, slow
study = sampler_study({{"seconds": [0.05 + n / 1e5 for n in range({POINTS})]}}, sampler=slow)
options = {{name: value for name, _, value in (one.partition("=") for one in sys.argv[2:])}}
ss.run_sweep(study, sys.argv[1], workers=2, retries=9, **options)
"""


class Process:
    """A Python process in a session of its own; `inside` is a command that it is run by, as one of
    a network namespace. What it says goes to a file of its name.
    """

    def __init__(self, name: str, where: Path, *command: str, inside: tuple[str, ...] = ()) -> None:
        self.log = where / f"{name}-{time.monotonic_ns()}.log"
        surroundings = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([HELPERS, *sys.path]),
            "OMP_NUM_THREADS": "1",
            # a worker that hangs is given up within the time that a test waits
            "DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "20s",
        }
        with open(self.log, "wb") as log:
            self._process = subprocess.Popen(
                [*inside, sys.executable, *command],
                cwd=where,
                env=surroundings,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def runs(self) -> bool:
        return self._process.poll() is None

    def wait(self, seconds: float) -> int:
        return self._process.wait(seconds)

    def kill(self) -> None:
        """It and all that it started."""
        if self.runs:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def says_where_it_is(self) -> None:
        """The stacks of a driver's threads, into its log."""
        if self.runs:
            self._process.send_signal(signal.SIGUSR1)


def driver(folder: Path, *options: str, inside: tuple[str, ...] = ()) -> Process:
    """A process that runs the study into a folder."""
    return Process("driver", folder.parent, "-c", _DRIVER, str(folder), *options, inside=inside)


def scheduler(where: Path, address: str) -> Process:
    """Of a Dask cluster, at an address such as tcp://127.0.0.1:8786."""
    host, port = address.removeprefix("tcp://").split(":")
    command = ("--host", host, "--port", port, "--dashboard-address", ":0")
    return Process("scheduler", where, "-m", "distributed.cli.dask_scheduler", *command)


def worker(where: Path, address: str, inside: tuple[str, ...] = ()) -> Process:
    """Of the Dask scheduler at an address."""
    command = (address, "--nthreads", "1", "--no-dashboard", "--nworkers", "1")
    module = "distributed.cli.dask_worker"
    return Process("worker", where, "-m", module, *command, inside=inside)


@contextlib.contextmanager
def killed_in_the_end(running: list[Process]) -> Iterator[None]:
    """Whatever becomes of the test; processes may be added."""
    try:
        yield
    finally:
        for one in running:
            one.kill()


def wait_for_workers(address: str, count: int = 2) -> None:
    """Until the scheduler has so many."""
    from distributed import Client

    with Client(address, timeout=60, set_as_default=False) as client:
        client.wait_for_workers(count, timeout=60)


def stored(folder: Path) -> dict[str, Any]:
    """Results in a run's folder, by hash."""
    if not (folder / "store.sqlite").exists():
        return {}
    with Store.open(folder) as store:
        return {name: store.row(name).result for name in store.hashes()}


def until_stored(folder: Path, more: int, by: Process, seconds: float = 90) -> None:
    """Until a driver has stored `more` results than were there, or has ended."""
    count = len(stored(folder))
    end = time.monotonic() + seconds
    while by.runs and len(stored(folder)) < count + more:
        if time.monotonic() > end:
            by.says_where_it_is()
            time.sleep(1)
            raise AssertionError(f"stuck at {count} results\n{words(folder.parent)}")
        time.sleep(0.02)


def words(where: Path) -> str:
    """The last of what all processes said."""
    logs = sorted(where.glob("*.log"))
    return "\n".join(f"== {log.name}\n{log.read_text(errors='replace')[-3000:]}" for log in logs)


def expected() -> dict[str, Any]:
    """What an undisturbed run stores."""
    study = sampler_study({"seconds": SECONDS}, sampler=slow)
    return {
        task.hash: measured(study, point)
        for task, point in zip(study.tasks.values(), study.points, strict=True)
    }
