"""Prices that vary within their ranges, by prices made by hand, whose shares are known."""

import math

import numpy as np
import pytest

from stochsim.accounting import JoulesInterval, PriceRange
from stochsim.accounting.price_ranges import MACHINES
from stochsim.search.custom.price_draws import (
    DRAWS,
    PriceDraws,
    price_worths,
    shares_of_least,
    win_shares,
)


def choice(**joules: float) -> JoulesInterval:
    """Joules by price, each off by a factor of 1/2 to 2."""
    ranges = tuple(PriceRange(n, j, j / 2, 2 * j, "", "read ()") for n, j in joules.items())
    return JoulesInterval(sum(joules.values()), ranges)


def cheapest(joules: np.ndarray) -> np.ndarray:
    return joules == joules.min()


def test_one_price_that_all_share_changes_no_order():
    draws = PriceDraws([choice(adc=1.0), choice(adc=1.001), choice(adc=3.0)])
    assert win_shares(draws.joules(), cheapest).tolist() == [1.0, 0.0, 0.0]
    assert shares_of_least(draws.joules()).tolist() == [1.0, 0.0, 0.0]
    assert [(one.price, one.changes, one.saves) for one in price_worths(draws, 0)] == [
        ("adc", 0.0, 0.0)
    ]
    assert np.ptp(draws.joules()[:, 0]) > 1.0


def test_two_prices_apart_win_as_often_as_their_law_says():
    """ln a and ln b even over ln 1/2 … ln 2, and b 1.5 times dearer: P(1.5 b < a) is the triangle
    (2 ln 2 - ln 1.5)² / 2 over (2 ln 2)². False alarm at 5 sigma: below 1e-6.
    """
    draws = PriceDraws([choice(adc=1.0), choice(memory=1.5)])
    wide = 2 * math.log(2)
    chance = (wide - math.log(1.5)) ** 2 / 2 / wide**2
    found = win_shares(draws.joules(), cheapest)
    off = 5 * math.sqrt(chance * (1 - chance) / DRAWS)
    assert found[1] == pytest.approx(chance, abs=off)
    assert found.sum() == pytest.approx(1.0)
    assert np.array_equal(shares_of_least(draws.joules()), found)
    assert abs(found[1] - 0.5) > off  # the negative control: not a coin


def test_prices_with_the_spread_of_machines_are_off_together():
    """So the cheaper one stays the cheaper one, whatever machines take."""
    one, other = (
        JoulesInterval(joules, (PriceRange(name, joules, joules / 4, 4 * joules, MACHINES),))
        for name, joules in (("adc", 1.0), ("memory", 1.5))
    )
    assert shares_of_least(PriceDraws([one, other]).joules()).tolist() == [1.0, 0.0]


def test_what_one_price_alone_is_worth():
    """Of settings a + m and 1.2 a: the range of a decides, from where .2 a exceeds m on."""
    draws = PriceDraws([choice(adc=1.0, memory=0.3), choice(adc=1.2)])
    worths = {one.price: one for one in price_worths(draws, 1)}
    assert list(worths) == ["adc", "memory"]
    above = (math.log(2) - math.log(1.5)) / (2 * math.log(2))  # .2 a > .3
    sigma = math.sqrt(above * (1 - above) / DRAWS)
    assert worths["adc"].changes == pytest.approx(above, abs=5 * sigma)
    below = (math.log(2 / 3) + math.log(2)) / (2 * math.log(2))  # m < .2
    sigma = math.sqrt(below * (1 - below) / DRAWS)
    assert worths["memory"].changes == pytest.approx(below, abs=5 * sigma)
    assert 0 < worths["memory"].saves < 0.05


def test_prices_without_a_range_and_of_nothing_do_nothing():
    fixed = JoulesInterval(1.0, (PriceRange("own", 1.0, 1.0, 1.0, "as given", "add (8,)"),))
    free = JoulesInterval(0.0, (PriceRange("dac", 0.0, 0.0, 0.0, "", "dac (4,)"),))
    draws = PriceDraws([fixed, free])
    assert draws.prices == []
    assert np.array_equal(draws.joules(), np.tile([1.0, 0.0], (DRAWS, 1)))
