"""Whether manufactured parts of one Hardware differ: what is drawn once per chip, by its key."""

import numpy as np

from stochsim.hardware.array import Array
from stochsim.hardware.hardware import Hardware, check_hardware
from stochsim.hardware.memory_device import Device


def parts_differ(hardware: Hardware) -> bool:
    """Whether two chips with different keys can differ: by persistent errors of the weight memory,
    or in an array by its cells or its ADCs. What is drawn without spread differs on no part.

    >>> from stochsim.hardware import load_hardware, parts_differ
    >>> parts_differ(load_hardware("rram-array")), parts_differ(load_hardware("digital-45nm"))
    (True, False)

    Raises SettingError for what is no Hardware.
    """
    check_hardware(hardware)
    if _is_drawn(hardware.memory.weight_error_rates[0]):
        return True
    return hardware.array is not None and (
        _adcs_differ(hardware.array) or _cells_differ(hardware.array)
    )


def _adcs_differ(array: Array) -> bool:
    return array.adc.offset_sigma_lsb > 0 or array.adc.gain_sigma > 0


def _cells_differ(array: Array) -> bool:
    cells = array.cells
    device = cells.memory_device
    if _is_drawn(cells.stuck_at_0_rate) or _is_drawn(cells.stuck_at_1_rate):
        return True
    return device is not None and _device_spreads(device, cells.age_s, array.cell_bits)


def _is_drawn(rate: float) -> bool:
    """Whether this share of bits or cells says nothing of which ones: neither none nor all."""
    return 0 < rate < 1


def _device_spreads(device: Device, age_s: float | None, cell_bits: int) -> bool:
    """Whether programming or drift has a spread at one of the conductances that stand for codes."""
    target_us = np.linspace(device.g_min_us, device.g_max_us, 2**cell_bits)
    if device.programming_sigma_us(target_us, age_s).any():
        return True
    drift = device.drift
    if drift is None or device.age(age_s) <= drift.t0_s:
        return False
    _, spread = drift.exponent(target_us / device.g_max_us)
    return bool(np.any(spread))
