"""Real processes killed by SIGKILL at random times: what is stored in the end is what an
undisturbed run stores, bit for bit. Moments are drawn by a key; their effect is the machine's.
"""

import importlib.util
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from customstudies import sampler_study, slow

from stochsim.runs import Store
from stochsim.studies import merge_runs
from stochsim.studies.custom.points import measured

pytestmark = pytest.mark.slow
POINTS = 200
SECONDS = [0.05 + n / 1e5 for n in range(POINTS)]
HELPERS = str(Path(__file__).parents[1] / "helpers")
DRIVER = f"""
import sys
sys.path.insert(0, {HELPERS!r})
import stochsim as ss
from customstudies import sampler_study, slow
study = sampler_study({{"seconds": [0.05 + n / 1e5 for n in range({POINTS})]}}, sampler=slow)
options = {{name: value for name, _, value in (one.partition("=") for one in sys.argv[2:])}}
ss.run_sweep(study, sys.argv[1], workers=2, retries=9, **options)
"""


def environment() -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([HELPERS, *sys.path]),
        "OMP_NUM_THREADS": "1",
    }


def started(*command: str, where: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, *command],
        cwd=where,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def driver(folder: Path, *options: str) -> subprocess.Popen[bytes]:
    return started("-c", DRIVER, str(folder), *options, where=folder.parent)


def stored(folder: Path) -> dict[str, object]:
    if not (folder / "store.sqlite").exists():
        return {}
    with Store.open(folder) as store:
        return {name: store.row(name).result for name in store.hashes()}


def until(condition, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def kill(process: subprocess.Popen[bytes]) -> None:
    """It and all that it started."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def expected() -> dict[str, object]:
    study = sampler_study({"seconds": SECONDS}, sampler=slow)
    return {
        task.hash: measured(study, point)
        for task, point in zip(study.tasks.values(), study.points, strict=True)
    }


def test_four_shards_and_ten_kills(tmp_path):
    draws = random.Random(0)
    folders = [tmp_path / f"shard{n}" for n in range(1, 5)]
    kills = 0
    for n, folder in enumerate(folders, 1):
        deadline = time.monotonic() + 120
        while True:
            assert time.monotonic() < deadline
            process = driver(folder, f"shard={n}/4")
            before = len(stored(folder))
            if kills < 3 * n and kills < 10:
                until(lambda: len(stored(folder)) > before or process.poll() is not None, 60)  # noqa: B023
                time.sleep(draws.uniform(0, 0.2))
                kills += process.poll() is None
                kill(process)
                continue
            assert process.wait(120) == 0
            break
    assert kills == 10
    found = stored(merge_runs(folders, tmp_path / "whole"))
    assert found == expected()


@pytest.mark.skipif(
    importlib.util.find_spec("distributed") is None, reason="needs the package distributed"
)
def test_workers_scheduler_and_driver_of_a_cluster_are_killed(tmp_path):
    """Two workers, each killed once; the scheduler killed once, with which its workers end, and
    all of them started anew; the driver killed once.
    """
    folder, port = tmp_path / "run", 20_000 + os.getpid() % 20_000
    address = f"tcp://127.0.0.1:{port}"

    def scheduler():
        command = ("--host", "127.0.0.1", "--port", str(port), "--dashboard-address", ":0")
        return started("-m", "distributed.cli.dask_scheduler", *command, where=tmp_path)

    def worker():
        command = ("--nthreads", "1", "--no-dashboard", "--nworkers", "1")
        return started("-m", "distributed.cli.dask_worker", address, *command, where=tmp_path)

    def wait_for_workers():
        from distributed import Client

        with Client(address, timeout=60, set_as_default=False) as client:
            client.wait_for_workers(2, timeout=60)

    running = [scheduler(), worker(), worker()]
    try:
        wait_for_workers()
        process = driver(folder, f"dask={address}")
        for place in (1, 2):  # each worker, with its nanny, and another in its place
            count = len(stored(folder))
            until(lambda: len(stored(folder)) > count + 10 or process.poll() is not None, 90)  # noqa: B023
            kill(running[place])
            running[place] = worker()
        count = len(stored(folder))
        until(lambda: len(stored(folder)) > count + 10 or process.poll() is not None, 90)
        for one in running:
            kill(one)
        process.wait(120)
        assert process.returncode != 0  # it says that the scheduler is gone
        running = [scheduler(), worker(), worker()]
        wait_for_workers()
        process = driver(folder, f"dask={address}")
        count = len(stored(folder))
        until(lambda: len(stored(folder)) > count + 10 or process.poll() is not None, 90)
        kill(process)
        assert driver(folder, f"dask={address}").wait(120) == 0
    finally:
        for one in running:
            kill(one)
    assert stored(folder) == expected()
