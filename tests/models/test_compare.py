"""`Reference.compare`: the figures are those of the functions behind them, a right sampler passes,
wrong ones fail, and what cannot be compared is refused.
"""

import numpy as np
import pytest

from stochsim.keys import fold_in
from stochsim.models import LinearGaussian, Reference, build_model
from stochsim.posterior import PlainReads, PosteriorDistance, survival
from stochsim.posterior.coverage import coverage
from stochsim.settings import SettingError

READS = 1000
STIMULI = np.random.default_rng(5).normal(size=(6, 3))
MODEL = build_model(
    LinearGaussian(neurons=4, noise_sd=0.5), np.random.default_rng(4).normal(size=(3, 4))
)


@pytest.fixture(scope="module")
def reference() -> Reference:
    return MODEL.reference(STIMULI, key=0)


def gaussian(key: int, mean: np.ndarray, sd: np.ndarray) -> np.ndarray:
    random = np.random.default_rng(key)
    return mean[:, None] + sd[:, None] * random.normal(size=(len(mean), READS, mean.shape[1]))


def test_the_figures_are_those_of_the_functions_behind_them(reference):
    values = gaussian(1, reference.mean, reference.sd)
    against = reference.subset(2, READS)
    found = reference.compare(values, against=against, key=3, directions=32)
    sets = (reference.subset(0, READS), reference.subset(1, READS))
    by_hand = PosteriorDistance(
        sets, reference.mean, reference.sd, directions=32, key=fold_in(3, "directions")
    )
    d = by_hand.distance(values).total
    blind = by_hand.blind(3).total
    np.testing.assert_array_equal(found.per_stimulus["distance"], d)
    np.testing.assert_array_equal(found.per_stimulus["distance_prior"], blind)
    np.testing.assert_array_equal(found.per_stimulus["floor"], by_hand.floor.total)
    assert found.survival == survival(d, blind, by_hand.distance(against).total, 3)
    assert found.distance.value == pytest.approx(d.mean())
    for level, estimate in ((0.5, found.coverage_50), (0.9, found.coverage_90)):
        inside = coverage(values, sets[0], level)
        assert estimate.value == pytest.approx(inside.mean())


def test_a_right_sampler_passes_and_wrong_ones_fail(reference):
    """D of exact draws is zero but for sampling error; of the prior it is that of ignoring the
    stimulus; samples twice as wide cover too much.
    """
    exact = reference.compare(reference.subset(2, READS), against=reference.subset(3, READS))
    assert exact.distance.high < 0.1
    assert exact.survival.estimate is not None
    assert exact.survival.estimate.low > 0.9
    prior = np.random.default_rng(2).normal(size=(len(STIMULI), READS, 4))
    wrong = reference.compare(prior, against=reference.subset(2, READS))
    assert wrong.survival.estimate is not None
    assert wrong.survival.estimate.high < 0.3
    wide = reference.compare(gaussian(1, reference.mean, 2 * reference.sd))
    assert wide.coverage_50.low > 0.6


def test_the_float_network_is_sampled_on_the_stimuli_of_the_reference(reference):
    class Sampler:
        def sample(self, stimuli, reads, key):
            np.testing.assert_array_equal(stimuli, STIMULI)
            return PlainReads(gaussian(key % 2**32, reference.mean, reference.sd)[:, :reads])

    values = gaussian(1, reference.mean, reference.sd)
    once = reference.compare(values, against=Sampler(), key=1)
    again = reference.compare(values, against=Sampler(), key=1)
    assert once.survival == again.survival
    assert once.survival.estimate is not None


