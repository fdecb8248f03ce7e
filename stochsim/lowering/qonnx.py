"""The noiseless network as QONNX: its layers as Brevitas modules of the same scales, exported by
Brevitas.

Scales are rounded once more on the way, in the last place of float32. Floating-point formats are
the operator FloatQuant (`qonnx_floats.py`). Needs the packages onnx and onnxoptimizer (the extra
"qonnx"). Noise, arrays and errors of memories have no place in QONNX and are left out; accumulators
that round or overflow, and what cannot be written, are an error.
"""

import copy
import importlib.util
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import brevitas.nn as qnn
import numpy as np
import torch
from brevitas.inject.enum import RestrictValueType
from brevitas.quant import Uint8ActPerTensorFloatMaxInit
from torch.nn.utils import parametrize

from stochsim.hardware import Hardware
from stochsim.lowering.emulated_layer import ChipLayer
from stochsim.lowering.graph_network import Network
from stochsim.lowering.qonnx_floats import FloatQuant, why_not_float_quant
from stochsim.lowering.queries import operation
from stochsim.lowering.signature import Outputs, side_by_side
from stochsim.lowering.transposed import turned_weight
from stochsim.networks import BookGrid, Grid, GridFormat, activation_quantizer, weight_options
from stochsim.program import Geometry, Layer, Program
from stochsim.settings import (
    NotWrittenError,
    SettingError,
    StochsimError,
    shown_path,
    write_bytes,
)

_ACTIVATIONS = {"relu": torch.nn.ReLU, "tanh": torch.nn.Tanh, "sigmoid": torch.nn.Sigmoid}

_CONVOLUTIONS: dict[int, Any] = {1: qnn.QuantConv1d, 2: qnn.QuantConv2d, 3: qnn.QuantConv3d}
_TRANSPOSED: dict[int, Any] = {
    1: qnn.QuantConvTranspose1d,
    2: qnn.QuantConvTranspose2d,
    3: qnn.QuantConvTranspose3d,
}


class _Unsigned(Uint8ActPerTensorFloatMaxInit):
    restrict_scaling_type = RestrictValueType.LOG_FP


