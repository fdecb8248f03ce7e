"""What the linear-Gaussian gates share: the problem, training, and how far answers with a known
covariance are from the optimum.

The price of a circuit is on the eigenvalues lambda_k of its stationary covariance S. Of tr(Lambda
S)/2 + sum_k (lambda_k^(-rho/2) - 1)/rho (c = s = 1) the second part knows only eigenvalues, and of
all S with given ones the first is least where S shares the eigenvectors of Lambda, the largest
lambda_k beside the smallest l_k (von Neumann's trace inequality). What is left is a sum over k,
least at lambda_k = l_k^(-2/(rho+2)), so S = Lambda^(-2/(rho+2)): the posterior's own covariance at
rho = 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import linalg

from stochsim.chip import Chip, FloatChip
from stochsim.hardware import Noise, preset
from stochsim.keys import generator
from stochsim.lowering import float_program
from stochsim.models import LinearGaussian, LinearGaussianModel
from stochsim.networks import (
    ArchitectureSettings,
    Draws,
    FeedForward,
    NetworkSettings,
    one_thread,
)
from stochsim.program import Layer, Program, Quantizer, recurrent
from stochsim.training import TrainedNetwork, TrainSettings, train_float, train_quantised
from stochsim.training.loop import TrainResult

Floats = NDArray[np.float64]

INPUTS = 48
NEURONS = 64
NOISE_SD = 0.5
STEPS = 3000
TRAIN_STIMULI = 20_000
HELD_OUT = 1000
MODEL = LinearGaussian(neurons=NEURONS, noise_sd=NOISE_SD)
STIMULI = 100
SAMPLED_STIMULI = 8
READS = 10_000
CLEAR_CORRELATION = 0.1


@dataclass(frozen=True)
class Problem:
    """A model with a fixed decoder and stimuli drawn from it, (stimulus, input)."""

    model: LinearGaussianModel
    train: np.ndarray
    held_out: np.ndarray


def problem(
    key: int, neurons: int = NEURONS, train_stimuli: int = TRAIN_STIMULI, least: float = 0.1
) -> Problem:
    """Random directions, column norms spaced logarithmically from `least` to 2."""
    decoder = generator(key, "decoder").standard_normal((INPUTS, neurons))
    decoder *= np.geomspace(least, 2.0, neurons) / np.linalg.norm(decoder, axis=0)
    model = LinearGaussianModel(decoder, NOISE_SD)
    stimuli, _ = model.sample(train_stimuli + HELD_OUT, key)
    return Problem(model, stimuli[:train_stimuli], stimuli[train_stimuli:])


def train_network(
    task: Problem,
    rho: float,
    key: int,
    bits: int | None = None,
    start: TrainedNetwork | None = None,
    steps: int = STEPS,
) -> TrainedNetwork:
    """A float network, or one of `bits` bits that starts from the float `start`; the decoder stays
    fixed.
    """
    settings = TrainSettings(steps=steps)
    if bits is not None and start is not None:
        return train_quantised(start, task.train, MODEL, settings, (bits, bits, bits), key)
    network = FeedForward(
        NetworkSettings(inputs=INPUTS, neurons=NEURONS), torch.Generator().manual_seed(key)
    )
    decoder = torch.tensor(task.model.decoder, dtype=torch.float32)
    untrained = TrainedNetwork(network, decoder, 0.0, TrainResult({}, 0.0, 0.0))
    return train_float(untrained, task.train, MODEL, settings, rho, key)


def train_architecture(
    task: Problem, kind: str, rho: float, start: TrainedNetwork, key: int
) -> TrainedNetwork:
    """The float network of an architecture, from the trained single layer `start` on, by the
    settings' own steps.
    """
    return train_float(
        start,
        task.train,
        MODEL,
        TrainSettings(),
        rho,
        key,
        architecture=ArchitectureSettings(kind=kind),
    )


# ---- gate 3: covariances


def optimal_covariance(precision: Floats, rho: float) -> Floats:
    """Lambda^(-2/(rho+2)), (neuron, neuron)."""
    values, vectors = np.linalg.eigh(precision)
    return np.asarray((vectors * values ** (-2 / (rho + 2))) @ vectors.T)


@one_thread()
def moments(trained: TrainedNetwork, x: np.ndarray) -> tuple[Floats, Floats]:
    """Mean (stimulus, neuron) and covariance (stimulus, neuron, neuron) of a float network's
    answers, in closed form.
    """
    with torch.no_grad():
        response = trained.network.response(
            torch.tensor(x, dtype=torch.float32), Draws(torch.Generator())
        )
    full = (
        response.covariance
        if response.covariance is not None
        else torch.diag_embed(response.variances)
    )
    return response.mean.double().numpy(), full.double().numpy()


def sampled_covariance(
    trained: TrainedNetwork, x: np.ndarray, key: int, reads: int = READS
) -> Floats:
    """Covariance (neuron, neuron) of `reads` samples of each stimulus x (stimulus, input) on a
    float chip, less its mean of each stimulus.
    """
    values = FloatChip(float_program(trained)).sample(x, reads, key).values.astype(np.float64)
    off = values - values.mean(1, keepdims=True)
    return np.einsum("sri,srj->ij", off, off, optimize=True) / (len(x) * (reads - 1))


def correlations(covariance: Floats) -> Floats:
    """Of covariances (..., neuron, neuron)."""
    sd = np.sqrt(np.diagonal(covariance, axis1=-2, axis2=-1))
    return np.asarray(covariance / (sd[..., :, None] * sd[..., None, :]))


def covariance_error(covariance: Floats, target: Floats) -> float:
    """|S - target| / |target| in Frobenius norms, averaged over stimuli."""
    return float(
        (np.linalg.norm(covariance - target, axis=(-2, -1)) / np.linalg.norm(target)).mean()
    )


def right_signs(covariance: Floats, target: Floats) -> float:
    """Share of the target's correlations above 0.1 in size that have the same sign; a correlation
    of 0 has none.
    """
    wanted = correlations(target)
    clear = (np.abs(wanted) > CLEAR_CORRELATION) & ~np.eye(len(target), dtype=bool)
    return float((np.sign(correlations(covariance)) == np.sign(wanted))[..., clear].mean())


@dataclass(frozen=True)
class MomentErrors:
    """Covariance and mean of a float network's answers to held-out stimuli, against the optimum at
    its rho and the posterior.

    mean_error in posterior sd; kl: nats per stimulus to the posterior, for answers taken as
    Gaussian. At rho = 0, c = 1 the objective L is kl and a constant, so differences of kl are
    differences of L. sampled_*: nan where nothing was sampled.
    """

    covariance_error: float
    right_signs: float
    sampled_error: float
    sampled_signs: float
    posterior_error: float
    mean_error: float
    kl: float


def moment_errors(task: Problem, trained: TrainedNetwork, sampled: bool, key: int) -> MomentErrors:
    """Closed form over 100 stimuli; samples, 10,000 of each of 8 stimuli, for their common
    covariance, to which chance alone adds 0.025.
    """
    precision = task.model.precision
    x = task.held_out[:STIMULI]
    target = optimal_covariance(precision, trained.rho)
    mean, posterior = task.model.posterior(x)
    found_mean, found = moments(trained, x)
    drawn = (
        sampled_covariance(trained, x[:SAMPLED_STIMULI], key)
        if sampled
        else np.full_like(target, np.nan)
    )
    return MomentErrors(
        covariance_error(found, target),
        right_signs(found, target),
        covariance_error(drawn, target),
        right_signs(drawn, target),
        covariance_error(found, posterior),
        float((np.abs(found_mean - mean) / np.sqrt(np.diag(posterior))).mean()),
        float(kl_to_posterior(found_mean - mean, found, precision).mean()),
    )


def kl_to_posterior(off: Floats, covariance: Floats, precision: Floats) -> Floats:
    """KL (stimulus,) in nats of N(m + off, covariance) from N(m, precision^-1): off (stimulus,
    neuron).
    """
    product = precision @ covariance
    trace = np.trace(product, axis1=-2, axis2=-1)
    _, log_det = np.linalg.slogdet(product)
    return np.asarray(
        0.5 * (trace - len(precision) - log_det + np.einsum("si,ij,sj->s", off, precision, off))
    )


def factorised_gap(precision: Floats) -> float:
    """KL in nats of the best factorised answer, N(m, diag 1/Lambda_ii), from the posterior."""
    return float(0.5 * (np.log(np.diag(precision)).sum() - np.linalg.slogdet(precision)[1]))


# ---- gate 4: the kernels


@dataclass(frozen=True)
class Langevin:
    """An 8-bit circuit of a few neurons on a chip: u' = (I - time_step/2 Lambda) u + noise, which
    samples a posterior, and its noise.

    The state's step is 1.25 sd of the injected noise, so that rounding matters; read_sigma: what
    the chip adds.
    """

    program: Program
    matrix: Floats
    injected: float
    rounding: float
    read_sigma: float

    def predicted(self, rounding: bool = True) -> Floats:
        """The covariance that solves the discrete Lyapunov equation, with the rounding's variance
        step²/12 or without.
        """
        variance = self.injected + self.read_sigma**2 + self.rounding * rounding
        return np.asarray(
            linalg.solve_discrete_lyapunov(self.matrix, variance * np.eye(len(self.matrix)))
        )

    def sampled(self, reads: int, key: int) -> Floats:
        """Covariance (neuron, neuron) of `reads` reads on the chip, for a stimulus of 0."""
        hardware = (
            preset("digital-45nm")
            .with_precision(8, 8, 8)
            .replace(noise=Noise(read_sigma=self.read_sigma))
        )
        values = (
            Chip(self.program, hardware)
            .sample(np.zeros((1, INPUTS)), reads, key, count=False)
            .values[0]
            .astype(np.float64)
        )
        return values.T @ values / reads


def langevin(precision: Floats, time_step: float = 0.06, steps: int = 60) -> Langevin:
    """The circuit for this posterior precision; `steps` should be many times 1/(time_step
    l_min).
    """
    neurons = len(precision)
    wanted = np.eye(neurons) - 0.5 * time_step * precision
    lateral = wanted * ~np.eye(neurons, dtype=bool)
    scale = np.abs(lateral).max() / 127
    codes = np.rint(lateral / scale).astype(np.int8)
    matrix = scale * codes + np.diag(np.diag(wanted))
    state = Quantizer(8, 1.25 * time_step**0.5)
    zeros = np.zeros(neurons)
    sigma = np.full(neurons, time_step**0.5)
    nothing = np.zeros((neurons, INPUTS), np.int8)
    seen = Layer(nothing, 8, 0.01, Quantizer(8, 0.02), state, zeros, sigma)
    back = Layer(codes, 8, scale, state, state, zeros, zeros)
    values = state.step * (state.c_min + np.arange(state.levels))
    program = recurrent(
        seen,
        back,
        values[:, None] * np.diag(wanted),
        steps,
        float(np.abs(np.linalg.eigvals(matrix)).max()),
    )
    return Langevin(program, matrix, time_step, state.step**2 / 12, 0.5 * time_step**0.5)


def mean_and_range(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean, least and greatest."""
    return float(np.mean(values)), min(values), max(values)
