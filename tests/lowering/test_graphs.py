"""What is converted and what is left in float: modules, functions and methods, folded and taken
along.
"""

import copy

import numpy as np
import pytest
import torch
from conversiontest import QUIET, Calls, chip_of, converted_small, seeded, stimuli
from torch import nn
from torch.nn import functional

from stochsim.lowering import convert
from stochsim.settings import StochsimError


class Functional(nn.Module):
    """The same network as `as_modules`, by functions and methods."""

    def __init__(self):
        super().__init__()
        self.kernel = nn.Parameter(torch.randn(2, 1, 3, 3))
        self.weight, self.bias = nn.Parameter(torch.randn(3, 32)), nn.Parameter(torch.randn(3))

    def forward(self, x):
        x = functional.relu(functional.conv2d(x, self.kernel, padding=1))
        x = functional.max_pool2d(x, 2).flatten(1)
        return functional.linear(x, self.weight, self.bias).tanh()


def as_modules(network):
    parts = [
        nn.Conv2d(1, 2, 3, padding=1, bias=False),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(32, 3),
        nn.Tanh(),
    ]
    parts[0].weight = network.kernel
    parts[4].weight = network.weight
    parts[4].bias = network.bias
    return nn.Sequential(*parts)


def names(converted, cost=None):
    return [(one.name, one.what) for one in converted.left_in_float if cost in (None, one.cost)]


def test_functions_and_methods_are_converted_as_modules_are():
    network = seeded(Functional)
    x = stimuli(12, 1, 8, 8)
    by_function, by_module = convert(network, QUIET, x), convert(as_modules(network), QUIET, x)
    assert torch.equal(by_function(x), by_module(x))
    assert list(by_function.layers) == ["conv2d", "linear"]
    assert [layer.activation for layer in by_function.layers.values()] == ["relu", "tanh"]
    assert by_function.layers["linear"].takes_codes
    assert names(by_function, "nothing") == [("max_pool2d", "max_pool2d"), ("reshape", "reshape")]


def test_the_module_itself_is_not_changed():
    network = seeded(
        lambda: nn.Sequential(nn.Conv1d(1, 2, 2), nn.BatchNorm1d(2), nn.ReLU(inplace=True))
    )
    x = stimuli(9, 1, 5)
    network.train()
    before = copy.deepcopy(network.state_dict())
    converted = convert(network, QUIET, x)
    with torch.no_grad():
        for parameter in converted.parameters():
            parameter.add_(1)
    assert network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda: nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4), nn.ReLU()), (6,)),
        (
            lambda: nn.Sequential(
                nn.Conv1d(2, 4, 2, bias=False), nn.BatchNorm1d(4, affine=False), nn.ReLU()
            ),
            (2, 6),
        ),
        (lambda: nn.Sequential(nn.Conv2d(1, 4, 2), nn.BatchNorm2d(4), nn.ReLU()), (1, 5, 5)),
    ],
)
def test_batch_normalisation_is_folded(make, shape):
    network = seeded(make)
    network[1].running_mean.uniform_(-0.3, 0.3)
    network[1].running_var.uniform_(0.5, 2)
    x = stimuli(20, *shape)
    converted = convert(network, chip_of(8, 8, 8), x)
    assert converted.left_in_float == ()
    assert next(iter(converted.layers.values())).activation == "relu"
    assert float((converted(x) - network(x).detach()).abs().max()) < 0.03


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda: nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(5)), (5, 6)),  # normalises positions
        (lambda: nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.BatchNorm1d(4)), (6,)),
    ],
)
def test_batch_normalisation_that_cannot_be_folded_stays(make, shape):
    converted = convert(seeded(make), QUIET, stimuli(20, *shape))
    (left,) = converted.left_in_float
    assert (left.what, left.cost) == ("BatchNorm1d", "float32")
    assert "cannot be folded" in left.why


def test_an_activation_used_elsewhere_too_is_left():
    network = Calls(lambda self, x: torch.relu(y := self.linear(x)) + y, linear=nn.Linear(4, 3))
    converted = convert(network, QUIET, stimuli(9, 4))
    assert converted.layers["linear"].activation == "identity"
    assert names(converted) == [("relu", "relu"), ("add", "add")]
    assert "of one layer alone" in converted.left_in_float[0].why


def test_a_module_that_is_called_twice_shares_its_weights():
    converted = convert(
        Calls(lambda self, x: self.layer(self.layer(x).relu()), layer=nn.Linear(4, 4)),
        QUIET,
        stimuli(9, 4),
    )
    first, second = converted.layers.values()
    assert list(converted.layers) == ["layer", "layer_again"]
    assert first.weight is second.weight
    assert first.weight_grid is second.weight_grid
    assert first.output_grid is second.input_grid
    assert (first.activation, second.activation) == ("relu", "identity")


LEFT = {
    "Bilinear is none of": (
        lambda: Calls(
            lambda self, x: self.b(self.a(x, x)), a=nn.Bilinear(4, 4, 3), b=nn.Linear(3, 2)
        ),
        (4,),
    ),
    "product of two computed values": (
        lambda: Calls(
            lambda self, x: self.a(x) @ self.b(x).transpose(1, 2),
            a=nn.Linear(4, 3),
            b=nn.Linear(4, 3),
        ),
        (5, 4),
    ),
    "first axis of its input": (
        lambda: Calls(
            lambda self, x: self.b(self.a(x).repeat(2, 1))[: x.shape[0]],
            a=nn.Linear(4, 4),
            b=nn.Linear(4, 2),
        ),
        (4,),
    ),
    "padding takes away more": (
        lambda: nn.Sequential(
            nn.ConvTranspose3d(1, 2, 1, 1, padding=1), nn.Flatten(), nn.Linear(2, 2)
        ),
        (1, 3, 3, 3),
    ),
}


