"""What the tasks really answer: small studies, trained long enough that the answers mean something,
done in this process.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tinystudy import store_answers, stored_rows, study_of, work

from stochsim.chip import Chip, CoarseAdcWarning
from stochsim.data import evaluation_stimuli, load_dataset
from stochsim.keys import fold_in
from stochsim.lowering import to_program
from stochsim.studies import Result, Results, open_run
from stochsim.training import load_network

TRAINED: dict[str, Any] = {"train__steps": 300, "train__batch": 64, "train__learning_rate": 1e-2}
MEASURED: dict[str, Any] = {
    "measure__stimuli": 16,
    "measure__reads": 200,
    "measure__directions": 16,
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Results]:
    """A linear-Gaussian study at 2 and 8 bits and four noise levels."""
    study = study_of(grid__bits=[2, 8], grid__noise=[0, 0.5, 1, 2], **TRAINED, **MEASURED)
    with open_run(
        store_answers(tmp_path_factory.mktemp("trained") / "run", study, work)
    ) as results:
        yield results


@pytest.fixture
def folder(trained: Results, tmp_path: Path) -> Path:
    """A copy of that run, in which other studies find the decoder and what else is the same for
    them.
    """
    return Path(shutil.copytree(trained.folder, tmp_path / "run"))


def row_of(results: Results, bits: int, noise: float) -> Result:
    return next(row for row in results.rows if (row.weight_bits, row.noise) == (bits, noise))


def survival_of(results: Results, bits: int, noise: float) -> float:
    found = row_of(results, bits, noise).survival
    assert found is not None
    assert found.estimate is not None, found.reason
    return found.estimate.value


def test_eight_bits_at_the_trained_noise_survive_whole(trained: Results) -> None:
    assert survival_of(trained, 8, 1) == pytest.approx(1, abs=0.05)
    assert {row["noise"]: row["cliff"] for row in trained.cliffs()}[1.0] == 8


def test_fewer_bits_and_any_other_noise_survive_less(trained: Results) -> None:
    assert survival_of(trained, 2, 1) < 0.9 * survival_of(trained, 8, 1)
    for noise in (0, 0.5, 2):
        assert survival_of(trained, 8, noise) < survival_of(trained, 8, 1) - 0.1


def test_without_noise_every_sd_is_zero_and_the_distance_is_the_references_own_sd(
    trained: Results,
) -> None:
    """Constant codes against N(mean, sd²), the mean nearly right at 8 bits: D_axes = 1 in units of
    the sd.
    """
    row = row_of(trained, 8, 0)
    assert not trained.pictures(row.cells[0]).sd.any()
    assert row.estimates["d_axes"].value == pytest.approx(1, abs=0.05)
    assert row.estimates["zero_sd_share"].value == 1
    assert np.isfinite(row.estimates["elbo_nat"].value)  # codes have cells, noise or none
    assert row.per_read_j == np.inf


def test_noise_multiplies_the_trained_sd(trained: Results) -> None:
    one, two = (trained.pictures(row_of(trained, 8, noise).cells[0]) for noise in (1, 2))
    assert np.median(two.sd / one.sd) == pytest.approx(2, abs=0.1)
    assert np.median(one.sd / one.reference_sd) == pytest.approx(1, abs=0.1)


def test_more_bits_and_less_noise_cost_more(trained: Results) -> None:
    assert row_of(trained, 8, 1).per_read_j > 2 * row_of(trained, 2, 1).per_read_j
    assert (
        row_of(trained, 8, 0.5).per_read_j
        > row_of(trained, 8, 1).per_read_j
        > row_of(trained, 8, 2).per_read_j - 1e-30
    )


def test_the_float_network_is_near_its_reference_and_blind_is_far(trained: Results) -> None:
    cell = trained.rows[0].cells[0]
    assert trained.estimate_of(cell.float_samples).high < 0.15
    assert trained.estimate_of(cell.prior_samples).low > 0.5


def test_noise_of_the_chip_comes_on_top(trained: Results, folder: Path) -> None:
    """Half a posterior sd of read noise moves the answer, and costs nothing: it is unwanted, and
    free.
    """
    noise = {
        "read_sigma": 0.5
        * float(np.median(trained.pictures(row_of(trained, 8, 1).cells[0]).reference_sd))
    }
    study = study_of(grid__bits=[8], grid__noise=[1], hardware__noise=noise, **TRAINED, **MEASURED)
    with open_run(store_answers(folder, study, work)) as results:
        assert survival_of(results, 8, 1) < survival_of(trained, 8, 1) - 0.01
        wider = (
            results.pictures(results.rows[0].cells[0]).sd
            / trained.pictures(row_of(trained, 8, 1).cells[0]).sd
        )
        assert np.median(wider) == pytest.approx(np.hypot(1, 0.5), abs=0.05)
        assert results.rows[0].per_read_j == pytest.approx(row_of(trained, 8, 1).per_read_j)


def test_a_part_is_the_chip_of_its_key_set_on_the_training_set(folder: Path) -> None:
    """Each row's mean codes are those of `Chip(…, chip_key=…)` made by hand; 3-bit ADCs are coarse
    and flagged.
    """
    study = study_of(
        hardware__preset="rram-array",
        hardware__array={"adc": {"bits": 3}},
        grid__bits=[8],
        grid__noise=[1],
        grid__chip_keys=[5, 4],
        **TRAINED,
        **MEASURED,
    )
    with open_run(store_answers(folder, study, work)) as results:
        assert [row.chip_key for row in results.rows] == [4, 5]
        means = [results.pictures(row.cells[0]).mean for row in results.rows]
        artifact = results.stored(results.rows[0].cells[0].network).artifact
        assert artifact is not None
        program = to_program(load_network(artifact))
        data = load_dataset("patches", 4, 8, 0)
        held_out = data.held_out[evaluation_stimuli(data, 16, 0)]
        for key, mean in zip((4, 5), means, strict=True):
            with pytest.warns(CoarseAdcWarning):
                chip = Chip(
                    program,
                    study.hardware.resolve(Path()).with_precision(8, 8, 8),
                    chip_key=key,
                    calibration=data.train[:256],
                )
            codes = chip.sample(held_out, 200, fold_in(0, "reads"))
            np.testing.assert_allclose(codes.values.mean(1), mean, rtol=1e-5, atol=1e-6)
        assert np.abs(means[0] - means[1]).max() > 1e-3
        assert all("coarse ADCs: " in " ".join(row.flags) for row in results.rows)


def test_own_decoders_give_each_width_its_own_posterior(tmp_path: Path) -> None:
    study = study_of(train__decoder="own", grid__noise=[1])
    with open_run(store_answers(tmp_path / "run", study, work)) as results:
        two, four = (results.pictures(row.cells[0]).reference_mean for row in results.rows)
        assert not np.allclose(two, four, atol=0)
        assert all(
            row.survival is None and row.estimates["elbo_nat"].available for row in results.rows
        )


def test_rho_changes_the_networks_and_not_the_posterior(folder: Path) -> None:
    study = study_of(grid__rho=[0, 2], grid__bits=[8], grid__noise=[1], **TRAINED, **MEASURED)
    with open_run(store_answers(folder, study, work)) as results:
        none, two = (results.pictures(row.cells[0]) for row in results.rows)
        assert (none.reference_mean == two.reference_mean).all()
        assert (
            np.median(two.sd / none.sd) > 1.05
        )  # 1/Λ below 1 to the power of ½ against ¼: being reliable has become dearer


def test_digits_are_read_out_far_above_chance(tmp_path: Path) -> None:
    """Chance is 0.1.

    Few bits and no training to speak of leave less of the label than eight bits.
    """
    data = {"kind": "digits", "size": 8, "components": 12}
    study = study_of(
        data=data,
        model__neurons=12,
        grid__bits=[1, 8],
        grid__noise=[1],
        **(TRAINED | {"train__steps": 150}),
        **MEASURED,
    )
    with open_run(store_answers(tmp_path / "run", study, work)) as results:
        coarse, fine = (row.estimates["readout_accuracy"] for row in results.rows)
        assert fine.low > 0.3
        assert coarse.value < fine.value


@pytest.mark.slow
def test_sparse_coding_with_its_gibbs_reference(tmp_path: Path) -> None:
    model = {"kind": "sparse_coding", "neurons": 8, "noise_sd": 0.5, "laplace_scale": 1.0}
    study = study_of(
        model=model,
        grid__bits=[8],
        grid__noise=[1],
        **TRAINED,
        **(MEASURED | {"measure__stimuli": 8}),
    )
    folder = store_answers(tmp_path / "run", study, work)
    with open_run(folder) as results:
        assert results.missing == 0
        assert row_of(results, 8, 1).estimates["d"].high < 0.5
    references = [row for row in stored_rows(folder).values() if row[1] == "reference"]
    assert '"exact": false' in references[0][4]
