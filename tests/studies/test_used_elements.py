"""Correlations of spreads are over the elements of the dictionary that are used."""

import numpy as np
import pytest
from madeanswers import NEURONS, Made, pictures

from stochsim.posterior import log_sd_correlation
from stochsim.report.figures.pictures import agreement_words
from stochsim.settings import SettingError
from stochsim.studies import UNUSED_NORM, used_elements

ALL = np.ones(24, bool)


def test_an_element_of_a_tenth_of_the_largest_norm_is_used() -> None:
    norms = np.array([2.0, 2 * UNUSED_NORM, 2 * UNUSED_NORM * (1 - 1e-12), 0.0])
    assert used_elements(np.diag(norms)).tolist() == [True, True, False, False]


@pytest.mark.parametrize("decoder", [np.ones(3), np.full((2, 2), np.nan), np.ones((0, 2))])
def test_what_is_no_decoder_is_refused(decoder: np.ndarray) -> None:
    with pytest.raises(SettingError, match="decoder"):
        used_elements(decoder)


def test_two_clusters_are_no_correlation() -> None:
    """8 elements whose sd is told by nothing, and 16 unused ones at the prior's sd of 1: together
    they correlate by 0.97, the used ones not at all.
    """
    random = np.random.default_rng(0)
    used = np.arange(24) < 8
    means = np.where(used, 0.1, 1.0)
    reference, chip = (means + 0.02 * random.standard_normal((400, 24)) for _ in range(2))
    assert agreement_words(reference, chip, ALL) == "correlation 1.00"
    words = agreement_words(reference, chip, used)
    assert words.endswith(", 8 of 24 elements")
    assert abs(float(words.split()[1].rstrip(",").replace("−", "-"))) < 0.1  # sd 0.018
    assert agreement_words(reference, np.ones_like(chip), used) == "constant, 8 of 24 elements"


def test_the_correlation_of_log_sd_is_over_used_elements(made) -> None:  # type: ignore[no-untyped-def]
    norms = (1.0, 0.5, *(0.01,) * (NEURONS - 2))
    results = made(Made(norms=norms), grid__noise=[1])
    row = results.summary[0]
    cell = row.cells[0]
    found = pictures(results.plan.tasks[cell.samples].label)
    single = log_sd_correlation(found["sd"], found["reference_sd"])
    assert row.estimates["log_sd_correlation"].value == pytest.approx(single[:2].mean(), abs=1e-6)
    assert abs(single.mean() - single[:2].mean()) > 0.01  # so that the test can fail
    assert results.used(cell).tolist() == [True, True, *[False] * (NEURONS - 2)]
