"""A converted network in files: how its layers are called, the order of all parts, and the arrays
of those in float.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch

from stochsim.hardware import Hardware
from stochsim.lowering import nodes
from stochsim.lowering.emulated_layer import ChipLayer
from stochsim.lowering.graph_network import Network
from stochsim.lowering.layer_tables import call_tables, check_calls
from stochsim.program import Graph, Layer, check_keys, read_folder, read_layers
from stochsim.settings import (
    AnyPath,
    Arrays,
    SettingError,
    StochsimError,
    as_path,
    one_line,
    strict,
)

_FIELDS = (
    "layers",
    "rho",
    "calls",
    "graph",
    "not_saved",
    "left_in_float",
    "hardware",
    "key",
    "chip_key",
    "dtype",
    "calibration",
)
_SIGNATURE = ("inputs", "outputs")
"""What files have that were written since modules may take and give several tensors."""

_COSTS = ("float32", "nothing", "random bits", "not priced")
DTYPES = {"float32": torch.float32, "float64": torch.float64}


def stored(
    network: Network,
    layers: Mapping[str, ChipLayer],
    examples: np.ndarray,
    facts: Mapping[str, Any],
) -> tuple[dict[str, Any], Arrays]:
    """What a file holds of a network beside its layers.

    The table: how layers are called, the graph, and `facts` (`hardware`, `left_in_float`, `key`,
    `chip_key`, `inputs`, `outputs`); the arrays: those of parts in float, and the first examples
    (stimulus, …) where ADCs are calibrated on them. `not_saved` names the parts that cannot be
    written; where it is empty, `load_converted` gives the whole network back.
    """
    arrays: Arrays = {}
    graph, not_saved = nodes.written(network, arrays)
    hardware: Hardware = facts["hardware"]
    used = hardware.array is not None and hardware.array.adc.range in ("auto", "calibrated")
    arrays["calibration"] = examples if used else np.zeros((1, *examples.shape[1:]), examples.dtype)
    table = {
        "calls": call_tables(layers),
        "graph": graph,
        "not_saved": not_saved,
        "left_in_float": [one._asdict() for one in facts["left_in_float"]],
        "hardware": hardware.to_table(),
        "key": facts["key"],
        "chip_key": facts["chip_key"],
        "dtype": examples.dtype.name,
        "calibration": bool(used),
        "inputs": facts["inputs"],
        "outputs": facts["outputs"],
    }
    return table, arrays


class SavedGraph(NamedTuple):
    """What a folder of a converted network holds: layers by name, all else as JSON has it, and
    arrays of parts in float.

    It can be read where `load_converted` cannot make the network again, for a part was not saved.
    """

    layers: dict[str, Layer]
    table: dict[str, Any]
    arrays: Arrays

    def __repr__(self) -> str:
        return one_line(self)


def read_saved(folder: AnyPath) -> SavedGraph:
    """What `save` of a converted network's program wrote; raises StochsimError for a folder that is
    damaged, or of another kind or version.
    """
    _, table, arrays = read_folder(as_path("folder", folder), (Graph.kind,))
    if "modules" in table:
        raise StochsimError(
            f"{folder}: written by an earlier version of stochsim; convert the module again, and "
            f"save what that gives"
        )
    with named(folder):
        is_new = any(name in table for name in _SIGNATURE)
        check_keys("program", table, (*_FIELDS, *_SIGNATURE) if is_new else _FIELDS)
        layers, used = read_layers(table["layers"], arrays)
        tables = check_calls(table["calls"], layers)
        _check_facts(table)
        _check_calibration(table, arrays)
    kept = {name: value for name, value in arrays.items() if name not in used}
    return SavedGraph(layers, {**table, "calls": tables}, kept)


@contextmanager
def named(folder: AnyPath) -> Iterator[None]:
    """Put the folder's name before an error of what is in it."""
    try:
        yield
    except SettingError as error:
        raise StochsimError(
            f"{folder}: not a converted network that can be read ({error})"
        ) from None


def _check_facts(table: dict[str, Any]) -> None:
    """Raise SettingError for what is beside layers and graph, and cannot be."""
    for i, one in enumerate(strict.items("program.not_saved", table["not_saved"])):
        strict.text(f"not_saved[{i}]", one)
    for i, one in enumerate(strict.items("program.left_in_float", table["left_in_float"])):
        strict.exact_table(f"left_in_float[{i}]", one, ("name", "what", "why", "cost"))
        for field, value in one.items():
            strict.text(f"left_in_float[{i}].{field}", value)
        strict.word(f"left_in_float[{i}].cost", one["cost"], _COSTS)
    strict.number("program.rho", table["rho"], 0.0, 0.0)
    for field in ("key", "chip_key"):
        strict.whole(f"program.{field}", table[field], 0, 2**64 - 1)
    strict.word("program.dtype", table["dtype"], DTYPES)
    strict.flag("program.calibration", table["calibration"])
    strict.table("program.hardware", table["hardware"])


def _check_calibration(table: dict[str, Any], arrays: Arrays) -> None:
    """Raise SettingError unless there are stimuli of the network's numbers."""
    found = arrays.get("calibration")
    if found is None:
        raise SettingError.missing("calibration", section=("arrays",))
    if found.dtype.name != table["dtype"] or found.ndim < 2 or 0 in found.shape:
        rule = f"should be {table['dtype']} (stimulus, …), none of its axes empty"
        raise SettingError.of("calibration", found, rule, section=("arrays",))
    if not np.isfinite(found).all():
        raise SettingError.of("calibration", found, "should be finite", section=("arrays",))
