"""The ADCs of an array as discrete channels: which states a partial sum can be in, and P(code
| state) of each.

A partial sum and its noise meet one ADC, so P(code | state) is all there is to know. Two
kinds of state:

- exact: the partial sum itself, an integer, and the number of active rows where the noise depends
  on that;
- grid: a position on a grid of 2^-f LSB (f from 3 to 10: as fine as tables allow, which costs time
  as they are built and none as codes are drawn), for ADCs that differ in offset or
  gain, shared references, and conductances that are not whole steps; beside it the noise's standard
  deviation, rounded to one of 64 values, where that depends on the input.
"""

import math
from typing import NamedTuple

import numpy as np
from stochsim_kernels.array.adc_channel import AdcChannel, build_channel, shared_noise
from stochsim_kernels.array.crossbar import grid_map

from stochsim.chip.array.adc_range import Range
from stochsim.hardware import Adc, Array
from stochsim.keys import generator
from stochsim.settings import SettingError, check_memory

_EXACT_STATES = 1 << 16
_GRID_STATES = 1 << 21  # 100 MB as they are built
_ENTRIES = 1 << 24  # 64 MB, where the coarsest grid is fine enough
_FINEST, _COARSEST = 10, 3  # grid points per LSB, as powers of two
_SIGMA_CLASSES = 64
_PLACES = 62  # binary places of gain × partial sum + offset
_CERTAIN_SIGMAS = 7.0  # a position so far outside the range has one code
_FARTHEST_MOVE = 314.0  # a shared reference's noise, in grid points


class Conversion(NamedTuple):
    """How partial sums become states, and states codes.

    position = partial - origin where `gain` is empty; else clamp((gain partial + offset) >> shift),
    gain and offset per (tile, slice, column), int64. `sigma_step` > 0: the noise class is the
    standard deviation in LSB, less `sigma_min`, in such steps.
    """

    channel: AdcChannel
    origin: int
    gain: np.ndarray
    offset: np.ndarray
    shift: int
    reference: AdcChannel | None
    sigma_min: float = 0.0
    sigma_step: float = 0.0

    def sigma_class(self, variance_lsb: np.ndarray) -> np.ndarray:
        """The class (int32) of each noise variance, in LSB²."""
        found = np.rint((np.sqrt(variance_lsb) - self.sigma_min) / self.sigma_step)
        classes = self.channel.entries.size >> self.channel.bits
        return np.clip(found, 0, classes // self.channel.positions - 1).astype(np.int32)


def exact_states(array: Array, span: tuple[int, int], active: int) -> bool:
    """Whether partial sums in `span`, beside up to `active` active rows where the noise depends on
    them, are few enough to be states.
    """
    return not array.adc.spreads and (span[1] - span[0] + 1) * (active + 1) <= _EXACT_STATES


def exact_conversion(reach: Range, span: tuple[int, int], variance: np.ndarray) -> Conversion:
    """States are the partial sums span[0] … span[1]; variance: (class, partial sum) in LSB², one
    class or one per number of active rows.
    """
    value = np.arange(span[0], span[1] + 1) / reach.lsb - reach.c_min
    empty = np.zeros(0, np.int64)
    _check_table(variance.size, _codes_reached(reach, float(np.sqrt(variance.max()))))
    return Conversion(
        build_channel(value, np.sqrt(variance), reach.edges_lsb, reach.c_min),
        span[0],
        empty,
        empty,
        0,
        None,
    )


def _codes_reached(reach: Range, sigma_lsb: float) -> int:
    """Entries of a state's table: a power of two that holds all codes which noise of this standard
    deviation reaches.
    """
    return (
        1 << (int(min(len(reach.edges_lsb), np.ceil(2 * _CERTAIN_SIGMAS * sigma_lsb)))).bit_length()
    )


def _check_table(states: int, entries: int) -> None:
    """Raise SettingError for tables that do not fit into memory: entries of 4 bytes, twice while
    they are put together, and some 40 bytes for each state as they are built.
    """
    check_memory(
        "'array': the ADCs' tables",
        (states, 2 * entries + 10),
        np.uint32,
        'take less noise, fewer ADC bits in array.adc.bits, or array.adc.range = "full"',
    )


def _fineness(settings: Adc, states: int, entries: int) -> int:
    """Binary places of the grid: as many as tables of this many states per LSB allow, and the moves
    of a reference.
    """
    noise = settings.reference_sigma_lsb
    if noise * (1 << _COARSEST) > _FARTHEST_MOVE:
        most = _FARTHEST_MOVE / (1 << _COARSEST)
        rule = f"should be at most {most:g}, beyond which it cannot be drawn"
        raise SettingError.of("array.adc.reference_sigma_lsb", noise, rule)
    for places in range(_FINEST, _COARSEST, -1):
        fits = (states << places) <= _GRID_STATES and (states << places) * entries <= _ENTRIES
        if fits and noise * (1 << places) <= _FARTHEST_MOVE:
            return places
    return _COARSEST


def _shift(farthest_lsb: float, fine: int) -> int:
    """Binary places of gain and offset behind a grid of 2^-fine LSB: as many as 63 bits hold of
    positions up to `farthest_lsb` steps away, for a gain's rounding counts once for each of a
    partial sum's units.
    """
    return max(0, _PLACES - fine - math.frexp(farthest_lsb)[1])


def grid_conversion(
    settings: Adc,
    reach: Range,
    unit: float,
    largest: int,
    sigmas_lsb: tuple[float, float],
    shape: tuple[int, int, int],
    key: int,
) -> Conversion:
    """States are positions on a grid; `unit` is a partial sum's integer step in cell steps × digits
    (1, or 1/256 of analog conductances); no partial sum is larger in size than `largest` such
    integers.

    sigmas_lsb: the least and the largest standard deviation that the noise can have. Offsets and
    gains of the ADCs, shape (tile, slice, column), are drawn once per chip by `key`.
    """
    low, high = sigmas_lsb
    classes = 1 if high - low < 1e-9 else _SIGMA_CLASSES
    moves = 8 * (settings.reference_sigma_lsb + settings.offset_sigma_lsb)
    margin = int(np.ceil(_CERTAIN_SIGMAS * high + moves)) + 2
    width = len(reach.edges_lsb) + 2 * margin
    fine = _fineness(settings, width * classes, _codes_reached(reach, high))
    _check_table((width << fine) * classes, _codes_reached(reach, high))
    random = generator(key, "converters")
    gain = 1 + settings.gain_sigma * random.standard_normal(shape)
    offset_lsb = settings.offset_sigma_lsb * random.standard_normal(shape) - reach.c_min
    # beyond it a sum of one unit is far outside the range already
    per_unit = min(unit / reach.lsb, 2.0 ** (60 - fine) / max(1, largest))
    farthest = largest * per_unit * np.abs(gain).max() + np.abs(offset_lsb).max() + margin
    shift = _shift(float(farthest), fine)
    step = (high - low) / (classes - 1) if classes > 1 else 0.0
    sigma = (low + step * np.arange(classes))[:, None]
    value = np.arange((width << fine) + 1) / (1 << fine) - margin
    return Conversion(
        build_channel(
            np.broadcast_to(value, (classes, value.size)), sigma, reach.edges_lsb, reach.c_min
        ),
        0,
        *grid_map(gain * per_unit, offset_lsb, margin, fine, shift),
        shift,
        shared_noise(settings.reference_sigma_lsb * (1 << fine))
        if settings.reference_sigma_lsb > 0
        else None,
        low,
        step,
    )
