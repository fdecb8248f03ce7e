"""Measured rows, fits and scores, on figures that a known macro made."""

import csv
import math

import pytest
from tinymacro import tiny

from stochsim.settings import SettingError
from stochsim.silicon import (
    Parameter,
    fit,
    fitted_rows,
    given_rows,
    largest_error,
    load_macro,
    macro_lines,
    prior_spread,
    read_measured,
    score,
    score_lines,
    spread_between,
    spread_lines,
)
from stochsim.silicon.measured import COLUMNS

EMPTY = dict.fromkeys(COLUMNS, "")


def row(value, **cells):
    base = {"macro": "tiny", "quantity": "energy", "unit": "fJ/MAC", "scored": "1"}
    base["voltage_v"] = "1.0"
    return {**EMPTY, **base, "value": str(value), "fj_per_mac": str(value), **cells}


def write(tmp_path, rows):
    path = tmp_path / "tiny.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    return path


def exact(**conditions):
    return tiny().at(**conditions).per_mac_fj


def test_rows_of_every_kind_are_read_and_predicted(tmp_path):
    rows = [
        row(exact(), input_bits="1", voltage_v="1.0", ops_per_mac="2"),
        row(4.0, part="cells", quantity="energy_share", unit="1"),
        row(0.016, quantity="throughput", unit="TOPS"),
        row(16, quantity="throughput", unit="GOPS"),
        row(0.002, quantity="latency", unit="us per pass of the array", input_bits="2"),
        row(8, quantity="area", unit="um^2", part="converter"),
        row(0.016 / 8e-6, quantity="density", unit="TOPS/mm^2"),
        row(0.99, quantity="accuracy MNIST", unit="1", scored="0"),
        row(1.0, part="unheard of"),
    ]
    found = score(tiny(), read_measured(write(tmp_path, rows), tiny()))
    assert [one.row.kind for one in found.rows] == [
        *("energy", "part", "speed", "speed", "speed", "area", "speed", "part")
    ]
    assert [one.ratio for one in found.rows[:-1]] == pytest.approx([1.0] * 7, rel=1e-9)
    assert math.isnan(found.rows[-1].ratio)
    assert found.misses == [found.rows[-1]]
    assert found.share("part") == 0.5
    assert math.isnan(score(tiny(), [found.rows[0].row]).share("area"))


def test_shares_errors_and_misses(tmp_path):
    ratios = (1.0, 1.1, 1.3, 0.7)
    rows = [row(exact(input_bits=b) / r, input_bits=b) for b, r in enumerate(ratios, 1)]
    found = score(tiny(), read_measured(write(tmp_path, rows), tiny()))
    assert [one.ratio for one in found.rows] == pytest.approx(ratios, rel=1e-9)
    assert found.share("energy") == 0.5
    assert [round(one.ratio, 3) for one in found.misses] == [0.7, 1.3]
    wanted = math.sqrt(sum(math.log(r) ** 2 for r in ratios[1:]) / 3)
    assert found.log_rmse == pytest.approx(wanted, rel=1e-9)
    text = "\n".join(score_lines([found], every_row=True))
    assert text.index("0.700") < text.index("2 of 4")


def test_the_null_model_has_geometry_and_the_square_of_the_supply(tmp_path):
    rows = [
        row(100.0, input_bits="1", voltage_v="1.0"),
        row(100.0, input_bits="3", voltage_v="0.8"),
    ]
    found = score(tiny(), read_measured(write(tmp_path, rows), tiny()))
    assert [one.null for one in found.rows] == pytest.approx([100.0, 300.0 * 0.64], rel=1e-12)
    assert found.null_log_rmse == pytest.approx(math.log(1.92), rel=1e-12)


def with_fit(value=2.0):
    points = ({"input_bits": 1, "voltage_v": 1.0},)
    free = Parameter(
        value=value,
        unit="1",
        tag="fitted",
        source="made up",
        prior=1.0,
        range=(0.1, 10),
        points=points,
    )
    macro = tiny()
    cells = macro.energy["cells"].replace(formula="factor * rows * cell_f * voltage_v**2")
    return macro.replace(
        parameters={**macro.parameters, "factor": free}, energy={**macro.energy, "cells": cells}
    )


