"""Recurrent circuits in plain NumPy: the oracle of `integer_circuit`, of `stochastic_rounding` for
it, and of `float_circuit`.
"""

from typing import NamedTuple

import numpy as np
from scipy import special

from stochsim_kernels.circuit.float_circuit import FloatStep
from stochsim_kernels.circuit.integer_circuit import Steps
from stochsim_kernels.random.address import DrawAddress
from stochsim_kernels.reference import neuron_codes as reference
from stochsim_kernels.reference.neuron_codes import PlainLaw


class PlainCircuit(NamedTuple):
    """`integer_circuit.Circuit` with weights (neuron, neuron) as they are, sigma and other
    (neuron,).
    """

    weights: np.ndarray
    scale: float
    bias: np.ndarray
    own: np.ndarray
    sigma: np.ndarray
    other: np.ndarray
    law: PlainLaw


class PlainStimuli(NamedTuple):
    """`integer_circuit.Rounded` with weights (neuron, input) as they are, but for its layer."""

    weights: np.ndarray
    scale: float
    bias: np.ndarray
    lower: np.ndarray
    gap: int
    least: np.ndarray


def two_codes(drive: np.ndarray, law: PlainLaw) -> tuple[np.ndarray, np.ndarray]:
    """Levels that every u reaches, and the u from which on the next is reached, 2^31 where there is
    none: (stimulus, neuron). law: uniform noise, identity.
    """
    table = reference.thresholds(drive, 0.0, law.step / np.sqrt(12), law)
    lower = (table == 0).sum(axis=1)
    above = np.concatenate(
        [table, np.full((len(drive), 1, drive.shape[1]), 2**31, np.uint32)], axis=1
    )
    return lower, np.take_along_axis(above, lower[:, None], axis=1)[:, 0]


def _at_step(address: DrawAddress, steps: Steps, t: int) -> DrawAddress:
    return address._replace(event=address.event + steps.events * t)


def rounded(stimuli: PlainStimuli, address: DrawAddress, steps: Steps, reads: int) -> np.ndarray:
    """What stimuli that are rounded afresh add to drives, (step, stimulus, read, neuron); address:
    that of the inputs at the first step.
    """
    weights, scale, bias, lower, gap, least = stimuli
    shape = (len(lower), reads, lower.shape[1])
    out = []
    for t in range(steps.number):
        up = reference.integers(_at_step(address, steps, t), shape) >= least[:, None]
        sums = (lower[:, None].astype(np.int64) + gap * up) @ weights.T.astype(np.int64)
        out.append(sums * scale + bias)
    return np.array(out)


def run_chains(
    circuit: PlainCircuit,
    stimulus_drive: np.ndarray,
    address: DrawAddress,
    steps: Steps,
    codes: np.ndarray,
) -> np.ndarray:
    """Codes (stimulus, read, neuron) after `steps`.

    stimulus_drive: (stimulus, neuron), or (step, stimulus, read, neuron).
    """
    weights, scale, bias, own, sigma, other, law = circuit
    neurons = np.arange(len(weights))
    for t in range(steps.number):
        codes = codes.astype(np.int64)
        sums = (2 * codes - 1 if law.levels == 2 else codes) @ weights.T.astype(np.int64)
        added = stimulus_drive[t] if stimulus_drive.ndim == 4 else stimulus_drive[:, None]
        drive = sums * scale + bias + added + own[codes - law.c_min, neurons]
        u = reference.integers(_at_step(address, steps, t), codes.shape)
        after = np.empty(codes.shape, np.int8)
        for n in neurons:
            table = reference.thresholds(drive[..., n].reshape(-1, 1), sigma[n], other[n], law)
            column = reference.count_codes(u[..., n].reshape(-1, 1), table, law.c_min)
            after[..., n] = column.reshape(codes.shape[:2])
        codes = after
    return codes


def finish_step(
    state: np.ndarray, step: FloatStep, address: DrawAddress, moved: np.ndarray
) -> np.ndarray:
    """moved + push - pull erf(state rate / sqrt 2) + sigma xi, (stimulus, read, neuron)."""
    push, pull, rate, sigma = step
    xi = special.ndtri((reference.integers(address, state.shape) + 0.5) / 2**31)
    return np.asarray(
        moved + push[:, None] - pull * special.erf(state * rate / np.sqrt(2)) + sigma * xi
    )
