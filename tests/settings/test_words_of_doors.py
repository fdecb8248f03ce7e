"""What doors say: one rule, in our words, about what was given."""

import numpy as np
import pytest

from stochsim.hardware import Noise, preset
from stochsim.posterior import as_reads
from stochsim.program import random_program
from stochsim.settings import (
    SettingError,
    StochsimError,
    check_memory,
    open_arrays,
    read_toml,
    real_array,
    strict,
)

LONG = "1" * 5_000


def test_a_whole_number_of_thousands_of_digits_is_said_in_our_words(tmp_path):
    (tmp_path / "a.toml").write_text(f"a = {LONG}\n")
    with pytest.raises(SettingError) as toml:
        read_toml(tmp_path / "a.toml")
    with pytest.raises(SettingError) as json:
        strict.read_json(f'{{"a": {LONG}}}', "a.json")
    for caught in (toml, json):
        assert "is too large" in str(caught.value)
        assert "below 2^64 in size" in str(caught.value)
        assert "sys." not in str(caught.value)


def test_sizes_of_thousands_of_digits_are_refused():
    with pytest.raises(SettingError, match="cannot be shown"):
        check_memory("values", (10**5_000, 1), np.int64)


@pytest.mark.parametrize(
    ("shape", "advice"),
    [
        ((2, 2**60), "take fewer stimuli or reads at a time"),
        ((1, 2**60), "take fewer reads at a time"),
        ((2**60, 1), "take fewer stimuli at a time"),
        ((1, 1, 2**60), "take a smaller network"),
    ],
)
def test_advice_names_only_what_can_be_fewer(shape, advice):
    with pytest.raises(SettingError, match=f": {advice}$"):
        check_memory("values", shape, np.float64)


def test_one_stimulus_of_a_large_network_is_no_reason_for_fewer_stimuli():
    with pytest.raises(SettingError, match="take a smaller network"):
        random_program((2**50, 2), (4, 4, 4), 0.5)


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("should be (stimulus, input)", "should be real numbers (stimulus, input)"),
        ("should be of shape (3,)", "should be real numbers of shape (3,)"),
        ("should be real numbers, of any shape", "should be real numbers, of any shape"),
        ("give an array", "should be real numbers: give an array"),
    ],
)
def test_a_rule_is_said_once(rule, said):
    with pytest.raises(SettingError) as caught:
        real_array("x", np.array(["a"]), rule)
    assert str(caught.value).endswith(said)


@pytest.mark.parametrize("name", [None, 3, b"x", ["a"]])
def test_a_name_that_is_no_text_is_shown(name):
    with pytest.raises(SettingError, match="should be Samples"):
        as_reads(name, None)


def test_a_copy_in_the_older_way_is_checked_too():
    chip = preset("digital-45nm")
    assert chip.copy() == chip
    assert chip.copy(update={"noise": Noise(read_sigma=0.1)}).noise.read_sigma == 0.1
    for options in ({"update": {"noise": 3}}, {"update": {"nosie": 3}}, {"exclude": {"noise"}}):
        with pytest.raises(SettingError):
            chip.copy(**options)


def test_what_is_no_file_of_arrays_is_refused_at_its_door(tmp_path):
    (tmp_path / "text").write_text("no arrays")
    for path in (tmp_path, tmp_path / "text", tmp_path / "none"):
        refused = pytest.raises(StochsimError, match=r"cannot be read|not a readable file")
        with refused, open_arrays(path):
            pass
