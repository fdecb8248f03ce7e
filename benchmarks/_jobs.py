"""Whole jobs: the same work in our words and in those of what a user would pick instead.

`python benchmarks/_jobs.py JOB WAY SIZE` does one of them in a fresh process and prints seconds and
bytes as JSON; SIZE is a JSON object of fields of `Size`.
"""

import importlib.util
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numba
import numpy as np
import torch
from _job_baselines import array_reads, digital_reads, nuts
from _memory import peak_bytes
from _peers import PEERS
from _product_races import NoisyWork
from _speed import Way

import stochsim as ss
from stochsim.chip import bill_of_inputs
from stochsim.program import random_program
from stochsim.settings import read_toml, write_toml

INPUTS, CLASSES = 784, 10
SIGMA_LSB = 0.5
STUDY = Path(__file__).resolve().parents[1] / "examples" / "first_light.toml"
CHIPS = {"digital chip": "digital-45nm", "RRAM array": "rram-array"}


@dataclass(frozen=True)
class Size:
    """What a job is asked for.

    batch: stimuli; width: hidden neurons, or neurons of a model; reads: of a chip, or draws of a
    chain; bits: of weights, inputs and outputs; cores: threads, or worker processes; settings: of a
    sweep; steps: of a training.
    """

    batch: int = 64
    width: int = 256
    reads: int = 1000
    bits: int = 4
    cores: int = 2
    settings: int = 30
    steps: int = 1500


def on_cores(cores: int, work: Way) -> Way:
    """The work on so many threads of both libraries."""

    def run() -> Any:
        numba.set_num_threads(min(cores, numba.config.NUMBA_NUM_THREADS))
        torch.set_num_threads(cores)
        return work()

    return run


# ---- reads of a network on a chip


def network(size: Size) -> tuple[ss.Program, np.ndarray]:
    """A 784-width-10 network with random weights, and its stimuli, (stimulus, input) float64."""
    bits = (size.bits,) * 3
    program, inputs = random_program(
        (INPUTS, size.width, CLASSES), bits, sigma=0.0, stimuli=size.batch
    )
    first = next(iter(program.layers.values()))
    return program, inputs["layer 1"] * first.input.scale


def chip_of(chip: str, size: Size) -> ss.Chip:
    """The network on a chip whose every neuron has half an output step of noise at every read."""
    hardware = ss.load_hardware(CHIPS[chip], bits=size.bits)
    return ss.Chip(network(size)[0], hardware.with_({"noise.read_sigma_lsb": SIGMA_LSB}))


def sampling(chip: str) -> Callable[[Size], Way]:
    """Reads of all stimuli by `Chip.sample`."""

    def way(size: Size) -> Way:
        ours = chip_of(chip, size)
        x = network(size)[1]
        return on_cores(size.cores, lambda: ours.sample(x, size.reads, key=0, count=False))

    return way


def in_torch(chip: str) -> Callable[[Size], Way]:
    """The same by torch in place, an expert's version."""

    def way(size: Size) -> Way:
        program, x = network(size)
        layers = list(program.layers.values())
        if chip == "RRAM array":
            array = ss.load_hardware(CHIPS[chip], bits=size.bits).array
            assert array is not None
            return on_cores(size.cores, array_reads(layers, x, size.reads, SIGMA_LSB, array))
        return on_cores(size.cores, digital_reads(layers, x, size.reads, SIGMA_LSB))

    return way


def by_peer(way: Callable[[NoisyWork], Way]) -> Callable[[Size], Way]:
    """The same by another simulator of arrays: reads are a batch, one tile per layer; 8 bits."""

    def network_way(size: Size) -> Way:
        random = np.random.default_rng(0)
        works = [
            way(_peer_layer(random, size.batch, inputs, neurons))
            for inputs, neurons in ((INPUTS, size.width), (size.width, CLASSES))
        ]
        return on_cores(size.cores, lambda: [work() for _ in range(size.reads) for work in works])

    return network_way


def _peer_layer(random: np.random.Generator, batch: int, inputs: int, neurons: int) -> NoisyWork:
    x = random.normal(0, 1, (batch, inputs)).astype(np.float32)
    return NoisyWork(x, random.integers(-127, 128, (neurons, inputs), dtype=np.int8), 0.5, 0.0)


# ---- a sweep, a training, a reference, a bill


