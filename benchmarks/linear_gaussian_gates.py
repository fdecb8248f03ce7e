"""Does training find the posterior that theory predicts? Linear-Gaussian model, fixed decoder, float and quantised networks.

Lambda = A^T A / s_x² + I. At rho = 0 and c = s = 1 a factorised network has sigma_i² = 1 / Lambda_ii and the posterior mean; under the
price C_rho, sigma_i² = (1 / Lambda_ii)^(2 / (rho + 2)), so log sigma² against log 1 / Lambda_ii has slope 2 / (rho + 2). The decoder's
columns have norms from 0.1 to 2, spaced logarithmically, so that sigma differs between neurons. Quantised networks report the same without
a bar.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from _bench import Figure, Options, main

from stochsim.deploy import Chip, export_program
from stochsim.hardware import preset
from stochsim.keys import generator
from stochsim.models import LinearGaussian, LinearGaussianSettings
from stochsim.networks import FeedForward, NetworkSettings
from stochsim.training import Trained, TrainSettings, train_float, train_quantised
from stochsim.training.loop import TrainResult

INPUTS, NEURONS, NOISE_SD = 48, 64, 0.5
STEPS, TRAIN_STIMULI, HELD_OUT = 3000, 20_000, 1000
RHOS = (0.0, 0.5, 1.0, 2.0)
QUANTISED_BITS = (8, 4, 2)


@dataclass(frozen=True)
class Problem:
    """A model with a fixed decoder and stimuli drawn from it, (stimulus, input)."""

    model: LinearGaussian
    train: np.ndarray
    held_out: np.ndarray


@dataclass(frozen=True)
class Gates:
    """sigma_error: |sigma_i² / predicted - 1| at the worst neuron; mean_error: |mean - posterior mean| / sd over stimuli and neurons.

    saturated_share: neurons whose sigma stands at a bound of the output range; above 0.1 the others mean little.
    """

    sigma_error: float
    slope: float
    slope_error: float
    mean_error: float
    saturated_share: float


def problem(key: int) -> Problem:
    """Random directions, column norms spaced logarithmically from 0.1 to 2."""
    decoder = generator(key, "decoder").standard_normal((INPUTS, NEURONS))
    decoder *= np.geomspace(0.1, 2.0, NEURONS) / np.linalg.norm(decoder, axis=0)
    model = LinearGaussian(decoder, NOISE_SD)
    stimuli, _ = model.sample(TRAIN_STIMULI + HELD_OUT, key)
    return Problem(model, stimuli[:TRAIN_STIMULI], stimuli[TRAIN_STIMULI:])


def train_network(
    task: Problem, rho: float, key: int, bits: int | None = None, start: Trained | None = None, steps: int = STEPS
) -> Trained:
    """A float network, or one of so many bits that starts from the float `start`; the decoder stays fixed."""
    settings = TrainSettings(steps=steps)
    model = LinearGaussianSettings(neurons=NEURONS, noise_sd=NOISE_SD)
    if bits is not None and start is not None:
        return train_quantised(start, task.train, model, settings, (bits, bits, bits), key)
    network = FeedForward(NetworkSettings(inputs=INPUTS, neurons=NEURONS), torch.Generator().manual_seed(key))
    decoder = torch.tensor(task.model.decoder, dtype=torch.float32)
    untrained = Trained(network, decoder, 0.0, TrainResult({}, 0.0, 0.0))
    return train_float(untrained, task.train, model, settings, rho, key)


def gates(task: Problem, trained: Trained) -> Gates:
    """Compare a trained network with theory."""
    precision = np.diag(task.model.precision)
    sigma = trained.network.log_sigma.detach().double().exp().numpy()
    exponent = 2 / (trained.rho + 2)
    slope = float(np.polyfit(-np.log(precision), 2 * np.log(sigma), 1)[0])
    mean, covariance = task.model.posterior(task.held_out)
    off = np.abs(mean_response(trained, task.held_out) - mean) / np.sqrt(np.diag(covariance))
    sigma_error = float(np.abs(sigma**2 * precision**exponent - 1).max())
    return Gates(sigma_error, slope, abs(slope - exponent), float(off.mean()), trained.network.saturated_share())


def mean_response(trained: Trained, stimuli: np.ndarray) -> np.ndarray:
    """E[r | x], (stimulus, neuron), exactly: the drive of a float network, else the values weighted by their probabilities on the chip."""
    if trained.network.settings.is_float:
        with torch.no_grad():
            return trained.network.drive(torch.tensor(stimuli, dtype=torch.float32)).double().numpy()
    program = export_program(trained)
    widths = {"weight_bits": program.weight_bits, "input_bits": program.input.bits, "output_bits": program.output.bits}
    chip = Chip(program, preset("digital-45nm").with_precision(**widths))
    values = program.output.values(program.output.c_min + np.arange(program.output.levels)).astype(np.float64)
    return np.concatenate([chip.probabilities(part) @ values for part in np.array_split(stimuli, 10)])


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
        full = f"{label}, rho = {rho:g}: {name}"
        figures.append(Figure(full, float(np.mean(values)), min(values), max(values), unit, "theory", bar if bars else None, "lower"))
    return figures


def measure(options: Options) -> list[Figure]:
    """Three keys: the value is their mean, the interval their range. With --quick one key, and a third of the steps where no bar stands."""
    steps = STEPS // 3 if options.quick else STEPS
    keys = range(1 if options.quick else 3)
    tasks = [problem(key) for key in keys]
    floats = {rho: [train_network(task, rho, key) for key, task in zip(keys, tasks, strict=True)] for rho in RHOS}
    figures = []
    for rho, networks in floats.items():
        figures += _figures("float", [gates(*pair) for pair in zip(tasks, networks, strict=True)], rho, bars=True)
    for bits in QUANTISED_BITS:
        networks = [train_network(task, 0.0, key, bits, start, steps) for key, task, start in zip(keys, tasks, floats[0.0], strict=True)]
        figures += _figures(f"{bits} bits", [gates(*pair) for pair in zip(tasks, networks, strict=True)], 0.0, bars=False)
    if options.out is not None:
        _picture(tasks[0], floats, options)
    return figures


def _picture(task: Problem, floats: dict[float, list[Trained]], options: Options) -> None:
    from matplotlib.figure import Figure as Picture

    picture = Picture(figsize=(5, 4), layout="constrained")
    axes = picture.subplots()
    variance = 1 / np.diag(task.model.precision)
    for rho, networks in floats.items():
        sigma = networks[0].network.log_sigma.detach().exp().numpy()
        (points,) = axes.loglog(variance, sigma**2, ".", label=f"rho = {rho:g}")
        axes.loglog(variance, variance ** (2 / (rho + 2)), "-", color=points.get_color(), linewidth=0.8)
    axes.set_xlabel("1 / Lambda_ii")
    axes.set_ylabel("learned sigma²  (lines: theory)")
    axes.legend()
    assert options.out is not None
    picture.savefig(options.out / "linear_gaussian_gates.png", dpi=150)


if __name__ == "__main__":
    main(__doc__, measure)
