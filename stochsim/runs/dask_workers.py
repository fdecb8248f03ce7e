"""Workers of a Dask cluster, for one machine or a hundred.

The store is the only truth: a worker writes what it found into the run's folder, which all machines
share, and returns nothing but the name of that file. So a finished task is never computed again,
whatever becomes of the worker, the scheduler or this process.
"""

import contextlib
import json
import math
import os
import queue
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

from stochsim_kernels import KERNEL_VERSION

from stochsim._version import ANSWERS_VERSION, __version__
from stochsim.runs.workers import TOO_LONG, Message, answer_of
from stochsim.settings import SettingError, StochsimError

RunShared = Callable[
    [Any, dict[str, Any], Path, Callable[[int, int], None]], tuple[dict[str, Any], Path | None]
]
INCOMING = "incoming"
_CONNECTS_WITHIN_S = 8.0
_COUNTED_AGAIN_S = 1.0
_AHEAD = 2
"""Jobs that each worker has: one that runs, and the next."""
_LOST = (
    "the Dask scheduler is gone or out of reach; what is finished lies in the run's folder, the "
    "same command goes on from there"
)


class DaskWorkers:
    """The workers of the Dask scheduler at `address`, as a pool of a run's folder (see `Pool`).

    run: a function of an importable module, called as run(shared, job, folder, progress) where
    `shared` is what all jobs need, sent to each worker once. limit_s: seconds after which a worker
    ends itself with its job, to be started again by its nanny; None for no limit. Raises
    StochsimError for a scheduler that cannot be reached within 8 s or is not there any more,
    workers of another version, with several threads, or that do not see the folder, each by its
    name; and where the package `distributed` is not installed.
    """

    def __init__(
        self,
        address: str,
        folder: Path,
        run: RunShared,
        shared: Any = None,
        *,
        limit_s: float | None = None,
    ) -> None:
        self._distributed = _distributed()
        self._folder, self._run, self._limit_s = folder.resolve(), run, limit_s
        (self._folder / INCOMING).mkdir(exist_ok=True)
        self._client = self._connected(address)
        self._futures: dict[Any, str] = {}
        self._done: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._shared = f"stochsim-{uuid4().hex}"
        try:
            self._check_workers()
            self._share(shared)
        except BaseException:
            self._client.close()
            raise
        self._counted = (-math.inf, 0)

    def _connected(self, address: str) -> Any:
        if not isinstance(address, str) or not address:
            rule = "should be the address of a Dask scheduler, as tcp://10.0.0.1:8786"
            raise SettingError.of("dask", address, rule)
        try:
            return self._distributed.Client(
                address, timeout=_CONNECTS_WITHIN_S, set_as_default=False, name="stochsim"
            )
        except (OSError, ValueError, TimeoutError) as error:
            rule = f"no Dask scheduler answers there ({type(error).__name__}: {error})"
            raise SettingError.of("dask", address, rule) from None

    def _share(self, shared: Any) -> None:
        """Let the scheduler give it to each worker there is and will be; scattered data would be
        lost with the workers that hold it.
        """
        plugin = self._distributed.WorkerPlugin()
        plugin.shared = shared
        with self._reached():
            self._client.register_plugin(plugin, name=self._shared)

    def _check_workers(self) -> None:
        mark = self._folder / INCOMING / f".mark-{uuid4().hex}"
        mark.touch()
        try:
            found = self._client.run(_about, str(mark))
        except ModuleNotFoundError as error:
            raise StochsimError(f"a Dask worker cannot import stochsim ({error})") from None
        finally:
            mark.unlink()
        if not found:
            raise StochsimError(
                "the Dask scheduler has no workers: start some, then run this again"
            )
        for worker, (versions, threads, sees) in found.items():
            if versions != _VERSIONS:
                who = f"the Dask worker {worker}"
                raise StochsimError(_other_versions(who, versions, _VERSIONS))
            if threads != 1:
                raise StochsimError(
                    f"the Dask worker {worker} has {threads} threads: start workers with "
                    f"--nthreads 1, as many as there are cores"
                )
            if not sees:
                raise StochsimError(
                    f"the Dask worker {worker} does not see {self._folder}: the run's folder "
                    f"should be on a file system that all machines share"
                )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(Exception):  # a scheduler that is gone needs no good-bye
            self._client.cancel(list(self._futures))
            self._client.unregister_worker_plugin(self._shared)
        self._client.close(timeout=5)

    @property
    def idle(self) -> int:
        """Jobs that can be given now: so many that no worker waits for the next."""
        if time.monotonic() - self._counted[0] > _COUNTED_AGAIN_S:
            with self._reached():
                self._counted = (time.monotonic(), len(self._client.nthreads()))
        return max(0, _AHEAD * self._counted[1] - len(self._futures))

    def give(self, task_hash: str, job: dict[str, Any]) -> None:
        """Give a job (JSON values, with its "hash") to the cluster."""
        with self._reached():
            future = self._client.submit(
                _work,
                self._run,
                self._shared,
                job,
                str(self._folder),
                self._limit_s,
                _VERSIONS,
                key=f"stochsim-{task_hash}-{uuid4().hex[:8]}",
                pure=False,
            )
        self._futures[future] = task_hash
        future.add_done_callback(self._done.put)

    def messages(self, timeout_s: float = 0.5) -> Iterator[Message]:
        """Messages that have come in; raises StochsimError where the scheduler is gone."""
        with contextlib.suppress(queue.Empty):
            yield self._message(self._done.get(timeout=timeout_s))
            while True:
                yield self._message(self._done.get_nowait())
        with self._reached():
            pass

    @contextlib.contextmanager
    def _reached(self) -> Iterator[None]:
        """Raises StochsimError where the scheduler is not reached any more."""
        if self._client.status != "running":
            raise StochsimError(_LOST)
        try:
            yield
        except (OSError, TimeoutError) as error:
            raise StochsimError(f"{_LOST} ({type(error).__name__}: {error})") from None

    def _message(self, future: Any) -> Message:
        task_hash = self._futures.pop(future)
        path = _path(self._folder, task_hash)
        if path.exists():
            found = Message(hash=task_hash, **json.loads(path.read_text(encoding="utf-8")))
            path.unlink()
            return found
        if future.status == "finished":
            text = f"{path}: a Dask worker wrote it, and it is not to be seen here"
            return Message("gone", task_hash, {"text": text})
        with self._reached():
            error = future.exception() if future.status == "error" else None
        if error is not None:
            text = f"its Dask worker ended without a word ({type(error).__name__}: {error})"
            return Message("gone", task_hash, {"text": text})
        return Message("gone", task_hash, {"text": "the Dask cluster lost it"})


