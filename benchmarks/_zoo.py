"""Small networks of many kinds, and data that ship with packages: what `conversion_zoo.py`
converts.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from stochsim.data.digits import digit_pictures, split_by_label
from stochsim.keys import generator

SIDE = 12
TRAIN, TEST = 6000, 3000
CONTEXT = 24


class MovedDigits:
    """Digits of scikit-learn on 12 × 12 pixels, each moved by up to two pixels and under noise of
    sd 0.1: 6,000 of 1,297 pictures to train on, 3,000 of the other 500 to test.
    """

    def __init__(self) -> None:
        pictures, labels = digit_pictures()
        parts = split_by_label(labels, 500, 0)
        pictures = pictures.reshape(-1, 8, 8)
        made = [
            _moved(pictures[part], labels[part], count, place)
            for place, (part, count) in enumerate(zip(parts, (TRAIN, TEST), strict=True))
        ]
        (self.x, self.y, self.clean), (self.test, self.answers, self.test_clean) = made


def _moved(
    pictures: np.ndarray, labels: np.ndarray, count: int, place: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    random = generator(place, "zoo", "moved digits")
    chosen = random.integers(len(labels), size=count)
    shifts = random.integers(0, 5, (count, 2))
    clean = np.zeros((count, 1, SIDE, SIDE), np.float32)
    for i, (which, (down, right)) in enumerate(zip(chosen, shifts, strict=True)):
        clean[i, 0, down : down + 8, right : right + 8] = pictures[which]
    noisy = clean + 0.1 * random.standard_normal(clean.shape).astype(np.float32)
    answers = torch.from_numpy(labels[chosen])
    return torch.from_numpy(noisy), answers, torch.from_numpy(clean)


class Questions:
    """A number from 0 to 9 beside every picture, (picture,), and whether the picture's digit is
    larger.
    """

    def __init__(self, data: MovedDigits) -> None:
        self.asked, self.test = (
            torch.from_numpy(generator(place, "zoo", "questions").integers(0, 10, len(labels)))
            for place, labels in enumerate((data.y, data.answers))
        )
        self.y = (data.y > self.asked).long()
        self.answers = (data.answers > self.test).long()


class Text:
    """Character numbers of scikit-learn's description of its digits, (window, 24), and the
    characters that follow each.
    """

    def __init__(self) -> None:
        from sklearn.datasets import load_digits

        text = load_digits().DESCR
        letters = sorted(set(text))
        codes = np.array([letters.index(one) for one in text])
        windows = np.lib.stride_tricks.sliding_window_view(codes, CONTEXT + 1)
        self.letters = len(letters)
        self.x = torch.from_numpy(windows[:, :-1].copy()).float()
        self.y = torch.from_numpy(windows[:, 1:].copy())


def mlp() -> nn.Module:
    """144-128-10."""
    return nn.Sequential(
        nn.Flatten(), nn.Linear(SIDE**2, 128), nn.ReLU(inplace=True), nn.Linear(128, 10)
    )


def le_net() -> nn.Module:
    """Two convolutions with pooling, three linear layers."""
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 5, padding=2), nn.Tanh(), nn.AvgPool2d(2)),
        *(nn.Conv2d(6, 16, 3), nn.Tanh(), nn.AvgPool2d(2)),
        *(nn.Flatten(), nn.Linear(64, 48), nn.Tanh(), nn.Linear(48, 10)),
    )


class Block(nn.Module):
    """Two convolutions with batch normalisation, and a way past them."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.past: nn.Module = nn.Identity()
        if stride > 1:
            past = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
            self.past = nn.Sequential(past, nn.BatchNorm2d(outputs))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = functional.relu(self.norm1(self.conv1(x)), inplace=True)
        h = self.norm2(self.conv2(h))
        h += self.past(x)
        return functional.relu(h, inplace=True)


def res_net_20(channels: tuple[int, int, int] = (8, 16, 32), colours: int = 1) -> nn.Module:
    """ResNet-20 (He et al. 2016); its own channels are 16, 32 and 64."""
    a, b, c = channels
    blocks = [
        Block(inputs, outputs, stride)
        for inputs, outputs, stride in (
            *((a, a, 1), (a, a, 1), (a, a, 1)),
            *((a, b, 2), (b, b, 1), (b, b, 1)),
            *((b, c, 2), (c, c, 1), (c, c, 1)),
        )
    ]
    first = (nn.Conv2d(colours, a, 3, padding=1, bias=False), nn.BatchNorm2d(a), nn.ReLU())
    return nn.Sequential(*first, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(c, 10))


