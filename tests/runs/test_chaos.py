"""Real processes killed by SIGKILL at random times: what is stored in the end is what an
undisturbed run stores, bit for bit. Moments are drawn by a key; their effect is the machine's.
"""

import os
import random
import time

import pytest
from clusters import (
    driver,
    expected,
    killed_in_the_end,
    needs_distributed,
    scheduler,
    stored,
    until_stored,
    wait_for_workers,
    worker,
)

from stochsim.studies import merge_runs

pytestmark = pytest.mark.slow


def test_four_shards_and_ten_kills(tmp_path):
    draws = random.Random(0)
    folders = [tmp_path / f"shard{n}" for n in range(1, 5)]
    kills = 0
    for n, folder in enumerate(folders, 1):
        deadline = time.monotonic() + 120
        while True:
            assert time.monotonic() < deadline
            process = driver(folder, f"shard={n}/4")
            if kills < 3 * n and kills < 10:
                until_stored(folder, 1, process, 60)
                time.sleep(draws.uniform(0, 0.2))
                kills += process.runs
                process.kill()
                continue
            assert process.wait(120) == 0
            break
    assert kills == 10
    found = stored(merge_runs(folders, tmp_path / "whole"))
    assert found == expected()


@needs_distributed
def test_workers_scheduler_and_driver_of_a_cluster_are_killed(tmp_path):
    """Two workers, each killed once; the scheduler killed once, with which its workers end, and
    all of them started anew; the driver killed once.
    """
    folder = tmp_path / "run"
    address = f"tcp://127.0.0.1:{20_000 + os.getpid() % 10_000}"

    def cluster():
        return [scheduler(tmp_path, address), *(worker(tmp_path, address) for _ in range(2))]

    running = cluster()
    with killed_in_the_end(running):
        wait_for_workers(address)
        process = driver(folder, f"dask={address}")
        for place in (1, 2):  # each worker, with its nanny, and another in its place
            until_stored(folder, 11, process)
            running[place].kill()
            running[place] = worker(tmp_path, address)
        until_stored(folder, 11, process)
        for one in running:
            one.kill()
        assert process.wait(120) != 0  # it says that the scheduler is gone
        running[:] = cluster()
        wait_for_workers(address)
        process = driver(folder, f"dask={address}")
        until_stored(folder, 11, process)
        process.kill()
        assert driver(folder, f"dask={address}").wait(120) == 0
    assert stored(folder) == expected()
