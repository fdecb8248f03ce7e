"""The files of macros: every number has a tag and a source, and parameters are frozen."""

import ast
import math

import pytest

from stochsim.silicon import CONDITIONS, load_macro, macros

FROZEN = {
    "colonnade": "100eb8cae305ab5a8423c0d2215e80e83f2d972fdba70d1e50f7a00f4ee00f64",
    "jia": "f3062b6c41c26b139d88395c7ae86b04f960918579fb69d8b2531fae376f117a",
    "neurram": "b863002de25a919bd0e5cf0119cbde51587376b44ec5c79f16dc7570b4400525",
    "sinangil": "9842b1c6b4b1ff7e10b93651f816e8db577f8c8221573d4287abbde24435c1a8",
    "wang": "ff9160b680e4252dbcadc4abaa6eef903e5c6377fab7b203bbeb17361dc5e48d",
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