def left_behind(folder: Path) -> Iterator[Message]:
    """Results that workers of a cluster wrote into a run's folder and no process took up."""
    for path in sorted((folder / INCOMING).glob("*.json")):
        with contextlib.suppress(OSError, ValueError, TypeError):
            found = Message(hash=path.stem, **json.loads(path.read_text(encoding="utf-8")))
            artifact = found.content.get("artifact")
            if found.kind == "result" and (artifact is None or Path(artifact).exists()):
                yield found
        path.unlink(missing_ok=True)


def _path(folder: Path, task_hash: str) -> Path:
    return folder / INCOMING / f"{task_hash}.json"


_VERSIONS = (__version__, str(KERNEL_VERSION), str(ANSWERS_VERSION))


def _other_versions(who: str, own: tuple[str, ...], wanted: tuple[str, ...]) -> str:
    return (
        f"{who} has stochsim {', '.join(own)}, the process that runs the study has "
        f"{', '.join(wanted)} (package, kernels, answers): install the same"
    )


def _about(mark: str, dask_worker: Any) -> tuple[tuple[str, ...], int, bool]:
    """On a worker: versions, threads, whether it sees a file."""
    return _VERSIONS, dask_worker.state.nthreads, Path(mark).exists()


def _work(
    run: RunShared,
    shared: str,
    job: dict[str, Any],
    folder: str,
    limit_s: float | None,
    versions: tuple[str, ...],
) -> str:
    """On a worker: do a job and write its message, unless a worker that has gone did; returns the
    name of the file. shared: the name of the plugin that holds what all jobs need; versions: of the
    process that asks, which those of a worker that came later may not be.
    """
    path = _path(Path(folder), job["hash"])
    if path.exists():
        return path.name
    if versions != _VERSIONS:
        _write(path, "error", {"text": _other_versions("its Dask worker", _VERSIONS, versions)})
        return path.name
    watch = None
    if limit_s is not None:
        watch = threading.Timer(limit_s, _give_up, (path, limit_s))
        watch.daemon = True
        watch.start()
    kind, content = answer_of(_with(run, shared), job, Path(folder), _no_progress)
    if watch is not None:
        watch.cancel()
    _write(path, kind, content)
    return path.name


def _write(path: Path, kind: str, content: dict[str, Any]) -> None:
    """Write a message: whole, or not at all."""
    temporary = path.with_name(f".{path.name}-{uuid4().hex}")
    with open(temporary, "w", encoding="utf-8") as file:
        json.dump({"kind": kind, "content": content}, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def _give_up(path: Path, limit_s: float) -> None:
    """End this worker process, whose job takes too long; its nanny starts another."""
    _write(path, "error", {"text": TOO_LONG.format(limit_s)})
    os._exit(1)


def _with(run: RunShared, shared: str) -> Any:
    value = _distributed().get_worker().plugins[shared].shared
    return lambda job, folder, progress: run(value, job, folder, progress)


def _no_progress(_done: int, _total: int) -> None:
    """Nobody is told: the way back is the file."""


def _distributed() -> Any:
    try:
        import distributed
    except ImportError:
        raise StochsimError(
            "a Dask cluster needs the package distributed: pip install 'stochsim[dask]'"
        ) from None
    return distributed
