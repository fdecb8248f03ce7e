"""An analog array in front of the neurons: its geometry, its cells and its ADCs."""

import itertools
import math
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from stochsim.hardware.measured_files import CsvText, read_device_text
from stochsim.hardware.memory_device import Device
from stochsim.hardware.memory_devices import device, devices
from stochsim.hardware.tiling import Tiling
from stochsim.settings import Rate, Scale, SettingError, Settings, Sigma, check_whole, counted


class Adc(Settings):
    """The ADC at the foot of every column, one per slice: resolution, range, spread and
    noise, in its own steps (LSB).

    `range`: "calibrated" is set on data, layer by layer: from the lowest to the highest of their
    partial sums, of which at most a share of `clip_share` clips; "full" takes every partial sum
    that the array can give (a step of 1 where the resolution allows), "fixed" reaches `range_max`
    (in units of one cell step × one input digit), both in differential columns from minus that to
    one step below it; "auto" is "calibrated" wherever the chip has data to calibrate on, and
    "full" where it has none, or where that tells every sum of whole cell steps from the next.
    `cycles` is how many clock
    cycles a conversion takes: it sets latency, not joules. `sigma_lsb` is thermal noise, fresh at
    every conversion. Drawn once per chip: `offset_sigma_lsb` (of each ADC's zero) and
    `gain_sigma` (of each ADC's gain, relative). `inl_lsb` moves each of the 2^bits - 1 edges;
    `dnl_lsb` gives the width error of each of the 2^bits - 2 inner codes instead.
    `reference_sigma_lsb` is noise of a reference that `reference_columns` neighbours share, fresh
    at every conversion.

    >>> from stochsim.hardware import Adc, Array
    >>> Array(adc=Adc(bits=6, sigma_lsb=0.3)).adc.range
    'auto'
    """

    bits: Annotated[int, Field(ge=1, le=12)] = 8
    cycles: Annotated[int, Field(ge=1, le=2**20)] = 1
    range: Literal["auto", "calibrated", "full", "fixed"] = "auto"
    range_max: Scale | None = None
    clip_share: Annotated[float, Field(ge=0, lt=0.5)] = 1e-4
    sigma_lsb: Sigma = 0.0
    offset_sigma_lsb: Sigma = 0.0
    gain_sigma: Annotated[float, Field(ge=0, le=0.2)] = 0.0
    inl_lsb: tuple[float, ...] = ()
    dnl_lsb: tuple[float, ...] = ()
    reference_sigma_lsb: Sigma = 0.0
    reference_columns: Annotated[int, Field(ge=1, le=65536)] = 1

    @model_validator(mode="after")
    def _parts_agree(self) -> Self:
        if (self.range == "fixed") != (self.range_max is not None):
            rule = f"belongs to range = 'fixed', and only there; 'range' is '{self.range}'"
            raise SettingError.of("range_max", self.range_max, rule, also=("range",))
        if (
            self.range != "calibrated"
            and self.clip_share != type(self).model_fields["clip_share"].default
        ):
            rule = f"belongs to range = 'calibrated', and only there; 'range' is '{self.range}'"
            raise SettingError.of("clip_share", self.clip_share, rule, also=("range",))
        if self.reference_columns != 1 and self.reference_sigma_lsb == 0:
            raise SettingError.of(
                "reference_columns",
                self.reference_columns,
                "share the noise 'reference_sigma_lsb', which is 0",
                [1],
                also=("reference_sigma_lsb",),
            )
        self._check_edges()
        return self

    def _check_edges(self) -> None:
        levels = 2**self.bits
        own = counted(self.bits, "bit", "bits")
        for name, values, length in (
            ("inl_lsb", self.inl_lsb, levels - 1),
            ("dnl_lsb", self.dnl_lsb, levels - 2),
        ):
            if values and len(values) != length:
                rule = f"{counted(len(values), 'value', 'values')}: an ADC of {own} needs {length}"
                raise SettingError.of(name, list(values), rule, also=("bits",))
        if self.inl_lsb and self.dnl_lsb:
            rule = "describe the same edges: give one of them"
            raise SettingError.of(("inl_lsb", "dnl_lsb"), rule=rule)
        shift = self.edge_shift_lsb
        if any(1 + after - before <= 0 for before, after in itertools.pairwise(shift)):
            rule = "edges must stay in ascending order, so no code may lose its whole width"
            name = "dnl_lsb" if self.dnl_lsb else "inl_lsb"
            raise SettingError.of(name, list(getattr(self, name)), rule)

    @property
    def edge_shift_lsb(self) -> tuple[float, ...]:
        """How far each edge between neighbouring codes lies from its ideal place, in LSB; empty for
        an ideal ADC.
        """
        if self.dnl_lsb:
            return tuple(math.fsum(self.dnl_lsb[:k]) for k in range(len(self.dnl_lsb) + 1))
        return self.inl_lsb

    @property
    def spreads(self) -> bool:
        """Whether columns differ, or share a reference, so that partial sums are placed on a fine
        grid of positions.
        """
        return self.offset_sigma_lsb > 0 or self.gain_sigma > 0 or self.reference_sigma_lsb > 0


