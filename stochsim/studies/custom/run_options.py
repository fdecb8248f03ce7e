"""How the points of a study with axes are worked off: in which parts, where, how often."""

import re
from collections.abc import Mapping
from typing import Annotated, NamedTuple, Self

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


class RunOptions(Settings):
    """shard: "2/8" for the second of eight parts, each in a folder of its own, which `merge_runs`
    puts together. retries: how often a point is tried again whose worker ended without a word.
    limit_s: seconds after which a point is given up. dask: the address of a Dask scheduler, whose
    workers take the place of processes here; they should see the folder (see `runs.DaskWorkers`).
    as_json: progress as lines of JSON on stdout. Raises SettingError for names and values that are
    none.

    >>> from stochsim.studies import RunOptions
    >>> RunOptions(shard="2/8").part
    Shard(number=2, of=8)
    """

    shard: str | None = None
    retries: int = pydantic.Field(default=1, ge=0, le=1000)
    limit_s: Annotated[float, pydantic.Field(gt=0)] | None = None
    dask: str | None = None
    as_json: bool = False

    @pydantic.model_validator(mode="after")
    def _shard_that_is_one(self) -> Self:
        _ = self.part
        return self

    @property
    def part(self) -> Shard:
        """Which part of the points."""
        return Shard(1, 1) if self.shard is None else Shard.named(self.shard)
