"""Hardware: a chip described by its bits, its noise and its energy prices; frozen, validated, read from and written to TOML."""

from stochsim.hardware.array import Array, Cells, Converter
from stochsim.hardware.devices import Device, device, devices
from stochsim.hardware.hardware import Hardware, preset, presets
from stochsim.hardware.measured import MeasuredChannel, read_channel_text, read_device_text
from stochsim.hardware.parts import Memory, Noise, Precision, Prices, RandomSource, Reliability, bit_error_rate
from stochsim.hardware.table import TABLE_COLUMNS, describe, hardware_table, own_settings

__all__ = [
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
    "bit_error_rate",
    "describe",
    "device",
    "devices",
    "hardware_table",
    "own_settings",
    "preset",
    "presets",
    "read_channel_text",
    "read_device_text",
]
