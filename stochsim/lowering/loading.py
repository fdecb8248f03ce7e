"""Converted networks read from folders."""

import torch

from stochsim.hardware import HARDWARE_RULE, Hardware
from stochsim.lowering import reading
from stochsim.lowering.chip_module import ChipModule, LeftInFloat
from stochsim.lowering.layer_tables import built
from stochsim.lowering.serialise import DTYPES, named, read_saved
from stochsim.settings import AnyPath, Argument, SettingError, StochsimError, check_arguments


def load_converted(folder: AnyPath, hardware: Hardware | None = None) -> ChipModule:
    """A converted network from what `ChipModule.program.save(folder)` wrote: the same codes by the
    same key; trainable as before.

    Its float weights are those of the integer codes. hardware: None for the one it was saved with.
    Raises StochsimError for a folder that is damaged, of another kind or version, or names parts
    that could not be written.

    >>> import stochsim as ss
    >>> import torch
    >>> examples = torch.randn(64, 6, generator=torch.Generator().manual_seed(0))
    >>> hardware = ss.load_hardware("digital-45nm", bits=4)
    >>> small = ss.convert(torch.nn.Linear(6, 2), hardware, examples)
    >>> small.program.save("small_network")
    >>> ss.load_converted("small_network").hardware.name
    'digital-45nm'
    """
    if hardware is not None:
        given = Argument("hardware", hardware, Hardware, HARDWARE_RULE)
        check_arguments("load_converted(folder, hardware)", given)
    saved = read_saved(folder)
    table = saved.table
    if table["not_saved"]:
        raise StochsimError(
            f"{folder} holds the layers, but not the whole network: {'; '.join(table['not_saved'])}"
        )
    with named(folder):
        dtype = DTYPES[table["dtype"]]
        layers = built(table["calls"], saved.layers, dtype)
        examples = torch.from_numpy(saved.arrays["calibration"].copy())
        network = reading.read(table["graph"], table["modules"], saved.arrays, layers, examples)
        chosen = Hardware.from_table(table["hardware"]) if hardware is None else hardware
        _check_calibrated(chosen, table["calibration"])
        left = tuple(LeftInFloat(**one) for one in table["left_in_float"])
        return ChipModule(
            network, chosen, left, examples, key=table["key"], chip_key=table["chip_key"]
        )


def _check_calibrated(hardware: Hardware, has_stimuli: bool) -> None:
    array = hardware.array
    if array is not None and array.adc.range == "calibrated" and not has_stimuli:
        rule = "the network was saved for ADCs of another range, and without its stimuli"
        raise SettingError.of("hardware.array.adc.range", array.adc.range, rule)
