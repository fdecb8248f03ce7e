"""Measures: those at hand against plain arithmetic, functions of a user's, and what is refused."""

import numpy as np
import pytest

from stochsim.models import Reference
from stochsim.posterior import PlainReads, mean_estimate
from stochsim.settings import SettingError, StochsimError
from stochsim.studies import STANDARD_MEASURES, Evidence, Measure, calibration_error
from stochsim.studies.custom.measures import measures_of

RANDOM = np.random.default_rng(0)
LOGITS = RANDOM.normal(size=(40, 8, 3))
LABELS = RANDOM.integers(0, 3, 40)
EVIDENCE = Evidence(PlainReads(LOGITS), LABELS)


def plain_probabilities() -> np.ndarray:
    found = np.zeros((40, 3))
    for stimulus in range(40):
        for read in range(8):
            powers = np.exp(LOGITS[stimulus, read])
            found[stimulus] += powers / powers.sum() / 8
    return found


def test_measures_of_classes_equal_plain_arithmetic():
    chances = plain_probabilities()
    of_label = np.array([chances[i, LABELS[i]] for i in range(40)])
    one_hot = np.eye(3)[LABELS]
    expected = {
        "accuracy": (chances.argmax(1) == LABELS).astype(float),
        "nll": -np.log(of_label),
        "brier": ((chances - one_hot) ** 2).sum(1),
    }
    for name, numbers in expected.items():
        found, estimate = STANDARD_MEASURES[name].take(EVIDENCE)
        np.testing.assert_allclose(found, numbers, rtol=1e-12, atol=1e-15)
        assert estimate == mean_estimate(found, 0)


def test_the_calibration_error_equals_a_plain_loop():
    rows, estimate = STANDARD_MEASURES["ece"].take(EVIDENCE)
    confidence, hit = rows.T
    total = 0.0
    for low in range(15):
        inside = [i for i in range(40) if low / 15 <= confidence[i] < (low + 1) / 15]
        if inside:
            total += abs(sum(hit[i] - confidence[i] for i in inside)) / 40
    assert estimate.value == pytest.approx(total, rel=1e-12)
    assert estimate.low <= estimate.value
    sure = np.stack([np.ones(4), np.array([1.0, 1, 0, 0])], axis=1)
    assert calibration_error(np.stack([sure, sure[::-1]])).tolist() == [0.5, 0.5]


def test_coverage_of_the_truth_is_nine_tenths_of_right_reads():
    """400 truths, each from the law of its reads: binomial, a failure once in 10,000."""
    draws = np.random.default_rng(1).normal(size=(400, 1001, 2))
    right = Evidence(PlainReads(draws[:, 1:]), draws[:, 0])
    narrow = Evidence(PlainReads(draws[:, 1:] / 4), draws[:, 0])
    measure = STANDARD_MEASURES["coverage_of_truth"]
    assert abs(measure.take(right)[1].value - 0.9) < 3.9 * np.sqrt(0.09 / 800)
    assert measure.take(narrow)[1].value < 0.5


def test_reads_that_do_not_vary_are_one():
    still = Evidence(PlainReads(np.ones((3, 10, 2))))
    assert STANDARD_MEASURES["effective_samples"].take(still)[1].value == 1


def reference() -> Reference:
    draws = np.random.default_rng(2).normal(size=(6, 400, 2))
    means = np.arange(6.0)[:, None, None]
    from stochsim.studies.custom.custom_study import _reference

    found = _reference(draws + means)
    assert found is not None
    return found


def test_measures_of_a_posterior_are_those_of_the_reference():
    truth = reference()
    reads, float_reads = truth.subset(3, 100), truth.subset(2, 100)
    evidence = Evidence(PlainReads(reads), None, truth, float_reads)
    expected = truth.compare(PlainReads(reads), against=float_reads)
    for name in ("distance", "coverage_50", "coverage_90"):
        numbers, estimate = STANDARD_MEASURES[name].take(evidence)
        np.testing.assert_array_equal(numbers, expected.per_stimulus[name])
        assert estimate == getattr(expected, name)
    columns, survival = STANDARD_MEASURES["survival"].take(evidence)
    assert columns.shape == (6, 3)
    assert survival == expected.survival.estimate


