"""How much of posterior sampling survives when outputs are of a number format of 3 or 4 bits?

Single-layer, multi-layer and recurrent networks for sparse coding of natural image patches, on the
noisy in-memory chip of posterior_survival.py, with weights and inputs of 4 bits, a scale for the
weights of each neuron. Single-layer and multi-layer ones are trained on for that chip with outputs
of 8 bits, the weights of single layers damped; a recurrent one is rounded after training, its
weights so that their errors make up for each other (training on with few bits makes it worse). Then
only the format of the outputs is another, without further training: the scale has the least squared
error on the network's own reads of training stimuli, and Lloyd-Max books are fitted to them, one
for all neurons or one for each ("per neuron"). The outputs of a recurrent network are its state:
its sigma makes room for read noise, which every step adds.
Codes of hidden units keep 8 bits but in rows "all 4 bits" and "all 3 bits", where the network is
trained with even outputs of these. Read noise is .29 of the
step of even outputs of as many bits, whatever the format, so that values which lie close together
get no less for free. "All even": weights, inputs and outputs of so many bits, trained the same way
("plainly": as in posterior_survival.py); a format beats them where its D lies below theirs at its
joules, on the line between 4 and 5 bits, joules on a logarithmic scale. Three keys; of the other
data set, patches of one photograph ("china"), one.

Rows "in training": the outputs have their format while the network is trained for the chip, from
the float network on. The scale of a named format is learned, Lloyd-Max books are fitted to the
float network's answers to training stimuli and then scaled, the values of "learned-4" are learned.
Read noise is .29 of the step of even outputs fitted to the float network's own reads of training
stimuli, in training and on the chip.

S: 1 is the float network of the same architecture, 0 ignores the stimulus. Coverage of 90 %
intervals is a measure that no format was fitted to; the posterior's is 0.9. A converter with uneven
steps is billed as one that resolves the smallest of them, and edges of neurons of their own are
read from a memory.
"""

from typing import Any, NamedTuple

import numpy as np
from _bench import Figure, Options, main

import stochsim as ss
from stochsim.chip import fitted_quantizer, with_less_noise
from stochsim.formats import format_bits
from stochsim.hardware import Noise, Precision
from stochsim.keys import fold_in
from stochsim.networks import trained_format_bits
from stochsim.posterior import SamplingQuality, mean_estimate, survival
from stochsim.program import Program
from stochsim.training import TrainedNetwork

ARCHITECTURES = {"single": "single-layer", "deep": "multi-layer", "recurrent": "recurrent"}
FORMATS = (
    *("int4", "fp4-e2m1", "fp4-e1m2", "nf4", "power-4", "log2-4", "lloyd-4"),
    *("int4-per-neuron", "lloyd-4-per-neuron"),
    *("int3", "fp3-e1m1", "power-3", "lloyd-3", "int3-per-neuron", "lloyd-3-per-neuron"),
)
ALL_BITS = {4: ("int4", "fp4-e2m1", "lloyd-4"), 3: ("int3", "lloyd-3")}
"""Of networks that are trained with hidden codes of so few bits."""
IN_TRAINING: dict[str, tuple[tuple[str, int], ...]] = {
    "single": (("fp4-e2m1", 4), ("lloyd-4", 4), ("learned-4", 4), ("lloyd-3", 3)),
    "deep": (
        *(("fp4-e2m1", 8), ("lloyd-4", 8), ("learned-4", 8), ("lloyd-3", 8)),
        *(("lloyd-4", 4), ("learned-4", 4)),
    ),
    "recurrent": (),
}
"""Formats of outputs while the network is trained, and bits of hidden codes, of single layers those
of the format."""
FEW = ("int4", "fp4-e2m1", "lloyd-4", "lloyd-4-per-neuron", "int3", "lloyd-3-per-neuron")
"""Of the second data set."""
ON_THE_FRONT = {
    "single": ("fp4-e2m1", "lloyd-4"),
    "deep": ("lloyd-4, all 4 bits", "lloyd-4, in training, all 4 bits"),
    "recurrent": ("fp4-e2m1", "lloyd-4"),
}
"""What is held against even networks."""
EVEN_BITS = (4, 5)
"""Widths of weights, inputs and outputs, all even, of the networks that make the front."""
OTHER_DATA = "china"
KEYS = (0, 1, 2)
STEPS, STIMULI, READS = 1500, 64, 1000
MODEL = ss.SparseCoding(neurons=64, noise_sd=0.5, laplace_scale=1.0)
CHIP = ss.load_hardware("in-memory-28nm").replace(noise=Noise(input_dither="stochastic"))
READ_NOISE_LSB = 0.29
TRAINING: dict[str, dict[str, Any]] = {
    "single": {"method": "noise-aware", "weight_damping": 0.03},
    "deep": {"method": "noise-aware"},
    "recurrent": {"method": "post-training", "weight_rounding": "compensated"},
}
FITTED_STIMULI, FITTED_READS, FITTED_NUMBERS = 512, 64, 200_000
BARS = {
    ("single", "lloyd-4"): 0.9,
    ("recurrent", "lloyd-4"): 0.9,
    ("deep", "lloyd-4, all 4 bits"): 0.87,
    ("single", "lloyd-3"): 0.87,
}
"""Of S, on the first data set."""
D_BARS = {"single": 0.34, "deep": 0.31, "recurrent": 0.22}
"""Of D with Lloyd-Max outputs of 4 bits, one book or one for each neuron, after training and in
it."""
WITH_D_BAR = (
    *("lloyd-4", "lloyd-4-per-neuron", "lloyd-4, in training", "learned-4, in training"),
    *("lloyd-4, all 4 bits", "lloyd-4, in training, all 4 bits"),
)


