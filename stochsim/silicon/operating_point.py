"""What a macro takes under given conditions: joules by part, time and area, and the figures that
papers print.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from stochsim.settings import check_choice

_FJ = 1e15
_TERA = 1e12
_UM2_PER_MM2 = 1e6


@dataclass(frozen=True)
class OperatingPoint:
    """One operation of a macro: `inputs` times `outputs` multiply-accumulates of whole inputs and
    weights, in `passes` of the array.

    energy_j: by part, of one array; in_efficiency: the parts that the published efficiency has;
    area_um2: by part; copies: arrays that work beside each other; one MAC is `ops_per_mac`
    operations, of the widths of the conditions (not normalised to bits).
    """

    macro: str
    conditions: Mapping[str, float]
    flags: tuple[str, ...]
    inputs: float
    outputs: float
    passes: float
    seconds: float
    latency_s: float
    copies: float
    energy_j: Mapping[str, float]
    in_efficiency: tuple[str, ...]
    area_um2: Mapping[str, float]
    ops_per_mac: int = 2

    @property
    def macs(self) -> float:
        """Multiply-accumulates of one operation."""
        return self.inputs * self.outputs

    @property
    def published_j(self) -> float:
        """Joules of the parts that the published efficiency has."""
        return math.fsum(self.energy_j[name] for name in self.in_efficiency)

    @property
    def all_j(self) -> float:
        """Joules of all parts that the macro's file has."""
        return math.fsum(self.energy_j.values())

    @property
    def per_mac_fj(self) -> float:
        """Femtojoules per multiply-accumulate, of the parts that the published efficiency has."""
        return self.published_j / self.macs * _FJ

    def part_fj(self, part: str) -> float:
        """Femtojoules per multiply-accumulate of one part; raises SettingError for one that is not
        modelled.
        """
        return self.energy_j[check_choice("part", part, self.energy_j)] / self.macs * _FJ

    @property
    def tops_per_w(self) -> float:
        """Tera-operations per joule, of the parts that the published efficiency has."""
        return self.ops_per_mac * 1e3 / self.per_mac_fj if self.published_j > 0 else math.inf

    @property
    def tops(self) -> float:
        """Tera-operations per second of all copies."""
        return self.ops_per_mac * self.macs * self.copies / self.seconds / _TERA

    @property
    def whole_area_um2(self) -> float:
        """Area of all parts."""
        return math.fsum(self.area_um2.values())

    @property
    def tops_per_mm2(self) -> float:
        """Tera-operations per second and mm²; not a number without areas."""
        if not self.area_um2:
            return math.nan
        return self.tops / self.copies / self.whole_area_um2 * _UM2_PER_MM2
