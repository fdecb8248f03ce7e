"""Memory beyond 1 GB is announced before it is taken, with a figure that the peak then meets."""

import json
import subprocess
import sys
import warnings

import numpy as np
import pytest

from stochsim.settings import LARGE_BYTES, LargeMemoryWarning, announce_memory, check_memory

SCRIPT = """
import json, sys, warnings
from pathlib import Path
import numpy as np
import stochsim as ss
from stochsim.chip import FloatChip
from stochsim.lowering import float_program
from stochsim.program import random_program
from stochsim.settings import LargeMemoryWarning, large_memory

large_memory.LARGE_BYTES = 20_000_000

def resident(field):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field + ":"))

found = {}

def measure(name, tiny, work):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        tiny()
        said.clear()
        Path("/proc/self/clear_refs").write_text("5")
        before = resident("VmRSS")
        result = work()
        peak = resident("VmHWM") - before
    texts = [str(one.message) for one in said if one.category is LargeMemoryWarning]
    [text] = texts
    found[name] = float(text.split(" about ")[1].split(" GB")[0]), peak / 1e9
    return result

program, x = random_program((64, 256), (4, 4, 4), sigma=0.5, stimuli=256)
chip = ss.Chip(program, ss.load_hardware("digital-45nm", bits=4))
x = x["layer 1"].astype(float)
reads = 2000
samples = measure("chip", lambda: chip.sample(x[:2], 2, 0), lambda: chip.sample(x, reads, 0))
measure("values", lambda: None, lambda: samples.values)
del samples
settings = ss.SparseCoding(neurons=64, noise_sd=0.5, laplace_scale=1.0)
model = ss.build_model(settings, np.random.default_rng(0).normal(0, 0.125, (64, 64)))
data = model.sample(1000, 0)[0]
measure(
    "reference",
    lambda: model.reference(data[:1], key=0),
    lambda: model.reference(data[:8], key=0),
)
net = ss.train(settings, data, steps=2, batch=8, key=0)
chip = FloatChip(float_program(net))
measure("float", lambda: chip.sample(data[:2], 2, 0), lambda: chip.sample(data[:64], 1000, 0))
measure(
    "training",
    lambda: None,
    lambda: ss.train(settings, data, steps=3, batch=65_536, key=0),
)
print(json.dumps(found))
"""


def test_what_takes_more_than_1_gb_is_announced_at_the_users_line() -> None:
    with pytest.warns(LargeMemoryWarning, match=r"^draws will take about 1\.5 GB") as said:
        announce_memory("draws", 1.5e9)
    assert said[0].filename == __file__
    assert "\n" not in str(said[0].message)


def test_what_takes_less_is_not() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        announce_memory("draws", LARGE_BYTES)
        check_memory("draws", (LARGE_BYTES // 8,), np.float64)


def test_arrays_that_are_checked_are_announced() -> None:
    with pytest.warns(LargeMemoryWarning, match=r"about 2\.0 GB"):
        check_memory("draws", (LARGE_BYTES // 8,), np.float64, copies=2)


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="peaks are read from /proc")
def test_announced_figures_are_those_of_the_peak() -> None:
    """In a process of its own, with a lower bound, each within a factor of two and 80 MB of what
    every call takes.
    """
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout)
    assert sorted(found) == ["chip", "float", "reference", "training", "values"]
    for name, (said, peak) in found.items():
        assert said / 2 - 0.08 <= peak <= 2 * said + 0.08, (name, said, peak)
