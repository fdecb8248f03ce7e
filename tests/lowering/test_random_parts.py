"""Parts of a network that draw random numbers: the chip draws them by its key, for every stimulus
and read.
"""

import numpy as np
import pytest
import torch
from torch.nn import functional

import stochsim as ss
from stochsim.settings import StochsimError

HARDWARE = ss.load_hardware("digital-45nm", bits=8)
READS = 4000


class Network(torch.nn.Module):
    """A layer, what `middle` does, and a layer."""

    def __init__(self, middle, inputs=16, hidden=64, outputs=3):
        super().__init__()
        torch.manual_seed(0)
        self.first = torch.nn.Linear(inputs, hidden)
        self.last = torch.nn.Linear(hidden, outputs)
        self.middle = middle

    def forward(self, x):
        return self.last(self.middle(torch.relu(self.first(x))))


def counted(categories):
    """How often each of 64 categories stands among some, (stimulus, category)."""
    return functional.one_hot(categories, 64).sum(1).float()


MIDDLES = {
    "dropout": lambda h: functional.dropout(h, 0.5),
    "dropout of a fifth": lambda h: torch.dropout(h, 0.2, True),
    "a Gaussian": lambda h: h + 0.3 * torch.randn_like(h),
    "uniform numbers": lambda h: h + torch.rand_like(h),
    "Bernoulli draws": lambda h: torch.bernoulli(torch.sigmoid(h - 0.5)),
    "dropout in place": lambda h: functional.dropout(h, 0.5, True, True),
    "dropout of SELU": lambda h: functional.alpha_dropout(h, 0.3, True),
    "normal by shape": lambda h: h + 0.3 * torch.randn(h.shape),
    "normal by mean": lambda h: torch.normal(h, 0.3),
    "normal in place": lambda h: h + torch.empty_like(h).normal_(0.1, 0.3),
    "uniform in place": lambda h: h + torch.empty_like(h).uniform_(-1, 0.5),
    "Bernoulli in place": lambda h: h * torch.empty_like(h).bernoulli_(0.3),
    "exponential": lambda h: h + 0.3 * torch.empty_like(h).exponential_(2.0),
    "Gumbel softmax": lambda h: 8 * functional.gumbel_softmax(h, 0.7),
    "whole numbers": lambda h: h + torch.randint_like(h, -1, 3),
    "in other numbers": lambda h: h + 0.3 * torch.randn_like(h, dtype=torch.float64).float(),
    "a category": lambda h: 4 * counted(torch.multinomial(h + 0.1, 1)),
    "categories": lambda h: 4 * counted(torch.multinomial(h + 0.1, 3)),
    "categories again": lambda h: 2 * counted(torch.multinomial(h + 0.1, 4, True)),
}


def stimuli(count=400, inputs=16):
    return torch.randn(count, inputs, generator=torch.Generator().manual_seed(1))


def of_float(module, x):
    """Outputs of READS draws, (stimulus, draw, output): one pass, for rows draw independently."""
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(2)
        return module(x.repeat_interleave(READS, 0)).unflatten(0, (-1, READS)).numpy()


@pytest.fixture(scope="module")
def quiet_spread():
    """Standard deviation over reads of the network whose part draws nothing, (stimulus, output)."""
    still = ss.convert(Network(lambda h: h).eval(), HARDWARE, stimuli())
    return still.sample(stimuli()[:6], 2, key=0).std(1)


@pytest.mark.parametrize("kind", MIDDLES)
def test_mean_and_spread_over_reads_are_those_of_the_float_network(kind, quiet_spread):
    """Of each of 18 outputs. Two samples of 4,000 each: 5 standard errors of their difference (a
    false alarm in one of 5e3 runs, for the 684 figures of 19 kinds), and what 8 bits round. The
    negative control is the network whose part draws nothing.
    """
    module = Network(MIDDLES[kind]).eval()
    converted = ss.convert(module, HARDWARE, stimuli())
    x = stimuli()[:6]
    wanted = of_float(module, x)
    found = converted.sample(x, READS, key=0)
    step = float(converted.layers["last"].output_grid.scale().detach())
    spread = wanted.std(1)
    error = spread * np.sqrt(2 / READS)
    assert np.all(np.abs(found.mean(1) - wanted.mean(1)) < 5 * error + step)
    spread_of_spread = spread * np.sqrt(2 / (2 * READS))
    rounded = np.sqrt(spread**2 + step**2 / 12)
    assert np.all(np.abs(found.std(1) - rounded) < 5 * spread_of_spread + 0.3 * step)
    assert np.all(np.abs(quiet_spread - rounded) > 5 * spread_of_spread + 0.3 * step)


@pytest.mark.parametrize("kind", MIDDLES)
def test_draws_belong_to_key_stimulus_and_read(kind):
    noisy = HARDWARE.with_({"noise.read_sigma_lsb": 0.5})
    converted = ss.convert(Network(MIDDLES[kind]).eval(), noisy, stimuli(60))
    x = stimuli(7)
    whole = converted.sample(x, 12, key=5)
    assert np.array_equal(converted.sample(x, 12, key=5), whole)
    assert not np.array_equal(converted.sample(x, 12, key=6), whole)
    part = converted.sample(x[3:5], 4, key=5, first_stimulus=3, first_read=6)
    assert np.array_equal(part, whole[3:5, 6:10])
    alike = converted.sample(x[:1].repeat(5, 1), 6, key=5)
    assert len({row.tobytes() for row in alike.reshape(30, -1)}) > 20


