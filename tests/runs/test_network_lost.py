"""Hosts of a cluster that lose the network and get it back: network namespaces stand for hosts,
which only root can make. No point is lost, and none is stored twice.
"""

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
    killed_in_the_end,
    needs_distributed,
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
    needs_distributed,
    pytest.mark.skipif(not _can_make_hosts(), reason="needs root and network namespaces"),
]


@dataclass(frozen=True)
class Host:
    """Another host, with a cable to this one."""

    name: str
    cable: str
    address: str
    """Of the scheduler, which is here."""
    far: str
    """Its own address."""

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
        yield Host(name, here, f"tcp://{near}:{20_000 + os.getpid() % 10_000}", far)
    finally:
        _ip("netns", "delete", name)  # with its end of the cable, and so with the other


LOSSES = [
    pytest.param(("11s", 18.0), id="eighteen seconds"),
    pytest.param(("30s", 60.0), id="a minute", marks=pytest.mark.long),
]
"""After how long Dask gives up a connection that says nothing (30 s by default, 11 s at least), and
how long the network is away.
"""


@pytest.fixture(params=LOSSES)
def seconds(request, monkeypatch) -> float:
    """How long the network is away."""
    patience, seconds = request.param
    monkeypatch.setenv("DASK_DISTRIBUTED__COMM__TIMEOUTS__TCP", patience)
    return seconds


def test_the_host_of_a_worker_loses_the_network(host, seconds, tmp_path):
    """Its points go to the other one."""
    folder = tmp_path / "run"
    running = [
        scheduler(tmp_path, host.address),
        worker(tmp_path, host.address),
        worker(tmp_path, host.address, inside=host.inside),
    ]
    with killed_in_the_end(running):
        wait_for_workers(host.address)
        assert "Remove worker" not in running[0].log.read_text()
        running.append(driver(folder, f"dask={host.address}"))
        until_stored(folder, 11, running[-1])
        host.loses_its_network(seconds)
        assert running[-1].wait(120) == 0, words(tmp_path)
        assert f"Remove worker addr: tcp://{host.far}:" in running[0].log.read_text()
    found = stored(folder)
    assert len(found) == POINTS
    assert found == expected()


def test_the_host_of_the_driver_loses_the_network(host, seconds, tmp_path):
    """It says so, and the same command goes on where it stopped."""
    folder = tmp_path / "run"
    running = [scheduler(tmp_path, host.address)]
    running += [worker(tmp_path, host.address) for _ in range(2)]
    with killed_in_the_end(running):
        wait_for_workers(host.address)
        running.append(driver(folder, f"dask={host.address}", inside=host.inside))
        until_stored(folder, 11, running[-1])
        host.loses_its_network(seconds)
        assert running[-1].wait(120) != 0
        assert "the same command goes on" in running[-1].log.read_text(), words(tmp_path)
        before = stored(folder)
        assert 11 <= len(before) < POINTS
        running.append(driver(folder, f"dask={host.address}", inside=host.inside))
        assert running[-1].wait(120) == 0, words(tmp_path)
    found = stored(folder)
    assert found == expected()
    assert before.items() <= found.items()
