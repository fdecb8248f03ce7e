"""Writes torch_modules.md, `python -m docs.module_kinds`: what becomes of every kind of module, by
converting it. A test holds the page equal to what this script gives.
"""

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from docs.settings_tables import markdown_table
from stochsim.hardware import load_hardware
from stochsim.lowering import ChipModule, convert
from stochsim.settings import StochsimError

FOLDER = Path(__file__).resolve().parent
_EXAMPLES = 64

Make = Callable[[], nn.Module]


class Kind(NamedTuple):
    """A module, the shape of a stimulus that it reads, and a layer that stands before it, for
    modules that are taken along with one.
    """

    make: Make
    shape: tuple[int, ...]
    before: Make | None = None


def _kinds(shape: tuple[int, ...], **made: Make) -> dict[str, Kind]:
    return {name: Kind(make, shape) for name, make in made.items()}


def _line() -> nn.Module:
    return nn.Linear(8, 8)


def _picture() -> nn.Module:
    return nn.Conv2d(4, 4, 3)


KINDS: Mapping[str, Kind] = {
    "ReLU": Kind(lambda: nn.ReLU(inplace=True), (8,), _line),
    "Tanh": Kind(lambda: nn.Tanh(), (8,), _line),
    "Sigmoid": Kind(lambda: nn.Sigmoid(), (8,), _line),
    "BatchNorm1d": Kind(lambda: nn.BatchNorm1d(8), (8,), _line),
    "BatchNorm2d": Kind(lambda: nn.BatchNorm2d(4), (4, 8, 8), _picture),
    **_kinds(
        (8,),
        Linear=lambda: nn.Linear(8, 8),
        Identity=lambda: nn.Identity(),
        LeakyReLU=lambda: nn.LeakyReLU(),
        PReLU=lambda: nn.PReLU(),
        ReLU6=lambda: nn.ReLU6(),
        ELU=lambda: nn.ELU(),
        SELU=lambda: nn.SELU(),
        CELU=lambda: nn.CELU(),
        GELU=lambda: nn.GELU(),
        SiLU=lambda: nn.SiLU(),
        Mish=lambda: nn.Mish(),
        Softplus=lambda: nn.Softplus(),
        Softsign=lambda: nn.Softsign(),
        Hardtanh=lambda: nn.Hardtanh(),
        Hardswish=lambda: nn.Hardswish(),
        Hardsigmoid=lambda: nn.Hardsigmoid(),
        LogSigmoid=lambda: nn.LogSigmoid(),
        GLU=lambda: nn.GLU(),
        Softmax=lambda: nn.Softmax(1),
        LogSoftmax=lambda: nn.LogSoftmax(1),
        LayerNorm=lambda: nn.LayerNorm(8),
        RMSNorm=lambda: nn.RMSNorm(8),
        Dropout=lambda: nn.Dropout(0.5),
        AlphaDropout=lambda: nn.AlphaDropout(0.5),
    ),
    **_kinds(
        (4, 12),
        Conv1d=lambda: nn.Conv1d(4, 6, 3, padding="same"),
        ConvTranspose1d=lambda: nn.ConvTranspose1d(4, 6, 3, 2),
        MaxPool1d=lambda: nn.MaxPool1d(2),
        AvgPool1d=lambda: nn.AvgPool1d(2),
        LSTM=lambda: nn.LSTM(12, 8, batch_first=True),
        GRU=lambda: nn.GRU(12, 8, batch_first=True),
        RNN=lambda: nn.RNN(12, 8, batch_first=True),
        MultiheadAttention=lambda: _SelfAttention(),
        TransformerEncoderLayer=lambda: nn.TransformerEncoderLayer(12, 2, 16, batch_first=True),
        TransformerDecoderLayer=lambda: _Decoder(),
    ),
    **_kinds(
        (4, 8, 8),
        Conv2d=lambda: nn.Conv2d(4, 6, 3, padding=1, padding_mode="reflect"),
        ConvTranspose2d=lambda: nn.ConvTranspose2d(4, 6, 3, 2, 1, 1),
        MaxPool2d=lambda: nn.MaxPool2d(2),
        AvgPool2d=lambda: nn.AvgPool2d(2),
        AdaptiveAvgPool2d=lambda: nn.AdaptiveAvgPool2d(2),
        AdaptiveMaxPool2d=lambda: nn.AdaptiveMaxPool2d(2),
        GroupNorm=lambda: nn.GroupNorm(2, 4),
        InstanceNorm2d=lambda: nn.InstanceNorm2d(4),
        LocalResponseNorm=lambda: nn.LocalResponseNorm(2),
        Dropout2d=lambda: nn.Dropout2d(0.5),
        Flatten=lambda: nn.Flatten(),
        Upsample=lambda: nn.Upsample(scale_factor=2),
        PixelShuffle=lambda: nn.PixelShuffle(2),
        ZeroPad2d=lambda: nn.ZeroPad2d(1),
        ReflectionPad2d=lambda: nn.ReflectionPad2d(1),
        Unfold=lambda: nn.Unfold(2),
    ),
    **_kinds(
        (2, 4, 4, 4),
        Conv3d=lambda: nn.Conv3d(2, 3, 2),
        ConvTranspose3d=lambda: nn.ConvTranspose3d(2, 3, 3, 2, 1),
        MaxPool3d=lambda: nn.MaxPool3d(2),
    ),
    **_kinds((6,), Embedding=lambda: _Words(nn.Embedding(10, 8))),
    **_kinds((6,), EmbeddingBag=lambda: _Words(nn.EmbeddingBag(10, 8))),
    **_kinds((8,), Bilinear=lambda: _Both(nn.Bilinear(8, 8, 4))),
    **_kinds((8,), LSTMCell=lambda: _Cell(nn.LSTMCell(8, 8)), GRUCell=lambda: nn.GRUCell(8, 8)),
}


