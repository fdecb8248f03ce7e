"""Figures of the benchmarks on studies: made-up results reach their bars, or miss them as they
should.

What is made up is exact, so what is read out of it is known beforehand; no assertion here is
statistical.
"""

from contextlib import ExitStack
from types import SimpleNamespace

import madeanswers
import numpy as np
import pytest
from madeanswers import BLIND, STIMULI, Made
from safetensors.numpy import save_file
from tinybenchmarks import (
    KINDS,
    LOWER,
    WORDS,
    kind_of,
    tiny_table,
    use_made_answers,
    use_tiny_study,
)
from tinystudy import store_answers

from stochsim.posterior import Estimate
from stochsim.studies import Study, open_run


class Ranked:
    """Answers of architectures by their place in `order`: the later, the smaller D, the better log
    sd and coverage. Rho adds to D.
    """

    D = (0.6, 0.4, 0.2)
    COVERAGE = (0.5, 0.7, 0.88)

    def __init__(self, order=KINDS, rise=lambda rho: 0.1 * rho):
        self.order = order
        self.rise = rise

    def __call__(self, task, needs, folder):
        place = self.order.index(kind_of(task.label))
        made = Made(full_of=lambda rho: self.D[place] + self.rise(rho))
        result, artifact = made(task, needs, folder)
        if task.kind == "float_samples":
            result["measures"]["coverage_90"] = [self.COVERAGE[place]] * STIMULI
            arrays = madeanswers.pictures(task.label)
            save_file(arrays | ({"sd": arrays["reference_sd"]} if place else {}), artifact)
        return result, artifact


@pytest.fixture
def made_results(tmp_path):
    """made_results(answer, name, field of the grid = value, ...): the results of a tiny study that
    `answer` answered.
    """
    with ExitStack() as stack:

        def make(answer, name, **grid):
            table = tiny_table(name, **({"keys": [0]} | grid))
            return stack.enter_context(
                open_run(store_answers(tmp_path / "made", Study.from_table(table), answer))
            )

        yield make


def by_name(figures):
    return {figure.name: figure for figure in figures}


ORDER_BARS = (
    f"D single-layer less multi-layer, paired{LOWER}",
    f"D multi-layer less recurrent, paired{LOWER}",
    "recurrent: correlation of log sd",
    "recurrent: 90 % coverage off",
)


@pytest.mark.parametrize(("order", "reached"), [(KINDS, "yes"), (KINDS[::-1], "no")])
def test_the_order_of_architectures_is_seen(order, reached, made_results, load):
    results = made_results(Ranked(order), "emergence", rho=[0], control=[])
    found = by_name(load("emergence").order_figures(results))
    assert [found[name].verdict for name in ORDER_BARS] == [reached] * len(ORDER_BARS)
    assert found["multi-layer: correlation of log sd"].verdict == "yes"
    assert found["multi-layer: D"].value == pytest.approx(0.4)
    assert found["recurrent: 90 % coverage off"].value == pytest.approx(
        0.02 if reached == "yes" else 0.4
    )
    better, worse = (Ranked.D[order.index(kind)] for kind in ("deep", "single"))
    paired = found[ORDER_BARS[0]]
    assert paired.value == paired.low < worse - better < paired.high


@pytest.mark.parametrize(("third", "reached"), [(0.16, "yes"), (0.08, "no")])
def test_the_least_rise_along_rho_is_taken(third, reached, made_results, load):
    answer = Ranked(rise={0: 0.0, 1: 0.1, 2: third}.get)
    found = by_name(
        load("emergence").price_figures(
            made_results(answer, "emergence", rho=[0, 1, 2], control=[])
        )
    )
    least = found[f"recurrent: least rise of D from one rho to the next{LOWER}"]
    assert least.verdict == reached
    assert least.low < third - 0.1 < least.high
    assert found["recurrent, rho = 2: D"].value == pytest.approx(0.2 + third)


def test_controls_are_compared_with_their_own_network(made_results, load):
    found = by_name(
        load("emergence").control_figures(
            made_results(Ranked(), "emergence", rho=[0, 1], control=["no-noise", "vae"])
        )
    )
    assert len(found) == 2 * 3 + 1
    assert found[
        "control no-noise, recurrent: D above the network's, paired"
    ].value == pytest.approx(0.9 - 0.2)
    assert found["control vae: D"].value == pytest.approx(0.9)


def test_emergence_in_full_has_decoders_of_their_own_too(load, monkeypatch, tmp_path):
    use_tiny_study(
        load("_studies"),
        monkeypatch,
        tmp_path,
        "emergence",
        rho=[0, 1],
        control=["no-noise"],
        keys=[0],
    )
    use_made_answers(load("_studies"), monkeypatch, Ranked())
    found = by_name(load("emergence").measure(SimpleNamespace(quick=False, out=None)))
    assert {
        f"own decoder, {word}: {what}" for word in WORDS.values() for what in ("D", "ELBO")
    } < set(found)
    assert found["own decoder, multi-layer: D"].value == pytest.approx(0.4)
    assert {path.name for path in (tmp_path / "runs").glob("*/")} >= {"emergence", "emergence_own"}
    own = Study.read(tmp_path / "runs" / "emergence_own.toml")
    assert (own.train.decoder, own.grid.control, own.grid.rho) == ("own", (), (0,))


def test_how_far_a_coverage_is_off(load):
    off = load("emergence")._off
    near, far = off(Estimate(0.93, 0.88, 0.95), 0.9), off(Estimate(0.8, 0.7, 0.85), 0.9)
    assert (near.value, near.low, near.high) == pytest.approx((0.03, 0, 0.05))
    assert (far.value, far.low, far.high) == pytest.approx((0.1, 0.05, 0.2))


