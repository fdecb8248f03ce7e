"""The chips of macros: settings with tag and source, sums that equal integers or err as rounding
does, and refusals.
"""

import ast
import math
import warnings

import numpy as np
import pytest
from tinymacro import tiny

import stochsim as ss
from stochsim.program import Layer, Quantizer, single_layer
from stochsim.settings import SettingError
from stochsim.silicon import (
    ChipSetting,
    ExtrapolatedWarning,
    MacroChip,
    load_macro,
    macro_lines,
    macros,
)

DRAWS = np.random.default_rng(0)


def program(weights, bits, step=1.0):
    inputs, outputs = Quantizer(bits[1], 1.0), Quantizer(8, step)
    zeros = np.zeros(len(weights))
    return single_layer(Layer(weights, bits[0], 1.0, inputs, outputs, zeros, zeros, "identity"), 0)


def codes(shape, bits):
    top = max(1, 2 ** (bits - 1) - 1)
    found = DRAWS.integers(-top, top + 1, shape)
    return np.where(found == 0, 1, found).astype(np.int8) if bits == 1 else found.astype(np.int8)


@pytest.mark.parametrize("name", macros())
def test_every_setting_of_a_chip_has_a_tag_and_a_source(name):
    chip = load_macro(name).chip
    assert chip is not None
    for address, one in chip.settings.items():
        assert one.tag in ("published", "derived"), address
        assert len(one.source) > 3, address
    for _, text in chip.formulas:
        numbers = [n.value for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Constant)]
        assert set(numbers) <= {0, 1, 2}, text


@pytest.mark.parametrize("name", macros())
def test_a_chip_says_whose_joules_it_has(name):
    macro = load_macro(name)
    hardware = macro.hardware()
    assert hardware.name == f"{name} (outputs; priced as {macro.chip.preset})"
    assert "bill_on_macro" in hardware.description
    for one in macro.chip.departures:
        assert one in hardware.description
        assert f"not modelled: {one}" in list(macro_lines(macro))


@pytest.mark.parametrize("weight_bits", [1, 3, 8])
@pytest.mark.parametrize("input_bits", [1, 4, 8])
def test_sums_of_colonnade_are_those_of_integers(weight_bits, input_bits):
    weights, x = codes((5, 128), weight_bits), codes((7, 128), input_bits)
    hardware = load_macro("colonnade").hardware(weight_bits=weight_bits, input_bits=input_bits)
    found = ss.Chip(program(weights, (weight_bits, input_bits)), hardware).drive(x.astype(float))
    expected = x.astype(object) @ weights.T.astype(object)
    np.testing.assert_array_equal(found, expected.astype(np.float64))


def test_slices_of_jia_add_up_to_the_sum_where_converters_tell_all_sums_apart():
    """Sums of 200 rows need 8 bits: then every conversion is exact."""
    hardware = load_macro("jia").hardware(weight_bits=3, input_bits=2).with_({"array.rows": 200})
    weights, x = codes((4, 200), 3), codes((6, 200), 2)
    exact = x.astype(float) @ weights.T
    found = ss.Chip(program(weights, (3, 2), 8.0), hardware).sample(x.astype(float), 1, 0).values
    nearest = np.clip(np.rint(exact / 8), -128, 127) * 8
    ties = np.abs(np.abs(exact / 8 - np.floor(exact / 8)) - 0.5) < 1e-9
    np.testing.assert_array_equal(found[:, 0][~ties], nearest[~ties])


