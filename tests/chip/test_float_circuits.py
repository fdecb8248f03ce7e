"""Deep and recurrent float networks: against reference implementations in plain
Python, beside the chip that runs their quantised program, and in splits.
"""

import dataclasses
import math

import numpy as np
import pytest
from circuittest import normal, some_stimuli
from scipy import linalg
from stattest import assert_mean
from stochsim_kernels.reference.neuron_codes import random31

from stochsim.chip import Chip, FloatChip
from stochsim.hardware import preset
from stochsim.program import (
    FloatLayer,
    FloatRecurrent,
    Layer,
    Quantizer,
    float_deep,
    float_recurrent,
    with_log_sigma,
)
from stochsim.program import recurrent as recurrent_of

X = some_stimuli(3)


def deep():
    r = np.random.default_rng(1)
    hidden = (
        (r.normal(0, 0.5, (6, 7)), r.normal(0, 0.2, 6)),
        (r.normal(0, 0.5, (4, 6)), r.normal(0, 0.2, 4)),
    )
    readout = FloatLayer(r.normal(0, 0.7, (3, 4)), r.normal(0, 0.2, 3))
    log_sigma = FloatLayer(r.normal(0, 0.4, (3, 4)), np.full(3, -1.0))
    return float_deep(tuple(FloatLayer(*layer) for layer in hidden), log_sigma, readout)


def recurrent(steps=4, shrink=0.6):
    r = np.random.default_rng(2)
    forward = r.normal(0, 0.4, (3, 7))
    bias = r.normal(0, 0.2, 3)
    lateral = r.normal(0, 0.3, (3, 3))
    sigma = np.array([0.2, 0.3, 0.4])
    width = np.array([0.1, 0.5, 1.0])
    wiring = FloatRecurrent(0.25, np.full(3, shrink), width, sigma, steps)
    return float_recurrent(FloatLayer(forward, bias), lateral, wiring)


def deep_read(p, x, key, stimulus, read, noise):
    h = list(x)
    *hidden, log_sigma, readout = p.layers.values()
    for weight, bias in hidden:
        h = [
            max(-1.0, min(1.0, sum(w * v for w, v in zip(row, h, strict=True)) + b))
            for row, b in zip(weight, bias, strict=True)
        ]
    out = []
    for n in range(3):
        mean = sum(w * v for w, v in zip(readout.weight[n], h, strict=True)) + readout.bias[n]
        sigma = math.exp(
            log_sigma.bias[n] + sum(w * v for w, v in zip(log_sigma.weight[n], h, strict=True))
        )
        out.append(mean + noise * sigma * normal(random31(key, 0, 0, stimulus, read, n)))
    return out


def recurrent_read(p, x, key, stimulus, read, noise):
    readout, lateral = p.layers.values()
    own = p.wiring
    u = [0.0] * 3
    for t in range(own.steps):
        after = []
        for n in range(3):
            push = (
                sum(w * v for w, v in zip(readout.weight[n], x, strict=True))
                + readout.bias[n]
                + sum(w * v for w, v in zip(lateral.weight[n], u, strict=True))
            )
            push -= u[n] + own.shrink[n] * math.erf(u[n] / (math.sqrt(2) * own.width[n]))
            xi = normal(random31(key, 0, 2 * t, stimulus, read, n))
            after.append(u[n] + own.time_step * push + noise * own.sigma[n] * xi)
        u = after
    return u


@pytest.mark.parametrize(("build", "reference"), [(deep, deep_read), (recurrent, recurrent_read)])
def test_values_are_those_of_the_reference(build, reference):
    values = FloatChip(build(), 1.4).sample(X, 5, 2**64 - 3, first_stimulus=9, first_read=61).values
    expected = [
        [reference(build(), x, 2**64 - 3, 9 + s, 61 + r, 1.4) for r in range(5)]
        for s, x in enumerate(X)
    ]
    assert values.dtype == np.float32
    np.testing.assert_allclose(values, expected, rtol=0, atol=1e-6)
    assert (
        np.abs(
            values
            - FloatChip(build(), 1.0)
            .sample(X, 5, 2**64 - 3, first_stimulus=9, first_read=61)
            .values
        ).max()
        > 0.05
    )


@pytest.mark.parametrize("build", [deep, recurrent])
def test_splits_and_portions_change_nothing(build, monkeypatch):
    """Bit for bit, though float sums are made by matrix products."""
    chip = FloatChip(build())
    where = {"first_stimulus": 7, "first_read": 50}
    whole = chip.sample(X, 200, 3, **where).values
    assert whole.shape == (3, 200, 3)
    parts = [
        [
            chip.sample(X[a:b], d - c, 3, 7 + a, 50 + c).values
            for c, d in ((0, 1), (1, 77), (77, 200))
        ]
        for a, b in ((0, 1), (1, 3))
    ]
    assert np.array_equal(whole, np.concatenate([np.concatenate(row, axis=1) for row in parts]))
    for block in (1, 64 * 3, 300 * 3):
        monkeypatch.setattr("stochsim.chip.float_chip._STATES_AT_ONCE", block)
        assert np.array_equal(whole, chip.sample(X, 200, 3, **where).values)


