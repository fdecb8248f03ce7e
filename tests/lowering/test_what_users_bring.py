"""Networks as users write them: tied and frozen weights, parts in training, products with
parameters, masks, distributions, work that is copied in place.
"""

import copy

import numpy as np
import pytest
import torch
from conversiontest import QUIET, Calls, chip_of, seeded, stimuli
from torch import nn
from torch.nn import functional
from torch.nn.utils import prune

import stochsim as ss
from stochsim.hardware import Noise
from stochsim.lowering import convert
from stochsim.settings import SettingError, StochsimError

EIGHT = chip_of(8, 8, 8)


def is_near(module, converted, x, share=0.03):
    """Whether the chip's values are those of the module, but for a share of the largest."""
    wanted = module(x).detach()
    return float((converted(x) - wanted).abs().max()) < share * float(wanted.abs().max())


def test_a_dropout_that_was_left_on_draws():
    """Monte-Carlo dropout by its usual idiom; a module in training as a whole is evaluated."""
    network = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Dropout(0.5), nn.Linear(64, 3))
    x = stimuli(64, 8)
    quiet = convert(network.train(), EIGHT, x)
    assert quiet.sample(x[:4], 50, 0).std(1).max() < 1e-5
    network.eval()
    network[2].train()
    converted = convert(network, EIGHT, x)
    assert converted.sample(x[:4], 50, 0).std(1).min() > 0
    assert converted.left_in_float[0].cost == "random bits"
    assert network[2].training
    assert not network.training


def test_a_batch_normalisation_that_was_left_in_training_is_refused():
    network = nn.Sequential(nn.Linear(8, 4), nn.BatchNorm1d(4)).eval()
    network[1].train()
    with pytest.raises(StochsimError, match=r"changes its buffer '1\.(running|num_batches)"):
        convert(network, EIGHT, stimuli(64, 8))


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(8, 8), nn.Linear(8, 8)
        self.last.weight = self.first.weight

    def forward(self, x):
        return self.last(torch.relu(self.first(x)))


def test_tied_weights_are_one_set_of_cells(tmp_path):
    """With biases of their own; in training and in files too."""
    x = stimuli(64, 8)
    network = seeded(Tied)
    converted = convert(network, EIGHT, x)
    converted.program.save(tmp_path)
    for one in (converted, ss.load_converted(tmp_path), copy.deepcopy(converted)):
        first, last = one.layers.values()
        assert first.weight is last.weight
        assert first.weight_grid is last.weight_grid
        assert first.bias is not last.bias
        assert [call.weights_of for call in one.program.wiring.calls] == [None, "first"]
        assert torch.equal(one(x), converted(x))
    assert is_near(network, converted, x)


def test_a_weight_that_an_embedding_shares_stays_one_parameter():
    network = seeded(
        lambda: Calls(
            lambda self, x: functional.linear(self.e(x.long()).mean(1), self.e.weight),
            e=nn.Embedding(10, 6),
        )
    )
    x = torch.from_numpy(np.random.default_rng(0).integers(0, 10, (64, 5))).float()
    converted = convert(network, EIGHT, x)
    (e, layer) = converted.layers.values()
    assert e.weight is layer.weight
    assert [one is layer.weight for one in converted.parameters() if one.shape == (10, 6)] == [True]
    assert is_near(network, converted, x)


def test_frozen_parameters_stay_frozen_in_files(tmp_path):
    network = seeded(lambda: nn.Sequential(nn.Linear(8, 4), nn.ReLU(), nn.Linear(4, 2)))
    network[0].weight.requires_grad_(False)
    network[2].bias.requires_grad_(False)
    converted = convert(network, EIGHT, stimuli(64, 8))
    converted.program.save(tmp_path)
    again = ss.load_converted(tmp_path)
    wanted = {name: one.requires_grad for name, one in converted.named_parameters()}
    assert {name: one.requires_grad for name, one in again.named_parameters()} == wanted
    assert sum(not one for one in wanted.values()) == 2


