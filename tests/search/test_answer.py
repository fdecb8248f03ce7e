"""What is answered of a made-up table of settings: under each ADC model, in figures and in
words.
"""

import csv
import dataclasses
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from madeoutcomes import ALONE, CHEAP, FAST, SLOW, agreeing, differing, failing
from tinyoptimize import made, outcome_of, request_of

from stochsim.energy import format_energy, price
from stochsim.posterior import Estimate, survival
from stochsim.report import search_text as words
from stochsim.report.pages.search_page import render, write_optimize_report
from stochsim.report.search_tables import console_text


def test_joules_are_the_operations_at_the_models_price() -> None:
    request = request_of()
    found = made(request, SLOW, 0.95, {3: 100, 6: 2})
    for model, name in (
        ("zigzag", "adc-zigzag-28nm"),
        ("walden", "adc-walden"),
        ("rekhi", "adc-rekhi"),
    ):
        assert found.joules(model) == pytest.approx(
            100 * price(name).energy_j((3,)) + 2 * price(name).energy_j((6,)), rel=1e-12
        )


def test_averaged_reads_cost_all_their_joules() -> None:
    request = request_of(search__reads=[1, 4])
    one, four = (made(request, (4, 4, 4, 1.0, reads, 3, 8), 0.95, {3: 100}) for reads in (1, 4))
    assert four.joules("walden") == pytest.approx(4 * one.joules("walden"), rel=1e-12)
    outcome = outcome_of(request, [four])
    assert "per sample of 4 averaged reads" in words.headline(outcome)


def test_each_model_has_its_own_cheapest_setting() -> None:
    answers = differing().answers
    assert {model: answer.shown.setting for model, answer in answers.items()} == {
        "zigzag": FAST,
        "walden": SLOW,
        "rekhi": FAST,
    }


def test_where_models_differ_it_is_said_in_words_on_the_first_screen() -> None:
    outcome = differing()
    said = words.difference_words(outcome)
    assert said.startswith(
        "The ADC model changes the answer: it holds under ZigZag's model and Rekhi's floor."
    )
    assert (
        "Under Walden's law the choice is 3-bit ADCs, 8 rows instead of 6-bit ADCs, 16 rows" in said
    )
    extra = 100 * (40 * 2**6 / (100 * 2**3) - 1)
    assert f"which would cost {extra:.3g} % more there" in said
    page = render(outcome)
    assert page.index("The ADC model changes the answer") < page.index('id="front"')
    assert page.index("3-bit ADCs, 8 rows instead of") < page.index('id="front"')


def test_where_models_agree_that_is_said_too() -> None:
    outcome = agreeing()
    said = words.difference_words(outcome)
    assert said.startswith(
        "All five ADC models agree on this setting; only its joules differ, from "
    )
    joules = sorted(outcome.joules(outcome.first.shown, model) for model in outcome.answers)
    assert f"from {format_energy(joules[0])} to {format_energy(joules[-1])}" in said
    assert "changes the answer" not in render(outcome)


def test_the_headline_is_the_answer_of_the_first_model() -> None:
    said = words.headline(differing())
    assert said.startswith(
        "The cheapest setting that keeps S ≥ 0.9 is 4-bit weights, 6-bit ADCs, 16 rows: "
    )
    assert "(ADCs by ZigZag's model)" in said
    assert "S = 0.96" in said


def test_the_whole_interval_has_to_keep_the_rule() -> None:
    """As the cliff does: S = 0.95 with an interval from 0.85 does not keep S ≥ 0.9."""
    request = request_of()
    sure, unsure = made(request, FAST, 0.92, {6: 40}), made(request, SLOW, 0.95, {3: 10})
    low = dataclasses.replace(unsure.survival, estimate=Estimate(0.95, 0.85, 0.99))
    outcome = outcome_of(request, [sure, dataclasses.replace(unsure, survival=low)])
    assert outcome.first.chosen is not None
    assert outcome.first.chosen.setting == FAST