class Found(NamedTuple):
    """One network on its chip: its quality against the posterior, and joules per read."""

    quality: SamplingQuality
    joules: float


class Case(NamedTuple):
    """A float network, its stimuli and its reference."""

    architecture: str
    full: TrainedNetwork
    training: np.ndarray
    held_out: np.ndarray
    reference: ss.Reference
    key: int

    def measured(self, program: Program, step: float) -> Found:
        """Of a program on the chip, whose read noise is in these steps."""
        chip = ss.Chip(program, noisy(program.first.output.bits, READ_NOISE_LSB * step))
        samples = chip.sample(self.held_out, READS, self.key)
        return Found(self.reference.compare(samples, against=self.full), samples.bill.per_read_j)

    def trained(self, bits: int) -> Program:
        """The network trained for the chip with outputs of so many bits."""
        chip = CHIP.with_precision(4, 4, bits)
        chip = chip.replace(noise=chip.noise.replace(read_sigma_lsb=READ_NOISE_LSB))
        precision = Precision(weight_bits=4, input_bits=4, output_bits=bits)
        how = {"weight_scales": "per-channel", **TRAINING[self.architecture]}
        return ss.to_program(self.full.quantise(precision, self.key, hardware=chip, **how))

    def trained_in(self, name: str, bits: int) -> tuple[Program, float]:
        """The network trained for the chip with outputs of a format, hidden codes of so many bits;
        and the step of even outputs for the float network's reads, in which read noise is given.
        """
        stimuli = self.training[:FITTED_STIMULI]
        reads = self.full.sample(stimuli, FITTED_READS, fold_in(self.key, "fit")).values
        step = even_step(
            trained_format_bits(name), chosen(reads.ravel().astype(np.float64), self.key)
        )
        chip = noisy(bits, READ_NOISE_LSB * step)
        precision = Precision(weight_bits=4, input_bits=4, output_bits=bits)
        how = {"weight_scales": "per-channel", **TRAINING[self.architecture]}
        trained = self.full.quantise(precision, self.key, hardware=chip, output_format=name, **how)
        return ss.to_program(trained), step

    def even(self, bits: int, how: dict[str, Any]) -> Found:
        """Of a network with weights, inputs and outputs of so many even bits, trained like this."""
        chip = CHIP.with_precision(bits, bits, bits)
        chip = chip.replace(noise=chip.noise.replace(read_sigma_lsb=READ_NOISE_LSB))
        precision = Precision(weight_bits=bits, input_bits=bits, output_bits=bits)
        program = ss.to_program(self.full.quantise(precision, self.key, hardware=chip, **how))
        samples = ss.Chip(program, chip).sample(self.held_out, READS, self.key)
        return Found(self.reference.compare(samples, against=self.full), samples.bill.per_read_j)

    def numbers(self, program: Program) -> np.ndarray:
        """What formats are fitted to, (read, neuron)."""
        output = program.first.output
        chip = ss.Chip(program, noisy(output.bits, READ_NOISE_LSB * output.step))
        stimuli = self.training[:FITTED_STIMULI]
        values = chip.sample(stimuli, FITTED_READS, fold_in(self.key, "fit")).values
        return values.reshape(-1, values.shape[-1]).astype(np.float64)


def noisy(bits: int, sigma: float) -> ss.Hardware:
    """The chip with outputs of so many bits and this read noise, in units of the drive."""
    chip = CHIP.with_precision(4, 4, bits)
    return chip.replace(noise=chip.noise.replace(read_sigma=sigma))


def even_step(bits: int, numbers: np.ndarray) -> float:
    """Step of evenly spaced outputs fitted to numbers (n,)."""
    return fitted_quantizer(f"int{bits}", numbers).step


def chosen(numbers: np.ndarray, key: int) -> np.ndarray:
    """Some of the numbers (n, …), drawn without repeats."""
    random = np.random.default_rng(key)
    return random.choice(numbers, min(FITTED_NUMBERS, len(numbers)), replace=False)


def case_of(architecture: str, key: int, data: str) -> Case:
    """The float network of one architecture, key and data set, and its reference."""
    found = ss.load_dataset(data, size=8, components=48, key=key)
    full = ss.train(MODEL, found.train, key, architecture=architecture, steps=STEPS)
    stimuli = found.held_out[:STIMULI]
    reference = full.reference(stimuli, key)
    return Case(architecture, full, found.train, stimuli, reference, key)


