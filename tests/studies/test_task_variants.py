"""What the tasks of other architectures, methods and controls really answer: one small study of all
of them, done in this process.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tinystudy import store_answers, stored_rows, study_of, work

from stochsim.controls.controls import CONTROLS
from stochsim.studies import MEASURES, Result, Results, open_run

KINDS = ["single", "deep", "recurrent"]
METHODS = ["post-training", "quantisation-aware", "noise-aware"]


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Results]:
    grid = {
        "architecture": KINDS,
        "method": METHODS,
        "control": list(CONTROLS),
        "float": True,
        "bits": [4],
        "noise": [1, 2],
    }
    measure = {"stimuli": 16, "reads": 200, "directions": 16}
    train = {"steps": 100, "batch": 64, "learning_rate": 2e-2}
    study = study_of(grid=grid, measure=measure, train=train, hardware__noise={"read_sigma": 0.05})
    with open_run(
        store_answers(tmp_path_factory.mktemp("everything") / "run", study, work)
    ) as results:
        yield results


def sd_of(results: Results, row: Result) -> np.ndarray:
    return np.asarray(results.pictures(row.cells[0]).sd, np.float64)


def test_everything_is_answered(everything: Results) -> None:
    assert everything.missing == 0
    assert len(everything.summary) == 3 * 3 * 2 + 3 * 2 + 3 * 4 + 2
    for row in everything.summary:
        measured = {name for name in MEASURES if row.estimates[name].available}
        absent = (
            {"gaussian_kl_nat", "elbo_nat", "pattern_correlation", "log_sd_bias", "log_sd_rms"}
            if row.control == "no-noise"
            else set()
        )
        assert set(MEASURES) - measured <= absent, row


@pytest.mark.parametrize("kind", KINDS)
def test_float_samples_at_the_trained_noise_are_what_survival_compares_with(
    kind: str, everything: Results
) -> None:
    one, two = (everything.find(kind, noise=noise) for noise in (1.0, 2.0))
    assert one.survival is not None
    assert one.survival.d_full == one.estimates["d"]
    assert two.survival is not None
    assert two.survival.d_full == one.estimates["d"]
    wider = np.median(sd_of(everything, two) / sd_of(everything, one))
    assert wider == pytest.approx(
        2, rel=1e-4 if kind == "single" else 0.05
    )  # the same random numbers; circuits pass them through


@pytest.mark.parametrize("kind", KINDS)
def test_methods_start_from_one_float_network_and_end_apart(kind: str, everything: Results) -> None:
    rows = [everything.find(kind, 4, method=method) for method in METHODS]
    starts = [dict(everything.plan.tasks[row.cells[0].network].needs)["start"] for row in rows]
    assert len(set(starts)) == 1
    assert len({row.estimates["d"].value for row in rows}) == len(METHODS)


def test_controls_take_away_what_they_say(everything: Results) -> None:
    for kind in KINDS:
        own = everything.find(kind)
        found = {
            name: everything.find(kind, control=name)
            for name, control in CONTROLS.items()
            if control.by_network
        }
        assert not sd_of(everything, found["no-noise"]).any()
        shuffled = np.sort(sd_of(everything, found["shuffled-sigma"]), axis=0)
        np.testing.assert_allclose(shuffled, np.sort(sd_of(everything, own), axis=0), rtol=1e-3)
        assert everything.difference(found["untrained"], own).low > 0.1
        assert found["shared-sigma"].facts["shared_sigma"] > 0
        for row in found.values():
            assert (row.cells[0].float_samples, row.cells[0].reference) == (
                own.cells[0].float_samples,
                own.cells[0].reference,
            )


def test_controls_of_the_decoder_alone_have_no_survival(everything: Results) -> None:
    for name in ("vae", "langevin"):
        row = everything.find("", control=name)
        assert (
            row.survival is None
        )  # there is no float network of their kind, but the best of the sweep
        assert row.survival_absolute is not None
        assert row.facts
    langevin = everything.find("", control="langevin")
    silent = everything.find("single", control="no-noise")
    assert everything.difference(silent, langevin).low > 0.1


def test_nats_per_joule_prices_float_and_quantised_networks_and_not_the_decoder(
    tmp_path: Path,
) -> None:
    study = study_of(train__nats_per_joule=1e12, grid__rho=[2], grid__bits=[4], grid__noise=[1])
    folder = store_answers(tmp_path / "run", study, work)
    c, s = study.train.price(2.0, study.hardware.resolve(tmp_path))
    assert c != 1
    told = {row[1]: json.loads(row[4]).get("price") for row in stored_rows(folder).values()}
    assert told["float"] == told["network"] == {"c": c, "s": s, "nats_per_joule": 1e12}
    assert told["decoder"] == {"c": 1.0, "s": 1.0, "nats_per_joule": None}
