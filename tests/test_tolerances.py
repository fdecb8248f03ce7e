"""No comparison of the tests takes 0 for a small quantity: joules and seconds are far below the
absolute tolerances that pytest, NumPy and torch have unless told otherwise.
"""

import ast
from pathlib import Path

import numpy as np
import pytest
from pytest import approx  # noqa: PT013  the name that a test may import is the same wrapper

TESTS = Path(__file__).resolve().parent

SMALL = 8.1e-14
"""A price of reliability in joules, below the absolute tolerance of pytest's own approx."""

FLOORED = {"isclose", "allclose", "assert_close"}
"""NumPy's and torch's comparisons whose `atol` is above 0 unless given."""

ROUNDED = {"assertAlmostEqual", "assert_almost_equal", "assert_array_almost_equal"}
"""Comparisons to a number of decimals, an absolute tolerance by nature."""


@pytest.mark.parametrize("rel", [None, 1e-6, 0.5])
@pytest.mark.parametrize("approximately", [pytest.approx, approx])
def test_zero_is_not_approximately_a_small_quantity(approximately, rel):
    assert approximately(SMALL, rel=rel) != 0.0
    assert approximately([SMALL, 1.0], rel=rel) != [0.0, 1.0]
    assert approximately({"a": SMALL}, rel=rel) != {"a": 0.0}
    assert approximately(np.array([SMALL, 1.0]), rel=rel) != np.array([0.0, 1.0])
    assert approximately(np.float64(SMALL), rel=rel) != np.float64(0.0)
    assert approximately(0, rel=rel) != SMALL
    assert approximately(0, rel=rel) == 0.0


def test_tolerances_that_are_given_hold():
    assert pytest.approx(1.0) == 1 + 0.9e-6
    assert pytest.approx(1.0) != 1 + 1.1e-6
    assert pytest.approx(SMALL, rel=0.1) == 1.09 * SMALL
    assert pytest.approx(SMALL, rel=0.1) != 1.11 * SMALL
    assert pytest.approx(SMALL, abs=1e-13) == 0.0
    assert pytest.approx(1.0, abs=1e-7) != 1 + 0.9e-6  # as in pytest, abs alone is the whole rule
    assert pytest.approx(SMALL, rel=1e-6, abs=1e-13) == 0.0
    assert pytest.approx([1.0, float("nan")], nan_ok=True) == [1.0, float("nan")]


def ways_around(source: str) -> list[str]:
    """Comparisons of a test's source that have an absolute tolerance which nobody wrote, as
    "line: text".
    """
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            bad = _takes_private_or_floored(node)
        else:
            bad = isinstance(node, ast.Call) and _has_a_silent_floor(node)
        if bad:
            found.append(f"{node.lineno}: {ast.unparse(node)}")
    return found


def _takes_private_or_floored(node: ast.Import | ast.ImportFrom) -> bool:
    """Whether an import reaches past pytest's public names, or takes a comparison off the module
    by which it is told.
    """
    modules = [each.name for each in node.names]
    if isinstance(node, ast.ImportFrom):
        modules = [node.module or ""]
        if {each.name for each in node.names} & (FLOORED | ROUNDED) and node.module != "math":
            return True
    return any(module.split(".")[0] == "_pytest" for module in modules)


def _has_a_silent_floor(call: ast.Call) -> bool:
    if not isinstance(call.func, ast.Attribute):
        return False
    if call.func.attr in ROUNDED:
        return True
    if call.func.attr not in FLOORED or ast.unparse(call.func.value) == "math":
        return False
    return "atol" not in {each.arg for each in call.keywords}


@pytest.mark.parametrize(
    "source",
    [
        "np.allclose(a, b)",
        "np.isclose(a, b, rtol=1e-9)",
        "torch.allclose(a, b)",
        "torch.testing.assert_close(a, b)",
        "np.testing.assert_almost_equal(a, b)",
        "self.assertAlmostEqual(a, b)",
        "from numpy import isclose",
        "from torch.testing import assert_close",
        "from _pytest.python_api import approx",
        "import _pytest.python_api",
    ],
)
def test_a_way_around_is_found(source):
    assert len(ways_around(source)) == 1


@pytest.mark.parametrize(
    "source",
    [
        "np.allclose(a, b, atol=0)",
        "np.testing.assert_allclose(a, b, rtol=1e-9)",
        "math.isclose(a, b)",
        "pytest.approx(a)",
        "from pytest import approx",
        "assert_close(a, b)",
    ],
)
def test_a_comparison_with_its_tolerance_stated_is_fine(source):
    assert ways_around(source) == []


def test_no_test_goes_around_the_stated_tolerances():
    found = {
        str(path.relative_to(TESTS)): bad
        for path in sorted(TESTS.rglob("*.py"))
        if (bad := ways_around(path.read_text(encoding="utf-8")))
    }
    assert found == {}
