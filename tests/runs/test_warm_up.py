"""`stochsim warm-up`: the cache is filled once, by several processes, and kept when it stops."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import stochsim as ss
from stochsim.runs import kernel_cache

COMMAND = [sys.executable, "-m", "stochsim", "warm-up"]
LATER = """
from stochsim_kernels import first_calls

for call in first_calls.first_calls().values():
    call()
print(first_calls.cache_misses(first_calls.kernel_modules()))
"""


def at(cache: Path) -> dict[str, str]:
    return {**os.environ, "XDG_CACHE_HOME": str(cache)}


def lines_of(command: list[str], cache: Path) -> list[str]:
    done = subprocess.run(
        command, env=at(cache), capture_output=True, text=True, timeout=600, check=True
    )
    return done.stdout.splitlines()


def test_a_cache_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("a regular file")
    done = subprocess.run(COMMAND, env=at(in_the_way), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert "XDG_CACHE_HOME" in done.stderr
    assert str(in_the_way) in done.stderr


@pytest.mark.parametrize("workers", [0, 2.5, True, "2"])
def test_workers_are_checked(workers: object) -> None:
    with pytest.raises(ss.SettingError, match="workers"):
        ss.warm_up(workers)  # type: ignore[arg-type]


def test_what_is_there_already_is_said(tmp_path: Path) -> None:
    """With the user's cache, which the first of the two may have to fill."""
    ss.warm_up(2)
    said = []
    again = ss.warm_up(2, lambda name, _seconds, compiled: said.append((name, compiled)))
    assert again.compiled == ()
    assert sorted(again.found) == sorted(name for name, _ in said)
    assert not any(compiled for _, compiled in said)
    assert again.folder == kernel_cache()
    assert f"all {len(said)} kernels were there already" in str(again)


@pytest.mark.long
@pytest.mark.slow
def test_two_at_once_then_a_later_process_compiles_nothing(tmp_path: Path) -> None:
    with (
        subprocess.Popen(COMMAND, env=at(tmp_path), stdout=subprocess.PIPE, text=True) as one,
        subprocess.Popen(COMMAND, env=at(tmp_path), stdout=subprocess.PIPE, text=True) as other,
    ):
        texts = [process.communicate(timeout=600)[0] for process in (one, other)]
    assert (one.returncode, other.returncode) == (0, 0)
    assert all(str(tmp_path) in text for text in texts)
    assert lines_of([sys.executable, "-c", LATER], tmp_path) == ["0"]
    assert "were there already" in lines_of(COMMAND, tmp_path)[-2]


@pytest.mark.long
@pytest.mark.slow
def test_what_is_compiled_is_kept_when_it_is_stopped(tmp_path: Path) -> None:
    process = subprocess.Popen(COMMAND, env=at(tmp_path), stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if " s  " in line:  # the first kernel is ready
            process.send_signal(signal.SIGINT)
            break
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert "there already" in lines_of(COMMAND, tmp_path)[-2]
