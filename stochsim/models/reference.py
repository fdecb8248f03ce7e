"""The reference posterior that a network's samples are compared with: exact, or draws that passed
the diagnostics.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from stochsim.models.diagnostics import Diagnostics
from stochsim.settings import SettingError, strict

CHAINS = 4
DRAWS_PER_CHAIN = 2_500

FORMAT = "1"
"""Layout of the stored form; another one is refused."""


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

    def to_arrays(self) -> tuple[dict[str, NDArray], dict[str, str]]:
        """(arrays, metadata) to be stored; from_arrays gives back an equal reference."""
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
        return arrays, {"format": FORMAT, "exact": str(self.exact), "chains": str(self.chains)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray], metadata: Mapping[str, str]) -> Self:
        """The reference that to_arrays took apart; SettingError for a store of another format or
        with parts missing.
        """
        if metadata.get("format") != FORMAT:
            rule = f"stored reference: this version reads format {FORMAT}"
            raise SettingError.of("format", metadata.get("format"), rule)
        given = metadata.get("exact")
        exact = strict.word("stored reference: exact", given, ("True", "False")) == "True"
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
        chains = strict.word("stored reference: chains", metadata.get("chains"), _CHAIN_COUNTS)
        _check_stored(arrays, int(chains), exact)
        return cls(exact, arrays["draws"], *moments, diagnostics, chains=int(chains))


_CHAIN_COUNTS = tuple(str(count) for count in range(1, 65))


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
