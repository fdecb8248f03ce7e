"""Modules that give several tensors: every output is what a module gives that gives it alone, in
the module's own structure and numbers.
"""

import collections
import copy
import dataclasses
import functools
import pickle
from typing import Any

import numpy as np
import pytest
import torch
from brevitas.nn import QuantIdentity
from conversiontest import QUIET, Calls, chip_of, seeded, stimuli
from torch import nn

import stochsim as ss
from stochsim.hardware import Noise
from stochsim.lowering import convert
from stochsim.settings import StochsimError

EIGHT = chip_of(8, 8, 8)
NOISY = EIGHT.replace(noise=Noise(read_sigma_lsb=3.0))
STIMULI = 48
X = stimuli(STIMULI, 6)
SEQUENCES = stimuli(STIMULI, 2, 5)

Scored = collections.namedtuple("Scored", ["scores", "best"])


@dataclasses.dataclass
class Answer:
    """As models of transformers give one."""

    logits: torch.Tensor
    hidden: tuple[torch.Tensor, ...]
    loss: torch.Tensor | None = None


class Frozen(dict[str, Any]):
    """A dict that its items alone do not make."""

    def __init__(self, items, mark):
        super().__init__(items)
        self.mark = mark


def scores(self, x):
    return self.last(torch.relu(self.first(x)))


def giving(give):
    """A module of two layers that gives what `give` makes of its scores and its input."""
    return seeded(
        lambda: Calls(
            lambda self, x: give(scores(self, x), x), first=nn.Linear(6, 5), last=nn.Linear(5, 3)
        )
    )


@functools.cache
def alone(hardware):
    """Converted, the module that gives its scores; nothing of it is changed."""
    return convert(giving(lambda y, x: y), hardware, X)


GIVEN = {
    "tuple": lambda y, x: (y, y.argmax(-1)),
    "list": lambda y, x: [y, y.argmax(-1)],
    "dict": lambda y, x: {"scores": y, "more": {"best": y.argmax(-1), "none": None, 3: 0.5}},
    "named": lambda y, x: Scored(y, y.argmax(-1)),
    "dataclass": lambda y, x: Answer(y, (y.argmax(-1), y[:, 0] > 0)),
    "ordered": lambda y, x: collections.OrderedDict(scores=y, best=y.argmax(-1)),
    "torch's own": lambda y, x: torch.max(y, 1),
    "one in a dict": lambda y, x: {"scores": y},
    "one alone": lambda y, x: y.argmax(-1),
    "input": lambda y, x: (x, y),
}


@functools.cache
def converted(name, hardware):
    """Converted, the module that gives this of GIVEN; nothing of it is changed."""
    return convert(giving(GIVEN[name]), hardware, X)


def flat(value):
    """The tensors or arrays in a value."""
    if isinstance(value, torch.Tensor | np.ndarray):
        return [value]
    if dataclasses.is_dataclass(value):
        value = vars(value)
    value = value.values() if isinstance(value, dict) else value
    return [one for each in value for one in flat(each)] if np.iterable(value) else []


@pytest.mark.parametrize("name", GIVEN)
def test_the_structure_is_the_modules(name, tmp_path):
    module = giving(GIVEN[name])
    made = converted(name, EIGHT)
    wanted, found = module(X), made(X)
    exact = GIVEN[name](alone(EIGHT)(X), X)
    assert type(found) is type(wanted)
    for one, other, same in zip(flat(found), flat(wanted), flat(exact), strict=True):
        assert one.dtype == other.dtype
        assert torch.equal(one, same)
    sampled = made.sample(X[:7], 4, key=1)
    assert type(sampled) is type(wanted) or name == "torch's own" or isinstance(sampled, np.ndarray)
    for one, other in zip(flat(sampled), flat(wanted), strict=True):
        assert one.dtype == np.float32
        assert one.shape == (7, 4, *other.shape[1:])
    made.program.save(tmp_path)
    again = ss.load_converted(tmp_path)
    for one, same in zip(flat(again(X)), flat(found), strict=True):
        assert one.dtype == same.dtype
        assert torch.equal(one, same)
    for one, same in zip(flat(made(X[:0])), flat(found), strict=True):
        assert one.shape == (0, *same.shape[1:])
        assert one.dtype == same.dtype


def test_nothing_and_numbers_stay():
    found = converted("dict", EIGHT)(X)
    assert list(found) == ["scores", "more"]
    assert list(found["more"]) == ["best", "none", 3]
    assert found["more"]["none"] is None
    assert found["more"][3] == 0.5
    answer = converted("dataclass", EIGHT)(X)
    assert answer.loss is None
    assert answer.hidden[1].dtype == torch.bool


def test_what_a_file_says_of_classes(tmp_path):
    made = converted("dataclass", EIGHT)
    made.program.save(tmp_path)
    again = ss.load_converted(tmp_path)(X)
    assert list(again) == ["logits", "hidden", "loss"]
    assert torch.equal(again["logits"], made(X).logits)
    named = converted("named", EIGHT)
    named.program.save(tmp_path)
    assert type(ss.load_converted(tmp_path)(X)) is tuple


def test_a_class_that_cannot_be_made_again_is_a_dict():
    made = convert(giving(lambda y, x: Frozen({"scores": y}, mark=1)), EIGHT, X)
    assert type(made(X)) is dict


