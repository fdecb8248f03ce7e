"""Gibbs runs that pass the diagnostics: chains are continued at doubled thinning until they do, or
an error names where they do not.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray
from stochsim_kernels.posterior.gibbs import (
    Chains,
    LaplacePosterior,
    Schedule,
    gibbs_start,
    gibbs_sweeps,
)

from stochsim.models.diagnostics import MAX_RHAT, MIN_ESS_PER_DRAW, Diagnostics, rank_rhat_and_ess
from stochsim.models.generative_model import Progress
from stochsim.models.reference import CHAINS, DRAWS_PER_CHAIN, Reference
from stochsim.settings import StochsimError

BURN_IN_SWEEPS = 200
FIRST_THINNING = 5
MOST_DOUBLINGS = 3
UPDATES_PER_CALL = 20_000_000
"""Coordinate updates per call of the kernel, about half a second: how often progress shows and an
interrupt is heard.
"""


@dataclass
class GibbsRun:
    """Chains of a group of stimuli, and where they stand. numbers (stimulus,): what the stimuli are
    keyed by; draws: see gibbs_sweeps.
    """

    key: int
    numbers: NDArray[np.int64]
    posterior: LaplacePosterior
    state: NDArray[np.float64]
    field: NDArray[np.float64]
    draws: NDArray[np.float32]
    thinning: int = FIRST_THINNING
    sweeps_done: int = 0

    @property
    def sweeps_wanted(self) -> int:
        """The sweep at which the last draw is kept."""
        return BURN_IN_SWEEPS + self.thinning * self.draws.shape[2]

    @property
    def updates_left(self) -> int:
        """Coordinate updates up to the last draw."""
        return (self.sweeps_wanted - self.sweeps_done) * self.state.size

    def advance(self) -> int:
        """One call of the kernel; returns the coordinate updates done, 0 at the end."""
        sweeps = min(
            max(1, UPDATES_PER_CALL // self.state.size), self.sweeps_wanted - self.sweeps_done
        )
        if sweeps > 0:
            chains = Chains(np.uint64(self.key), self.numbers, self.state, self.field)
            schedule = Schedule(self.sweeps_done + 1, sweeps, BURN_IN_SWEEPS, self.thinning)
            gibbs_sweeps(chains, self.posterior, schedule, self.draws)
            self.sweeps_done += sweeps
        return sweeps * self.state.size

    def continued(self, rows: NDArray[np.int64]) -> "GibbsRun":
        """The runs of these stimuli `rows` (stimulus,) alone at doubled thinning: every second draw
        stays, the same chains go on for the rest.
        """
        kept = self.draws[rows]
        half = kept.shape[2] // 2
        draws = np.empty_like(kept)
        draws[:, :, :half] = kept[:, :, 1 : 2 * half : 2]
        posterior = self.posterior._replace(linear=self.posterior.linear[rows])
        return GibbsRun(
            self.key,
            self.numbers[rows],
            posterior,
            self.state[rows],
            self.field[rows],
            draws,
            2 * self.thinning,
            self.sweeps_done,
        )


def start_run(
    key: int,
    numbers: NDArray[np.int64],
    posterior: LaplacePosterior,
    draws_per_chain: int = DRAWS_PER_CHAIN,
) -> GibbsRun:
    """Chains of the stimuli `numbers` (stimulus,) at their over-dispersed starts, nothing drawn
    yet.
    """
    shape = (len(numbers), CHAINS, posterior.gram.shape[0])
    state = np.empty(shape)
    field = np.empty(shape)
    gibbs_start(Chains(np.uint64(key), numbers, state, field), posterior)
    draws = np.empty((shape[0], CHAINS, draws_per_chain, shape[2]), np.float32)
    return GibbsRun(key, numbers, posterior, state, field, draws)


def diagnose(draws: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rank R-hat and bulk ESS per draw, (stimulus, neuron) each, of draws (stimulus, chain, draw,
    neuron), on the kernels' threads.
    """
    pool = ThreadPoolExecutor(numba.get_num_threads())
    try:
        found = list(pool.map(rank_rhat_and_ess, draws))
    finally:
        pool.shutdown(
            cancel_futures=True
        )  # an interrupt does not wait for the stimuli still in line
    return np.stack([rhat for rhat, _ in found]), np.stack([ess for _, ess in found])


def trusted_reference(run: GibbsRun, progress: Progress | None = None) -> Reference:
    """Run, diagnose, and continue what failed, at most three times; StochsimError then names the
    stimulus and the coordinate.

    progress(done, total) counts coordinate updates; `total` grows when a stimulus needs longer
    chains.
    """
    count = len(run.numbers)
    draws = run.draws
    worst_rhat = np.empty(count)
    least_ess = np.empty(count)
    thinning = np.empty(count, np.int64)
    rows = np.arange(count)
    done = 0
    total = run.updates_left
    while True:
        while moved := run.advance():
            done += moved
            if progress is not None:
                progress(done, total)
        rhat, ess = diagnose(run.draws)
        if run.draws is not draws:
            draws[rows] = run.draws
        worst_rhat[rows] = rhat.max(axis=1)
        least_ess[rows] = ess.min(axis=1)
        thinning[rows] = run.thinning
        passed = (rhat < MAX_RHAT) & (ess >= MIN_ESS_PER_DRAW)  # NaN fails
        failing = np.flatnonzero(~passed.all(axis=1))
        if not len(failing):
            return Reference.from_draws(draws, Diagnostics(worst_rhat, least_ess, thinning))
        if run.thinning >= FIRST_THINNING * 2**MOST_DOUBLINGS:
            raise StochsimError(_complaint(run, int(failing[0]), rhat, ess, passed))
        rows = rows[failing]
        run = run.continued(failing)
        total += run.updates_left


def _complaint(
    run: GibbsRun,
    row: int,
    rhat: NDArray[np.float64],
    ess: NDArray[np.float64],
    passed: NDArray[np.bool_],
) -> str:
    coordinate = int(np.flatnonzero(~passed[row])[0])
    return (
        f"reference posterior: stimulus {run.numbers[row]}, coordinate {coordinate}: R-hat "
        f"{rhat[row, coordinate]:.4f} and ESS per draw "
        f"{ess[row, coordinate]:.3f} at thinning {run.thinning}; the rule is R-hat < {MAX_RHAT} "
        f"and ESS per draw >= {MIN_ESS_PER_DRAW}. "
        "Nearly parallel columns of the decoder mix slowly; fewer neurons or a larger noise_sd help"
    )
