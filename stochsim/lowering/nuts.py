"""Reference posteriors of log densities of the user's own, by NUTS (Hoffman and Gelman 2014) as
pyro-ppl has it, with the diagnostics that every reference must pass.
"""

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from stochsim.keys import fold_in
from stochsim.lowering.queries import first_line
from stochsim.models import MAX_RHAT, MIN_ESS_PER_DRAW, Diagnostics, Reference, diagnose
from stochsim.settings import SettingError, StochsimError, check_whole, finite_array

Density = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""Of (values (neuron,), stimulus (input,)), both float64: log p(values | stimulus), a scalar, up to
a constant.
"""

FIRST_THINNING = 2
MOST_DOUBLINGS = 3
_START_SD = 0.5
_MOST_IN_FULL = 64  # neurons whose covariance the warm-up learns, rather than their variances


def sampled_reference(  # noqa: PLR0913 - public: what chains are is given by keyword
    log_density: Density,
    stimuli: Any,
    neurons: int,
    key: int,
    *,
    chains: int = 4,
    draws: int = 1000,
    warm_up: int = 500,
    progress: Callable[[int, int], None] | None = None,
) -> Reference:
    """The posterior of each stimulus (stimulus, input) by NUTS on a log density: a Reference of
    `draws` of each of `chains` chains, which a study takes as its `reference`.

    log_density: see Density; it is differentiated by torch. warm_up: steps of each chain that adapt
    and are thrown away. progress(done, total) counts chains. Chains of a stimulus that do not pass
    (rank R-hat < 1.01 and bulk ESS per draw >= 0.8 in every coordinate) run anew twice as long, at
    most three times; every second step is kept, then every fourth, and so on. The same key gives
    the same draws on one machine with the same versions. Needs `pip install 'stochsim[nuts]'`.

    Raises SettingError for a log density that gives no finite scalar with a gradient, and
    StochsimError for a stimulus whose chains do not pass: a funnel, say, needs other coordinates.

    >>> import torch
    >>> from stochsim.lowering import sampled_reference
    >>> def density(z, stimulus):                              # z ~ N(stimulus, 1)
    ...     return -((z - stimulus) ** 2).sum() / 2
    >>> reference = sampled_reference(
    ...     density, [[0.0, 2.0]], neurons=2, key=0, chains=2, draws=100, warm_up=100
    ... )
    >>> reference.draws.shape
    (1, 200, 2)
    """
    x = finite_array("stimuli", stimuli, "stimulus, input").astype(np.float64)
    sizes = {"neurons": neurons, "chains": chains, "draws": draws, "warm_up": warm_up}
    neurons, chains, draws, warm_up = (
        check_whole(name, value, 1, 2**20) for name, value in sizes.items()
    )
    key = check_whole("key", key, 0, 2**64)
    if not len(x):
        raise SettingError.of("stimuli", x, "should have one stimulus at least")
    _check_density(log_density, x, neurons)
    mcmc = _pyro()
    found = []
    for number, stimulus in enumerate(x):
        own = _Chains(mcmc, log_density, torch.tensor(stimulus), neurons)
        found.append(own.trusted(fold_in(key, "nuts", number), (chains, draws, warm_up), number))
        if progress is not None:
            progress((number + 1) * chains, len(x) * chains)
    values, rhat, ess, thinning = zip(*found, strict=True)
    numbers = (np.array(rhat), np.array(ess), np.array(thinning, np.int64))
    return Reference.from_draws(np.stack(values), Diagnostics(*numbers))


class _Chains:
    """The chains of one stimulus."""

    def __init__(
        self, mcmc: Any, log_density: Density, stimulus: torch.Tensor, neurons: int
    ) -> None:
        self._mcmc, self._neurons = mcmc, neurons
        self._potential = lambda named: -log_density(named["z"], stimulus)

    def trusted(
        self, key: int, sizes: tuple[int, int, int], number: int
    ) -> tuple[np.ndarray, float, float, int]:
        """Draws (chain, draw, neuron) that pass, their worst R-hat and least ESS per draw, and how
        many steps lie between two.
        """
        chains, draws, warm_up = sizes
        for doubling in range(MOST_DOUBLINGS + 1):
            thinning = FIRST_THINNING * 2**doubling
            run = [
                self._chain(fold_in(key, doubling, chain), draws * thinning, warm_up)
                for chain in range(chains)
            ]
            values = np.stack(run)[:, thinning - 1 :: thinning]
            rhat, ess = (one[0] for one in diagnose(values[None]))
            if (rhat < MAX_RHAT).all() and (ess >= MIN_ESS_PER_DRAW).all():
                return values, float(rhat.max()), float(ess.min()), thinning
        worst = int(np.argmax(np.where(np.isnan(rhat), np.inf, rhat)))
        raise StochsimError(
            f"reference posterior: stimulus {number}, coordinate {worst}: R-hat {rhat[worst]:.4f} "
            f"and ESS per draw {ess[worst]:.3f} at thinning {thinning}; the rule is R-hat < "
            f"{MAX_RHAT} and ESS per draw >= {MIN_ESS_PER_DRAW}. More draws, a longer warm-up, or "
            "coordinates in which scales do not depend on each other help"
        )

    def _chain(self, key: int, steps: int, warm_up: int) -> np.ndarray:
        with torch.random.fork_rng():
            torch.manual_seed(key % 2**63)
            start = _START_SD * torch.randn(self._neurons, dtype=torch.float64)
            in_full = self._neurons <= _MOST_IN_FULL
            kernel = self._mcmc.NUTS(potential_fn=self._potential, full_mass=in_full)
            run = self._mcmc.MCMC(
                kernel,
                num_samples=steps,
                warmup_steps=warm_up,
                initial_params={"z": start},
                disable_progbar=True,
            )
            try:
                run.run()
            except Exception as error:  # of the user's function, far from zeros
                rule = f"fails as chains run ({type(error).__name__}: {first_line(error)})"
                raise SettingError.of("log_density", rule=rule) from None
            found: np.ndarray = run.get_samples()["z"].numpy().astype(np.float32)
        return found


def _check_density(log_density: Any, stimuli: np.ndarray, neurons: int) -> None:
    """Raise SettingError for what gives no finite scalar, or no finite gradient, at 0."""
    if not callable(log_density):
        raise SettingError.of("log_density", log_density, "should be a function")
    z = torch.zeros(neurons, dtype=torch.float64, requires_grad=True)
    try:
        found = log_density(z, torch.tensor(stimuli[0]))
    except Exception as error:  # whatever the user's function raises
        rule = f"fails at zeros ({type(error).__name__}: {first_line(error)})"
        raise SettingError.of("log_density", rule=rule) from None
    if not isinstance(found, torch.Tensor) or found.ndim or not found.requires_grad:
        rule = "should give a scalar tensor that depends on its first argument"
        raise SettingError.of("log_density", found, rule)
    (slope,) = torch.autograd.grad(found, z)
    if not (torch.isfinite(found) and torch.isfinite(slope).all()):
        rule = "should be finite at zeros, and its gradient too: of coordinates without bounds"
        raise SettingError.of("log_density", float(found.detach()), rule)


def _pyro() -> Any:
    try:
        return importlib.import_module("pyro.infer")
    except ImportError:
        raise StochsimError(
            "NUTS needs the package pyro-ppl: pip install 'stochsim[nuts]'"
        ) from None
