"""Kinds of networks at other sizes than their examples': tied and computed weights, steps written
by hand, branches that are joined, quantised modules.
"""

import brevitas.nn as qnn
import pytest
import torch
from conversiontest import chip_of, seeded, stimuli
from torch import nn
from torch.nn.utils import parametrizations

from stochsim.lowering import convert

EIGHT = chip_of(8, 8, 8)


class Tied(nn.Module):
    """One table that is read by rows and as a whole."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.steps = nn.Embedding(20, 8), nn.GRU(8, 8, batch_first=True)
        self.out = nn.Linear(8, 20, bias=False)
        self.out.weight = self.words.weight

    def forward(self, ids):
        """Of (stimulus, position)."""
        return self.out(self.steps(self.words(ids))[0])


class Computed(nn.Module):
    """Weights that are computed."""

    def __init__(self) -> None:
        super().__init__()
        self.one = parametrizations.weight_norm(nn.Linear(5, 8))
        self.two = parametrizations.spectral_norm(nn.Conv1d(8, 4, 3))
        self.norm = nn.LayerNorm(4)

    def forward(self, x):
        """Of (stimulus, position, 5)."""
        return self.norm(self.two(torch.relu(self.one(x)).mT).mT).mean(1)


class ByHand(nn.Module):
    """Three matrices of a recurrent network, which are no modules: their products have names by
    number, so that one of another length has the name of another's.
    """

    def __init__(self) -> None:
        super().__init__()
        sizes = ((5, 8), (8, 8), (8, 8))
        self.read, self.keep, self.mix = (nn.Parameter(0.4 * torch.randn(*one)) for one in sizes)

    def forward(self, x):
        """Of (stimulus, position, 5)."""
        hidden = x.new_zeros(x.shape[0], 8)
        for step in range(x.shape[1]):
            hidden = torch.tanh(x[:, step] @ self.read + hidden @ self.keep)
            hidden = torch.relu(hidden @ self.mix)
        return hidden


class Joined(nn.Module):
    """Down, up, and both together, with a normalisation in float."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm = nn.Conv2d(1, 4, 3, padding=1), nn.GroupNorm(2, 4)
        self.down, self.up = nn.Conv2d(4, 4, 2, 2), nn.ConvTranspose2d(4, 4, 2, 2)
        self.out = nn.Conv2d(8, 1, 1)

    def forward(self, x):
        """Of (stimulus, 1, row, column)."""
        first = torch.relu(self.norm(self.first(x)))
        return self.out(torch.cat([first, self.up(torch.relu(self.down(first)))], 1))


class Quantised(nn.Module):
    """Layers of Brevitas, the last one's steps beyond the examples'."""

    def __init__(self) -> None:
        super().__init__()
        self.read = qnn.QuantIdentity(bit_width=8)
        self.first = qnn.QuantConv1d(5, 8, 3, padding=1, weight_bit_width=8)
        self.act, self.steps = qnn.QuantReLU(bit_width=8), qnn.QuantLSTM(8, 6, batch_first=True)

    def forward(self, x):
        """Of (stimulus, position, 5)."""
        hidden = self.act(self.first(self.read(x.mT)))
        return self.steps(hidden.mT)[0].mean(1)


KINDS = {
    "tied": (Tied, lambda length: (stimuli(60, length, seed=length) * 10 + 10).long()),
    "computed": (Computed, lambda length: stimuli(60, length, 5, seed=length)),
    "by hand": (ByHand, lambda length: stimuli(60, length, 5, seed=length)),
    "joined": (Joined, lambda length: stimuli(60, 1, 2 * length, 4 * length, seed=length)),
    "quantised": (Quantised, lambda length: stimuli(60, length, 5, seed=length)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_values_at_other_sizes_and_training_there(kind: str) -> None:
    make, inputs = KINDS[kind]
    module = seeded(make)
    if kind == "quantised":
        module.train()
        for _ in range(3):
            module(inputs(4))
        module.eval()
    small = convert(module, EIGHT, inputs(4))
    for length in (5, 3):
        found, wanted = small(inputs(length)), module(inputs(length)).detach()
        assert float((found - wanted).norm() / wanted.norm()) < 0.08
    small.train()(inputs(5)).sum().backward()
    missing = [name for name, one in small.named_parameters() if one.grad is None]
    assert missing == (["network.words.input_grid.log_scale"] if kind == "tied" else [])
