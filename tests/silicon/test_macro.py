"""Macros: energies by hand, limits, and what is refused."""

import pytest
from tinymacro import tiny

from stochsim.settings import SettingError
from stochsim.silicon import Parameter, load_macro
from stochsim.silicon.macro import Condition, Part


def parameters(**changes):
    return {**tiny().parameters, **changes}


def test_energy_time_and_area_are_the_formulas():
    point = tiny().at(voltage_v=0.8, input_bits=3)
    assert point.energy_j["cells"] == pytest.approx(3 * 8 * 4e-15 * 0.64, rel=1e-12)
    assert point.energy_j["converter"] == pytest.approx(3e-12, rel=1e-12)
    assert point.per_mac_fj == pytest.approx((3 * 8 * 4e-15 * 0.64 + 3e-12) / 8 * 1e15, rel=1e-12)
    assert point.tops == pytest.approx(2 * 8 / 3e-9 / 1e12, rel=1e-12)
    assert point.tops_per_w == pytest.approx(2000 / point.per_mac_fj, rel=1e-12)
    assert point.tops_per_mm2 == pytest.approx(point.tops / 8e-6, rel=1e-12)


def test_parts_outside_of_the_published_efficiency_are_left_out_of_it():
    macro = tiny()
    outside = macro.energy["converter"].replace(is_in_efficiency=False)
    point = macro.replace(energy={**macro.energy, "converter": outside}).at()
    assert point.published_j == point.energy_j["cells"]
    assert point.all_j == pytest.approx(point.published_j + 1e-12, rel=1e-12)


def test_wang_by_hand():
    """At 1 V: 16 converters of 1.67 pJ at .9 V, 64 DACs of 400 fJ, 1,024 ladders of 23 × 2 fF; 4 %
    of all is the rest.
    """
    parts = (16 * 1.67e-12 / 0.81, 64 * 400e-15, 1024 * 46e-15)
    point = load_macro("wang").at()
    assert point.published_j == pytest.approx(sum(parts) / 0.96, rel=1e-12)
    assert point.macs == 1024


def test_neurram_by_hand():
    """Seven bit planes in two phases of four and three: 15 + 7 integrations, 10 + 6 bits."""
    macro = load_macro("neurram")
    point = macro.at(input_bits=8, output_bits=10, phases=2)
    neuron = 7 * 1.2 + 22 * 0.25 + (16 + 2) * 0.3 + 2 * 0.1
    line = macro.parameters["line_factor"].value * (48e-15 + 256 * 2.1e-15)
    named = point.energy_j
    assert named["neuron operations and control"] == pytest.approx(256 * neuron * 1e-12, rel=1e-12)
    assert named["word-line switching"] == pytest.approx(256 * 7 * line * 1.3 * 2.2, rel=1e-12)
    assert named["input pulses"] == pytest.approx(256 * 7 * line * 0.5 * 1.8, rel=1e-12)
    assert point.seconds == pytest.approx(22 * 0.27e-6 + 18 * 0.3e-6, rel=1e-12)


def test_colonnade_energy_is_not_the_square_of_bits_and_falls_where_outputs_stay():
    macro = load_macro("colonnade")
    energy = {b: macro.at(input_bits=b, weight_bits=b).per_mac_fj for b in range(1, 17)}
    assert 1.0 < energy[2] / energy[1] / 2 < 2.0
    one_bit = {b: macro.at(weight_bits=b).per_mac_fj for b in (6, 7)}
    assert one_bit[7] == pytest.approx(one_bit[6], rel=1e-12)  # nine outputs both times


def test_supply_follows_the_polynomials_of_the_node():
    from stochsim.energy import Scaling, energy_ratio

    macro = load_macro("sinangil")
    ratio = macro.at(voltage_v=0.65).per_mac_fj / macro.at(voltage_v=0.8).per_mac_fj
    wanted = energy_ratio(Scaling(node_nm=7, voltage_v=0.65), 7, 0.8)
    assert ratio == pytest.approx(wanted, rel=1e-12)


def test_conditions_outside_of_the_published_range_are_flagged():
    point = tiny().at(voltage_v=1.3)
    assert point.flags == (
        "tiny: voltage_v = 1.3 is outside the published range, 0.8 to 1.2: extrapolated",
    )
    assert tiny().at(voltage_v=1.2).flags == ()


def test_unknown_conditions_name_the_nearest():
    with pytest.raises(SettingError, match="did you mean 'voltage_v'"):
        tiny().at(voltage=1.0)
    with pytest.raises(SettingError, match="should be a number"):
        tiny().at(voltage_v="high")


