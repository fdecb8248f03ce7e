"""A converted network takes inputs of other sizes than its examples', on the same layers."""

import copy
import functools
import pickle
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from conversiontest import Calls, chip_of, seeded, stimuli
from torch import nn

from stochsim.lowering import (
    ChipModule,
    ConversionWarning,
    convert,
    load_converted,
    other_sizes,
)
from stochsim.settings import SettingError, StochsimError

EIGHT = chip_of(8, 8, 8)


class Encoder(nn.Module):
    """Attends to itself and what is before it, with a table of positions for 32 places."""

    def __init__(self, of_ids: bool = False) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(12, 2, 24, batch_first=True)
        self.read = nn.Embedding(40, 12) if of_ids else nn.Linear(5, 12)
        self.place = nn.Parameter(0.3 * torch.randn(32, 12))
        self.encoder, self.head = nn.TransformerEncoder(layer, 1), nn.Linear(12, 3)

    def forward(self, x):
        """Of (stimulus, position, 5)."""
        length = x.shape[1]
        later = torch.triu(torch.ones(length, length, dtype=torch.bool), 1)
        hidden = self.read(x) + self.place.narrow(0, 0, length)
        return self.head(self.encoder(hidden, mask=later)).mean(1)


class Convolutions(nn.Module):
    """A batch normalisation that is folded, one that is not, and a mean by the length itself."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm = nn.Conv1d(5, 8, 3, padding=1), nn.BatchNorm1d(8)
        self.second, self.last = nn.Conv1d(8, 8, 2), nn.BatchNorm1d(8)
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        """Of (stimulus, position, 5)."""
        hidden = torch.relu(self.norm(self.first(x.mT)))
        hidden = self.last(torch.relu(self.second(hidden)))
        return self.head(hidden.sum(2) / (x.shape[1] - 1))


class Recurrent(nn.Module):
    """A recurrent module of two layers and its last step."""

    def __init__(self, kind: type[nn.RNNBase], **settings: Any) -> None:
        super().__init__()
        self.steps = kind(5, 8, batch_first=True, **settings)
        self.head = nn.Linear(16 if self.steps.bidirectional else 8, 3)

    def forward(self, x):
        """Of (stimulus, position, 5)."""
        return self.head(self.steps(x)[0].mean(1))


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "encoder": Encoder,
    "convolutions": Convolutions,
    "LSTM": lambda: Recurrent(nn.LSTM),
    "two GRU": lambda: Recurrent(nn.GRU, num_layers=2),
    "RNN both ways": lambda: Recurrent(nn.RNN, bidirectional=True),
}


LENGTH, OTHERS = 3, (2, 5)
"""Of the examples, and of other sequences: recurrent modules are captured step by step."""


def fresh_pair(name: str, **settings: Any) -> tuple[nn.Module, ChipModule]:
    """A module, and what is made of it by sequences of LENGTH."""
    module = seeded(NETWORKS[name])
    return module, convert(module, EIGHT, stimuli(200, LENGTH, 5), **settings)


shared_pair = functools.cache(fresh_pair)
"""For tests that change nothing of either: each size is captured once."""


def pair(name: str) -> tuple[nn.Module, ChipModule]:
    """Copies of the shared ones, for tests that change them."""
    return copy.deepcopy(shared_pair(name))


def off(found: torch.Tensor, wanted: torch.Tensor) -> float:
    """The size of the difference over that of what is wanted."""
    return float((found.detach() - wanted.detach()).norm() / wanted.detach().norm())


@pytest.mark.parametrize("name", NETWORKS)
def test_values_at_other_lengths_are_those_of_the_module(name: str) -> None:
    module, small = shared_pair(name)
    names, parameters = list(small.state_dict()), list(small.parameters())
    for length in (LENGTH, *OTHERS):
        y = stimuli(20, length, 5, seed=length)
        wanted = module(y)
        for found in (small(y), small.emulated(y), torch.tensor(small.sample(y, 1, 0)[:, 0])):
            assert off(found, wanted) < 0.06
    assert list(small.state_dict()) == names
    assert all(one is two for one, two in zip(small.parameters(), parameters, strict=True))


@pytest.mark.parametrize("name", ["encoder", "convolutions"])
def test_values_are_those_of_a_conversion_at_that_length_with_the_same_grids(name: str) -> None:
    module = seeded(NETWORKS[name])
    noisy = EIGHT.with_({"noise.read_sigma": 0.1})
    small, y = convert(module, noisy, stimuli(200, LENGTH, 5)), stimuli(30, 9, 5, seed=9)
    other = convert(module, noisy, y)
    assert not torch.equal(small(y), other(y))
    other.load_state_dict(small.state_dict())
    assert torch.equal(small(y), other(y))
    assert torch.equal(small.emulated(y), other.emulated(y))
    assert small.bill(y, 4).per_read_j == other.bill(y, 4).per_read_j
    assert small.bill(y, 4).per_read_j > small.bill(y[:, :LENGTH], 4).per_read_j


def test_fewer_steps_are_the_first_ones_of_the_examples() -> None:
    module, small = shared_pair("LSTM")
    y = stimuli(30, 2, 5, seed=9)
    other = convert(module, EIGHT, y)
    own = small.state_dict()
    other.load_state_dict({name: own[name] for name in other.state_dict()})
    assert torch.equal(small.emulated(y), other.emulated(y))


def gradients(
    module: nn.Module, found: torch.Tensor, wanted: torch.Tensor
) -> dict[str, torch.Tensor]:
    """Of the mean square error, by parameter; the module keeps none of them."""
    parameters = dict(module.named_parameters())
    loss = (found - wanted).square().mean()
    return dict(zip(parameters, torch.autograd.grad(loss, parameters.values()), strict=True))


@pytest.mark.parametrize("name", ["encoder", "convolutions", "LSTM"])
def test_gradients_at_another_length_are_those_of_the_module(name: str) -> None:
    module, small = shared_pair(name)
    y, wanted = stimuli(64, OTHERS[1], 5, seed=4), stimuli(64, 3)
    own = gradients(module, module(y), wanted)
    seen = 0
    for path, one in gradients(small, small.emulated(y), wanted).items():
        like = own.get(path.removeprefix("network."))
        if like is None or like.shape != one.shape or "norm" in path or "first" in path:
            continue  # those that a batch normalisation is folded into
        assert off(one, like) < 0.35, path
        seen += 1
    assert seen >= 2


def test_training_at_another_length_moves_what_all_lengths_have() -> None:
    small, fresh = pair("encoder")[1], pair("encoder")[1]
    lengths = {length: stimuli(20, length, 5, seed=length) for length in (LENGTH, *OTHERS)}
    before = {length: small.emulated(y).detach() for length, y in lengths.items()}
    small.train()
    optimiser = torch.optim.SGD(small.parameters(), lr=0.1)
    (small(lengths[5]) - 3).square().mean().backward()
    assert all(one.grad is not None for one in small.parameters())
    optimiser.step()
    small.eval()
    for length, y in lengths.items():
        away = (before[length] - 3).square().mean()
        assert (small.emulated(y) - 3).square().mean() < 0.95 * away
    fresh(lengths[2])
    fresh.load_state_dict(small.state_dict())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConversionWarning)  # one large step leaves the grids
        for y in lengths.values():
            assert torch.equal(fresh(y), small(y))


def test_layers_and_parts_in_float_are_shared() -> None:
    """The negative control: were they not, nothing would move."""
    _, small = pair("encoder")
    y = stimuli(20, 9, 5)
    before = small.emulated(y).detach()
    with torch.no_grad():
        small.layers["head"].bias += 0.25
        assert off(small.emulated(y) - before, torch.full_like(before, 0.25)) < 0.05
        small.layers["head"].bias -= 0.25
        small.network.get_parameter("place").zero_()
    module = seeded(Encoder)
    with torch.no_grad():
        module.place.zero_()
    assert off(small.emulated(y), module(y)) < 0.06 < off(before, module(y))


def test_statistics_of_a_batch_normalisation_are_shared() -> None:
    _, small = pair("convolutions")
    small.train()(stimuli(40, 9, 5))
    mean = small.network.get_buffer("last.running_mean")
    assert not torch.equal(mean, torch.zeros(8))
    small(stimuli(40, LENGTH, 5))
    small.double()
    found = small.eval()(stimuli(3, 9, 5).double())
    assert found.dtype == torch.float64


def test_images_of_other_sizes() -> None:
    module = seeded(
        lambda: nn.Sequential(
            nn.Conv2d(2, 6, 3, padding=1),
            nn.ReLU(),
            nn.ConvTranspose2d(6, 4, 2, 2),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Linear(16, 3),
        )
    )
    small = convert(module, EIGHT, stimuli(60, 2, 8, 8))
    for height, width in ((5, 11), (12, 3)):
        y = stimuli(20, 2, height, width, seed=height)
        assert off(small(y), module(y)) < 0.05


@pytest.mark.parametrize(
    "settings",
    [
        {"input_grids": "affine"},
        {"weight_grids": "affine", "weight_scales": "per-channel"},
        {"weight_scales": 4, "ranges": "percentile"},
        {"keep_float": ["head"]},
    ],
)
@pytest.mark.parametrize("name", ["convolutions", "LSTM"])
def test_kinds_of_grids(name: str, settings: dict[str, Any]) -> None:
    module, small = fresh_pair(name, **settings)
    y = stimuli(20, 4, 5, seed=8)
    assert off(small(y), module(y)) < 0.06


def test_ids_and_positions() -> None:
    module = seeded(lambda: Encoder(of_ids=True))
    ids = torch.from_numpy(np.random.default_rng(0).integers(0, 40, (200, LENGTH)))
    small = convert(module, EIGHT, ids)
    for y in (torch.cat([ids, ids.flip(0)], 1)[:30], ids[:30, :2]):
        assert off(small(y), module(y)) < 0.06
    with pytest.raises(SettingError, match=r"'x': gives an embedding the id 40: .*'read.weight'"):
        small(torch.full((2, 4), 40))
    with pytest.raises(SettingError, match=r"\(stimulus, 3\) \(the module does not take it: "):
        small(torch.zeros((2, 33), dtype=torch.int64))


class Masked(nn.Module):
    """Values, and whether they count, by name; gives two tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(5, 8), nn.Linear(8, 2)

    def forward(self, values, counts):
        """Of (stimulus, position, 5) and (stimulus, position)."""
        hidden = torch.relu(self.one(values)) * counts[..., None]
        return {"all": self.two(hidden), "sum": hidden.sum(1), "counts": counts.sum(1)}


