"""Checkpoints: what is written comes back, and a damaged file says so."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from stochsim.lowering import to_program
from stochsim.models import LinearGaussian
from stochsim.settings import StochsimError
from stochsim.training import (
    TrainSettings,
    learn_decoder,
    load_network,
    train_quantised,
)

MODEL = LinearGaussian(neurons=4, noise_sd=0.5)
STIMULI = np.random.default_rng(0).standard_normal((200, 5)).astype(np.float32)
SHORT = TrainSettings(steps=20, batch=32)


@pytest.fixture(scope="module")
def learned():
    return learn_decoder(STIMULI, MODEL, SHORT, 1)


@pytest.mark.parametrize("widths", [None, (1, 1, 1), (2, 3, 4), (8, 8, 8)])
def test_round_trip(tmp_path, learned, widths):
    trained = (
        learned if widths is None else train_quantised(learned, STIMULI, MODEL, SHORT, widths, 2)
    )
    path = tmp_path / "network.safetensors"
    trained.save(path)
    loaded = load_network(path)
    assert loaded.network.settings == trained.network.settings
    assert (loaded.rho, loaded.result.terms, loaded.result.saturated_share) == (
        trained.rho,
        trained.result.terms,
        trained.result.saturated_share,
    )
    assert torch.equal(loaded.decoder, trained.decoder)
    before, after = trained.network.state_dict(), loaded.network.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    if widths is not None:
        one, other = to_program(trained).readout, to_program(loaded).readout
        assert np.array_equal(one.weight_codes, other.weight_codes)
        assert (one.weight_scale, one.input, one.output) == (
            other.weight_scale,
            other.input,
            other.output,
        )
        assert np.array_equal(one.sigma, other.sigma)


def test_same_key_writes_the_same_bytes(tmp_path, learned):
    written = set()
    for trained in (
        learned,
        learn_decoder(STIMULI, MODEL, SHORT, 1),
        *[learned] * 8,
    ):  # several: an order left to chance would show
        trained.save(tmp_path / "network")
        written.add((tmp_path / "network").read_bytes())
    assert len(written) == 1


@pytest.mark.parametrize(
    "damage",
    [
        lambda b: b[: len(b) // 2],
        lambda b: b"",
        lambda b: b"x" * len(b),
        lambda b: b[:8] + b"?" + b[9:],
    ],
)
def test_damaged_file_is_named(tmp_path, learned, damage):
    path = tmp_path / "network.safetensors"
    learned.save(path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(StochsimError, match=r"network\.safetensors: not a readable file of arrays"):
        load_network(path)


def test_missing_and_foreign_files_are_named(tmp_path):
    with pytest.raises(StochsimError, match="absent"):
        load_network(tmp_path / "absent")
    save_file(
        {"a": torch.zeros(2)}, tmp_path / "foreign", metadata={"head": '{"format": "another"}'}
    )
    with pytest.raises(StochsimError, match="has format 'another': 'stochsim-network' is expected"):
        load_network(tmp_path / "foreign")
    save_file({"a": torch.zeros(2)}, tmp_path / "bare")
    with pytest.raises(StochsimError, match="has format None: 'stochsim-network' is expected"):
        load_network(tmp_path / "bare")
