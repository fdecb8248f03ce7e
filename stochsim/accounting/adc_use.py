"""How an array's ADCs stand against the partial sums that they convert."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from stochsim.settings import counted

_NEARLY = 1.1
"""So many cell steps, by an average over cells, tell one from the next."""
FEWEST_STEPS = 8
"""Steps within ±1 standard deviation of the partial sums below which an ADC is coarse: its rounding
then adds more than 0.5 % to their variance (1/12 of a squared step against that of 4 steps).
"""


CLIPPED_SHARE = 1e-3
"""Above this share of clipped partial sums a chip warns."""


class AdcUse(NamedTuple):
    """The ADCs of one layer against its noiseless partial sums, over all columns, slices and
    cycles.

    step: of the ADC; low and high: the sums of its outer codes; mean and sd: of the partial sums;
    all in cell steps × input digits. clipped: share of the sums more than half a step beyond the
    outer codes. bits: of the ADC. is_calibrated: whether its range was set on data. cell_step:
    what a cell step adds to a sum on average, less than 1 where wires or drift take current.
    """

    step: float
    low: float
    high: float
    mean: float
    sd: float
    clipped: float
    bits: int
    is_calibrated: bool
    cell_step: float = 1.0

    @classmethod
    def of(
        cls,
        partial: np.ndarray,
        step: float,
        codes: tuple[int, int],
        is_calibrated: bool,
        cell_step: float = 1.0,
    ) -> "AdcUse":
        """The use by partial sums (of any shape, one at least) of ADCs of this step, with codes
        from codes[0] to codes[1].
        """
        low, high = (step * code for code in codes)
        reach = step * (0.5 + 1e-9)  # a sum on an outer code's far edge is not clipped
        clipped = np.mean((partial < low - reach) | (partial > high + reach))
        bits = (codes[1] - codes[0]).bit_length()
        mean, sd = float(partial.mean()), float(partial.std())
        numbers = (step, low, high, mean, sd, float(clipped), bits, is_calibrated)
        return cls(*numbers, cell_step)

    @property
    def steps_within_sd(self) -> float:
        """ADC steps within ±1 standard deviation of the partial sums.

        >>> AdcUse(2.0, 0.0, 30.0, 12.0, 5.0, 0.0, 4, False).steps_within_sd
        5.0
        """
        return 2 * self.sd / self.step

    @property
    def is_coarse(self) -> bool:
        """Whether fewer than FEWEST_STEPS steps lie there, of sums that differ, and of an ADC that
        does not tell one cell step from the next.
        """
        tells_all = self.step <= _NEARLY * self.cell_step
        return not tells_all and 0 < self.steps_within_sd < FEWEST_STEPS

    @property
    def fineness(self) -> tuple[bool, float]:
        """What sorts coarse ADCs first, and by their steps."""
        return not self.is_coarse, self.steps_within_sd

    def with_clipping_of(self, other: "AdcUse") -> "AdcUse":
        """This use with the larger share clipped of both.

        >>> one = AdcUse(2.0, 0.0, 30.0, 12.0, 5.0, 0.25, 4, False)
        >>> one._replace(clipped=0.0).with_clipping_of(one) == one
        True
        """
        return self._replace(clipped=max(self.clipped, other.clipped))

    def to_json(self) -> dict[str, Any]:
        """Its figures as plain values."""
        return {**self._asdict(), "steps_within_sd": self.steps_within_sd}

    @property
    def brief(self) -> str:
        """Steps and clipping, for a card."""
        return (
            f"{self.steps_within_sd:.3g} steps within ±1 sd of the partial sums, "
            f"{self.clipped:.2%} clipped"
        )

    def __str__(self) -> str:
        kind = "calibrated" if self.is_calibrated else "not calibrated"
        return f"{self.brief} ({kind}: {self.low:.4g} to {self.high:.4g} by {self.step:.3g})"


def coarse_adcs(uses: Mapping[str, AdcUse]) -> str:
    """The layer whose ADCs are coarsest and how many others have coarse ones, as a flag: "coarse
    ADCs: 2.9 steps of 6 bits …"; empty where none is coarse.
    """
    found = sorted((one.steps_within_sd, name) for name, one in uses.items() if one.is_coarse)
    if not found:
        return ""
    use, name = uses[found[0][1]], found[0][1]
    others = f" (and of {len(found) - 1} more)" if len(found) > 1 else ""
    return (
        f"coarse ADCs: {use.steps_within_sd:.3g} steps of "
        f"{counted(use.bits, 'bit', 'bits')} within ±1 sd of the "
        f"partial sums of '{name}'{others}, fewer than {FEWEST_STEPS}: {_remedy(use)}"
    )


def adc_flags(uses: Mapping[str, AdcUse]) -> tuple[str, ...]:
    """The flags of a bill or a study's cell: of coarse ADCs, and of those that clip more than
    CLIPPED_SHARE of the partial sums.
    """
    coarse = coarse_adcs(uses)
    found = max(uses.items(), key=lambda each: each[1].clipped, default=None)
    if found is None or found[1].clipped <= CLIPPED_SHARE:
        return (coarse,) if coarse else ()
    name, use = found
    clips = f"clipping ADCs: {use.clipped:.2%} of the partial sums of '{name}' lie beyond the range"
    return (coarse, clips) if coarse else (clips,)


def coarse_card(uses: Mapping[str, AdcUse]) -> str:
    """How many layers have coarse ADCs, and what helps, for a card; empty where none has."""
    found = [use for use in uses.values() if use.is_coarse]
    if not found:
        return ""
    least = min(found, key=lambda use: use.steps_within_sd)
    of = counted(len(uses), "layer", "layers")
    return f"ADCs of {len(found)} of {of} are coarse, below {FEWEST_STEPS} steps: {_remedy(least)}"


def _remedy(use: AdcUse) -> str:
    """What gives finer steps."""
    if use.is_calibrated:
        return "take more array.adc.bits"
    return "set array.adc.range = 'calibrated'"