def by_format(
    case: Case,
    formats: tuple[str, ...],
    inside: dict[int, tuple[str, ...]],
    in_training: tuple[tuple[str, int], ...],
) -> dict[str, Found]:
    """All formats of one case, those of networks trained with so few bits inside, and those that
    outputs have in training.
    """
    fine = case.trained(8)
    found = {"int8": case.measured(fine, fine.output.step)}
    for name, program, step in in_formats(case, fine, formats):
        found[name] = case.measured(program, step)
    for bits, names in inside.items():
        for name, program, step in in_formats(case, case.trained(bits), names):
            found[f"{name}, all {bits} bits"] = case.measured(program, step)
    for name, bits in in_training:
        few = f", all {bits} bits" if bits < 8 and case.architecture == "deep" else ""
        found[f"{name}, in training{few}"] = case.measured(*case.trained_in(name, bits))
    return found


def on_the_front(case: Case) -> dict[str, Found]:
    """Networks that are even throughout, plainly trained and as those of formats are."""
    strong = {"weight_scales": "per-channel", **TRAINING[case.architecture]}
    found = {}
    for bits in EVEN_BITS:
        found[f"all even, {bits} bits"] = case.even(bits, strong)
        found[f"all even, {bits} bits, plainly"] = case.even(bits, {"method": "noise-aware"})
    return found


def below_the_front(found: list[dict[str, Found]], name: str, training: str) -> np.ndarray:
    """D of a format less that of even networks at its joules, (key, stimulus)."""
    lower, upper = (f"all even, {bits} bits{training}" for bits in EVEN_BITS)
    rows = []
    for one in found:
        low, high, here = (one[each] for each in (lower, upper, name))
        place = np.log(here.joules / low.joules) / np.log(high.joules / low.joules)
        d, least, most = (each.quality.per_stimulus["distance"] for each in (here, low, high))
        rows.append(d - (least + place * (most - least)))
    return np.array(rows)


def in_formats(case: Case, program: Program, formats: tuple[str, ...]) -> Any:
    """(name, the program with outputs of that format, step of even ones) for each."""
    numbers = case.numbers(program)
    flat = chosen(numbers.ravel(), case.key)
    rows = chosen(numbers, case.key)[:10_000]
    steps = {bits: even_step(bits, flat) for bits in {format_bits(name) for name in formats}}
    for name in formats:
        of = rows if name.endswith("-per-neuron") else flat
        changed = program.with_output(fitted_quantizer(name, of))
        step = steps[format_bits(name)]
        if case.architecture == "recurrent":
            changed = with_less_noise(changed, (READ_NOISE_LSB * step) ** 2)
        yield name, changed, step


def figures_of(
    architecture: str, keys: tuple[int, ...], formats: tuple[str, ...], data: str = "patches"
) -> list[Figure]:
    """S, D, coverage and joules of every format, over keys and stimuli."""
    is_first = data == "patches"
    inside = ALL_BITS if is_first and architecture == "deep" else {}
    in_training = IN_TRAINING[architecture] if is_first else ()
    cases = [case_of(architecture, key, data) for key in keys]
    by_key = [by_format(case, formats, inside, in_training) for case in cases]
    figures = []
    if is_first:
        for case, one in zip(cases, by_key, strict=True):
            one |= on_the_front(case)
        for name in [one for one in ON_THE_FRONT[architecture] if one in by_key[0]]:
            for training in ("", ", plainly"):
                less = mean_estimate(below_the_front(by_key, name, training), 0)
                title = f"{ARCHITECTURES[architecture]}, outputs {name}: D less that of all even"
                figures.append(_figure(f"{title}{training}", less, "posterior sd", 0.0))
    for name in by_key[0]:
        found = [one[name] for one in by_key]
        what = name if name.startswith("all even") else f"outputs {name}"
        title = f"{ARCHITECTURES[architecture]}{'' if is_first else f', {data}'}, {what}"
        per_key: dict[str, Any] = {
            field: np.stack([one.quality.per_stimulus[field] for one in found])
            for field in ("distance", "distance_prior", "distance_float", "coverage_90")
        }
        d = per_key["distance"]
        s = survival(d, per_key["distance_prior"], per_key["distance_float"], fold_in(0, "formats"))
        assert s.estimate is not None
        bar = BARS.get((architecture, name)) if is_first else None
        figures.append(_figure(f"{title}: S", s.estimate, "1", bar))
        is_lloyd = is_first and name in WITH_D_BAR
        d_bar = D_BARS[architecture] if is_lloyd else None
        figures.append(_figure(f"{title}: D", mean_estimate(d, 0), "posterior sd", d_bar))
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
    """Three keys of all architectures, then one on the other data set; with --quick one key of the
    single-layer network and few formats.
    """
    if options.quick:
        return figures_of("single", KEYS[:1], FEW)
    figures = []
    for architecture in ARCHITECTURES:
        figures += figures_of(architecture, KEYS, FORMATS)
    for architecture in ("single", "recurrent"):
        figures += figures_of(architecture, KEYS[:1], FEW, OTHER_DATA)
    return figures


if __name__ == "__main__":
    main(__doc__, measure)
