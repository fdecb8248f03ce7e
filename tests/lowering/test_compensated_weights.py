"""`weight_rounding = "compensated"`: weights of converted networks whose errors make up for each
other on the examples.
"""

import copy

import numpy as np
import pytest
import torch
from conversiontest import Twice, chip_of, seeded
from torch import nn

from stochsim.lowering import convert, load_converted
from stochsim.lowering.compensated_weights import _Moments
from stochsim.lowering.window_products import windows
from stochsim.program import Geometry
from stochsim.settings import SettingError

CHIP = chip_of(3, 8, 8)


def alike(*shape: int, seed: int = 0) -> torch.Tensor:
    """Stimuli (stimulus, channel or input, …) whose channels have two common causes, each smooth
    along the axes behind, and noise.
    """
    rng = np.random.default_rng(seed)
    causes = rng.normal(size=(shape[0], 2, *shape[2:]))
    for axis in range(2, len(shape)):
        causes = np.cumsum(causes, axis) / np.sqrt(shape[axis])
    mixed = np.tensordot(np.random.default_rng(9).normal(size=(shape[1], 2)), causes, (1, 1))
    found = np.moveaxis(mixed, 0, 1) + 0.2 * rng.normal(size=shape)
    return torch.from_numpy(0.5 * found).float()


def off(made, module, x) -> float:
    """Relative error of a converted module on stimuli."""
    with torch.no_grad():
        wanted = module(x)
        return float((made(x) - wanted).norm() / wanted.norm())