@pytest.mark.parametrize(("why", "case"), LEFT.items(), ids=list(LEFT))
def test_products_that_cannot_be_converted_are_left_with_the_reason(why, case):
    make, shape = case
    network = seeded(make)
    x = stimuli(9, *shape)
    converted = convert(network, chip_of(8, 8, 8), x)
    (left,) = [one for one in converted.left_in_float if why in one.why]
    assert converted(x).shape == network(x).shape
    with pytest.raises(
        StochsimError,
        match=f"strict: 1 of the network's products cannot be converted: '{left.name}': .*{why}",
    ):
        convert(network, QUIET, x, strict=True)


COMPUTED = {
    "positions before stimuli": (
        lambda: Calls(
            lambda self, x: self.b(self.a(x).transpose(0, 1)).mean(0),
            a=nn.Linear(4, 4),
            b=nn.Linear(4, 2),
        ),
        (5, 4),
    ),
    "a weight that is computed": (
        lambda: Calls(
            lambda self, x: functional.linear(self.a(x), 2 * self.w),
            a=nn.Linear(4, 4),
            w=nn.Parameter(torch.ones(2, 4)),
        ),
        (4,),
    ),
    "weight normalisation": (
        lambda: nn.Sequential(
            nn.utils.parametrizations.weight_norm(nn.Linear(4, 6)),
            nn.utils.parametrizations.spectral_norm(nn.Linear(6, 2)),
        ),
        (4,),
    ),
}


@pytest.mark.parametrize("kind", COMPUTED)
def test_products_of_computed_weights_and_turned_axes_are_layers(kind):
    make, shape = COMPUTED[kind]
    network = seeded(make)
    x = stimuli(50, *shape)
    converted = convert(network, chip_of(8, 8, 8), x, strict=True)
    assert len(converted.layers) == 2
    wanted = network(x).detach()
    assert float((converted(x) - wanted).abs().max()) < 0.03 * float(wanted.abs().max())


def test_whole_numbers_reach_a_module_that_takes_no_others():
    """An embedding's; pictures of whole numbers go to a convolution in float."""
    network = seeded(
        lambda: Calls(
            lambda self, x: self.a(self.e(x).flatten(1)), e=nn.Embedding(9, 4), a=nn.Linear(12, 2)
        )
    )
    x = torch.from_numpy(np.random.default_rng(0).integers(0, 9, (50, 3)))
    for examples in (x, x.numpy().astype(np.int16)):
        converted = convert(network, chip_of(8, 8, 8), examples)
        wanted = network(x).detach()
        assert float((converted(x) - wanted).abs().max()) < 0.03 * float(wanted.abs().max())
    pictures = torch.randint(0, 256, (20, 1, 5, 5), dtype=torch.uint8)
    convolution = nn.Conv2d(1, 2, 3)
    wanted = convolution(pictures.float()).detach()
    found = convert(convolution, chip_of(8, 8, 8), pictures)(pictures)
    assert float((found - wanted).abs().max()) < 0.03 * float(wanted.abs().max())


def test_hooks_and_a_forward_of_its_own_run_beside_the_layer():
    class Own(nn.Linear):
        def forward(self, x):
            return super().forward(x) + 1

    hooked = nn.Linear(4, 4)
    hooked.register_forward_hook(lambda module, inputs, output: 2 * output)
    network = seeded(lambda: nn.Sequential(hooked, nn.Linear(4, 4)))
    converted = convert(network, chip_of(8, 8, 8), stimuli(9, 4))
    assert list(converted.layers) == ["0", "1"]
    assert names(converted) == [("mul", "mul")]
    x = stimuli(9, 4)
    assert float((converted(x) - network(x).detach()).abs().max()) < 0.05
    own = Calls(lambda self, x: self.b(self.a(x)), a=Own(4, 4), b=nn.Linear(4, 2))
    kept = convert(own, QUIET, stimuli(9, 4), keep_float=["a"])
    assert kept.left_in_float[0].why == "kept in float, as asked"
    assert kept.left_in_float[0].cost == "float32"


def test_keep_float_leaves_a_part_as_it_is():
    converted, x = converted_small(chip_of(8, 8, 8), keep_float=["3"])
    assert list(converted.layers) == ["0", "6", "8"]
    assert ("3", "Conv2d") in names(converted, "float32")
    assert ("4", "Tanh") in names(converted, "float32")
    assert not converted.layers["6"].takes_codes
    assert converted(x).shape == (10, 3)


def test_arrays_of_numpy_calibrate_too_and_dead_layers_get_a_grid():
    x = stimuli(9, 4)
    network = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    with torch.no_grad():
        network[0].bias.fill_(-100)
    assert torch.equal(convert(network, QUIET, x)(x), convert(network, QUIET, x.numpy())(x))


def test_dropout_is_silent_on_the_chip():
    network = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 2))
    x = stimuli(9, 4)
    converted = convert(network, QUIET, x)
    assert names(converted, "nothing") == [("2", "Dropout")]
    assert torch.equal(converted(x), converted(x))
    assert converted.layers["3"].takes_codes
    converted.train()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        assert not torch.equal(converted(x), converted(x))
