"""Operations are counts that add."""

import copy
import math

import pytest

from stochsim.energy import KINDS, Operation, Operations
from stochsim.settings import SettingError

MULTIPLY = Operation("multiply", (4, 3))
ADC = Operation("adc", (4,))
ADC8 = Operation("adc", (8,))
RANDOM = Operation("random")


def test_counts_add_by_operation_and_scale() -> None:
    total = Operations.of({MULTIPLY: 10, ADC: 2}) + Operations.of({ADC: 3, RANDOM: 32}) * 2
    assert dict(total) == {MULTIPLY: 10, ADC: 8, RANDOM: 64}
    assert total == Operations({RANDOM: 64, ADC: 8, MULTIPLY: 10})
    assert 2 * Operations({ADC: 1}) == Operations({ADC: 2})


def test_empty_is_neutral_and_zero_counts_are_nothing() -> None:
    some = Operations({ADC: 3})
    assert some + Operations() == Operations() + some == some
    assert some * 0 == Operations() == Operations({ADC: 0})
    assert hash(some * 0) == hash(Operations())


def test_count_is_the_total_of_one_kind() -> None:
    operations = Operations({ADC: 3, ADC8: 4, RANDOM: 1})
    assert operations.count("adc") == 7
    assert operations.count("multiply") == 0


def test_sum_does_not_depend_on_order() -> None:
    bills = [Operations({ADC: 3}), Operations({ADC8: 4, ADC: 1}), Operations({RANDOM: 1})]
    assert sum(bills, Operations()) == sum(reversed(bills), Operations())


def test_operations_order_by_kind_then_arguments() -> None:
    assert sorted([RANDOM, MULTIPLY, ADC8, ADC]) == [ADC, ADC8, MULTIPLY, RANDOM]


@pytest.mark.parametrize("count", [-1, math.nan, math.inf])
def test_bad_counts_are_errors(count: float) -> None:
    with pytest.raises(
        SettingError, match=rf"'count' = {count}: should be finite and not negative"
    ):
        Operations({ADC: count})
    with pytest.raises(
        SettingError,
        match=f"'number' = {count}: operations are multiplied by a number that is finite",
    ):
        Operations({ADC: 1}) * count
    with pytest.raises(SettingError, match=f"'number' = {count}"):
        Operations() * count


@pytest.mark.parametrize(
    ("kind", "args", "message"),
    [
        ("multply", (4, 4), "did you mean 'multiply'"),
        ("multiply", (4,), r"takes \(weight_bits, input_bits\)"),
        ("adc", (0,), "'bits' = 0: should be at least 1 in operation 'adc'"),
        ("adc", (math.nan,), "finite"),
        ("reliability", (-0.1,), "not negative"),
        ("reliability", (math.inf,), "finite"),
        ("random", (1,), "takes"),
    ],
)
def test_bad_operations_are_errors(kind: str, args: tuple[float, ...], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        Operation(kind, args)


def test_unknown_kind_and_foreign_keys_are_errors() -> None:
    with pytest.raises(SettingError, match="did you mean 'random'"):
        Operations().count("randm")
    with pytest.raises(SettingError, match="'counts' = 'adc': the keys should be Operations"):
        Operations({"adc": 1})  # type: ignore[dict-item]


def test_frozen_also_against_the_mapping_it_was_built_from() -> None:
    source = {ADC: 1.0}
    operations = Operations(source)
    source[ADC] = 5.0
    assert operations[ADC] == 1
    with pytest.raises(AttributeError, match="frozen"):
        operations.extra = 1
    with pytest.raises(TypeError):
        operations[ADC] = 2  # type: ignore[index]


def test_a_deep_copy_is_equal() -> None:
    operations = Operations({MULTIPLY: 10, ADC: 2})
    assert copy.deepcopy(operations) == operations


def test_every_kind_can_be_built() -> None:
    for name, kind in KINDS.items():
        assert Operation(name, (2,) * len(kind.arguments)).kind == name


def test_operations_are_shown_with_their_counts() -> None:
    assert repr(Operations({ADC: 2})) == "Operations({Operation(kind='adc', args=(4,)): 2})"


def test_what_is_no_operations_is_not_added() -> None:
    with pytest.raises(TypeError):
        Operations() + {ADC: 1}  # type: ignore[operator]


def test_its_length_is_the_number_of_operations_that_happened() -> None:
    assert len(Operations({ADC: 3, ADC8: 4, RANDOM: 0})) == 2
    assert list(Operations({ADC: 3, ADC8: 4, RANDOM: 0})) == [ADC, ADC8]
    assert not Operations()


def test_arguments_may_come_as_a_list() -> None:
    assert Operation("multiply", [4, 3]) == MULTIPLY  # type: ignore[arg-type]
    assert Operations({Operation("multiply", [4, 3]): 2})[MULTIPLY] == 2  # type: ignore[arg-type]