def test_a_fit_finds_the_value_that_made_the_figures_and_scores_the_others(tmp_path):
    rows = [
        row(with_fit(3.0).at(voltage_v=v).per_mac_fj, input_bits="1", voltage_v=v)
        for v in (1.0, 0.8)
    ]
    measured = read_measured(write(tmp_path, rows), with_fit())
    found = fit(with_fit(), measured)
    assert found.parameters["factor"].value == pytest.approx(3.0, rel=1e-9)
    assert [one.conditions["voltage_v"] for one in fitted_rows(found, measured)] == [1.0]
    scored = score(found, measured)
    assert len(scored.predicted("energy")) == 1
    assert scored.log_rmse < 1e-9
    assert score(with_fit(), measured).log_rmse > 1e-3  # before it


def test_a_fit_without_its_points_or_out_of_its_range_is_refused(tmp_path):
    rows = [row(1.0, input_bits="2", voltage_v="1.0")]
    with pytest.raises(SettingError, match="none of the rows is one of its points"):
        fit(with_fit(), read_measured(write(tmp_path, rows), with_fit()))
    rows = [row(1e9, input_bits="1", voltage_v="1.0")]
    with pytest.raises(SettingError, match=r"no value in its range, 0.1 to 10"):
        fit(with_fit(), read_measured(write(tmp_path, rows), with_fit()))


def test_rows_that_a_parameter_is_read_from_do_not_count(tmp_path):
    macro = tiny()
    points = ({"quantity": "area", "part": "converter"},)
    read = macro.parameters["rows"].replace(points=points)
    macro = macro.replace(parameters={**macro.parameters, "rows": read})
    rows = [row(8, quantity="area", unit="um^2", part="converter"), row(exact())]
    measured = read_measured(write(tmp_path, rows), macro)
    assert given_rows(macro, measured) == measured[:1]
    assert score(macro, measured).predicted("area", "energy") == [score(macro, measured).rows[1]]


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"ops_per_mac": "1"}, "conventions are not mixed"),
        ({"voltage_v": "high"}, "'voltage_v' = 'high': should be a number, or empty"),
        ({"quantity": "throughput", "unit": "MOPS"}, "no unit of 'throughput'"),
        ({"quantity": "efficiency", "unit": "GOPS/W"}, "no unit of 'efficiency'"),
        ({"quantity": "efficency"}, "did you mean 'efficiency'"),
        ({"macro": "wong"}, "did you mean 'wang'"),
        ({"scored": "2"}, "should be 0 or 1"),
        ({"fj_per_mac": "3"}, "'fj_per_mac' = 3.0: should be 1, as 1 fJ/MAC says"),
        ({"unit": "fJ/OP"}, "should be 2, as 1 fJ/OP says"),
        ({"fj_per_mac": "inf", "value": "inf"}, "should be a finite number above 0"),
        ({"fj_per_mac": "0", "value": "0"}, "should be a finite number above 0"),
        ({"voltage_v": "0"}, "voltage_v"),
        ({"voltage_v": ""}, "'voltage_v' is missing: an energy holds at one supply"),
        ({}, "the row stands there twice"),
    ],
)
def test_rows_that_are_refused_name_their_line(tmp_path, cells, message):
    path = write(tmp_path, [row(1.0), {**row(1.0), **cells}])
    with pytest.raises(SettingError, match=message) as caught:
        read_measured(path, tiny())
    assert "tiny.csv:3" in str(caught.value)


def test_files_without_columns_or_rows_are_refused(tmp_path):
    path = tmp_path / "other.csv"
    path.write_text("macro,value\ntiny,3\n", encoding="utf-8")
    with pytest.raises(SettingError, match=r"has no column figure_or_table"):
        read_measured(path, tiny())
    with pytest.raises(SettingError, match=r"has no row of macro 'tiny'"):
        read_measured(write(tmp_path, [row(1.0, macro="wang")]), tiny())


def test_phases_are_read_from_the_words_of_the_figure(tmp_path):
    macro = load_macro("neurram")
    base = row(1.0, macro="neurram", input_bits="5", output_bits="7")
    rows = [{**base, "integration": words} for words in ("one-phase", "two-phase", "")]
    path = write(tmp_path, rows)
    assert [one.conditions.get("phases") for one in read_measured(path, macro)] == [1, 2, None]
    with pytest.raises(SettingError, match="'integration' = 'three-phase'"):
        read_measured(write(tmp_path, [{**base, "integration": "three-phase"}]), macro)