class LastState(nn.Module):
    """A recurrent module's last output: one weight in every step."""

    def __init__(self) -> None:
        super().__init__()
        self.part = nn.LSTM(16, 24, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Of (stimulus, 16, step)."""
        return self.part(x.transpose(1, 2))[0][:, -1]


MODULES = {
    "linear": (lambda: nn.Linear(12, 6), (12,)),
    "two layers": (lambda: nn.Sequential(nn.Linear(12, 9), nn.ReLU(), nn.Linear(9, 4)), (12,)),
    "no bias": (lambda: nn.Linear(12, 6, bias=False), (12,)),
    "convolution": (lambda: nn.Conv2d(3, 5, 3, padding=1), (3, 5, 5)),
    "groups": (lambda: nn.Conv2d(4, 8, 3, groups=4), (4, 6, 6)),
    "one axis, stride": (lambda: nn.Conv1d(4, 5, 4, stride=2, dilation=2), (4, 15)),
    "reflected": (lambda: nn.Conv2d(2, 4, 3, padding=1, padding_mode="reflect"), (2, 5, 5)),
    "three axes": (lambda: nn.Conv3d(2, 4, 2), (2, 4, 4, 4)),
    "transposed": (lambda: nn.ConvTranspose2d(3, 4, 3, 2, 1), (3, 4, 4)),
    "transposed, apart": (lambda: nn.ConvTranspose2d(3, 4, 2, 2), (3, 4, 4)),
    "called twice": (lambda: Twice(16), (16,)),
    "recurrent": (LastState, (16, 5)),
}


@pytest.mark.parametrize("name", MODULES)
def test_networks_are_closer_to_the_float_one_on_other_stimuli_too(name, tmp_path):
    make, shape = MODULES[name]
    module = seeded(make)
    before = copy.deepcopy(module.state_dict())
    x, more = alike(400, *shape), alike(100, *shape, seed=1)
    plain, made = (
        convert(module, CHIP, x, weight_rounding=one) for one in ("nearest", "compensated")
    )
    assert off(made, module, more) < 0.85 * off(plain, module, more)
    assert all(torch.equal(one, before[key]) for key, one in module.state_dict().items())
    assert torch.equal(made.emulated(more), made(more))
    for layer in made.layers.values():
        rows = layer.weight_of_neurons.detach()
        values = layer.weight_grid(rows).detach()
        np.testing.assert_allclose(rows.numpy(), values.numpy(), rtol=1e-5, atol=1e-7)
    made.program.save(tmp_path / "net")
    assert torch.equal(load_converted(tmp_path / "net")(more), made(more))


@pytest.mark.parametrize(
    "more",
    [
        {"weight_scales": "per-channel"},
        {"weight_scales": 4},
        {"weight_grids": "affine"},
        {"weight_grids": "affine", "weight_scales": 4},
        {"input_grids": "affine"},
        {"ranges": "lsq"},
        {"formats": {"weights": "int1"}},
        {"formats": {"weights": "mxfp4"}},
        {"formats": {"weights": "fp4-e2m1"}},
        {"formats": {"weights": "mxfp4", "inputs": "mxfp8-e4m3"}},
        {"bits": {"linear": (1, 8, 8)}},
    ],
    ids=str,
)
def test_every_kind_of_grid(more):
    """Of inputs about a mean of their own, so that a shift of affine inputs counts."""
    module = seeded(lambda: nn.Linear(12, 6))
    x, others = alike(400, 12) + 0.7, alike(100, 12, seed=1) + 0.7
    plain, made = (
        convert(module, CHIP, x, weight_rounding=one, **more) for one in ("nearest", "compensated")
    )
    assert off(made, module, others) < 0.85 * off(plain, module, others)
    assert torch.equal(made.emulated(others), made(others))


@pytest.mark.parametrize("shift", [0.0, 0.25])
def test_moments_are_those_of_what_the_product_reads(shift):
    made = convert(seeded(lambda: nn.Linear(5, 3)), chip_of(4, 4, 4), alike(200, 5))
    layer = made.layers["linear"]
    one = _Moments(layer, shift)
    x = alike(30, 5, seed=2)
    for some in (x[:10], x[10:]):
        one.add(some, some)
    values = layer.input_grid(x).detach().double().numpy() - shift
    np.testing.assert_allclose(one.sums[0].detach(), values.T @ values, rtol=1e-12)


GEOMETRIES = [
    Geometry((3,), (2,), ((1, 0),), (2,), 1),
    Geometry((2, 3), (1, 2), ((1, 1), (0, 2)), (1, 1), 2),
    Geometry((2, 2, 2), (1, 1, 1), ((0, 0),) * 3, (1, 1, 1), 2),
]


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=lambda one: f"{len(one.kernel)} axes")
def test_windows_are_what_neurons_see_place_by_place(geometry):
    axes = len(geometry.kernel)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 4, *(5,) * axes))
    pads = ((0, 0), (0, 0), *geometry.padding)
    padded = np.pad(x, pads, constant_values=0.5)
    sizes = [
        (padded.shape[2 + a] - geometry.dilation[a] * (geometry.kernel[a] - 1) - 1)
        // geometry.stride[a]
        + 1
        for a in range(axes)
    ]
    channels = 4 // geometry.groups
    found = windows(geometry, torch.from_numpy(x), 0.5).movedim(-2, 0).flatten(1, -2).numpy()
    for group in range(geometry.groups):
        rows = []
        for stimulus in range(2):
            for place in np.ndindex(*sizes):
                row = [
                    padded[
                        stimulus,
                        group * channels + c,
                        *(
                            place[a] * geometry.stride[a] + k[a] * geometry.dilation[a]
                            for a in range(axes)
                        ),
                    ]
                    for c in range(channels)
                    for k in np.ndindex(*geometry.kernel)
                ]
                rows.append(row)
        np.testing.assert_array_equal(found[group], rows)


def test_errors_are_those_of_the_weights_it_has():
    """A layer's error, for float inputs, against the same computed here, by the float weights."""
    module = seeded(lambda: nn.Linear(12, 6))
    x = alike(400, 12)
    made = convert(module, CHIP, x, weight_rounding="compensated")
    with torch.no_grad():
        wanted = module(x)
        error = float((made.layers["linear"](x) - wanted).norm() / wanted.norm())
    assert made.errors.layers["linear"].relative == pytest.approx(error, rel=1e-4)


def test_training_goes_on_from_these_weights():
    module = seeded(lambda: nn.Sequential(nn.Linear(12, 9), nn.ReLU(), nn.Linear(9, 4)))
    x = alike(300, 12)
    made = convert(module, CHIP, x, weight_rounding="compensated").train()
    before = made.layers["0"].weight.detach().clone()
    optimizer = torch.optim.SGD(made.parameters(), 0.1)
    made(x).square().mean().backward()
    optimizer.step()
    assert not torch.equal(made.layers["0"].weight, before)


def test_a_size_of_its_own_has_the_same_weights():
    module = seeded(lambda: nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), nn.AdaptiveAvgPool2d(1)))
    x = alike(200, 2, 6, 6)
    made = convert(module, CHIP, x, weight_rounding="compensated")
    larger = alike(20, 2, 9, 9)
    own = made.layers["0"]
    with torch.no_grad():
        wanted = own(larger).mean((2, 3), keepdim=True)
    np.testing.assert_allclose(made(larger), wanted, rtol=1e-5, atol=1e-6)


