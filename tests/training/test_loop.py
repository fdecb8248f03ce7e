"""The loop: same key, same network, whatever the threads; divergence is named; decoders stay or
move as asked.
"""

import numpy as np
import pytest
import torch

from stochsim.models import LinearGaussian, SparseCoding
from stochsim.settings import SettingError, StochsimError
from stochsim.training import TrainSettings, learn_decoder, train_float, train_quantised

MODEL = SparseCoding(neurons=6, noise_sd=0.5, laplace_scale=1.0)
STIMULI = np.random.default_rng(0).standard_normal((400, 5)).astype(np.float32)
SHORT = TrainSettings(steps=60, batch=32)


@pytest.fixture(scope="module")
def learned():
    return learn_decoder(STIMULI, MODEL, SHORT, 7)


def weights(trained):
    return {
        **{name: value.clone() for name, value in trained.network.state_dict().items()},
        "decoder": trained.decoder.clone(),
    }


def same(one, other):
    a, b = weights(one), weights(other)
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_same_key_same_decoder_and_another_key_another(learned):
    assert same(learned, learn_decoder(STIMULI, MODEL, SHORT, 7))
    assert not same(learned, learn_decoder(STIMULI, MODEL, SHORT, 8))


@pytest.mark.parametrize("threads", [1, 2])
def test_same_key_same_networks_whatever_the_threads(learned, threads):
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        float_net = train_float(learned, STIMULI, MODEL, SHORT, 1.0, 3)
        quantised = train_quantised(float_net, STIMULI, MODEL, SHORT, (2, 3, 4), 3)
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    one_thread = train_float(learned, STIMULI, MODEL, SHORT, 1.0, 3)
    assert same(float_net, one_thread)
    assert same(quantised, train_quantised(one_thread, STIMULI, MODEL, SHORT, (2, 3, 4), 3))


def test_training_draws_nothing_from_the_global_generators(learned):
    torch.manual_seed(5)
    numpy_before = np.random.get_state()[1].copy()  # noqa: NPY002 - the global state is watched
    before = torch.get_rng_state()
    train_quantised(learned, STIMULI, MODEL, TrainSettings(steps=2, batch=8), (4, 4, 4), 3)
    assert torch.equal(torch.get_rng_state(), before)
    assert np.array_equal(np.random.get_state()[1], numpy_before)  # noqa: NPY002


def test_loss_falls_and_the_terms_are_returned_apart(learned):
    long = train_float(learned, STIMULI, MODEL, TrainSettings(steps=400, batch=64), 0.0, 7)
    assert set(long.result.terms) == {"reconstruction", "activity", "reliability"}
    assert sum(long.result.terms.values()) < sum(learned.result.terms.values()) - 0.5
    assert long.result.seconds > 0


def test_shared_decoder_is_frozen_and_an_own_one_moves(learned):
    before = learned.decoder.clone()
    assert torch.equal(train_float(learned, STIMULI, MODEL, SHORT, 0.0, 3).decoder, before)
    given = (learned, STIMULI, MODEL, SHORT)
    moved = train_float(*given, 0.0, 3, learns_decoder=True)
    assert not torch.equal(moved.decoder, before)
    moved = train_quantised(*given, (4, 4, 4), 3, learns_decoder=True)
    assert not torch.equal(moved.decoder, before)
    assert torch.equal(learned.decoder, before)


def test_start_is_left_as_it_was(learned):
    before = weights(learned)
    train_float(learned, STIMULI, MODEL, SHORT, 0.0, 3)
    after = weights(learned)
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("widths", [None, (4, 4, 4)])
def test_divergence_names_the_step_and_the_term(learned, widths):
    wild = TrainSettings(steps=60, batch=32, learning_rate=1e6)
    train = {
        None: lambda: learn_decoder(STIMULI, MODEL, wild, 7),
        (4, 4, 4): lambda: train_quantised(learned, STIMULI, MODEL, wild, widths, 7),
    }
    with pytest.raises(
        StochsimError,
        match=r"diverged at step \d+: '(reconstruction|activity|reliability)' = -?(nan|inf)",
    ):
        train[widths]()


def test_negative_rho_is_refused(learned):
    with pytest.raises(SettingError, match="'rho' = -1"):
        train_float(learned, STIMULI, MODEL, SHORT, -1.0, 3)


@pytest.mark.parametrize("field", ["steps", "batch", "learning_rate", "c", "s"])
def test_settings_refuse_zero(field):
    with pytest.raises(SettingError, match=field):
        TrainSettings(**{field: 0 if field in ("steps", "batch") else 0.0})


def test_progress_reaches_the_end(learned):
    seen = []
    train_float(
        learned,
        STIMULI,
        MODEL,
        SHORT,
        0.0,
        3,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert seen == [(50, 60), (60, 60)]


def test_sigma_at_one_bit_stays_within_the_output_range(learned):
    """The codes clip, so at rho = 0 nothing else holds sigma back: it runs to its bound, and the
    share at the bound says so.
    """
    model = LinearGaussian(neurons=6, noise_sd=5.0)
    trained = train_quantised(
        learned,
        STIMULI,
        model,
        TrainSettings(steps=300, batch=32, learning_rate=0.05),
        (1, 1, 1),
        3,
    )
    _, highest = trained.network.sigma_bounds()
    assert trained.network.log_sigma.exp().max() <= highest * 1.0001
    assert trained.result.saturated_share > 0.5
