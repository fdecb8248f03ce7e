"""The reference posterior that a network's samples are compared with: exact, or draws that passed
the diagnostics.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stochsim.keys import fold_in
from stochsim.models.diagnostics import Diagnostics
from stochsim.models.reference_checks import check_draws, check_moments
from stochsim.posterior import (
    LEAST_READS,
    PosteriorDistance,
    Reads,
    Sampler,
    SamplingQuality,
    as_reads,
    sampling_quality,
)
from stochsim.settings import (
    AnyPath,
    Format,
    SettingError,
    StochsimError,
    Stored,
    card,
    check_flag,
    check_kind,
    check_whole,
    counted,
    finite_array,
    one_line,
    range_text,
    read_arrays,
    shaped_array,
    strict,
    write_arrays,
)

CHAINS = 4
DRAWS_PER_CHAIN = 2_500


def reference_bytes(stimuli: int, neurons: int) -> float:
    """Memory of making a reference posterior at its peak: draws in float32 and what is made of
    them on the way, and covariances.
    """
    return stimuli * neurons * (10.0 * CHAINS * DRAWS_PER_CHAIN + 32.0 * neurons)


FORMAT = Format("stochsim-reference", 3, "sample it again, or run its study anew")
"""Layout of the stored form; another one is refused."""

_KIND = "reference"
_MOST_CHAINS = 64
_OF_CHAINS = ("rhat", "ess_per_draw", "thinning")


@dataclass(frozen=True, eq=False)
class Reference:
    """Posterior of each stimulus.

    draws: (stimulus, draw, neuron) float32, chain after chain (chain-major), `chains` of equal
    length; of an exact reference the draws are independent and the chains only a way to count.
    mean, sd (stimulus, neuron) and covariance (stimulus, neuron, neuron), float64: closed form
    where `exact`, else the moments of the draws. diagnostics: None where exact. stimuli (stimulus,
    input): whose posterior it is; None where they were not told.

    Raises SettingError for shapes that disagree, numbers that are not finite, draws that are no
    equal chains, an sd that is not above 0 or not that of the covariance, a covariance that is not
    symmetric, and diagnostics of an exact reference or none of another.

    >>> import stochsim as ss
    >>> model = ss.build_model(ss.LinearGaussian(neurons=2, noise_sd=0.5), [[1.0, 0.0], [0.0, 2.0]])
    >>> reference = model.reference([[1.0, 0.0], [0.0, 1.0]], key=0)
    >>> reference.mean.round(2).tolist()
    [[0.8, 0.0], [0.0, 0.47]]
    >>> draws = reference.subset(2, 1000)          # a sampler that samples rightly
    >>> bool(reference.compare(draws).distance.value < 0.1)
    True
    """

    exact: bool
    draws: NDArray[np.float32]
    mean: NDArray[np.float64]
    sd: NDArray[np.float64]
    covariance: NDArray[np.float64]
    diagnostics: Diagnostics | None
    chains: int = CHAINS
    stimuli: NDArray[np.floating] | None = None
    __repr__ = one_line

    def __post_init__(self) -> None:
        checked = {"exact": check_flag("exact", self.exact), **self._checked_draws()}
        stimuli, _, neurons = checked["draws"].shape
        for name, axes in (
            ("mean", "stimulus, neuron"),
            ("sd", "stimulus, neuron"),
            ("covariance", "stimulus, neuron, neuron"),
        ):
            sizes = (stimuli, neurons, neurons)[: axes.count(",") + 1]
            found = finite_array(name, getattr(self, name), axes, sizes)
            checked[name] = found.astype(np.float64, copy=False)
        check_moments(checked["sd"], checked["covariance"])
        if self.stimuli is not None:
            checked["stimuli"] = finite_array(
                "stimuli", self.stimuli, "stimulus, input", (stimuli, None)
            )
        for name, value in checked.items():
            object.__setattr__(self, name, value)
        self._check_diagnostics()

    def _checked_draws(self) -> dict[str, Any]:
        """The draws in equal chains, float32, and how many chains they are."""
        chains = check_whole("chains", self.chains, 1, _MOST_CHAINS + 1)
        draws = finite_array("draws", self.draws, "stimulus, draw, neuron")
        if 0 in draws.shape or draws.shape[1] % chains:
            rule = f"should be (stimulus, draw, neuron), draws in {chains} equal chains"
            raise SettingError.of("draws", draws, rule)
        return {"chains": chains, "draws": draws.astype(np.float32, copy=False)}

    def _check_diagnostics(self) -> None:
        """Those of each stimulus where draws come of chains, none where they are exact."""
        if self.exact:
            rule = "should be None: an exact reference has no chains to be diagnosed"
            check_kind("diagnostics", self.diagnostics, type(None), rule)
            return
        rule = "should be Diagnostics: draws of chains are trusted by them"
        check_kind("diagnostics", self.diagnostics, Diagnostics, rule)
        assert self.diagnostics is not None
        if len(self.diagnostics.rhat) != len(self.draws):
            rule = f"should be of the {len(self.draws)} stimuli"
            raise SettingError.of("diagnostics", len(self.diagnostics.rhat), rule)

    def __str__(self) -> str:
        """A card: how many draws of what, and what they rest on."""
        stimuli, draws, neurons = self.draws.shape
        many = counted(stimuli, "stimulus", "stimuli")
        basis = "exact: moments in closed form, independent draws"
        if self.diagnostics is not None:
            found = self.diagnostics
            thinning = range_text(found.thinning)
            basis = (
                f"{self.chains} chains, thinning {thinning}: R-hat at most "
                f"{found.max_rhat:.4f}, ESS per draw at least {found.min_ess_per_draw:.2f}"
            )
        rows = [
            ("draws", f"{draws:,} of each stimulus"),
            ("sd", range_text(self.sd.ravel())),
            ("basis", basis),
        ]
        return card(f"reference posterior: {many}, {counted(neurons, 'neuron', 'neurons')}", rows)

    @classmethod
    def from_draws(cls, draws: NDArray[np.float32], diagnostics: Diagnostics) -> Self:
        """A reference by its draws (stimulus, chain, draw, neuron); raises SettingError as the
        class does, and for fewer than two draws.
        """
        draws = finite_array("draws", draws, "stimulus, chain, draw, neuron")
        if 0 in draws.shape or draws.shape[1] * draws.shape[2] < 2:
            raise SettingError.of("draws", draws, "should be 2 draws or more of each stimulus")
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
        which = check_whole("which", which, 0, 2**31)
        n = check_whole("n", n, 0, 2**31)
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

    def compare(
        self,
        samples: Reads | ArrayLike,
        against: Sampler | Reads | ArrayLike | None = None,
        *,
        key: int = 0,
        directions: int = 256,
    ) -> SamplingQuality:
        """How well samples (stimulus, read, neuron) of these stimuli, in this order, sample the
        posterior: distance D, survival S, coverage, effective samples, with intervals.

        samples: what `sample` of a chip returns, or an array, of whose reads nothing is known and
        whose effective samples are measured. against: the float network that S compares with, or
        its samples; what has a method `sample` is sampled here, by `key`. key: of the draws that
        ignore the stimulus and of the bootstrap too. directions: random directions that D looks
        along. Raises SettingError for shapes that disagree, and for reads that are no multiple of
        the chains or more than half of the draws.

        >>> import stochsim as ss
        >>> settings = ss.LinearGaussian(neurons=2, noise_sd=0.5)
        >>> model = ss.build_model(settings, [[1.0, 0.0], [0.0, 1.0]])
        >>> reference = model.reference([[1.0, 0.0], [0.0, 1.0]], key=0)
        >>> found = reference.compare(reference.subset(2, 1000), against=reference.subset(3, 1000))
        >>> bool(found.distance.value < 0.1), found.survival.reason
        (True, '')
        >>> found.per_stimulus["distance"].shape
        (2,)
        """
        key = check_whole("key", key, 0, 2**64)
        reads = as_reads("samples", samples)
        count = self._check_reads("samples", reads)
        sets = (self.subset(0, count), self.subset(1, count))
        lines_key = fold_in(key, "directions")
        to_posterior = PosteriorDistance(
            sets, self.mean, self.sd, directions=directions, key=lines_key
        )
        values = None
        if against is not None:
            float_reads = as_reads("against", self._sampled(against, count, key))
            self._check_reads("against", float_reads)
            values = float_reads.values
        return sampling_quality(to_posterior, sets[0], reads, values, key)

    def _check_reads(self, name: str, found: Reads) -> int:
        """The number of reads; SettingError unless their values are (stimulus, read, neuron) of the
        stimuli and neurons of this, and as many as two sets of draws can be compared with.
        """
        stimuli, _, neurons = self.draws.shape
        sizes = (stimuli, None, neurons)
        values = shaped_array(name, found.values, "stimulus, read, neuron", sizes)
        if not self._is_of(found.stimuli):
            rule = "are samples of other stimuli than this reference, or in another order"
            raise SettingError.of(name, rule=rule)
        self.check_reads(values.shape[1])
        return int(values.shape[1])

    def check_reads(self, count: int) -> None:
        """Raise SettingError unless so many reads of a stimulus can be compared with two sets of as
        many draws.

        >>> import stochsim as ss
        >>> settings = ss.LinearGaussian(neurons=2, noise_sd=0.5)
        >>> model = ss.build_model(settings, [[1.0, 0.0], [0.0, 1.0]])
        >>> model.reference([[1.0, 0.0], [0.0, 1.0]], key=0).check_reads(1000)
        """
        most = self.draws.shape[1] // self.chains // 2 * self.chains
        least = -(-LEAST_READS // self.chains) * self.chains
        if count % self.chains or not least <= count <= most:
            rule = (
                f"should be a multiple of {self.chains} from {least} to {most:,}: two sets "
                f"of as many draws are taken from the reference"
            )
            raise SettingError.of("reads", count, rule)

    def _is_of(self, stimuli: NDArray[np.floating] | None) -> bool:
        """Whether these may be the stimuli of this reference: where either is not known, yes."""
        if stimuli is None or self.stimuli is None:
            return True
        same_shape = stimuli.shape == self.stimuli.shape
        return same_shape and np.allclose(stimuli, self.stimuli, rtol=1e-5, atol=1e-6)

    def _sampled(self, against: Any, count: int, key: int) -> Any:
        """Samples of what can be sampled, and anything else as it is."""
        if isinstance(against, type) or not isinstance(against, Sampler):
            return against
        if self.stimuli is None:
            rule = "cannot be sampled here, for this reference has no stimuli: give its samples"
            raise SettingError.of("against", rule=rule)
        try:
            return against.sample(self.stimuli, count, fold_in(key, "float"))
        except TypeError as error:
            rule = f"should be sampled by sample(stimuli, reads, key) ({error})"
            raise SettingError.of("against", against, rule) from error

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
        if self.stimuli is not None:
            arrays["stimuli"] = self.stimuli
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
        wanted = ["draws", "mean", "sd", "covariance", *(() if exact else _OF_CHAINS)]
        if missing := [name for name in wanted if name not in arrays]:
            raise SettingError.missing(tuple(missing), "the stored reference is damaged")
        diagnostics = None
        if not exact:
            diagnostics = Diagnostics(*(arrays[name] for name in _OF_CHAINS))
        strict.only_arrays(arrays, [*wanted, *({"stimuli"} & set(arrays))])
        found = cls(
            exact,
            arrays["draws"],
            arrays["mean"],
            arrays["sd"],
            arrays["covariance"],
            diagnostics,
            chains=chains,
            stimuli=arrays.get("stimuli"),
        )
        if not exact:
            check_draws(found.draws, found.mean, found.sd)
        return found