def test_tables_stay_as_they_are():
    module = seeded(lambda: nn.Sequential(nn.Embedding(7, 12), nn.Linear(12, 3)))
    ids = torch.randint(0, 7, (300, 2), generator=torch.Generator().manual_seed(0))
    plain, made = (
        convert(module, CHIP, ids, weight_rounding=one) for one in ("nearest", "compensated")
    )
    assert torch.equal(plain.layers["0"].weight, made.layers["0"].weight)
    assert not torch.equal(plain.layers["1"].weight, made.layers["1"].weight)


@pytest.mark.parametrize("wrong", ["compensate", None, 3])
def test_other_words_are_refused(wrong):
    with pytest.raises(SettingError, match="weight_rounding"):
        convert(nn.Linear(3, 2), CHIP, alike(10, 3), weight_rounding=wrong)


class Shared(nn.Module):
    """Two linear layers with one weight, and its size as an output."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(12, 12), nn.Linear(12, 12), nn.Linear(12, 4)
        self.b.weight = self.a.weight

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Of (stimulus, 12)."""
        size = self.c.weight.square().sum() * torch.ones(x.shape[0], 1)
        return self.c(torch.relu(self.b(torch.tanh(self.a(x))))), size


def test_weights_that_parts_in_float_have_too_stay_as_they_are():
    module, x = seeded(Shared), alike(300, 12)
    made = convert(module, CHIP, x, weight_rounding="compensated", keep_float=["b"])
    assert torch.equal(made.layers["a"].weight, module.a.weight)
    assert torch.equal(made(x)[1], module(x)[1])
    both = convert(module, CHIP, x, weight_rounding="compensated")
    assert both.layers["a"].weight is both.layers["b"].weight
    assert not torch.equal(both.layers["a"].weight, module.a.weight)


class Tied(nn.Module):
    """A table that is the weight of the last layer."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.inner = nn.Embedding(30, 12), nn.Linear(12, 12)
        self.last = nn.Linear(12, 30, bias=False)
        self.last.weight = self.table.weight

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Of (stimulus, place)."""
        return self.last(torch.tanh(self.inner(self.table(ids))).mean(1))


def test_weights_that_a_table_has_too_stay_as_they_are():
    module = seeded(Tied)
    ids = torch.randint(0, 30, (300, 4), generator=torch.Generator().manual_seed(0))
    made = convert(module, CHIP, ids, weight_rounding="compensated")
    assert torch.equal(made.layers["table"].weight, module.table.weight)
    assert not torch.equal(made.layers["inner"].weight, module.inner.weight)


@pytest.mark.parametrize("count", [1, 5, 40])
def test_few_examples_do_little_harm(count):
    """Of inputs without correlation, where those of the examples are of chance: the error of sums
    of the weights that are found, over that of the nearest ones.
    """
    module = seeded(lambda: nn.Linear(48, 16))
    x = torch.randn(2000, 48, generator=torch.Generator().manual_seed(0))
    off = []
    for one in ("nearest", "compensated"):
        layer = convert(module, CHIP, x[:count], weight_rounding=one).layers["linear"]
        with torch.no_grad():
            error = layer.weight_grid(layer.weight) - module.weight
            off.append(float((x @ error.T).square().mean()))
    assert off[1] < 1.2 * off[0]
