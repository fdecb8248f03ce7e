"""The files of macros: every number has a tag and a source, and parameters are frozen."""

import ast
import math

import pytest

from stochsim.silicon import CONDITIONS, load_macro, macros

FROZEN = {
    "colonnade": "a72dc4ce53c754214068c3d77a4642624a5df5aad4eacc4c1fae9a96427894a0",
    "jia": "f63f4d8907c1d4947f2c9f0054257ac946c8162dd53c81a34ae425590ba04ea7",
    "neurram": "394ed2dae85dde629b02e70dc24348cb683cd50c1d51df60135cec5b0762b1cf",
    "sinangil": "6f8fd27521db2dee6cac65fe1d3aa8ee764e43494267fb93a3de7edc06a6b164",
    "wang": "2827b6a7a09b311577ccb3820c15e5ad268607e7c6edf393c0c29f43eb72f60e",
}
"""Digests of all that predictions follow from. A change of one is a new model: its score is run
anew, and the changelog says so.
"""


@pytest.mark.parametrize("name", macros())
def test_every_parameter_has_a_tag_a_unit_and_a_source(name):
    macro = load_macro(name)
    for parameter in macro.parameters.values():
        assert parameter.tag in ("published", "derived", "fitted")
        assert parameter.unit
        assert len(parameter.source) > 3
        assert math.isfinite(parameter.value)
    assert macro.source


@pytest.mark.parametrize("name", macros())
def test_formulas_hold_no_number_of_their_own(name):
    for _, text, _ in load_macro(name)._all_formulas():
        numbers = [n.value for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Constant)]
        assert set(numbers) <= {0, 1, 2}, text


@pytest.mark.parametrize("name", macros())
def test_one_parameter_at_most_was_fitted_and_none_where_few_energies_are_known(name):
    fitted = load_macro(name).fitted
    assert len(fitted) <= (0 if name in ("jia", "wang") else 1)


def test_parameters_are_frozen():
    assert {name: load_macro(name).digest for name in macros()} == FROZEN


@pytest.mark.parametrize("name", macros())
def test_usual_conditions_are_within_what_was_published(name):
    macro = load_macro(name)
    assert set(macro.conditions) <= set(CONDITIONS)
    assert macro.at().flags == ()
    for condition in macro.conditions.values():
        assert condition.range[0] <= condition.default <= condition.range[1]
