"""Shared ranks give the very numbers of arviz-stats."""

import numpy as np
import pytest
from arviz_stats.base import array_stats

from stochsim.models.diagnostics import rank_rhat_and_ess


@pytest.mark.parametrize("length", [400, 401])
@pytest.mark.parametrize("kind", ["independent", "correlated", "shifted", "tied"])
def test_equal_to_arviz(kind, length):
    draws = np.random.default_rng(0).standard_normal((4, length, 3)).astype(np.float32)
    if kind == "correlated":
        draws = np.cumsum(draws, axis=1)
    elif kind == "shifted":
        draws[0] += 1
    elif kind == "tied":
        draws = np.round(draws, 1)
    rhat, ess = rank_rhat_and_ess(draws)
    by_neuron = draws.transpose(2, 0, 1)
    np.testing.assert_allclose(rhat, array_stats.rhat(by_neuron, method="rank"), rtol=1e-12)
    np.testing.assert_allclose(
        ess, array_stats.ess(by_neuron, method="bulk", relative=True), rtol=1e-12
    )