def test_a_rule_on_distance_is_kept_from_above() -> None:
    request = request_of(objective__keep="D <= 0.3")
    near, far = made(request, FAST, 0.95, {6: 40}), made(request, SLOW, 0.7, {3: 10})
    assert outcome_of(request, [near, far]).first.shown.setting == FAST
    assert "D = 0.24" in words.headline(outcome_of(request, [near, far]))


def test_where_nothing_keeps_the_rule_the_nearest_is_named() -> None:
    outcome = failing()
    assert outcome.first.chosen is None
    assert words.headline(outcome).startswith(
        "No setting measured so far keeps S ≥ 0.99: the nearest is 4-bit weights, 6-bit "
        "ADCs, 16 rows"
    )
    assert words.difference_words(outcome).startswith("Under no ADC model")
    assert "none; nearest: " in render(outcome)
    assert "none (nearest A)" in console_text(outcome)


def test_survival_that_is_not_available_keeps_nothing() -> None:
    request = request_of()
    found = made(request, SLOW, 0.95, {3: 10})
    flat = np.linspace(0.95, 1.05, 16)
    outcome = outcome_of(
        request, [dataclasses.replace(found, survival=survival(flat, flat, flat, 0))]
    )
    assert outcome.first.chosen is None
    assert (
        "n/a: the network is not significantly better than ignoring the stimulus"
        in words.headline(outcome)
    )
    render(outcome)


def test_a_chip_without_adcs_has_one_answer_and_says_why() -> None:
    request = request_of(hardware__preset="digital-45nm", search__adc_bits=None, search__rows=None)
    setting = next(iter(request.space))
    outcome = outcome_of(request, [made(request, setting, 0.95, {}, other_j=1e-12)])
    assert list(outcome.answers) == ["own"]
    assert "digital-45nm has no ADCs" in words.difference_words(outcome)
    assert "digital-45nm has no ADCs" in render(outcome)


def test_equal_joules_are_no_reason_for_more_bits() -> None:
    """Rekhi's floor does not grow with bits, and an ADC of 6 bits gives the codes of one of 3
    here.
    """
    request = request_of(objective__adc_models=["rekhi"])
    rows = [made(request, (4, 4, 4, 1.0, 1, bits, 8), 0.95, {bits: 10}) for bits in (6, 3)]
    assert outcome_of(request, rows).first.shown.setting[5] == 3


def test_a_front_has_its_ends_and_its_bend() -> None:
    request = request_of(objective__keep=None, objective__front=True, **ALONE)
    rows = [
        made(request, setting, s, {6: count})
        for setting, s, count in ((SLOW, 0.2, 10), (FAST, 0.9, 20), (CHEAP, 0.95, 160))
    ]
    outcome = outcome_of(request, rows)
    assert [each.setting for each in outcome.first.front] == [SLOW, FAST, CHEAP]
    assert outcome.first.chosen is not None
    assert outcome.first.chosen.setting == FAST
    assert words.headline(outcome).startswith("The front has 3 settings, from ")
    assert "it bends at 4-bit weights, 6-bit ADCs, 16 rows" in words.headline(outcome)
    render(outcome)


def test_what_is_no_better_than_ignoring_the_stimulus_is_not_on_the_front() -> None:
    request = request_of(**ALONE)
    outcome = outcome_of(
        request, [made(request, SLOW, -0.3, {3: 1}), made(request, FAST, 0.96, {6: 40})]
    )
    assert [each.setting for each in outcome.first.front] == [FAST]


def test_neighbours_that_were_not_measured_are_said_to_be() -> None:
    outcome = outcome_of(request_of(**ALONE), list(agreeing().measured))
    known = {(axis, value): measured for axis, value, measured in outcome.neighbours()}
    assert set(known) == {("weight_bits", 2), ("adc_bits", 6), ("rows", 16)}
    assert known["weight_bits", 2] is not None
    assert known["rows", 16] is None
    assert (
        "3 of 8 settings were measured, 1 of the 3 that differ from the answer by one step"
        in words.progress_words(outcome)
    )
    page = render(outcome)
    assert "rows: 8 → 16" in page
    assert "not measured" in page