def sweep(size: Size) -> Way:
    """The first settings of the demo study, a new run each time."""
    table = read_toml(STUDY)
    noises = -(-size.settings // len(table["grid"]["bits"]))
    table["grid"]["noise"] = table["grid"]["noise"][:noises]
    table["train"]["steps"] = size.steps
    table["measure"] |= {"stimuli": size.batch, "reads": size.reads}

    def run() -> None:
        with tempfile.TemporaryDirectory() as folder:
            study = Path(folder) / "study.toml"
            write_toml(study, table)
            ss.run_sweep(study, Path(folder) / "run", workers=size.cores)

    return run


def training(way: str) -> Callable[[Size], Way]:
    """Steps of a single-layer network with the chip's noise, or what stands beside it, on one
    thread.
    """

    def build(size: Size) -> Way:
        from training_speed import SIZE, task_of, works_of

        from stochsim.data import load_dataset

        task = task_of(load_dataset("patches", SIZE, 48, 0).train, size.width, steps=20)
        return on_cores(1, works_of(task, "single", "cpu", size.steps, first_steps=20)[way])

    return build


def posterior(size: Size) -> tuple[Any, np.ndarray]:
    """A sparse coding model of `width` neurons on as many inputs, and stimuli of its own."""
    decoder = np.random.default_rng(0).normal(0, 1, (size.width, size.width))
    settings = ss.SparseCoding(neurons=size.width, noise_sd=0.5, laplace_scale=1.0)
    model = ss.build_model(settings, decoder / np.sqrt(size.width))
    return model, model.sample(size.batch, key=0)[0]


def reference(size: Size) -> Way:
    """A reference posterior by our Gibbs sampler, diagnostics included; returns the effective
    samples of the worst coordinate.
    """
    model, x = posterior(size)

    def run() -> float:
        found = model.reference(x, key=0)
        return float(found.diagnostics.min_ess_per_draw * found.draws.shape[1])

    return on_cores(size.cores, run)


def reference_by_nuts(size: Size) -> Way:
    """Draws of the same posterior by NumPyro's NUTS; returns the same."""
    model, x = posterior(size)
    return nuts(model.decoder, x, 0.5, 1.0, size.reads)


RESNET_20 = (
    (27, 16, 1024),
    *((144, 16, 1024),) * 6,
    (144, 32, 256),
    *((288, 32, 256),) * 5,
    (288, 64, 64),
    *((576, 64, 64),) * 5,
    (64, 10, 1),
)
"""Inputs, neurons and positions of the layers of ResNet-20 on images of 32 × 32."""


def bill(size: Size) -> Way:
    """Joules per image of ResNet-20 on an RRAM array, layer by layer from shapes alone."""
    hardware = ss.load_hardware("rram-array", bits=size.bits)
    bits = (size.bits,) * 3

    def run() -> float:
        joules = 0.0
        for inputs, neurons, positions in RESNET_20:
            program, integers = random_program(
                (inputs, neurons), bits, sigma=0.0, stimuli=positions
            )
            joules += positions * bill_of_inputs(program, hardware, integers).per_read_j
        return joules

    return on_cores(size.cores, run)


OURS = "stochsim"
JOBS: Mapping[str, Mapping[str, Callable[[Size], Way]]] = {
    **{
        f"reads, {chip}": {
            OURS: sampling(chip),
            "torch in place": in_torch(chip),
            **{name: by_peer(way) for name, _, way in PEERS},
        }
        for chip in CHIPS
    },
    "sweep": {OURS: sweep},
    "training": {
        OURS: training("noise-aware"),
        "Brevitas alone": training("Brevitas alone"),
        "torch alone": training("torch alone"),
    },
    "reference": {OURS: reference, "NumPyro NUTS": reference_by_nuts},
    "bill of ResNet-20": {OURS: bill},
}
"""Job -> name of a way -> the way for a size; ours first."""

_PACKAGES = {name: package for name, package, _ in PEERS} | {"NumPyro NUTS": "numpyro"}


def missing(way: str) -> str:
    """Why this way cannot be run here; "" where it can."""
    package = _PACKAGES.get(way)
    found = package is None or importlib.util.find_spec(package) is not None
    return "" if found else f"{way}: not installed"


def in_new_process(job: str, way: str, size: Size) -> dict[str, float]:
    """Seconds, bytes, and what the way returns where that is a number, of a fresh process; raises
    CalledProcessError where it failed.
    """
    command = [sys.executable, __file__, job, way, json.dumps(asdict(size))]
    text = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    answer: dict[str, float] = json.loads(text.splitlines()[-1])
    return answer


_TINY = {"batch": 2, "reads": 8, "steps": 2}


def _report(job: str, way: str, size: Size) -> dict[str, float]:
    """One call after one on a few numbers, which loads the kernels; memory by a second call, unless
    the work is done in processes of its own.
    """
    build = JOBS[job][way]
    if job not in ("sweep", "reference"):
        build(replace(size, **_TINY))()
    work = build(size)
    started = time.perf_counter()
    value = work()
    seconds = time.perf_counter() - started
    if job == "sweep":  # of the largest worker, times the workers
        peak = 1024 * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * size.cores
    else:
        peak = peak_bytes(work)
    number = value if isinstance(value, float) else 0.0
    return {"seconds": seconds, "bytes": peak, "value": number}


if __name__ == "__main__":
    found = _report(sys.argv[1], sys.argv[2], Size(**json.loads(sys.argv[3])))
    print(json.dumps(found))