def test_a_linear_network_has_the_stationary_covariance():
    """Without shrinkage; 40,000 chains; false-fail rate 1e-6, a time step larger by a tenth is the
    negative control.
    """
    program = recurrent(steps=60, shrink=0.0)
    wiring = dataclasses.replace(program.wiring, time_step=0.3)
    program = dataclasses.replace(program, wiring=wiring)
    lateral = program.layers["lateral"].weight
    values = FloatChip(program).sample(np.zeros((1, 7)), 40_000, 5).values[0].astype(float)
    values -= values.mean(axis=0)

    def predicted(alpha):
        return linalg.solve_discrete_lyapunov(
            (1 - alpha) * np.eye(3) + alpha * lateral, np.diag(wiring.sigma**2)
        )

    for i in range(3):
        assert_mean(values[:, i] ** 2, predicted(0.3)[i, i], 2e-7)
        with pytest.raises(AssertionError):
            assert_mean(values[:, i] ** 2, predicted(0.33)[i, i], 2e-7)


def test_the_chip_of_a_fine_deep_program_follows_the_float_one():
    """8 bits and large noise: the same key moves both alike."""
    fine = Quantizer(8, 1 / 127)
    r = np.random.default_rng(3)
    stimuli = Quantizer(8, 0.03)
    output = Quantizer(8, 0.05)

    def layer(inputs, neurons, reads, gives):
        codes = r.integers(-127, 128, (neurons, inputs)).astype(np.int8)
        return Layer(codes, 8, 0.004, reads, gives, r.normal(0, 0.1, neurons), np.zeros(neurons))

    hidden = layer(7, 6, stimuli, fine)
    log_sigma = layer(6, 3, fine, Quantizer(8, 0.01))
    last = layer(6, 3, fine, output)
    base = np.full(3, -0.4)
    program = with_log_sigma((hidden,), log_sigma, last, base)
    values = [
        one.weight_scale * one.weight_codes.astype(float) for one in (hidden, last, log_sigma)
    ]
    in_float = float_deep(
        (FloatLayer(values[0], hidden.bias),),
        FloatLayer(values[2], base + log_sigma.bias),
        FloatLayer(values[1], last.bias),
    )
    chip = Chip(program, preset("digital-45nm").with_precision(8, 8, 8))
    quantised = stimuli.values(stimuli.codes(X))
    found = chip.sample(X, 200, 7).values
    expected = FloatChip(in_float).sample(quantised, 200, 7).values
    assert np.abs(expected).max() < 6  # no output is clipped, at this key
    assert np.abs(found - expected).max() < 0.1
    assert np.abs(found - FloatChip(in_float).sample(quantised, 200, 5).values).max() > 1


def test_the_chip_of_a_fine_recurrent_program_follows_the_float_one():
    """8 bits, with the shrinkage in the table of a neuron's own code: the same key moves both alike
    for all steps.
    """
    r = np.random.default_rng(4)
    state = Quantizer(8, 0.03)
    stimuli = Quantizer(8, 0.03)
    neurons = 3
    alpha = 0.25
    weights = r.integers(-127, 128, (neurons, 7)).astype(np.int8)
    back = r.integers(-127, 128, (neurons, neurons)).astype(np.int8)
    sigma = np.array([0.2, 0.3, 0.25])
    bias = r.normal(0, 0.3, neurons)
    shrink = np.full(neurons, 0.5)
    width = np.full(neurons, 0.4)
    forward = Layer(weights, 8, alpha * 0.004, stimuli, state, alpha * bias, sigma)
    lateral = Layer(back, 8, alpha * 0.002, state, state, np.zeros(neurons), np.zeros(neurons))
    at = 0.03 * np.arange(-128, 128)[:, None]
    own = (1 - alpha) * at - alpha * shrink * np.vectorize(math.erf)(at / (math.sqrt(2) * width))
    program = recurrent_of(forward, lateral, own, 12, 0.9)
    wiring = FloatRecurrent(alpha, shrink, width, sigma, 12)
    readout = FloatLayer(0.004 * weights, bias)
    in_float = float_recurrent(readout, 0.002 * back.astype(float), wiring)
    quantised = stimuli.values(stimuli.codes(X))
    found = Chip(program, preset("digital-45nm").with_precision(8, 8, 8)).sample(X, 200, 4).values
    expected = FloatChip(in_float).sample(quantised, 200, 4).values
    assert np.abs(found - expected).max() < 0.1  # a few roundings of 0.015
    assert np.abs(found - FloatChip(in_float).sample(quantised, 200, 5).values).max() > 1
