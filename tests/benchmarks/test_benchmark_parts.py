"""Parts of the benchmarks: the posterior rounded to a grid, the page of figures, learned widths
against uniform ones.
"""

import dataclasses
import itertools
from importlib import metadata
from types import SimpleNamespace

import numpy as np
import pytest
from madeanswers import BLIND, FULL, STIMULI, Made
from tinybenchmarks import tiny_table
from tinystudy import store_answers

from stochsim.keys import fold_in
from stochsim.models import LinearGaussian, SparseCoding, build_model
from stochsim.posterior import PosteriorDistance, unit_directions
from stochsim.studies import Study, open_run
from stochsim.studies.study import MeasureSettings

MEASURE = MeasureSettings(stimuli=8, reads=400, directions=6)
NEURONS = 4


# ---- the posterior on a grid


@pytest.fixture(scope="module")
def reference():
    """Of 8 stimuli under 4 neurons: Gaussian, its 10,000 draws independent."""
    random = np.random.default_rng(3)
    model = build_model(
        LinearGaussian(neurons=NEURONS, noise_sd=0.5), random.normal(0, 0.7, (5, NEURONS))
    )
    return model.reference(random.normal(0, 1.5, (8, 5)).astype(np.float32), 0)


@pytest.fixture
def stored(reference, tmp_path):
    """What _lattice reads of a run and a row: the measure's settings and the reference of one key's
    cell.
    """
    reference.save(tmp_path / "reference.safetensors")
    store = SimpleNamespace(
        row=lambda task: SimpleNamespace(artifact=tmp_path / f"{task}.safetensors")
    )
    results = SimpleNamespace(study=SimpleNamespace(measure=MEASURE), store=store)
    return results, SimpleNamespace(cells=[SimpleNamespace(reference="reference", key=2)])


def test_every_bit_brings_the_rounded_posterior_nearer(stored, load):
    distances = np.array(
        [load("_lattice").lattice_distances(*stored, bits) for bits in (1, 2, 3, 4, 8)]
    )
    assert distances.shape == (5, 1, 8)
    means = distances.mean(axis=(1, 2))
    assert (np.diff(means) < 0).all()
    assert means[0] > 0.4
    assert means[-1] < 0.05  # what is left of sampling error above the floor


def by_hand(reference, step, bits):
    """Mean D over stimuli of the third set of draws on this grid, by sorting line after line."""
    half = 2 ** (bits - 1)
    lines = np.vstack(
        [
            np.eye(NEURONS),
            unit_directions(MEASURE.directions, NEURONS, fold_in(2, "directions")),
        ]
    )
    first, second, draws = (
        reference.subset(which, MEASURE.reads).astype(float) for which in range(3)
    )
    grid = step * np.array([-1, 1]) if bits == 1 else step * np.arange(-half, half)
    on_grid = grid[np.abs(draws[..., None] - grid).argmin(axis=-1)]
    total = []
    for s in range(len(draws)):
        scaled = [
            (values[s] - reference.mean[s]) / reference.sd[s] @ lines.T
            for values in (first, second, on_grid)
        ]
        base, floor, found = (np.sort(values, axis=0) for values in scaled)
        excess = [((values - base) ** 2).mean(axis=0) for values in (found, floor)]
        parts = [
            max(0.0, excess[0][part].mean() - excess[1][part].mean())
            for part in (slice(NEURONS), slice(NEURONS, None))
        ]
        total.append(np.sqrt(np.mean(parts)))
    return float(np.mean(total))


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_the_distance_is_that_of_the_best_step(bits, stored, reference, load):
    """By hand at the same steps, then over more and farther ones: none is clearly better, and the
    best is well inside what was scanned.
    """
    lattice = load("_lattice")
    found = lattice.lattice_distances(*stored, bits).mean()
    widest = np.quantile(np.abs(reference.subset(2, MEASURE.reads)), 1 - 1e-5) / 2 ** (bits - 1)
    assert found == pytest.approx(
        min(by_hand(reference, share * widest, bits) for share in lattice._STEPS), rel=1e-4
    )
    shares = np.geomspace(0.02, 1.3, 60)
    scanned = np.array([by_hand(reference, share * widest, bits) for share in shares])
    assert found < 1.02 * scanned.min()
    assert lattice._STEPS[1] < shares[scanned.argmin()] < lattice._STEPS[-2]


def test_with_heavy_tails_few_bits_clip_most_of_what_is_far(stored, reference, tmp_path, load):
    """Cubes of Gaussian draws: the best step of 2 bits is far below the one that clips nothing, and
    it is found.
    """
    draws = reference.draws**3
    cubed = dataclasses.replace(
        reference,
        draws=draws,
        mean=draws.mean(axis=1, dtype=float),
        sd=draws.std(axis=1, dtype=float),
        covariance=np.stack([np.cov(one, rowvar=False, ddof=0, dtype=float) for one in draws]),
    )
    cubed.save(tmp_path / "reference.safetensors")
    widest = np.abs(cubed.subset(2, MEASURE.reads)).max() / 2
    scanned = {share: by_hand(cubed, share * widest, 2) for share in np.geomspace(0.01, 1, 60)}
    assert min(scanned, key=scanned.get) < 0.2
    assert load("_lattice").lattice_distances(*stored, 2).mean() == pytest.approx(
        min(scanned.values()), rel=0.02
    )


