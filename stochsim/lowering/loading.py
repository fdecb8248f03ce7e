"""Converted networks read from folders."""

from typing import Any

import torch

from stochsim.hardware import HARDWARE_RULE, Hardware
from stochsim.lowering import reading
from stochsim.lowering.chip_module import ChipModule, given_by
from stochsim.lowering.graph_network import Network
from stochsim.lowering.layer_tables import built
from stochsim.lowering.left_in_float import LeftInFloat
from stochsim.lowering.serialise import DTYPES, named, read_saved
from stochsim.lowering.signature import Inputs, Outputs
from stochsim.lowering.signature_tables import check_arrays, inputs_of, outputs_of
from stochsim.settings import AnyPath, Argument, SettingError, StochsimError, check_arguments


def load_converted(folder: AnyPath, hardware: Hardware | None = None) -> ChipModule:
    """A converted network from what `ChipModule.program.save(folder)` wrote: the same codes by the
    same key; trainable as before.

    Its float weights are those of the integer codes. hardware: None for the one it was saved with;
    of an array, where it was saved for none, ADCs of range "auto" have "full", for there are no
    examples to calibrate them on.
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
        network = reading.read(table["graph"], saved.arrays, layers, examples)
        chosen = Hardware.from_table(table["hardware"]) if hardware is None else hardware
        chosen = _for_stored(chosen, table["calibration"])
        left = tuple(LeftInFloat(**one) for one in table["left_in_float"])
        keys = {"key": table["key"], "chip_key": table["chip_key"]}
        signature = _signature(table, network, examples)
        return ChipModule(network, chosen, left, examples, **keys, signature=signature)


def _signature(
    table: dict[str, Any], network: Network, examples: torch.Tensor
) -> tuple[Inputs, Outputs] | None:
    """What the network takes and gives; None of a file that does not say, which is of one tensor
    each.
    """
    if "inputs" not in table:
        return None
    inputs = inputs_of("program.inputs", table["inputs"])
    outputs = outputs_of("program.outputs", table["outputs"])
    check_arrays(inputs, tuple(examples.shape[1:]), "inputs")
    check_arrays(outputs, given_by(network, examples).shape, "outputs")
    return inputs, outputs


def _for_stored(hardware: Hardware, has_stimuli: bool) -> Hardware:
    """The hardware of a network that was saved with, or without, stimuli to calibrate ADCs on: an
    "auto" range is "full" without; raises SettingError for a "calibrated" one.
    """
    array = hardware.array
    if array is None or has_stimuli or array.adc.range not in ("auto", "calibrated"):
        return hardware
    if array.adc.range == "auto":
        return hardware.with_({"array.adc.range": "full"})
    rule = "the network was saved for ADCs of another range, and without its stimuli"
    raise SettingError.of("hardware.array.adc.range", "calibrated", rule, ["full"])
