"""Widths of weights by layer: what each layer then holds, what all other settings keep, training by
every method, checkpoints, refusals.
"""

import copy

import numpy as np
import pytest
import torch

from stochsim.hardware import Noise, preset
from stochsim.models import LinearGaussian
from stochsim.networks import (
    ARCHITECTURES,
    ArchitectureSettings,
    NetworkSettings,
    layers_of,
    quantised_from_float,
)
from stochsim.networks.network import weight_of
from stochsim.networks.quantizers import optimal_weight_step
from stochsim.settings import SettingError
from stochsim.training import (
    TrainSettings,
    learn_decoder,
    load_network,
    train_float,
    train_quantised,
)

MODEL = LinearGaussian(neurons=6, noise_sd=0.5)
STIMULI = np.random.default_rng(0).standard_normal((400, 8)).astype(np.float32)
SHORT = TrainSettings(steps=40, batch=32, learning_rate=1e-2)
METHODS = ["post-training", "quantisation-aware", "noise-aware"]
MIXED = {"deep": {"hidden": 6, "readout": 3}, "recurrent": {"lateral": 3}}
WIDTHS = {
    "deep": {"hidden": 6, "log_sigma": 4, "readout": 3},
    "recurrent": {"readout": 4, "lateral": 3},
}
CHIP = preset("digital-45nm").replace(noise=Noise(read_sigma=0.05, weight_sigma_lsb=0.1))


@pytest.fixture(scope="module")
def floats():
    """A trained float network of each architecture."""
    decoder = learn_decoder(STIMULI, MODEL, SHORT, 1)
    return {
        kind: train_float(
            decoder, STIMULI, MODEL, SHORT, 0.0, 1, architecture=ArchitectureSettings(kind=kind)
        )
        for kind in ARCHITECTURES
    }


def quantised(start, layer_bits=None, widths=(4, 4, 4), **options):
    draws = torch.Generator().manual_seed(2)
    return quantised_from_float(
        start.network, torch.tensor(STIMULI), *widths, draws, layer_bits=layer_bits, **options
    ).eval()


def codes_of(network):
    """Brevitas's own integers, (neuron, input), by the layer's name in `linears`; of a copy, whose
    weights its one-bit quantiser clamps.
    """
    return {
        name: layer.quant_weight().int().numpy()
        for name, layer in copy.deepcopy(network).linears().items()
    }


def test_layers_are_named_as_programs_name_them():
    assert {kind: layers_of(kind) for kind in ARCHITECTURES} == {
        "single": (),
        "deep": ("hidden", "log_sigma", "readout"),
        "recurrent": ("readout", "lateral"),
    }


@pytest.mark.parametrize("by_posterior", [False, True])
@pytest.mark.parametrize("kind", MIXED)
def test_scales_are_fitted_at_the_width_of_the_layer(kind, by_posterior, floats):
    """Each layer's step is the best of its own width, and its codes reach further than those of a
    bit less.
    """
    network = quantised(floats[kind], MIXED[kind], by_posterior=by_posterior)
    weights = {
        name: layer.weight.detach().numpy()
        for name, layer in floats[kind].network.linears().items()
    }
    codes = codes_of(network)
    for name, bits in WIDTHS[kind].items():
        assert float(weight_of(network.linears()[name])[1].detach()) == pytest.approx(
            optimal_weight_step(weights[name], bits), rel=1e-5
        )
        assert 2 ** (bits - 2) <= np.abs(codes[name]).max() <= 2 ** (bits - 1) - 1


@pytest.mark.parametrize("kind", MIXED)
def test_all_else_is_as_without(kind, floats):
    mixed, plain = quantised(floats[kind], MIXED[kind]), quantised(floats[kind])
    own = set(MIXED[kind])
    for name, codes in codes_of(plain).items():
        assert np.array_equal(codes, codes_of(mixed)[name]) == (name not in own)
    for name in (
        "weight_bits",
        "input_bits",
        "output_bits",
        "input_scale",
        "output_scale",
        "architecture",
    ):
        assert getattr(mixed.settings, name) == getattr(plain.settings, name)


@pytest.mark.parametrize("kind", MIXED)
def test_every_layer_at_the_common_width_is_the_network_without(kind, floats):
    named, plain = (
        quantised(floats[kind], dict.fromkeys(layers_of(kind), 4)),
        quantised(floats[kind]),
    )
    before, after = plain.state_dict(), named.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", MIXED)
def test_every_method_trains_at_these_widths_and_checkpoints_keep_them(
    kind, method, floats, tmp_path
):
    trained = train_quantised(
        floats[kind],
        STIMULI,
        MODEL,
        SHORT,
        (4, 4, 4),
        3,
        method=method,
        hardware=CHIP,
        layer_bits={**MIXED[kind], layers_of(kind)[1]: 1},
    )
    for name, bits in {**WIDTHS[kind], layers_of(kind)[1]: 1}.items():
        codes = codes_of(trained.network)[name]
        top = 2 ** (bits - 1) - 1
        assert set(np.unique(codes)) == {-1, 1} if bits == 1 else np.abs(codes).max() <= top
        moved = not torch.equal(
            trained.network.linears()[name].weight, floats[kind].network.linears()[name].weight
        )
        assert moved == (method != "post-training")
    trained.save(tmp_path / "network")
    loaded = load_network(tmp_path / "network").network
    assert loaded.settings == trained.network.settings
    assert loaded.settings.layer_bits == {**MIXED[kind], layers_of(kind)[1]: 1}
    assert all(
        np.array_equal(codes, codes_of(loaded)[name])
        for name, codes in codes_of(trained.network).items()
    )


REFUSED = [
    (
        "deep",
        {"hiden": 6},
        "unknown key 'layer_bits.hiden': no layer of a 'deep' network; did you mean 'hidden'?",
    ),
    (
        "deep",
        {"forward": 6},
        "unknown key 'layer_bits.forward': no layer of a 'deep' network; "
        "valid: hidden, log_sigma, readout",
    ),
    (
        "deep",
        {"weight": 6},
        "unknown key 'layer_bits.weight': no layer of a 'deep' network; "
        "valid: hidden, log_sigma, readout",
    ),
    (
        "recurrent",
        {"readut": 6},
        "unknown key 'layer_bits.readut': no layer of a 'recurrent' network; "
        "did you mean 'readout'?",
    ),
    (
        "single",
        {"hidden": 6},
        "'layer_bits.hidden' = 6: a 'single' network has one layer of weights, whose width is "
        "weight_bits",
    ),
    ("deep", {"readout": 0}, "'layer_bits.readout' = 0: should be greater than or equal to 1"),
    ("deep", {"readout": 9}, "'layer_bits.readout' = 9: should be less than or equal to 8"),
]


@pytest.mark.parametrize(("kind", "layer_bits", "message"), REFUSED)
def test_other_names_and_widths_are_refused(kind, layer_bits, message, floats):
    with pytest.raises(SettingError) as error:
        quantised(floats[kind], layer_bits)
    assert str(error.value) == message


def test_float_networks_and_learned_widths_have_none(floats):
    with pytest.raises(
        SettingError, match=r"'layer_bits' = .*: a float network, without .* has no widths"
    ):
        NetworkSettings(
            inputs=8,
            neurons=6,
            architecture=ArchitectureSettings(kind="deep"),
            layer_bits={"readout": 3},
        )
    with pytest.raises(SettingError, match="widths are given or learned"):
        quantised(floats["recurrent"], {"lateral": 3}, learned_bits=True)
