"""The benchmarks compare like with like: both sides of a race give the same numbers without noise and the same spread with it.

Nothing is timed here. Statistical tests compare two samples by z-scores with a bound of 6: a false fail in 5e8 comparisons. With the sizes
below a standard deviation that is off by 5 % is found with certainty (z above 12), and one of the tests shows that it is.
"""

import argparse
import importlib
import os
import runpy
import sys
from pathlib import Path
from types import ModuleType

import numba
import numpy as np
import pytest
import torch

from stochsim.networks.quantizers import quantise
from stochsim.training import TrainSettings

FOLDER = Path(__file__).resolve().parent.parent / "benchmarks"
SCRIPTS = sorted(path.stem for path in FOLDER.glob("[!_]*.py"))


@pytest.fixture
def load(monkeypatch):
    """Import a module of the benchmarks by name, as the scripts themselves do."""
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_script_has_help(script, load, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [script, "--help"])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(FOLDER / f"{script}.py"), run_name="__main__")
    assert end.value.code == 0
    assert "--json" in capsys.readouterr().out


# ---- the same numbers without noise


def assert_same(race):
    ours, theirs = np.asarray(race.ours()), np.asarray(race.theirs())
    assert ours.min() < ours.max()
    np.testing.assert_array_equal(ours, theirs.reshape(ours.shape))


@pytest.mark.parametrize("each", [False, True])
@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_neurons_without_noise(bits, each, load):
    assert_same(load("_neuron_races").neuron_race(bits, sigma=0.0, each=each, shape=(3, 5, 20)))


def test_noisy_products_without_noise(load):
    races = load("_product_races")
    work = races.noisy_work(sigma_lsb=0.0, batch=7, inputs=96, neurons=33)
    expected = races.noisy_by_kernels(work)().copy()
    assert np.ptp(expected) > 50
    for way in (races.noisy_by_chip(work), races.noisy_by_torch(work), races.noisy_by_torch(work, lumped=True)):
        np.testing.assert_array_equal(way(), expected)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_products(bits, load):
    assert_same(load("_product_races").product_race(bits, (9, 70, 20)))


def test_saturating_products(load):
    race = load("_product_races").saturating_race(9, 200, 20, bits=16)
    assert_same(race)
    assert np.abs(race.ours()).max() >= 2**15 - 1  # some did saturate


def test_explicit_noise_of_zero(load):
    race = load("_product_races").explicit_race(0.0, 2, 3, 40)
    np.testing.assert_allclose(race.theirs(), race.ours(), atol=1e-4)  # float32 against float64


@pytest.mark.parametrize(("batch", "reads"), [(5, 1), (2, 32)])
def test_crossbars_without_noise(batch, reads, load):
    races = load("_crossbar_races")
    work = races.crossbar_work(batch, reads, 0.0, inputs=96, columns=20, rows=40)
    assert_same(races.crossbar_race("", work, 1.0))


# ---- the same spread with noise


def spread_z(ours, theirs, expected):
    """z of the difference of two mean squares around the same expectation."""
    squares = [(np.asarray(codes, np.float64).reshape(expected.shape) - expected).ravel() ** 2 for codes in (ours, theirs)]
    error = np.sqrt(sum(np.var(each) / each.size for each in squares))
    return (squares[0].mean() - squares[1].mean()) / error


def neuron_spread(load, sigma, torch_sigma):
    make = load("_neuron_races").neuron_race
    shape = (8, 256, 32)
    one, other, none = make(8, sigma, shape=shape), make(8, torch_sigma, shape=shape), make(8, 0.0, shape=shape)
    return spread_z(one.ours(), other.theirs(), none.ours().astype(np.float64))


def test_neurons_have_the_same_noise(load):
    assert abs(neuron_spread(load, 0.3, 0.3)) < 6


def test_another_noise_is_seen(load):
    assert abs(neuron_spread(load, 0.3, 0.3 * 1.05)) > 12


