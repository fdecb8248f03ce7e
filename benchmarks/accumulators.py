"""How well does posterior sampling survive accumulators of few bits, and what do they cost?

Networks for sparse coding of natural image patches, at 8 bits, on a digital chip whose accumulators
are floating-point: formats x rounding x how many products are added exactly before they round;
against integer accumulators that hold every sum. S is survival, D the distance to the posterior in
units of its standard deviation; intervals are over stimuli, joules are of a read. Speed: sums in
bfloat16 against the same additions by torch, of whole rows.
"""

import time
from collections.abc import Callable

import numpy as np
import torch
from _bench import Figure, Options, main
from stochsim_kernels.product import float_sums

import stochsim as ss
from stochsim.data import evaluation_stimuli
from stochsim.formats import sum_format

ARCHITECTURES = ("single", "recurrent")
FORMATS = ("fp32", "fp16", "bf16", "fp12-e6m5", "fp10-e6m3")
ROUNDINGS = ("nearest", "to-zero", "stochastic-8", "stochastic-2")
GROUP = 16
STEPS = 1500
STIMULI = 32
READS = 500
MODEL = ss.SparseCoding(neurons=64, noise_sd=0.5, laplace_scale=1.0)
CHIP = ss.load_hardware("digital-45nm", bits=8)
KEY = 0
REPEATS = 7
SIZES = (256, 512, 512)


def settings_of() -> dict[str, dict[str, object]]:
    """Accumulators by what they are called."""
    found: dict[str, dict[str, object]] = {"integers": {}}
    for name in FORMATS:
        for rounding in ROUNDINGS:
            words = {"accumulator_format": name, "accumulator_rounding": rounding}
            found[f"{name}, {rounding}"] = dict(words)
        grouped = {"accumulator_format": name, "accumulator_group": GROUP}
        found[f"{name}, nearest, {GROUP} products at once"] = dict(grouped)
    return found


def survivals(architecture: str, options: Options) -> list[Figure]:
    """S, D and joules of every accumulator in one architecture."""
    steps, count = (300, 8) if options.quick else (STEPS, STIMULI)
    data = ss.load_dataset("patches", size=8, components=48, key=KEY)
    stimuli = data.held_out[evaluation_stimuli(data, count, KEY)]
    full = ss.train(MODEL, data.train, steps=steps, key=KEY, architecture=architecture)
    program = ss.to_program(full.quantise(bits=8, key=KEY))
    reference = full.reference(stimuli, key=KEY)
    figures = []
    for name, settings in settings_of().items():
        chip = ss.Chip(program, CHIP.replace(**settings))
        samples = chip.sample(stimuli, reads=READS, key=KEY)
        found = reference.compare(samples, against=full)
        title, survival, d = f"{architecture}, {name}", found.survival.estimate, found.distance
        assert survival is not None
        ends = (survival.value, survival.low, survival.high)
        figures.append(Figure(f"{title}: S", *ends, unit="1"))
        ends = (d.value, d.low, d.high)
        figures.append(Figure(f"{title}: D", *ends, unit="posterior sd", better="lower"))
        joules = 1e9 * samples.bill.per_read_j
        ends = (joules,) * 3
        figures.append(Figure(f"{title}: joules", *ends, unit="nJ per read", better="lower"))
    return figures


def speed() -> list[Figure]:
    """Additions in bfloat16, one product at a time, against torch's fused multiply-adds of whole
    rows; both give the same sums.
    """
    rows, inputs, neurons = SIZES
    random = np.random.default_rng(KEY)
    x = random.integers(-8, 8, (rows, inputs)).astype(float)
    w = random.integers(-8, 8, (inputs, neurons)).astype(float)
    form = sum_format("format", "bf16")
    chosen = float_sums.Accumulator(form.ulp, form.least, form.largest)
    groups, no_integers = np.arange(inputs + 1, dtype=np.intp), np.empty((rows, 0), np.uint32)
    own = np.empty((rows, neurons))
    x_torch, w_torch = (torch.tensor(one).to(torch.bfloat16) for one in (x, w))

    def ours() -> np.ndarray:
        float_sums.fill_exact_sums(x, w, groups, chosen, no_integers, own)
        return own

    def theirs() -> np.ndarray:
        total = torch.zeros(rows, neurons, dtype=torch.bfloat16)
        for i in range(inputs):
            total.addcmul_(x_torch[:, i : i + 1], w_torch[i : i + 1])
        return total.double().numpy()

    assert np.array_equal(ours(), theirs())
    pairs = np.array([(_seconds(theirs), _seconds(ours)) for _ in range(REPEATS)])
    ratios = pairs[:, 0] / pairs[:, 1]
    low, high = np.quantile(ratios, (0.1, 0.9))
    size = f"{rows} x {inputs} x {neurons}"
    title = f"sums in bfloat16, {size}: torch's time / ours"
    return [Figure(title, float(np.median(ratios)), float(low), float(high), "x", "torch")]


def _seconds(call: Callable[[], np.ndarray]) -> float:
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def measure(options: Options) -> list[Figure]:
    """All figures."""
    chosen = ARCHITECTURES[:1] if options.quick else ARCHITECTURES
    return [one for name in chosen for one in survivals(name, options)] + speed()


if __name__ == "__main__":
    main(__doc__, measure)