def test_copies_and_pickles_keep_the_outputs():
    made = converted("dataclass", NOISY)
    for again in (copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
        assert isinstance(again(X, key=2), Answer)
        assert torch.equal(again(X, key=2).logits, made(X, key=2).logits)


def test_outputs_are_no_priced_work():
    """Bills, layers, and what is left in float are those of the module that gives one of them."""
    one = alone(NOISY)
    several = convert(giving(lambda y, x: {"a": y, "b": (y, y)}), NOISY, X)
    assert list(several.layers) == list(one.layers)
    assert several.left_in_float == one.left_in_float == ()
    assert several.bill(X, 2).per_read_j == one.bill(X, 2).per_read_j
    assert several.bill(X).seconds == one.bill(X).seconds
    values = several.sample(X, 3, key=4)
    for each in flat(values):
        assert np.array_equal(each, one.sample(X, 3, key=4))
    assert np.array_equal(several.sample(X[5:9], 3, 4, first_stimulus=5)["a"], values["a"][5:9])


def test_gradients_of_each_output():
    one = copy.deepcopy(alone(NOISY)).train()
    several = copy.deepcopy(converted("dict", NOISY)).train()
    one(X, key=3).square().sum().backward()
    found = several(X, key=3)
    found["scores"].square().sum().backward()
    assert found["more"]["best"].dtype == torch.int64
    assert torch.equal(several.layers["first"].weight.grad, one.layers["first"].weight.grad)
    assert torch.equal(several.emulated(X)["scores"], one.emulated(X))


def test_a_stream_gives_the_structure():
    stream = converted("dict", NOISY).stream(key=1)
    first, second = stream(X), stream(X)
    assert not torch.equal(first["scores"], second["scores"])
    assert stream.sample(X, 2)["scores"].shape == (STIMULI, 2, 3)


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_recurrent_modules_give_their_states(kind, tmp_path):
    """The states have the stimuli on their second axis; `sample` has them on the first."""
    module = seeded(lambda: kind(5, 3, num_layers=2, batch_first=True))
    made = convert(module, EIGHT, SEQUENCES)
    made.program.save(tmp_path)
    wanted = flat(module(SEQUENCES))
    for each in (made, ss.load_converted(tmp_path)):
        for one, other in zip(flat(each(SEQUENCES)), wanted, strict=True):
            assert one.shape == other.shape
            assert float((one - other).detach().abs().max()) < 0.04
    _, state = made.sample(SEQUENCES[:4], 2, key=0)
    state = state[0] if kind is nn.LSTM else state
    assert state.shape == (4, 2, 2, 3)
    _, state = made(SEQUENCES[:0])
    assert (state[0] if kind is nn.LSTM else state).shape == (2, 0, 3)


def test_one_output_with_its_stimuli_on_the_second_axis():
    turned = convert(giving(lambda y, x: y.T), NOISY, X)
    wanted = alone(NOISY)
    assert torch.equal(turned(X, key=2), wanted(X, key=2).T)
    assert torch.equal(turned.emulated(X), wanted.emulated(X).T)
    assert np.array_equal(turned.sample(X, 2, key=2), wanted.sample(X, 2, key=2))
    assert turned(X[:0]).shape == (3, 0)


def test_a_large_output_does_not_hide_a_small_one():
    def give(y, x):
        return {"large": 1e6 * x, "small": y}

    single = alone(EIGHT).errors
    errors = convert(giving(give), EIGHT, X).errors
    assert list(errors.by_output) == ["output['large']", "output['small']"]
    np.testing.assert_allclose(errors.by_output["output['small']"], single.outputs, rtol=1e-5)
    assert np.array_equal(errors.outputs, errors.by_output["output['small']"])
    assert "output['small'] " in repr(errors)
    assert single.by_output.keys() == {"output"}
    assert repr(single).split("; ")[-1].startswith("outputs ")


def test_a_difference_of_a_small_output_is_found():
    calls = []

    def changing(self, x):
        calls.append(x)
        return 1e6 * self.first(x), x * len(calls)

    module = Calls(changing, first=nn.Linear(6, 5))
    with pytest.raises(StochsimError, match=r"something else when .* \(output\[1\]\)"):
        convert(module, EIGHT, X)


def test_quantised_tensors_of_brevitas_are_their_values():
    module = seeded(
        lambda: Calls(
            lambda self, x: (self.act(self.first(x)), self.first(x)),
            first=nn.Linear(6, 5),
            act=QuantIdentity(return_quant_tensor=True),
        )
    )
    assert not isinstance(module(X)[0], torch.Tensor)
    found, _ = convert(module, EIGHT, X)(X)
    assert type(found) is torch.Tensor


@pytest.mark.parametrize(
    ("give", "message"),
    [
        (lambda y, x: (y, y + 0j), r"'output\[1\]' = .*: should be a tensor of real numbers"),
        (lambda y, x: (y, y.sum()), r"'output\[1\]' = .*: should be \(stimulus, …\)"),
        (lambda y, x: (y, "a", print), r"'output\[2\]' = .*: should be a tensor, or a tuple"),
        (lambda y, x: {"a": y, "t": y.mean(0)}, r"its output\['t'\] has no axis of stimuli"),
        (lambda y, x: (y, y @ y.T), r"its output\[1\] has no axis of stimuli"),
        (lambda y, x: {"a": None}, "gives no tensor"),
        (lambda y, x: None, "gives no tensor|should be a tensor"),
    ],
)
def test_outputs_that_no_chip_gives_are_refused(give, message):
    with pytest.raises(StochsimError, match=message):
        convert(giving(give), QUIET, X)


def test_whole_numbers_of_a_graph_are_exact_or_refused():
    made = convert(giving(lambda y, x: (y, y.argmax(-1) + 2**24 - 1)), EIGHT, X)
    with pytest.raises(StochsimError, match=r"output\[1\].*whole numbers pass"):
        made(X)
