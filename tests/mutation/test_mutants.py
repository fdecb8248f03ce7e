"""The tool that draws mutants: which it makes, which it leaves out, and that a list can be run."""

import ast
from pathlib import Path

import pytest
from mutation.draw import ROOT, all_mutants, drawn
from mutation.mutant import Mutant, read_list, write_list
from mutation.run import text_of
from mutation.sites import changes, definitions, plain
from mutation.targets import TARGETS, TESTS


@pytest.fixture(scope="module")
def every() -> list[Mutant]:
    """Every mutant of the targets."""
    return all_mutants(ROOT)


def mutants(source: str) -> set[tuple[str, str]]:
    return {(one.mutant.operator, one.mutant.after) for one in changes("code.py", source)}


@pytest.mark.parametrize(
    ("source", "operator", "after"),
    [
        ("x = v**2", "arithmetic", "v * 2"),
        ("x += y", "arithmetic", "x -= y"),
        ("x = a + b", "removed_term", "b"),
        ("x = a <= b", "boundary", "a < b"),
        ("x = a in b", "comparison", "a not in b"),
        ("x = a and b and c", "logic", "a or b or c"),
        ("x = a and b and c", "logic", "a and c"),
        ("if a:\n    b()", "condition", "not a"),
        ("x = [a for a in b if c]", "condition", "not c"),
        ("x = a if b else c", "branch", "c"),
        ("x = 3", "constant", "4"),
        ("x = 3", "constant", "2"),
        ("x = 3", "constant", "6"),
        ("x = 3", "constant", "0"),
        ("x = True", "constant", "False"),
        ("x = ((1e-6, 'µ'),)", "prefix", "'n'"),
        ("x = f'{a:.4g}'", "text", "'.3g'"),
        ("x = f'e0 {a}'", "text", "''"),
        ("x = min(a, b)", "function", "max"),
        ("x = math.ceil(a)", "function", "math.floor"),
        ("x = math.ceil(a)", "rounding", "math.ceil(a) - 1"),
        ("x = -(-a // b)", "rounding", "--a // b"),
        ("x = -a", "sign", "a"),
        ("x = f(a, b)", "swapped", "f(b, a)"),
        ("x = (a, b)", "swapped", "(b, a)"),
        ("f(a, key=b)", "dropped", "f(a)"),
        ("x *= a", "dropped", "pass"),
        ("y: Annotated[float, Field(gt=0)] = z", "constant", "1"),
    ],
)
def test_a_mutant_of_each_operator(source, operator, after):
    assert (operator, after) in mutants(source)


@pytest.mark.parametrize(
    "source",
    [
        '"""Words about 3 things."""',
        "import numpy as np",
        "if TYPE_CHECKING:\n    from a import b",
        "raise ValueError(f'{a:.3g} is above 7')",
        "assert a is not None",
        "y: tuple[int, float]",
        "@dataclass(frozen=True)\nclass A:\n    y: int",
        "x = f(strict=True, encoding='utf-8')",
        "Counts = dict[tuple[str, int], float]",
    ],
)
def test_what_is_no_behaviour_is_left_out(source):
    assert mutants(source) == set()


def test_formulas_and_numbers_of_the_price_book():
    source = 'formula = "2*bits + kT"\ntable = { 4 = 0.79 }\nsource = "book of 1999, 3 V"\n'
    found = changes("book.toml", source)
    lines = {one.mutant.after for one in found}
    assert 'formula = "(2 / bits) + kT"' in lines
    assert 'formula = "(2 * bits - kT)"' in lines
    assert 'formula = "2*bits"' not in lines
    assert "table = { 4 = 1.79 }" in lines
    assert {one.mutant.line for one in found} == {1, 2}


def test_lines_of_functions_classes_and_methods():
    source = "x = 1\ndef f():\n    y = 2\nclass A:\n    z = 3\n    def g(self):\n        w = 4\n"
    assert definitions(source) == {"f": range(2, 4), "A": range(4, 8), "A.g": range(6, 8)}


@pytest.mark.slow
def test_of_a_file_that_is_named_with_functions_only_these_are_mutated(every):
    for file, names in TARGETS.items():
        lines = {one.line for one in every if one.file == file}
        assert lines
        if names:
            spans = definitions((ROOT / file).read_text(encoding="utf-8"))
            assert lines <= {line for name in names for line in spans[name]}
    whole = "stochsim/accounting/latency.py"
    found = changes(whole, (ROOT / whole).read_text(encoding="utf-8"))
    assert [one for one in every if one.file == whole] == [one.mutant for one in found]


def test_a_list_is_read_back_and_each_of_its_mutants_found_again(tmp_path: Path):
    source = "x = a + b + a + b\ny = a + b\n"
    found = [one.mutant for one in changes("code.py", source)]
    assert len(set(found)) == len(found)
    write_list(tmp_path / "list.json", 7, found)
    assert read_list(tmp_path / "list.json") == found
    texts = {text_of(one, source) for one in found}
    assert len(texts) == len(found)
    assert plain("code.py", source) not in {ast.unparse(ast.parse(text)) for text in texts}
    with pytest.raises(LookupError, match="draw a new list"):
        text_of(Mutant("code.py", 1, "sign", "-a", "a"), source)


@pytest.mark.slow
def test_a_draw_is_its_seeds_and_takes_a_line_once(every):
    once, again, other = (drawn(every, seed, 40) for seed in (1, 1, 2))
    assert once == again
    assert once != other
    assert len({(one.file, one.line) for one in once}) == len(once) == 40
    assert len({one.operator for one in once}) > 10
    assert len(drawn([every[0]] * 3, 1, 40)) == 1


@pytest.mark.parametrize("place", [*TARGETS, *(each for tests in TESTS for each in tests.split())])
def test_targets_and_their_tests_exist(place):
    assert (ROOT / place).exists()
