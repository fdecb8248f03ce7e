"""Hardware: a chip described by its bits, its noise and its energy prices; frozen, validated, read from and written to TOML."""

from stochsim.hardware.hardware import Hardware, preset, presets
from stochsim.hardware.parts import Noise, Precision, Prices, RandomSource, Reliability
from stochsim.hardware.table import TABLE_COLUMNS, describe, hardware_table

__all__ = [
    "TABLE_COLUMNS",
    "Hardware",
    "Noise",
    "Precision",
    "Prices",
    "RandomSource",
    "Reliability",
    "describe",
    "hardware_table",
    "preset",
    "presets",
]
