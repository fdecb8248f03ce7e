"""Every setting of a Hardware: a chip on which it is changed, the values that it is changed to, and
what a small network then shows.

A setting is a single field of Hardware, named by its path ("array.adc.bits"); those that
only describe the chip (`DESCRIPTIONS`) are none.
"""

import typing
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from arraytest import random_weights

from stochsim.chip import Chip
from stochsim.hardware import Hardware, preset
from stochsim.program import Layer, Program, Quantizer, single_layer
from stochsim.settings import SettingError, Settings

DESCRIPTIONS = ("name", "description", "sources")
DEVICE = "g_us,programming_sigma_us\n0,0.5\n20,1\n"
NEURON = (
    "drive,"
    + ",".join(f"p{k}" for k in range(16))
    + "\n-2,1"
    + ",0" * 15
    + "\n2"
    + ",0" * 15
    + ",1\n"
)
FLAT_NEURON = NEURON.replace("-2,", "-4,").replace("\n2,", "\n4,")
X = np.random.default_rng(3).uniform(-1, 1, (3, 24))


@dataclass(frozen=True)
class Change:
    """A setting's chip: a preset with these `sets`; the values to change it to (a preset has at
    most one of them already).

    float_layers: the network has a layer that stays in float. any_of: a preset's value is one of
    the others by its definition, another one on each, so one of them must move something.
    """

    values: tuple[Any, ...]
    base: str = "digital-45nm"
    sets: tuple[tuple[str, Any], ...] = ()
    float_layers: bool = False
    any_of: bool = False

    @property
    def chip(self) -> Hardware:
        return with_settings(preset(self.base), dict(self.sets))


def to(*values: Any, on: str = "digital-45nm", float_layers: bool = False, **sets: Any) -> Change:
    """A Change; dots of the settings to set are written "__"."""
    return Change(
        values,
        on,
        tuple((name.replace("__", "."), value) for name, value in sets.items()),
        float_layers,
    )


def setting_paths(section: type[Settings] = Hardware, place: str = "") -> list[str]:
    """Paths of all settings, from the fields themselves; those of a section that may be absent
    too.
    """
    found = []
    for name, field in section.model_fields.items():
        kinds = (
            ()
            if typing.get_origin(field.annotation) is dict
            else (field.annotation, *typing.get_args(field.annotation))
        )
        inner = [one for one in kinds if isinstance(one, type) and issubclass(one, Settings)]
        found += setting_paths(inner[0], f"{place}{name}.") if inner else [f"{place}{name}"]
    return [name for name in found if name not in DESCRIPTIONS]


def with_settings(chip: Hardware, values: dict[str, Any]) -> Hardware:
    """The chip with these settings set; None takes one away."""
    table = chip.to_table()
    for path, value in values.items():
        *sections, name = path.split(".")
        inner = table
        for section in sections:
            inner = inner.setdefault(section, {})
        inner[name] = value
    return Hardware(**table)


def value_at(chip: Hardware, path: str) -> Any:
    """The setting's value, None inside a section that the chip does not have."""
    found: Any = chip
    for name in path.split("."):
        found = None if found is None else getattr(found, name)
    return found


def changed(chip: Hardware, path: str, values: tuple[Any, ...]) -> Hardware:
    """The chip with this setting at the first of the values that it does not have."""
    return with_settings(
        chip, {path: next(value for value in values if value != value_at(chip, path))}
    )


def program_for(chip: Hardware) -> Program:
    """24 inputs and 6 neurons at the chip's widths."""
    bits = chip.precision
    weights = random_weights(bits.weight_bits, 6, 24)
    top = max(1, 2 ** (bits.weight_bits - 1) - 1)
    reads, gives = (
        Quantizer(width, 1.0371 * 2.0 ** (1 - width))
        for width in (bits.input_bits, bits.output_bits)
    )
    layer = Layer(weights, bits.weight_bits, 0.5 / top, reads, gives, np.zeros(6), np.full(6, 0.2))
    return single_layer(layer, 1.0)


def seen(chip: Hardware, float_layers: bool = False) -> tuple[Any, ...]:
    """Joules by part under both prices of reliability, cycles and seconds of a read, and codes."""
    if float_layers:
        return _seen_converted(chip)
    with warnings.catch_warnings(action="ignore"):  # ADCs clip, are coarse: a setting may go so far
        running = Chip(program_for(chip), chip, chip_key=5, calibration=X)
        bill = running.bill(X, 2, 0.0)
        codes = running.sample(X, 40, 7, count=False).codes
    other = chip.energy(bill.total_operations, 1.0)
    joules = tuple(bill.energy.parts.values()), tuple(other.parts.values())
    return joules, bill.total_cycles, bill.seconds, codes.tobytes()


