"""Runs of parts of one study, put together."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stochsim.runs import Store
from stochsim.settings import AnyPath, SettingError, StochsimError, as_path, shown_path
from stochsim.studies.custom.run_custom_study import FACTS, FAILED, PLAN


def merge_runs(run_folders: Sequence[AnyPath], into: AnyPath) -> Path:
    """Put the points of several runs of one study, its shards, into a new one; returns its folder.

    Points keep the times that they took. Raises StochsimError for runs of different studies, a
    point that two of them have with different results, and shards of a study of which one is
    missing or has not finished, each by name.

    >>> import numpy as np
    >>> import stochsim as ss
    >>> from stochsim.studies import merge_runs
    >>> def draws(stimuli, reads, key, width):
    ...     return np.random.default_rng(key).normal(scale=width, size=(len(stimuli), reads, 1))
    >>> def spread(samples, truth):
    ...     return samples.values[:, :, 0].std(axis=1)
    >>> study = ss.Study(
    ...     sampler=draws, data=np.zeros((8, 1)), measures=[spread], axes={"width": [1.0, 3.0]}
    ... )
    >>> for shard in ("1/2", "2/2"):
    ...     _ = ss.run_sweep(study, f"runs/part-{shard[0]}", workers=1, shard=shard)
    >>> len(ss.open_run(merge_runs(["runs/part-1", "runs/part-2"], "runs/both")).rows)
    2
    """
    if not isinstance(run_folders, list | tuple) or not run_folders:
        raise SettingError.of("run_folders", run_folders, "should be a list of folders")
    folders = [as_path("run_folders", one) for one in run_folders]
    parts = [_Part(one) for one in folders]
    _check_one_study(parts)
    _check_whole(parts)
    order = _order(parts)
    target = as_path("into", into)
    with Store.create_or_open(target) as store:
        if store.hashes():
            raise StochsimError(f"{shown_path(target)}: has a run already; name another folder")
        for part in parts:
            store.copy_from(part.folder)
        facts = parts[0].facts | {"shard": [1, 1]}
        store.set_about(
            parts[0].about | {FACTS: json.dumps(facts), PLAN: json.dumps(order), FAILED: "{}"}
        )
    return target


class _Part:
    """One run: what it says of itself, and the results of its points by hash."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with Store.open(folder) as store:
            self.about = store.about()
            self.done = store.hashes()
            self.results = {name: store.row(name).result for name in self.done}
        if FACTS not in self.about:
            raise StochsimError(f"{shown_path(folder)}: not the run of a study with axes")
        self.facts: dict[str, Any] = json.loads(self.about[FACTS])
        self.plan: list[str] = json.loads(self.about[PLAN])

    @property
    def name(self) -> str:
        return shown_path(self.folder)

    @property
    def shard(self) -> tuple[int, int]:
        number, of = self.facts["shard"]
        return number, of


def _check_one_study(parts: list[_Part]) -> None:
    first = parts[0]
    for other in parts[1:]:
        for name in ("hash", "axes", "points"):
            if first.facts[name] != other.facts[name]:
                raise StochsimError(
                    f"{other.name} and {first.name} are of different studies (their {name} differ)"
                )
        for part in parts[: parts.index(other)]:
            for name in part.done & other.done:
                if part.results[name] != other.results[name]:
                    raise StochsimError(
                        f"{other.name} and {part.name} have different results at one point "
                        f"({part.results[name]['point']})"
                    )


def _check_whole(parts: list[_Part]) -> None:
    """Raise StochsimError for shards that are missing, and points of shards that are."""
    of = {part.shard[1] for part in parts}
    if len(of) > 1:
        raise StochsimError(f"the runs are parts of different divisions: {sorted(of)} parts in all")
    whole = of.pop()
    given = Counter(part.shard[0] for part in parts)
    if missing := [f"{n}/{whole}" for n in range(1, whole + 1) if n not in given]:
        twice = [f"{n}/{whole}" for n, count in sorted(given.items()) if count > 1]
        also = f"; given several times: {', '.join(twice)}" if twice else ""
        raise StochsimError(f"shards are missing: {', '.join(missing)}{also}")
    done = set[str]().union(*(part.done for part in parts))
    for part in parts:
        if left := [name for name in part.plan if name not in done]:
            raise StochsimError(
                f"{part.name}: {len(left)} of {len(part.plan)} points are not finished; run it on"
            )


def _order(parts: list[_Part]) -> list[str]:
    """Hashes of all points in the study's order: shards take them in turn."""
    found: dict[int, str] = {}
    for part in parts:
        number, of = part.shard
        for place, name in enumerate(part.plan):
            found[place * of + number - 1] = name
    return [found[place] for place in sorted(found)]
