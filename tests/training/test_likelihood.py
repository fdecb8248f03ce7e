"""Reconstruction and activity against the NumPy densities of all three models, and their
gradients.
"""

import numpy as np
import pytest
import torch

from stochsim.models import (
    GaussianScaleMixture,
    LinearGaussian,
    SparseCoding,
    build_model,
)
from stochsim.training.likelihood import activity_cost, reconstruction

INPUTS, NEURONS = 5, 4
COMMON = {"neurons": NEURONS, "noise_sd": 0.6}
SETTINGS = [
    LinearGaussian(**COMMON),
    SparseCoding(laplace_scale=0.7, **COMMON),
    GaussianScaleMixture(**COMMON),
    GaussianScaleMixture(contrast_shape=1.0, contrast_rate=5.0, **COMMON),
]
IDS = ["linear_gaussian", "sparse_coding", "scale_mixture", "scale_mixture_1_5"]


def arrays(read_shape=()):
    random = np.random.default_rng(0)
    return (
        random.normal(size=(9, INPUTS)),
        random.normal(size=(*read_shape, 9, NEURONS)),
        random.normal(size=(INPUTS, NEURONS)),
    )


def tensors(values, dtype=torch.float64):
    return [torch.tensor(value, dtype=dtype) for value in values]


@pytest.mark.parametrize(
    ("dtype", "error"), [(torch.float32, 1e-5), (torch.float64, 1e-10)], ids=["float32", "float64"]
)
@pytest.mark.parametrize("settings", SETTINGS, ids=IDS)
@pytest.mark.parametrize("reads", [(), (3,)], ids=["stimulus", "read_and_stimulus"])
def test_both_are_minus_the_log_density(settings, dtype, error, reads):
    x, r, decoder = arrays(reads)
    model = build_model(settings, decoder)
    for scale in (
        1.0,
        0.0,
        1e-3,
        -1.0,
        30.0,
    ):  # of the responses: without signal, unlike the stimulus, far out
        tx, tr, ta = tensors((x, scale * r, decoder), dtype)
        found = reconstruction(tx, tr, ta, settings)
        assert found.shape == (*reads, 9)
        assert found.dtype == dtype
        np.testing.assert_allclose(
            -found.double().numpy(),
            model.log_likelihood(x, scale * r) - model.log_likelihood_constant,
            rtol=error,
        )
        np.testing.assert_allclose(
            activity_cost(tr, settings).double().numpy(), model.activity_cost(scale * r), rtol=error
        )
        cost = found + activity_cost(tr, settings)
        constants = model.log_likelihood_constant + model.log_prior_constant
        np.testing.assert_allclose(
            -cost.double().numpy(), model.log_joint(x, scale * r) - constants, rtol=error
        )


@pytest.mark.parametrize("settings", SETTINGS, ids=IDS)
def test_gradients(settings):
    leaves = [value.requires_grad_() for value in tensors(arrays((2,)))]
    assert torch.autograd.gradcheck(
        lambda x, r, decoder: reconstruction(x, r, decoder, settings), leaves
    )
    assert torch.autograd.gradcheck(lambda r: activity_cost(r, settings), leaves[1:2])


def test_float32_keeps_its_digits_where_the_stimulus_is_strong():
    """256 inputs at 100 times the noise: the exponents are a million nats, and only their
    differences count.
    """
    random = np.random.default_rng(1)
    settings = GaussianScaleMixture(neurons=50, noise_sd=0.1)
    decoder = random.normal(size=(256, 50))
    model = build_model(settings, decoder)
    x, r = model.sample(8, key=2)
    exact = reconstruction(*tensors((x, r, decoder)), settings)
    rounded = reconstruction(*tensors((x, r, decoder), torch.float32), settings)
    expected = model.log_likelihood(x, r) - model.log_likelihood_constant
    np.testing.assert_allclose(-exact.numpy(), expected, atol=1e-6)
    np.testing.assert_allclose(rounded.double().numpy(), exact.numpy(), rtol=1e-5)
    grads = []
    for dtype in (torch.float64, torch.float32):
        leaf = torch.tensor(r, dtype=dtype, requires_grad=True)
        reconstruction(
            torch.tensor(x, dtype=dtype), leaf, torch.tensor(decoder, dtype=dtype), settings
        ).sum().backward()
        grads.append(leaf.grad.double().numpy())
    assert np.abs(grads[1] - grads[0]).max() < 1e-4 * np.abs(grads[0]).max()


@pytest.mark.parametrize("settings", SETTINGS, ids=IDS)
def test_one_decoder_for_each_of_several_trainings(settings):
    random = np.random.default_rng(3)
    x, r, decoders = tensors(
        [
            random.normal(size=shape)
            for shape in ((2, 9, INPUTS), (2, 9, NEURONS), (2, INPUTS, NEURONS))
        ]
    )
    found = reconstruction(x, r, decoders, settings)
    for key in range(2):
        torch.testing.assert_close(
            found[key], reconstruction(x[key], r[key], decoders[key], settings), rtol=1e-7, atol=0
        )


def test_the_contrast_is_a_setting():
    """A stimulus of twice the decoded signal is better explained where the contrast is often about
    2.
    """
    _, r, decoder = arrays()
    x, r, decoder = tensors((2 * r @ decoder.T, r, decoder))
    usual, strong = (
        reconstruction(x, r, decoder, GaussianScaleMixture(contrast_shape=shape, **COMMON))
        for shape in (2.0, 4.0)
    )
    assert (strong < usual).all()