def test_a_supply_at_which_no_logic_works_is_refused():
    with pytest.raises(SettingError, match="polynomial of 7 nm turns"):
        load_macro("sinangil").at(voltage_v=0.1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"inputs": "rows * 3"}, "should be a parameter, which names its source"),
        ({"inputs": "row"}, "did you mean 'rows'"),
        ({"seconds": "cycle_s *"}, "not an expression"),
        ({"parameters": parameters(spare=tiny().parameters["rows"])}, "'spare': is in no formula"),
        ({"conditions": {**tiny().conditions, "bits": Condition(default=1, range=(1, 2))}}, "bits"),
        ({"unknown": 1}, "unknown key 'unknown'"),
        ({"define": {"rows": "2"}}, "'define.rows': stands for something else already"),
        ({"parameters": parameters(voltage_v=tiny().parameters["rows"])}, "stands for something"),
        ({"limits": {"few rows": "rows <="}}, "not an expression"),
    ],
)
def test_what_a_macro_refuses(changes, message):
    with pytest.raises(SettingError, match=message):
        tiny(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tag": "guessed"}, "tag"),
        ({"source": ""}, "source"),
        ({"tag": "fitted"}, "'range' is missing"),
        ({"tag": "fitted", "range": (0, 2)}, "'prior' is missing"),
        ({"tag": "fitted", "range": (0, 2), "prior": 1.0}, "'points' is missing"),
        ({"prior": 1.0}, "belongs to a parameter with tag = 'fitted'"),
        ({"range": (2, 3)}, "should be within its range, 2 to 3"),
        ({"value": float("nan")}, "value"),
    ],
)
def test_what_a_parameter_refuses(changes, message):
    table = {"value": 1.0, "unit": "1", "tag": "published", "source": "made up"}
    with pytest.raises(SettingError, match=message):
        Parameter(**(table | changes))


def test_corners_and_priors():
    free = Parameter(value=1.0, unit="1", tag="derived", source="made up", range=(0.5, 2.0))
    cells = Part(formula="input_bits * rows * cell_f * share * voltage_v**2")
    converter = tiny().energy["converter"]
    macro = tiny(parameters=parameters(share=free), energy={"cells": cells, "converter": converter})
    ends = [one.at().energy_j["cells"] for one in macro.corners()]
    assert ends == pytest.approx([0.5 * 32e-15, 2 * 32e-15], rel=1e-12)
    assert macro.at().energy_j["cells"] == pytest.approx(32e-15, rel=1e-12)
    fitted = load_macro("colonnade")
    bare = fitted.without_fits()
    assert bare.parameters["supply_exponent"].value == 2.0
    ratio = bare.at(voltage_v=0.8).per_mac_fj / bare.at(voltage_v=0.6).per_mac_fj
    assert ratio == pytest.approx((0.8 / 0.6) ** 2, rel=1e-12)


def test_digests_follow_from_what_predictions_follow_from():
    macro = tiny()
    assert macro.digest == tiny().digest
    assert macro.with_values({"rows": 9}).digest != macro.digest


def test_names_and_files(tmp_path):
    with pytest.raises(SettingError, match="did you mean 'neurram'"):
        load_macro("neuram")
    path = tmp_path / "own.toml"
    path.write_text('name = "own"\n[parameters]\nrows = 8\n', encoding="utf-8")
    with pytest.raises(SettingError, match=r"own.toml.*'parameters.rows' = 8: should be a table"):
        load_macro(path)
    path.write_text('name = "own"\n[parameters.rows]\nvalue = 8\nunit = "1"\n', encoding="utf-8")
    with pytest.raises(SettingError, match=r"own.toml.*'parameters.rows.tag' is missing"):
        load_macro(str(path))


def test_clocks_follow_the_alpha_power_law_of_the_supply():
    macro = load_macro("jia")
    fast, slow = (macro.at(voltage_v=volts).seconds for volts in (1.2, 0.85))
    assert slow == pytest.approx(54 * 25e-9, rel=1e-12)
    speeds = [(volts - 0.35) ** 1.3 / volts for volts in (1.2, 0.85)]
    assert slow / fast == pytest.approx(speeds[0] / speeds[1], rel=1e-12)
    with pytest.raises(SettingError, match=r"'voltage_v' = 0\.3: define\.slower has no value"):
        macro.at(voltage_v=0.3)