class _SelfAttention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.part = nn.MultiheadAttention(12, 2, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.part(x, x, x)[0]
        return found


class _Decoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.part = nn.TransformerDecoderLayer(12, 2, 16, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1])
        found: torch.Tensor = self.part(x, x, tgt_mask=mask, tgt_is_causal=True)
        return found


class _Words(nn.Module):
    """Whole numbers from stimuli of about -3 to 3."""

    def __init__(self, part: nn.Module) -> None:
        super().__init__()
        self.part = part

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.part((x + 5).clamp(0, 9).long())
        return found


class _Both(nn.Module):
    def __init__(self, part: nn.Module) -> None:
        super().__init__()
        self.part = part

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.part(x, x.flip(1))
        return found


class _Cell(nn.Module):
    def __init__(self, part: nn.Module) -> None:
        super().__init__()
        self.part = part

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.part(x)[0]
        return found


class _Network(nn.Module):
    """The part, and a linear layer on four of its values."""

    def __init__(self, kind: Kind) -> None:
        super().__init__()
        self.before = nn.Identity() if kind.before is None else kind.before()
        self.part = kind.make()
        self.last = nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found = self.part(self.before(x))
        found = found[0] if isinstance(found, tuple) else found
        last: torch.Tensor = self.last(found.flatten(1)[:, :4])
        return last


class Row(NamedTuple):
    """What became of a kind: where it runs, what it is billed for beside layers, the relative error
    of the network's outputs at 8 bits.
    """

    where: str
    bill: str
    error: float = np.nan


def tried(name: str) -> Row:
    """A kind converted at 8 bits without noise, and its outputs against torch's."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = _Network(KINDS[name]).eval()
        x = torch.randn(_EXAMPLES, *KINDS[name].shape)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            converted = convert(module, load_hardware("digital-45nm", bits=8), x)
    except StochsimError as refused:
        return Row("refused", str(refused))
    wanted = module(x).detach().numpy()
    off = converted.sample(x, 1, 0)[:, 0] - wanted
    return _row(converted, float(np.sqrt((off**2).mean() / (wanted**2).mean())))


def _row(converted: ChipModule, error: float) -> Row:
    has_layers = any(name.startswith("part") for name in converted.layers)
    costs = {one.cost for one in converted.left_in_float if one.name.startswith("part")}
    bill = ", ".join(sorted(costs - {"nothing"})) or "–"
    if costs <= {"nothing"}:
        where = "on the chip" if has_layers or not costs else "passes codes on"
    else:
        where = "its products on the chip" if has_layers else "in float"
    return Row(where, bill, error)


_HEAD = """# Modules of torch, and what becomes of them

<!-- Written by `python -m docs.module_kinds`. -->

Each was converted by `convert` at 8 bits, in evaluation, before a linear layer (ReLU, Tanh, Sigmoid
and batch normalisation behind a layer, too), and the outputs were compared with torch's: none is
off by more than 2 % of their size. Other modules and functions are taken as well: `convert` looks
at operations, not at modules, and lists in `left_in_float` what it leaves in float, and what that
is billed for. "float32": multiplications and additions in float32, and the memory of the values
(`bill.coverage` says what is not priced). "passes codes on": moves, compares or drops values, so
that codes stay codes."""


def page() -> str:
    """The page."""
    found = [(name, *tried(name)[:2]) for name in sorted(KINDS, key=str.lower)]
    table = markdown_table(("module", "where it runs", "its bill beside layers"), found)
    return "\n\n".join([_HEAD, "\n".join(table)]) + "\n"


if __name__ == "__main__":
    (FOLDER / "torch_modules.md").write_text(page(), encoding="utf-8")
