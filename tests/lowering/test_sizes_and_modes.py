"""What a converted network does at another size, in another mode, or with numbers that are none:
what the module does, or it is refused, or said.
"""

import warnings

import pytest
import torch
from conversiontest import Calls, chip_of, seeded, stimuli
from torch import nn

from stochsim.lowering import ConversionWarning, convert, other_sizes
from stochsim.settings import SettingError, StochsimError

EIGHT = chip_of(8, 8, 8)


def off(found: torch.Tensor, wanted: torch.Tensor) -> float:
    """The size of the difference over that of what is wanted."""
    return float((found.detach() - wanted.detach()).norm() / wanted.detach().norm())


def both(length_a: int, length_b: int, seed: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    """Stimuli of two inputs, the second 60 times as large."""
    return 0.05 * stimuli(100, length_a, 4, seed=seed), 3 * stimuli(100, length_b, 4, seed=seed)


class Pair(nn.Module):
    """One recurrent module reads two inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.read, self.head = nn.RNN(4, 12, batch_first=True), nn.Linear(24, 3)

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        """Of (stimulus, position, 4) each."""
        return self.head(torch.cat([self.read(a)[1][0], self.read(b)[1][0]], -1))


def test_each_call_of_a_recurrent_module_keeps_its_own_grids_at_other_lengths() -> None:
    module = seeded(Pair)
    made = convert(module, EIGHT, both(4, 4))
    for lengths in ((2, 2), (3, 4), (5, 3)):
        x = both(*lengths, seed=5)
        assert off(made(*x), module(*x)) < 0.08  # 0.1 to 0.27 where they do not


class Pyramid(nn.Module):
    """Halves the picture until it is small."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2d(3, 8, 1), nn.Conv2d(8, 4, 1)
        self.smaller = nn.Conv2d(8, 8, 3, padding=1, stride=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Of (stimulus, 3, row, column)."""
        found = self.first(x)
        while found.shape[-1] > 4:
            found = torch.relu(self.smaller(found))
        return self.last(found).mean((2, 3))


def test_a_layer_that_reads_other_values_at_another_size_is_named() -> None:
    """At 4 × 4 the last layer reads negative numbers, where its grid has none."""
    made = convert(seeded(Pyramid), EIGHT, stimuli(64, 3, 8, 8))
    with pytest.warns(ConversionWarning, match="layer 'last' is .*% of its outputs' size off"):
        made(stimuli(8, 3, 4, 4))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made(stimuli(8, 3, 7, 7, seed=4))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("options", [{}, {"weight_scales": 4}, {"formats": "fp4-e2m1"}])
def test_weights_that_are_no_numbers_have_no_code(value: float, options: dict, tmp_path) -> None:
    x = stimuli(64, 8)
    made = convert(seeded(lambda: nn.Sequential(nn.Linear(8, 4))), EIGHT, x, **options)
    with torch.no_grad():
        made.layers["0"].weight[1, 2] = value
    for run in (lambda: made(x), lambda: made.program.save(tmp_path), lambda: made.bill(x)):
        with pytest.raises(StochsimError, match="layer '0' hold NaN or infinity"):
            run()
    assert made.emulated(x)[:, 1].isnan().all()


class Frozen(nn.Module):
    """A normalisation and a dropout that stay in evaluation."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.drop, self.off = nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Dropout(0.5)
        self.first, self.last = nn.Linear(8, 16), nn.Linear(16, 3)
        self.norm.running_mean.fill_(1.0)

    def train(self, mode: bool = True) -> "Frozen":
        """As nn.Module has it, but for two parts."""
        super().train(mode)
        self.norm.eval()
        self.off.eval()
        return self

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Of (stimulus, 8)."""
        return self.last(self.off(self.drop(torch.relu(self.first(self.norm(x))))))


def test_parts_that_a_module_keeps_in_evaluation_stay_there(tmp_path) -> None:
    module, x = seeded(Frozen), stimuli(200, 8)
    made = convert(module, EIGHT, x)
    with torch.no_grad():
        calls = torch.stack([made.train()(x) for _ in range(200)])
        wanted = torch.stack([module.train()(x) for _ in range(200)])
    assert float(made.network.norm.running_mean[0]) == 1.0
    assert off(calls.mean(0), wanted.mean(0)) < 0.12
    assert float(calls.std(0).mean()) == pytest.approx(float(wanted.std(0).mean()), rel=0.1)
    assert any("(frozen)" in one.what for one in made.left_in_float)


def test_normalisation_by_stimuli_follows_training() -> None:
    parts = (nn.InstanceNorm1d(3, track_running_stats=True), nn.Conv1d(3, 4, 1))
    module, x = seeded(lambda: nn.Sequential(*parts)), 2 * stimuli(64, 3, 8) + 3
    for _ in range(9):
        module.train()(x)
    module.eval()
    made = convert(module, EIGHT, x).train()
    module.train()
    for _ in range(20):
        assert off(made(x), module(x)) < 0.05
    (mean,) = (one for name, one in made.named_buffers() if name.endswith("running_mean"))
    assert mean.numpy() == pytest.approx(module[0].running_mean.numpy(), rel=1e-5)
    assert off(made.eval()(x), module.eval()(x)) < 0.05


def test_statistics_by_the_number_of_batches_are_refused_in_training() -> None:
    module = seeded(lambda: nn.Sequential(nn.BatchNorm1d(3, momentum=None), nn.Linear(3, 4)))
    made = convert(module, EIGHT, stimuli(64, 3))
    with pytest.raises(StochsimError, match="part '0' has momentum=None"):
        made.train()(stimuli(64, 3))
    made.eval()(stimuli(64, 3))


def test_training_takes_finite_stimuli_alone() -> None:
    x = stimuli(64, 8)
    made = convert(seeded(lambda: nn.Linear(8, 4)), EIGHT, x).train()
    made(x)
    for value in (float("nan"), float("inf")):
        wrong = x.clone()
        wrong[3, 4] = value
        for run in (made, made.emulated):
            with pytest.raises(SettingError, match=r"'x' = array.*should be finite"):
                run(wrong)


class Masked(nn.Module):
    """Scores, of masked choices -infinity."""

    def __init__(self) -> None:
        super().__init__()
        self.score = nn.Linear(8, 4)

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Of (stimulus, 8) and (stimulus, 4)."""
        return self.score(x).masked_fill(mask, -torch.inf)


def test_outputs_may_be_infinite() -> None:
    """Of masked choices; a mask that hides others is followed."""
    module = seeded(Masked)
    mask = stimuli(64, 4) < -0.4
    made = convert(module, EIGHT, (stimuli(64, 8), mask))
    found = made(stimuli(64, 8), mask.flip(0))
    assert torch.equal(found == -torch.inf, mask.flip(0))
    assert made.errors is not None
    assert 0 < made.errors.outputs.mean() < 0.05


def test_tables_and_output_layers_of_one_weight_may_have_blocks() -> None:
    module = nn.Sequential(nn.Embedding(40, 16), nn.Linear(16, 40, bias=False))
    module[1].weight = module[0].weight
    x = torch.arange(40).reshape(20, 2)
    made = convert(module, EIGHT, x, formats={"weights": "mxint8"})
    assert off(made(x), module(x)) < 0.05


def test_packed_sequences_are_named() -> None:
    def packed(self, x: torch.Tensor) -> torch.Tensor:
        rows = nn.utils.rnn.pack_padded_sequence(x, torch.full((len(x),), 4), batch_first=True)
        return self.read(rows)[1]

    module = Calls(packed, read=nn.GRU(3, 4, batch_first=True))
    with pytest.raises(StochsimError, match=r"packed sequences .*by a mask what is padded"):
        convert(module, EIGHT, stimuli(10, 4, 3))


def test_sixteen_sizes_are_kept_in_training_too(monkeypatch: pytest.MonkeyPatch) -> None:
    module = seeded(lambda: nn.Sequential(nn.Conv1d(3, 4, 1), nn.Dropout(0.1), nn.Conv1d(4, 2, 1)))
    made = convert(module, EIGHT, stimuli(40, 3, 4)).train()
    lengths = range(5, 5 + other_sizes.MOST_SIZES)
    for length in lengths:
        made(stimuli(4, 3, length))
    monkeypatch.setattr(other_sizes, "captured_products", None)
    for length in lengths:
        made(stimuli(4, 3, length))


def test_no_stimuli_of_a_new_size() -> None:
    made = convert(seeded(lambda: nn.Conv1d(3, 4, 2)), EIGHT, stimuli(40, 3, 4))
    assert made(stimuli(0, 3, 6)).shape == (0, 4, 5)
    assert made(stimuli(1, 3, 6)).shape == (1, 4, 5)


def test_states_of_other_scales_of_blocks_and_without_zero_points() -> None:
    x = stimuli(64, 40)

    def made(**options) -> nn.Module:
        module = seeded(lambda: nn.Linear(40, 4))
        with torch.no_grad():
            module.weight.add_(0.2)
        return convert(module, chip_of(4, 8, 8), x, **options)

    one = made(formats={"weights": "fp4-e2m1"}, weight_scales=32)
    other = made(formats={"weights": "mxfp4"})
    with pytest.raises(RuntimeError, match=r"another grid .* by its format of scales"):
        other.load_state_dict(one.state_dict())
    affine = made(weight_grids="affine")
    state = affine.state_dict()
    del state["network.linear.weight_grid.zero_points"]
    with pytest.raises(RuntimeError, match=r"weight_grid\.zero_points is missing"):
        affine.load_state_dict(state)


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({"bits": {0: (4, 4, 4)}}, "'bits' = 0: should be names of layers"),
        ({"formats": "fp4"}, "did you mean 'fp4-e2m1'"),
        ({"formats": "MXFP4"}, "did you mean 'mxfp4'"),
        ({"formats": "nvfp8"}, "did you mean 'nvfp4'"),
        ({"formats": ""}, "mxfp4"),
    ],
)
def test_misspelt_options(options: dict, rule: str) -> None:
    with pytest.raises(SettingError, match=rule):
        convert(nn.Linear(4, 3), EIGHT, stimuli(10, 4), **options)


def test_a_nested_tensor_is_refused() -> None:
    made = convert(nn.Linear(4, 3), EIGHT, stimuli(10, 4))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        nested = torch.nested.nested_tensor([torch.ones(4), torch.ones(4)])
    with pytest.raises(SettingError, match=r"'x' = .*real numbers"):
        made(nested)