def test_limits_are_flagged_where_they_do_not_hold():
    macro = tiny(limits={"a bit per row": "input_bits <= 1"})
    assert macro.at().flags == ()
    (flag,) = macro.at(input_bits=2).flags
    assert flag == "tiny: outside of what is published: a bit per row: extrapolated"
    neurram = load_macro("neurram")
    assert neurram.at(input_bits=5).flags == ()
    assert "one phase is published" in neurram.at(input_bits=8).flags[0]
    assert neurram.at(input_bits=8, output_bits=10, phases=2).flags == ()


@pytest.mark.parametrize(
    ("conditions", "message"),
    [
        ({"input_bits": 2.5}, "should be a whole number of at least 1"),
        ({"input_bits": 0}, "should be a whole number of at least 1"),
        ({"voltage_v": 0}, "voltage_v"),
        ({"voltage_v": -1}, "voltage_v"),
        ({"voltage_v": float("nan")}, "voltage_v"),
    ],
)
def test_conditions_that_cannot_be(conditions, message):
    with pytest.raises(SettingError, match=message):
        tiny().at(**conditions)


def test_counts_of_nothing_and_joules_below_nothing_are_refused_by_name():
    with pytest.raises(SettingError, match=r"'weight_bits' = 200\.0: outputs .*gives 0: should be"):
        load_macro("colonnade").at(weight_bits=200)
    with pytest.raises(SettingError, match=r"'energy\.converter\.formula': .*gives -1e-12"):
        tiny().with_values({"adc_j": -1e-12}).at()
    with pytest.raises(SettingError, match=r"unknown key 'parameters\.nope'"):
        tiny().with_values({"nope": 1.0})
    with pytest.raises(SettingError, match="should be within its range, 3 to 1, which ascends"):
        Condition(default=2, range=(3, 1))


def test_outputs_are_whole():
    assert load_macro("jia").at(weight_bits=3).outputs == 85
    assert load_macro("neurram").at(weight_bits=8).outputs == 64


def test_throughput_is_that_of_all_copies_and_density_of_one():
    point = load_macro("neurram").at(input_bits=8, output_bits=10, phases=2)
    seconds = 22 * 0.27e-6 + 18 * 0.3e-6
    assert point.tops == pytest.approx(48 * 2 * 256 * 128 / seconds / 1e12, rel=1e-12)
    area_mm2 = 256 * 1270 / 0.28 / 1e6
    assert point.tops_per_mm2 == pytest.approx(point.tops / 48 / area_mm2, rel=1e-12)


@pytest.mark.parametrize(
    ("name", "conditions", "message"),
    [
        ("colonnade", {"voltage_v": 1e-300}, "'voltage_v' = 1e-300: .*published are 0.6 to 0.8"),
        ("colonnade", {"voltage_v": 1e300}, "'voltage_v' = 1e\\+300: .*published are 0.6 to 0.8"),
        ("neurram", {"output_bits": 1e308}, "'output_bits' = 1e\\+308: .*published are 3 to 10"),
        ("neurram", {"phases": 1e308}, "'phases' = 1e\\+308"),
        ("colonnade", {"input_bits": 20, "voltage_v": 1e300}, "'voltage_v' = 1e\\+300"),
        ("wang", {"input_bits": 1e308}, "'input_bits' = 1e\\+308"),
    ],
)
def test_conditions_without_a_finite_figure_are_named(name, conditions, message):
    """Joules of 0 and infinite ones are no answer."""
    with pytest.raises(SettingError, match=message):
        load_macro(name).at(**conditions)


@pytest.mark.parametrize(
    ("name", "default", "low", "high"),
    [("input_bits", 1.5, 1, 4), ("voltage_v", 0.0, 0.0, 1.0), ("voltage_v", -0.85, -1.0, 1.0)],
)
def test_usual_conditions_that_no_measurement_is_made_at(name, default, low, high):
    """Refused as the file is read, by the name of the condition."""
    condition = Condition(default=default, range=(low, high))
    macro = load_macro("wang")
    with pytest.raises(SettingError, match=rf"'conditions\.{name}' = "):
        macro.replace(conditions={**macro.conditions, name: condition})


def test_values_that_are_none_are_refused():
    macro = load_macro("wang")
    for given in (None, [1.0], 3):
        with pytest.raises(SettingError, match="'values' = "):
            macro.with_values(given)
    name = next(iter(macro.parameters))
    with pytest.raises(SettingError, match=rf"'parameters\.{name}' = 'x'"):
        macro.with_values({name: "x"})
    with pytest.raises(SettingError, match="'part' = 'x'"):
        macro.at().part_fj("x")


def test_an_empty_source_is_said_in_words():
    with pytest.raises(SettingError, match="'source' = ' ': should not be empty"):
        Parameter(value=1.0, unit="F", tag="published", source=" ")