def test_several_inputs_and_outputs() -> None:
    def inputs(length: int, count: int = 60) -> dict[str, torch.Tensor]:
        return {"values": stimuli(count, length, 5), "counts": stimuli(count, length, seed=1) > 0}

    module = seeded(Masked)
    small = convert(module, EIGHT, inputs(6))
    y = inputs(10, 7)
    found, wanted = small(**y), module(**y)
    assert torch.equal(found["counts"], wanted["counts"])
    for name in ("all", "sum"):
        assert found[name].shape == wanted[name].shape
        assert off(found[name], wanted[name]) < 0.05
    assert small.sample(y, 3, 0)["all"].shape == (7, 3, 10, 2)
    assert small.train()(**y)["all"].shape == (7, 10, 2)
    with pytest.raises(SettingError, match=r"'x\['values'\]' = .*\(7, 10, 5\).*must match"):
        small(values=y["values"], counts=y["counts"][:, :9])


def test_copies_take_other_sizes_and_pickles_and_files_refuse_them(tmp_path) -> None:
    _, small = pair("convolutions")
    y = stimuli(20, 9, 5)
    wanted = small(y)
    made = copy.deepcopy(small)
    assert torch.equal(made(y), wanted)
    with torch.no_grad():
        made.layers["head"].bias += 1
    assert not torch.equal(made(y), wanted)
    assert torch.equal(small(y), wanted)
    unpickled = pickle.loads(pickle.dumps(small))
    assert torch.equal(unpickled(y[:, :LENGTH]), small(y[:, :LENGTH]))
    with pytest.raises(SettingError, match="read from a file or a pickle"):
        unpickled(y)
    small.program.save(tmp_path)
    loaded = load_converted(tmp_path)
    assert torch.equal(loaded(y[:, :LENGTH]), small(y[:, :LENGTH]))
    for call in (loaded, loaded.emulated, loaded.train(), loaded.bill):
        with pytest.raises(SettingError, match=r"\(stimulus, 3, 5\) \(the sizes of its examples"):
            call(y)


