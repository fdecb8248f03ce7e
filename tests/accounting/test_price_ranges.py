"""Ranges of prices: by hand, added in squares, and common to what is compared."""

import math

import pytest
from shownbills import ARRAY, DIGITAL, noiseless, two_layers

from stochsim.accounting import JoulesInterval, PriceRange, compared, joules_interval
from stochsim.accounting.price_ranges import MACHINES
from stochsim.energy import Operation, Operations, price
from stochsim.hardware import load_hardware
from stochsim.settings import SettingError
from stochsim.silicon import confronted_prices, recorded_spread

CLOSE = 1e-12


def close(value):
    return pytest.approx(value, rel=CLOSE)


def test_a_converter_has_what_chips_took_and_the_other_models():
    own_j = price("adc-zigzag-28nm").energy_j((8,), 0.9)
    found = joules_interval(ARRAY, Operations({Operation("adc", (8,)): 10}))
    others = [price(name).energy_j((8,), 0.9) for name in ("adc-accelergy", "adc-isaac-32nm")]
    measured = confronted_prices()["adc-zigzag-28nm"]
    assert found.joules == close(10 * own_j)
    assert found.low == close(10 * own_j)
    assert found.high == close(10 * max(*others, *(own_j * one for one in measured.values())))
    (one,) = found.ranges
    assert one.basis == "measured: jia, wang and adc-accelergy, adc-isaac-32nm"


def test_a_price_that_nothing_was_held_against_has_the_spread_of_machines():
    found = joules_interval(DIGITAL, Operations({Operation("multiply", (4, 4)): 7}))
    spread = recorded_spread("machine")
    assert found.low == close(found.joules * spread.low)
    assert found.high == close(found.joules * spread.high)


def test_models_of_one_source_are_no_spread():
    """The book's SRAM and adders agree with Horowitz's, whose figures they were made of."""
    for operation in (Operation("code_memory", (800,)), Operation("add", (8,))):
        found = joules_interval(DIGITAL, Operations({operation: 64}))
        assert found.ranges[0].basis == MACHINES


def test_a_floor_is_off_upwards_alone():
    floor = load_hardware("thermal-floor", bits=4)
    found = joules_interval(floor, Operations({Operation("adc", (4,)): 1}))
    assert (found.low, found.high) == (
        found.joules,
        close(found.joules * recorded_spread("machine").high),
    )


def test_distances_are_added_within_a_price_and_in_squares_between_prices():
    one = JoulesInterval(
        10.0,
        (
            PriceRange("a", 3.0, 1.5, 4.5, "x", "2 bits"),
            PriceRange("a", 3.0, 1.5, 4.5, "x", "4 bits"),
            PriceRange("b", 4.0, 0.0, 16.0, "y"),
        ),
    )
    assert (one.low, one.high) == (close(10 - 5), close(10 + math.hypot(3, 12)))
    assert [each.price for each in one.by_price] == ["b", "a"]
    assert one.deciding.price == "b"


def test_prices_with_the_spread_of_machines_are_off_together():
    """Splitting what one price has among two narrows nothing."""
    both = (PriceRange("a", 6.0, 3.0, 9.0, MACHINES), PriceRange("b", 4.0, 2.0, 6.0, MACHINES))
    one = JoulesInterval(10.0, both)
    assert (one.low, one.high) == (close(5), close(15))


def test_an_interval_is_of_one_read_and_holds_the_bill():
    bill = two_layers()
    found = bill.interval
    assert found.joules == close(bill.per_read_j)
    assert found.low < bill.per_read_j < found.high
    assert bill.to_json()["joules_per_read_interval"] == [found.low, found.high]


def test_what_is_free_or_infinite_has_no_range():
    found = joules_interval(DIGITAL, Operations({Operation("adc", (4,)): 9}))
    assert (found.low, found.joules, found.high, found.deciding) == (0, 0, 0, None)
    assert noiseless().interval.joules == math.inf
    assert "interval: from the ranges" not in str(noiseless())
    assert "interval: from the ranges" in str(two_layers())


def choice(**joules):
    parts = (PriceRange(name, one, one / 2, 3 * one, "") for name, one in joules.items())
    return JoulesInterval(sum(joules.values()), tuple(parts))


def test_a_common_price_cancels_between_choices():
    """Alone the two overlap far: .5 to 3 against .55 to 3.3."""
    assert compared(choice(adc=1.0), choice(adc=1.1)).is_certain
    found = compared(choice(adc=1.0, add=2.0), choice(adc=3.0, add=0.1))
    assert found.difference == close(0.1)
    assert found.deciding == "add"  # at its upper end the first costs 5.7 more
    assert found.doubt == close(math.hypot(2.0 / 2, 1.9 * 2))
    assert not found.is_certain


def test_other_widths_of_one_price_are_in_doubt_by_themselves():
    few, many = (
        JoulesInterval(one, (PriceRange("adc", one, one / 2, 3 * one, "", f"{bits} bits"),))
        for one, bits in ((1.0, 4), (1.1, 8))
    )
    found = compared(few, many)
    assert (found.is_certain, found.deciding) == (False, "adc")
    assert found.doubt == close(math.hypot(2.0, 0.55))


def test_prices_of_one_choice_alone_count_whole():
    found = compared(choice(adc=1.0), choice(add=4.0))
    assert found.doubt == close(math.hypot(2.0, 2.0))
    assert found.is_certain


@pytest.mark.parametrize("ends", [(5.0, 2.0), (math.nan, 2.0), (0.5, math.nan), (2.0, 3.0)])
def test_ranges_that_do_not_ascend_are_refused(ends):
    with pytest.raises(SettingError, match=r"'ranges' = .*should ascend"):
        JoulesInterval(1.0, (PriceRange("adc", 1.0, *ends, ""),))


def test_bills_are_compared_by_their_intervals():
    """A bill in an interval's place is told what to give."""
    one = JoulesInterval(1.0, ())
    for pair in ((one, "bill"), ("bill", one)):
        with pytest.raises(SettingError, match=r"as bill\.interval is one"):
            compared(*pair)
