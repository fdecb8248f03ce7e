"""Methods of training for a chip: what each of them changes, needs and refuses, and the price they
face.
"""

import math

import numpy as np
import pytest
import torch

import stochsim as ss
from stochsim.hardware import Noise, Reliability, preset
from stochsim.lowering import to_program
from stochsim.models import LinearGaussian
from stochsim.networks import ArchitectureSettings, HardwareNoise, quantised_from_float
from stochsim.networks.quantizers import quantised_weight
from stochsim.settings import SettingError
from stochsim.training import (
    TrainSettings,
    learn_decoder,
    load_network,
    train_float,
    train_quantised,
)
from stochsim.training.loop import torch_generator

INPUTS, NEURONS = 8, 6
MODEL = LinearGaussian(neurons=NEURONS, noise_sd=0.5)
STIMULI = np.random.default_rng(0).standard_normal((300, INPUTS)).astype(np.float32)
SHORT = TrainSettings(steps=20, batch=32)
HARDWARE = preset("digital-45nm")
METHODS = ["post-training", "quantisation-aware", "noise-aware"]
KINDS = ["single", "deep", "recurrent"]


@pytest.fixture(scope="module")
def starts():
    """A float network of each architecture, of one decoder."""
    decoder = learn_decoder(
        STIMULI, MODEL, TrainSettings(steps=100, batch=64, learning_rate=0.05), 1
    )
    return {
        kind: train_float(
            decoder,
            STIMULI,
            MODEL,
            SHORT,
            0.0,
            1,
            architecture=ArchitectureSettings(kind=kind, **more),
        )
        for kind, more in (
            ("single", {}),
            ("deep", {"hidden_per_neuron": 2}),
            ("recurrent", {"steps": 5}),
        )
    }


def state(network):
    return {name: value.clone() for name, value in network.state_dict().items()}


def moved(one, other):
    a, b = one.state_dict(), other.state_dict()
    return {name for name in a if not torch.equal(a[name], b[name])}


@pytest.mark.parametrize("kind", KINDS)
def test_scales_of_neurons(starts, kind, tmp_path):
    """They start with less error than one for all, are learned, and go to program and file; noise
    of weights in steps is that of each neuron's.
    """
    start, more = starts[kind], {"method": "post-training"}
    settings = SHORT.model_copy(update={"weight_scales": "per-channel"})
    one = train_quantised(start, STIMULI, MODEL, SHORT, (3, 8, 8), 2, **more)
    each = train_quantised(start, STIMULI, MODEL, settings, (3, 8, 8), 2, **more)
    learned = train_quantised(start, STIMULI, MODEL, settings, (3, 8, 8), 2)
    learned.save(tmp_path / "net")
    again = to_program(load_network(tmp_path / "net"))
    for name, layer in start.network.linears().items():
        errors = []
        for found in (one, each):
            weight, step = quantised_weight(found.network.linears()[name])
            errors.append(float((weight - layer.weight).detach().square().sum()))
        assert step.shape == (len(layer.weight),)
        assert errors[1] < (0.95 if kind == "single" else 1.02) * errors[0]
        moved_by = quantised_weight(learned.network.linears()[name])[1] / step
        assert (moved_by.detach() - 1).abs().min() > 1e-6
        own = to_program(each).layers[name].weight_scale
        assert own == pytest.approx(step.detach().double().numpy(), rel=1e-6)
        learned_scale = to_program(learned).layers[name].weight_scale
        assert np.array_equal(again.layers[name].weight_scale, learned_scale)
    noise = HardwareNoise(weight_sigma_lsb=0.5)
    found = noise.weight_variance(torch.tensor([0.1, 0.2]), torch.tensor([[1.0, 2.0]]))
    assert found.numpy() == pytest.approx(0.25 * 5 * np.array([[0.01, 0.04]]), rel=1e-6)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scales", ["per-tensor", "per-channel"])
def test_damping_holds_weights_at_their_codes(starts, kind, scales):
    """The sum of squared steps is that of the definition; with damping it ends smaller; signs have
    none.
    """
    one = SHORT.model_copy(update={"weight_scales": scales, "steps": 120, "learning_rate": 0.05})
    held = one.model_copy(update={"weight_damping": 1.0})
    free, damped = (
        train_quantised(starts[kind], STIMULI, MODEL, settings, (3, 8, 8), 2)
        for settings in (one, held)
    )
    expected = 0.0
    for layer in free.network.linears().values():
        values, step = quantised_weight(layer)
        off = (layer.weight - values) / (step[:, None] if step.ndim else step)
        expected += float(off.detach().square().sum())
    assert free.network.squared_steps_to_codes().item() == pytest.approx(expected, rel=1e-5)
    assert damped.network.squared_steps_to_codes().item() < 0.5 * expected
    assert "damping" not in free.result.terms
    assert 0 < damped.result.terms["damping"] < 0.5 * expected
    signs = train_quantised(starts[kind], STIMULI, MODEL, held, (1, 8, 8), 2)
    assert signs.result.terms["damping"] == 0


