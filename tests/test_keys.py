"""Keys: pure functions of their arguments, kept for ever, apart for different purposes."""

import itertools

import numpy as np
import pytest

from stochsim.keys import fold_in, generator
from stochsim.settings import SettingError


@pytest.mark.parametrize(
    ("arguments", "key"),
    [
        ((0,), 3999586761668934864),
        ((0, "reads"), 7785369739580931398),
        ((1, "reads"), 4240662081936468465),
        ((0, "network", 4, 4, 4, "0.0"), 548726430568613037),
        ((2**63 - 1, "decoder"), 14852120684743873415),
        ((-1,), 1694877834997277905),
    ],
)
def test_known_values(arguments: tuple, key: int) -> None:
    """Part of the seed promise: if these change, every result of every earlier version changes."""
    assert fold_in(*arguments) == key


def test_a_known_draw() -> None:
    assert generator(0, "stimuli").integers(0, 2**32, 3).tolist() == [
        44193940,
        938875347,
        2287076568,
    ]


def test_names_are_told_apart_by_type() -> None:
    assert fold_in(0, "1") != fold_in(0, 1)
    assert fold_in(0, "a", "b") != fold_in(0, "a/b")
    assert fold_in(0, "a") != fold_in(0, "a", "")
    assert fold_in(0, '1", "2') != fold_in(0, "1", "2")


def test_numpy_integers_are_integers() -> None:
    assert fold_in(np.int64(3), np.int32(1)) == fold_in(3, 1)


@pytest.mark.parametrize("arguments", [(0.0,), (0, 0.5), (0, None), (True,), (2**128,), ("a",)])
def test_other_types_are_refused(arguments: tuple) -> None:
    with pytest.raises(SettingError):
        fold_in(*arguments)


def test_no_two_of_a_grid_collide() -> None:
    """50,000 keys of 64 bits: a collision by chance has probability 7e-11."""
    names = list(
        itertools.product(range(100), ("reads", "blind", "decoder", "float", "full"), range(100))
    )
    assert len({fold_in(key, *rest) for key, *rest in names}) == len(names)


def test_keys_fit_64_bits_and_spread_over_them() -> None:
    """Each of 64 bits is set in half of 4,000 keys: ±6.5 sd, false-fail rate 64 × 8e-11 = 5e-9."""
    keys = np.array([fold_in(0, "spread", i) for i in range(4000)], np.uint64)
    shares = ((keys[:, None] >> np.arange(64, dtype=np.uint64)) & np.uint64(1)).mean(0)
    assert np.all(abs(shares - 0.5) < 6.5 * 0.5 / np.sqrt(len(keys)))


def test_generators_repeat_and_differ_by_purpose() -> None:
    first = generator(5, "a").random(100)
    again = generator(5, "a").random(100)
    other = generator(5, "b").random(100)
    assert (first == again).all()
    assert not (first == other).any()
