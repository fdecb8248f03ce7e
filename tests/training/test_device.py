"""Devices: an unknown one is refused; a CUDA one, where there is one, trains what the processor
trains.
"""

import numpy as np
import pytest
import torch

from stochsim.models import GaussianScaleMixture, SparseCoding
from stochsim.networks import ArchitectureSettings, FeedForward, NetworkSettings
from stochsim.settings import SettingError
from stochsim.training import (
    TrainedNetwork,
    TrainResult,
    TrainSettings,
    train_float,
    train_quantised,
)
from stochsim.training.loop import checked_device

INPUTS, NEURONS = 8, 6
STIMULI = np.random.default_rng(0).standard_normal((200, INPUTS)).astype(np.float32)
MODEL = SparseCoding(neurons=NEURONS, noise_sd=0.5, laplace_scale=1.0)
CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device here")


def start():
    draws = torch.Generator().manual_seed(1)
    network = FeedForward(NetworkSettings(inputs=INPUTS, neurons=NEURONS), draws)
    return TrainedNetwork(
        network, 0.4 * torch.randn(INPUTS, NEURONS, generator=draws), 0.0, TrainResult({}, 0.0, 0.0)
    )


def on(device, kind, model, **more):
    """A float network after 20 steps on this device (whole, the deep one's twice as many included),
    and a quantised one from it.
    """
    settings = TrainSettings(steps=20, batch=64, device=device)
    trained = train_float(
        start(),
        STIMULI,
        model,
        settings,
        1.0,
        2,
        architecture=ArchitectureSettings(kind=kind),
        **more,
    )
    return trained, train_quantised(trained, STIMULI, model, settings, (8, 8, 8), 2)


@pytest.mark.parametrize("name", ["gpu", "cuda:99", "", "cpu:x"])
def test_an_unknown_device_is_refused(name):
    with pytest.raises(
        SettingError, match=rf"'device' = '{name}': not to be had here \(.+\); .*\bcpu\b"
    ):
        checked_device(name)
    with pytest.raises(SettingError, match="'device'"):
        train_float(start(), STIMULI, MODEL, TrainSettings(steps=1, device=name), 0.0, 2)


def test_the_processor_is_a_device():
    assert checked_device("cpu") == torch.device("cpu")
    trained, quantised = on("cpu", "single", MODEL)
    for one in (trained, quantised):
        assert all(
            value.device.type == "cpu"
            for value in [*one.network.state_dict().values(), one.decoder]
        )


@CUDA
@pytest.mark.parametrize("kind", ["single", "deep", "recurrent"])
def test_a_cuda_device_trains_what_the_processor_trains(kind):
    """The same draws; float networks and their terms agree to 1e-3, and they come back on the
    processor.
    """
    own, quantised = on("cpu", kind, MODEL)
    other, again = on("cuda", kind, MODEL)
    for one, two in ((own, other), (quantised, again)):
        for name, value in two.network.state_dict().items():
            assert value.device.type == "cpu"
            torch.testing.assert_close(value, one.network.state_dict()[name], rtol=1e-3, atol=1e-3)
        assert two.result.terms == pytest.approx(one.result.terms, rel=1e-3, abs=1e-3)


@CUDA
@pytest.mark.parametrize("kind", ["single", "recurrent"])
def test_contrast_models_and_own_decoders_train_on_cuda_too(kind):
    model = GaussianScaleMixture(neurons=NEURONS, noise_sd=0.5)
    here, _ = on("cpu", kind, model, learns_decoder=True)
    there, _ = on("cuda", kind, model, learns_decoder=True)
    torch.testing.assert_close(there.decoder, here.decoder, rtol=1e-3, atol=1e-3)
    assert there.result.terms == pytest.approx(here.result.terms, rel=1e-3, abs=1e-3)
