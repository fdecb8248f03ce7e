"""A small pool of spawned worker processes that talk JSON over pipes.

Each runs torch and Numba on one thread. A worker ends when its parent is gone, even by kill -9, and
leaves Ctrl-C to the parent.
"""

import contextlib
import json
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Self

from safetensors import SafetensorError

from stochsim.settings import NotWrittenError, StochsimError

_ONE_THREAD = ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


_ENDS_WITHIN_S = 5.0
"""What a worker without a job may take to end."""

MOST_WORKERS = 1024
"""Worker processes of one run."""

_GONE = (
    "its worker ended without a word (killed, or out of memory?); what is stored stays, the "
    "same command goes on from there"
)


TOO_LONG = "took longer than the time limit of {:g} s"

RunJob = Callable[
    [dict[str, Any], Path, Callable[[int, int], None]], tuple[dict[str, Any], Path | None]
]


class WorkerCrash(Exception):
    """A bug in a task, with its traceback; not something the user can mend."""


@dataclass(frozen=True)
class Message:
    """What a worker says: kind "progress" (done, total), "result" (result, artifact, seconds) or
    "error"/"crash" (text).

    Of a worker that has gone the pool says "gone" (text) in its place, and of one that it has ended
    because it took too long "error".
    """

    kind: str
    hash: str
    content: dict[str, Any]

    @property
    def is_progress(self) -> bool:
        """Whether the worker goes on with the task."""
        return self.kind == "progress"


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
    os._exit(1)


