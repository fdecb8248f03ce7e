"""NumPy's numbers give exactly what Python's do, at every public door: codes, values, joules, JSON
and content hashes.

NumPy's have a width: 100 reads of 3 stimuli as np.uint8 are 44, and np.int8 overflows.
"""

import json

import numpy as np
import pytest
from numberdoors import INTEGERS, REALS, answer_of

from stochsim.settings import SettingError, plain

KINDS = (np.uint8, np.int8, np.uint16, np.int16, np.int32, np.uint32, np.int64, np.uint64)
FLOATS = (np.float16, np.float32, np.float64, np.longdouble)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", INTEGERS)
def test_an_integer_of_numpy_gives_what_a_python_int_does(name):
    door = INTEGERS[name]
    expected = answer_of(door.call(door.value))
    for kind in KINDS:
        assert answer_of(door.call(kind(door.value))) == expected, kind
    assert answer_of(door.call(np.array(door.value))) == expected


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", REALS)
def test_a_real_number_of_numpy_gives_what_a_python_float_does(name):
    door = REALS[name]
    expected = answer_of(door.call(door.value))
    for kind in FLOATS:
        assert answer_of(door.call(kind(door.value))) == expected, kind
    assert answer_of(door.call(np.array(door.value))) == expected


REFUSING = [name for name, door in INTEGERS.items() if door.refuses]


@pytest.mark.parametrize("name", REFUSING)
def test_truth_values_floats_and_arrays_are_no_integers(name):
    door = INTEGERS[name]
    others = [door.value + 0.5, np.float64(door.value)] if door.whole else []
    for given in (True, np.True_, np.array([door.value]), "a", 1j, *others):
        with pytest.raises(SettingError):
            door.call(given)


@pytest.mark.parametrize("name", [name for name, door in REALS.items() if door.refuses])
def test_truth_values_and_arrays_are_no_real_numbers(name):
    door = REALS[name]
    for given in (True, np.True_, np.array([door.value]), "a", 1j):
        with pytest.raises(SettingError):
            door.call(given)


@pytest.mark.parametrize("name", REFUSING)
@pytest.mark.parametrize("kind", [np.int8, np.int64])
def test_a_number_out_of_range_gets_the_usual_error(name, kind):
    call = INTEGERS[name].call
    with pytest.raises(SettingError) as expected:
        call(-1)
    with pytest.raises(SettingError) as found:
        call(kind(-1))
    assert str(found.value) == str(expected.value)


def test_the_answers_above_tell_a_number_of_numpy_from_one_of_python():
    assert answer_of((4, 0.5)) != answer_of((np.int64(4), 0.5))
    assert answer_of({"a": 0.5}) != answer_of({"a": np.float64(0.5)})
    assert answer_of(np.zeros(2)) != answer_of(np.zeros(2, np.float32))
    assert answer_of(np.zeros(2)) != answer_of(np.ones(2))


def test_plain_values():
    given = {"a": (np.uint8(3), [np.float32(0.5)]), "b": np.bool_(True), "c": np.zeros(2)}
    found = plain(given)
    assert found.pop("c") is given["c"]
    assert json.dumps(found) == '{"a": [3, [0.5]], "b": true}'
    assert type(found["a"]) is tuple
    assert type(plain(np.array(3))) is int
