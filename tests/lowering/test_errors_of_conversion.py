"""How far a conversion is from its float module is measured on all examples, and what rounding
does not explain is said.
"""

import warnings

import numpy as np
import pytest
import torch
from conversiontest import Calls, chip_of, converted_small, fresh_small, seeded, small_net, stimuli
from torch import nn
from torch.nn import functional

import stochsim as ss
from stochsim.hardware import Noise
from stochsim.lowering import ConversionWarning, convert
from stochsim.lowering.comparison import LayerError, warn_of


@pytest.mark.parametrize("bits", [1, 2, 3, 4, 6, 8])
def test_rounding_explains_the_errors_of_every_layer(bits):
    converted, x = converted_small(chip_of(bits, bits, bits))
    float_outputs = seeded(small_net)(x).detach().numpy()
    off = converted.emulated(x).detach().numpy() - float_outputs
    wanted = np.linalg.norm(off, axis=1) / np.linalg.norm(float_outputs, axis=1)
    assert converted.errors.outputs == pytest.approx(wanted, rel=1e-6)
    for one in converted.errors.layers.values():
        assert 0.3 < one.relative / one.explained < 2


def test_the_error_of_a_layer_is_that_of_float_inputs():
    layer = nn.Linear(32, 64)
    x = stimuli(2000, 32)
    converted = convert(layer, chip_of(4, 4, 8), x)
    (one,) = converted.errors.layers.values()
    wanted = layer(x).detach()
    size = float(wanted.square().mean().sqrt())
    error = (converted.emulated(x).detach() - wanted).square().mean().sqrt()
    assert one.relative == pytest.approx(float(error) / size, rel=1e-5)
    assert one.relative == pytest.approx(one.explained, rel=0.05)


def test_a_layer_that_is_off_is_named():
    """The negative control, a conversion that is right, warns of nothing."""
    with pytest.warns(ConversionWarning, match=r"layer 'fc' is 12\.0% of .* explains 3\.0%"):
        warn_of({"fc": LayerError(0.12, 0.03, 99), "other": LayerError(0.03, 0.03, 99)})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of({"fc": LayerError(0.015, 0.001, 99), "other": LayerError(0.5, 0.1, 20)})
        fresh_small(chip_of(2, 2, 2))


def test_a_wrong_scale_is_an_error_that_rounding_does_not_explain(monkeypatch):
    from stochsim.lowering import layers_of_sites

    right = layers_of_sites.fitted_to_weights

    def wrong(*given):
        grid = right(*given)
        with torch.no_grad():
            grid.log_scale -= 2  # the weights are clipped at a quarter of their range
        return grid

    monkeypatch.setattr(layers_of_sites, "fitted_to_weights", wrong)
    with pytest.warns(ConversionWarning) as found:
        fresh_small(chip_of(8, 8, 8))
    assert [str(one.message)[:9] for one in found] == [f"layer '{name}'" for name in "36"]


def test_a_network_that_was_read_has_no_errors(tmp_path):
    converted, _ = converted_small(chip_of())
    assert "rounding explains" in repr(converted.errors)
    converted.program.save(tmp_path)
    assert ss.load_converted(tmp_path).errors is None


MIXING = {
    "a batch normalisation": lambda: nn.Sequential(
        nn.Linear(4, 3), nn.BatchNorm1d(3, track_running_stats=False)
    ),
    "a mean": lambda: Calls(lambda self, x: self.a(x) - x.mean(0)[:2], a=nn.Linear(4, 2)),
    "a sum": lambda: Calls(lambda self, x: self.a(x).cumsum(0), a=nn.Linear(4, 2)),
    "a reversal": lambda: Calls(lambda self, x: self.a(x).flip(0), a=nn.Linear(4, 2)),
    "a computed weight": lambda: Calls(
        lambda self, x: functional.linear(self.a(x), x[:2, :2]), a=nn.Linear(4, 2)
    ),
}


@pytest.mark.parametrize("kind", MIXING)
def test_reads_do_not_stand_among_the_stimuli_that_a_part_mixes(kind, tmp_path):
    """Each read is what it is alone; the noiseless one is near the module's."""
    network = seeded(MIXING[kind])
    x = stimuli(9, 4)
    noisy = chip_of(8, 8, 8, noise=Noise(read_sigma_lsb=2.0))
    converted = convert(network, noisy, x)
    together = converted.sample(x, 4, 0)
    alone = [converted.sample(x, 1, 0, first_read=read) for read in range(4)]
    assert np.array_equal(together, np.concatenate(alone, 1))
    assert not np.array_equal(together[:, 0], together[:, 1])
    wanted = network(x).detach().numpy()
    exact = convert(network, chip_of(8, 8, 8), x)(x).numpy()
    assert np.abs(exact - wanted).max() < 0.05 * np.abs(wanted).max()
    converted.program.save(tmp_path)
    assert np.array_equal(ss.load_converted(tmp_path).sample(x, 4, 0), together)


def test_sums_that_cancel_are_not_taken_for_parts_that_mix():
    network = Calls(
        lambda self, x: torch.cat([self.a(x), -self.a(x)], 1).mean(1), a=nn.Linear(64, 32)
    )
    converted = convert(seeded(lambda: network), chip_of(), stimuli(9, 64))
    assert not any(getattr(node, "mixes", False) for node in converted.program.wiring.nodes)


def test_random_parts_are_not_taken_for_stimuli_that_mix():
    network = Calls(lambda self, x: self.a(x) + torch.randn_like(x)[:, :2], a=nn.Linear(4, 2))
    converted = convert(seeded(lambda: network), chip_of(), stimuli(9, 4))
    assert converted.sample(stimuli(2, 4), 3, 0).shape == (2, 3, 2)


def test_one_example_is_enough():
    converted = convert(nn.Linear(4, 2), chip_of(8, 8, 8), stimuli(1, 4))
    assert converted.errors.outputs.shape == (1,)
    assert converted(stimuli(5, 4)).shape == (5, 2)