class Cells(Settings):
    """What the cells hold and how they are read.

    Drawn once per chip: the programming error and drift of `device` after `age_s` seconds (None:
    the first time its source has), where `drift_compensation` scales the array back to its mean;
    cells stuck at 0 or at full conductance at the given rates; the wire resistance `wire_ohm` per
    segment, by a formula ("series", refused where wires take more than 30 %) or solved at every
    node of every tile when the cells are programmed (`wire_model` = "nodal"). A device of your own,
    device = "measured", is the text of a CSV file in `device_csv`, or in a chip's TOML file the
    name of the CSV file. Fresh at every read:
    `read_sigma` (standard deviation of one cell's current, in cell steps per input digit) or
    `read_sigma_fs` (the same as a share of its current at full conductance), the device's own read
    noise, and shot-like noise of `shot_sigma` × √(current in cell steps).
    `read_noise`: "lumped" draws it once per conversion, with the variance summed over the cells
    (exact for independent Gaussians); "explicit" draws it for every cell, slowly, to check that.

    >>> from stochsim.hardware import Array, Cells
    >>> Array(signs="differential", cells=Cells(device="rram-wan", age_s=1.0)).cells.device
    'rram-wan'
    """

    device: str = "ideal"
    device_csv: CsvText = ""
    age_s: Annotated[float, Field(gt=0, le=1e15)] | None = None
    drift_compensation: bool = False
    read_sigma: Sigma = 0.0
    read_sigma_fs: Annotated[float, Field(ge=0, le=1)] | None = None
    shot_sigma: Sigma = 0.0
    read_noise: Literal["lumped", "explicit"] = "lumped"
    stuck_at_0_rate: Rate = 0.0
    stuck_at_1_rate: Rate = 0.0
    wire_ohm: Annotated[float, Field(ge=0, le=1e15)] = 0.0
    wire_model: Literal["series", "nodal"] = "series"

    @model_validator(mode="after")
    def _parts_agree(self) -> Self:
        names = (*devices(), "measured")
        if self.device not in names:
            raise SettingError.of("device", self.device, choices=names)
        if (self.device == "measured") != bool(self.device_csv):
            rule = f"belongs to device = 'measured', and only there; 'device' is '{self.device}'"
            raise SettingError.of("device_csv", rule=rule, also=("device",))
        stuck = (self.stuck_at_0_rate, self.stuck_at_1_rate)
        if sum(stuck) > 1:
            names = ("stuck_at_0_rate", "stuck_at_1_rate")
            raise SettingError.of(names, stuck, "the sum should be at most 1")
        share = self.read_sigma_fs or 0.0
        if self.read_sigma > 0 and share > 0:
            names = ("read_sigma", "read_sigma_fs")
            values = (self.read_sigma, self.read_sigma_fs)
            raise SettingError.of(names, values, "only one of the two may be nonzero")
        if self.wire_model == "nodal" and self.wire_ohm == 0:
            rule = "solves the wires, whose 'wire_ohm' is 0"
            raise SettingError.of("wire_model", "nodal", rule, ["series"], also=("wire_ohm",))
        chosen = self.memory_device
        if self.age_s is not None:
            (chosen or device("ideal")).age(self.age_s)
        if self.drift_compensation:
            self._check_drift(chosen)
        noisy = (
            self.read_sigma + share > 0
            or self.shot_sigma > 0
            or (chosen is not None and chosen.read is not None)
        )
        if self.read_noise == "explicit" and not noisy:
            sources = ("read_sigma", "read_sigma_fs", "shot_sigma", "device")
            rule = "neither 'read_sigma', 'shot_sigma' nor 'device' has any"
            raise SettingError.of("read_noise", "explicit", rule, ["lumped"], also=sources)
        return self

    def _check_drift(self, chosen: Device | None) -> None:
        """Raises SettingError where there is no drift that could be compensated."""
        if chosen is None or chosen.drift is None:
            rule = f"'{self.device}' does not drift"
            raise SettingError.of("drift_compensation", True, rule, also=("device",))
        age_s = chosen.age(self.age_s)
        if age_s <= chosen.drift.t0_s:
            rule = (
                f"nothing has drifted at 'age_s' = {age_s:g}; valid: ages above "
                f"{chosen.drift.t0_s:g} s"
            )
            raise SettingError.of("drift_compensation", True, rule, also=("age_s",))

    @property
    def memory_device(self) -> Device | None:
        """The Device that the cells are made of; None where they hold their codes exactly.

        Raises SettingError for a bad `device_csv`.
        """
        if self.device == "ideal" and self.wire_ohm == 0:
            return None
        if self.device == "measured":
            return read_device_text(self.device_csv, "device_csv")
        return device(self.device)


