"""One setting with everything measured there: distance, survival, operations, and its joules under
any price of ADCs.
"""

from dataclasses import dataclass
from functools import cached_property

from stochsim.energy import ADC_MODELS, Energy, Operations
from stochsim.hardware import Hardware
from stochsim.posterior import Estimate, Survival
from stochsim.search.search_settings import Rule
from stochsim.search.space import Setting

OWN = "own"
"""The model of a chip without ADCs: the prices that the chip names."""


@dataclass(frozen=True)
class Measured:
    """A setting's posterior and what it takes.

    operations: per read, of each key. reads: averaged into one sample. samples_per_effective:
    reads' samples of a stimulus by its effective ones, the mean over stimuli and keys; 1 where
    samples are independent, infinite where none varies.
    """

    setting: Setting
    chip: Hardware
    rho: float
    reads: int
    d: Estimate
    survival: Survival
    operations: tuple[Operations, ...]
    samples_per_effective: float = 1.0

    @cached_property
    def _energies(self) -> dict[str, Energy]:
        return {}

    def energy(self, model: str) -> Energy:
        """Joules per sample (all reads that it averages) by part, mean over keys, with ADCs
        priced by this model.
        """
        if model not in self._energies:
            chip = self.chip if model == OWN else self.chip.with_price("adc", ADC_MODELS[model])
            total = sum((chip.energy(each, self.rho) for each in self.operations), Energy())
            self._energies[model] = total.divided(len(self.operations) / self.reads, "sample")
        return self._energies[model]

    def joules(self, model: str, effective: bool = False) -> float:
        """Joules per sample, or per effective sample."""
        return self.energy(model).per_sample_j * (self.samples_per_effective if effective else 1.0)

    @property
    def s(self) -> Estimate:
        """S with its interval, n/a with the reason."""
        return self.survival.estimate or Estimate.missing(self.survival.reason)

    def keeps(self, rule: Rule) -> bool:
        """Whether the whole 95 % interval keeps the rule; n/a does not."""
        estimate = self.s if rule.measure == "S" else self.d
        if not estimate.available:
            return False
        return estimate.low >= rule.value if rule.measure == "S" else estimate.high <= rule.value

    @property
    def relative_distance(self) -> float:
        """D in units of that of draws that ignore the stimulus, at most 1: worse is as bad."""
        return min(self.d.value / self.survival.d_blind.value, 1.0)