@pytest.mark.parametrize(("name", "bits"), [("jia", (1, 1)), ("wang", (8, 8))])
def test_errors_of_sums_are_those_of_rounding(name, bits):
    """Over 2,048 sums: the root mean square within 8 %, 5 sd of a uniform law's."""
    hardware = load_macro(name).hardware(weight_bits=bits[0], input_bits=bits[1])
    array = hardware.array
    weights, x = codes((16, array.rows), bits[0]), codes((128, array.rows), bits[1])
    exact = x.astype(float) @ weights.T
    step = float(np.abs(exact).max()) / 127
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of coarse ADCs, which is the point
        chip = ss.Chip(program(weights, bits, step), hardware)
        found = chip.sample(x.astype(float), 1, 0).values[:, 0]
    lsb = array.rows * (2**array.cell_bits - 1) * (2**array.cycle_bits - 1) / 255
    unit = 4.0 if bits == (1, 1) else 1.0  # products of ±1 are 4 b b' - …
    form = math.hypot(unit * lsb, step) / math.sqrt(12)
    measured = math.sqrt(((found - exact) ** 2).mean())
    assert measured == pytest.approx(form, rel=0.08)
    finer = hardware.with_({"array.adc.bits": 12})  # the negative control
    other = ss.Chip(program(weights, bits, step), finer).sample(x.astype(float), 1, 0)
    assert math.sqrt(((other.values[:, 0] - exact) ** 2).mean()) < 0.6 * form


def test_converters_and_widths_follow_the_conditions():
    hardware = load_macro("neurram").hardware(input_bits=8, output_bits=10, phases=2)
    assert (hardware.array.adc.bits, hardware.array.cycle_bits) == (10, 4)
    assert hardware.precision.input_bits == 8


def test_conditions_outside_the_published_range_warn():
    with pytest.warns(ExtrapolatedWarning, match="output_bits = 12 is outside"):
        hardware = load_macro("neurram").hardware(output_bits=12)
    assert "Extrapolated: neurram: output_bits" in hardware.description


def test_widths_that_no_chip_has_are_named():
    with pytest.raises(SettingError, match=r"'chip.precision.weight_bits' = 16"):
        load_macro("colonnade").hardware(weight_bits=16)
    with pytest.raises(SettingError, match="did you mean 'input_bits'"):
        load_macro("colonnade").hardware(inputs_bits=4)


GOOD = ChipSetting(formula="rows", tag="published", source="made up")


def test_a_macro_without_a_chip_says_so():
    with pytest.raises(SettingError, match="tiny has no chip: the file has no"):
        tiny().hardware()
    without = tiny(chip=MacroChip(none="no array of ours divides"))
    with pytest.raises(SettingError, match="no array of ours divides"):
        without.hardware()
    assert "outputs: none, no array of ours divides" in list(macro_lines(without))


def test_the_digest_of_joules_does_not_follow_the_chip():
    assert tiny(chip=MacroChip(none="why")).digest == tiny().digest


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: MacroChip(), "give one of both"),
        (lambda: MacroChip(preset="rram-array", none="why"), "give one of both"),
        (lambda: MacroChip(none="why", departures=("x",)), "nothing that settings"),
        (lambda: ChipSetting(value=1.0, formula="rows", tag="derived", source="s"), "give one"),
        (lambda: ChipSetting(tag="derived", source="s"), "give one of both"),
        (lambda: ChipSetting(value=1.0, tag="fitted", source="s"), "no output was fitted"),
        (lambda: ChipSetting(value=1.0, source="s"), "'tag' is missing"),
        (lambda: ChipSetting(value=1.0, tag="derived"), "'source' is missing"),
        (
            lambda: tiny(
                chip=MacroChip(
                    preset="rram-array", settings={"array.rows": GOOD.replace(formula="row")}
                )
            ),
            "chip.settings",
        ),
        (
            lambda: tiny(
                chip=MacroChip(
                    preset="rram-array", settings={"array.rows": GOOD.replace(formula="rows + 7")}
                )
            ),
            "should be a parameter",
        ),
        (
            lambda: tiny(
                chip=MacroChip(preset="rram-arrray", settings={"array.rows": GOOD})
            ).hardware(),
            "did you mean 'rram-array'",
        ),
        (
            lambda: tiny(
                chip=MacroChip(preset="rram-array", settings={"array.row": GOOD})
            ).hardware(),
            "did you mean 'rows'",
        ),
    ],
)
def test_chips_that_are_none_are_refused(make, words):
    with pytest.raises(SettingError, match=words):
        make()