def _serve(connection: Connection, folder: str, run: RunJob) -> None:
    """The worker's main loop: read a job, run it, send messages."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()

    while True:
        try:
            job = json.loads(connection.recv_bytes())
        except EOFError:
            return
        _run_job(connection, Path(folder), job, run)


def _run_job(connection: Connection, folder: Path, job: dict[str, Any], run: RunJob) -> None:
    def say(kind: str, **content: Any) -> None:
        connection.send_bytes(
            json.dumps({"kind": kind, "hash": job["hash"], "content": content}).encode()
        )

    last = [0.0]

    def progress(done: int, total: int) -> None:
        if time.monotonic() - last[0] > 0.2:
            last[0] = time.monotonic()
            say("progress", done=done, total=total)

    kind, content = answer_of(run, job, folder, progress)
    say(kind, **content)


def answer_of(
    run: RunJob, job: dict[str, Any], folder: Path, progress: Callable[[int, int], None]
) -> tuple[str, dict[str, Any]]:
    """Kind and content of the message that a job ends with (see `Message`)."""
    started = time.perf_counter()
    try:
        result, artifact = run(job, folder, progress)
    except NotWrittenError as error:
        return "error", {"text": f"{error}; what is stored stays readable"}
    except StochsimError as error:
        return "error", {"text": str(error)}
    except (OSError, SafetensorError) as error:  # a full disk shows as either
        text = f"{folder}: cannot be written ({error}); what is stored stays readable"
        return "error", {"text": text}
    except Exception:
        return "crash", {"text": traceback.format_exc()}
    path = str(artifact) if artifact else None
    return "result", {
        "result": result,
        "artifact": path,
        "seconds": time.perf_counter() - started,
    }


class Workers:
    """`count` worker processes for a run's folder; use as a context manager.

    run: a function of an importable module, which each worker calls with a job, the folder and a
    function (done, total) that reports progress; it returns the result (JSON values) and the path
    of its artifact, or None. replaces: whether another worker starts in place of one that has gone.
    limit_s: seconds after which a worker with a job is ended; None for no limit.
    """

    def __init__(
        self,
        count: int,
        folder: Path,
        run: RunJob,
        *,
        replaces: bool = False,
        limit_s: float | None = None,
    ) -> None:
        self._context = multiprocessing.get_context("spawn")
        self._folder = folder
        self._run = run
        self._replaces = replaces
        self._limit_s = limit_s
        self._workers: dict[Connection, _Worker] = {}
        for _ in range(count):
            self._start()

    def _start(self) -> None:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(
            target=_serve, args=(theirs, str(self._folder), self._run), daemon=True
        )
        with _one_thread(), _main_module_hidden(), _interrupts_ignored():
            process.start()
        theirs.close()
        self._workers[ours] = _Worker(process)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        """End the workers: those without a job by themselves, which gives back what their libraries
        took of the system.
        """
        if kind is None:
            for connection in self._workers:
                connection.close()
            for worker in self._workers.values():
                worker.process.join(_ENDS_WITHIN_S if worker.job is None else 0)
        for worker in self._workers.values():
            worker.process.kill()
        for worker in self._workers.values():
            worker.process.join()

    @property
    def processes(self) -> list[Any]:
        """The worker processes."""
        return [worker.process for worker in self._workers.values()]

    @property
    def idle(self) -> int:
        """Workers without a job."""
        return sum(worker.job is None for worker in self._workers.values())

    def give(self, task_hash: str, job: dict[str, Any]) -> None:
        """Send a job (JSON values, with its "hash") to an idle worker."""
        connection = next(one for one, worker in self._workers.items() if worker.job is None)
        self._workers[connection].begin(task_hash)
        with contextlib.suppress(BrokenPipeError):  # a worker that has gone: `messages` says so
            connection.send_bytes(json.dumps(job).encode())

    def messages(self, timeout_s: float = 0.5) -> Iterator[Message]:
        """Messages that have come in; raises StochsimError when a worker without a job has gone,
        for that is none of a job.
        """
        self._end_overdue()
        for connection in wait(list(self._workers), timeout_s):
            assert isinstance(connection, Connection)
            worker = self._workers[connection]
            try:
                message = Message(**json.loads(connection.recv_bytes()))
            except (EOFError, ConnectionResetError):
                message = self._of_one_that_has_gone(connection, worker)
            if not message.is_progress:
                worker.job = None
            yield message

    def _end_overdue(self) -> None:
        if self._limit_s is None:
            return
        for worker in self._workers.values():
            if worker.job is not None and time.monotonic() - worker.begun > self._limit_s:
                worker.is_overdue = True
                worker.process.kill()

    def _of_one_that_has_gone(self, connection: Connection, worker: "_Worker") -> Message:
        if worker.job is None:
            raise StochsimError(_GONE.replace("its worker", "a worker"))
        message = Message("gone", worker.job, {"text": _GONE})
        if worker.is_overdue:
            message = Message("error", worker.job, {"text": TOO_LONG.format(self._limit_s)})
        if self._replaces:
            del self._workers[connection]
            connection.close()
            worker.process.join()
            self._start()
        return message


class _Worker:
    """A worker process, its job and since when it has it."""

    def __init__(self, process: Any) -> None:
        self.process = process
        self.job: str | None = None
        self.begun = 0.0
        self.is_overdue = False

    def begin(self, job: str) -> None:
        self.job, self.begun = job, time.monotonic()


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Let processes that start here have one thread each."""
    before = {name: os.environ.get(name) for name in _ONE_THREAD}
    os.environ.update(dict.fromkeys(_ONE_THREAD, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


@contextlib.contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """Ignore Ctrl-C for the moment in which a worker starts: the worker inherits that and leaves it
    to the parent from the first on.
    """
    if (
        threading.current_thread() is not threading.main_thread()
    ):  # only the main thread may set signals, and only it gets Ctrl-C
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def _main_module_hidden() -> Iterator[None]:
    """Keep spawn from importing the caller's script again in the worker: workers need only this
    package.
    """
    main = sys.modules["__main__"]
    names = {name: getattr(main, name) for name in ("__file__", "__spec__") if hasattr(main, name)}
    main.__spec__ = None
    if "__file__" in names:
        del main.__file__
    try:
        yield
    finally:
        for name, value in names.items():
            setattr(main, name, value)
