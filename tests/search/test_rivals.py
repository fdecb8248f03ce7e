"""Whether a search's answer is certain within the ranges of prices."""

import dataclasses
import html

import pytest
from madeoutcomes import CHEAP, FAST, SLOW, agreeing, failing
from tinyoptimize import made, outcome_of, request_of

from stochsim.accounting import joules_interval
from stochsim.report.pages.search_page import render
from stochsim.report.search_doubt import doubt_words
from stochsim.report.search_tables import console_text
from stochsim.search import rivals
from stochsim.search.rival_settings import interval

ZIGZAG = {"objective__adc_models": ["zigzag"]}


def two(conversions, memory_pj):
    """SLOW with conversions alone, FAST with some memory in their place."""
    request = request_of(**ZIGZAG)
    first = made(request, SLOW, 0.95, {3: 100})
    second = made(request, FAST, 0.95, {3: conversions}, memory_pj * 1e-12)
    return outcome_of(request, [first, second])


def test_more_of_the_same_price_is_certain_however_wide_its_range():
    outcome = two(101, 0)
    assert outcome.first.chosen.setting == SLOW
    found = rivals(outcome, "zigzag")
    assert (found.others, found.rivals) == (1, ())
    assert "The answer is certain under ZigZag's model" in doubt_words(outcome)


def test_another_price_within_its_range_is_a_rival_and_the_deciding_one_is_named():
    """100 conversions of .24 pJ, whose range reaches four times that, against 26 pJ of memory."""
    outcome = two(0, 26)
    ((other, how),) = rivals(outcome, "zigzag").rivals
    assert (other.setting, how.deciding) == (FAST, "adc-zigzag-28nm")
    own = outcome.joules(outcome.first.chosen, "zigzag")
    assert how.difference == pytest.approx(outcome.joules(other, "zigzag") - own, rel=1e-9)
    said = doubt_words(outcome)
    assert "1 of 1 other setting that keeps it may be cheaper" in said
    assert "adc-zigzag-28nm, known better, would decide" in said
    assert " ".join(said.split()) in " ".join(console_text(outcome).split())
    assert said in html.unescape(render(outcome))


def test_far_from_the_answer_nothing_is_in_doubt():
    assert "is certain" in doubt_words(two(0, 26_000))


def test_settings_that_lose_the_posterior_are_no_rivals():
    found = rivals(agreeing(), "zigzag")
    settings = [one.setting for one, _ in found.rivals]
    assert CHEAP not in settings
    assert found.others == 1


def test_without_a_choice_or_a_rule_nothing_is_said():
    assert rivals(failing(), "zigzag") is None
    assert doubt_words(failing()) == ""
    request = request_of(objective__keep=None, objective__front=True)
    front = outcome_of(request, [made(request, SLOW, 0.95, {3: 100})])
    assert doubt_words(front) == ""
    alone = request_of(**ZIGZAG)
    assert doubt_words(outcome_of(alone, [made(alone, SLOW, 0.95, {3: 100})])) == ""


def test_intervals_are_of_what_is_minimised():
    request = request_of(search__reads=[1, 4], **ZIGZAG)
    one, four = (made(request, (4, 4, 4, 1.0, reads, 3, 8), 0.95, {3: 100}) for reads in (1, 4))
    outcome = outcome_of(request, [one, four])
    assert interval(outcome, four, "zigzag").high == pytest.approx(
        4 * interval(outcome, one, "zigzag").high, rel=1e-12
    )
    chip = one.chip.with_price("adc", "adc-zigzag-28nm")
    direct = joules_interval(chip, one.operations[0], one.rho)
    assert interval(outcome, one, "zigzag").low == pytest.approx(direct.low, rel=1e-12)
    slow = dataclasses.replace(one, samples_per_effective=3.0)
    effective = request_of(objective__minimise="joules_per_effective_sample", **ZIGZAG)
    chosen = interval(outcome_of(effective, [slow]), slow, "zigzag")
    assert chosen.joules == pytest.approx(3 * direct.joules, rel=1e-12)
