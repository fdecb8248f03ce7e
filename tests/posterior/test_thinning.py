"""Thinning of dependent reads."""

import numpy as np
import pytest

from stochsim.posterior import effective_sample_size, thin_to_ess
from stochsim.settings import SettingError, StochsimError


def chain(rho, reads, neurons=16, stimuli=2, key=1):
    """Autoregressive chains of correlation rho: effective size reads · (1 − rho)/(1 + rho)."""
    noise = np.random.Generator(np.random.Philox(key=key)).standard_normal(
        (stimuli, reads, neurons)
    )
    values = np.empty_like(noise)
    values[:, 0] = noise[:, 0]
    for t in range(1, reads):
        values[:, t] = rho * values[:, t - 1] + np.sqrt(1 - rho**2) * noise[:, t]
    return values


def test_effective_size_of_an_autoregressive_chain():
    """Mean over 32 chains against the closed form; each estimate scatters by about 10 %, so 15 % is
    over 7 standard errors.
    """
    found = effective_sample_size(chain(0.5, 2000))
    assert found.shape == (2, 16)
    assert found.mean() == pytest.approx(2000 / 3, rel=0.15)


def test_constant_outputs_have_no_effective_size():
    values = chain(0.0, 100)
    values[1, :, 3] = 4.0
    found = effective_sample_size(values)
    assert np.isnan(found[1, 3])
    assert np.isnan(found).sum() == 1


def test_independent_reads_are_kept_as_they_are():
    values = chain(0.0, 600)
    kept, stride = thin_to_ess(values, 500)
    assert stride == 1
    assert np.array_equal(kept, values[:, :500])


def test_dependent_reads_are_thinned_until_they_mix():
    values = chain(0.8, 16_000, stimuli=8)
    kept, stride = thin_to_ess(values, 500)
    assert stride in (8, 16)
    assert np.array_equal(kept, values[:, ::stride][:, :500])
    assert effective_sample_size(kept).mean() > 400


def test_one_slow_neuron_is_not_hidden_by_the_others():
    values = chain(0.0, 8000, stimuli=8)
    values[:, :, 5] = chain(0.8, 8000, neurons=1, stimuli=8, key=2)[:, :, 0]
    assert thin_to_ess(values, 250)[1] in (8, 16)


def test_constant_run_needs_no_thinning():
    assert thin_to_ess(np.zeros((1, 100, 2)), 100)[1] == 1


def test_run_that_is_too_short_is_refused():
    with pytest.raises(StochsimError, match="thinning by 2 gives"):
        thin_to_ess(chain(0.95, 1000), 500)
    with pytest.raises(StochsimError, match="shorter"):
        thin_to_ess(chain(0.0, 100), 500)
    with pytest.raises(SettingError, match="8 reads"):
        effective_sample_size(np.zeros((1, 4, 1)))
