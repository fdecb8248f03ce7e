"""A converted network as plain arrays and tables: integer weights, scales, shapes and the order of
layers; saved, and read again.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch

from stochsim.lowering import nodes, reading
from stochsim.lowering.layer_tables import built, layer_tables, read_layers
from stochsim.program import Arrays, Program, check_keys, program_table, read_folder, write_folder
from stochsim.settings import SettingError, StochsimError, strict

if TYPE_CHECKING:
    from stochsim.lowering.chip_module import Converted

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
_DTYPES = {"float32": torch.float32, "float64": torch.float64}


@dataclass(frozen=True)
class ConvertedProgram:
    """What `Converted.program` gives and `save` writes.

    layers: for each layer its programs, one for each group of its channels, weight codes (neuron,
    input) int8 with inputs in the order of the weight's axes. table: everything else, as JSON has
    it; arrays: those of parts left in float, and the calibration's first stimuli where converters
    are calibrated on them. `not_saved` names the parts that cannot be written; where it is empty,
    `load_converted` gives the whole network back, else the layers alone can be read.
    """

    layers: dict[str, tuple[Program, ...]]
    table: dict[str, Any]
    arrays: Arrays

    @classmethod
    def of(cls, converted: "Converted") -> Self:
        """That of a converted network as its parameters are now."""
        layers = converted.layers
        arrays: Arrays = {}
        graph, modules, not_saved = nodes.written(converted.network, arrays)
        array = converted.hardware.array
        calibration = converted.calibration.detach().cpu().numpy()
        used = array is not None and array.converter.range == "calibrated"
        arrays["calibration"] = (
            calibration if used else np.zeros((1, *calibration.shape[1:]), calibration.dtype)
        )
        table = {
            "layers": layer_tables(layers),
            "graph": graph,
            "modules": modules,
            "not_saved": not_saved,
            "left_in_float": [one._asdict() for one in converted.left_in_float],
            "hardware": converted.hardware.to_table(),
            "key": converted.key,
            "chip_key": converted.chip_key,
            "dtype": str(converted.calibration.dtype).removeprefix("torch."),
            "calibration": bool(used),
        }
        return cls({name: layer.programs() for name, layer in layers.items()}, table, arrays)

    @property
    def not_saved(self) -> tuple[str, ...]:
        """Parts left in float that cannot be written, and why."""
        return tuple(self.table["not_saved"])

    def save(self, folder: Path) -> None:
        """Write it to a folder: `program.json` and `program.safetensors` (see deploy/files.py).

        Raises StochsimError where it cannot.
        """
        arrays = dict(self.arrays)
        tables = []
        for own in self.table["layers"]:
            programs = self.layers[own["name"]]
            tables.append(
                {
                    **own,
                    "groups": [
                        program_table(one, f"{own['name']}.{g}", arrays)
                        for g, one in enumerate(programs)
                    ],
                }
            )
        write_folder(folder, KIND, {**self.table, "layers": tables}, arrays)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """What `save` wrote; raises StochsimError for a folder that is damaged, or of another kind
        or version.
        """
        _, table, arrays = read_folder(folder, (KIND,))
        with _named(folder):
            check_keys("program", table, _FIELDS)
            layers, tables, used = read_layers(table["layers"], arrays)
            _check_facts(table)
            _check_calibration(table, arrays)
        kept = {name: value for name, value in arrays.items() if name not in used}
        return cls(layers, {**table, "layers": tables}, kept)


@contextmanager
def _named(folder: Path) -> Iterator[None]:
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
    strict.word("program.dtype", table["dtype"], _DTYPES)
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


def load_converted(folder: Path, hardware: Any = None) -> "Converted":
    """A converted network from what `Converted.program.save(folder)` wrote: the same codes by the
    same key; trainable as before.

    Its float weights are those of the integer codes. hardware: None for the one it was saved with.
    Raises StochsimError for a folder that is damaged, of another kind or version, or names parts
    that could not be written.
    """
    from stochsim.hardware import Hardware
    from stochsim.lowering.chip_module import Converted, LeftInFloat

    program = ConvertedProgram.load(folder)
    table = program.table
    if table["not_saved"]:
        raise StochsimError(
            f"{folder} holds the layers, but not the whole network: {'; '.join(table['not_saved'])}"
        )
    with _named(folder):
        dtype = _DTYPES[table["dtype"]]
        layers = built(table["layers"], program.layers, dtype)
        calibration = torch.from_numpy(program.arrays["calibration"].copy())
        network = reading.read(
            table["graph"], table["modules"], program.arrays, layers, calibration
        )
        chosen = Hardware.from_table(table["hardware"]) if hardware is None else hardware
        _check_calibrated(chosen, table["calibration"])
        left = tuple(LeftInFloat(**one) for one in table["left_in_float"])
        return Converted(
            network, chosen, left, calibration, key=table["key"], chip_key=table["chip_key"]
        )


def _check_calibrated(hardware: Any, has_stimuli: bool) -> None:
    array = hardware.array
    if array is not None and array.converter.range == "calibrated" and not has_stimuli:
        raise SettingError(
            f"{hardware.name} has calibrated converters: the network was saved for one without, "
            f"and without its stimuli"
        )
