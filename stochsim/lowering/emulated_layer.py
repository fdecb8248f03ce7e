"""One converted layer in torch: input grid, quantised weights, float bias, noise, activation,
output grid, with gradients.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch

from stochsim.formats import FP16
from stochsim.hardware import InputRounding
from stochsim.lowering.dynamic_grids import DynamicGrid
from stochsim.lowering.window_products import (
    drive,
    drive_of_windows,
    squares,
    squares_of_windows,
    windows,
)
from stochsim.networks import BookGrid, Draws, Grid, HardwareNoise, with_chances
from stochsim.program import Geometry, Layer, Quantizer, no_row
from stochsim.settings import SettingError, StochsimError

ACTIVATIONS = {
    "identity": lambda a: a,
    "relu": torch.relu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
}
"""What may follow the product inside a neuron of a chip."""

UNSIGNED_OUTPUTS = ("relu", "sigmoid")
"""Activations whose responses are never negative, so that no code is wasted on negative values."""


def _whole(x: torch.Tensor) -> torch.Tensor:
    """x, and integers where it is off one by rounding alone, with the gradient of x."""
    off = (x.round() - x).detach()
    return x + torch.where(off.abs() < _ROUNDING, off, 0.0)


_ROUNDING = 1e-3  # in steps; of 256 values of float32, each off by 2^-24 of itself


def _quantizer(side: str, grid: Grid) -> Quantizer:
    """A grid as a chip takes it; raises SettingError for a scale that it has not, by the side."""
    try:
        return grid.quantizer()
    except SettingError as error:
        raise error.inside(side) from None


class Moments(NamedTuple):
    """Drives of a layer's array, given those of exact products: gain · drive + offset on average,
    and their sd over rows and reads, each (neuron,) in units of the drive.
    """

    gain: torch.Tensor
    offset: torch.Tensor
    sd: torch.Tensor


OfDrive = Callable[[torch.Tensor], torch.Tensor]
"""What drives (stimulus, …) become on the way."""


class ChipLayer(torch.nn.Module):
    """values -> input grid -> quantised weights and bias -> noise -> activation -> output grid.

    weight: as the float layer has it, (neuron, …), or (row, neuron) of a table; takes_codes:
    whether its input grid is the output grid of the layer before, whose codes it takes as they are.
    Calling it gives the noiseless values; `emulate` those with a chip's noise. log_sigma: the
    logarithm of a noise of its neurons' own, (neuron,) or one for all, in units of the drive; None
    where they have none.
    """

    log_sigma: torch.nn.Parameter | None

    def __init__(
        self,
        name: str,
        geometry: Geometry,
        parameters: tuple[torch.nn.Parameter, torch.nn.Parameter | None],
        grids: tuple[Grid, Grid, Grid],
        activation: str,
        takes_codes: bool,
    ) -> None:
        super().__init__()
        self.name = name
        self.geometry = geometry
        self.activation = activation
        self.takes_codes = takes_codes
        self.weight, self.bias = parameters
        self.weight_grid, self.input_grid, self.output_grid = grids
        self.register_parameter("log_sigma", None)
        if geometry.lookup:  # ids have no scale
            self.input_grid.requires_grad_(False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Output values of x (stimulus, …) without noise."""
        return self.emulate(x)

    def emulate(
        self,
        x: torch.Tensor,
        noise: HardwareNoise | None = None,
        draws: Draws | None = None,
        moments: Moments | None = None,
        of_drive: OfDrive | None = None,
    ) -> torch.Tensor:
        """Output values (stimulus, …), differentiable: straight through every rounding; with noise
        before the activation, as on the chip.

        All noise of a chip is drawn as Gaussian of the chip's variance, but for the dither of
        inputs, which is uniform. moments: of the array, where products are its own. of_drive: what
        the exact drive becomes, for the sake of its gradient. Computed in the numbers of the
        weights: under autocast too, for values of fewer bits would lie beside the grids.
        """
        with torch.autocast(x.device.type, enabled=False):
            return self._emulated(x.to(self.weight.dtype), noise, draws, moments, of_drive)

    def _emulated(
        self,
        x: torch.Tensor,
        noise: HardwareNoise | None,
        draws: Draws | None,
        moments: Moments | None,
        of_drive: OfDrive | None,
    ) -> torch.Tensor:
        is_rounded = not self.takes_codes and not self.geometry.lookup
        if self.geometry.lookup:
            self._check_ids(x)
        x = self.rows(x)
        if noise is not None and noise.input_dither and is_rounded:
            assert draws is not None
            values = self._rounded_at_random(x, draws.uniform(*x.shape), noise.input_rounding)
        else:
            # codes that dropout has scaled in training are no codes, and would be clipped
            values = self.input_grid(x) if is_rounded else x
        zero = self.input_grid.value_of_zero()
        response = self._response(values)
        if of_drive is not None:
            response = of_drive(response)
        if moments is not None:
            gain, offset = self._of_neurons(moments.gain), self._of_neurons(moments.offset)
            response = gain * response + offset
        if noise is not None:
            assert draws is not None
            of_neurons = noise.read_variance(self.output_grid.step(), self.output_grid.log2_levels)
            variance = of_neurons + self._weight_variance(values, zero, noise)
            if self.log_sigma is not None:
                variance = variance + self._of_neurons(torch.exp(2 * self.log_sigma))
            if moments is not None:
                variance = variance + self._of_neurons(moments.sd.square())
            if isinstance(variance, torch.Tensor) or variance > 0:
                sigma = torch.as_tensor(variance, dtype=x.dtype).sqrt()
                response = response + sigma * draws.normal(*response.shape)
        return self.output_grid(ACTIVATIONS[self.activation](response))

    def rows(self, x: torch.Tensor) -> torch.Tensor:
        """What the input grid rounds of x (stimulus, …): it, or in dynamic blocks what positions
        see, (stimulus, position, …, group, input) in float64.
        """
        return windows(self.geometry, x).double() if self.input_grid.is_dynamic else x

    def _rounded_at_random(
        self, x: torch.Tensor, uniform: torch.Tensor, rounding: InputRounding
    ) -> torch.Tensor:
        """Values of x on the input grid, rounded stochastically by numbers from -1/2 to 1/2."""
        grid = self.input_grid
        if isinstance(grid, BookGrid):
            return grid.rounded_at_random(x, uniform + 0.5, rounding)
        step = grid.step()
        moved = with_chances(x, step, -0.5 if grid.is_sign else 0.0, rounding)
        found: torch.Tensor = grid(moved + step * uniform)
        return found

    def _response(self, values: torch.Tensor) -> torch.Tensor:
        """What neurons see of values on the input grid: sums of integers, then scaled, as the chip
        has it. Sums of scaled values would be off in the last place, and so on the wrong side of
        an edge where the exact sum lies on it, as at one bit every sum of 0 does.
        """
        scale = self.input_grid.scale()
        rows = self.weight_of_neurons
        weight_scale = self.weight_grid.scale_of(rows)
        weights = _whole(self.weight_grid(rows) / weight_scale) + 0 * rows  # NaN stays, of inf too
        unit = self.weight_grid.sum_scale()
        if self.weight_grid.block_size is not None:
            weights = weights * (weight_scale / unit.reshape(-1, *(1,) * (rows.ndim - 1)))
        weights = weights.t() if self.geometry.lookup else weights
        if isinstance(self.input_grid, DynamicGrid):
            units = self.input_grid.units(values).to(weights.dtype)
            sums = drive_of_windows(self.geometry, units, weights)
        else:
            zero = self.input_grid.value_of_zero() / float(scale.detach())
            sums = drive(self.geometry, _whole(values / scale), weights, None, round(zero))
        response = sums * (scale * self._of_neurons(unit))
        return response if self.bias is None else response + self._of_neurons(self.bias)

    def in_float(self, x: torch.Tensor) -> torch.Tensor:
        """What its weights give of x (stimulus, …) without any grid, noise and gradient."""
        with torch.no_grad(), torch.autocast(x.device.type, enabled=False):
            x = x.to(self.weight.dtype)
            weights = self.weight if self.geometry.lookup else self.weight_of_neurons
            found = drive(self.geometry, x, weights, None, 0)
            if self.bias is not None:
                found = found + self._of_neurons(self.bias)
            return ACTIVATIONS[self.activation](found)

    def _check_ids(self, ids: torch.Tensor) -> None:
        """Raise StochsimError for an id that the table has not."""
        rows = self.geometry.lookup
        is_row = (ids >= 0) & (ids < rows) & (ids == ids.floor())
        if not is_row.all():
            raise no_row(self.name, rows, float(ids.detach()[~is_row][0]))

    @property
    def weight_of_neurons(self) -> torch.Tensor:
        """The weight, (neuron, …) of a table too."""
        return self.weight.t() if self.geometry.lookup else self.weight

    @property
    def neurons(self) -> int:
        """Number of neurons."""
        return len(self.weight_of_neurons)

    def _of_neurons(self, values: torch.Tensor) -> torch.Tensor:
        """Values (neuron,), or one for all, of a shape that broadcasts to the drive."""
        return values.reshape(-1, *(1,) * len(self.geometry.kernel)) if values.ndim else values

    def _weight_variance(self, values: torch.Tensor, zero: float, noise: HardwareNoise) -> Any:
        if noise.weight_sigma + noise.weight_sigma_lsb == 0:
            return 0.0
        is_dynamic = self.input_grid.is_dynamic
        values = values.to(self.weight.dtype)
        if self.weight_grid.block_size is not None:
            rows = self.weight_of_neurons
            sigma = noise.weight_sigma + noise.weight_sigma_lsb * self.weight_grid.step_of(rows)
            if is_dynamic:
                return drive_of_windows(self.geometry, values.square(), sigma.square())
            return drive(self.geometry, values.square(), sigma.square(), None, zero**2)
        found = (
            squares_of_windows(self.geometry, values)
            if is_dynamic
            else squares(self.geometry, values, zero)
        )
        if self.geometry.groups > 1:
            found = found.repeat_interleave(self.neurons // self.geometry.groups, 1)
        sigma = noise.weight_sigma + noise.weight_sigma_lsb * self.weight_grid.step()
        return self._of_neurons(sigma) ** 2 * found

    def layer(self) -> Layer:
        """What a chip needs to know of it; of a grouped convolution, the neurons of all groups, one
        group after the other. Raises StochsimError for weights that are NaN or infinite.
        """
        try:
            return self._layer()
        except SettingError as error:  # of scales, once they are learned
            raise error.inside("layers", self.name) from None

    def check_weights(self) -> None:
        """Raise StochsimError for weights that are NaN or infinite."""
        if not self.weight.isfinite().all():
            raise StochsimError(
                f"the weights of layer '{self.name}' hold NaN or infinity, which have no code: "
                f"has training diverged? try a smaller learning rate"
            )

    def check_trained(self) -> None:
        """Raise StochsimError for weights and scales that no training should leave behind."""
        self.check_weights()
        grids = (self.weight_grid, self.input_grid, self.output_grid)
        for side, grid in zip(("weights", "inputs", "outputs"), grids, strict=True):
            scale = grid.scale().detach()
            if not (scale.isfinite() & (scale > 0)).all():
                raise StochsimError(
                    f"the scale of the {side} of layer '{self.name}' is {float(scale.min()):.3g}, "
                    f"not above 0 or not finite: has training diverged? try a smaller learning rate"
                )

    def _layer(self) -> Layer:
        self.check_weights()
        codes = self.weight_grid.codes(self.weight_of_neurons).cpu().numpy().astype(np.int8)
        codes = np.ascontiguousarray(codes.reshape(len(codes), -1))
        bias = (
            np.zeros(len(codes))
            if self.bias is None
            else self.bias.detach().cpu().double().numpy().copy()
        )
        scale = self.weight_grid.weight_scale().detach().cpu().double().numpy().copy()
        grid = self.weight_grid
        zeros = grid.zero_points
        shape = scale.shape if scale.ndim == 2 else (len(codes),)
        return Layer(
            codes,
            grid.bits,
            scale if scale.ndim else float(scale),
            _quantizer("input", self.input_grid),
            _quantizer("output", self.output_grid),
            bias,
            self._sigma(),
            self.activation,
            zero_points=None if zeros is None else zeros.cpu().expand(shape).numpy(),
            block_size=grid.block_size,
            weight_book=grid.book,
            block_scales=FP16 if grid.block_size is None else grid.block_scales,
        )

    def _sigma(self) -> np.ndarray:
        """The noise of its neurons, (neuron,)."""
        neurons = self.neurons
        if self.log_sigma is None:
            return np.zeros(neurons)
        sigma = self.log_sigma.detach().exp().cpu().double().numpy()
        return np.broadcast_to(sigma, (neurons,)).copy()

    @property
    def has_given_grids(self) -> bool:
        """Whether the module brought any of its grids along."""
        grids = (self.weight_grid, self.input_grid, self.output_grid)
        return any(grid.is_given and grid.book is None for grid in grids)

    @property
    def bits(self) -> tuple[int, int, int]:
        """Widths of weights, inputs and outputs."""
        return self.weight_grid.bits, self.input_grid.bits, self.output_grid.bits

    def extra_repr(self) -> str:
        """Widths and activation, as `print` shows them."""
        widths = "/".join(map(str, self.bits))
        return f"{tuple(self.weight.shape)}, bits {widths}, {self.activation}"