class _Called(torch.nn.Module):
    """A network that is called with every input and gives every output, as tensors of their own."""

    def __init__(self, network: Network, outputs: Outputs) -> None:
        super().__init__()
        self.network = network
        self._outputs = outputs

    def forward(self, *x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """The outputs in order."""
        return tuple(self._outputs.tensors(self.network(side_by_side(list(x), torch.float32))))


def export(
    network: Network,
    layers: Mapping[str, ChipLayer],
    examples: tuple[torch.Tensor, ...],
    outputs: Outputs,
    path: Path,
) -> None:
    """Write a network with these layers to a file, each input and output by itself; raises
    StochsimError where a package is missing, or names the layer that cannot be written. examples:
    one stimulus of each input, (1, …).
    """
    missing = [name for name in ("onnx", "onnxoptimizer") if importlib.util.find_spec(name) is None]
    if missing:
        raise StochsimError(
            f"QONNX needs the package {' and '.join(missing)}: install stochsim[qonnx]"
        )
    network = copy.deepcopy(network).float().eval()
    _write_casts(network)
    for name, layer in layers.items():
        network.set_submodule(name, _written(name, layer))
    _make_folder(path.parent)
    try:
        data = _exported(_Called(network, outputs).eval(), examples)
    except (RuntimeError, torch.onnx.errors.OnnxExporterError) as error:
        raise StochsimError(
            f"{path}: a part left in float cannot be written as ONNX ({str(error).splitlines()[0]})"
        ) from None
    write_bytes(path, data)


def check_accumulators(program: Program, hardware: Hardware) -> None:
    """Raise SettingError where a chip's accumulators are none of QONNX, whose sums are exact: those
    in floating point, and narrower ones than the largest sum of a layer may need.
    """
    if hardware.accumulator_format is not None:
        rule = "QONNX has exact sums: export the network converted for a chip without it"
        name = "hardware.accumulator_format"
        raise SettingError.of(name, hardware.accumulator_format, rule, [None])
    bits = hardware.accumulator_bits
    if bits is None:
        return
    needed, name = max((_bits_of_sums(layer), name) for name, layer in program.layers.items())
    if bits < needed:
        rule = (
            f"QONNX has exact sums, and those of layer '{name}' may need {needed} bits; valid: "
            f"None, or {needed} and more"
        )
        raise SettingError.of("hardware.accumulator_bits", bits, rule)


def _bits_of_sums(layer: Layer) -> int:
    """Bits, sign included, of the largest sum of products that a layer can come to."""
    of_weights = np.abs(layer.weight_integers.astype(np.int64)).sum(1).max()
    return int(of_weights * layer.input.largest_integer).bit_length() + 1


def _write_casts(network: Network) -> None:
    """Casts as ONNX's exporter knows them."""
    for node in network.graph.nodes:
        if operation(node) == "_to_copy" and list(node.kwargs) == ["dtype"]:
            node.target = torch.ops.aten.to.dtype
            node.args, node.kwargs = (node.args[0], node.kwargs["dtype"]), {}


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        raise NotWrittenError(f"{shown_path(folder)}: cannot be made ({error})") from None


def _exported(network: torch.nn.Module, examples: tuple[torch.Tensor, ...]) -> bytes:
    """The file of a network of Brevitas's layers."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of an optional package, and of the exporter's age
        from brevitas.export import export_qonnx

        part = Path(folder) / "network.onnx"
        export_qonnx(network, args=examples, export_path=str(part), dynamo=False)
        return part.read_bytes()


def _written(name: str, layer: ChipLayer) -> torch.nn.Module:
    """The same layer of Brevitas modules: its input quantiser where it has one of its own, product,
    activation, output quantiser.
    """
    _check_formats(name, layer)
    is_table = layer.geometry.lookup > 0
    grids = (layer.output_grid,) if is_table else (layer.input_grid, layer.output_grid)
    if any(grid.bits == 1 and grid.unsigned for grid in grids):
        raise StochsimError(
            f"layer '{name}' cannot be written as QONNX: one-bit codes of 0 and a scale, where one "
            f"bit is a sign"
        )
    is_rounded = not layer.takes_codes and not is_table
    parts: list[Any] = [_activation(layer.input_grid)] if is_rounded else []
    parts += [_Whole()] if is_table else []
    parts.append(_product(name, layer))
    parts += [_ACTIVATIONS[layer.activation]()] if layer.activation in _ACTIVATIONS else []
    return torch.nn.Sequential(*parts, _activation(layer.output_grid)).eval()


class _Whole(torch.nn.Module):
    """Ids as whole numbers."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """As embeddings take them."""
        return x.long()


def _activation(grid: Grid) -> Any:
    if isinstance(grid, BookGrid):
        return FloatQuant(grid)
    scale = float(grid.scale().detach())
    if grid.unsigned:
        return qnn.QuantIdentity(
            act_quant=_Unsigned,
            bit_width=grid.bits,
            max_val=scale * grid.high,
            return_quant_tensor=False,
        )
    quantizer = activation_quantizer(grid.bits, scale)
    quantizer.return_quant_tensor = False
    return quantizer


def _product(name: str, layer: ChipLayer) -> Any:
    """A QuantLinear or QuantConv with the layer's own float weights."""
    geometry = layer.geometry
    if layer.weight_grid.is_of_neurons:
        raise StochsimError(
            f"layer '{name}' cannot be written as QONNX: its weights have several scales; "
            f"convert with weight_scales='per-tensor'"
        )
    if layer.weight_grid.zero_points is not None:
        raise StochsimError(
            f"layer '{name}' cannot be written as QONNX: its weights count from another integer "
            f"than 0; convert with weight_grids='symmetric'"
        )
    weight = layer.weight.detach().float()
    options = _weight_options(layer.weight_grid)
    rest = {"bias": layer.bias is not None, **options}
    if geometry.lookup:
        product: Any = qnn.QuantEmbedding(*weight.shape, **options)
    elif not geometry.kernel:
        product = qnn.QuantLinear(weight.shape[1], weight.shape[0], **rest)
    elif geometry.input_dilation:
        product = _transposed(geometry, weight.shape, rest)
        weight = turned_weight(weight, geometry.groups)
    else:
        product = _convolution(name, layer, rest)
    with torch.no_grad():
        product.weight.copy_(weight)
        if layer.bias is not None:
            product.bias.copy_(layer.bias)
    if isinstance(layer.weight_grid, BookGrid):
        parametrize.register_parametrization(product, "weight", FloatQuant(layer.weight_grid))
    return product


def _weight_options(grid: Grid) -> dict[str, Any]:
    """How Brevitas quantises weights; not at all those that FloatQuant does."""
    if grid.book is not None:
        return {"weight_quant": None}
    return weight_options(grid.bits, float(grid.scale().detach()))


def _check_formats(name: str, layer: ChipLayer) -> None:
    """Raise StochsimError for number formats that QONNX has not."""
    sides = {"weights": layer.weight_grid, "inputs": layer.input_grid, "outputs": layer.output_grid}
    for side, grid in sides.items():
        is_of_ids = side == "inputs" and layer.geometry.lookup
        why = "" if grid.book is None or is_of_ids else why_not_float_quant(grid)
        if why:
            assert grid.book is not None
            own = GridFormat(grid.book, grid.block_size, grid.block_scales).name
            raise StochsimError(
                f"layer '{name}' cannot be written as QONNX: its {side} have the format '{own}', "
                f"{why}"
            )


def _convolution(name: str, layer: ChipLayer, rest: dict[str, Any]) -> Any:
    """A QuantConv of the layer's windows; raises StochsimError for a padding that it has not."""
    geometry, shape = layer.geometry, layer.weight.shape
    what = ""
    if geometry.is_padded and layer.input_grid.is_sign:
        what = "a padding of one-bit codes, none of which is 0"
    elif geometry.is_padded and geometry.padding_mode != "zeros":
        what = f"padding '{geometry.padding_mode}'"
    elif any(before != after for before, after in geometry.padding):
        what = f"a padding that is wider on one side, {geometry.padding}"
    if what:
        raise StochsimError(f"layer '{name}' cannot be written as QONNX: {what}")
    kind = _CONVOLUTIONS[len(geometry.kernel)]
    sizes = (shape[1] * geometry.groups, shape[0], geometry.kernel, geometry.stride)
    padding = tuple(before for before, _ in geometry.padding)
    return kind(*sizes, padding, geometry.dilation, geometry.groups, **rest)


def _transposed(geometry: Geometry, shape: torch.Size, rest: dict[str, Any]) -> Any:
    """A QuantConvTranspose of a layer whose inputs have zeros between them."""
    kind = _TRANSPOSED[len(geometry.kernel)]
    axes = zip(geometry.kernel, geometry.dilation, geometry.padding, strict=True)
    padding = tuple(d * (k - 1) - before for k, d, (before, _) in axes)
    more = tuple(after - before for before, after in geometry.padding)
    return kind(
        shape[1] * geometry.groups,
        shape[0],
        geometry.kernel,
        geometry.input_dilation,
        padding,
        more,
        geometry.dilation,
        geometry.groups,
        **rest,
    )