def test_what_pickle_does_not_hold_is_left_out() -> None:
    module = Calls(lambda self, x: self.part(x).mean(1), part=seeded(lambda: nn.Linear(5, 3)))
    small = convert(module.eval(), EIGHT, stimuli(40, 6, 5))
    y = stimuli(4, 9, 5)
    assert off(small(y), module(y)) < 0.05
    made = pickle.loads(pickle.dumps(small))
    assert torch.equal(made(y[:, :6]), small(y[:, :6]))
    with pytest.raises(SettingError, match="whose float module cannot be copied"):
        made(y)


def test_each_size_is_captured_once_and_few_are_kept(monkeypatch) -> None:
    module = seeded(lambda: Calls(lambda self, x: self.one(x).mean(1), one=nn.Linear(5, 3)))
    small = convert(module, EIGHT, stimuli(40, 6, 5))
    lengths: list[int] = []
    capture = other_sizes.captured_products

    def counted(module, signature, x, *rest):
        lengths.append(x.shape[1])
        return capture(module, signature, x, *rest)

    monkeypatch.setattr(other_sizes, "captured_products", counted)
    monkeypatch.setattr(other_sizes, "MOST_SIZES", 2)
    for length in (6, 3, 4, 3, 5, 3, 4):
        assert small.sample(stimuli(2, length, 5), 2, 0).shape == (2, 2, 3)
    assert lengths == [3, 4, 5, 4]


