"""Does training find the posterior that theory predicts?

Linear-Gaussian model, fixed decoder, float and quantised networks.

Lambda = A^T A / s_x² + I. At rho = 0 and c = s = 1 a factorised network has sigma_i² = 1 /
Lambda_ii and the posterior mean (gate 1); under the price C_rho, sigma_i² = (1 / Lambda_ii)^(2 /
(rho + 2)), so log sigma² against log 1 / Lambda_ii has slope 2 / (rho + 2) (gate 2). The decoder's
columns have norms from 0.1 to 2, spaced logarithmically, so that sigma differs between neurons.
Quantised networks report the same without a bar.

A recurrent circuit has the posterior's whole covariance, Lambda^-1, and under the price
Lambda^(-2/(rho+2)) (gate 3). Single layer and deep network stand beside it without a bar: their
answers to a stimulus are independent, and cannot. A circuit of 8 bits on the chip follows the
discrete Lyapunov equation (gate 4). Of factorised answers the single layer's are the best already,
so depth gains nothing (gate 5): the paired difference of L in nats, as a share of the single
layer's own gap, L less -log p(x), which is what recurrence can gain and the scale on which a gain
would matter; bar 5 % either way.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import torch
from _bench import Figure, Options, main
from _gates import (
    STEPS,
    MomentErrors,
    Problem,
    correlations,
    covariance_error,
    factorised_gap,
    langevin,
    mean_and_range,
    moment_errors,
    moments,
    problem,
    train_architecture,
    train_network,
)

from stochsim.chip import Chip
from stochsim.hardware import preset
from stochsim.lowering import to_program
from stochsim.networks import ARCHITECTURES
from stochsim.report import ARCHITECTURE_WORDS
from stochsim.training import TrainedNetwork

RHOS = (0.0, 0.5, 2 / 3, 1.0, 4 / 3, 2.0)
CIRCUIT_RHOS = (0.0, 1.0, 2.0)
QUANTISED_BITS = (8, 4, 2)
KERNEL_NEURONS = 8
KERNEL_READS = 150_000
KINDS = tuple(ARCHITECTURES)


@dataclass(frozen=True)
class Gates:
    """sigma_error: |sigma_i² / predicted - 1| at the worst neuron; mean_error: |mean - posterior
    mean| / sd over stimuli and neurons.

    saturated_share: neurons whose sigma stands at a bound of the output range; above 0.1 the others
    mean little.
    """

    sigma_error: float
    slope: float
    slope_error: float
    mean_error: float
    saturated_share: float


def gates(task: Problem, trained: TrainedNetwork) -> Gates:
    """Compare a trained single layer with theory."""
    precision = np.diag(task.model.precision)
    sigma = trained.network.log_sigma.detach().double().exp().numpy()
    exponent = 2 / (trained.rho + 2)
    slope = float(np.polyfit(-np.log(precision), 2 * np.log(sigma), 1)[0])
    mean, covariance = task.model.posterior(task.held_out)
    off = np.abs(mean_response(trained, task.held_out) - mean) / np.sqrt(np.diag(covariance))
    sigma_error = float(np.abs(sigma**2 * precision**exponent - 1).max())
    return Gates(
        sigma_error,
        slope,
        abs(slope - exponent),
        float(off.mean()),
        trained.network.saturated_share(),
    )


def mean_response(trained: TrainedNetwork, stimuli: np.ndarray) -> np.ndarray:
    """E[r | x], (stimulus, neuron), exactly: the drive of a float network, else the values weighted
    by their probabilities on the chip.
    """
    if trained.network.settings.is_float:
        with torch.no_grad():
            return (
                trained.network.drive(torch.tensor(stimuli, dtype=torch.float32)).double().numpy()
            )
    program = to_program(trained)
    widths = {
        "weight_bits": program.weight_bits,
        "input_bits": program.input.bits,
        "output_bits": program.output.bits,
    }
    chip = Chip(program, preset("digital-45nm").with_precision(**widths))
    values = program.output.values(program.output.c_min + np.arange(program.output.levels)).astype(
        np.float64
    )
    return np.concatenate(
        [chip.probabilities(part) @ values for part in np.array_split(stimuli, 10)]
    )


def _figures(label: str, measured: Sequence[Gates], rho: float, bars: bool) -> list[Figure]:
    names = {
        "sigma_error": ("sigma² off 1/Lambda, worst neuron", 0.05 if rho == 0 else None),
        "slope_error": ("slope off 2/(rho+2)", 0.05 if rho > 0 else None),
        "mean_error": ("mean error", 0.05 if rho == 0 else None),
    }
    if not bars:
        names["saturated_share"] = ("sigma at a bound", None)
    figures = []
    for field, (name, bar) in names.items():
        values = [getattr(gate, field) for gate in measured]
        unit = "posterior sd" if field == "mean_error" else "1"
        full = f"{label}, rho = {rho:.3g}: {name}"
        figures.append(
            Figure(full, *mean_and_range(values), unit, "theory", bar if bars else None, "lower")
        )
    return figures


# ---- gates 3 to 5


class _Measure(NamedTuple):
    """One measure of a MomentErrors: its field, its name, what it is held against, and its bar."""

    field: str
    name: str
    against: str
    bar: float | None = None
    unit: str = "1"
    better: Literal["higher", "lower"] = "lower"

    def figure(self, label: str, measured: Sequence[MomentErrors], barred: bool) -> Figure:
        """Its mean and range over keys; the bar where `barred`."""
        values = mean_and_range([getattr(each, self.field) for each in measured])
        bar = self.bar if barred else None
        return Figure(f"{label}: {self.name}", *values, self.unit, self.against, bar, self.better)


def covariance_figures(kind: str, measured: Sequence[MomentErrors], rho: float) -> list[Figure]:
    """Gate 3: covariance, signs of correlations, mean and KL of one architecture; bars for the
    recurrent one.
    """
    barred = kind == "recurrent"
    target = "Lambda^-1" if rho == 0 else f"Lambda^-{2 / (rho + 2):.3g}"
    measures = [
        _Measure("covariance_error", "covariance error, closed form", target, 0.10),
        _Measure("right_signs", "correlations of right sign", target, 1.0, better="higher"),
    ]
    if barred:
        name = "correlations of right sign, samples"
        measures.append(_Measure("sampled_error", "covariance error, samples", target, 0.10))
        measures.append(_Measure("sampled_signs", name, target, 1.0, better="higher"))
    if rho > 0:
        measures.append(_Measure("posterior_error", "covariance off Lambda^-1", "Lambda^-1"))
    bar = 0.05 if rho == 0 else None
    measures.append(_Measure("mean_error", "mean error", "posterior", bar, "posterior sd"))
    if rho == 0:
        measures.append(_Measure("kl", "KL to the posterior", "posterior", unit="nat"))
    label = f"{ARCHITECTURE_WORDS[kind]}, rho = {rho:.3g}"
    return [measure.figure(label, measured, barred) for measure in measures]


def depth_figures(
    tasks: Sequence[Problem], measured: dict[str, list[MomentErrors]]
) -> list[Figure]:
    """Gate 5: what depth gains over a single layer, and for comparison recurrence."""
    gaps = [factorised_gap(task.model.precision) for task in tasks]
    figures = [
        Figure(
            "best factorised answers: KL to the posterior", *mean_and_range(gaps), "nat", "theory"
        )
    ]
    for kind in KINDS[1:]:
        word = ARCHITECTURE_WORDS[kind]
        gains = [
            single.kl - other.kl
            for single, other in zip(measured["single"], measured[kind], strict=True)
        ]
        figures.append(
            Figure(
                f"{word}: L lower than the single layer's by",
                *mean_and_range(gains),
                "nat",
                "single layer",
            )
        )
        if kind == "deep":
            shares = [abs(gain) / gap for gain, gap in zip(gains, gaps, strict=True)]
            figures.append(
                Figure(
                    f"{word}: |L off the single layer's| / its gap",
                    *mean_and_range(shares),
                    "1",
                    "single layer",
                    0.05,
                    "lower",
                )
            )
    return figures


def kernel_figures(keys: Sequence[int], reads: int = KERNEL_READS) -> list[Figure]:
    """Gate 4: an 8-bit Langevin circuit with a chip's read noise, and the same against a prediction
    that forgets the rounding.
    """
    errors: dict[bool, list[float]] = {True: [], False: []}
    for key in keys:
        circuit = langevin(problem(key, KERNEL_NEURONS, 1, least=0.7).model.precision)
        found = circuit.sampled(reads, key)
        for rounding in errors:
            errors[rounding].append(covariance_error(found, circuit.predicted(rounding)))
    name = "8-bit circuit on the chip: covariance error"
    solved = "solve_discrete_lyapunov"
    return [
        Figure(name, *mean_and_range(errors[True]), "1", solved, 0.02, "lower"),
        Figure(
            f"{name}, step²/12 left out", *mean_and_range(errors[False]), "1", solved, None, "lower"
        ),
    ]


# ---- all of them


def measure(options: Options) -> list[Figure]:
    """Three keys: the value is their mean, the interval their range.

    With --quick one key, and a third of the steps where no bar stands.
    """
    steps = STEPS // 3 if options.quick else STEPS
    keys = range(1 if options.quick else 3)
    tasks = [problem(key) for key in keys]
    floats = {
        rho: [train_network(task, rho, key) for key, task in zip(keys, tasks, strict=True)]
        for rho in RHOS
    }
    figures = []
    for rho, networks in floats.items():
        figures += _figures(
            "float", [gates(*pair) for pair in zip(tasks, networks, strict=True)], rho, bars=True
        )
    for bits in QUANTISED_BITS:
        networks = [
            train_network(task, 0.0, key, bits, start, steps)
            for key, task, start in zip(keys, tasks, floats[0.0], strict=True)
        ]
        figures += _figures(
            f"{bits} bits",
            [gates(*pair) for pair in zip(tasks, networks, strict=True)],
            0.0,
            bars=False,
        )
    shown, more = _architectures(tasks, floats[0.0])
    if options.out is not None:
        _picture(tasks[0], floats, options)
        correlation_picture(tasks[0], shown, options)
    return [*figures, *more, *kernel_figures(keys)]


def _architectures(
    tasks: Sequence[Problem], starts: Sequence[TrainedNetwork]
) -> tuple[dict[str, TrainedNetwork], list[Figure]]:
    """The networks of the first key at rho = 0, and the figures of gates 3 and 5."""
    shown: dict[str, TrainedNetwork] = {}
    measured: dict[str, list[MomentErrors]] = {}
    figures = []
    for kind in KINDS:
        for rho in CIRCUIT_RHOS if kind == "recurrent" else (0.0,):
            networks = [
                start if kind == "single" else train_architecture(task, kind, rho, start, key)
                for key, (task, start) in enumerate(zip(tasks, starts, strict=True))
            ]
            found = [
                moment_errors(task, one, kind == "recurrent", key)
                for key, (task, one) in enumerate(zip(tasks, networks, strict=True))
            ]
            figures += covariance_figures(kind, found, rho)
            if rho == 0:
                shown[kind] = networks[0]
                measured[kind] = found
    return shown, figures + depth_figures(tasks, measured)


def _picture(task: Problem, floats: dict[float, list[TrainedNetwork]], options: Options) -> None:
    from matplotlib.figure import Figure as Picture

    picture = Picture(figsize=(5, 4), layout="constrained")
    axes = picture.subplots()
    variance = 1 / np.diag(task.model.precision)
    for rho, networks in floats.items():
        sigma = networks[0].network.log_sigma.detach().exp().numpy()
        (points,) = axes.loglog(variance, sigma**2, ".", label=f"rho = {rho:.3g}")
        axes.loglog(
            variance, variance ** (2 / (rho + 2)), "-", color=points.get_color(), linewidth=0.8
        )
    axes.set_xlabel("1 / Lambda_ii")
    axes.set_ylabel("learned sigma²  (lines: theory)")
    axes.legend()
    assert options.out is not None
    picture.savefig(options.out / "linear_gaussian_gates.png", dpi=150)


def correlation_picture(
    task: Problem, networks: dict[str, TrainedNetwork], options: Options
) -> None:
    """The posterior's correlations of all pairs of neurons against each network's."""
    from matplotlib.figure import Figure as Picture

    picture = Picture(figsize=(4 * len(networks), 4), layout="constrained")
    covariance = task.model.posterior(task.held_out[:1])[1]
    pairs = np.triu_indices(len(covariance), 1)
    for axes, (kind, trained) in zip(
        np.atleast_1d(picture.subplots(1, len(networks), sharey=True)),
        networks.items(),
        strict=True,
    ):
        wanted = correlations(covariance)[pairs]
        found = correlations(moments(trained, task.held_out[:1])[1][0])[pairs]
        ends = [wanted.min(), wanted.max()]
        axes.plot(ends, ends, "-", color="black", linewidth=0.8)
        axes.plot(wanted, found, ".", markersize=3)
        axes.set(
            title=ARCHITECTURE_WORDS[kind],
            xlabel="posterior correlation",
            ylabel="network's correlation",
        )
        axes.label_outer()
    assert options.out is not None
    picture.savefig(options.out / "linear_gaussian_correlations.png", dpi=150)


if __name__ == "__main__":
    main(__doc__, measure)
