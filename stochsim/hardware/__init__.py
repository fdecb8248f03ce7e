"""Hardware: a chip described by its bits, its noise and its energy prices; frozen, validated, read
from and written to TOML.
"""

from stochsim.hardware.array import Array, Cells, Converter
from stochsim.hardware.devices import Device, device, devices
from stochsim.hardware.files import preset_path, presets
from stochsim.hardware.hardware import Hardware, chip_files, preset
from stochsim.hardware.measured import MeasuredChannel, read_channel_text, read_device_text
from stochsim.hardware.parts import (
    Memory,
    Noise,
    Precision,
    RandomSource,
    Reliability,
    bit_error_rate,
)
from stochsim.hardware.prices import OPERATION_PRICES, Prices
from stochsim.hardware.table import TABLE_COLUMNS, describe, hardware_table, own_settings
from stochsim.hardware.timing import Timing

__all__ = [
    "OPERATION_PRICES",
    "TABLE_COLUMNS",
    "Array",
    "Cells",
    "Converter",
    "Device",
    "Hardware",
    "MeasuredChannel",
    "Memory",
    "Noise",
    "Precision",
    "Prices",
    "RandomSource",
    "Reliability",
    "Timing",
    "bit_error_rate",
    "chip_files",
    "describe",
    "device",
    "devices",
    "hardware_table",
    "own_settings",
    "preset",
    "preset_path",
    "presets",
    "read_channel_text",
    "read_device_text",
]
