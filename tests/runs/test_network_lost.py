"""Hosts of a cluster that lose the network and get it back: network namespaces stand for hosts,
which only root can make. No point is lost, and none is stored twice.
"""

import importlib.util
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from clusters import (
    POINTS,
    driver,
    expected,
    scheduler,
    stored,
    until_stored,
    wait_for_workers,
    words,
    worker,
)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


def _can_make_hosts() -> bool:
    if os.geteuid() != 0 or shutil.which("ip") is None:
        return False
    name = f"probe{os.getpid()}"
    try:
        _ip("netns", "add", name)
        _ip("netns", "delete", name)
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("distributed") is None, reason="needs the package distributed"
    ),
    pytest.mark.skipif(not _can_make_hosts(), reason="needs root and network namespaces"),
]


@dataclass(frozen=True)
class Host:
    """Another host, with a cable to this one."""

    name: str
    cable: str
    address: str
    """Of the scheduler, which is here."""

    @property
    def inside(self) -> tuple[str, ...]:
        """What runs a command there."""
        return ("ip", "netns", "exec", self.name)

    def loses_its_network(self, seconds: float) -> None:
        _ip("link", "set", self.cable, "down")
        time.sleep(seconds)
        _ip("link", "set", self.cable, "up")


@pytest.fixture
def host() -> Iterator[Host]:
    number = os.getpid() % 200
    name, here, there = f"host{os.getpid()}", f"h{os.getpid()}", f"t{os.getpid()}"
    near, far = f"10.213.{number}.1", f"10.213.{number}.2"
    _ip("netns", "add", name)
    try:
        _ip("link", "add", here, "type", "veth", "peer", "name", there, "netns", name)
        _ip("addr", "add", f"{near}/24", "dev", here)
        _ip("link", "set", here, "up")
        _ip("-n", name, "addr", "add", f"{far}/24", "dev", there)
        for device in (there, "lo"):
            _ip("-n", name, "link", "set", device, "up")
        yield Host(name, here, f"tcp://{near}:{20_000 + os.getpid() % 10_000}")
    finally:
        _ip("netns", "delete", name)  # with its end of the cable, and so with the other


LOSSES = [
    pytest.param("11s", 18.0, id="eighteen seconds"),
    pytest.param("30s", 60.0, id="a minute", marks=pytest.mark.long),
]
"""After how long Dask gives up a connection that says nothing (30 s by default, 11 s at least), and
how long the network is away.
"""


@pytest.mark.parametrize(("patience", "seconds"), LOSSES)
def test_the_host_of_a_worker_loses_the_network(host, patience, seconds, tmp_path, monkeypatch):
    monkeypatch.setenv("DASK_DISTRIBUTED__COMM__TIMEOUTS__TCP", patience)
    folder = tmp_path / "run"
    running = [
        scheduler(tmp_path, host.address),
        worker(tmp_path, host.address),
        worker(tmp_path, host.address, inside=host.inside),
    ]
    try:
        wait_for_workers(host.address)
        process = driver(folder, f"dask={host.address}")
        running.append(process)
        until_stored(folder, 11, process)
        host.loses_its_network(seconds)
        assert process.wait(120) == 0, words(tmp_path)
    finally:
        for one in running:
            one.kill()
    found = stored(folder)
    assert len(found) == POINTS
    assert found == expected()


@pytest.mark.parametrize(("patience", "seconds"), LOSSES)
def test_the_host_of_the_driver_loses_the_network(host, patience, seconds, tmp_path, monkeypatch):
    """It says so, and the same command goes on where it stopped."""
    monkeypatch.setenv("DASK_DISTRIBUTED__COMM__TIMEOUTS__TCP", patience)
    folder = tmp_path / "run"
    running = [scheduler(tmp_path, host.address)]
    running += [worker(tmp_path, host.address) for _ in range(2)]
    try:
        wait_for_workers(host.address)
        process = driver(folder, f"dask={host.address}", inside=host.inside)
        running.append(process)
        until_stored(folder, 11, process)
        host.loses_its_network(seconds)
        assert process.wait(120) != 0
        assert "the same command goes on" in process.log.read_text(), words(tmp_path)
        before = stored(folder)
        assert 11 <= len(before) < POINTS
        process = driver(folder, f"dask={host.address}", inside=host.inside)
        running.append(process)
        assert process.wait(120) == 0, words(tmp_path)
    finally:
        for one in running:
            one.kill()
    found = stored(folder)
    assert found == expected()
    assert before.items() <= found.items()