def test_noisy_products_have_the_same_noise(load):
    races = load("_product_races")
    work, quiet = (races.noisy_work(8.0 * on, 2.0 * on, batch=200, inputs=96, neurons=200) for on in (1, 0))
    expected = races.noisy_by_torch(quiet)().numpy().astype(np.float64)
    ours, chip = races.noisy_by_kernels(work)(), races.noisy_by_chip(work)()
    np.testing.assert_array_equal(ours, chip)  # the same random numbers too
    lumped, fresh = races.noisy_by_torch(work, lumped=True)(), races.noisy_by_torch(work)()
    assert abs(spread_z(ours, lumped, expected)) < 6
    squares = [np.mean((np.asarray(codes, np.float64) - expected) ** 2) for codes in (ours, fresh)]
    assert abs(squares[0] / squares[1] - 1) < 0.1  # one fresh matrix: few independent numbers


def test_crossbars_have_the_same_noise(load):
    races = load("_crossbar_races")
    noisy, quiet = (races.crossbar_race("", races.crossbar_work(2, 64, sigma, inputs=96, columns=40, rows=40), 1.0) for sigma in (1.0, 0.0))
    assert abs(spread_z(noisy.ours(), noisy.theirs(), quiet.ours().astype(np.float64))) < 6


def test_gibbs_samples_the_same_posterior(load):
    race = load("_crossbar_races").gibbs_race(stimuli=1, neurons=5, chains=4000, sweeps=30)
    ours, theirs = race.ours()[0], race.theirs().numpy().T
    for power in (1, 2):
        one, other = ours**power, theirs**power
        z = (one.mean(axis=0) - other.mean(axis=0)) / np.sqrt((one.var(axis=0) + other.var(axis=0)) / len(one))
        assert np.abs(z).max() < 6


# ---- first calls, memory, other simulators