def test_spread_is_students_interval_of_a_new_machine():
    found = spread_between({"a": 0.3, "b": -0.1, "c": 0.1})
    half = 4.302653 * 0.2 * math.sqrt(4 / 3)  # t of 2 degrees, 97.5 %
    assert found.mean == pytest.approx(0.1, rel=1e-12)
    assert found.low == pytest.approx(math.exp(-0.1 - half), rel=1e-6)
    assert found.high == pytest.approx(math.exp(-0.1 + half), rel=1e-6)
    assert found.left_out("a") == pytest.approx(math.exp(0.3), rel=1e-12)
    with pytest.raises(SettingError, match="two machines at least"):
        spread_between({"a": 0.1})


def test_without_energies_of_the_whole_there_is_no_null_model(tmp_path):
    rows = [row(4.0, part="cells"), row(0.016, quantity="throughput", unit="TOPS")]
    found = score(tiny(), read_measured(write(tmp_path, rows), tiny()))
    assert math.isnan(found.log_rmse)
    assert math.isnan(found.mean_log)
    assert score(tiny(), []).rows == ()


def test_a_whole_whose_parts_were_fitted_does_not_count(tmp_path):
    macro = with_fit()
    points = ({"part": "cells", "input_bits": 1},)
    fitted = macro.parameters["factor"].replace(points=points)
    macro = macro.replace(parameters={**macro.parameters, "factor": fitted})
    rows = [
        row(5.0, part="cells", input_bits="1"),
        row(130.0, input_bits="1"),
        row(130.0, input_bits="2"),
    ]
    measured = read_measured(write(tmp_path, rows), macro)
    assert given_rows(macro, measured) == measured[:2]


def test_spreads_of_what_is_no_number_are_refused():
    with pytest.raises(SettingError, match=r"residuals\.a"):
        spread_between({"a": math.nan, "b": 0.1})


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: spread_between({"a": "x", "b": 1.0}), "'residuals.a' = 'x'"),
        (lambda: spread_between([]), "'residuals' = .*should be numbers by machine"),
        (lambda: spread_between({"a": 800.0, "b": -800.0}), "at most 20 in size"),
        (lambda: spread_between({"a": 0.1, "b": 0.2}).left_out("zz"), "'macro' = 'zz'"),
        (lambda: prior_spread(None), "'scores' = None: should be Scores"),
        (lambda: list(score_lines(None)), "'scores' = None: should be Scores"),
        (lambda: list(spread_lines([3])), "'scores' = 3: should be Scores"),
        (lambda: score(tiny(), None), "'rows' = None: should be Measured rows"),
        (lambda: score(tiny(), [1]), "'rows' = 1: should be Measured rows"),
        (lambda: score("x", []), "'macro' = 'x': should be a Macro"),
        (lambda: score(tiny(), []).share("nope"), "'kind' = 'nope'"),
        (lambda: fit("x", []), "'macro' = 'x': should be a Macro"),
        (lambda: largest_error("nope"), "'macro' = 'nope': should be a Macro"),
        (lambda: list(macro_lines(3)), "'macro' = 3: should be a Macro"),
    ],
)
def test_what_is_no_macro_score_or_row_is_refused(call, message):
    with pytest.raises(SettingError, match=message):
        call()


def test_the_scoreboard_counts_energies_in_the_envelope(tmp_path):
    """Cells of 3 to 4 fF, so that 7/8 of the usual joules are inside and 1/2 are not; columns are
    at most 110 characters wide, and what is not known is "-".
    """
    cells = Parameter(value=4e-15, unit="F", tag="derived", source="made up", range=(3e-15, 4e-15))
    macro = tiny(parameters={**tiny().parameters, "cell_f": cells})
    low, high = (macro.with_values({"cell_f": value}).at().per_mac_fj for value in (3e-15, 4e-15))
    rows = [row((low + high) / 2, input_bits="1"), row(high / 2, input_bits="1")]
    text = list(score_lines([score(macro, read_measured(write(tmp_path, rows), macro))]))
    first = next(number for number, one in enumerate(text) if one.startswith("macro"))
    heads, found = text[first : first + 2]
    place = heads.index("in envelope") + len("in envelope")
    assert found[:place].endswith("1 of 2")
    assert max(map(len, text)) <= 110
    empty = list(score_lines([score(tiny(), [])]))
    assert not any("nan" in line for line in empty)