def test_effective_samples_follow_what_is_known_of_the_reads(reference):
    values = gaussian(1, reference.mean, reference.sd)
    known = reference.compare(PlainReads(values, independent=True))
    assert known.effective.value == READS
    slow = np.repeat(values[:, : READS // 10], 10, axis=1)
    assert reference.compare(slow).effective.high < READS / 5


def test_survival_without_a_float_network_is_na_and_says_so(reference):
    found = reference.compare(gaussian(1, reference.mean, reference.sd))
    assert found.survival.estimate is None
    assert "n/a: no float network was given" in str(found)


def test_the_card_has_every_figure_with_its_interval(reference):
    lines = str(
        reference.compare(reference.subset(2, READS), against=reference.subset(3, READS))
    ).splitlines()
    assert lines[0].startswith("sampling quality: 6 stimuli × 1,000 reads × 4 neurons; mean")
    names = [line[:28].strip() for line in lines[1:]]
    assert names == [
        "distance D",
        "of the float network",
        "ignoring the stimulus",
        "survival S",
        "coverage of 50 % intervals",
        "coverage of 90 % intervals",
        "effective samples",
    ]
    assert all("[" in line for line in lines[1:])


def test_one_stimulus_has_figures_without_interval():
    one = MODEL.reference(STIMULI[:1], key=0)
    found = str(one.compare(gaussian(1, one.mean, 3 * one.sd)))
    assert "(no interval)" in found.splitlines()[1]


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        (np.zeros((5, READS, 4)), r"\(stimulus = 6, read, neuron = 4\)"),
        (np.zeros((6, READS, 3)), r"\(stimulus = 6, read, neuron = 4\)"),
        (np.zeros((6, 4)), r"\(stimulus = 6, read, neuron = 4\)"),
        (np.zeros((6, 1001, 4)), "'reads' = 1001: should be a multiple of 4 from 8 to 5,000"),
        (np.zeros((6, 5004, 4)), "'reads' = 5004: should be a multiple of 4 from 8 to 5,000"),
        (np.full((6, READS, 4), np.nan), "holds NaN or Inf"),
        ("samples", "should be Samples, or real numbers"),
        (None, "should be Samples, or real numbers"),
    ],
)
def test_what_cannot_be_compared_is_refused(reference, values, rule):
    with pytest.raises(SettingError, match=rule):
        reference.compare(values)


def test_coverage_spreads_codes_over_their_step(reference):
    step = 0.5
    codes = np.round(gaussian(1, reference.mean, reference.sd) / step) * step
    found = reference.compare(PlainReads(codes, step=step))
    draws = reference.subset(0, READS)
    for level, estimate in ((0.5, found.coverage_50), (0.9, found.coverage_90)):
        assert estimate.value == pytest.approx(coverage(codes, draws, level, step).mean())
        assert estimate.value != pytest.approx(coverage(codes, draws, level).mean())


def test_samples_of_other_stimuli_are_refused(reference):
    values = reference.subset(2, READS)
    reference.compare(PlainReads(values, stimuli=STIMULI.astype(np.float32)))
    for other in (STIMULI[::-1], STIMULI + 0.1, STIMULI[:, :2]):
        with pytest.raises(SettingError, match="'samples': are samples of other stimuli"):
            reference.compare(PlainReads(values, stimuli=other))
        with pytest.raises(SettingError, match="'against': are samples of other stimuli"):
            reference.compare(values, against=PlainReads(values, stimuli=other))


def test_reads_far_beyond_the_reference_are_refused_not_left_out(reference):
    values = gaussian(1, reference.mean, reference.sd)
    for factor in (1e20, 1e200):
        far = values.copy()
        far[:3] *= factor
        with pytest.raises(SettingError, match="too far from the reference to be measured"):
            reference.compare(far)


def test_what_does_not_sample_is_refused_as_a_float_network(reference):
    class Nothing:
        def sample(self, stimuli, reads, key):
            return None

    values = reference.subset(2, READS)
    for against in (Nothing(), Nothing, MODEL, np.random.default_rng(0), "x"):
        with pytest.raises(SettingError, match="'against'"):
            reference.compare(values, against=against)


def test_codes_in_place_of_values_are_refused(reference):
    with pytest.raises(SettingError, match=r"'samples'.*are integers, such as codes"):
        reference.compare(np.zeros((6, READS, 4), np.int8))


def test_references_are_objects_that_can_be_told_apart_and_hashed(reference):
    assert reference == reference
    assert len({reference, reference}) == 1


def test_a_key_that_is_none_is_refused(reference):
    with pytest.raises(SettingError, match="'key'"):
        reference.compare(reference.subset(2, READS), key="a")


def test_a_float_network_needs_the_stimuli(reference, tmp_path):
    reference.save(tmp_path / "reference")
    back = Reference.load(tmp_path / "reference")
    np.testing.assert_array_equal(back.stimuli, STIMULI)
    without = Reference(True, back.draws, back.mean, back.sd, back.covariance, None)

    class Sampler:
        def sample(self, stimuli, reads, key):
            raise AssertionError("there is nothing to sample")

    with pytest.raises(SettingError, match="'against': cannot be sampled here"):
        without.compare(back.subset(2, READS), against=Sampler())


def test_the_card_of_a_reference_says_what_it_rests_on(reference):
    assert str(reference).splitlines() == [
        "reference posterior: 6 stimuli, 4 neurons",
        "  draws  10,000 of each stimulus",
        f"  sd     {reference.sd.min():.3g} to {reference.sd.max():.3g}",
        "  basis  exact: moments in closed form, independent draws",
    ]
    assert "\n" not in repr(reference)
