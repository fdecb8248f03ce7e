"""A converted network as plain arrays and tables: integer weights, scales, shapes and the order of
layers; saved, and read again.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch

from stochsim.lowering import nodes
from stochsim.lowering.emulated_layer import ACTIVATIONS, ChipLayer
from stochsim.lowering.window_geometry import Geometry
from stochsim.program import (
    Arrays,
    Program,
    check_keys,
    program_table,
    read_folder,
    read_program,
    write_folder,
)
from stochsim.settings import SettingError, StochsimError, nearest

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
_LAYER = (
    "name",
    "geometry",
    "groups",
    "weight_shape",
    "has_bias",
    "reads",
    "weights_of",
    "log_scales",
)


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
            "layers": _layer_tables(layers),
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
        try:
            check_keys("program", table, _FIELDS)
            layers, tables = {}, []
            for own in table["layers"]:
                check_keys("layer", own, _LAYER)
                name = own["name"]
                layers[name] = tuple(
                    read_program(one, f"{name}.{g}", arrays) for g, one in enumerate(own["groups"])
                )
                tables.append({**own, "groups": len(own["groups"])})
        except (SettingError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise StochsimError(
                f"{folder}: not a converted network that can be read ({error})"
            ) from None
        kept = {
            name: value
            for name, value in arrays.items()
            if name == "calibration" or name.startswith("float.")
        }
        return cls(layers, {**table, "layers": tables}, kept)


def _layer_tables(layers: dict[str, ChipLayer]) -> list[dict[str, Any]]:
    """Each layer's shapes, and which grids and weights it shares with an earlier one."""
    tables: list[dict[str, Any]] = []
    outputs: dict[int, str] = {}
    weights: dict[int, str] = {}
    for name, layer in layers.items():
        geometry = json.loads(
            json.dumps(vars(layer.geometry))
        )  # tuples as lists, as they are read again
        grids = {
            "weight": layer.weight_grid,
            "input": layer.input_grid,
            "output": layer.output_grid,
        }
        tables.append(
            {
                "name": name,
                "geometry": geometry,
                "groups": layer.geometry.groups,
                "weight_shape": list(layer.weight.shape),
                "has_bias": layer.bias is not None,
                "reads": outputs.get(id(layer.input_grid)) if layer.takes_codes else None,
                "weights_of": weights.get(id(layer.weight)),
                "log_scales": {
                    side: float(grid.log_scale.detach()) for side, grid in grids.items()
                },
            }
        )
        outputs[id(layer.output_grid)] = name
        weights.setdefault(id(layer.weight), name)
    return tables


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
    try:
        dtype = {"float32": torch.float32, "float64": torch.float64}[table["dtype"]]
        layers = _built(program, dtype)
        network = nodes.read(table["graph"], table["modules"], program.arrays, layers)
        chosen = Hardware.from_table(table["hardware"]) if hardware is None else hardware
        left = tuple(LeftInFloat(**one) for one in table["left_in_float"])
        calibration = torch.from_numpy(program.arrays["calibration"].copy())
        if (
            not table["calibration"]
            and chosen.array is not None
            and chosen.array.converter.range == "calibrated"
        ):
            raise SettingError(
                f"{chosen.name} has calibrated converters: the network was saved for one without, "
                f"and without its stimuli"
            )
        return Converted(
            network, chosen, left, calibration, key=table["key"], chip_key=table["chip_key"]
        )
    except (SettingError, KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise StochsimError(
            f"{folder}: not a converted network that can be read ({error})"
        ) from None


def _built(program: ConvertedProgram, dtype: torch.dtype) -> dict[str, ChipLayer]:
    """The layers again, each with its parameters or those it shares."""
    layers: dict[str, ChipLayer] = {}
    for own in program.table["layers"]:
        programs, first = program.layers[own["name"]], program.layers[own["name"]][0]
        log = own["log_scales"]
        if first.activation not in ACTIVATIONS:
            raise SettingError(
                f"layer '{own['name']}' has the activation '{first.activation}': "
                f"{nearest(first.activation, ACTIVATIONS)}"
            )
        output = _grid(first.output.bits, log["output"], first.output.unsigned, dtype)
        source = None if own["reads"] is None else layers[own["reads"]]
        input_grid = (
            source.output_grid
            if source
            else _grid(first.input.bits, log["input"], first.input.unsigned, dtype)
        )
        if own["weights_of"] is None:
            weight_grid = _grid(first.weight_bits, log["weight"], False, dtype, narrow=True)
            codes = np.concatenate([one.weight_codes for one in programs]).reshape(
                own["weight_shape"]
            )
            weight = torch.nn.Parameter(
                torch.from_numpy(codes.astype(np.float64)).to(dtype) * weight_grid.scale().detach()
            )
            bias_values = torch.from_numpy(np.concatenate([one.bias for one in programs])).to(dtype)
            bias = torch.nn.Parameter(bias_values) if own["has_bias"] else None
        else:
            other = layers[own["weights_of"]]
            weight, bias, weight_grid = other.weight, other.bias, other.weight_grid
        fields = {name: _tuples(value) for name, value in own["geometry"].items()}
        grids = (weight_grid, input_grid, output)
        layers[own["name"]] = ChipLayer(
            own["name"],
            Geometry(**fields),
            (weight, bias),
            grids,
            first.activation,
            source is not None,
        )
    return layers


def _grid(
    bits: int, log_scale: float, unsigned: bool, dtype: torch.dtype, narrow: bool = False
) -> Any:
    from stochsim.lowering.grids import Grid

    grid = Grid(bits, 1.0, unsigned, narrow).to(dtype)
    with torch.no_grad():
        grid.log_scale.fill_(log_scale)
    return grid


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
