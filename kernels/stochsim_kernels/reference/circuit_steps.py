"""Recurrent circuits in plain NumPy: the oracle of `integer_circuit`, of `stochastic_rounding` for
it, and of `float_circuit`.
"""

import numpy as np
from scipy import special

from stochsim_kernels.reference import neuron_codes as reference


def integers(
    key: int, layer: int, event: int, first_stimulus: int, first_read: int, shape: tuple[int, ...]
) -> np.ndarray:
    """The 31-bit integers u (stimulus, read, neuron), int64."""
    out = np.empty(shape, np.int64)
    for s, r, n in np.ndindex(*shape):
        out[s, r, n] = reference.random31(key, layer, event, first_stimulus + s, first_read + r, n)
    return out


def two_codes(
    drive: np.ndarray, z: float, step: float, c_min: int, levels: int
) -> tuple[np.ndarray, np.ndarray]:
    """Levels that every u reaches, and the u from which on the next is reached, 2^31 where there is
    none: (stimulus, neuron).
    """
    table = reference.thresholds(
        drive, 0.0, step / np.sqrt(12), "uniform", "identity", z, step, c_min, levels
    )
    lower = (table == 0).sum(axis=1)
    above = np.concatenate(
        [table, np.full((len(drive), 1, drive.shape[1]), 2**31, np.uint32)], axis=1
    )
    return lower, np.take_along_axis(above, lower[:, None], axis=1)[:, 0]


def rounded(
    weights: np.ndarray,
    scale: float,
    bias: np.ndarray,
    lower: np.ndarray,
    gap: int,
    least: np.ndarray,
    where: tuple[int, int, int, int, int],
    steps: int,
    reads: int,
) -> np.ndarray:
    """What stimuli that are rounded afresh add to drives, (step, stimulus, read, neuron); where as
    in `run_chains`.
    """
    key, layer, events, first_stimulus, first_read = where
    shape, out = (len(lower), reads, lower.shape[1]), []
    for t in range(steps):
        up = integers(key, layer, events * t, first_stimulus, first_read, shape) >= least[:, None]
        out.append(
            (lower[:, None].astype(np.int64) + gap * up) @ weights.T.astype(np.int64) * scale + bias
        )
    return np.array(out)


def run_chains(
    weights: np.ndarray,
    scale: float,
    bias: np.ndarray,
    held: np.ndarray,
    own: np.ndarray,
    sigma: np.ndarray,
    other: np.ndarray,
    channel: tuple[str, str, float, float, int, int],
    where: tuple[int, int, int, int, int],
    steps: int,
    codes: np.ndarray,
) -> np.ndarray:
    """Codes after so many steps; sigma and other: (neuron,); channel: family, activation, z, step,
    c_min, levels.

    held: (stimulus, neuron), or (step, stimulus, read, neuron).
    """
    c_min, levels = channel[4:]
    key, layer, events, first_stimulus, first_read = where
    neurons = np.arange(len(weights))
    for t in range(steps):
        codes = codes.astype(np.int64)
        sums = (2 * codes - 1 if levels == 2 else codes) @ weights.T.astype(np.int64)
        drive = (
            sums * scale
            + bias
            + (held[t] if held.ndim == 4 else held[:, None])
            + own[codes - c_min, neurons]
        )
        u, after = (
            integers(key, layer, events * t, first_stimulus, first_read, codes.shape),
            np.empty(codes.shape, np.int8),
        )
        for n in neurons:
            table = reference.thresholds(drive[..., n].reshape(-1, 1), sigma[n], other[n], *channel)
            after[..., n] = reference.count_codes(u[..., n].reshape(-1, 1), table, c_min).reshape(
                codes.shape[:2]
            )
        codes = after
    return codes


def finish_step(
    state: np.ndarray,
    push: np.ndarray,
    pull: np.ndarray,
    rate: np.ndarray,
    sigma: np.ndarray,
    where: tuple[int, int, int, int, int],
    moved: np.ndarray,
) -> np.ndarray:
    """moved + push - pull erf(state rate / sqrt 2) + sigma xi; where: key, layer, event, first
    stimulus and read.
    """
    xi = special.ndtri((integers(*where, state.shape) + 0.5) / 2**31)
    return np.asarray(
        moved + push[:, None] - pull * special.erf(state * rate / np.sqrt(2)) + sigma * xi
    )
