"""A converted network as plain arrays and tables: integer weights, scales, shapes and the order of
layers; saved, and read again.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch

from stochsim.hardware import Hardware
from stochsim.lowering import nodes
from stochsim.lowering.emulated_layer import ChipLayer
from stochsim.lowering.graph_network import Network
from stochsim.lowering.layer_tables import layer_tables, read_layers
from stochsim.program import Arrays, Layer, check_keys, read_folder, write_folder
from stochsim.settings import SettingError, StochsimError, strict

KIND = "converted"
_FIELDS = (
    "layers",
    "graph",
    "modules",
    "not_saved",
    "left_in_float",
    "hardware",
    "key",
    "chip_key",
    "dtype",
    "calibration",
)
_COSTS = ("float32", "nothing", "not priced")
DTYPES = {"float32": torch.float32, "float64": torch.float64}


@dataclass(frozen=True)
class ConvertedProgram:
    """What `Converted.program` gives and `save` writes.

    layers: for each layer the groups of its channels, weight codes (neuron,
    input) int8 with inputs in the order of the weight's axes. table: everything else, as JSON has
    it; arrays: those of parts left in float, and the calibration's first stimuli where converters
    are calibrated on them. `not_saved` names the parts that cannot be written; where it is empty,
    `load_converted` gives the whole network back, else the layers alone can be read.
    """

    layers: dict[str, tuple[Layer, ...]]
    table: dict[str, Any]
    arrays: Arrays

    @classmethod
    def of(
        cls,
        network: Network,
        layers: Mapping[str, ChipLayer],
        calibration: np.ndarray,
        facts: dict[str, Any],
    ) -> Self:
        """That of a network with these layers as their parameters are now.

        calibration: stimuli (stimulus, …). facts: `hardware`, `left_in_float`, `key`, `chip_key`.
        """
        arrays: Arrays = {}
        graph, modules, not_saved = nodes.written(network, arrays)
        hardware: Hardware = facts["hardware"]
        array = hardware.array
        used = array is not None and array.converter.range == "calibrated"
        arrays["calibration"] = (
            calibration if used else np.zeros((1, *calibration.shape[1:]), calibration.dtype)
        )
        table = {
            "layers": layer_tables(layers),
            "graph": graph,
            "modules": modules,
            "not_saved": not_saved,
            "left_in_float": [one._asdict() for one in facts["left_in_float"]],
            "hardware": hardware.to_table(),
            "key": facts["key"],
            "chip_key": facts["chip_key"],
            "dtype": calibration.dtype.name,
            "calibration": bool(used),
        }
        return cls({name: layer.groups() for name, layer in layers.items()}, table, arrays)

    @property
    def not_saved(self) -> tuple[str, ...]:
        """Parts left in float that cannot be written, and why."""
        return tuple(self.table["not_saved"])

    def save(self, folder: Path) -> None:
        """Write it to a folder: `program.json` and `program.safetensors` (see program/folders.py).

        Raises StochsimError where it cannot.
        """
        arrays = dict(self.arrays)
        tables = []
        for own in self.table["layers"]:
            groups = []
            for g, layer in enumerate(self.layers[own["name"]]):
                table, found = layer.to_table()
                groups.append(table)
                arrays |= {f"{own['name']}.{g}.{name}": one for name, one in found.items()}
            tables.append({**own, "groups": groups})
        write_folder(folder, KIND, {**self.table, "layers": tables}, arrays)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """What `save` wrote; raises StochsimError for a folder that is damaged, or of another kind
        or version.
        """
        _, table, arrays = read_folder(folder, (KIND,))
        with named(folder):
            check_keys("program", table, _FIELDS)
            layers, tables, used = read_layers(table["layers"], arrays)
            _check_facts(table)
            _check_calibration(table, arrays)
        kept = {name: value for name, value in arrays.items() if name not in used}
        return cls(layers, {**table, "layers": tables}, kept)


@contextmanager
def named(folder: Path) -> Iterator[None]:
    """Put the folder's name before an error of what is in it."""
    try:
        yield
    except SettingError as error:
        raise StochsimError(
            f"{folder}: not a converted network that can be read ({error})"
        ) from None


def _check_facts(table: dict[str, Any]) -> None:
    """Raise SettingError for what is beside layers, graph and modules, and cannot be."""
    for i, one in enumerate(strict.items("program.not_saved", table["not_saved"])):
        strict.text(f"not_saved[{i}]", one)
    for i, one in enumerate(strict.items("program.left_in_float", table["left_in_float"])):
        strict.exact_table(f"left_in_float[{i}]", one, ("name", "what", "why", "cost"))
        for field, value in one.items():
            strict.text(f"left_in_float[{i}].{field}", value)
        strict.word(f"left_in_float[{i}].cost", one["cost"], _COSTS)
    for field in ("key", "chip_key"):
        strict.whole(f"program.{field}", table[field], 0, 2**64 - 1)
    strict.word("program.dtype", table["dtype"], DTYPES)
    strict.flag("program.calibration", table["calibration"])
    strict.table("program.hardware", table["hardware"])


def _check_calibration(table: dict[str, Any], arrays: Arrays) -> None:
    """Raise SettingError unless there are stimuli of the network's numbers."""
    found = arrays.get("calibration")
    if found is None:
        raise SettingError("array 'calibration' is missing")
    if found.dtype.name != table["dtype"] or found.ndim < 2 or 0 in found.shape:
        raise SettingError(
            f"array 'calibration' is {found.dtype} {found.shape}: should be {table['dtype']} "
            f"(stimulus, …)"
        )
    if not np.isfinite(found).all():
        raise SettingError("array 'calibration' has values that are not finite")
