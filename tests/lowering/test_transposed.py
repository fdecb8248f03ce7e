"""Transposed convolutions on the chip: those whose windows do not overlap."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from conversiontest import chip_of, seeded, stimuli
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from stochsim.lowering import convert, load_converted

BLOCKS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "two axes": (lambda: nn.ConvTranspose2d(2, 3, (2, 3), (2, 3)), (2, 4, 5)),
    "one axis": (lambda: nn.ConvTranspose1d(2, 3, 4, 4, bias=False), (2, 5)),
    "one place": (lambda: nn.ConvTranspose2d(2, 3, 1), (2, 3, 3)),
}
OTHERS: dict[str, Callable[[], nn.Module]] = {
    "overlap": lambda: nn.ConvTranspose2d(2, 2, 3, 2),
    "padding": lambda: nn.ConvTranspose2d(2, 2, 2, 2, padding=1),
    "groups": lambda: nn.ConvTranspose2d(2, 2, 2, 2, groups=2),
    "dilation": lambda: nn.ConvTranspose2d(2, 2, 2, 2, dilation=2),
}


@pytest.mark.parametrize("name", BLOCKS)
def test_blocks_are_layers_with_a_neuron_for_each_place(name: str, tmp_path) -> None:
    make, shape = BLOCKS[name]
    module, x = seeded(make), stimuli(40, *shape)
    made = convert(module, chip_of(8, 8, 8), x)
    (layer,) = made.layers.values()
    kernel = module.kernel_size
    assert layer.weight.shape[:2] == (3 * int(np.prod(kernel)), 2)
    wanted = module(x).detach().numpy()
    step = float(layer.output_grid.step().detach())
    assert made(x).numpy() == pytest.approx(wanted, abs=6 * step)
    assert np.abs(made(x).numpy() - wanted).mean() < step
    with FlopCounterMode(display=False) as counted:
        module(x[:1])
    assert made.bill(x[:1]).multiply_adds.on_chip == counted.get_total_flops() / 2
    made.program.save(tmp_path / "net")
    assert np.array_equal(load_converted(tmp_path / "net").sample(x, 2, 0), made.sample(x, 2, 0))
    made.train()(x).square().sum().backward()
    assert layer.weight.grad is not None


@pytest.mark.parametrize("make", OTHERS.values(), ids=OTHERS)
def test_other_windows_stay_in_float(make: Callable[[], nn.Module]) -> None:
    network = nn.Sequential(make(), nn.Conv2d(2, 3, 2))
    x = stimuli(30, 2, 4, 4)
    made = convert(network, chip_of(8, 8, 8), x)
    assert list(made.layers) == ["1"]
    assert made.left_in_float[0].what == "ConvTranspose2d"


def test_scales_of_channels_are_those_of_the_places() -> None:
    module, x = seeded(lambda: nn.ConvTranspose2d(2, 3, 2, 2)), stimuli(40, 2, 4, 4)
    made = convert(module, chip_of(4, 8, 8), x, weight_scales="per-channel")
    (layer,) = made.layers.values()
    assert layer.weight_grid.scale().shape == (12,)
    assert torch.isfinite(made(x)).all()