def _seen_converted(chip: Hardware) -> tuple[Any, ...]:
    import torch

    from stochsim.lowering import convert

    layers = torch.nn.Sequential(torch.nn.Linear(24, 6), torch.nn.Linear(6, 2))
    bill = convert(layers, chip, torch.from_numpy(X).float(), keep_float=["1"]).bill(
        torch.from_numpy(X).float()
    )
    return tuple(bill.energy.parts.values()), bill.total_cycles, bill.seconds


def moves(path: str) -> bool:
    """Whether the setting, changed on its own chip, changes anything."""
    change = CHANGES[path]
    return seen(change.chip, change.float_layers) != seen(
        changed(change.chip, path, change.values), change.float_layers
    )


def settings_without_effect(chip: Hardware) -> list[str]:
    """Settings that this chip takes at another value, and that then do nothing."""
    before = {float_layers: seen(chip, float_layers) for float_layers in (False, True)}

    def does_nothing(path: str, change: Change) -> bool:
        tried = [(value,) for value in change.values] if change.any_of else [change.values]
        try:
            return all(
                seen(changed(chip, path, values), change.float_layers)
                == before[change.float_layers]
                for values in tried
            )
        except SettingError:
            return False

    return [path for path, change in CHANGES.items() if does_nothing(path, change)]


_PARAMETRIC = {"adc": {"fom_fj": 5.0}}
_OWN = {
    "kind": "adc",
    "formula": "2*bits",
    "unit": "fJ per conversion",
    "source": "a test chip",
    "tag": "user",
}
_SCALED = {"prices__random": "random-cmos-rng"}
_FIXED = {"array__adc__range": "fixed", "array__adc__range_max": 9.0}
_PROGRAMMED = {
    "prices__program": "program-energy",
    "prices__parameters": {"program": {"joules": 1e-12}},
    "array__reads_per_programming": 10,
}
SRAM, RRAM, PCM = "sram-array-28nm", "rram-array", "pcm-array"

