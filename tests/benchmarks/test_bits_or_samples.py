"""Bits against samples: the front, reads as shares of a larger n, joules of K reads with weights
read once or every time.
"""

import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from stochsim.energy import Operation, Operations
from stochsim.program import Layer, Quantizer, single_layer


@pytest.fixture
def script(load):
    return load("bits_or_samples")


def setting(script, joules, d, bits=2, reads=4):
    return script.Setting(bits, reads, joules, np.array([[d]]), np.array([[1 - d]]))


def test_the_front_holds_what_nothing_cheaper_beats(script):
    points = [
        setting(script, joules, d)
        for joules, d in ((3.0, 0.2), (1.0, 0.5), (2.0, 0.6), (4.0, 0.2), (5.0, 0.1), (1.0, 0.7))
    ]
    assert [
        (one.joules, script.distance(one)) for one in script.front(points, script.distance)
    ] == [(1.0, 0.5), (3.0, 0.2), (5.0, 0.1)]
    assert script.best_within(points, 4.5, script.distance).joules == 3.0
    assert script.best_within(points, 0.5, script.distance) is None


def test_settings_without_an_error_are_not_on_the_front(script):
    missing = script.Setting(2, 1024, 0.1, np.array([[0.1]]), np.array([[np.nan]]))
    assert script.front([missing, setting(script, 1.0, 0.5)], script.misread)[0].joules == 1.0


def test_few_reads_stand_for_equal_shares_of_many(script):
    """The law of K reads, repeated to n, has the Wasserstein distance of the K reads themselves;
    taking the first K twice over has not.
    """
    random = np.random.default_rng(0)
    few, many = random.normal(size=8), random.normal(size=64)
    shares = script.as_shares(few[None, :, None], 64)[0, :, 0]
    assert wasserstein_distance(shares, many) == pytest.approx(
        wasserstein_distance(few, many), rel=1e-12
    )
    lopsided = np.concatenate([few, np.full(56, few[0])])
    assert wasserstein_distance(lopsided, many) != pytest.approx(
        wasserstein_distance(few, many), rel=1e-2
    )


def test_joules_of_reads_with_weights_read_once_or_at_every_read(script):
    """They differ by the weights' bits times their price, once for every read but the first."""
    codes = Quantizer(4, 0.1)
    layer = Layer(
        np.ones((3, 5), np.int8), 4, 0.1, codes, codes, bias=np.zeros(3), sigma=np.full(3, 0.25)
    )
    answer = script.Answer(single_layer(layer), np.zeros((2, 5), np.float32), {}, {})
    once, again = (script.CHIPS[name].with_precision(4, 4, 4) for name in list(script.CHIPS)[:2])
    weights_j = once.energy(Operations({Operation("weight_memory", (60,)): 60})).all_operations_j
    for reads in (1, 2, 7):
        difference = script.chip_joules(again, answer, reads) - script.chip_joules(
            once, answer, reads
        )
        assert difference == pytest.approx((reads - 1) * weights_j, rel=1e-9, abs=1e-24)


def test_the_share_of_few_reads_where_a_width_gives_way(script):
    """D^2 = lasting + 1/K: at the last setting of 2 bits on the front (K = 2) half of D^2 = 1 is
    due to few reads.
    """
    points = [
        setting(script, 1.0, 1.0, 2, 2),
        setting(script, 9.0, 0.5**0.5, 2, 1024),
        setting(script, 2.0, 0.7, 4, 4),
    ]
    points.append(setting(script, 8.0, 0.1, 4, 1024))
    (figure,) = script.share_figures("chip", points)
    assert figure.value == pytest.approx(0.5)
    assert "2 bits x 2 reads" in figure.name
    assert script.rule_figures("chip", points[:1]) == []