def test_damping_is_no_matter_of_float_networks():
    more = {"steps": 10, "key": 0}
    plain = ss.train(MODEL, STIMULI, **more)
    damped = ss.train(MODEL, STIMULI, weight_damping=1.0, **more)
    assert not moved(plain.network, damped.network)
    with pytest.raises(SettingError, match=r"weight_damping.*rounds alone"):
        plain.quantise(4, 0, method="post-training", weight_damping=0.1)
    for wrong in (0.0, -1.0, float("nan")):
        with pytest.raises(SettingError, match="weight_damping"):
            TrainSettings(weight_damping=wrong)


def test_scales_of_neurons_where_there_are_none(starts):
    settings = SHORT.model_copy(update={"weight_scales": "per-channel"})
    signs = train_quantised(
        starts["single"], STIMULI, MODEL, settings, (1, 4, 4), 2, method="post-training"
    )
    assert isinstance(to_program(signs).first.weight_scale, float)
    with pytest.raises(SettingError, match=r"weight_scales.*per-tensor"):
        TrainSettings(weight_scales="per-neuron")


@pytest.mark.parametrize("kind", KINDS)
def test_post_training_rounds_and_that_is_all(starts, kind):
    """Weights are the float ones; the network is what rounding gives, whatever the steps; its terms
    are measured all the same.
    """
    start = starts[kind]
    before = state(start.network)
    found = train_quantised(start, STIMULI, MODEL, SHORT, (3, 4, 5), 2, method="post-training")
    own = start.network.linears()
    for name, layer in found.network.linears().items():
        assert torch.equal(layer.weight, own[name].weight)
    fit = quantised_from_float(
        start.network, torch.tensor(STIMULI), 3, 4, 5, torch_generator(2, "fit")
    )
    assert moved(found.network, fit) == set()
    assert all(
        torch.equal(before[name], value) for name, value in start.network.state_dict().items()
    )
    assert torch.equal(found.decoder, start.decoder)
    assert found.decoder is not start.decoder
    assert (found.result.steps, found.result.method) == (0, "post-training")
    assert set(found.result.terms) == {"reconstruction", "activity", "reliability"}
    assert all(math.isfinite(value) for value in found.result.terms.values())


@pytest.mark.parametrize("method", METHODS[1:])
@pytest.mark.parametrize("kind", KINDS)
def test_the_others_train_on_from_there(starts, kind, method):
    hardware = HARDWARE.replace(
        noise=Noise(read_sigma=0.1, weight_sigma=0.02, input_dither="stochastic")
    )
    found = train_quantised(
        starts[kind], STIMULI, MODEL, SHORT, (3, 4, 5), 2, method=method, hardware=hardware
    )
    fit = quantised_from_float(
        starts[kind].network,
        torch.tensor(STIMULI),
        3,
        4,
        5,
        torch_generator(2, "fit"),
        by_posterior="noise" in method,
    )
    weights = {
        f"{name}.weight"
        for name, layer in found.network.named_modules()
        if layer in found.network.linears().values()
    }
    assert len(weights) == len(found.network.linears())
    assert weights <= moved(found.network, fit)
    assert found.result.method == method
    assert found.result.steps > 0
    assert torch.equal(found.decoder, starts[kind].decoder)
    scale = {name for name in moved(found.network, fit) if name.startswith("output_quantizer")}
    assert scale == (set() if method == "noise-aware" or kind == "recurrent" else scale)
    assert all(bool(torch.isfinite(value).all()) for value in found.network.state_dict().values())


def test_noise_aware_training_needs_a_hardware(starts):
    with pytest.raises(SettingError, match="'method' = 'noise-aware': needs the Hardware"):
        train_quantised(starts["single"], STIMULI, MODEL, SHORT, (4, 4, 4), 2, method="noise-aware")


