"""References of log densities: moments of Gaussians whose law is known, the same key, what is
refused, chains that do not mix.
"""

import sys

import numpy as np
import pytest
import torch

import stochsim as ss
from stochsim.lowering import sampled_reference
from stochsim.settings import SettingError, StochsimError
from stochsim.studies.custom.points import measured, unpacked

pytest.importorskip("pyro", reason="the extra 'nuts' is not installed")

COVARIANCE = np.array([[1.0, 0.8], [0.8, 1.0]])
PRECISION = torch.tensor(np.linalg.inv(COVARIANCE))


def correlated(z, stimulus):
    """z ~ N(stimulus, COVARIANCE)."""
    off = z - stimulus
    return -off @ PRECISION @ off / 2


def two_wells(z, _stimulus):
    """Half of the mass at -8, half at 8: chains stay where they began."""
    return torch.logaddexp(-((z - 8) ** 2).sum() / 2, -((z + 8) ** 2).sum() / 2)


@pytest.mark.slow
def test_moments_are_those_of_the_law():
    """2,000 draws with at least .8 effective ones each: means to 5 standard errors, false alarm
    1e-6; a reference of other stimuli, the negative control, is off by far more.
    """
    stimuli = np.array([[0.0, 2.0], [-1.0, 0.5]])
    calls = []
    found = sampled_reference(
        correlated, stimuli, 2, key=3, draws=500, progress=lambda *done: calls.append(done)
    )
    error = 5 / np.sqrt(0.8 * 2000)
    assert np.abs(found.mean - stimuli).max() < error
    assert np.abs(found.mean - stimuli[::-1]).max() > 3 * error
    assert np.abs(found.covariance - COVARIANCE).max() < 2 * error
    assert found.diagnostics.max_rhat < 1.01
    assert found.draws.shape == (2, 2000, 2)
    assert calls == [(4, 8), (8, 8)]
    exact = np.random.default_rng(0).normal(size=(2, 500, 2)) @ np.linalg.cholesky(COVARIANCE).T
    assert found.compare(exact + stimuli[:, None]).distance.value < 0.2


def test_the_same_key_gives_the_same_draws_and_leaves_torch_as_it_was():
    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    sizes = {"neurons": 2, "chains": 2, "draws": 100, "warm_up": 50}
    one, two, other = (
        sampled_reference(correlated, [[0.0, 0.0]], key=key, **sizes).draws for key in (1, 1, 2)
    )
    assert np.array_equal(one, two)
    assert not np.array_equal(one, other)
    assert torch.equal(torch.rand(3), wanted)


def test_chains_that_do_not_mix_are_told():
    sizes = {"neurons": 1, "chains": 4, "draws": 20, "warm_up": 20}
    with pytest.raises(StochsimError, match=r"stimulus 0, coordinate 0: R-hat .*at thinning 16"):
        sampled_reference(two_wells, [[0.0]], key=0, **sizes)


@pytest.mark.parametrize(
    ("density", "message"),
    [
        (lambda z, s: z.sum() * float("nan"), "'log_density' = nan: should be finite at zeros"),
        (lambda z, s: torch.log(z).sum(), "of coordinates without bounds"),
        (lambda z, s: z, "should give a scalar tensor"),
        (lambda z, s: 3.0, "should give a scalar tensor"),
        (lambda z, s: z @ s, "fails at zeros .RuntimeError"),
        (lambda z, s: -(z**2).sum() if z.abs().sum() == 0 else 1 / 0, "fails as chains run"),
        (5, "'log_density' = 5: should be a function"),
    ],
)
def test_what_is_no_log_density_is_refused(density, message):
    with pytest.raises(SettingError, match=message):
        sampled_reference(density, [[0.0]], neurons=2, key=0, chains=1, draws=10, warm_up=5)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"stimuli": np.zeros((0, 1))}, "stimuli"),
        ({"stimuli": [[np.nan]]}, "stimuli"),
        ({"stimuli": [1.0]}, "stimuli"),
        ({"neurons": 0}, "neurons"),
        ({"chains": 1.5}, "chains"),
        ({"draws": -1}, "draws"),
        ({"warm_up": 0}, "warm_up"),
        ({"key": -1}, "key"),
    ],
)
def test_wrong_sizes_are_named(changes, field):
    given = {"stimuli": [[0.0]], "neurons": 1, "key": 0} | changes
    with pytest.raises(SettingError) as caught:
        sampled_reference(correlated, **given)
    assert caught.value.field == (field,)


def test_without_pyro_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyro.infer", None)
    with pytest.raises(StochsimError, match=r"pip install 'stochsim\[nuts\]'"):
        sampled_reference(correlated, [[0.0, 0.0]], neurons=2, key=0)


def test_a_study_takes_it():
    """Draws of the law itself have a small D, wider ones a large one."""
    stimuli = np.array([[0.5, 0.0]])
    reference = sampled_reference(correlated, stimuli, 2, key=0, chains=2, draws=200, warm_up=200)
    study = ss.Study(
        sampler=_draws,
        data=stimuli,
        reference=reference,
        measures=["distance"],
        axes={"width": [1.0, 2.0]},
        reads=200,
    )
    found = [measured(study, point)["per_stimulus"]["distance"] for point in study.points]
    near, far = (float(unpacked(one)[0]) for one in found)
    assert near < 0.3 < far


def _draws(stimuli, reads, key, width):
    random = np.random.default_rng(key)
    noise = random.normal(size=(len(stimuli), reads, 2)) @ np.linalg.cholesky(COVARIANCE).T
    return stimuli[:, None] + width * noise
