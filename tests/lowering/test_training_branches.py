"""Calls in training follow a module's own branches on `self.training`."""

import copy
import pickle
import warnings
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from conversiontest import chip_of, seeded, stimuli
from torch import nn

from stochsim.lowering import ConversionWarning, convert, other_sizes
from stochsim.settings import StochsimError

EIGHT = chip_of(8, 8, 8)


class Branches(nn.Module):
    """Two layers, and between them what `kind` says, in training alone."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.one, self.two, self.aux = nn.Linear(5, 8), nn.Linear(8, 3), nn.Linear(8, 2)
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x):
        """Of (stimulus, …, 5)."""
        hidden = torch.relu(self.one(x))
        found: Any = self.two(hidden)
        if not self.training:
            return found
        return getattr(self, self.kind)(x, hidden, found)

    def scaled(self, x, hidden, found):
        """Another number for every stimulus."""
        return 3 * found + x[..., :1]

    def depth(self, x, hidden, found):
        """Half of the stimuli pass."""
        shape = (x.shape[0],) + (1,) * (x.ndim - 1)
        return found * torch.empty(shape).bernoulli_(0.5) * 2

    def dropped(self, x, hidden, found):
        """The second layer on what dropout leaves, in training alone."""
        return self.two(F.dropout(hidden, 0.1))

    def both(self, x, hidden, found):
        """Another structure."""
        return {"found": found, "hidden": hidden}

    def head(self, x, hidden, found):
        """A product that evaluation has not."""
        return found, self.aux(hidden)

    def counted(self, x, hidden, found):
        """What no graph can hold."""
        self.calls += 1
        return 3 * found


class Attends(nn.Module):
    """Attention of its own, which drops in training; a dropout that is called as a function."""

    def __init__(self) -> None:
        super().__init__()
        self.all, self.out = nn.Linear(6, 18), nn.Linear(6, 3)

    def forward(self, x):
        """Of (stimulus, position, 6)."""
        rate = 1.0 if self.training else 0.0
        query, key, value = self.all(x).chunk(3, -1)
        return self.out(F.scaled_dot_product_attention(query, key, value, dropout_p=rate))


class Rates(nn.Module):
    """A dropout that is called in evaluation, too, at another rate."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Linear(5, 3)

    def forward(self, x):
        """Of (stimulus, 5)."""
        return F.dropout(self.one(x), 1.0 if self.training else 0.0, self.training)


class Drops(nn.Module):
    """Dropouts and a batch normalisation in every way of writing them, and no other branch."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.norm, self.two = nn.Linear(5, 8), nn.BatchNorm1d(8), nn.Linear(8, 3)
        self.drop = nn.Dropout(0.5)

    def forward(self, x):
        """Of (stimulus, 5)."""
        hidden = self.drop(torch.relu(self.norm(self.one(x))))
        return self.two(F.dropout(hidden, 0.5, self.training))


def pair(kind: str, *shape: int):
    module = seeded(lambda: Branches(kind))
    return module, convert(module, EIGHT, stimuli(200, *(shape or (5,))))


def off(found: torch.Tensor, wanted: torch.Tensor) -> float:
    """The size of the difference over that of what is wanted."""
    return float((found.detach() - wanted.detach()).norm() / wanted.detach().norm())


def test_training_follows_the_module_and_evaluation_its_own() -> None:
    module, small = pair("scaled")
    x, names = stimuli(40, 5, seed=1), list(small.state_dict())
    for _ in range(2):
        assert off(small.train()(x), module.train()(x)) < 0.03
        assert off(small.eval()(x), module.eval()(x)) < 0.03
        assert off(torch.tensor(small.train().sample(x, 1, 0)[:, 0]), module(x)) < 0.03
    assert off(module.train()(x), module.eval()(x)) > 0.5
    assert list(small.state_dict()) == names


def test_gradients_are_those_of_the_branch() -> None:
    module, small = pair("scaled")
    x, wanted = stimuli(80, 5, seed=1), stimuli(80, 3)
    (small.train()(x) - wanted).square().mean().backward()
    (module.train()(x) - wanted).square().mean().backward()
    for name in ("one", "two"):
        own, layer = module.get_submodule(name), small.layers[name]
        assert off(layer.weight.grad, own.weight.grad) < 0.1
        assert off(layer.bias.grad, own.bias.grad) < 0.1
    before = small.eval()(x)
    torch.optim.SGD(small.parameters(), lr=0.1).step()
    assert not torch.equal(small(x), before)


def test_branches_can_be_left_out() -> None:
    module, small = pair("scaled")
    small.follows_training = False
    x = stimuli(40, 5)
    assert off(small.train()(x), module.eval()(x)) < 0.03


def test_what_a_branch_draws_is_drawn_anew() -> None:
    """Half of the stimuli are 0, others each time; 4,000 of them: 5 sd are 0.04."""
    module, small = pair("depth")
    x = stimuli(4000, 5, seed=1)
    wanted = module.eval()(x)
    found = [small.train()(x).detach() for _ in range(2)]
    passed = [(one.abs() > 0).any(1) for one in found]
    for one, some in zip(found, passed, strict=True):
        assert abs(float(some.double().mean()) - 0.5) < 0.04
        assert off(one[some], 2 * wanted[some]) < 0.03
    assert abs(float((passed[0] == passed[1]).double().mean()) - 0.5) < 0.04


def test_a_dropout_that_training_alone_has() -> None:
    """Means over draws are those without dropout, and spreads the module's own."""
    module, small = pair("dropped")
    x = stimuli(1, 5, seed=1).expand(8000, 5)
    found = small.train()(x).detach()
    wanted = module.train()(x).detach()
    assert float(wanted.std(0).min()) > 0.02
    np.testing.assert_allclose(found.std(0), wanted.std(0), rtol=0.1)
    np.testing.assert_allclose(found.mean(0), wanted.mean(0), atol=6 * 0.012 * wanted.std(0).max())


