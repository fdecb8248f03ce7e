"""The files of macros: every number has a tag and a source, and parameters are frozen."""

import ast
import math

import pytest

from stochsim.silicon import CONDITIONS, load_macro, macros

FROZEN = {
    "colonnade": "bb34663acd5c6d14ad23327942e3a7588e7b6f76af1aa64c3e88ce54b8f2a14a",
    "jia": "b7bdd408938cec4e20d101980e3cf74ee153db43fa3d08759eb7e11a1ddd23a8",
    "neurram": "ac0b726a5c4018199734f5799bb14118c727f7a4f7ce7fed7f0c86c41201be4e",
    "sinangil": "10398a5367b48f2af9b675476d19dece9733a2986269d04cc51a1f4e64147a6a",
    "wang": "386fd75ecf9388c04b53239c9bb3ebaabfdd488305af07b50ccf709671d64009",
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