@pytest.mark.parametrize(("bar", "verdict"), [(0.5, "yes"), (1.5, "no")])
def test_a_lower_end_is_what_has_to_reach_the_bar(bar, verdict, load):
    found = load("_studies").lower_end("gain", Estimate(2.0, 1.0, 3.0), bar)
    assert (found.name, found.value, found.low, found.high, found.verdict) == (
        f"gain{LOWER}",
        1,
        1,
        3,
        verdict,
    )


# ---- survival, made up


class Methods:
    """S 0.95 trained for noise, 0.8 trained, 0.5 rounded, all less 0.4 at 2 bits; of `blind`
    architectures n/a.
    """

    S = {"noise-aware": 0.95, "quantisation-aware": 0.8, "post-training": 0.5}  # noqa: RUF012

    def __init__(self, blind=()):
        self.blind = blind

    def __call__(self, task, needs, folder):
        method = next((name for name in self.S if name in task.label), "noise-aware")
        made = Made(
            s_of=lambda widths, noise, rho, key: self.S[method] - (0.4 if widths[0] == 2 else 0)
        )
        made.full_of = lambda rho: BLIND if kind_of(task.label) in self.blind else 0.2 + 0.1 * rho
        return made(task, needs, folder)


@pytest.fixture
def flat_lattice(load, monkeypatch):
    """Let the posterior rounded to any grid have D of 0.35: S = 0.9."""
    script = load("posterior_survival")
    monkeypatch.setattr(
        script,
        "lattice_distances",
        lambda results, row, bits: np.full((len(row.cells), STIMULI), 0.35),
    )
    return script


def test_survival_in_full(flat_lattice, load, monkeypatch, tmp_path):
    grid = {"architecture": ["single"], "bits": [2, 4], "noise": [0, 1], "rho": [0, 1]}
    use_tiny_study(load("_studies"), monkeypatch, tmp_path, "posterior_survival", **grid)
    use_made_answers(load("_studies"), monkeypatch, Methods())
    found = by_name(flat_lattice.measure(SimpleNamespace(quick=False, out=None)))
    assert found["cliff, single-layer, rho = 1, noise x1"].value == 4
    gain = found[f"single-layer, 2 bits: S noise-aware less post-training, paired{LOWER}"]
    assert gain.verdict == "yes"
    assert gain.value == gain.low <= 0.45 + 1e-9
    assert gain.high == pytest.approx(0.45, abs=1e-6)
    four = found["single-layer, 4 bits: S noise-aware less post-training, paired"]
    assert (four.value, four.bar) == (pytest.approx(0.45), None)
    assert found["single-layer, 4 bits, noise-aware: S"].verdict == "yes"
    assert found["3 bits, noise-aware, best (single-layer): S"].value == pytest.approx(0.95)
    assert found["posterior rounded to 3 bits: S for single-layer"].value == pytest.approx(0.9)
    assert found[f"single-layer, float: least rise of D with rho, paired{LOWER}"].verdict == "yes"
    assert sum(name.startswith("single-layer, weights/inputs/outputs") for name in found) == 2**3
    for data in ("patches", "china", "flower", "china-to-flower"):
        assert found[f"{data}, single-layer: cliff"].value == 3
    shifted = found[f"china-to-flower, single-layer, 7 bits: S{LOWER}"]
    assert (shifted.bar, shifted.verdict) == (0.9, "yes")


def row_of(data, cliff, gain):
    gains = {(2, "post-training"): Estimate(gain, gain - 0.01, gain + 0.01)}
    return {"data": data, "architecture": "deep", "cliff": cliff, "survival": {}, "gains": gains}


def test_ranges_are_over_data_sets_that_are_alike(load):
    """Not over the shifted one, whose cliff and gain are the largest; one without a gain is left
    out, and without a cliff the range has no end.
    """
    module = load("_data_sets")
    table = [("patches", 6, 0.1), ("china", 7, 0.3), ("flower", 5, np.nan)]
    rows = [module.DataSetRow(**row_of(*each)) for each in [*table, ("china-to-flower", 8, 0.7)]]
    rows[2].gains[2, "post-training"] = Estimate.missing("no common posterior")
    found = by_name(module.data_set_figures(rows))
    cliff = found["multi-layer, over 3 data sets: range of the cliff"]
    assert (cliff.value, cliff.low, cliff.high) == (6, 5, 7)
    assert cliff.baseline == "patches, china, flower"
    gain = found["multi-layer, over 3 data sets: range of S noise-aware less post-training, 2 bits"]
    assert (gain.value, gain.low, gain.high) == (0.1, 0.1, 0.3)
    assert found["china-to-flower, multi-layer: cliff"].value == 8
    assert rows[3].is_shifted
    rows[1] = module.DataSetRow(**row_of("china", np.inf, 0.3))
    again = by_name(module.data_set_figures(rows))
    assert again["multi-layer, over 3 data sets: range of the cliff"].high == np.inf


def test_the_best_at_three_bits_is_one_that_has_an_s(flat_lattice, made_results):
    results = made_results(
        Methods(blind=("single", "recurrent")), "posterior_survival", **flat_lattice.METHOD_GRID
    )
    found = by_name(flat_lattice.method_figures(results))
    assert np.isnan(found["single-layer, 3 bits, noise-aware: S"].value)
    assert found["3 bits, noise-aware, best (multi-layer): S"].verdict == "yes"
    assert "posterior rounded to 3 bits: S for single-layer" not in found
