"""The compile cache: found again by a second process, left behind by an edited callee, harmless
where it cannot be written.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import stochsim_kernels
from stochsim_kernels import _jit

PROBE = """
from stochsim_kernels._jit import helper
from stochsim_kernels.random.counter_rng import mix64

@helper
def probe(z):
    return mix64(z)
"""
SCRIPT = """
import json, numba, numpy, os
numba.config.CACHE_DIR = "mine"
from stochsim_kernels import _jit, probe
value = int(probe.probe(numpy.uint64(12345)))
stats = probe.probe.stats
print(json.dumps({
    "value": value, "hits": sum(stats.cache_hits.values()),
    "misses": sum(stats.cache_misses.values()),
    "folder": _jit.CACHE_FOLDER and str(_jit.CACHE_FOLDER), "users_folder": numba.config.CACHE_DIR,
}))
"""


@pytest.fixture
def package(tmp_path):
    """A copy of the kernels with one more, small kernel whose callee lives in another file."""
    folder = tmp_path / "stochsim_kernels"
    shutil.copytree(
        Path(stochsim_kernels.__file__).parent, folder, ignore=shutil.ignore_patterns("__pycache__")
    )
    (folder / "probe.py").write_text(PROBE)
    return folder


def run(package, cache, **more):
    environment = {
        **os.environ,
        **more,
        "PYTHONPATH": str(package.parent),
        "XDG_CACHE_HOME": str(cache),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_second_process_hits_and_an_edited_callee_recompiles(package, tmp_path):
    cache = tmp_path / "cache"
    first, second = run(package, cache), run(package, cache)
    assert (first["hits"], first["misses"]) == (0, 1)
    assert (second["hits"], second["misses"]) == (1, 0)
    assert first["users_folder"] == "mine"
    source = package / "random" / "counter_rng.py"
    original = source.read_text()
    assert "0x94D049BB133111EB" in original
    source.write_text(original.replace("0x94D049BB133111EB", "0x94D049BB133111ED"))
    edited = run(package, cache)
    assert (edited["hits"], edited["misses"]) == (0, 1)
    assert edited["folder"] != first["folder"]
    assert edited["value"] != first["value"] == second["value"]


def test_processes_that_start_together_compile_once(package, tmp_path):
    """Whoever comes second waits for the first: without the lock both would compile."""
    cache = tmp_path / "cache"
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: run(package, cache), range(4)))
    assert sorted(one["misses"] for one in found) == [0, 0, 0, 1]
    assert sum(one["hits"] for one in found) == 3
    assert len({one["value"] for one in found}) == 1


def test_another_processor_compiles_its_own_and_takes_nothing_away(package, tmp_path):
    cache = tmp_path / "cache"
    run(package, cache)
    other = run(package, cache, NUMBA_CPU_NAME="generic")
    assert (other["hits"], other["misses"]) == (0, 1)
    assert run(package, cache)["hits"] == 1
    assert run(package, cache, NUMBA_CPU_NAME="generic")["hits"] == 1


def test_a_lock_that_is_left_behind_stops_nobody(package, tmp_path):
    """A process was killed while it compiled: the file of its lock lies there, and nobody holds
    it.
    """
    cache = tmp_path / "cache"
    run(package, cache)
    for path in cache.rglob("*.nb?"):
        path.unlink()
    assert list(cache.rglob("*.lock"))
    assert run(package, cache)["misses"] == 1


def test_runs_without_a_cache_where_none_can_be_written(package, tmp_path):
    in_the_way = tmp_path / "file"
    in_the_way.write_text("a regular file")
    result = run(package, in_the_way / "below")
    assert result["folder"] is None
    assert result["value"] == run(package, tmp_path / "cache")["value"]


def test_digest_follows_every_source(package):
    before = _jit.source_digest(package)
    assert before == _jit.source_digest(package)
    for name in ("_jit.py", "neuron/channel.py", "neuron/drawing.py", "random/counter_rng.py"):
        (package / name).write_text((package / name).read_text() + "\n# edited\n")
        after = _jit.source_digest(package)
        assert after != before
        before = after


@pytest.mark.parametrize(
    "new", ["neuron/renamed.py", "circuit/drawing.py", "drawing.py", "neuron/below/drawing.py"]
)
def test_digest_follows_a_source_that_is_renamed_or_moved_to_another_folder(package, new):
    before = _jit.source_digest(package)
    (package / new).parent.mkdir(exist_ok=True)
    (package / "neuron" / "drawing.py").rename(package / new)
    assert _jit.source_digest(package) != before


def test_digest_follows_two_sources_that_change_places(package):
    before = _jit.source_digest(package)
    one, other = package / "neuron" / "__init__.py", package / "circuit" / "__init__.py"
    texts = one.read_text(), other.read_text()
    one.write_text(texts[1])
    other.write_text(texts[0])
    assert texts[0] != texts[1]
    assert _jit.source_digest(package) != before


def test_digest_is_that_of_the_sources_alone(package, tmp_path):
    elsewhere = tmp_path / "elsewhere" / "kernels"
    shutil.copytree(package, elsewhere)
    (elsewhere / "neuron" / "notes.txt").write_text("not a source")
    assert _jit.source_digest(elsewhere) == _jit.source_digest(package)


def test_digest_follows_the_kernel_version(package, monkeypatch):
    before = _jit.source_digest(package)
    monkeypatch.setattr(_jit, "KERNEL_VERSION", _jit.KERNEL_VERSION + 1)
    assert _jit.source_digest(package) != before


def test_folders_of_other_digests_go_after_30_days(tmp_path):
    now = time.time()
    for name, days in (("old", 31), ("recent", 29), ("present", 99)):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "compiled").write_text("x")
        os.utime(folder, (now - days * 86400,) * 2)
    assert _jit._prepare_cache(tmp_path, "present") == tmp_path / "present"
    assert sorted(folder.name for folder in tmp_path.iterdir()) == ["present", "recent"]
    assert (tmp_path / "present" / "compiled").exists()