def test_where_no_single_step_is_better_that_is_said() -> None:
    outcome = outcome_of(request_of(**ALONE), list(agreeing().measured))
    rest = [
        setting
        for setting in outcome.space.neighbours(outcome.first.shown.setting)
        if setting not in (CHEAP, FAST)
    ]
    more = [made(outcome.request, setting, 0.96, {6: 90}) for setting in rest]
    said = words.progress_words(outcome_of(outcome.request, [*outcome.measured, *more]))
    assert said.endswith(
        "all 3 that differ from the answer by one step on one axis among them: none is cheaper and "
        "keeps S ≥ 0.9."
    )


def test_unverified_prices_are_flagged_on_the_first_screen() -> None:
    page = render(differing())
    assert (
        page.index("Unverified prices")
        < page.index("adc-rekhi, adc-walden. Answers that rest on them")
        < page.index('id="front"')
    )
    request = request_of(**ALONE)
    assert words.unverified_words(outcome_of(request, [made(request, SLOW, 0.95, {4: 10})])) == ""


def test_the_bill_says_what_moves_it_most() -> None:
    request = request_of(**ALONE)
    outcome = outcome_of(request, [made(request, SLOW, 0.95, {6: 10}, other_j=1e-12)])
    adc = 10 * price("adc-zigzag-28nm").energy_j((6,))
    share = adc / outcome.first.shown.energy("zigzag").per_sample_j
    assert (
        f"What moves it most is converter, {share:.0%} of the joules: at half its price the whole "
        f"would cost {share / 2:.0%} less." in render(outcome)
    )


def test_the_report_is_one_page_beside_a_table_and_a_picture(tmp_path: Path) -> None:
    outcome = dataclasses.replace(differing(), storage="postgresql://me:***@host/trials")
    page = write_optimize_report(outcome, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "front.csv",
        "front.png",
        "optimize.html",
    ]
    text = page.read_text()
    assert not re.search(r"<script|(src|href)=\"(?!data:)", text)
    assert "me:***@host" in text
    rows = list(csv.DictReader((tmp_path / "front.csv").read_text().splitlines()))
    assert [row["answer_walden"] for row in rows] == ["true", "false", "false"]
    assert [row["answer_zigzag"] for row in rows] == ["false", "true", "false"]
    assert [row["keeps"] for row in rows] == ["true", "true", "false"]
    for row, found in zip(rows, outcome.measured, strict=True):
        assert float(row["joules_walden"]) == pytest.approx(found.joules("walden"), rel=1e-5)
        assert float(row["survival"]) == pytest.approx(found.s.value, rel=1e-5)


def test_equal_outcomes_are_equal_bytes(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        write_optimize_report(differing(**ALONE), tmp_path / folder)
    for name in ("front.csv", "front.png", "optimize.html"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@pytest.mark.parametrize("make", [differing, agreeing, failing])
def test_the_terminal_says_the_same_within_its_width(make: Any) -> None:
    text = console_text(make())
    assert max(map(len, text.splitlines())) <= 110
    assert " ".join(text.split()).startswith(words.headline(make()))
    assert "adc-walden [unv]" in text


def test_an_infinite_setting_is_never_the_answer() -> None:
    request = request_of(**ALONE, objective__minimise="joules_per_effective_sample")
    still = dataclasses.replace(made(request, SLOW, 0.95, {3: 1}), samples_per_effective=math.inf)
    outcome = outcome_of(request, [still, made(request, FAST, 0.96, {6: 40})])
    assert outcome.first.shown.setting == FAST
    assert "per effective sample" in words.headline(outcome)