def test_all_kernels_are_called(load):
    """In a process of its own, where no other test has called any; with the user's cache."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    found = load("_first_calls").in_new_process(cache, cold=False)
    assert len(found["calls_s"]) >= 10


def test_a_kernel_without_a_first_call_is_an_error(load, monkeypatch):
    calls, stranger = load("_first_calls"), ModuleType("stochsim_kernels.stranger")

    def forgotten(out):
        for i in numba.prange(out.size):
            out[i] = 0.0

    forgotten.__module__ = stranger.__name__
    stranger.forgotten = numba.njit(parallel=True)(forgotten)
    everything = calls.kernel_modules()
    monkeypatch.setattr(calls, "kernel_modules", lambda: [*everything, stranger])
    monkeypatch.setattr(calls, "first_calls", dict)
    with pytest.raises(RuntimeError, match=r"stranger\.forgotten"):
        calls.report(cold=False)


def test_peak_memory_counts_what_was_held_on_the_way(load):
    peak = load("_memory").peak_bytes(lambda: np.ones(2**24, np.uint8)[0])
    assert 0.9 * 2**24 < peak < 1.5 * 2**24


def test_a_simulator_that_fails_stops_nothing(load, monkeypatch, capsys):
    peers = load("_peers")

    def broken(work):
        raise OSError("no such tile")

    monkeypatch.setattr(peers, "PEERS", (("absent", "no_such_package", broken), ("broken", "json", broken)))
    assert list(peers.peer_races()) == []
    assert capsys.readouterr().out == "absent: not installed\nbroken: could not run: OSError: no such tile\n"


# ---- figures


def test_exponents_of_a_power_law(load):
    values = (1, 2, 5, 9)
    measured = np.array([[3.0 * value**k for value in values] for k in (0.5, 2.0)])
    np.testing.assert_allclose(load("scaling").exponents(values, measured), [0.5, 2.0])


def test_a_small_scaling(load, tmp_path):
    scaling, axes = load("scaling"), {"batch": (1, 2), "width": (4, 8), "reads": (1, 2), "bits": (1, 2)}
    measured = scaling.measure_all(axes, scaling.Size(batch=2, width=4, reads=2, bits=2), turns=1)
    figures = scaling.exponent_figures(axes, measured)
    assert len(figures) == 16
    assert all(np.isfinite([figure.low, figure.value, figure.high]).all() for figure in figures)
    scaling.picture(axes, measured, argparse.Namespace(out=tmp_path))
    assert (tmp_path / "scaling.png").stat().st_size > 10_000


def test_figures_and_picture_of_races(load, tmp_path):
    speed, kernel_speed = load("_speed"), load("kernel_speed")
    race = speed.Race("work", 10.0, "item", int, int, "theirs", 3.0, ("limit", 2.0))
    result = speed.Result(race, np.array([1.0, 1.0]), np.array([2.0, 2.0]))
    (ratio,), time, (share,) = result.ratio(), result.time(), result.share({"limit": 40.0})
    assert (ratio.value, ratio.verdict) == (2.0, "no")
    assert (time.value, time.unit) == (1e8, "ns")
    assert share.value == pytest.approx(50.0)  # 20 units a second of 40
    kernel_speed.picture([ratio, time, share], argparse.Namespace(out=tmp_path))
    assert (tmp_path / "kernel_speed.png").stat().st_size > 10_000


# ---- training


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
    """What Brevitas's own forward pass, or torch's, answers is what our network answers on average, before its noise and last quantiser."""
    speed, task = tiny_training
    network = task.floating(kind, 10).network
    if bits is not None:
        network = speed.quantised_from_float(network, task.stimuli, bits, bits, bits, torch.Generator().manual_seed(0))
    plain = speed.Plain(network)
    with torch.no_grad():
        found, values = plain(task.stimuli), plain.read(task.stimuli)
        answers = found
        if kind == "single":
            answers = network.quantised(network.drive(task.stimuli))
        elif bits is None:
            answers = network.heads(task.stimuli)[0]
        else:
            hidden = quantise(network.hidden_quantizer, network.hidden(values))
            answers = network.quantised(network.last(hidden))
    assert found.min() < found.max()
    torch.testing.assert_close(found, answers)


def test_the_other_side_of_a_circuit_runs_to_the_mean_of_ours(tiny_training):
    """Without the terms of its own that bend, 300 steps of the plain circuit end at the stationary mean in closed form."""
    speed, task = tiny_training
    network = task.floating("recurrent", 50).network
    with torch.no_grad(), speed.one_thread():
        network.shrink.zero_()
        plain = speed.Plain(network)
        plain.steps = 300
        mean = network.response(task.stimuli, None).mean
        torch.testing.assert_close(plain(task.stimuli), mean, atol=1e-4, rtol=1e-4)
        assert (mean - plain.layers["weight"](task.stimuli)).abs().max() > 0.1


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
    """The gates' module with 6 inputs and 6 neurons, its problem, and a trained single layer; other trainings take 600 steps."""
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
    """No covariance nearby costs less: the gradient of the objective is 0 there, and the posterior is the optimum at rho = 0 only."""
    gates, task, _ = tiny_gates
    precision = task.model.precision
    for rho in (0.0, 1.0, 2.0):

        def price(covariance, rho=rho):
            values = np.linalg.eigvalsh(covariance)
            paid = -0.5 * np.log(values).sum() if rho == 0 else ((values ** (-rho / 2) - 1) / rho).sum()
            return 0.5 * np.trace(precision @ covariance) + paid

        best = gates.optimal_covariance(precision, rho)
        for seed in range(20):
            off = np.random.default_rng(seed).standard_normal(best.shape)
            assert price(best + 1e-4 * (off + off.T)) > price(best)
    np.testing.assert_allclose(gates.optimal_covariance(precision, 0.0), np.linalg.inv(precision), atol=1e-12)


@pytest.mark.parametrize("rho", [0.0, 2.0])
def test_a_circuit_learns_the_covariance_and_a_single_layer_cannot(rho, tiny_gates):
    gates, task, start = tiny_gates
    circuit = gates.spread(task, gates.train_architecture(task, "recurrent", rho, start, 0), True, 0)
    single = gates.spread(task, start, False, 0)
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
    found = gates.spread(task, start, False, 0)
    measured = {"single": [found], "deep": [found], "recurrent": [found]}
    figures = script.depth_figures([task], measured) + script.kernel_figures([0], reads=2000)
    figures += [figure for kind in measured for figure in script.spread_figures(kind, measured[kind], 0.0)]
    verdicts = {figure.name: figure.verdict for figure in figures if figure.bar is not None}
    assert verdicts["multi-layer: |L off the single layer's| / its gap"] == "yes"
    assert verdicts["recurrent, rho = 0: correlations of right sign"] == "no"  # these are a single layer's
    script.correlation_picture(task, {"single": start, "deep": start}, argparse.Namespace(out=tmp_path))
    assert (tmp_path / "linear_gaussian_correlations.png").stat().st_size > 10_000
