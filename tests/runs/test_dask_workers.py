"""Points on the workers of a Dask cluster, each in a process of its own: the same results, and what
is refused.
"""

import json
import os

import numpy as np
import pytest
from customstudies import failing, killed_once, sampler_study, slow

import stochsim as ss
from stochsim.runs import Store, dask_workers
from stochsim.runs.dask_workers import INCOMING
from stochsim.settings import SettingError, StochsimError

distributed = pytest.importorskip("distributed", reason="needs the package distributed")
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """Of a scheduler with two workers."""
    here = os.getcwd()
    os.chdir(tmp_path_factory.mktemp("dask"))
    cluster = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0"
    )
    os.chdir(here)
    yield cluster.scheduler_address
    cluster.close()


def results(folder):
    with Store.open(folder) as store:
        return {name: store.row(name).result for name in store.hashes()}


def test_results_are_those_of_processes_here(address, tmp_path):
    study = sampler_study({"width": [0.5 + n / 10 for n in range(10)], "key": [0, 1]})
    there = ss.run_sweep(study, tmp_path / "there", dask=address)
    here = ss.run_sweep(study, tmp_path / "here", workers=1)
    assert len(results(here)) == 20
    assert results(there) == results(here)
    assert list((there / INCOMING).iterdir()) == []
    with distributed.Client(address, set_as_default=False) as client:
        plugins = client.run(lambda dask_worker: list(dask_worker.plugins))
    assert all("shuffle" in names for names in plugins.values())
    assert not any(name.startswith("stochsim") for names in plugins.values() for name in names)


def test_points_that_fail_and_workers_that_are_killed(address, tmp_path):
    study = sampler_study({"fails": ["", "error"]}, sampler=failing)
    run = ss.open_run(ss.run_sweep(study, tmp_path / "fails", dask=address))
    assert [row.point["fails"] for row in run.rows] == [""]
    assert "no such sampler" in next(iter(run.failed.values()))
    once = sampler_study({"mark": [str(tmp_path / "mark")]}, sampler=killed_once)
    run = ss.open_run(ss.run_sweep(once, tmp_path / "killed", dask=address))
    assert len(run.rows) == 1


def test_a_point_that_takes_too_long_is_given_up(address, tmp_path):
    study = sampler_study({"seconds": [0.0, 60.0]}, sampler=slow)
    run = ss.open_run(ss.run_sweep(study, tmp_path / "own", dask=address, limit_s=6.0))
    assert [row.point["seconds"] for row in run.rows] == [0.0]
    assert list(run.failed.values()) == ["took longer than the time limit of 6 s"]


def test_what_a_worker_left_behind_is_taken_up_and_not_computed_again(tmp_path):
    study = sampler_study({"width": [0.5], "key": [0, 1]})
    folder = ss.run_sweep(study, tmp_path / "own", workers=1, shard="1/2")
    whole = results(ss.run_sweep(study, tmp_path / "whole", workers=1))
    (left,) = set(study.tasks) - set(results(folder))
    marked = {**whole[left], "warnings": ["left behind"]}
    content = {"result": marked, "artifact": None, "seconds": 1.0}
    (folder / INCOMING).mkdir()
    (folder / INCOMING / f"{left}.json").write_text(
        json.dumps({"kind": "result", "content": content})
    )
    (folder / INCOMING / "0123456789.json").write_text('{"kind": "result"')  # cut off
    ss.run_sweep(study, folder, workers=1)
    assert results(folder)[left] == marked
    assert list((folder / INCOMING).iterdir()) == []


def test_a_scheduler_that_is_not_there_is_named(tmp_path, monkeypatch):
    assert dask_workers._CONNECTS_WITHIN_S < 10
    monkeypatch.setattr(dask_workers, "_CONNECTS_WITHIN_S", 0.5)
    with pytest.raises(SettingError, match=r"'dask' = 'tcp://127\.0\.0\.1:1': no Dask scheduler"):
        ss.run_sweep(sampler_study(), tmp_path / "own", dask="tcp://127.0.0.1:1")
    with pytest.raises(SettingError, match="'dask' = ''"):
        ss.run_sweep(sampler_study(), tmp_path / "own", dask="")


def test_workers_of_another_version_are_refused(address, tmp_path, monkeypatch):
    monkeypatch.setattr(dask_workers, "_VERSIONS", ("0.0.9", "1", "1"))
    with pytest.raises(StochsimError, match=r"the Dask worker tcp://.* has stochsim .*0\.0\.9"):
        ss.run_sweep(sampler_study(), tmp_path / "own", dask=address)


def test_workers_with_several_threads_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=2, processes=True, dashboard_address=":0"
        ) as cluster,
        pytest.raises(StochsimError, match="has 2 threads: start workers with --nthreads 1"),
    ):
        ss.run_sweep(sampler_study(), tmp_path / "own", dask=cluster.scheduler_address)


def test_a_scheduler_without_workers_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with (
        distributed.LocalCluster(n_workers=0, dashboard_address=":0") as cluster,
        pytest.raises(StochsimError, match="has no workers"),
    ):
        ss.run_sweep(sampler_study(), tmp_path / "own", dask=cluster.scheduler_address)


def test_workers_that_do_not_see_the_folder_are_refused(address, tmp_path, monkeypatch):
    """As on a machine without the shared file system: they look at another name."""
    about = dask_workers._about
    monkeypatch.setattr(
        dask_workers, "_about", lambda mark, dask_worker: about(f"{mark}-other", dask_worker)
    )
    with pytest.raises(StochsimError, match=r"does not see .*own: the run's folder should be"):
        ss.run_sweep(sampler_study(), tmp_path / "own", dask=address)


def test_numbers_travel_whole(address, tmp_path):
    """A mean of 300 numbers of a network's size, the same to the last bit."""
    study = sampler_study({"shift": [float(x) for x in np.geomspace(1e-12, 1e12, 9)]})
    there = ss.run_sweep(study, tmp_path / "there", dask=address)
    here = ss.run_sweep(study, tmp_path / "here", workers=2)
    assert results(there) == results(here)


def test_a_worker_of_another_version_that_came_later_is_named(tmp_path):
    (tmp_path / INCOMING).mkdir()
    name = dask_workers._work(None, "", {"hash": "ab"}, str(tmp_path), None, ("0.0.1", "1", "1"))
    found = json.loads((tmp_path / INCOMING / name).read_text())
    assert found["kind"] == "error"
    assert "the process that runs the study has 0.0.1, 1, 1" in found["content"]["text"]
