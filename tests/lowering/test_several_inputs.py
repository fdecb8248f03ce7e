"""Modules that take several tensors, or tuples and dicts of them: on the chip they compute what the
same module of one tensor does, and every input keeps its own numbers.
"""

import copy
import json
import pickle

import numpy as np
import pytest
import torch
from conversiontest import QUIET, chip_of, seeded, stimuli
from torch import nn

import stochsim as ss
from stochsim.cli import main
from stochsim.hardware import Noise
from stochsim.lowering import convert
from stochsim.settings import SettingError, StochsimError

EIGHT = chip_of(8, 8, 8)
NOISY = EIGHT.replace(noise=Noise(read_sigma_lsb=3.0))
STIMULI = 48
A, B = stimuli(STIMULI, 4), stimuli(STIMULI, 2, 3, seed=4)
IDS = torch.from_numpy(np.random.default_rng(0).integers(0, 10, (STIMULI, 5)))
MASK = torch.arange(5) >= torch.from_numpy(np.random.default_rng(1).integers(2, 6, (STIMULI, 1)))


class Two(nn.Module):
    """Two inputs of other shapes, with a layer each."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.drop = nn.Linear(4, 6), nn.Linear(3, 6), nn.Dropout(0.5)
        self.last = nn.Linear(6, 3)

    def forward(self, a, b):
        hidden = torch.relu(self.first(a)) + torch.tanh(self.second(b)).sum(1)
        return self.last(self.drop(hidden))


class OneForTwo(Two):
    """The same of one tensor that holds both."""

    def forward(self, x):
        return super().forward(x[:, :4], x[:, 4:].reshape(-1, 2, 3))


class Pixels(Two):
    def forward(self, a, b):
        assert a.dtype == torch.uint8
        return super().forward(a / 255, b)


class Words(nn.Module):
    """Whole numbers and truth values, which it insists on."""

    def __init__(self):
        super().__init__()
        self.table, self.layer = nn.Embedding(10, 4), nn.Linear(4, 3)

    def forward(self, ids, mask=None, *, scale=1.0):
        assert ids.dtype == torch.int32
        values = self.layer(self.table(ids))
        if mask is not None:
            assert mask.dtype == torch.bool
            values = values.masked_fill(mask[..., None], 0.0)
        return values.mean(1) * scale


def joined(a, b):
    return torch.cat([a, b.reshape(len(b), 6)], 1)


def near(found, wanted, share=0.05):
    """Whether values are the wanted ones, but for a share of the largest."""
    return float((found - wanted).detach().abs().max()) < share * float(wanted.detach().abs().max())


@pytest.fixture(scope="module")
def pair():
    """A module of two inputs on a noisy chip, and the same module of one."""
    return (
        convert(seeded(Two), NOISY, (A, B), key=5),
        convert(seeded(OneForTwo), NOISY, joined(A, B), key=5),
    )


@pytest.fixture(scope="module")
def words():
    return convert(seeded(Words), EIGHT, {"ids": IDS.int(), "mask": MASK, "scale": 2.0})


def test_two_inputs_are_what_one_tensor_of_both_is(pair):
    two, one = pair
    x = joined(A, B)
    assert list(two.layers) == list(one.layers) == ["first", "second", "last"]
    assert two.state_dict().keys() == one.state_dict().keys()
    assert all(
        torch.equal(found, one.state_dict()[name]) for name, found in two.state_dict().items()
    )
    assert np.array_equal(two.sample((A, B), 4, key=1), one.sample(x, 4, key=1))
    assert torch.equal(two(A, B), one(x))
    assert torch.equal(two.emulated((A, B)), one.emulated(x))
    assert torch.equal(two.stream(3)(A, B), one.stream(3)(x))
    assert two.bill((A, B), 3).per_read_j == one.bill(x, 3).per_read_j
    assert two.operations_by_layer((A, B)).keys() == one.operations_by_layer(x).keys()
    names = [{part.name for part in made.left_in_float} for made in pair]
    assert names[0] <= names[1]  # the module that cuts its tensor does so itself


def test_a_call_is_that_of_the_module(pair):
    two, _ = pair
    wanted = two(A, B, key=3)
    assert torch.equal(two(a=A, b=B, key=3), wanted)
    assert torch.equal(two(A, b=B, key=3), wanted)
    assert torch.equal(two.read([A, B], 3), wanted)
    assert not torch.equal(two(A, B, key=4), wanted)
    for args, named in (((A, B, 3), {}), ((A,), {}), ((A, B), {"c": B})):
        with pytest.raises(SettingError, match=r"'x': should be the arguments .*, \(a, b\)"):
            two(*args, **named)
    with pytest.raises(SettingError, match="'a': is given twice"):
        two(A, B, a=A)


def test_splits_of_stimuli_and_reads_have_the_same_noise(pair):
    two, _ = pair
    whole = two.sample((A, B), 6, key=2)
    for first, end in ((0, 1), (1, 20), (20, STIMULI)):
        some = (A[first:end].numpy(), B[first:end].numpy())
        assert np.array_equal(two.sample(some, 6, 2, first_stimulus=first), whole[first:end])
    assert np.array_equal(two.sample((A, B), 2, 2, first_read=4), whole[:, 4:])
    assert torch.equal(two(A[7:8], B[7:8], key=2, first_stimulus=7), two(A, B, key=2)[7:8])


def test_training_and_its_gradients(pair):
    two, one = (copy.deepcopy(made).train() for made in pair)
    a, b = A.clone().requires_grad_(), B.clone().requires_grad_()
    x = joined(A, B).requires_grad_()
    for made in (two, one):
        made.network.eval()  # torch's own generator draws dropouts
    (two(a, b, key=1) ** 2).sum().backward()
    (one(x, key=1) ** 2).sum().backward()
    assert torch.equal(joined(a.grad, b.grad), x.grad)
    assert bool((x.grad != 0).any(0).all())
    for (name, found), (_, wanted) in zip(
        two.named_parameters(), one.named_parameters(), strict=True
    ):
        assert torch.equal(found.grad, wanted.grad), name


def test_random_parts_are_drawn_for_every_stimulus():
    module = seeded(Two)
    module.drop.train()
    x = (A, B)
    made = convert(module, EIGHT, x)
    whole = made.sample(x, 5, key=9)
    assert whole.std(1).min() > 0
    assert np.array_equal(made.sample((A[9:11], B[9:11]), 5, 9, first_stimulus=9), whole[9:11])
    other = seeded(OneForTwo)
    other.drop.train()
    assert np.array_equal(convert(other, EIGHT, joined(A, B)).sample(joined(A, B), 5, 9), whole)


def test_every_input_arrives_in_its_own_numbers(words):
    module = seeded(Words)
    wanted = module(IDS.int(), MASK, scale=2.0)
    found = words(ids=IDS.int(), mask=MASK)
    assert near(found, wanted)
    for ids in (IDS, IDS.numpy(), IDS.short()):
        given = {"ids": ids, "mask": MASK.numpy()}
        assert np.array_equal(words.sample(given, 1, key=0)[:, 0], found.numpy())
    assert torch.equal(words(IDS.int(), MASK, scale=2.0), found)


def test_a_mask_that_is_not_given_is_a_constant():
    made = convert(seeded(Words), EIGHT, (IDS.int(), None))
    assert near(made(IDS.int()), seeded(Words)(IDS.int()))
    assert torch.equal(made(IDS.int(), None), made(IDS.int()))
    with pytest.raises(SettingError, match=r"'x\[1\]' = array .*: is a constant of the conversion"):
        made(IDS.int(), MASK)


class Nested(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 3)

    def forward(self, batch, shift):
        (a, times), mask = batch["pair"], batch["mask"]
        return self.layer(a * times[:, None]) * mask[:, None] + shift


def test_arguments_may_be_nested():
    times, mask = stimuli(STIMULI), A[:, 0] > 0
    batch = {"pair": (A, times), "mask": mask}
    made = convert(seeded(Nested), EIGHT, (batch, 0.5))
    wanted = seeded(Nested)(batch, 0.5)
    assert near(made(batch, 0.5), wanted)
    assert torch.equal(made(batch), made(batch, 0.5))
    assert torch.equal(made(batch=batch), made(batch))
    with pytest.raises(SettingError, match=r"'x\[0\]\['pair'\]\[1\]' = array of shape \(48, 1\)"):
        made({**batch, "pair": (A, times[:, None])})
    with pytest.raises(SettingError, match=r"'x\[0\]' = .*: should have the keys 'pair', 'mask'"):
        made({"pair": (A, times)})


def test_a_tuple_or_dict_of_one_tensor():
    x = stimuli(STIMULI, 6)
    wanted = convert(seeded(lambda: nn.Linear(6, 3)), NOISY, x)
    for examples in ((x,), [x], {"input": x}):
        made = convert(seeded(lambda: nn.Linear(6, 3)), NOISY, examples)
        assert torch.equal(made(x, key=2), wanted(x, key=2))
        assert torch.equal(made(input=x, key=2), wanted(x, key=2))
        assert np.array_equal(made.sample(examples, 2, 1), wanted.sample(x, 2, 1))
        assert torch.equal(made.examples, wanted.examples)


def test_copies_pickles_and_files_keep_the_inputs(words, pair, tmp_path):
    given = {"ids": IDS.int(), "mask": MASK}
    words.program.save(tmp_path / "words")
    pair[0].program.save(tmp_path / "pair")
    again = ss.load_converted(tmp_path / "words")
    for made in (again, copy.deepcopy(words), pickle.loads(pickle.dumps(words))):
        assert torch.equal(made(**given), words(**given))
        assert torch.equal(made(IDS.int(), MASK), words(**given))
    assert again.bill(given).per_read_j == words.bill(given).per_read_j
    assert torch.equal(ss.load_converted(tmp_path / "pair")(A, B), pair[0](A, B))
    again.load_state_dict(words.state_dict())
    text = (tmp_path / "words" / "program.json").read_text()
    assert json.loads(text)["content"]["inputs"]["names"] == ["ids", "mask"]


def test_a_saved_network_of_two_inputs_is_billed(words, tmp_path, capsys):
    words.program.save(tmp_path)
    main(["energy", "bill", str(tmp_path), "--stimuli", "2"])
    assert "mean over 2 stimuli" in capsys.readouterr().out


def test_the_array_that_the_chip_reads(pair):
    two, _ = pair
    x = two.stimuli((A, B))
    assert torch.equal(x, joined(A, B))
    assert torch.equal(x, two.examples)
    for found, wanted in zip(two.inputs.form(x), (A, B), strict=True):
        assert torch.equal(found, wanted)
    values = two.outputs.read(two.chip().sample(x.numpy(), 3, key=1).values)
    assert np.array_equal(values, two.sample((A, B), 3, key=1))


def test_files_of_before_are_read(tmp_path):
    made = convert(seeded(lambda: nn.Linear(4, 3)), NOISY, A)
    made.program.save(tmp_path)
    path = tmp_path / "program.json"
    table = json.loads(path.read_text())
    del table["content"]["inputs"], table["content"]["outputs"]
    path.write_text(json.dumps(table))
    again = ss.load_converted(tmp_path)
    assert torch.equal(again(A), made(A))
    assert again(A[:0]).shape == (0, 3)


WRONG_TABLES = {
    "unknown key 'program.inputs.more'": lambda t: t["inputs"].update(more=1),
    r"'program.inputs.tree' = 'object': valid": lambda t: t["inputs"].update(tree={"object": []}),
    "should have one key": lambda t: t["inputs"].update(tree={}),
    r"are tensors of \(9,\) values, where the network has \(10,\)": lambda t: t["inputs"]["tree"][
        "tuple"
    ][0]["tensor"].update(shape=[3]),
    "'program.outputs': are tensors": lambda t: t["outputs"]["tree"]["tensor"].update(shape=[3, 1]),
    r"dtype' = 'complex64'": lambda t: t["outputs"]["tree"]["tensor"].update(dtype="complex64"),
    "should be a whole number from 1": lambda t: t["outputs"]["tree"]["tensor"].update(shape=[0]),
    "has 0 tensors": lambda t: t["outputs"].update(tree={"tuple": []}),
    "has a key twice": lambda t: t["outputs"].update(
        tree={"dict": [["a", t["outputs"]["tree"]], ["a", t["outputs"]["tree"]]]}
    ),
    "should be one name of letters": lambda t: t["inputs"].update(names=["a b"]),
    "program.outputs' is missing": lambda t: t.pop("outputs"),
}


@pytest.mark.parametrize("message", WRONG_TABLES)
def test_tables_of_files_are_checked(message, pair, tmp_path):
    pair[0].program.save(tmp_path)
    path = tmp_path / "program.json"
    table = json.loads(path.read_text())
    WRONG_TABLES[message](table["content"])
    path.write_text(json.dumps(table))
    with pytest.raises(StochsimError, match=message):
        ss.load_converted(tmp_path)


REFUSED = {
    r"'x\[1\]' = array of shape \(48, 3, 2\).*axes of the examples, \(stimulus, 2, 3\)": (
        A,
        B.transpose(1, 2),
    ),
    r"'x\[1\]': has 7 stimuli, where x\[0\] has 48": (A, B[:7]),
    r"'x\[0\]' = array of shape \(48, 4\), torch.bool: should be numbers": (A > 0, B),
    r"'x\[0\]' = array .*complex64: .*real numbers": (A + 0j, B),
    r"'x\[1\]' = array .*: should be finite": (A, B / 0),
    r"'x': is a tuple of 1: should have 2 items": (A,),
    r"'x\[1\]' = None: should be a tensor or an array": (A, None),
}


@pytest.mark.parametrize("message", REFUSED)
@pytest.mark.parametrize("door", ["sample", "bill", "read", "emulated"])
def test_inputs_unlike_the_examples_are_named(message, door, pair):
    two, _ = pair
    rest = {"sample": (1, 0), "bill": (1,), "read": (0,), "emulated": ()}[door]
    with pytest.raises(SettingError, match=message):
        getattr(two, door)(REFUSED[message], *rest)


def test_whole_numbers_are_exact_or_refused(words):
    ids = IDS.clone()
    ids[0, 0] = 2**24 + 1
    with pytest.raises(SettingError, match=r"'x\['ids'\]': has the value 16777217: .*float32"):
        words(ids=ids, mask=MASK)
    with pytest.raises(SettingError, match=r"'x\['ids'\]' = .*: should be whole numbers"):
        words(ids=IDS.float(), mask=MASK)
    with pytest.raises(SettingError, match="'examples': has the value 16777217"):
        convert(nn.Sequential(nn.Embedding(10, 4), nn.Flatten(), nn.Linear(20, 2)), EIGHT, ids)
    small = convert(seeded(Pixels), EIGHT, ((A * 100).abs().to(torch.uint8), B))
    with pytest.raises(SettingError, match=r"'x\[0\]': has the value 300: .*from 0 to 255"):
        small(torch.full((1, 4), 300), B[:1])


@pytest.mark.parametrize(
    ("examples", "message"),
    [
        (A, r"Two takes 2 inputs, a, b: give examples as a tuple, \(a, b\), or a dict, {'a': a, "),
        ((A,), "'examples': do not fit Two.forward: missing a required argument: 'b'"),
        ({"a": A, "c": B}, "do not fit Two.forward: missing a required argument: 'b'"),
        ((A, B[:5]), r"'examples\[1\]': has 5 stimuli, where examples\[0\] has 48"),
        ((A, B / 0), r"'examples\[1\]' = .*: should be finite"),
        ((A, object()), r"'examples\[1\]' = .*: should be a tensor, or a tuple, list or dict"),
        ((A, torch.tensor(1.0)), r"'examples\[1\]' = 1.0: should be \(stimulus, …\)"),
        ((A[:0], B[:0]), r"'examples\[0\]' = .*: should be \(stimulus, …\)"),
        ({}, "'examples' = {}: should hold a tensor"),
        ({"key": A, "b": B}, r"'examples\['key'\]': give it by position"),
        ({("a",): A}, "keys should be words or whole numbers"),
    ],
)
def test_wrong_examples_are_refused(examples, message):
    with pytest.raises(StochsimError, match=message):
        convert(seeded(Two), QUIET, examples)


def test_a_batch_of_none_and_of_one(pair, words):
    for made, given in ((pair[0], (A, B)), (words, (IDS.int(), MASK))):
        for is_training in (True, False):
            made = copy.deepcopy(made).train(is_training)
            none = made(*(one[:0] for one in given))
            assert none.shape == (0, 3)
            assert none.dtype == torch.float32
            assert made(*(one[:1] for one in given)).shape == (1, 3)
            assert made.stream(1)(*(one[:0] for one in given)).shape == (0, 3)
        with pytest.raises(SettingError, match="one stimulus at least"):
            made.sample(made.inputs.bound(tuple(one[:0] for one in given), {}), 1, 0)


def test_one_example_is_enough():
    made = convert(seeded(Words), EIGHT, (IDS[:1].int(), MASK[:1]))
    assert near(made(IDS[:1].int(), MASK[:1]), seeded(Words)(IDS[:1].int(), MASK[:1]))


def test_a_chip_in_the_loop_trains_with_two_inputs():
    array = ss.load_hardware("rram-array", bits=8)
    made = convert(seeded(Two), array, (A, B)).train()
    made(A, B).square().sum().backward()
    assert made.layers["first"].weight.grad.abs().sum() > 0
    assert made(A[:0], B[:0]).shape == (0, 3)


def test_encoders_and_decoders_with_masks():
    layer = nn.TransformerEncoderLayer(4, 2, 8, 0.0, batch_first=True)
    encoder = seeded(lambda: nn.TransformerEncoder(layer, 1))
    x = stimuli(STIMULI, 5, 4)
    made = convert(encoder, EIGHT, {"src": x, "src_key_padding_mask": MASK})
    wanted = encoder(x, src_key_padding_mask=MASK)
    assert near(made(x, src_key_padding_mask=MASK)[~MASK], wanted[~MASK], 0.08)
    whole = seeded(lambda: nn.Transformer(4, 2, 1, 1, 8, 0.0, batch_first=True))
    target = stimuli(STIMULI, 3, 4, seed=8)
    both = convert(whole, EIGHT, (x, target))
    assert near(both(src=x, tgt=target), whole(x, target), 0.1)
    assert torch.backends.mha.get_fastpath_enabled()
