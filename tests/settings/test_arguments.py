"""Arguments of other types, or in another order, at the doors that take a Hardware."""

import numpy as np
import pytest
from tinystudy import study_of

from stochsim.accounting import Bill
from stochsim.energy import Operations
from stochsim.hardware import preset
from stochsim.lowering import load_converted
from stochsim.settings import Argument, SettingError, check_arguments
from stochsim.studies.plan import plan_study

CHIP = preset("digital-45nm")


def check(first, second, is_open=False):
    check_arguments(
        "call(first, second)",
        Argument("first", first, int, "should be an int"),
        Argument("second", second, (str, bytes), "should be text", is_open),
    )


def test_what_was_given_for_another_argument_is_told_with_the_order():
    check(1, "a")
    check(1, b"a")
    with pytest.raises(SettingError, match=r"^'first' = 'a': should be an int; .* order call\("):
        check("a", 1)
    with pytest.raises(SettingError, match=r"^'first' = 0\.5: should be an int$"):
        check(0.5, "a")


def test_an_open_argument_takes_what_belongs_to_no_other():
    check(1, 0.5, is_open=True)
    with pytest.raises(SettingError, match=r"^'second' = 2: should be text; .* order"):
        check(1, 2, is_open=True)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Bill(np.zeros(3), {}, {}), r"'hardware' = array of shape \(3,\), float64: should"),
        (
            lambda: Bill("digital-45nm", {"a": Operations()}, {"a": 1}),
            "'hardware' = 'digital-45nm'",
        ),
        (lambda: load_converted("folder", np.zeros(3)), "'hardware' = array of shape"),
        (lambda: plan_study(CHIP, study_of()), r"'study' = .*plan_study\(study, hardware\)"),
        (lambda: plan_study(study_of(), "digital-45nm"), "'hardware' = 'digital-45nm': should"),
    ],
)
def test_something_else_for_a_hardware_is_named(call, message):
    with pytest.raises(SettingError, match=message):
        call()
