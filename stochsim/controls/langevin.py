"""A circuit wired by hand: unadjusted Langevin steps on the posterior, its weights tied to the
decoder.

    u' = u + eta/2 (Aᵀ(x - A u)/s_x² - phi'(u)) + sqrt(eta) xi

One step size eta is free. At a fixed number of steps a small one does not arrive and a large one
inflates the variance, so the circuit gets the step that is best for a Gaussian posterior of the
same curvature: along an eigenvector of precision lambda a step multiplies by f = 1 - eta lambda/2,
and after T steps the variance is eta (1 - f^2T)/(1 - f²), with f^T of the way to the mean still to
go.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stochsim.models import LinearGaussian, SparseCoding
from stochsim.networks import ArchitectureSettings
from stochsim.program import FloatLayer, FloatProgram, FloatRecurrent, float_recurrent

Floats = NDArray[np.floating]
KINK_WIDTH = 0.05
"""The sign in the gradient of |r| is erf(r / (sqrt 2 width)), which a neuron can compute; small
beside a step's noise.
"""
SPRING = 1e-3
"""A weak pull to 0, in units of the mean precision: without it nothing contracts along directions
that the decoder does not see.
"""
_STEPS_TRIED = np.geomspace(0.02, 3.8, 200)


@dataclass(frozen=True)
class Langevin:
    """The circuit, its step eta, and the root mean squared error (posterior sd) that a Gaussian
    posterior would give it.
    """

    program: FloatProgram
    step: float
    predicted_error: float


def squared_error(step: float, precision: Floats, steps: int, prior_precision: float) -> float:
    """Mean over eigenvectors of the squared Wasserstein-2 distance to N(m, 1/precision) after
    `steps` steps, in units of its variance.

    precision (neuron,): eigenvalues; m has the variance that the prior leaves to it,
    1/prior_precision - 1/precision.
    """
    factor = 1 - step * precision / 2
    variance = step * (1 - factor ** (2 * steps)) / (1 - factor**2)
    lag = factor ** (2 * steps) * (precision / prior_precision - 1)
    return float(np.mean((np.sqrt(variance * precision) - 1) ** 2 + lag))


def langevin_circuit(
    decoder: Floats,
    model: SparseCoding | LinearGaussian,
    architecture: ArchitectureSettings,
) -> Langevin:
    """The circuit for a decoder (input, neuron), with the time step and the number of steps of
    `architecture`.

    The decoder's columns may be dependent, and some of them 0.
    """
    sparse = isinstance(model, SparseCoding)
    neurons = decoder.shape[1]
    prior_precision = 1 / (2 * model.laplace_scale**2) if isinstance(model, SparseCoding) else 1.0
    seen = decoder.T @ decoder / model.noise_sd**2
    precision = np.linalg.eigvalsh(seen) + prior_precision
    tried = _STEPS_TRIED / precision.max()
    errors = [squared_error(step, precision, architecture.steps, prior_precision) for step in tried]
    step = float(tried[np.argmin(errors)])
    rate = architecture.time_step
    gain = step / (2 * rate)
    linear = SPRING * np.trace(seen) / neurons if sparse else prior_precision
    wiring = FloatRecurrent(
        time_step=rate,
        shrink=np.full(
            neurons, gain / model.laplace_scale if isinstance(model, SparseCoding) else 0.0
        ),
        width=np.full(neurons, KINK_WIDTH),
        sigma=np.full(neurons, np.sqrt(step)),
        steps=architecture.steps,
    )
    readout = FloatLayer(gain * decoder.T / model.noise_sd**2, np.zeros(neurons))
    lateral = np.eye(neurons) - gain * (seen + linear * np.eye(neurons))
    program = float_recurrent(readout, lateral, wiring)
    return Langevin(program, step, float(np.sqrt(min(errors))))
