"""The benchmarks compare like with like: both sides of a race give the same numbers without noise
and the same spread with it.

Nothing is timed here. Statistical tests compare two samples by z-scores with a bound of 6: a false
fail in 5e8 comparisons. With the sizes below a standard deviation that is off by 5 % is found with
certainty (z above 12), and one of the tests shows that it is.
"""

import argparse
import os
import runpy
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import peerstandins
import pytest
import torch
from stochsim_kernels import _jit, first_calls

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"
SCRIPTS = sorted(path.stem for path in FOLDER.glob("[!_]*.py"))


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
    for way in (
        races.noisy_by_chip(work),
        races.noisy_by_torch(work),
        races.noisy_by_torch(work, lumped=True),
    ):
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
    squares = [
        (np.asarray(codes, np.float64).reshape(expected.shape) - expected).ravel() ** 2
        for codes in (ours, theirs)
    ]
    error = np.sqrt(sum(np.var(each) / each.size for each in squares))
    return (squares[0].mean() - squares[1].mean()) / error


def neuron_spread(load, sigma, torch_sigma):
    make = load("_neuron_races").neuron_race
    shape = (8, 256, 32)
    one = make(8, sigma, shape=shape)
    other = make(8, torch_sigma, shape=shape)
    none = make(8, 0.0, shape=shape)
    return spread_z(one.ours(), other.theirs(), none.ours().astype(np.float64))


def test_neurons_have_the_same_noise(load):
    assert abs(neuron_spread(load, 0.3, 0.3)) < 6


def test_another_noise_is_seen(load):
    assert abs(neuron_spread(load, 0.3, 0.3 * 1.05)) > 12


def test_noisy_products_have_the_same_noise(load):
    races = load("_product_races")
    work, quiet = (
        races.noisy_work(8.0 * on, 2.0 * on, batch=200, inputs=96, neurons=200) for on in (1, 0)
    )
    expected = races.noisy_by_torch(quiet)().numpy().astype(np.float64)
    ours = races.noisy_by_kernels(work)()
    chip = races.noisy_by_chip(work)()
    np.testing.assert_array_equal(ours, chip)  # the same random numbers too
    lumped, fresh = races.noisy_by_torch(work, lumped=True)(), races.noisy_by_torch(work)()
    assert abs(spread_z(ours, lumped, expected)) < 6
    squares = [np.mean((np.asarray(codes, np.float64) - expected) ** 2) for codes in (ours, fresh)]
    assert abs(squares[0] / squares[1] - 1) < 0.1  # one fresh matrix: few independent numbers


def test_crossbars_have_the_same_noise(load):
    races = load("_crossbar_races")
    noisy, quiet = (
        races.crossbar_race(
            "", races.crossbar_work(2, 64, sigma, inputs=96, columns=40, rows=40), 1.0
        )
        for sigma in (1.0, 0.0)
    )
    assert abs(spread_z(noisy.ours(), noisy.theirs(), quiet.ours().astype(np.float64))) < 6


def test_gibbs_samples_the_same_posterior(load):
    race = load("_crossbar_races").gibbs_race(stimuli=1, neurons=5, chains=4000, sweeps=30)
    ours, theirs = race.ours()[0], race.theirs().numpy().T
    for power in (1, 2):
        one, other = ours**power, theirs**power
        z = (one.mean(axis=0) - other.mean(axis=0)) / np.sqrt(
            (one.var(axis=0) + other.var(axis=0)) / len(one)
        )
        assert np.abs(z).max() < 6


# ---- first calls, memory, other simulators


def test_all_kernels_are_called(load):
    """In a process of its own, where no other test has called any; with the user's cache."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    found = load("_first_calls").in_new_process(cache, cold=False)
    assert len(found["calls_s"]) >= 10


COMPILED = """
import numba
from numba.core import event
from stochsim_kernels import first_calls

with event.install_recorder("numba:compile") as recorder:
    for call in first_calls.first_calls().values():
        call()
    seen = len(recorder.buffer)
    numba.njit(lambda: 1)()
