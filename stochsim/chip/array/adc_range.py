"""The range of an array's ADCs: what it is set on, and how it stands against the partial sums."""

from dataclasses import dataclass

import numpy as np
from stochsim_kernels.array.adc_channel import ideal_edges

from stochsim.accounting import AdcUse
from stochsim.hardware import Adc, Array
from stochsim.settings import SettingError


@dataclass(frozen=True)
class Range:
    """An ADC's range: its step in partial sums (one cell step × one input digit), its smallest
    code, and its edges in steps. A code stands for the partial sum of code × step.
    """

    lsb: float
    c_min: int
    edges_lsb: np.ndarray
    is_calibrated: bool = False

    @classmethod
    def of(cls, array: Array, largest: float) -> "Range":
        """The range from 0 to `largest`, in differential columns from -largest to a step below it;
        never finer than steps of 1 unless `range_max` says so.
        """
        signed = array.signs == "differential"
        levels = 2**array.adc.bits
        lsb = largest / (levels // 2 if signed else levels - 1)
        least = 0.0 if array.adc.range == "fixed" else 1.0
        return cls(max(least, lsb), -levels // 2 if signed else 0, _edges(array.adc))

    @classmethod
    def calibrated(cls, array: Array, partial: np.ndarray) -> "Range":
        """The range from the lowest to the highest of these partial sums, of which at most a share
        of `clip_share` clips, half of it at either end; over one cell step at least.

        It is moved by up to half a step, so that 0 is a whole number of steps away.
        """
        tail = array.adc.clip_share / 2
        low = float(np.quantile(partial, tail, method="lower"))
        high = float(np.quantile(partial, 1 - tail, method="higher"))
        lacking = max(0.0, 1.0 - (high - low))
        lsb = (high - low + lacking) / (2**array.adc.bits - 1)
        return cls(lsb, round((low - lacking / 2) / lsb), _edges(array.adc), True)

    def digital_zero(self, array: Array) -> int:
        """What is added to a code as the ADC puts it out, from 0 or, in differential columns, in
        two's complement: the accumulator sums codes without it.
        """
        return self.c_min + (2 ** (array.adc.bits - 1) if array.signs == "differential" else 0)

    @property
    def c_max(self) -> int:
        """The largest code."""
        return self.c_min + len(self.edges_lsb)

    def reaching(self, partial: np.ndarray, array: Array) -> float:
        """The `range_max` of the smallest fixed range that clips none of these partial sums."""
        largest = float(np.abs(partial).max())
        half = 2 ** (array.adc.bits - 1)
        return largest * half / (half - 1) if array.signs == "differential" else largest

    def use(self, partial: np.ndarray, cell_step: float = 1.0) -> AdcUse:
        """How the ADCs stand against these partial sums, in cell steps × digits; cell_step: see
        `AdcUse`.
        """
        codes = (self.c_min, self.c_max)
        return AdcUse.of(partial, self.lsb, codes, self.is_calibrated, cell_step)

    def share_outside(self, partial: np.ndarray) -> float:
        """Share of noiseless partial sums that lie beyond the outer codes."""
        return self.use(partial).clipped


def chosen_range(
    array: Array, largest: float, partial: np.ndarray | None, in_whole_steps: bool
) -> Range:
    """The range that `array.adc.range` asks for; largest: no partial sum is larger in size;
    partial: those of the data to calibrate on, None without; in_whole_steps: whether cells hold
    whole steps, so that steps of 1 tell every partial sum from the next.

    Raises SettingError for a calibrated range without data, and for a fixed one that gives one
    code to all of the data, or to all that it does not clip.
    """
    settings = array.adc
    full = Range.of(array, largest)
    if settings.range == "auto" and in_whole_steps and full.lsb == 1:
        return full
    if settings.range in ("auto", "calibrated") and partial is not None:
        return Range.calibrated(array, partial)
    if settings.range == "calibrated":
        rule = (
            "the chip needs calibration = stimuli (stimulus, input) to set it on; without data: "
            "'full', or 'fixed' with array.adc.range_max"
        )
        raise SettingError.of("array.adc.range", "calibrated", rule)
    if settings.range_max is None:
        return full
    found = Range.of(array, settings.range_max)
    if partial is not None:
        _check_supported(array, found, partial)
    return found


def _check_supported(array: Array, found: Range, partial: np.ndarray) -> None:
    """Raise SettingError for a fixed range that leaves nothing of the data's partial sums: one code
    for all of them, or for all that it does not clip.
    """
    if np.ptp(partial) == 0:
        return
    whole = np.rint(partial / found.lsb)
    codes = np.clip(whole, found.c_min, found.c_max)
    held = codes[codes == whole]
    if held.size and np.ptp(held) > 0:
        return
    sums = f"all partial sums of the calibration stimuli, {partial.min():g} to {partial.max():g}, "
    what = f"gives {sums}the code {codes.flat[0]:g}"
    if np.ptp(codes) > 0:
        what = f"clips {sums}but those of one code at most"
    rule = (
        f"{what}; valid: about {found.reaching(partial, array):g}, which clips none of them, or "
        "range = 'calibrated'"
    )
    raise SettingError.of("array.adc.range_max", array.adc.range_max, rule)


def _edges(settings: Adc) -> np.ndarray:
    """The edges of an ADC in its steps, (levels - 1,)."""
    edges = ideal_edges(2**settings.bits)
    return edges + np.array(settings.edge_shift_lsb) if settings.edge_shift_lsb else edges