def test_survival_without_a_network_to_compare_with_says_so():
    truth = reference()
    evidence = Evidence(PlainReads(truth.subset(3, 100)), None, truth)
    columns, estimate = STANDARD_MEASURES["survival"].take(evidence)
    assert columns.shape == (6, 2)
    assert "no float network" in estimate.reason


def test_a_function_gets_what_it_asks_for():
    def error(samples, truth, stimuli, reference):
        assert reference is None
        return samples.values[:, 0, 0] - truth + stimuli

    evidence = Evidence(PlainReads(LOGITS), LABELS, stimuli=np.ones(40))
    found, _ = Measure("error", error).take(evidence)
    np.testing.assert_array_equal(found, LOGITS[:, 0, 0] - LABELS + 1)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda samples, truth: 1.0, r"gives shape \(\): should be \(40,\)"),
        (lambda samples, truth: np.zeros(39), r"gives shape \(39,\)"),
        (lambda samples, truth: np.zeros((40, 2)), r"gives shape \(40, 2\)"),
        (lambda samples, truth: np.where(truth, np.nan, 1.0), r"is not finite .* of 40 stimuli"),
        (lambda samples, truth: np.full(40, 1e308), r"is not finite .*beyond 1e\+150.* of 40"),
        (lambda samples, truth: ["a"] * 40, r"gives list of <U1: should give real numbers"),
        (lambda samples, truth: np.full(40, 1j), r"gives ndarray of complex128: should give real"),
        (lambda samples, truth: [[1.0], [1.0, 2.0]], r"gives list of object: should give real"),
        (lambda samples, truth: np.array([None] * 40), r"gives ndarray of object: should give"),
        (lambda samples, truth: 1 / 0, "failed: ZeroDivisionError: division by zero"),
        (lambda samples: np.zeros(40), "failed: TypeError"),
    ],
)
def test_what_a_function_does_wrong_is_said(function, words):
    with pytest.raises(StochsimError, match=f"the measure 'mine' {words}"):
        Measure("mine", function).take(EVIDENCE)


@pytest.mark.parametrize(
    ("truth", "words"),
    [
        (None, "takes whole numbers"),
        (LABELS / 2, "takes whole numbers"),
        (LABELS + 1, "from 0 to 2"),
    ],
)
def test_labels_that_are_none_are_refused(truth, words):
    with pytest.raises(SettingError, match=words):
        STANDARD_MEASURES["accuracy"].take(Evidence(PlainReads(LOGITS), truth))


def test_classes_need_outputs_of_classes():
    with pytest.raises(SettingError, match="of two classes or more"):
        STANDARD_MEASURES["nll"].take(Evidence(PlainReads(LOGITS[:, :, :1]), LABELS))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([], "there are none"),
        ("accuracy", "should be a list"),
        (["acuracy"], "did you mean 'accuracy'"),
        (["accuracy", "accuracy"], "is the name of two measures"),
        ([3], "should be names of measures"),
        ([Measure("note", len)], "is a column"),
    ],
)
def test_measures_that_are_none_are_refused(given, words):
    with pytest.raises(SettingError, match=words):
        measures_of(given, ("note",))


def test_measures_may_be_truth_values_and_tensors_with_gradients():
    torch = pytest.importorskip("torch")
    evidence = Evidence(PlainReads(LOGITS), LABELS)
    for given in (np.ones(40, bool), torch.ones(40, requires_grad=True), [1] * 40):
        found, _ = Measure("one", lambda samples, truth, one=given: one).take(evidence)
        np.testing.assert_array_equal(found, np.ones(40))
