"""What is on in training inside recurrent and attention modules, and RReLU, is on in the training
of a converted network.
"""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from conversiontest import Calls, chip_of, seeded, stimuli
from torch import nn

from stochsim.lowering import convert, load_converted
from stochsim.settings import StochsimError

EIGHT = chip_of(8, 8, 8)


def attention(rate: float) -> nn.Module:
    return Calls(
        lambda self, x: self.part(x, x, x)[0],
        part=nn.MultiheadAttention(8, 2, rate, batch_first=True),
    )


def encoder(rate: float) -> nn.Module:
    return nn.TransformerEncoderLayer(8, 2, 16, rate, batch_first=True)


PARTS: dict[str, Callable[[float], nn.Module]] = {
    "attention": attention,
    "encoder layer": encoder,
    "LSTM": lambda rate: nn.LSTM(8, 6, 2, batch_first=True, dropout=rate),
    "GRU": lambda rate: nn.GRU(8, 6, 3, batch_first=True, dropout=rate),
    "RNN": lambda rate: nn.RNN(8, 6, 2, batch_first=True, dropout=rate, nonlinearity="relu"),
    "both ways": lambda rate: nn.LSTM(
        8, 6, 2, batch_first=True, dropout=rate, bidirectional=True, bias=False
    ),
}


def given(found: object) -> torch.Tensor:
    """The first of what a module gives."""
    first = found[0] if isinstance(found, tuple) else found
    assert isinstance(first, torch.Tensor)
    return first.detach()


def near(found: torch.Tensor, wanted: torch.Tensor) -> bool:
    return float((found - wanted).abs().max()) <= 0.08 * float(wanted.abs().max())


@pytest.mark.parametrize("name", PARTS)
def test_all_is_dropped_at_a_rate_of_one(name: str, tmp_path) -> None:
    """Then a module in training draws nothing: its values are the converted network's, which are
    others in evaluation; of a file too.
    """
    module, x = seeded(lambda: PARTS[name](1.0)), stimuli(40, 2, 8)
    made = convert(module, chip_of(8, 8, 8), x, ranges="minmax")
    assert not any(one.training for one in module.modules())
    made.program.save(tmp_path)
    kept = given(module(x))
    dropped = given(module.train()(x))
    assert not near(kept, dropped)
    for one in (made, load_converted(tmp_path)):
        assert near(given(one.eval()(x)), kept)
        assert near(given(one.train().emulated(x)), dropped)


@pytest.mark.parametrize("name", PARTS)
def test_a_half_is_drawn_anew_in_every_call(name: str) -> None:
    module, x = seeded(lambda: PARTS[name](0.5)), stimuli(20, 2, 8)
    made = convert(module, EIGHT, x)
    assert torch.equal(given(made(x)), given(made(x)))
    made.train()
    first, second = given(made(x)), given(made(x))
    assert not torch.equal(first, second)
    made(x)[0].sum().backward()
    assert all(one.weight.grad is not None for one in made.layers.values())


@pytest.mark.parametrize("name", ["attention", "encoder layer", "LSTM"])
def test_one_that_was_left_in_training_stays_on(name: str) -> None:
    """Monte-Carlo dropout by the usual idiom; a dropout beside it stays off."""
    rest = {"last": nn.Linear(6 if name == "LSTM" else 8, 2), "off": nn.Dropout(0.9)}
    part = PARTS[name](0.5)
    module = seeded(
        lambda: Calls(
            lambda self, x: self.off(self.last(given_on(self.inner(x)))), inner=part, **rest
        )
    )
    x = stimuli(40, 2, 8)
    quiet = convert(module, EIGHT, x)
    assert float(np.ptp(quiet.sample(x[:3], 9, 0), 1).max()) == 0.0
    for one in module.inner.modules():
        one.train()
    drawn = convert(module, EIGHT, x).sample(x[:3], 50, 0)
    assert float(np.ptp(drawn, 1).min()) > 0.0
    assert float((drawn == 0).mean()) < 0.5


def given_on(found: object) -> torch.Tensor:
    """As `given`, with a gradient."""
    first = found[0] if isinstance(found, tuple) else found
    assert isinstance(first, torch.Tensor)
    return first


def test_slopes_of_rrelu_are_drawn_in_training() -> None:
    """Of negative values between its bounds, their mean in evaluation; positive ones are kept."""
    module = seeded(lambda: nn.Sequential(nn.Linear(8, 16), nn.RReLU(0.2, 0.6)))
    x = stimuli(40, 8)
    made = convert(module, EIGHT, x)
    drive = made.layers["0"](x).detach()
    assert made.left_in_float[0].cost == "float32"
    kept = made(x)
    assert kept.numpy() == pytest.approx(torch.where(drive < 0, 0.4 * drive, drive).numpy(), 1e-6)
    slopes = (made.train().emulated(x) / drive).detach()
    assert slopes[drive > 0].numpy() == pytest.approx(1.0, rel=1e-6)
    below = slopes[drive < 0]
    assert 0.2 <= float(below.min()) < 0.25
    assert 0.55 < float(below.max()) <= 0.6


def test_rows_that_mix_stimuli_are_not_taken_for_those_of_one() -> None:
    """(stimulus · head) has each stimulus's rows together and is drawn by the key; of (head ·
    stimulus) a split of the stimuli would move the draws.
    """

    def of_heads(self, x: torch.Tensor, first: int) -> torch.Tensor:
        heads = x.reshape(-1, 2, 2)
        rows = (heads.transpose(0, 1) if first == 0 else heads).reshape(-1, 2)
        kept = nn.functional.dropout(rows, 0.5, training=True)
        if first == 0:
            return self.last(kept.reshape(2, -1, 2).transpose(0, 1).reshape(-1, 4))
        return self.last(kept.reshape(-1, 4))

    x = stimuli(30, 4)
    by_stimulus = Calls(lambda self, x: of_heads(self, x, 1), last=nn.Linear(4, 3))
    made = convert(by_stimulus, EIGHT, x)
    whole = made.sample(x, 5, 0)
    assert np.array_equal(made.sample(x[7:], 5, 0, first_stimulus=7), whole[7:])
    assert np.ptp(whole, axis=1).any()
    with pytest.raises(StochsimError, match="do not belong to a stimulus"):
        convert(Calls(lambda self, x: of_heads(self, x, 0), last=nn.Linear(4, 3)), EIGHT, x)
