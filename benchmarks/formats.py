"""How much of posterior sampling survives when outputs are of a number format of 3 or 4 bits?

Single-layer and multi-layer networks for sparse coding of natural image patches, on the noisy
in-memory chip of posterior_survival.py, with weights and inputs of 4 bits, a scale for the weights
of each neuron. Each is trained for that chip with outputs of 8 bits; then only the format of its
outputs is another, without further training: the scale has the least squared error on the
network's own reads of training stimuli, and Lloyd-Max books are fitted to them. "trained": evenly
spaced outputs, the network trained for the chip with these. Codes of hidden units keep 8 bits but
in rows "trained", whose energy is that of all widths. Read noise is in mean steps of a format.
Three keys.

S: 1 is the float network of the same architecture, 0 ignores the stimulus. Coverage of 90 %
intervals is a measure that no format was fitted to; the posterior's is 0.9. A converter with uneven
steps is billed as one that resolves the smallest of them.
"""

from typing import Any, NamedTuple

import numpy as np
from _bench import Figure, Options, main

import stochsim as ss
from stochsim.chip import fitted_quantizer
from stochsim.hardware import Noise, Precision
from stochsim.keys import fold_in
from stochsim.posterior import SamplingQuality, mean_estimate, survival
from stochsim.program import Program

ARCHITECTURES = {"single": "single-layer", "deep": "multi-layer"}
FORMATS = (
    *("int4", "fp4-e2m1", "fp4-e1m2", "nf4", "power-4", "log2-4", "lloyd-4"),
    *("int3", "fp3-e1m1", "power-3", "lloyd-3"),
)
TRAINED = (4, 3)
KEYS = (0, 1, 2)
STEPS, STIMULI, READS = 1500, 64, 1000
MODEL = ss.SparseCoding(neurons=64, noise_sd=0.5, laplace_scale=1.0)
CHIP = ss.load_hardware("in-memory-28nm").replace(
    noise=Noise(read_sigma_lsb=0.29, input_dither="stochastic")
)
FITTED_STIMULI, FITTED_READS, FITTED_NUMBERS = 512, 64, 200_000
BAR = 0.9


class Found(NamedTuple):
    """One network on its chip: its quality against the posterior, and joules per read."""

    quality: SamplingQuality
    joules: float


def some_reads(
    program: Program, hardware: ss.Hardware, stimuli: np.ndarray, key: int
) -> np.ndarray:
    """Values of reads of training stimuli, (n,) float64."""
    chip = ss.Chip(program, hardware)
    values = chip.sample(stimuli[:FITTED_STIMULI], FITTED_READS, fold_in(key, "fit")).values
    chosen = np.random.default_rng(key).choice(values.ravel(), min(FITTED_NUMBERS, values.size))
    return chosen.astype(np.float64)


def by_format(architecture: str, key: int) -> dict[str, Found]:
    """All formats of one architecture and key, and networks trained with even outputs."""
    data = ss.load_dataset("patches", size=8, components=48, key=key)
    full = ss.train(MODEL, data.train, key, architecture=architecture, steps=STEPS)
    stimuli = data.held_out[:STIMULI]
    reference = full.reference(stimuli, key)

    def measured(program: Program) -> Found:
        chip = ss.Chip(program, CHIP.with_precision(4, 4, program.first.output.bits))
        samples = chip.sample(stimuli, READS, key)
        return Found(reference.compare(samples, against=full), samples.bill.per_read_j)

    def trained(bits: int) -> Program:
        hardware = CHIP.with_precision(4, 4, bits)
        precision = Precision(weight_bits=4, input_bits=4, output_bits=bits)
        how: dict[str, Any] = {"method": "noise-aware", "weight_scales": "per-channel"}
        net = full.quantise(precision, key, hardware=hardware, **how)
        return ss.to_program(net)

    fine = trained(8)
    found = {"int8": measured(fine)}
    numbers = some_reads(fine, CHIP.with_precision(4, 4, 8), data.train, key)
    for name in FORMATS:
        found[name] = measured(fine.with_output(fitted_quantizer(name, numbers)))
    for bits in TRAINED:
        found[f"int{bits}, trained"] = measured(trained(bits))
    return found


def figures_of(architecture: str, keys: tuple[int, ...]) -> list[Figure]:
    """S, D, coverage and joules of every format, over keys and stimuli."""
    by_key = [by_format(architecture, key) for key in keys]
    figures = []
    for name in by_key[0]:
        found = [one[name] for one in by_key]
        title = f"{ARCHITECTURES[architecture]}, outputs {name}"
        per_key: dict[str, Any] = {
            field: np.stack([one.quality.per_stimulus[field] for one in found])
            for field in ("distance", "distance_prior", "distance_float", "coverage_90")
        }
        d = per_key["distance"]
        s = survival(d, per_key["distance_prior"], per_key["distance_float"], fold_in(0, "formats"))
        bar = BAR if name in ("fp4-e2m1", "lloyd-4") else None
        assert s.estimate is not None
        figures.append(_figure(f"{title}: S", s.estimate, "1", bar))
        figures.append(_figure(f"{title}: D", mean_estimate(d, 0), "posterior sd"))
        covered = mean_estimate(per_key["coverage_90"], 0)
        figures.append(_figure(f"{title}: coverage of 90 % intervals", covered, "1"))
        joules = [1e12 * one.joules for one in found]
        figures.append(
            Figure(f"{title}: energy", float(np.mean(joules)), min(joules), max(joules), "pJ/read")
        )
    return figures


def _figure(name: str, found: Any, unit: str, bar: float | None = None) -> Figure:
    better = "lower" if unit == "posterior sd" else "higher"
    return Figure(name, found.value, found.low, found.high, unit, None, bar, better)  # type: ignore[arg-type]


def measure(options: Options) -> list[Figure]:
    """Three keys of both architectures; with --quick one key of the single-layer network."""
    if options.quick:
        return figures_of("single", KEYS[:1])
    return [one for architecture in ARCHITECTURES for one in figures_of(architecture, KEYS)]


if __name__ == "__main__":
    main(__doc__, measure)