def test_no_other_rounding_to_the_grid_is_nearer_along_the_axes(reference, load):
    """Up or down by chance, or always down: the same grid, and at no stimulus nearer to the draws
    that are rounded.
    """
    draws = reference.subset(2, MEASURE.reads)
    to_posterior = PosteriorDistance(
        (draws, reference.subset(1, MEASURE.reads)), reference.mean, reference.sd, directions=1
    )
    for bits, step in ((2, 1.0), (3, 0.7), (4, 0.5)):
        half = 2 ** (bits - 1)
        chance = np.random.default_rng(bits).random(draws.shape)
        nearest = to_posterior.distance(load("_lattice")._rounded(draws, step, bits)).axes
        for shift in (chance, 0.0):
            other = to_posterior.distance(
                step * np.clip(np.floor(draws / step + shift), -half, half - 1)
            ).axes
            assert (nearest <= other + 1e-6).all()
            assert nearest.mean() < 0.98 * other.mean()


@pytest.mark.parametrize("bits", [1, 2])
def test_rounding_is_the_nearest_of_all_laws_on_the_grid(bits, load):
    """Of all ways to put 5 draws on the grid, by their squared Wasserstein-2 distance from the
    draws themselves.
    """
    draws = np.array([-1.9, -0.6, 0.1, 0.45, 2.2])
    step = 0.8
    grid = step * (np.array([-1, 1]) if bits == 1 else np.arange(-2, 2))
    least = min(
        ((np.sort(values) - draws) ** 2).mean()
        for values in itertools.product(grid, repeat=len(draws))
    )
    rounded = load("_lattice")._rounded(draws, step, bits)
    assert np.abs(rounded[:, None] - grid).min(axis=1).max() < 1e-6  # on the grid
    assert ((np.sort(rounded) - draws) ** 2).mean() == pytest.approx(least, rel=1e-6)


def test_survival_of_distances_is_measured_as_a_networks_is(tmp_path, load):
    """S is 1 at the D of the float network, 0 where the stimulus is ignored, and half way between
    them a half.
    """
    study = Study.from_table(
        tiny_table("emergence", architecture=["single"], rho=[0], control=[], keys=[0])
    )
    with open_run(store_answers(tmp_path / "run", study, Made())) as results:
        (row,) = results.summary
        for share in (0.0, 0.5, 1.0):
            distances = np.full((1, STIMULI), BLIND + share * (FULL - BLIND))
            assert load("_lattice").lattice_survival(
                results, row, distances
            ).estimate.value == pytest.approx(share)


# ---- the page


def test_the_page_is_a_table_under_its_command(load):
    bench = load("_bench")
    figures = [
        bench.Figure("a | b", 1.23456, 1.0, 2.0, "nat", bar=1.5),
        bench.Figure("time", 2.0, 1.0, 3.0, "s", "theirs", 2.5, "lower"),
    ]
    text = bench.markdown("name", "What is asked?\n", figures, bench.Options(True, None, None))
    lines = text.splitlines()
    assert lines[:3] == ["# name", "", "What is asked?"]
    assert lines[4].startswith("`python benchmarks/name.py --quick` on ")
    for package in ("stochsim", "torch", "brevitas", "numba", "numpy"):
        assert f"{package} {metadata.version(package)}" in lines[4]
    head, rule, *rows = lines[6:]
    assert {line.count("|") for line in (head, rule, *rows)} == {len(bench.HEADINGS) + 1}
    assert set(rule) == {"|", "-"}
    assert rows == [
        "| a / b | 1.235 | [1, 2] | nat |  | >= 1.5 | no |",
        "| time | 2 | [1, 3] | s | theirs | <= 2.5 | yes |",
    ]
    assert "--quick" not in bench.markdown("name", "", figures, bench.Options(False, None, None))


# ---- learned widths


def test_a_point_is_beaten_by_fewer_joules_and_clearly_less_distance(load):
    learned_bits = load("learned_bits")

    def point(joules, d):
        return learned_bits.Point((4, 4, 4), joules, np.array([d - 0.1, d + 0.1]), 0.0)

    uniform = [point(2.0, 0.5), point(4.0, 0.3)]
    kept = [point(1.9, 0.9), point(2.0, 0.505), point(3.9, 0.45), point(9.0, 0.305)]
    lost = [point(2.0, 0.52), point(4.0, 0.45), point(9.0, 0.32)]
    assert learned_bits.beaten([lost[0], *kept, *lost[1:]], uniform) == lost
    assert learned_bits.beaten(kept, uniform) == []


@pytest.mark.slow
def test_learned_bits_runs_and_buys_fewer_bits_where_joules_are_dear(load, monkeypatch, tmp_path):
    learned_bits, bench = load("learned_bits"), load("_bench")
    tiny = {
        "STEPS": 300,
        "STIMULI": 8,
        "READS": 100,
        "NATS_PER_JOULE": (1e8, 1e14),
        "UNIFORM": (2, 8),
    }
    for name, value in tiny.items():
        monkeypatch.setattr(learned_bits, name, value)
    monkeypatch.setattr(
        learned_bits, "MODEL", SparseCoding(neurons=6, noise_sd=0.5, laplace_scale=1.0)
    )
    figures = {
        figure.name: figure for figure in learned_bits.measure(bench.Options(True, None, tmp_path))
    }
    fall = figures["least fall of mean bits from one lambda to the next"]
    bought = [figure.value for name, figure in figures.items() if "mean bits (" in name]
    assert fall.value == pytest.approx(bought[0] - bought[1])
    assert (fall.value > 0, fall.bar, fall.verdict) == (True, 0, "yes")
    joules = [
        figures[f"lambda = {each} nat/J: joules per read"].value for each in ("1e+08", "1e+14")
    ]
    assert joules[1] < joules[0]
    assert (
        figures["uniform, 2 bits: joules per read"].value
        < figures["uniform, 8 bits: joules per read"].value
    )
    beaten = figures["learned points that uniform bits beat in D and joules"]
    assert (beaten.bar, beaten.better) == (0, "lower")
    assert (tmp_path / "learned_bits.png").stat().st_size > 10_000