class Array(Settings):
    """Rows × columns of cells with an ADC per column and slice; partial sums are shifted and
    added digitally.

    Weights are cut into slices of `cell_bits` bits, inputs (offset binary) into cycles of
    `cycle_bits` bits, the inputs of a layer into tiles of `rows` rows and a row's cells (of all
    neurons, slices and signs, side by side) into tiles of `columns`, each with wires and DACs of
    its own; where neither counts, any other number
    than the default is refused. `signs`: "offset" stores weights shifted to unsigned codes,
    "differential" stores magnitudes in pairs of columns whose currents are subtracted before the
    ADC. `columns_per_adc` neighbours (columns, or pairs where signs are "differential") share one
    ADC, which takes their sums in turn: as many conversions, so as many joules, but the latency of
    one sum after the other.
    `reads_per_programming` is how many reads the cells serve before they are programmed again; the
    joules of programming are spread over them. It belongs to a price of programming,
    prices.program, and only there.

    >>> import stochsim as ss
    >>> from stochsim.hardware import Array
    >>> chip = ss.load_hardware("sram-array-28nm", bits=4)
    >>> chip.replace(array=Array(rows=64, columns=64)).array.adc.bits
    8
    """

    rows: Annotated[int, Field(ge=1, le=65536)] = 128
    columns: Annotated[int, Field(ge=1, le=65536)] = 128
    cell_bits: Annotated[int, Field(ge=1, le=8)] = 1
    cycle_bits: Annotated[int, Field(ge=1, le=8)] = 1
    signs: Literal["offset", "differential"] = "offset"
    columns_per_adc: Annotated[int, Field(ge=1, le=65536)] = 1
    reads_per_programming: Annotated[int, Field(ge=1, le=2**53)] | None = None
    adc: Adc = Adc()
    cells: Cells = Cells()

    @model_validator(mode="after")
    def _parts_agree(self) -> Self:
        if self.columns_per_adc > self.columns:
            rule = f"should be at most {self.columns}, the array's 'columns'"
            raise SettingError.of("columns_per_adc", self.columns_per_adc, rule, also=("columns",))
        if self.signs == "differential" and self.adc.bits < 2:
            rule = "differential columns need a sign, so at least 2 bits"
            raise SettingError.of("adc.bits", self.adc.bits, rule, also=("signs",))
        if (
            self.cells.read_noise == "explicit"
            and self.cells.shot_sigma > 0
            and self.cycle_bits > 1
        ):
            rule = "draws shot-like noise for digits of 0 and 1 only; valid: cycle_bits = 1"
            raise SettingError.of("cells.read_noise", "explicit", rule, also=("cycle_bits",))
        return self

    @property
    def cell_read_sigma(self) -> float:
        """Standard deviation of one cell's current, in cell steps per input digit, from
        `cells.read_sigma` or `cells.read_sigma_fs`.

        >>> from stochsim.hardware import Array, Cells
        >>> Array(cell_bits=2, cells=Cells(read_sigma_fs=0.01)).cell_read_sigma
        0.03
        """
        share = self.cells.read_sigma_fs or 0.0
        return self.cells.read_sigma + share * (2**self.cell_bits - 1)

    def check_widths(self, weight_bits: int, input_bits: int) -> None:
        """Raises SettingError where cells or cycles are wider than what they hold."""
        weight_bits = check_whole("weight_bits", weight_bits, 1, 65)
        input_bits = check_whole("input_bits", input_bits, 1, 65)
        if self.cell_bits > self.magnitude_bits(weight_bits):
            signed = self.signs == "differential" and weight_bits > 1
            weights = f"{weight_bits}-bit weights{' (a sign and a magnitude)' if signed else ''}"
            least = self.cell_bits + (self.signs == "differential")
            most = self.magnitude_bits(weight_bits)
            room = f"at most {most}, or 'precision.weight_bits' of {least} or more"
            raise SettingError.of(
                "array.cell_bits",
                self.cell_bits,
                f"more than {weights} have; {room}",
                also=("precision.weight_bits",),
            )
        if self.cycle_bits > input_bits:
            raise SettingError.of(
                "array.cycle_bits",
                self.cycle_bits,
                f"more than the {counted(input_bits, 'bit', 'bits')} of the inputs; at most "
                f"{input_bits}",
                also=("precision.input_bits",),
            )

    def magnitude_bits(self, weight_bits: int) -> int:
        """Bits that the cells of one weight hold: all of them as offset, one less for the
        magnitudes of a differential pair.
        """
        bits = check_whole("weight_bits", weight_bits, 1, 65)
        return max(1, bits - 1) if self.signs == "differential" else bits

    def slices(self, weight_bits: int) -> int:
        """Cells per weight and sign."""
        return -(-self.magnitude_bits(weight_bits) // self.cell_bits)

    def cycles(self, input_bits: int) -> int:
        """Cycles per read."""
        return -(-check_whole("input_bits", input_bits, 1, 65) // self.cycle_bits)

    def tiling(self, inputs: int, neurons: int, weight_bits: int) -> Tiling:
        """How a layer of these sizes lies on tiles.

        >>> from stochsim.hardware import Array
        >>> Array(columns=128).tiling(100, 64, weight_bits=4).column_tiles   # 64 × 4 cells a row
        2
        """
        signs = 2 if self.signs == "differential" else 1
        slices = self.slices(weight_bits)
        return Tiling(self.rows, self.columns, inputs, neurons, slices, signs)

    def tiles(self, inputs: int) -> int:
        """Row tiles of a layer."""
        return -(-check_whole("inputs", inputs, 0, 2**63) // self.rows)

    def accumulator_width(self, inputs: int, weight_bits: int, input_bits: int) -> int:
        """Bits of a sum of ADC codes over tiles, slices and cycles, each times its place, that no
        codes exceed.

        ADCs give codes from 0 in offset columns, in two's complement in differential ones.

        >>> from stochsim.hardware import Array
        >>> Array(rows=128).accumulator_width(128, 4, 4)       # 15 × 15 × 255 and a sign
        17
        """
        places = sum(1 << self.cell_bits * one for one in range(self.slices(weight_bits)))
        cycles = sum(1 << self.cycle_bits * one for one in range(self.cycles(input_bits)))
        sums = max(1, self.tiles(inputs)) * places * cycles
        if self.signs == "differential":
            return (sums * 2 ** (self.adc.bits - 1) - 1).bit_length() + 1
        return (sums * (2**self.adc.bits - 1)).bit_length() + 1