print(seen, len(recorder.buffer) > seen)
"""


def test_a_later_process_compiles_nothing():
    """With the user's cache, which the first of two processes fills; a function without a cache is
    seen to be compiled.
    """
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", COMPILED], capture_output=True, text=True, check=True
        )
    assert done.stdout.split() == ["0", "True"]


def test_a_kernel_without_a_first_call_is_an_error(load, monkeypatch):
    stranger = ModuleType("stochsim_kernels.stranger")

    def forgotten(out):
        out[0] = 0.0

    forgotten.__module__ = stranger.__name__
    stranger.forgotten = _jit.kernel(forgotten)
    everything = first_calls.kernel_modules()
    monkeypatch.setattr(first_calls, "kernel_modules", lambda: [*everything, stranger])
    monkeypatch.setattr(first_calls, "first_calls", dict)
    with pytest.raises(RuntimeError, match=r"stranger\.forgotten"):
        load("_first_calls").report(cold=False)


def test_peak_memory_counts_what_was_held_on_the_way(load):
    peak = load("_memory").peak_bytes(lambda: np.ones(2**24, np.uint8)[0])
    assert 0.9 * 2**24 < peak < 1.5 * 2**24


def test_a_simulator_that_fails_stops_nothing(load, monkeypatch, capsys):
    peers = load("_peers")

    def broken(work):
        raise OSError("no such tile")

    monkeypatch.setattr(
        peers, "PEERS", (("absent", "no_such_package", broken), ("broken", "json", broken))
    )
    assert list(peers.peer_races()) == []
    assert (
        capsys.readouterr().out
        == "absent: not installed\nbroken: could not run: OSError: no such tile\n"
    )


@pytest.mark.parametrize("weight_sigma", [0.0, 2.0])
def test_each_simulator_is_asked_as_its_interface_wants(load, monkeypatch, weight_sigma):
    """By stand-ins that refuse what the simulators refuse: both give the product itself."""
    peerstandins.install(monkeypatch)
    peers, races = load("_peers"), load("_product_races")
    work = races.noisy_work(weight_sigma)
    expected = work.x @ (work.w_codes / 127).T
    crosssim = np.asarray(peers.crosssim_way(work)()).T
    aihwkit = np.asarray(peers.aihwkit_way(work)())
    np.testing.assert_allclose(crosssim, expected, rtol=1e-9)
    np.testing.assert_allclose(aihwkit, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


# ---- figures


def test_exponents_of_a_power_law(load):
    values = (1, 2, 5, 9)
    measured = np.array([[3.0 * value**k for value in values] for k in (0.5, 2.0)])
    np.testing.assert_allclose(load("scaling").exponents(values, measured), [0.5, 2.0])


def test_a_small_scaling(load, tmp_path):
    scaling = load("scaling")
    axes = {"batch": (1, 2), "width": (4, 8), "reads": (1, 2), "bits": (1, 2)}
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
    (ratio,) = result.ratio()
    time = result.time()
    (share,) = result.share({"limit": 40.0})
    assert (ratio.value, ratio.verdict) == (2.0, "no")
    assert (time.value, time.unit) == (1e8, "ns")
    assert share.value == pytest.approx(50.0)  # 20 units a second of 40
    kernel_speed.picture([ratio, time, share], argparse.Namespace(out=tmp_path))
    assert (tmp_path / "kernel_speed.png").stat().st_size > 10_000


# ---- whole jobs


def test_the_array_job_makes_as_many_conversions_in_torch(load, monkeypatch):
    """Every conversion, and every code of a neuron after it, is rounded once."""
    jobs = load("_jobs")
    size = jobs.Size(batch=2, width=16, reads=6, cores=1)
    chip, (_, x) = jobs.chip_of("RRAM array", size), jobs.network(size)
    ours = chip.operations(x, size.reads).count("adc")
    rounded = []
    round_ = torch.Tensor.round_

    def counted(values):
        rounded.append(values.numel())
        return round_(values)

    theirs = jobs.in_torch("RRAM array")(size)
    monkeypatch.setattr(torch.Tensor, "round_", counted)
    theirs()
    neurons = size.width + jobs.CLASSES
    assert ours == sum(rounded) - size.batch * size.reads * neurons
    of_a_pair = (size.bits - 1) * size.bits
    assert ours == size.batch * size.reads * of_a_pair * (7 * size.width + jobs.CLASSES)


@pytest.mark.parametrize("job", ["reads, digital chip", "reads, RRAM array"])
def test_both_sides_of_a_job_allocate_what_they_return_within_the_call(job, load):
    """So that memory is measured of the same things."""
    jobs = load("_jobs")
    size = jobs.Size(batch=2, width=16, reads=6, cores=1)
    for way in (jobs.OURS, "torch in place"):
        work = jobs.JOBS[job][way](size)
        found = [result_of(work()) for _ in range(2)]
        assert not np.shares_memory(*found)


def result_of(found):
    """The array that a read job returns, or the first of them."""
    if isinstance(found, list):
        return found[0].numpy()
    return found.codes if hasattr(found, "codes") else found.numpy()


# ---- limits


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("way", ["matrix", "bits", "bytes", "float32"])
def test_a_products_limit_is_of_the_arithmetic_that_is_chosen(way, bits, load, monkeypatch):
    races = load("_product_races")
    monkeypatch.setattr(races.matmul, "arithmetic", lambda x, w, bound: way)
    name, units = races.product_race(bits, (9, 70, 20)).limit
    expected = {"bits": races.WORDS, "float32": races.FLOATS}.get(way, races.BYTES)
    assert name == expected
    if way == "bits":
        assert units == {1: 1, 2: 4, 4: 16, 8: 64}[bits] / 64


def test_the_limit_of_memory_is_that_of_three_arrays(load):
    name, units, work = load("_limits").memory_work(1000)
    assert "memory" in name
    assert units == 3 * 8 * 1000
    work()
    a, b, c = (cell.cell_contents for cell in work.__closure__)
    assert np.array_equal(a, b + 3.0 * c)
    assert load("_limits").STREAMED * 8 >= 2**28
