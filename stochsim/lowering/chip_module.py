"""A converted network: on the chip when it is evaluated, by a differentiable emulation of it in
training.
"""

import itertools
import math
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import fx

from stochsim.accounting import Bill, Meter, add_fixed, cycles_by_layer
from stochsim.chip import Place, portions
from stochsim.energy import Operations
from stochsim.hardware import Hardware
from stochsim.lowering.converted_counts import converted_workload
from stochsim.lowering.emulated_layer import ChipLayer
from stochsim.lowering.example_inputs import checked_stimuli
from stochsim.lowering.graph_network import Network
from stochsim.lowering.serialise import ConvertedProgram
from stochsim.lowering.walks import ChipWalk, Tell, Walk, evaluated, measures
from stochsim.lowering.windowed_layer import WindowedLayer, numbers_of_layers, same_layer
from stochsim.networks import Draws, HardwareNoise
from stochsim.settings import SettingError, check_draw, check_memory

_VALUES_AT_ONCE = (
    4_000_000  # that positions of one layer see: 16 MB of integers, and 32 MB of drives
)
_CALIBRATION_ROWS = 4096
_CALIBRATION_STIMULI = 256


class LeftInFloat(NamedTuple):
    """A part of the network that is not on the chip: its name, what it is, why, and what `bill`
    counts of it.

    cost: "float32" for the multiply-adds of a linear layer or convolution, "nothing" for what
    computes nothing, else "not priced".
    """

    name: str
    what: str
    why: str
    cost: str