PRODUCTS = {
    "matmul": lambda self, x: x @ self.w,
    "addmm": lambda self, x: torch.addmm(self.b, x, self.w),
    "mm": lambda self, x: torch.mm(x, self.w) + self.b,
    "positions": lambda self, x: (x[:, None].expand(-1, 3, -1) @ self.w).sum(1),
}


@pytest.mark.parametrize("name", PRODUCTS)
def test_a_product_with_a_matrix_of_parameters_is_a_layer(name):
    network = seeded(
        lambda: Calls(
            PRODUCTS[name], w=nn.Parameter(torch.randn(8, 4)), b=nn.Parameter(torch.randn(4))
        )
    )
    x = stimuli(64, 8)
    converted = convert(network, EIGHT, x, strict=True)
    assert len(converted.layers) == 1
    assert is_near(network, converted, x)


IN_PLACE = {
    "a slice": lambda h, x: _set(h, (slice(None), 0), x[:, 0]),
    "a part": lambda h, x: _set(h, (slice(None), slice(0, 4)), h[:, :4] + 1),
    "a number": lambda h, x: _set(h, (slice(None), 1), 2.0),
    "a row for all": lambda h, x: h.copy_(torch.arange(8.0)) + x,
    "other numbers": lambda h, x: h.copy_((x > 0).long()),
}


def _set(h, place, value):
    h[place] = value
    return h


@pytest.mark.parametrize("name", IN_PLACE)
def test_what_is_copied_in_place_has_a_gradient(name, tmp_path):
    network = seeded(
        lambda: Calls(
            lambda self, x: self.b(IN_PLACE[name](self.a(x), x)),
            a=nn.Linear(8, 8),
            b=nn.Linear(8, 3),
        )
    )
    x = stimuli(64, 8)
    converted = convert(network, EIGHT, x)
    assert is_near(network, converted, x)
    converted.train()(x).square().sum().backward()
    assert converted.layers["b"].weight.grad is not None
    converted.eval().program.save(tmp_path)
    assert torch.equal(ss.load_converted(tmp_path)(x), converted(x))


@pytest.mark.parametrize("is_causal", [None, True])
def test_an_encoder_with_a_mask_is_converted(is_causal):
    layer = nn.TransformerEncoderLayer(8, 2, 16, 0.0, batch_first=True)
    mask = nn.Transformer.generate_square_subsequent_mask(5)
    network = seeded(
        lambda: Calls(
            lambda self, x: self.e(x, mask=mask, is_causal=is_causal),
            e=nn.TransformerEncoder(layer, 1, enable_nested_tensor=False),
        )
    )
    x = stimuli(64, 5, 8)
    assert is_near(network, convert(network, EIGHT, x), x, 0.05)


@pytest.mark.parametrize("needs", [True, False])
def test_both_products_of_attention_are_layers(needs):
    network = seeded(
        lambda: Calls(
            lambda self, x: self.m(x, x, x, need_weights=needs)[0],
            m=nn.MultiheadAttention(8, 2, batch_first=True),
        )
    )
    x = stimuli(64, 5, 8)
    converted = convert(network, EIGHT, x)
    assert list(converted.layers) == ["m.in_proj", "m.out_proj"]
    assert is_near(network, converted, x, 0.05)
    noisy = convert(network, EIGHT.replace(noise=Noise(read_sigma_lsb=3.0)), x)
    whole = noisy.sample(x[:6], 3, 0)
    assert np.array_equal(noisy.sample(x[2:4], 3, 0, first_stimulus=2), whole[2:4])


def test_a_layer_on_a_transposed_slice():
    network = seeded(
        lambda: Calls(lambda self, x: self.a(x[..., :4].transpose(0, 1)).sum(0), a=nn.Linear(4, 3))
    )
    x = stimuli(64, 5, 8)
    assert is_near(network, convert(network, EIGHT, x, strict=True), x)


