"""Fill the compile cache of the kernels, so that no later process waits for the compiler."""

import functools
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stochsim.runs.workers import MOST_WORKERS, Message, WorkerCrash, Workers
from stochsim.settings import SettingError, StochsimError, check_whole

Said = Callable[[str, float, bool], None]
"""What is told of each kernel: its name, the seconds that it took, whether it was compiled."""


@dataclass(frozen=True)
class WarmUp:
    """What a warm-up did: the folder of the cache, its wall time, and the kernels that were
    compiled and those that were there already.
    """

    folder: Path
    seconds: float
    compiled: tuple[str, ...]
    found: tuple[str, ...]

    def __str__(self) -> str:
        kernels = len(self.compiled) + len(self.found)
        if not self.compiled:
            what = f"all {kernels} kernels were there already"
        elif not self.found:
            what = f"{kernels} kernels compiled"
        else:
            what = f"{len(self.compiled)} kernels compiled, {len(self.found)} were there already"
        return f"{what}, in {self.seconds:.1f} s\nkernel cache: {self.folder}"


def warm_up(workers: int | None = None, said: Said | None = None) -> WarmUp:
    """Compile every kernel for this machine, once: those that a network on a chip needs first.

    workers: processes, by default as many as this process may use cores. said: called as each
    kernel is ready. Whatever is ready is kept, whenever this is stopped; several warm-ups at once
    share the work. Raises StochsimError where the cache cannot be written.

    >>> import stochsim as ss
    >>> done = ss.warm_up(workers=1)
    >>> ss.warm_up(workers=1).compiled                          # the second finds all of them
    ()
    >>> done.folder.is_dir()
    True
    """
    started = time.perf_counter()
    names = _kernel_names()
    count = usable_cores() if workers is None else workers
    check_whole("workers", count, 1, MOST_WORKERS + 1)
    folder = kernel_cache()
    compiled: list[str] = []
    found: list[str] = []
    with Workers(min(count, len(names)), folder, _run_first_call) as pool:
        for name, seconds, was_compiled in _answers(pool, names):
            (compiled if was_compiled else found).append(name)
            if said is not None:
                said(name, seconds, was_compiled)
    return WarmUp(folder, time.perf_counter() - started, tuple(compiled), tuple(found))


def kernel_cache() -> Path:
    """Where compiled kernels are kept; raises StochsimError where nothing can be."""
    from stochsim_kernels import _jit

    if _jit.CACHE_FOLDER is None:
        place = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
        rule = "cannot be written, so that every process would compile again; set the variable"
        raise SettingError.of("XDG_CACHE_HOME", place, f"{rule} to a folder that can")
    return _jit.CACHE_FOLDER


def usable_cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _kernel_names() -> list[str]:
    from stochsim_kernels.first_calls import first_calls

    return list(first_calls())


def _answers(pool: Workers, names: list[str]) -> Iterator[tuple[str, float, bool]]:
    """(name, seconds, whether it was compiled) of all kernels, as they are ready."""
    waiting = list(names)
    running = 0
    while waiting or running:
        while waiting and pool.idle:
            name = waiting.pop(0)
            pool.give(name, {"hash": name})
            running += 1
        for message in pool.messages():
            if not message.is_progress:
                running -= 1
                yield _answer(message)


def _answer(message: Message) -> tuple[str, float, bool]:
    match message.kind:
        case "error" | "gone":
            raise StochsimError(f"{message.hash}: {message.content['text']}")
        case "crash":
            raise WorkerCrash(f"{message.hash}:\n{message.content['text']}")
    result = message.content["result"]
    return message.hash, float(message.content["seconds"]), bool(result["compiled"])


@functools.cache
def _table() -> Any:
    from stochsim_kernels import first_calls

    return first_calls.first_calls(), first_calls.kernel_modules()


def _run_first_call(
    job: dict[str, Any], _folder: Path, _progress: Callable[[int, int], None]
) -> tuple[dict[str, Any], Path | None]:
    """In a worker process: call one kernel; whether the cache lacked any of its functions."""
    from stochsim_kernels.first_calls import cache_misses

    calls, modules = _table()
    before = cache_misses(modules)
    calls[job["hash"]]()
    return {"compiled": cache_misses(modules) > before}, None