def test_torch_generator_is_left_alone_by_conversion_and_reads():
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    converted = ss.convert(Network(MIDDLES["dropout"]).eval(), HARDWARE, stimuli(60))
    converted.sample(stimuli(3), 2, key=0)
    torch.manual_seed(3)
    ss.convert(Network(MIDDLES["dropout"]).eval(), HARDWARE, stimuli(60))
    converted.sample(stimuli(3), 2, key=0)
    Network(MIDDLES["dropout"])  # seeds torch anew with 0
    torch.manual_seed(3)
    converted.sample(stimuli(3), 2, key=0)
    assert torch.equal(torch.rand(2), expected)


def test_channels_are_dropped_as_a_whole():
    class Pictures(torch.nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.first = torch.nn.Conv2d(1, 6, 3, padding=1)

        def forward(self, x):
            return functional.dropout2d(self.first(x) ** 2 + 1, 0.4)

    x = torch.randn(50, 1, 5, 5)
    converted = ss.convert(Pictures(), HARDWARE, x)
    values = converted.sample(x[:4], 500, key=0)
    dropped = values == 0
    assert np.array_equal(dropped.all((-2, -1)), dropped.any((-2, -1)))
    share = dropped.all((-2, -1)).mean()
    assert abs(share - 0.4) < 5 * np.sqrt(0.24 / (4 * 500 * 6))
    kept = values[~dropped.all((-2, -1))]
    assert kept.min() >= 1 / 0.6 * (1 - 1e-6)


def test_parts_come_back_from_their_folder(tmp_path):
    for kind in ("dropout", "a Gaussian", "uniform numbers"):
        converted = ss.convert(Network(MIDDLES[kind]).eval(), HARDWARE, stimuli(60))
        folder = tmp_path / kind
        converted.program.save(folder)
        assert not converted.program.wiring.not_saved
        again = ss.load_converted(folder)
        assert np.array_equal(
            again.sample(stimuli(3), 5, key=1), converted.sample(stimuli(3), 5, key=1)
        )


def test_random_bits_are_counted():
    """31 for each of 64 values of every read, on a row of the part's own."""
    converted = ss.convert(Network(MIDDLES["dropout"]).eval(), HARDWARE, stimuli(60))
    (left,) = converted.left_in_float
    assert (left.name, left.cost) == ("dropout", "random bits")
    bill = converted.bill(stimuli(2), reads=10)
    assert bill.counts["dropout"].count("random") == 31 * 64 * 10 * 2
    assert bill.energy_by_layer["dropout"].per_read_j > 0
    still = ss.convert(Network(lambda h: functional.dropout(h, 0.5, False)), HARDWARE, stimuli(60))
    assert still.left_in_float[0].cost == "nothing"
    assert "dropout" not in still.bill(stimuli(2), reads=10).counts


def test_a_chip_in_memory_calibrates_with_draws():
    hardware = ss.load_hardware("rram-array", bits=6)
    module = Network(MIDDLES["dropout"]).eval()
    converted = ss.convert(module, hardware, stimuli())
    x = stimuli()[:6]
    wanted, found = of_float(module, x), converted.sample(x, 1000, key=0)
    assert np.corrcoef(wanted.mean(1).ravel(), found.mean(1).ravel())[0, 1] > 0.98
    assert found.std(1) == pytest.approx(wanted.std(1), rel=0.25)


def test_training_drops_too():
    converted = ss.convert(Network(MIDDLES["dropout"]).eval(), HARDWARE, stimuli(60)).train()
    assert not torch.equal(converted(stimuli(5)), converted(stimuli(5)))


class Kept(torch.nn.Module):
    """Draws by itself."""

    def forward(self, x):
        return x + torch.randn(x.shape[1:])


@pytest.mark.parametrize(
    ("middle", "rule"),
    [
        (lambda h: h + torch.rand(64), r"'rand' \(rand\) .* do not belong to a stimulus"),
        (lambda h: h[:, torch.randperm(64)], "do not belong to a stimulus"),
        (lambda h: h + torch.randn_like(h[:1]), "do not belong to a stimulus"),
        (lambda h: h + torch.empty_like(h).cauchy_(), "do not belong to a stimulus"),
    ],
)
def test_what_no_key_draws_is_refused(middle, rule):
    with pytest.raises(StochsimError, match=rule):
        ss.convert(Network(middle).eval(), HARDWARE, stimuli(60))


def test_a_module_kept_in_float_that_draws_is_refused():
    with pytest.raises(StochsimError, match=r"'middle' \(randn\) draws"):
        ss.convert(Network(Kept()).eval(), HARDWARE, stimuli(60), keep_float=["middle"])


def test_draws_of_what_is_no_stimulus_are_refused():
    class Net(Network):
        def forward(self, x):
            return self.last(torch.relu(self.first(x))) + torch.randn_like(self.last.bias)

    with pytest.raises(StochsimError, match="do not belong to a stimulus and a read"):
        ss.convert(Net(None).eval(), HARDWARE, stimuli(60))


def test_two_parts_draw_apart():
    """Which values are kept by one says nothing of the other: 4 reads × 8 stimuli × 64 values."""

    class Twice(Network):
        def forward(self, x):
            h = torch.relu(self.first(x)) + 1
            return torch.cat([functional.dropout(h, 0.5), functional.dropout(h, 0.5)], 1)

    converted = ss.convert(Twice(None).eval(), HARDWARE, stimuli(60))
    kept = converted.sample(stimuli(8), 4, key=0) > 0
    alike = (kept[..., :64] == kept[..., 64:]).mean()
    assert abs(alike - 0.5) < 5 * np.sqrt(0.25 / (4 * 8 * 64))