class SqueezeExcite(nn.Module):
    """A depthwise separable convolution whose channels are weighted by their means."""

    def __init__(self, channels: int, outputs: int) -> None:
        super().__init__()
        self.depth = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
        self.norm1 = nn.BatchNorm2d(channels)
        self.squeeze = nn.Conv2d(channels, 8, 1)
        self.excite = nn.Conv2d(8, channels, 1)
        self.point = nn.Conv2d(channels, outputs, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = functional.relu(self.norm1(self.depth(x)))
        weight = torch.sigmoid(self.excite(functional.relu(self.squeeze(h.mean((2, 3), True)))))
        return functional.relu(self.norm2(self.point(h * weight)))


def depthwise() -> nn.Module:
    """A convolution to 16 channels, two depthwise separable ones with squeeze and excitation."""
    first = (nn.Conv2d(1, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU())
    parts = (SqueezeExcite(16, 24), nn.MaxPool2d(2), SqueezeExcite(24, 32))
    return nn.Sequential(*first, *parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10))


class Rows(nn.Module):
    """A recurrent module on the rows of a picture, and a linear layer on its last state."""

    def __init__(self, part: Callable[..., nn.Module]) -> None:
        super().__init__()
        self.part = part(SIDE, 48, batch_first=True)
        self.last = nn.Linear(48, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.last(self.part(x[:, 0])[0][:, -1])
        return found


class VisionTransformer(nn.Module):
    """16 patches of 3 × 3, learned positions, two encoder layers of four heads."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(1, 32, 3, 3)
        self.positions = nn.Parameter(0.1 * torch.randn(16, 32))
        layer = nn.TransformerEncoderLayer(32, 4, 64, 0.0, "gelu", batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.last = nn.Linear(32, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.patches(x).flatten(2).transpose(1, 2) + self.positions
        found: torch.Tensor = self.last(self.encoder(h).mean(1))
        return found


class MonteCarloDropout(nn.Module):
    """144-128-10 whose dropout stays on."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(SIDE**2, 128)
        self.last = nn.Linear(128, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = functional.relu(self.first(x.flatten(1)))
        found: torch.Tensor = self.last(functional.dropout(h, 0.3))
        return found


class UNet(nn.Module):
    """A picture without its noise: down and up by transposed convolutions, with ways past."""

    def __init__(self) -> None:
        super().__init__()
        self.down1 = nn.Conv2d(1, 8, 3, padding=1)
        self.down2 = nn.Conv2d(8, 16, 3, padding=1)
        self.middle = nn.Conv2d(16, 16, 3, padding=1)
        self.up = nn.ConvTranspose2d(16, 8, 2, 2)
        self.last = nn.Conv2d(16, 1, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        a = functional.relu(self.down1(x))
        b = functional.relu(self.down2(functional.max_pool2d(a, 2)))
        c = functional.relu(self.middle(b)) + b
        found: torch.Tensor = self.last(torch.cat([a, functional.relu(self.up(c))], 1))
        return found


class LargerThan(nn.Module):
    """Whether a picture's digit is larger than a number: a convolution and a layer for the one, an
    embedding for the other, two layers for both.
    """

    def __init__(self) -> None:
        super().__init__()
        self.picture = nn.Sequential(
            *(nn.Conv2d(1, 8, 3, 2, 1), nn.ReLU(), nn.Flatten(), nn.Linear(288, 64), nn.ReLU())
        )
        self.number = nn.Embedding(10, 16)
        self.both = nn.Sequential(nn.Linear(80, 64), nn.ReLU(), nn.Linear(64, 2))

    def forward(self, picture: torch.Tensor, number: torch.Tensor) -> torch.Tensor:
        h = torch.cat([self.picture(picture), self.number(number)], 1)
        found: torch.Tensor = self.both(h)
        return found


class CharacterDecoder(nn.Module):
    """The next character at every place: embeddings, two layers with a causal mask."""

    def __init__(self, letters: int) -> None:
        super().__init__()
        self.letters = nn.Embedding(letters, 32)
        self.places = nn.Embedding(CONTEXT, 32)
        layer = nn.TransformerEncoderLayer(32, 4, 64, 0.0, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.last = nn.Linear(32, letters)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        places = torch.arange(x.shape[1], device=x.device)
        h = self.letters(x.long()) + self.places(places)
        mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1], x.device)
        found: torch.Tensor = self.last(self.layers(h, mask=mask, is_causal=True))
        return found


class VariationalAutoencoder(nn.Module):
    """A picture from a code drawn about its mean: eight numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(SIDE**2, 96), nn.ReLU())
        self.mean = nn.Linear(96, 8)
        self.log_variance = nn.Linear(96, 8)
        self.decoder = nn.Sequential(nn.Linear(8, 96), nn.ReLU(), nn.Linear(96, SIDE**2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.encoder(x)
        mean = self.mean(h)
        z = mean + torch.exp(0.5 * self.log_variance(h)) * torch.randn_like(mean)
        found: torch.Tensor = self.decoder(z).unflatten(1, (1, SIDE, SIDE))
        return found

    def loss(self, x: torch.Tensor, clean: torch.Tensor) -> torch.Tensor:
        """-ELBO of pictures under noise of sd 0.3, by one draw."""
        h = self.encoder(x)
        mean, log_variance = self.mean(h), self.log_variance(h)
        off = (self(x) - clean).square().sum((1, 2, 3)) / (2 * 0.3**2)
        kl = 0.5 * (mean.square() + log_variance.exp() - log_variance - 1).sum(1)
        found: torch.Tensor = (off + kl).mean()
        return found


CLASSIFIERS: dict[str, Callable[[], nn.Module]] = {
    "MLP": mlp,
    "LeNet": le_net,
    "ResNet-20": res_net_20,
    "depthwise, squeeze-excite": depthwise,
    "LSTM": lambda: Rows(nn.LSTM),
    "GRU": lambda: Rows(nn.GRU),
    "vision transformer": VisionTransformer,
    "Monte-Carlo dropout": MonteCarloDropout,
}
