"""Widths learned under their price: how many bits does a network buy as a joule gets dearer, and
are they better spent than uniform ones?

A single-layer network for sparse coding of natural image patches learns the widths of its weights,
inputs and outputs under lambda times the joules of a read on a noisy in-memory chip, for five
values of lambda [nat/J], and is then trained for that chip at these widths; beside it the same
network at uniform widths of 2 to 8 bits, trained in the same way. Widths move by Brevitas's learned
bit width: at least 2, rounded to whole bits, the gradient passes the rounding.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from _bench import Figure, Options, main

from stochsim.chip import Chip
from stochsim.data import evaluation_stimuli, load_dataset
from stochsim.hardware import Noise, preset
from stochsim.keys import fold_in
from stochsim.lowering import to_program
from stochsim.models import SparseCoding, build_model
from stochsim.posterior import Estimate, PosteriorDistance, mean_estimate
from stochsim.training import (
    Method,
    TrainedNetwork,
    TrainSettings,
    learn_bits,
    learn_decoder,
    train_quantised,
)
from stochsim.training.bit_price import joules_per_read

NATS_PER_JOULE = (1e9, 1e10, 1e11, 3e11, 1e12)
UNIFORM = (2, 3, 4, 5, 6, 7, 8)
STEPS = 1500
STIMULI = 32
READS = 1000
MODEL = SparseCoding(neurons=64, noise_sd=0.5, laplace_scale=1.0)
CHIP = preset("in-memory-28nm").replace(noise=Noise(read_sigma_lsb=0.29, input_dither="stochastic"))
METHOD: Method = "noise-aware"
CLEARLY = 0.01  # posterior sd: what counts as a lower D


@dataclass(frozen=True)
class Point:
    """One network: its widths (weights, inputs, outputs), joules per read, D per stimulus
    (stimulus,), and the terms of L in nats.
    """

    widths: tuple[int, int, int]
    joules: float
    d: np.ndarray
    objective: float

    @property
    def mean_bits(self) -> float:
        """Mean of the three widths."""
        return float(np.mean(self.widths))


class Bench:
    """One key's data, decoder, reference and float network."""

    def __init__(self, key: int, steps: int) -> None:
        self.key = key
        self.settings = TrainSettings(steps=steps)
        data = load_dataset("patches", size=8, components=48, key=key)
        self.train = data.train
        self.stimuli = data.held_out[evaluation_stimuli(data, STIMULI, key)]
        self.full = learn_decoder(self.train, MODEL, TrainSettings(steps=STEPS), key)
        reference = build_model(MODEL, self.full.decoder_array).reference(self.stimuli, key)
        self.to_posterior = PosteriorDistance(
            (reference.subset(0, READS), reference.subset(1, READS)), reference.mean, reference.sd
        )

    def learned(self, nats_per_joule: float) -> Point:
        """The network that buys its widths at this rate."""
        settings = self.settings.model_copy(update={"nats_per_joule": nats_per_joule})
        return self._point(
            learn_bits(self.full, self.train, MODEL, settings, CHIP, self.key, method=METHOD)
        )

    def uniform(self, bits: int) -> Point:
        """The network at one width throughout."""
        chosen: dict[str, Any] = {"method": METHOD, "hardware": CHIP}
        return self._point(
            train_quantised(
                self.full, self.train, MODEL, self.settings, (bits,) * 3, self.key, **chosen
            )
        )

    def _point(self, trained: TrainedNetwork) -> Point:
        program = to_program(trained)
        widths = (program.weight_bits, program.input.bits, program.output.bits)
        samples = Chip(program, CHIP.with_precision(*widths)).sample(
            self.stimuli, READS, fold_in(self.key, "reads"), count=False
        )
        terms = trained.result.terms
        objective = terms["reconstruction"] + terms["activity"] + terms["reliability"]
        return Point(
            widths,
            joules_per_read(trained.network, CHIP, widths),
            self.to_posterior.distance(samples.values).total,
            objective,
        )