def test_a_size_that_the_module_does_not_take_is_named() -> None:
    _, small = pair("encoder")
    with pytest.raises(
        SettingError, match=r"'x' = .*\(stimulus, 3, 5\) \(.*exceeds dimension size"
    ):
        small(stimuli(2, 33, 5))
    with pytest.raises(SettingError, match=r"\(stimulus, 3, 5\) \(the module does not take it"):
        small.bill(stimuli(2, LENGTH, 4))
    assert small(stimuli(0, 7, 5)).shape == (0, 3)
    assert small(stimuli(2, 7, 5)).shape == (2, 3)
    assert small(stimuli(0, 7, 5)).shape == (0, 3)
    with pytest.raises(SettingError, match="axes of the examples"):
        small(stimuli(2, 5))


class Grows(nn.Module):
    """Has other parts for long inputs."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.one, self.more = nn.Linear(5, 5), nn.Linear(5, 5)
        self.gain = nn.Parameter(torch.ones(5))

    def forward(self, x):
        """Of (stimulus, position, 5)."""
        found = self.one(x)
        if x.shape[1] == 6:
            return found
        forms = {"product": self.more, "gain": self.gain.mul, "relu": torch.relu}
        return forms[self.kind](found)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("product", "the product 'more' is none of the layers"),
        ("gain", "its part 'gain' in float has parameters"),
        ("relu", r"the layer 'one' of the examples is linear, and .* linear \+ relu"),
    ],
)
def test_parts_that_the_examples_have_not_are_named(kind: str, message: str) -> None:
    small = convert(seeded(lambda: Grows(kind)), EIGHT, stimuli(40, 6, 5))
    with pytest.raises(
        StochsimError, match=rf"stimuli of \(7, 5\), unlike the examples: {message}"
    ):
        small(stimuli(2, 7, 5))


def test_the_float_module_stays_as_it_was() -> None:
    module, small = fresh_pair("convolutions")
    y, before = stimuli(20, 9, 5), copy.deepcopy(module.state_dict())
    wanted = small(y)
    with torch.no_grad():
        module.head.bias += 1
    small.train()(y)
    assert all(torch.equal(module.state_dict()[name], before[name]) for name in ("first.weight",))
    fresh = copy.deepcopy(small.eval())
    small.other_sizes._made.clear()  # captured again, as it was when it was converted
    assert off(small(y), wanted) < 0.3
    assert torch.equal(fresh(y), small(y))


def test_lists_of_another_width_are_refused_by_the_module_s_own_reason() -> None:
    small = convert(seeded(lambda: nn.Linear(5, 3)), EIGHT, stimuli(40, 5))
    for call in (small.bill, small.operations_by_layer, lambda x: small.sample(x, 2, 0)):
        with pytest.raises(SettingError, match=r"'x' = .*\(stimulus, 5\) \(the module does not"):
            call([[0.0, 1.0], [2.0, 3.0]])
