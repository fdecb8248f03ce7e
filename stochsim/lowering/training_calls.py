"""Calls of a converted network by its emulation, and by the chip's own values in training."""

import torch

from stochsim.chip import Chip, Place
from stochsim.lowering.emulated_layer import ChipLayer, OfDrive
from stochsim.lowering.other_sizes import Sized
from stochsim.lowering.walks import Step, Walk


def walked(sized: Sized, x: torch.Tensor, step: Step) -> torch.Tensor:
    """Outputs (stimulus, …) of a network, its layers by `step`."""
    found: torch.Tensor = Walk(sized.network, step).run(x)
    return found


def emulated(sized: Sized, x: torch.Tensor) -> torch.Tensor:
    """Outputs (stimulus, …) of the emulation without noise."""
    return walked(sized, x, lambda layer, values: layer.emulate(values))


def in_the_loop(
    layer: ChipLayer,
    chip: Chip,
    values: torch.Tensor,
    place: Place,
    of_drive: OfDrive | None,
) -> torch.Tensor:
    """The chip's values of one read, with the gradient of the noiseless emulation."""
    exact = layer.emulate(values, of_drive=of_drive)
    with torch.no_grad():
        given = values.detach().cpu().numpy()
        read = torch.from_numpy(chip.layer_values(layer.name, given, place)).to(exact)
    return exact + (read - exact).detach()
