"""`state_dict` and `load_state_dict` of converted networks: what a state says is what the network
computes, or an error names the grid that is another.
"""

import pytest
import torch
from conversiontest import chip_of, seeded, stimuli
from torch import nn

from stochsim.lowering import convert, load_converted

SETTINGS = {
    "symmetric": {},
    "affine weights": {"weight_grids": "affine"},
    "affine per channel": {"weight_grids": "affine", "weight_scales": "per-channel"},
    "affine groups": {"weight_grids": "affine", "weight_scales": 4},
    "formats": {"formats": "nvfp4"},
}
X = stimuli(60, 10)


def network(seed: int) -> nn.Module:
    return seeded(lambda: nn.Sequential(nn.Linear(10, 8), nn.ReLU(), nn.Linear(8, 3)), seed)


@pytest.mark.parametrize("name", list(SETTINGS))
def test_a_state_makes_a_network_of_other_weights_the_same(name: str, tmp_path) -> None:
    first, second = (convert(network(seed), chip_of(), X, **SETTINGS[name]) for seed in (0, 1))
    wanted = first(X)
    assert not torch.equal(second(X), wanted)
    torch.save(first.state_dict(), tmp_path / "state.pt")
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    second.load_state_dict(state)
    assert torch.equal(second(X), wanted)
    with torch.no_grad():
        assert torch.equal(second.emulated(X), first.emulated(X))
    first.program.save(tmp_path / "net")
    loaded = load_converted(tmp_path / "net")
    loaded.load_state_dict(state)
    assert torch.equal(loaded(X), wanted)


def test_a_state_of_shifted_inputs_is_refused_where_the_shift_is_another() -> None:
    own = {"input_grids": "affine"}
    first, second = (convert(network(seed), chip_of(), X, **own) for seed in (0, 1))
    second.load_state_dict(first.state_dict())  # the first layer's shift is that of the examples
    assert torch.equal(second(X), first(X))
    other = convert(network(1), chip_of(), X - 1, **own)
    with pytest.raises(RuntimeError, match=r"network\.0\.input_grid .* by its shift of inputs"):
        other.load_state_dict(first.state_dict())


@pytest.mark.parametrize(
    ("one", "other", "what"),
    [
        ({"formats": "nf4"}, {"formats": "fp4-e2m1"}, "number format"),
        ({"formats": "mxfp4"}, {"formats": "nvfp4"}, "block size"),
        ({}, {"bits": {"0": (5, 4, 4)}}, "bits"),
        ({"formats": {"weights": "int4"}}, {}, "number format"),
    ],
)
def test_states_of_other_grids_are_refused_by_name(one, other, what: str) -> None:
    x = stimuli(60, 40)
    made = [
        convert(seeded(lambda: nn.Sequential(nn.Linear(40, 8))), chip_of(), x, **own)
        for own in (one, other)
    ]
    with pytest.raises(
        RuntimeError, match=rf"network\.0\.\w+ is another grid .*{what}|size mismatch"
    ):
        made[1].load_state_dict(made[0].state_dict())


def test_states_of_inputs_of_another_sign_are_refused() -> None:
    signed, positive = (convert(network(0), chip_of(), x) for x in (X, X.abs()))
    with pytest.raises(RuntimeError, match=r"input_grid .* by its unsigned"):
        positive.load_state_dict(signed.state_dict())


def test_states_without_kinds_are_taken_as_before() -> None:
    first, second = (convert(network(seed), chip_of(), X) for seed in (0, 1))
    old = {key: one for key, one in first.state_dict().items() if not key.endswith("kind")}
    second.load_state_dict(old)
    assert torch.equal(second(X), first(X))


def test_a_state_with_zero_points_and_one_without_take_each_other_s() -> None:
    """Weights that reach as far down as up have no zero points, skewed ones have."""
    first, second = network(0), network(1)
    with torch.no_grad():
        first[0].weight.abs_()
        second[0].weight.copy_(torch.linspace(-1, 1, 80).reshape(8, 10))
    made = [convert(one, chip_of(), X, weight_grids="affine") for one in (first, second)]
    zeros = [one.layers["0"].weight_grid.zero_points for one in made]
    assert zeros[0] is not None
    assert zeros[1] is None
    states = [{key: one.clone() for key, one in net.state_dict().items()} for net in made]
    wanted = [net(X) for net in made]
    for net, state, values in zip(made, states[::-1], wanted[::-1], strict=True):
        net.load_state_dict(state)
        assert torch.equal(net(X), values)
