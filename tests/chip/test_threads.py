"""1, 2 and 4 threads give the same codes: digital chips, arrays by packed bits and by analog cells,
chips with their own random source.
"""

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent

SCRIPT = """
import hashlib
import numba
import numpy as np
from stochsim.chip import Chip
from stochsim.hardware import Noise, RandomSource, preset
from stochsim.program import Layer, Quantizer, single_layer

random = np.random.default_rng(0)
x = random.normal(0, 1, (9, 130))
for bits in (1, 4, 8):
    top = max(1, 2 ** (bits - 1) - 1)
    codes = random.integers(-top, top + 1, (33, 130))
    if bits == 1:
        codes = np.where(codes < 0, -1, 1)
    quantizer = Quantizer(bits, 1.0 if bits == 1 else 2.5 / 2 ** (bits - 1))
    weights = (codes.astype(np.int8), bits, 0.1 / top)
    layer = Layer(*weights, quantizer, quantizer, np.zeros(33), np.full(33, 0.3))
    program = single_layer(layer)
    for name in ("digital-45nm", "sram-array-28nm", "rram-array"):
        hardware = preset(name).with_precision(bits, bits, bits)
        source = RandomSource(lfsr_bits=16, threshold_bits=12)
        for chip in (hardware, hardware.replace(random=source, noise=Noise(weight_sigma=0.01))):
            for threads in (1, 2, 4):
                numba.set_num_threads(threads)
                sample = Chip(program, chip, chip_key=3).sample(x, 300, 5).codes
                print(threads, bits, name, hashlib.sha256(sample.tobytes()).hexdigest())
"""


def test_threads_change_no_code() -> None:
    """In a process that has four threads on any machine."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={**os.environ, "NUMBA_NUM_THREADS": "4", "PYTHONWARNINGS": "ignore"},
        cwd=HERE,
        capture_output=True,
        text=True,
        check=True,
    )
    codes: dict[str, list[str]] = {"1": [], "2": [], "4": []}
    for line in done.stdout.splitlines():
        threads, _, setting = line.partition(" ")
        codes[threads].append(setting)
    single = codes["1"]
    assert len(single) == 18
    # every setting its own codes: the digests can differ
    assert len({line.split()[-1] for line in single}) == 18
    assert codes["2"] == single
    assert codes["4"] == single
