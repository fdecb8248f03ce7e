"""One more axis, added from outside: not an axis of stochsim."""

from typing import Any

from tinystudy import plan_of

from stochsim.studies import Axis

ADDED = Axis(
    name="random_bits",
    words="random bits",
    hint="drawn for each code",
    kind=int,
    limits={"ge": 0, "le": 64},
    setting="random.random_bits_per_code",
)
"""Not an axis of stochsim: the one entry that adds it."""
SWEPT: dict[str, Any] = {"grid__random_bits": [32, 16], "grid__noise": [1]}


def swept() -> Any:
    return plan_of(**SWEPT)