class Converted(torch.nn.Module):
    """A network whose products run on a chip; `convert` makes it.

    Evaluated (`eval()`, as it starts), calling it gives one read of the chip: every Hardware,
    arrays, errors of memories and own sources of random numbers among them, by the kernels; no
    gradient. In training (`train()`) it gives a differentiable emulation: values on the same grids,
    gradients straight through the roundings, and the chip's read noise, noise of weights (both as
    Gaussians of the chip's variance) and dither of inputs, drawn anew at every call. Of an array,
    errors of memories, a measured neuron, and accumulators narrower than their sums there is no
    such model: then a call gives the chip's own values, with the gradient of the noiseless
    emulation. Without noise both give the same values, wherever the emulation's float sums are
    exact.

    Weights, biases and the scales of all grids are parameters for any optimiser; `state_dict` holds
    them. Stimuli stand on the first axis.
    """

    calibration: torch.Tensor

    def __init__(
        self,
        network: Network,
        hardware: Hardware,
        left_in_float: tuple[LeftInFloat, ...],
        calibration: torch.Tensor,
        *,
        key: int = 0,
        chip_key: int = 0,
    ) -> None:
        super().__init__()
        self.network, self.hardware, self.left_in_float = network, hardware, left_in_float
        self.key, self.chip_key = key, chip_key
        self.generator = torch.Generator().manual_seed(key % 2**63)
        self.register_buffer(
            "calibration", calibration[:_CALIBRATION_STIMULI].clone(), persistent=False
        )
        self._chip: list[WindowedLayer] = []
        self._sizes: dict[torch.Size, int] = {}
        self.eval()

    @property
    def layers(self) -> dict[str, ChipLayer]:
        """The layers on the chip, by name, in the order in which they run."""
        found = (
            (str(node.target), self.network.get_submodule(str(node.target)))
            for node in self._modules_called()
        )
        return {name: layer for name, layer in found if isinstance(layer, ChipLayer)}

    def _modules_called(self) -> list[fx.Node]:
        return [node for node in self.network.graph.nodes if node.op == "call_module"]

    @cached_property
    def model_of_noise(self) -> HardwareNoise | None:
        """What the emulation draws in training; None where the chip itself is in the loop."""
        if self.hardware.accumulator_bits is not None:
            return None
        try:
            return HardwareNoise.of(self.hardware)
        except SettingError:
            return None

    def forward(
        self, x: torch.Tensor, key: int | None = None, first_stimulus: int = 0
    ) -> torch.Tensor:
        """Outputs (stimulus, …) of x (stimulus, …): of the chip, or in training of its emulation.

        key: of the read (None: the key given to `convert`), or in training of this call's noise
        (None: new numbers at every call). first_stimulus: the absolute number of x's first, where x
        is a batch of many; the same numbers have the same noise.
        """
        if not self.training:
            chosen = self.key if key is None else key
            check_draw(len(x), 1, chosen, first_stimulus, 0)
            return self.read(x, 1, Place(chosen, first_stimulus, 0))[:, 0]
        generator = self.generator if key is None else torch.Generator().manual_seed(key % 2**63)
        noise = self.model_of_noise
        if noise is not None:
            draws = Draws(generator, x.device)
            return Walk(
                self.network, lambda layer, values: layer.emulate(values, noise, draws)
            ).run(x)
        place = Place(int(torch.randint(2**62, (1,), generator=generator)), 0, 0)
        chip = {one.name: one for one in self.chip()}
        return Walk(
            self.network, lambda layer, values: _in_the_loop(layer, chip[layer.name], values, place)
        ).run(x)

    def emulated(self, x: torch.Tensor) -> torch.Tensor:
        """Outputs of the emulation without any noise, in training or not."""
        return Walk(self.network, lambda layer, values: layer.emulate(values)).run(x)

    def sample(
        self,
        x: torch.Tensor | np.ndarray,
        reads: int,
        key: int,
        first_stimulus: int = 0,
        first_read: int = 0,
    ) -> np.ndarray:
        """Output values of so many reads of the chip, float32 (stimulus, read, …), whether in
        training or not.

        Same key, same values, for any thread count and any split in stimuli or reads (give the
        absolute first_stimulus, first_read), as far as parts left in float give the same for any
        batch. Raises SettingError for stimuli, reads and indices out of range.
        """
        x = self._stimuli(x)
        check_draw(len(x), reads, key, first_stimulus, first_read)
        return (
            self.read(x, reads, Place(int(key), int(first_stimulus), int(first_read)))
            .cpu()
            .numpy()
            .astype(np.float32)
        )

    def bill(self, x: torch.Tensor | np.ndarray, reads: int = 1) -> Bill:
        """What so many reads of each stimulus take, by layer: operations, joules and cycles per
        read (see `converted_counts.py`).
        """
        x = self._stimuli(x)
        check_draw(len(x), reads, 0, 0, 0)
        with evaluated(self):
            return self._bill(x, reads)

    def _bill(self, x: torch.Tensor, reads: int) -> Bill:
        on_chip = {one.name: one for one in self.chip()}
        noise = self.hardware.noise
        workload, rows = converted_workload(self.network, on_chip, noise, x, reads)
        meter = Meter(len(x), reads)
        add_fixed(meter, self.hardware, workload, {})
        if self.hardware.array is not None:
            self.read(x, reads, Place(0, 0, 0), lambda layer, *seen: layer.report(meter, *seen))
        cycles = cycles_by_layer(workload, self.hardware)
        return Bill(self.hardware, meter.by_layer(rows), cycles, len(x), reads)

    def operations_by_layer(
        self, x: torch.Tensor | np.ndarray, reads: int = 1
    ) -> dict[str, Operations]:
        """The operations behind `bill`, of all reads together."""
        return dict(self.bill(x, reads).counts)

    @property
    def program(self) -> ConvertedProgram:
        """Integer weights, scales and the order of layers, as plain arrays and tables that can be
        saved.
        """
        facts = {
            "hardware": self.hardware,
            "left_in_float": self.left_in_float,
            "key": self.key,
            "chip_key": self.chip_key,
        }
        calibration = self.calibration.detach().cpu().numpy()
        return ConvertedProgram.of(self.network, self.layers, calibration, facts)

    def export_qonnx(self, path: Path) -> None:
        """Write the noiseless network as QONNX, by Brevitas (see `qonnx.py`); needs the packages
        onnx and onnxoptimizer.
        """
        from stochsim.lowering.qonnx import export

        export(self.network, self.layers, self.calibration[:1], Path(path))

    def chip(self) -> list[WindowedLayer]:
        """The layers on the chip as their parameters are now; built anew only where these have
        changed.
        """
        layers = self.layers
        programs = [layer.groups() for layer in layers.values()]
        if not self._chip or not all(
            map(
                same_layer,
                itertools.chain(*programs),
                itertools.chain(*(one.groups for one in self._chip)),
            )
        ):
            firsts = numbers_of_layers([len(one) for one in programs])
            seen = self._calibration_rows()
            self._chip = [
                WindowedLayer(
                    name,
                    layer.geometry,
                    own,
                    layer.takes_codes,
                    self.hardware,
                    self.chip_key,
                    first,
                    order,
                    seen.get(name),
                )
                for order, ((name, layer), own, first) in enumerate(
                    zip(layers.items(), programs, firsts, strict=True)
                )
            ]
        return self._chip

    def _calibration_rows(self) -> dict[str, list[np.ndarray]]:
        """What positions of each layer see of the calibration, noiseless, (row, input) for each
        group; for calibrated converters alone.
        """
        array, seen = self.hardware.array, {}
        if array is None or array.converter.range != "calibrated":
            return {}

        def step(layer: ChipLayer, values: torch.Tensor) -> torch.Tensor:
            integers = layer.input_grid.integers(values)
            zero = int(layer.input_grid.integers(torch.zeros(1))[0])
            rows = [
                one.reshape(-1, one.shape[2])
                for one in layer.geometry.rows(integers.cpu().numpy(), zero)
            ]
            seen[layer.name] = [one[:: -(-len(one) // _CALIBRATION_ROWS)] for one in rows]
            return layer.emulate(values)

        with torch.no_grad(), evaluated(self):
            Walk(self.network, step).run(self.calibration)
        return seen

    def read(
        self, x: torch.Tensor, reads: int, place: Place, tell: Tell | None = None
    ) -> torch.Tensor:
        """Values (stimulus, read, …) of the chip, portion by portion; tell: is told what every
        layer reads (see `ChipWalk`).
        """
        with evaluated(self):
            layers = {one.name: one for one in self.chip()}
            share, largest = (
                not any(measures(node) for node in self.network.graph.nodes),
                self._largest(x),
            )
            out: torch.Tensor | None = None
            for stimuli, some in portions(len(x), reads, largest, _VALUES_AT_ONCE):
                here = place._replace(
                    first_stimulus=place.first_stimulus + stimuli.start,
                    first_read=place.first_read + some.start,
                )
                count = some.stop - some.start
                walk = ChipWalk(self.network, layers, count, here, share, tell)
                part = walk.values(x[stimuli])
                if out is None:
                    shape = (len(x), reads, *part.shape[2:])
                    check_memory("values", shape, np.float64)
                    out = part.new_empty(shape)
                out[stimuli, some] = part
        assert out is not None
        return out

    def _largest(self, x: torch.Tensor) -> int:
        """Values that positions of one layer see of one stimulus, or give, at most."""
        sizes = [math.prod(x.shape[1:])]

        def step(layer: ChipLayer, values: torch.Tensor) -> torch.Tensor:
            out = layer.emulate(values)
            seen = layer.weight[0].numel() * layer.geometry.groups
            sizes.extend((layer.geometry.positions(tuple(values.shape[1:])) * seen, out[0].numel()))
            return out

        if x.shape[1:] not in self._sizes:
            with torch.no_grad():
                Walk(self.network, step).run(x[:2])
            self._sizes[x.shape[1:]] = max(sizes)
        return self._sizes[x.shape[1:]]

    def _stimuli(self, x: torch.Tensor | np.ndarray) -> torch.Tensor:
        x = checked_stimuli("x", x, self)
        if x.ndim != self.calibration.ndim:
            raise SettingError(
                f"'x' has shape {tuple(x.shape)}: should have the axes of the calibration, "
                f"{tuple(self.calibration.shape)}"
            )
        return x


def _in_the_loop(
    layer: ChipLayer, chip: WindowedLayer, values: torch.Tensor, place: Place
) -> torch.Tensor:
    """The chip's values of one read, with the gradient of the noiseless emulation."""
    emulated = layer.emulate(values)
    with torch.no_grad():
        integers = chip.run(values.detach().cpu().numpy(), True, 1, place)
        read = (
            torch.from_numpy(np.ascontiguousarray(integers)).to(emulated)
            * layer.output_grid.scale()
        )
    return emulated + (read - emulated).detach()
