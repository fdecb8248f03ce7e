"""Tables and spread windows together with affine weights and learned widths."""

import itertools

import numpy as np
import pytest
import torch
from conversiontest import chip_of, seeded, stimuli
from torch import nn

from stochsim.hardware import Array
from stochsim.lowering import convert, load_converted


class Words(nn.Module):
    """Ids through a table, a gap in float, and a layer."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(50, 8)
        self.last = nn.Linear(24, 6)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Of three words each."""
        return self.last(torch.relu(self.table(ids).flatten(1)))


def spread() -> nn.Module:
    """A transposed convolution whose windows overlap."""
    return nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.ConvTranspose2d(3, 2, 4, 2, 1))


def skewed(make) -> nn.Module:
    """With weights that are far from symmetric about 0."""
    module = seeded(make)
    for name, one in module.named_parameters():
        if name.endswith("weight"):
            one.data = one.data.square() - 0.1 * one.data.square().max()
    return module


IDS = torch.randint(0, 50, (60, 3), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("scales", ["per-tensor", "per-channel"])
def test_rows_of_an_affine_table_are_codes_less_their_zero_points(scales: str) -> None:
    made = convert(
        skewed(lambda: nn.Embedding(50, 8)),
        chip_of(3, 4, 8),
        IDS,
        weight_grids="affine",
        weight_scales=scales,
    )
    (layer,) = made.program.layers.values()
    assert layer.zero_points is not None
    rows = (layer.weight_codes - layer.zero_points[:, None]) * np.reshape(
        layer.weight_scale, (-1, 1)
    )
    grid = made.layers["embedding"].layer().output
    wanted = grid.values(grid.codes(rows.T[IDS.numpy()]))
    assert made(IDS).numpy() == pytest.approx(wanted, rel=1e-6)
    assert torch.equal(made.emulated(IDS), made(IDS))


def test_a_zero_point_of_a_table_takes_no_operations() -> None:
    """The one-hot input's sum is 1, so it is a constant of the neuron."""
    bills = [
        convert(skewed(Words), chip_of(), IDS, weight_grids=grids).bill(IDS[:4])
        for grids in ("affine", "symmetric")
    ]
    affine, symmetric = (bill.counts["table"] for bill in bills)
    assert affine == symmetric
    assert bills[0].counts["last"] != bills[1].counts["last"]


def test_widths_of_a_table_are_learned_and_ids_have_none() -> None:
    made = convert(skewed(Words).double(), chip_of(8, 8, 8), IDS)
    made.learn_widths(keep=["last"])
    layer = made.layers["table"]
    assert layer.input_grid.width is None
    for weights, outputs in itertools.product((2, 5, 8), (2, 8)):
        layer.weight_grid.width.data.fill_(weights)
        layer.output_grid.width.data.fill_(outputs)
        bits = {"table": (weights, 1, outputs), "last": (8, 8, 8)}
        assert {name: one.bits for name, one in made.layers.items()} == bits
        joules = float(made.joules_per_read().detach())
        assert joules == pytest.approx(made.eval().bill(IDS[:1]).per_read_j, rel=1e-9)


def test_an_affine_table_comes_back_from_its_folder(tmp_path) -> None:
    made = convert(skewed(Words), chip_of(), IDS, weight_grids="affine")
    made.program.save(tmp_path / "words")
    assert torch.equal(load_converted(tmp_path / "words")(IDS), made(IDS))


@pytest.mark.parametrize("ranges", ["mse", "minmax"])
def test_overlapping_windows_with_affine_weights_are_the_emulation(ranges: str) -> None:
    """On the chip integers and zero points times sums, in the emulation values."""
    x = stimuli(20, 2, 7, 7).double()
    module = skewed(spread).double()
    made = convert(module, chip_of(4, 8, 8), x, weight_grids="affine", ranges=ranges)
    assert all(layer.zero_points is not None for layer in made.program.layers.values())
    assert made(x).numpy() == pytest.approx(made.emulated(x).detach().numpy(), rel=0, abs=1e-9)


def test_an_array_reads_rows_of_an_affine_table_with_one_hot_inputs() -> None:
    hardware = chip_of(4, 4, 8, array=Array())
    made = convert(skewed(lambda: nn.Embedding(50, 8)), hardware, IDS, weight_grids="affine")
    (layer,) = made.program.layers.values()
    rows = (layer.weight_codes - layer.zero_points[:, None]) * np.reshape(
        layer.weight_scale, (-1, 1)
    )
    wanted = rows.T[IDS.numpy()]
    assert np.abs(made(IDS).numpy() - wanted).mean() < 0.2 * wanted.std()
