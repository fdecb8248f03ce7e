"""What a caller has set in torch moves no training: the same codes come out, and the settings
stay.
"""

import contextlib

import numpy as np
import pytest
import torch

import stochsim as ss


def codes() -> list[np.ndarray]:
    """Of a training, a quantised training and a chip; what the float network samples beside."""
    data = ss.load_dataset("digits", size=8, components=6, key=0)
    model = ss.LinearGaussian(neurons=4, noise_sd=0.5)
    full = ss.train(model, data.train, steps=4, key=0)
    quantised = full.quantise(bits=4, key=0, steps=4)
    chip = ss.Chip(ss.to_program(quantised), ss.load_hardware("digital-45nm", bits=4))
    x = data.held_out[:4]
    return [chip.sample(x, 50, key=0).codes, full.sample(x, 5, key=0).values]


@contextlib.contextmanager
def default_dtype(dtype):
    torch.set_default_dtype(dtype)
    try:
        yield
        assert torch.get_default_dtype() == dtype
    finally:
        torch.set_default_dtype(torch.float32)


@contextlib.contextmanager
def inference():
    with torch.inference_mode():
        yield
        assert torch.is_inference_mode_enabled()


SETTINGS = {
    "inference mode": inference,
    "no_grad": torch.no_grad,
    "float64": lambda: default_dtype(torch.float64),
    "bfloat16": lambda: default_dtype(torch.bfloat16),
    "autocast": lambda: torch.autocast("cpu"),
    "device": lambda: torch.device("meta"),
}


@pytest.fixture(scope="module")
def usual():
    return codes()


@pytest.mark.parametrize("setting", SETTINGS)
def test_training_gives_the_same_whatever_torch_is_set_to(usual, setting):
    with SETTINGS[setting]():
        found = codes()
    for there, here in zip(usual, found, strict=True):
        assert np.array_equal(there, here)
