"""The benchmarks of training: their other sides are the same networks as ours, and their gates see
what is wrong. Nothing is timed here.
"""

import argparse
import importlib
from pathlib import Path

import numpy as np
import pytest
import torch

from stochsim.networks.quantizers import quantise
from stochsim.training import TrainSettings

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"

# ---- speed


@pytest.fixture(scope="module")
def tiny_training():
    """The benchmark of training's speed, with 6 inputs and 5 neurons."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER))
        speed = importlib.import_module("training_speed")
        stimuli = np.random.default_rng(0).standard_normal((400, 6)).astype(np.float32)
        yield speed, speed.task_of(stimuli, neurons=5, steps=20)


@pytest.mark.parametrize("bits", [None, 4])
@pytest.mark.parametrize("kind", ["single", "deep"])
def test_the_other_side_of_training_is_the_same_network(kind, bits, tiny_training):
    """What Brevitas's own forward pass, or torch's, answers is what our network answers on average,
    before its noise and last quantiser.
    """
    speed, task = tiny_training
    network = task.floating(kind, 10).network
    if bits is not None:
        network = speed.quantised_from_float(
            network, task.stimuli, bits, bits, bits, torch.Generator().manual_seed(0)
        )
    plain = speed.Plain(network)
    with torch.no_grad():
        found = plain(task.stimuli)
        values = plain.read(task.stimuli)
        answers = found
        if kind == "single":
            answers = network.quantised(network.drive(task.stimuli))
        elif bits is None:
            answers = network.heads(task.stimuli)[0]
        else:
            hidden = quantise(network.hidden_quantizer, network.hidden(values))
            answers = network.quantised(network.readout(hidden))
    assert found.min() < found.max()
    torch.testing.assert_close(found, answers, rtol=1.3e-6, atol=0)


def test_the_other_side_of_a_circuit_runs_to_the_mean_of_ours(tiny_training):
    """Without the terms of its own that bend, 300 steps of the plain circuit end at the stationary
    mean in closed form.
    """
    speed, task = tiny_training
    network = task.floating("recurrent", 50).network
    with torch.no_grad(), speed.one_thread():
        network.shrink.zero_()
        plain = speed.Plain(network)
        plain.steps = 300
        mean = network.response(task.stimuli, None).mean
        torch.testing.assert_close(plain(task.stimuli), mean, atol=1e-4, rtol=1e-4)
        assert (mean - plain.layers["readout"](task.stimuli)).abs().max() > 0.1


@pytest.mark.parametrize("kind", ["single", "deep", "recurrent"])
def test_training_is_timed_and_plotted(kind, tiny_training, tmp_path):
    speed, task = tiny_training
    works = speed.works_of(task, kind, "cpu", 2, first_steps=10)
    assert list(works) == ["quantisation-aware", "Brevitas alone", "noise-aware", "torch alone"]
    assert all(np.isfinite(work()) for work in works.values())
    figures = speed.figures_of(kind, {way: np.array([0.5, 0.5]) for way in works})
    ratios = [figure for figure in figures if figure.unit == "×"]
    assert [(figure.value, figure.verdict) for figure in ratios] == [(1.0, "yes"), (1.0, "")] * 2
    speed.picture(figures, argparse.Namespace(out=tmp_path))
    assert (tmp_path / "training_speed.png").stat().st_size > 10_000


# ---- gates


@pytest.fixture(scope="module")
def tiny_gates():
    """The gates' module with 6 inputs and 6 neurons, its problem, and a trained single layer; other
    trainings take 600 steps.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER))
        gates = importlib.import_module("_gates")
        patch.setattr(gates, "INPUTS", 6)
        patch.setattr(gates, "NEURONS", 6)
        patch.setattr(gates, "MODEL", gates.MODEL.model_copy(update={"neurons": 6}))
        patch.setattr(gates, "TrainSettings", lambda steps=600: TrainSettings(steps=steps))
        task = gates.problem(0, 6, 2000)
        start = gates.train_network(task, 0.0, 0, steps=1000)
        yield gates, task, start


def test_covariances_of_the_optimum(tiny_gates):
    """No covariance nearby costs less: the gradient of the objective is 0 there, and the posterior
    is the optimum at rho = 0 only.
    """
    gates, task, _ = tiny_gates
    precision = task.model.precision
    for rho in (0.0, 1.0, 2.0):

        def price(covariance, rho=rho):
            values = np.linalg.eigvalsh(covariance)
            paid = (
                -0.5 * np.log(values).sum()
                if rho == 0
                else ((values ** (-rho / 2) - 1) / rho).sum()
            )
            return 0.5 * np.trace(precision @ covariance) + paid

        best = gates.optimal_covariance(precision, rho)
        for seed in range(20):
            off = np.random.default_rng(seed).standard_normal(best.shape)
            assert price(best + 1e-4 * (off + off.T)) > price(best)
    np.testing.assert_allclose(
        gates.optimal_covariance(precision, 0.0), np.linalg.inv(precision), atol=1e-12
    )


@pytest.mark.parametrize("rho", [0.0, 2.0])
def test_a_circuit_learns_the_covariance_and_a_single_layer_cannot(rho, tiny_gates):
    gates, task, start = tiny_gates
    circuit = gates.moment_errors(
        task, gates.train_architecture(task, "recurrent", rho, start, 0), True, 0
    )
    single = gates.moment_errors(task, start, False, 0)
    assert max(circuit.covariance_error, circuit.sampled_error) < 0.1
    assert circuit.right_signs == circuit.sampled_signs == 1
    assert single.right_signs == 0
    if rho == 0:
        gap = gates.factorised_gap(task.model.precision)
        assert gap <= single.kl < 1.1 * gap
        assert circuit.kl < 0.1 * gap
    else:
        assert circuit.posterior_error > 0.1  # the posterior itself is no optimum under this price


def test_wrong_signs_and_scales_are_seen(tiny_gates):
    gates, task, _ = tiny_gates
    covariance = np.linalg.inv(task.model.precision)
    flipped = 2 * np.diag(np.diag(covariance)) - covariance
    assert gates.right_signs(np.stack([covariance, flipped]), covariance) == 0.5
    assert gates.covariance_error(1.2 * covariance[None], covariance) == pytest.approx(0.2)


def test_figures_and_picture_of_gates(tiny_gates, tmp_path, load):
    gates, task, start = tiny_gates
    script = load("linear_gaussian_gates")
    found = gates.moment_errors(task, start, False, 0)
    measured = {"single": [found], "deep": [found], "recurrent": [found]}
    figures = script.depth_figures([task], measured) + script.kernel_figures([0], reads=2000)
    figures += [
        figure
        for kind in measured
        for figure in script.covariance_figures(kind, measured[kind], 0.0)
    ]
    verdicts = {figure.name: figure.verdict for figure in figures if figure.bar is not None}
    assert verdicts["multi-layer: |L off the single layer's| / its gap"] == "yes"
    assert (
        verdicts["recurrent, rho = 0: correlations of right sign"] == "no"
    )  # these are a single layer's
    script.correlation_picture(
        task, {"single": start, "deep": start}, argparse.Namespace(out=tmp_path)
    )
    assert (tmp_path / "linear_gaussian_correlations.png").stat().st_size > 10_000
