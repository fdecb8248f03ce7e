"""Whether manufactured parts of one Hardware differ: what is drawn once per chip, by its key."""

from stochsim.hardware.array import Array
from stochsim.hardware.hardware import Hardware, check_hardware


def parts_differ(hardware: Hardware) -> bool:
    """Whether two chips with different keys can differ: by persistent errors of the weight memory,
    or in an array by its cells or its ADCs.

    >>> from stochsim.hardware import load_hardware, parts_differ
    >>> parts_differ(load_hardware("rram-array")), parts_differ(load_hardware("digital-45nm"))
    (True, False)

    Raises SettingError for what is no Hardware.
    """
    check_hardware(hardware)
    if hardware.memory.weight_error_rates[0] > 0:
        return True
    return hardware.array is not None and (
        _adcs_differ(hardware.array) or _cells_differ(hardware.array)
    )


def _adcs_differ(array: Array) -> bool:
    return array.adc.offset_sigma_lsb > 0 or array.adc.gain_sigma > 0


def _cells_differ(array: Array) -> bool:
    cells = array.cells
    device = cells.memory_device
    is_drawn = device is not None and (device.programming is not None or device.drift is not None)
    return is_drawn or cells.stuck_at_0_rate > 0 or cells.stuck_at_1_rate > 0