@pytest.mark.parametrize(
    ("method", "nearest"),
    [
        ("noise-awake", "noise-aware"),
        ("post-train", "post-training"),
        ("qat", "quantisation-aware"),
    ],
)
def test_unknown_methods_are_refused(starts, method, nearest):
    with pytest.raises(SettingError, match=f"'method' = '{method}'.*{nearest}"):
        train_quantised(starts["single"], STIMULI, MODEL, SHORT, (4, 4, 4), 2, method=method)


def test_nats_per_joule_needs_a_hardware(starts):
    priced = SHORT.model_copy(update={"nats_per_joule": 1e12})
    for call in (
        lambda: train_quantised(starts["single"], STIMULI, MODEL, priced, (4, 4, 4), 2),
        lambda: train_float(starts["single"], STIMULI, MODEL, priced, 0.0, 2),
    ):
        said = "'nats_per_joule' = 1000000000000.0: needs a Hardware"
        with pytest.raises(SettingError, match=said):
            call()


@pytest.mark.parametrize(
    ("rho", "law"),
    [
        (0.0, {"e_bit_j": 3e-13}),
        (0.5, {"e0_j": 2e-13}),
        (1.0, {"e0_j": 2e-13}),
        (2.0, {"e0_j": 5e-14}),
    ],
)
def test_nats_per_joule_makes_the_price_that_training_faces(starts, rho, law):
    """c = lambda e0 rho, or lambda e_bit / ln 2 at rho = 0; s is the chip's.

    The float network and every method alike.
    """
    rate = 4e12
    hardware = HARDWARE.replace(reliability=Reliability(s=0.7, **law))
    settings = SHORT.model_copy(update={"nats_per_joule": rate})
    expected = rate * law["e0_j"] * rho if rho else rate * law["e_bit_j"] / math.log(2)
    start = train_float(starts["single"], STIMULI, MODEL, settings, rho, 2, hardware=hardware)
    made = [
        train_quantised(start, STIMULI, MODEL, settings, (4, 4, 4), 2, method=m, hardware=hardware)
        for m in METHODS
    ]
    for one in (start, *made):
        assert one.result.c == pytest.approx(expected)
        assert (one.result.s, one.result.nats_per_joule, one.rho) == (0.7, rate, rho)
    sigma = made[0].network.log_sigma.detach().exp().numpy().astype(float)
    ratio = 0.7 / sigma
    cost = expected * np.sum(np.log(ratio) if rho == 0 else (ratio**rho - 1) / rho)
    assert made[0].result.terms["reliability"] == pytest.approx(cost, rel=1e-4)


@pytest.mark.parametrize(
    "settings", [{"c": 2.0, "nats_per_joule": 1e12}, {"s": 2.0, "nats_per_joule": 1e12}]
)
def test_a_price_is_given_once(settings):
    with pytest.raises(SettingError, match=r"and 'nats_per_joule' = .*: not both"):
        TrainSettings(**settings)


def test_a_network_buys_less_noise_where_the_chip_adds_its_own(starts):
    """The price is on all noise before the quantiser, so its sd ends where it would: that of the
    posterior. A network that is not told ends with the same sigma on any chip, and with more noise
    than it should have.
    """
    settings = TrainSettings(steps=400, batch=64, learning_rate=0.05)
    start = train_float(starts["single"], STIMULI, MODEL, settings, 0.0, 3)
    posterior = 1 / np.sqrt(
        np.diag(start.decoder_array.T @ start.decoder_array / 0.25 + np.eye(NEURONS))
    )
    added = 0.7 * float(posterior.min())
    sigmas = {}
    for method, read_sigma in (
        ("noise-aware", 0.0),
        ("noise-aware", added),
        ("quantisation-aware", 0.0),
        ("quantisation-aware", added),
    ):
        hardware = HARDWARE.replace(noise=Noise(read_sigma=read_sigma))
        found = train_quantised(
            start, STIMULI, MODEL, settings, (8, 8, 8), 3, method=method, hardware=hardware
        )
        sigmas[method, read_sigma] = found.network.log_sigma.detach().exp().numpy().astype(float)
    quiet, noisy = sigmas["noise-aware", 0.0], sigmas["noise-aware", added]
    assert (noisy < 0.9 * quiet).all()
    np.testing.assert_allclose(np.hypot(noisy, added), quiet, rtol=0.05)
    np.testing.assert_allclose(quiet, posterior, rtol=0.05)
    assert np.array_equal(sigmas["quantisation-aware", 0.0], sigmas["quantisation-aware", added])
    assert (np.hypot(sigmas["quantisation-aware", added], added) > 1.1 * posterior).all()
