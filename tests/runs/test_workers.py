"""Workers: what they say of a task that ends well, badly or not at all.

(Real worker processes are in test_run and test_interrupted.)
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from safetensors import SafetensorError
from tinystudy import plan_of

from stochsim.runs.workers import (
    Message,
    Workers,
    _interrupts_ignored,
    _main_module_hidden,
    _run_job,
)
from stochsim.settings import SettingError, StochsimError
from stochsim.studies import compute

JOB = {"kind": "chip_samples", "hash": "abc"}


class Ear:
    """The parent's end of a pipe, as far as a worker can tell."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    def send_bytes(self, text: bytes) -> None:
        self.messages.append(Message(**json.loads(text)))


def said_of(run_task: Any) -> list[Message]:
    ear = Ear()
    _run_job(ear, Path("run"), JOB, run_task)  # type: ignore[arg-type]
    assert all(message.hash == "abc" for message in ear.messages)
    return ear.messages


def failing(error: Exception) -> Any:
    def run_task(*_: Any) -> Any:
        raise error

    return run_task


def test_a_result() -> None:
    (message,) = said_of(
        lambda job, folder, progress: ({"d": [1.0, float("nan")]}, folder / job["kind"])
    )
    assert message.kind == "result"
    assert message.content["artifact"] == "run/chip_samples"
    assert message.content["result"]["d"][0] == 1.0
    assert message.content["seconds"] >= 0


def test_a_result_without_a_file() -> None:
    (message,) = said_of(lambda *_: ({}, None))
    assert message.content["artifact"] is None


@pytest.mark.parametrize(
    "error", [StochsimError("training diverged"), SettingError("training diverged")]
)
def test_what_the_user_can_mend_is_one_sentence(error: Exception) -> None:
    assert said_of(failing(error)) == [Message("error", "abc", {"text": "training diverged"})]


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), SafetensorError("No space left on device")]
)
def test_a_disk_that_fails_is_one_sentence(error: Exception) -> None:
    (message,) = said_of(failing(error))
    assert message.kind == "error"
    assert message.content["text"].startswith("run: cannot be written (")
    assert "No space left on device" in message.content["text"]


def test_a_bug_comes_with_its_traceback() -> None:
    (message,) = said_of(failing(ZeroDivisionError("a bug")))
    assert message.kind == "crash"
    assert "ZeroDivisionError: a bug" in message.content["text"]
    assert "Traceback" in message.content["text"]


def test_progress_is_said_a_few_times_a_second() -> None:
    def run_task(job: Any, folder: Path, progress: Any) -> Any:
        for done in range(10_000):
            progress(done, 10_000)
        return {}, None

    messages = said_of(run_task)
    assert messages[0] == Message("progress", "abc", {"done": 0, "total": 10_000})
    assert len(messages) < 100
    assert messages[-1].kind == "result"


def test_the_main_module_is_hidden_and_comes_back() -> None:
    main = sys.modules["__main__"]
    before = {name: getattr(main, name, "absent") for name in ("__file__", "__spec__")}
    with _main_module_hidden():
        assert main.__spec__ is None
        assert not hasattr(main, "__file__")
    assert {name: getattr(main, name, "absent") for name in before} == before


def test_interrupts_are_ignored_for_a_moment_only() -> None:
    before = signal.getsignal(signal.SIGINT)
    with _interrupts_ignored():
        os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_workers_can_be_started_from_another_thread() -> None:
    """Only the main thread may set signals."""
    seen: list[object] = []

    def start() -> None:
        with _interrupts_ignored():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    assert seen == [signal.getsignal(signal.SIGINT)]


def test_a_worker_that_has_gone_is_an_error_of_its_task(tmp_path: Path) -> None:
    with Workers(2, tmp_path, compute) as pool:
        assert pool.idle == 2
        pool.give("abc", dict(JOB))
        assert pool.idle == 1
        os.kill(pool.processes[0].pid, signal.SIGKILL)
        (message,) = pool.messages(60)
    assert (message.kind, message.hash) == ("gone", "abc")
    assert message.content["text"].startswith(
        "its worker ended without a word (killed, or out of memory?); what is stored stays"
    )
    assert not any(process.is_alive() for process in pool.processes)


def test_a_worker_that_has_gone_without_a_task_is_an_error_too(tmp_path: Path) -> None:
    with Workers(1, tmp_path, compute) as pool:
        os.kill(pool.processes[0].pid, signal.SIGKILL)
        with pytest.raises(StochsimError, match=r"^a worker ended without a word"):
            list(pool.messages(60))


def test_a_task_for_a_worker_that_has_gone_is_not_lost_silently(tmp_path: Path) -> None:
    with Workers(1, tmp_path, compute) as pool:
        os.kill(pool.processes[0].pid, signal.SIGKILL)
        pool.processes[0].join()
        pool.give("abc", dict(JOB))
        assert [message.kind for message in pool.messages(60)] == ["gone"]


def test_the_environment_is_left_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.delenv("NUMBA_NUM_THREADS", raising=False)
    before = dict(os.environ)
    with Workers(1, tmp_path, compute):
        assert dict(os.environ) == before


@pytest.mark.slow
def test_a_worker_in_the_middle_of_a_long_task_ends_when_its_parent_is_killed(
    tmp_path: Path,
) -> None:
    """A decoder of a million steps would take a quarter of an hour."""
    (tmp_path / "artifacts").mkdir()
    task = next(
        task for task in plan_of(train__steps=1_000_000).tasks.values() if task.kind == "decoder"
    )
    job = json.dumps({"kind": "decoder", "hash": task.hash, "settings": task.settings, "needs": {}})
    code = (
        "import json, sys, time; from pathlib import Path; from stochsim.runs.workers import "
        "Workers\n"
        "from stochsim.studies import compute\n"
        "with Workers(1, Path(sys.argv[1]), compute) as pool:\n"
        "    pool.give('abc', json.loads(sys.argv[2]))\n"
        "    while not list(pool.messages()): pass\n"
        "    print(pool.processes[0].pid, flush=True); time.sleep(600)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, tmp_path, job], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        worker = Path(f"/proc/{int(parent.stdout.readline())}")
        assert worker.exists()
        parent.kill()
    end = time.monotonic() + 5
    while _runs(worker) and time.monotonic() < end:
        time.sleep(0.01)
    ended = not _runs(worker)
    if not ended:
        os.kill(int(worker.name), signal.SIGKILL)
    assert ended


def _runs(process: Path) -> bool:
    try:
        return (process / "stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