def test_a_distribution_draws():
    network = seeded(
        lambda: Calls(
            lambda self, x: torch.distributions.Normal(self.a(x), 0.5).rsample(), a=nn.Linear(8, 3)
        )
    )
    x = stimuli(64, 8)
    found = convert(network, EIGHT, x).sample(x[:4], 4000, 0)
    assert np.abs(found.std(1) - 0.5).max() < 5 * 0.5 / np.sqrt(8000)
    assert np.abs(found.mean(1) - network.a(x[:4]).detach().numpy()).max() < 0.05
    assert torch.distributions.Distribution._validate_args


def test_the_state_of_a_module_of_python_is_left_alone():
    class Counting(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(8, 3)
            self.calls = 0

        def forward(self, x):
            self.calls += 1
            return self.layer(x) * self.calls

    network = seeded(Counting)
    x = stimuli(64, 8)
    converted = convert(network, EIGHT, x)
    assert network.calls == 0
    assert is_near(network, converted, x)  # the first call


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.LazyLinear(3), "its '0.weight' has no shape yet; call the module once"),
        (lambda: nn.Linear(8, 3, device="meta"), "its '0.weight' has no numbers"),
    ],
)
def test_modules_without_numbers_are_refused(make, message):
    with pytest.raises(StochsimError, match=message):
        convert(nn.Sequential(make()), EIGHT, stimuli(9, 8))


def test_a_function_is_not_kept_for_the_name_of_a_module():
    network = seeded(
        lambda: Calls(
            lambda self, x: self.linear(x) + functional.linear(x, self.w),
            linear=nn.Linear(8, 3),
            w=nn.Parameter(torch.randn(3, 8)),
        )
    )
    converted = convert(network, QUIET, stimuli(9, 8), keep_float=["linear"])
    assert len(converted.layers) == 1
    assert converted.bill(stimuli(2, 8)).multiply_adds == (24, 24)


def test_pruned_weights_are_those_of_the_mask():
    network = seeded(lambda: nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3)))
    prune.random_unstructured(network[0], "weight", 0.5)
    x = stimuli(64, 8)
    converted = convert(network.eval(), EIGHT, x)
    assert is_near(network, converted, x)
    assert int((converted.layers["0"].weight == 0).sum()) == 32


def test_training_takes_what_reads_take():
    converted = convert(nn.Linear(8, 3), QUIET, stimuli(9, 8)).train()
    for wrong in (stimuli(9, 8) + 0j, stimuli(8), stimuli(2, 9, 8), stimuli(9, 8) > 0):
        for call in (converted, converted.emulated):
            with pytest.raises(SettingError, match="'x' = "):
                call(wrong)


def test_a_part_that_cannot_be_kept_says_so():
    class Branching(nn.Module):
        def forward(self, x, scale):
            return x * scale if x.sum() > 0 else x

    network = Calls(
        lambda self, x: self.a(self.part(x, scale=2)), a=nn.Linear(8, 3), part=Branching()
    )
    with pytest.raises(StochsimError, match=r"decides by values .* keep_float=\('part',\)"):
        convert(network, QUIET, stimuli(9, 8))
    with pytest.raises(StochsimError, match="'part' cannot be kept in float: it is called"):
        convert(network, QUIET, stimuli(9, 8), keep_float=["part"])


def test_a_network_that_gives_no_tensor_says_what_it_gives():
    network = Calls(lambda self, x: {"scores": self.a(x), "kind": print}, a=nn.Linear(8, 3))
    with pytest.raises(StochsimError, match=r"'output\['kind'\]' = .*: should be a tensor, or a"):
        convert(network, QUIET, stimuli(9, 8))


def test_what_is_converted_is_not_converted_again():
    converted = convert(nn.Linear(8, 3), QUIET, stimuli(9, 8))
    with pytest.raises(SettingError, match="is converted already"):
        convert(converted, QUIET, stimuli(9, 8))
