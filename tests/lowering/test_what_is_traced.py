"""What a traced network may not lose: in-place work, parts kept in float, a user's own classes."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from stochsim.hardware import preset
from stochsim.lowering import convert
from stochsim.settings import SettingError, StochsimError

CHIP = preset("digital-45nm").with_precision(8, 8, 8)
X = np.random.default_rng(0).normal(size=(64, 6)).astype(np.float32)


class TwoLayers(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.a, self.b = nn.Linear(6, 8), nn.Linear(8, 4)
        self.r = nn.ReLU()


def relative_error(module, network, x=X):
    """Mean size of the difference over that of the float outputs, at 8 bits without noise."""
    expected = module.eval()(torch.from_numpy(x.copy())).detach().numpy()
    return np.abs(network.sample(x, 1, 0)[:, 0] - expected).mean() / expected.std()


class TwoLayersInARow(TwoLayers):
    def forward(self, x):
        return self.b(self.r(self.a(x)))


class InPlaceMethod(TwoLayers):
    def forward(self, x):
        h = self.a(x)
        h.relu_()
        return self.b(h)


class InPlaceFunction(TwoLayers):
    def forward(self, x):
        h = self.a(x)
        functional.relu(h, inplace=True)
        return self.b(h)


class InPlaceSlice(TwoLayers):
    def forward(self, x):
        h = self.a(x)
        h[:, ::2] = 0
        h.view(-1)[:].mul_(2)
        return self.b(h)


@pytest.mark.parametrize("make", [InPlaceMethod, InPlaceFunction, InPlaceSlice])
def test_in_place_work_is_kept(make):
    module = make()
    assert relative_error(module, convert(module, CHIP, X)) < 0.05


def test_a_network_that_changes_a_buffer_is_refused():
    class Counting(TwoLayers):
        def __init__(self):
            super().__init__()
            self.register_buffer("seen", torch.zeros(()))

        def forward(self, x):
            self.seen += 1
            return self.b(self.a(x)) + self.seen

    module = Counting()
    with pytest.raises(StochsimError, match="changes its buffer 'seen' whenever it is called"):
        convert(module, CHIP, X)


def test_a_network_for_one_number_of_stimuli_is_refused():
    class Fixed(TwoLayers):
        def forward(self, x):
            return self.b(self.a(x)) + torch.zeros(len(x), 4)

    with pytest.raises(StochsimError, match=r"one fixed number of stimuli .*write x\.shape\[0\]"):
        convert(Fixed(), CHIP, X)


def test_in_place_work_on_the_input_leaves_the_calibration_as_it_was():
    class Scaled(TwoLayers):
        def forward(self, x):
            x = x.sub_(5.0).div_(10.0)
            return self.b(self.r(self.a(x)))

    module = Scaled()
    given = X.copy()
    network = convert(module, CHIP, given)
    assert np.array_equal(given, X)
    assert relative_error(module, network) < 0.05


def test_a_part_that_is_kept_in_float_is_not_taken_along():
    network = convert(TwoLayersInARow(), CHIP, X, keep_float=["r"])
    assert [one.name for one in network.left_in_float] == ["r"]
    assert network.layers["a"].activation == "identity"


def test_a_batch_normalisation_kept_in_float_is_not_folded():
    module = nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4)).eval()
    assert convert(module, CHIP, X).left_in_float == ()
    network = convert(module, CHIP, X, keep_float=["1"])
    assert [one.name for one in network.left_in_float] == ["1"]


@pytest.mark.parametrize("affine", [True, False])
def test_a_batch_normalisation_without_a_scale_is_folded_too(affine):
    module = nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4, affine=affine)).eval()
    network = convert(module, CHIP, X)
    assert network.left_in_float == ()
    assert relative_error(module, network) < 0.05


class ReLU(nn.Module):
    """A user's own class of torch's name."""

    def forward(self, x):
        return x.clamp(-1, 1) * 3


class Flatten(nn.Module):
    """A user's own class of torch's name."""

    def forward(self, x):
        return x * 100


@pytest.mark.parametrize("own", [ReLU, Flatten])
def test_a_class_of_a_users_own_is_not_taken_for_torch_s(own):
    module = nn.Sequential(nn.Linear(6, 8), own(), nn.Linear(8, 4)).eval()
    network = convert(module, CHIP, X, keep_float=["1"])
    assert [one.name for one in network.left_in_float] == ["1"]
    assert relative_error(module, network) < 0.05


def test_an_input_is_signed_where_any_value_is_negative():
    """One picture of many is negative in a corner."""
    x = np.abs(np.random.default_rng(0).normal(size=(256, 3, 32, 32))).astype(np.float32)
    x[101] = -x[101]
    layers = (nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(3600, 2))
    module = nn.Sequential(*layers).eval()
    network = convert(module, CHIP, x)
    assert not network.program.layers["0"].input.unsigned
    assert relative_error(module, network, x[100:103]) < 0.1


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"bits": "abc"}, "bits"),
        ({"bits": [4, 4, 4]}, "bits"),
        ({"keep_float": None}, "keep_float"),
    ],
)
def test_arguments_of_other_types_are_named(given, field):
    with pytest.raises(SettingError, match=f"'{field}' = "):
        convert(nn.Linear(6, 4), CHIP, X, **given)


class NotReturned(TwoLayers):
    def forward(self, x):
        h = self.a(x)
        self.b(h)
        return h


class OneDimensionalWeight(TwoLayers):
    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.ones(6))

    def forward(self, x):
        return self.a(x) + functional.linear(x, self.w)[:, None]


def test_what_is_computed_and_not_used_is_left_out():
    network = convert(NotReturned(), CHIP, X)
    assert list(network.layers) == ["a"]
    assert network.left_in_float == ()


def test_a_weight_of_one_axis_stays_in_float():
    module = OneDimensionalWeight()
    network = convert(module, CHIP, X)
    assert list(network.layers) == ["a"]
    assert network.left_in_float[0].why == "its weight has not the axes (neuron, input, …)"
    assert relative_error(module, network) < 0.05


def test_a_layer_on_a_constant_is_left_in_float():
    """The first step of an unrolled recurrent network, whose state is zero."""

    class Unrolled(TwoLayers):
        def __init__(self):
            super().__init__()
            self.h = nn.Linear(8, 8)

        def forward(self, x):
            h = torch.zeros(1, 8)
            for _ in range(2):
                h = torch.tanh(self.a(x) + self.h(h))
            return h

    module = Unrolled()
    network = convert(module, CHIP, X)
    assert "what it reads does not depend on the stimuli" in [
        one.why for one in network.left_in_float
    ]
    assert relative_error(module, network) < 0.05


def test_an_output_whose_axes_depend_on_the_number_of_stimuli_is_no_raw_error():
    class Squeezed(TwoLayers):
        def forward(self, x):
            return self.b(self.r(self.a(x))).squeeze()

    network = convert(Squeezed(), CHIP, X)
    assert network.sample(X[:3], 2, 0).shape == (3, 2, 4)
    with pytest.raises(StochsimError, match="the same axes for any number of stimuli"):
        network.sample(X[:1], 1, 0)


@pytest.mark.parametrize(
    "x", [X.astype(complex), [["a"] * 6], X.astype(object), [[1.0, 2.0], [1.0]], "abc"]
)
def test_stimuli_that_are_no_real_numbers_are_refused(x):
    network = convert(TwoLayersInARow(), CHIP, X)
    for ask in (lambda x: network.sample(x, 1, 0), lambda x: convert(TwoLayersInARow(), CHIP, x)):
        with pytest.raises(SettingError, match="should be"):
            ask(x)
    with pytest.raises(SettingError, match="should be a tensor"):
        network(x)


@pytest.mark.parametrize("taken", [X[:, ::-1], X[::-1], X.astype(">f4"), np.asfortranarray(X)])
def test_arrays_in_any_order_are_taken(taken):
    network = convert(TwoLayersInARow(), CHIP, taken)
    expected = network.sample(np.ascontiguousarray(taken, np.float32), 1, 0)
    assert np.array_equal(network.sample(taken, 1, 0), expected)


@pytest.mark.parametrize("is_container", [False, True])
def test_a_function_beside_a_module_of_its_name_leaves_it_alone(is_container):
    """torch names the call of functional.linear "linear" in the graph."""

    class Beside(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            layer = nn.Linear(6, 4)
            self.linear = nn.Sequential(layer, nn.Tanh()) if is_container else layer
            self.w = nn.Parameter(torch.randn(4, 6))

        def forward(self, x):
            return self.linear(x) + functional.linear(x, self.w)

    for keep in ([], ["linear.0" if is_container else "linear"]):
        module = Beside()
        network = convert(module, CHIP, X, keep_float=keep)
        assert len(network.layers) == 2 - len(keep)
        assert relative_error(module, network) < 0.05