CHANGES = {
    "accumulator_bits": to(7, 16),
    "accumulator_overflow": to("wrap", accumulator_bits=6),
    "accumulator_format": to("fp6-e3m2"),
    "accumulator_rounding": to("to-zero", "stochastic-2", accumulator_format="fp6-e3m2"),
    "accumulator_group": to(2, 3, accumulator_format="fp6-e3m2"),
    "precision.weight_bits": to(3, 5),
    "precision.input_bits": to(3, 5),
    "precision.output_bits": to(3, 5),
    "noise.family": to("logistic", noise__read_sigma=0.3),
    "noise.read_sigma": to(0.2),
    "noise.read_sigma_lsb": to(0.7),
    "noise.read_sigma_fs": to(0.05),
    "noise.weight_sigma": to(0.1),
    "noise.weight_sigma_lsb": to(0.5),
    "noise.weight_noise": to("explicit", noise__weight_sigma=0.1),
    "noise.dither": to("stochastic", "triangular"),
    "noise.input_dither": to("stochastic"),
    "noise.input_random_bits": to(2, 3, noise__input_dither="stochastic"),
    "noise.input_cut": to(
        "nearest", "zero", noise__input_dither="stochastic", noise__input_random_bits=1
    ),
    "noise.measured_csv": to(NEURON, FLAT_NEURON),
    "array.rows": to(8, 10, on=SRAM),
    "array.columns": to(8, 10, on=SRAM),
    "array.cell_bits": to(2, 1, on=SRAM),
    "array.cycle_bits": to(2, 1, on=SRAM),
    "array.signs": to("differential", "offset", on=SRAM),
    "array.columns_per_adc": to(4, 8, on=SRAM),
    "array.reads_per_programming": to(20, on=RRAM, **_PROGRAMMED),
    "array.adc.bits": to(5, 6, on=SRAM),
    "array.adc.cycles": to(3, 4, on=SRAM),
    "array.adc.range": Change(("full", "calibrated"), RRAM, any_of=True),  # of "auto"
    "array.adc.range_max": to(5.0, 6.0, on=SRAM, **_FIXED),
    "array.adc.clip_share": to(0.3, on=SRAM, array__adc__range="calibrated", array__adc__bits=3),
    "array.adc.sigma_lsb": to(2.0, 1.0, on=SRAM),
    "array.adc.offset_sigma_lsb": to(1.0, on=SRAM),
    "array.adc.gain_sigma": to(0.1, on=SRAM),
    "array.adc.inl_lsb": to([0.4, -0.5] * 127 + [0.3], on=SRAM),
    "array.adc.dnl_lsb": to([0.5, -0.6] * 127, on=SRAM),
    "array.adc.reference_sigma_lsb": to(1.0, on=SRAM),
    "array.adc.reference_columns": to(3, on=SRAM, array__adc__reference_sigma_lsb=2.0),
    "array.cells.device": to("rram-wan", "sonos", on=SRAM),
    "array.cells.device_csv": to(
        DEVICE.replace("20,1", "20,3"),
        on=SRAM,
        array__cells__device="measured",
        array__cells__device_csv=DEVICE,
    ),
    "array.cells.age_s": to(40000.0, on=RRAM),
    "array.cells.drift_compensation": to(True, False, on=PCM),
    "array.cells.read_sigma": to(0.3, on=SRAM),
    "array.cells.read_sigma_fs": to(0.3, on=SRAM),
    "array.cells.shot_sigma": to(0.3, on=SRAM),
    "array.cells.read_noise": to("explicit", on=SRAM, array__cells__read_sigma=0.3),
    "array.cells.stuck_at_0_rate": to(0.1, on=SRAM),
    "array.cells.stuck_at_1_rate": to(0.1, on=SRAM),
    "array.cells.wire_ohm": to(20.0, on=RRAM),
    "array.cells.wire_model": to("nodal", on=RRAM, array__cells__wire_ohm=20.0),
    "memory.weight_errors": to(0.1),
    "memory.weight_read_errors": to(0.1),
    "memory.code_errors": to(0.1),
    "memory.weights_read": to("read"),
    "memory.voltage_over_vmin": to(0.8, 0.82),
    "memory.voltage_decade": to(0.02, memory__voltage_over_vmin=0.8),
    "memory.transient_share": to(0.5, memory__voltage_over_vmin=0.8),
    "timing.clock_hz": to(2e8),
    "timing.multipliers": to(16, 32),
    "timing.leakage_w": to(1e-3),
    "prices.multiply": to("multiply-horowitz-45nm", "multiply-array-28nm"),
    "prices.add": to("add-horowitz-45nm", "add-gates-28nm"),
    "prices.adc": to("adc-walden", "adc-zigzag-28nm", on=SRAM),
    "prices.dac": to("dac-isaac-32nm", "dac-none", on=SRAM),
    "prices.cell": to("cell-isaac-32nm", "cell-pcm-25us", on=RRAM),
    "prices.line": to("line-gates-28nm", "line-none", on=RRAM),
    "prices.weight_memory": to("memory-dram", "memory-sram-horowitz-45nm"),
    "prices.code_memory": to("memory-register-28nm", "memory-dram"),
    "prices.random": to("random-cmos-rng", "random-landauer"),
    "prices.leakage": to("leakage-power", "leakage-none"),
    "prices.program": to("program-energy", on=RRAM),
    "prices.float_multiply": to(
        "float-multiply-floor", "float-multiply-jouppi-7nm", float_layers=True
    ),
    "prices.float_add": to("float-add-floor", "float-add-horowitz-45nm", float_layers=True),
    "prices.voltage_v": to(0.7, on=SRAM),
    "prices.own": to(
        {"mine": _OWN | {"formula": "3*bits"}},
        on=SRAM,
        prices__adc="mine",
        prices__own={"mine": _OWN},
    ),
    "prices.parameters": to(
        {"adc": {"fom_fj": 9.0}}, on=SRAM, prices__adc="adc-walden", prices__parameters=_PARAMETRIC
    ),
    "prices.scaling.node_nm": to(
        32.0, prices__scaling={"node_nm": 20.0, "voltage_v": 0.9}, **_SCALED
    ),
    "prices.scaling.voltage_v": to(
        0.8, prices__scaling={"node_nm": 20.0, "voltage_v": 0.9}, **_SCALED
    ),
    "reliability.s": to(2.0),
    "reliability.e_bit_j": to(1e-15),
    "reliability.e0_j": to(1e-15),
    "random.random_bits_per_code": to(8, 16),
    "random.threshold_bits": to(5),
    "random.lfsr_bits": to(12, random__threshold_bits=8),
    "random.neurons_per_source": to(2),
}
"""Every setting."""
