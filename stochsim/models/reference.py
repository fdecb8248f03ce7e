"""The reference posterior that a network's samples are compared with: exact, or draws that passed
the diagnostics.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from stochsim.models.diagnostics import Diagnostics
from stochsim.settings import (
    AnyPath,
    Format,
    SettingError,
    StochsimError,
    Stored,
    read_arrays,
    strict,
    write_arrays,
)

CHAINS = 4
DRAWS_PER_CHAIN = 2_500

FORMAT = Format("stochsim-reference", 2, "sample it again, or run its study anew")
"""Layout of the stored form; another one is refused."""

_KIND = "reference"
_MOST_CHAINS = 64


@dataclass(frozen=True)
class Reference:
    """Posterior of each stimulus.

    draws: (stimulus, draw, neuron) float32, chain after chain (chain-major), `chains` of equal
    length; of an exact reference the draws are independent and the chains only a way to count.
    mean, sd (stimulus, neuron) and covariance (stimulus, neuron, neuron), float64: closed form
    where `exact`, else the moments of the draws. diagnostics: None where exact.
    """

    exact: bool
    draws: NDArray[np.float32]
    mean: NDArray[np.float64]
    sd: NDArray[np.float64]
    covariance: NDArray[np.float64]
    diagnostics: Diagnostics | None
    chains: int = CHAINS

    @classmethod
    def from_draws(cls, draws: NDArray[np.float32], diagnostics: Diagnostics) -> Self:
        """A reference by its draws (stimulus, chain, draw, neuron)."""
        flat = draws.reshape(draws.shape[0], -1, draws.shape[-1])
        mean = flat.mean(axis=1, dtype=np.float64)
        covariance = np.stack(
            [
                np.cov(one.astype(np.float64), rowvar=False).reshape(mean.shape[1], -1)
                for one in flat
            ]
        )
        sd = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
        return cls(False, flat, mean, sd, covariance, diagnostics, chains=draws.shape[1])

    def subset(self, which: int, n: int) -> NDArray[np.float32]:
        """Set number `which` of n draws, (stimulus, n, neuron): sets of one n share no draw, each
        spread evenly over chains and time.

        SettingError where n is no multiple of the chains, or there is no such set.
        """
        length = self.draws.shape[1] // self.chains
        if n < self.chains or n % self.chains or n // self.chains > length:
            rule = f"the draws come in multiples of {self.chains}, up to {length * self.chains}"
            raise SettingError.of("n", n, rule)
        stride = length // (n // self.chains)
        if not 0 <= which < stride:
            rule = f"there are {stride} disjoint sets of {n} draws, 0 to {stride - 1}"
            raise SettingError.of("which", which, rule)
        by_chain = self.draws.reshape(len(self.draws), self.chains, length, -1)
        picked = by_chain[:, :, which::stride][:, :, : n // self.chains]
        return picked.reshape(len(self.draws), n, -1)

    def save(self, path: AnyPath) -> None:
        """Write it to one file (see settings/array_files.py), from which `load` gives it back."""
        write_arrays(path, FORMAT, Stored(_KIND, *self.to_arrays()))

    @classmethod
    def load(cls, path: AnyPath) -> Self:
        """What `save` wrote; raises StochsimError for a file that is damaged or no reference."""
        stored = read_arrays(path, FORMAT, (_KIND,))
        try:
            return cls.from_arrays(stored.content, stored.arrays)
        except SettingError as error:
            raise StochsimError(f"{path}: {error}") from None

    @property
    def facts(self) -> dict[str, Any]:
        """Whether draws are exact, and of how many chains they are."""
        return {"exact": self.exact, "chains": self.chains}

    def to_arrays(self) -> tuple[dict[str, Any], dict[str, NDArray]]:
        """(facts, arrays) to be stored; from_arrays gives back an equal reference."""
        arrays: dict[str, NDArray] = {
            "draws": self.draws,
            "mean": self.mean,
            "sd": self.sd,
            "covariance": self.covariance,
        }
        if self.diagnostics is not None:
            found = self.diagnostics
            arrays |= {
                "rhat": found.rhat,
                "ess_per_draw": found.ess_per_draw,
                "thinning": found.thinning,
            }
        return self.facts, arrays

    @classmethod
    def from_arrays(cls, facts: Mapping[str, Any], arrays: Mapping[str, NDArray]) -> Self:
        """The reference that to_arrays took apart; SettingError for other facts, and parts that
        are missing.
        """
        strict.exact_table("reference", facts, ("exact", "chains"))
        exact = strict.flag("exact", facts["exact"])
        chains = strict.whole("chains", facts["chains"], 1, _MOST_CHAINS)
        wanted = ["draws", "mean", "sd", "covariance"] + (
            [] if exact else ["rhat", "ess_per_draw", "thinning"]
        )
        if missing := [name for name in wanted if name not in arrays]:
            raise SettingError.missing(tuple(missing), "the stored reference is damaged")
        moments = (arrays["mean"], arrays["sd"], arrays["covariance"])
        diagnostics = (
            None
            if exact
            else Diagnostics(arrays["rhat"], arrays["ess_per_draw"], arrays["thinning"])
        )
        _check_stored(arrays, chains, exact)
        return cls(exact, arrays["draws"], *moments, diagnostics, chains=chains)


def _check_stored(arrays: Mapping[str, NDArray], chains: int, exact: bool) -> None:
    """Raise SettingError where stored arrays are not of the shapes and types of a Reference, or
    hold what is not finite.
    """
    draws = arrays["draws"]
    if draws.ndim != 3 or 0 in draws.shape or draws.shape[1] % chains:
        rule = f"should be (stimulus, draw, neuron), draws in {chains} chains"
        raise SettingError.of("draws", draws, f"stored reference: {rule}")
    stimuli, _, neurons = draws.shape
    wanted: dict[str, tuple[Any, tuple[int, ...]]] = {
        "draws": (np.float32, draws.shape),
        "mean": (np.float64, (stimuli, neurons)),
        "sd": (np.float64, (stimuli, neurons)),
        "covariance": (np.float64, (stimuli, neurons, neurons)),
    }
    if not exact:
        wanted |= dict.fromkeys(("rhat", "ess_per_draw"), (np.float64, (stimuli,)))
        wanted["thinning"] = (np.int64, (stimuli,))
    for name, (dtype, shape) in wanted.items():
        found = arrays[name]
        if found.dtype != dtype or found.shape != shape:
            rule = f"stored reference: should be {np.dtype(dtype)} {shape}"
            raise SettingError.of(name, found, rule)
        if name in ("draws", "mean", "sd", "covariance") and not np.isfinite(found).all():
            raise SettingError.of(name, rule="stored reference: has values that are not finite")