def beaten(learned: list[Point], uniform: list[Point]) -> list[Point]:
    """Learned points that a uniform one beats clearly in D at no more joules."""
    return [
        p
        for p in learned
        if any(u.joules <= p.joules and u.d.mean() < p.d.mean() - CLEARLY for u in uniform)
    ]


def _together(name: str, values: list[float], unit: str, **more: Any) -> Figure:
    """The mean over keys, with their range."""
    return Figure(name, float(np.mean(values)), min(values), max(values), unit, **more)


def _distance(points: list[Point]) -> Estimate:
    """D over stimuli, and over keys where there are several."""
    stacked = np.stack([point.d for point in points])
    return mean_estimate(stacked if len(points) > 1 else stacked[0], fold_in(0, "learned bits"))


def measure(options: Options) -> list[Figure]:
    """Three keys; one with --quick."""
    benches = [Bench(key, STEPS) for key in range(1 if options.quick else 3)]
    learned = {rate: [bench.learned(rate) for bench in benches] for rate in NATS_PER_JOULE}
    uniform = {bits: [bench.uniform(bits) for bench in benches] for bits in UNIFORM}
    figures = []
    for rate, points in learned.items():
        widths = " ".join("/".join(map(str, point.widths)) for point in points)
        figures.append(
            _together(
                f"lambda = {rate:.0e} nat/J: mean bits ({widths})",
                [point.mean_bits for point in points],
                "bits",
            )
        )
        figures += _point_figures(f"lambda = {rate:.0e} nat/J", points)
    for bits, points in uniform.items():
        figures += _point_figures(f"uniform, {bits} bits", points)
    falls = [
        min(b.mean_bits - a.mean_bits for a, b in pairwise(line))
        for line in zip(*list(learned.values())[::-1], strict=True)
    ]
    figures.append(
        _together("least fall of mean bits from one lambda to the next", falls, "bits", bar=0.0)
    )
    by_key = [
        ([points[key] for points in each.values()])
        for each in (learned, uniform)
        for key in range(len(benches))
    ]
    lost = [
        float(len(beaten(*pair)))
        for pair in zip(by_key[: len(benches)], by_key[len(benches) :], strict=True)
    ]
    figures.append(
        _together(
            "learned points that uniform bits beat in D and joules",
            lost,
            "of 5",
            bar=0.0,
            better="lower",
        )
    )
    if options.out is not None:
        _picture(learned, uniform, options)
    return figures


def _point_figures(name: str, points: list[Point]) -> list[Figure]:
    d = _distance(points)
    return [
        _together(
            f"{name}: joules per read",
            [1e12 * point.joules for point in points],
            "pJ",
            better="lower",
        ),
        Figure(f"{name}: D", d.value, d.low, d.high, "posterior sd", better="lower"),
        _together(f"{name}: L", [point.objective for point in points], "nat", better="lower"),
    ]


def _picture(
    learned: dict[float, list[Point]], uniform: dict[int, list[Point]], options: Options
) -> None:
    from matplotlib.figure import Figure as Picture

    sheet = Picture(figsize=(9, 4), layout="constrained")
    for axes, label, value in zip(
        sheet.subplots(1, 2),
        ("D [posterior sd]", "L [nat per stimulus]"),
        (lambda p: p.d.mean(), lambda p: p.objective),
        strict=True,
    ):
        for name, marker, lines in (
            ("uniform bits", "s-", uniform),
            ("learned bits", "o-", learned),
        ):
            x = [1e12 * np.mean([point.joules for point in points]) for points in lines.values()]
            axes.plot(
                x,
                [np.mean([value(point) for point in points]) for points in lines.values()],
                marker,
                label=name,
            )
        axes.set(xscale="log", xlabel="joules per read, pJ (without reliability)", ylabel=label)
    axes.legend()
    assert options.out is not None
    sheet.savefig(options.out / "learned_bits.png", dpi=150)


if __name__ == "__main__":
    main(__doc__, measure)