def test_dropout_inside_attention_of_ones_own() -> None:
    module = seeded(Attends)
    x = stimuli(100, 4, 6)
    small = convert(module, EIGHT, x)
    assert off(small.train()(x), module.train()(x)) < 0.03  # all of it is dropped
    assert off(small.eval()(x), module.train()(x)) > 0.3
    for length in (7, 2):
        y = stimuli(20, length, 6)
        assert off(small.train()(y), module.train()(y)) < 0.03
        assert off(small.eval()(y), module.eval()(y)) < 0.06


def test_a_rate_of_training_alone() -> None:
    small = convert(seeded(Rates), EIGHT, stimuli(100, 5))
    assert not small.train()(stimuli(10, 5)).any()
    assert small.eval()(stimuli(10, 5)).all()


def test_another_structure_is_given_in_training() -> None:
    module, small = pair("both", 4, 5)
    for length in (4, 6):
        y = stimuli(20, length, 5)
        found, wanted = small.train()(y), module.train()(y)
        assert list(found) == list(wanted)
        for name, one in wanted.items():
            assert off(found[name], one) < 0.03
        assert small.eval()(y).shape == (20, length, 3)


def test_products_that_evaluation_has_not_are_named() -> None:
    module, small = pair("head")
    x = stimuli(10, 5)
    with pytest.raises(StochsimError, match=r"the product 'aux' is none of .*follows_training = F"):
        small.train()(x)
    small.follows_training = False
    assert off(small(x), module(x)) < 0.03


def test_what_cannot_be_captured_is_trained_as_in_evaluation() -> None:
    module, small = pair("counted")
    x = stimuli(10, 5)
    with pytest.warns(ConversionWarning, match=r"changes its buffer 'calls'.*follow its eval"):
        found = small.train()(x)
    assert off(found, module(x)) < 0.03
    assert torch.equal(small(x, key=1), small(x, key=1))  # and warns once


def test_dropouts_and_normalisations_alone_are_no_branch(monkeypatch) -> None:
    def refused(*given: Any) -> None:
        raise AssertionError("captured again")

    monkeypatch.setattr(other_sizes, "captured_products", refused)
    small = convert(seeded(Drops), EIGHT, stimuli(100, 5))
    assert small.train()(stimuli(20, 5)).shape == (20, 3)
    plain = nn.Sequential(nn.Linear(5, 4), nn.Dropout(0.5), nn.Linear(4, 2))
    assert convert(plain, EIGHT, stimuli(100, 5)).train()(stimuli(9, 5)).shape == (9, 2)


def test_copies_and_modules_converted_in_training_follow_it() -> None:
    module = seeded(lambda: Branches("scaled")).train()
    x = stimuli(60, 5)
    small = convert(module, EIGHT, x)
    assert module.training
    assert off(small(x), module.eval()(x)) < 0.03
    wanted = module.train()(x)
    unpickled = pickle.loads(pickle.dumps(small)).train()
    with pytest.warns(ConversionWarning, match=r"pickled: .* follow its evaluation"):
        found = unpickled(x)
    assert off(found, module.eval()(x)) < 0.03
    for made in (small, copy.deepcopy(small)):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert off(made.train()(x), wanted) < 0.03
