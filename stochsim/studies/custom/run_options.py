"""How the points of a study with axes are worked off: in which parts, where, how often."""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, NamedTuple, Self

import pydantic

from stochsim.runs import Task
from stochsim.settings import SettingError, Settings


class Shard(NamedTuple):
    """Part `number` of `of` equal parts of a study's points, counted from 1."""

    number: int
    of: int

    @classmethod
    def named(cls, text: str) -> "Shard":
        """The shard of a text as "2/8"; raises SettingError for another.

        >>> from stochsim.studies import Shard
        >>> Shard.named("2/8")
        Shard(number=2, of=8)
        """
        found = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text) if isinstance(text, str) else None
        number, of = map(int, found.groups()) if found else (0, 0)
        if not 1 <= number <= of:
            rule = "should be a part of all, as '1/4' to '4/4' are"
            raise SettingError.of("shard", text, rule)
        return cls(number, of)

    def tasks(self, tasks: Mapping[str, Task]) -> dict[str, Task]:
        """Every `of`-th task, from its number on: points that take long stand side by side, and so
        they are shared out.
        """
        return dict(list(tasks.items())[self.number - 1 :: self.of])


def written(value: Any) -> str:
    """A value of an axis as it is written on a command line."""
    return "none" if value is None else str(value)


class RunOptions(Settings):
    """shard: "2/8" for the second of eight parts, each in a folder of its own, which `merge_runs`
    puts together. at: "AXIS=VALUE" for each axis on which points have one value alone, such as
    ("bits=4", "key=0"): the others are left out. retries: how often a point is tried again whose
    worker ended without a word. limit_s: seconds after which a point is given up. dask: the address
    of a Dask scheduler, whose workers take the place of processes here; they should see the folder
    (see `runs.DaskWorkers`).
    as_json: progress as lines of JSON on stdout. Raises SettingError for names and values that are
    none.

    >>> from stochsim.studies import RunOptions
    >>> RunOptions(shard="2/8").part
    Shard(number=2, of=8)
    """

    shard: str | None = None
    at: tuple[str, ...] = ()
    retries: int = pydantic.Field(default=1, ge=0, le=1000)
    limit_s: Annotated[float, pydantic.Field(gt=0)] | None = None
    dask: str | None = None
    as_json: bool = False

    @pydantic.field_validator("at", mode="before")
    @classmethod
    def _one_is_a_list_of_one(cls, given: Any) -> Any:
        return (given,) if isinstance(given, str) else given

    @pydantic.model_validator(mode="after")
    def _shard_that_is_one(self) -> Self:
        _ = self.part
        if self.at and self.shard is not None:
            raise SettingError.of(("shard", "at"), (self.shard, self.at), "give one of both")
        return self

    def points(self, axes: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
        """The values that points have on the axes of `at`; raises SettingError for what names no
        axis or none of its values.

        >>> from stochsim.studies import RunOptions
        >>> RunOptions(at=("bits=4", "format=none")).points({"bits": [2, 4], "format": [None]})
        {'bits': 4, 'format': None}
        """
        found = {}
        for text in self.at:
            name, sign, value = text.partition("=")
            if not sign:
                raise SettingError.of("at", text, "should be 'AXIS=VALUE'", axes)
            if name not in axes:
                raise SettingError.of("at", text, f"'{name}' is no axis of this study", axes)
            values = {written(one): one for one in axes[name]}
            if name in found:
                raise SettingError.of("at", self.at, f"'{name}' is named twice")
            if value not in values:
                near = [f"{name}={one}" for one in values]
                raise SettingError.of("at", text, "is no value of this axis", near)
            found[name] = values[value]
        return found

    @property
    def part(self) -> Shard:
        """Which part of the points."""
        return Shard(1, 1) if self.shard is None else Shard.named(self.shard)
