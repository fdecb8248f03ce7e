"""A training that diverges says where, and leaves the network of its last good check."""

import copy
import math
import re

import numpy as np
import pytest
import torch
from tinystudy import store_answers, study_of, work

from stochsim.models import LinearGaussian
from stochsim.networks import (
    ArchitectureSettings,
    FeedForward,
    NetworkSettings,
    build_network,
    quantised_from_float,
)
from stochsim.settings import StochsimError
from stochsim.training import (
    ReliabilityCost,
    TrainedNetwork,
    TrainingDiverged,
    TrainResult,
    TrainSettings,
    fit,
    learn_decoder,
    load_network,
    train_float,
    train_quantised,
)

INPUTS, NEURONS = 8, 6
MODEL = LinearGaussian(neurons=NEURONS, noise_sd=0.5)
STIMULI = np.random.default_rng(0).standard_normal((200, INPUTS)).astype(np.float32)
WILD = TrainSettings(steps=100, batch=32, learning_rate=1e6)
PLACE = (
    r"diverged at step \d+: '(reconstruction|activity|reliability|covariance)' .*; the "
    r"network "
    r"is as at step {}; try a smaller"
)


def generator(key=1):
    return torch.Generator().manual_seed(key)


def network(kind="single", bits=None):
    settings = NetworkSettings(inputs=INPUTS, neurons=NEURONS)
    one = FeedForward(settings, generator())
    if kind != "single":
        single = one
        one = build_network(
            settings.model_copy(update={"architecture": ArchitectureSettings(kind=kind)})
        )
        one.start_from(single)
    return (
        one
        if bits is None
        else quantised_from_float(one, torch.tensor(STIMULI), bits, bits, bits, generator())
    )


def decoder():
    return 0.4 * torch.randn(INPUTS, NEURONS, generator=generator(3))


def state(one):
    return copy.deepcopy(one.state_dict())


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("bits", [None, 4])
@pytest.mark.parametrize("kind", ["single", "deep", "recurrent"])
def test_a_stimulus_that_is_no_number(kind, bits):
    """Every batch has it; what the network was before the first step comes back, and the decoder
    too.
    """
    one = network(kind, bits)
    own = decoder()
    before = state(one)
    decoder_before = own.clone()
    stimuli = torch.full((50, INPUTS), float("nan"))
    with pytest.raises(TrainingDiverged, match=PLACE.format(0)) as caught:
        fit(
            one,
            stimuli,
            own,
            MODEL,
            TrainSettings(steps=50, batch=32),
            ReliabilityCost(0.0),
            1,
            learn_decoder=True,
        )
    assert caught.value.network is one
    assert not one.training
    assert same(state(one), before)
    assert torch.equal(caught.value.decoder, decoder_before)
    assert caught.value.step == 0


@pytest.mark.parametrize("bits", [None, 4])
def test_the_state_of_the_last_good_check_comes_back(bits):
    """Check after 50 steps; then the weights are broken, and the check after 100 finds it."""
    one = network(bits=bits)
    seen = {}

    def break_it(done, total):
        seen[done] = state(one)
        with torch.no_grad():
            one.readout.weight.fill_(math.inf)

    start = state(one)
    with pytest.raises(TrainingDiverged, match=PLACE.format(49)) as caught:
        fit(
            one,
            torch.tensor(STIMULI),
            decoder(),
            MODEL,
            TrainSettings(steps=100, batch=32),
            ReliabilityCost(0.0),
            1,
            progress=break_it,
        )
    assert "at step 99" in str(caught.value)
    assert set(seen) == {50}
    assert same(state(one), seen[50])
    assert not same(state(one), start)
    assert all(bool(torch.isfinite(value).all()) for value in state(one).values())


@pytest.mark.parametrize("kind", ["single", "deep", "recurrent"])
def test_a_learning_rate_that_is_too_large(kind):
    """By the door that studies use: the error carries what load_network would give back, ready to
    sample.
    """
    start = TrainedNetwork(network(), decoder(), 0.0, TrainResult({}, 0.0, 0.0))
    rho = 1.0
    architecture = ArchitectureSettings(kind=kind)
    with pytest.raises(TrainingDiverged, match=PLACE.format(r"\d+")) as caught:
        train_float(start, STIMULI, MODEL, WILD, rho, 2, architecture=architecture)
    kept = caught.value.trained
    assert kept.rho == rho
    assert kept.network.settings.architecture == architecture
    assert all(bool(torch.isfinite(value).all()) for value in kept.network.state_dict().values())
    assert torch.equal(kept.decoder, start.decoder)


def test_quantised_networks_and_decoders_diverge_likewise():
    start = TrainedNetwork(network(), decoder(), 0.0, TrainResult({}, 0.0, 0.0))
    for call in (
        lambda: train_quantised(
            start, STIMULI, MODEL, WILD.model_copy(update={"learning_rate": 1e12}), (4, 4, 4), 2
        ),
        lambda: learn_decoder(STIMULI, MODEL, WILD, 2),
    ):
        with pytest.raises(TrainingDiverged, match=PLACE.format(r"\d+")) as caught:
            call()
        assert all(
            bool(torch.isfinite(value).all())
            for value in caught.value.trained.network.state_dict().values()
        )
        assert bool(torch.isfinite(caught.value.trained.decoder).all())


def test_a_training_that_stays_finite_is_no_such_thing():
    result = fit(
        network(),
        torch.tensor(STIMULI),
        decoder(),
        MODEL,
        TrainSettings(steps=60, batch=32),
        ReliabilityCost(0.0),
        1,
    )
    assert all(math.isfinite(value) for value in result.terms.values())


def test_a_task_of_a_sweep_keeps_the_network_in_a_file(tmp_path):
    """The error of the task names it; nothing else is left beside it, and nothing is stored as the
    task's answer.
    """
    with pytest.raises(
        StochsimError,
        match=PLACE.format(r"\d+") + r" learning_rate; it is kept in .*diverged-\w+\.safetensors",
    ) as caught:
        store_answers(tmp_path / "run", study_of(train__learning_rate=1e6, train__steps=60), work)
    assert not isinstance(caught.value, TrainingDiverged)
    (path,) = (tmp_path / "run" / "artifacts").iterdir()
    assert re.search(re.escape(str(path)), str(caught.value))
    kept = load_network(path)
    assert kept.network.settings.is_float
    assert all(bool(torch.isfinite(value).all()) for value in kept.network.state_dict().values())
    assert kept.decoder.shape == (8, 8)
