"""Results of a study of a user's own parts, read from its run."""

import importlib
import json
from collections.abc import Collection, Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stochsim.posterior import Estimate, bootstrap, mean_estimate, survival
from stochsim.runs import Store
from stochsim.settings import (
    AnyPath,
    SettingError,
    StochsimError,
    as_path,
    card,
    card_title,
    counted,
)
from stochsim.studies.custom.custom_study import point_text
from stochsim.studies.custom.measures import STANDARD_MEASURES
from stochsim.studies.custom.point_result import PointResult, mean_ranges
from stochsim.studies.custom.points import BOOTSTRAP_KEY
from stochsim.studies.custom.run_custom_study import FACTS, FAILED, PLAN
from stochsim.studies.custom.run_plots import RunPlots

if TYPE_CHECKING:
    import pandas
    import xarray

Floats = NDArray[np.floating]


class CustomRun:
    """A run of a study with axes: its finished points in the study's order, as rows, as a table, as
    an array with named axes, and as figures. `open_run` reads one.

    >>> import numpy as np
    >>> import stochsim as ss
    >>> def draws(stimuli, reads, key, width):
    ...     return np.random.default_rng(key).normal(scale=width, size=(len(stimuli), reads, 1))
    >>> def spread(samples, truth):
    ...     return samples.values[:, :, 0].std(axis=1)
    >>> study = ss.Study(
    ...     sampler=draws, data=np.zeros((8, 1)), measures=[spread], axes={"width": [1.0, 3.0]}
    ... )
    >>> run = ss.open_run(ss.run_sweep(study, "runs/own", workers=1))
    >>> print(run)
    run: runs/own
      study   2 points of a sampler
      points  2 of 2 finished, 0 failed
    >>> [round(row.estimates["spread"].value, 1) for row in run.rows]
    [1.0, 3.0]
    >>> list(run.frame().columns[:4])
    ['width', 'spread', 'spread_low', 'spread_high']
    """

    def __init__(self, store: Store) -> None:
        self.folder: Path = store.folder
        about = store.about()
        self.facts: dict[str, Any] = json.loads(about[FACTS])
        plan = json.loads(about[PLAN])
        done = store.hashes()
        failed: dict[str, str] = json.loads(about.get(FAILED, "{}"))
        self.failed = {
            name: text for name, text in failed.items() if name in plan and name not in done
        }
        self.planned = len(plan)
        self.versions: dict[str, str] = json.loads(about["versions"])
        self.machine: dict[str, str] = json.loads(about["machine"])
        self.rows = [
            PointResult.stored(store.row(name).result, self.axes) for name in plan if name in done
        ]

    @property
    def axes(self) -> dict[str, list[Any]]:
        """Values by axis, as the study has them."""
        return dict(self.facts["axes"])

    @property
    def measures(self) -> dict[str, dict[str, str]]:
        """Unit and direction ("higher", "lower", "") by measure."""
        return {one["name"]: one for one in self.facts["measures"]}

    def at(self, **point: Any) -> PointResult:
        """The one finished point at these values; raises SettingError where there is none, or
        several. Names with dots are given in a dict: `at(**{"hardware.array.rows": 64})`.
        """
        for name in point:
            if name not in self.axes:
                raise SettingError.unknown(name, self.axes)
        found = [row for row in self.rows if point.items() <= dict(row.point).items()]
        if len(found) != 1:
            rule = f"is the place of {counted(len(found), 'finished point', 'finished points')}"
            raise SettingError.of("point", point_text(point), rule)
        return found[0]

    def frame(self) -> "pandas.DataFrame":
        """A table (pandas): a row for each finished point, its axes, and of each measure the value
        and the ends of its 95 % interval.
        """
        pandas = needed("pandas")
        return pandas.DataFrame([row.columns() for row in self.rows])

    def dataset(self) -> "xarray.Dataset":
        """An array with named axes (xarray): a variable for each measure and end of an interval,
        NaN where a point is not finished or not in the design.
        """
        xarray = needed("xarray")
        sizes = tuple(map(len, self.axes.values()))
        names = [name for name in self._columns if name not in (*self.axes, "note", "flags")]
        arrays = {name: np.full(sizes, np.nan) for name in names}
        for row in self.rows:
            place = tuple(values.index(row.point[axis]) for axis, values in self.axes.items())
            columns = row.columns()
            for name in names:
                arrays[name][place] = columns[name]
        found = xarray.Dataset(
            {name: (tuple(self.axes), array) for name, array in arrays.items()},
            {name: [_coordinate(one) for one in values] for name, values in self.axes.items()},
        )
        for name, one in self.measures.items():
            found[name].attrs = {"units": one["unit"], "better": one["better"]}
        found["joules_per_read"].attrs = {"units": "J"}
        found["seconds_per_read"].attrs = {"units": "s"}
        return found

    @cached_property
    def _columns(self) -> list[str]:
        return list(self.rows[0].columns()) if self.rows else list(self.axes)

    def write_csv(self, path: AnyPath) -> Path:
        """Write the table as CSV; returns the path."""
        import csv

        found = as_path("path", path)
        with open(found, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, self._columns, lineterminator="\n")
            writer.writeheader()
            writer.writerows(map(_plain_row, self.rows))
        return found

    def write_parquet(self, path: AnyPath) -> Path:
        """Write the table as Parquet (pyarrow); returns the path."""
        needed("pyarrow")
        found = as_path("path", path)
        self.frame().to_parquet(found, index=False)
        return found

    def over(self, axis: str = "key") -> list[PointResult]:
        """Points that differ on one axis alone taken together: estimates with intervals over its
        values and stimuli (resampled values first, stimuli within them), means of joules. n/a where
        a measure has a statistic of the user's own.
        """
        if axis not in self.axes:
            raise SettingError.of("axis", axis, "is no axis of this study", self.axes)
        return [self.together(point, rows) for point, rows in self.settings([axis])]

    def settings(
        self, repeated: Collection[str]
    ) -> Iterator[tuple[dict[str, Any], list[PointResult]]]:
        """Points that differ on these axes alone: what they have in common, and the points."""
        groups: dict[str, list[PointResult]] = {}
        for row in self.rows:
            others = {name: value for name, value in row.point.items() if name not in repeated}
            groups.setdefault(json.dumps(others), []).append(row)
        for name, rows in groups.items():
            yield json.loads(name), rows

    def together(self, point: dict[str, Any], rows: list[PointResult]) -> PointResult:
        """Points as one, see `over`; point: what they have in common."""
        arrays = {
            name: np.stack([row.per_stimulus[name] for row in rows]) for name in self.measures
        }
        return PointResult(
            point,
            {name: self._estimate(name, array) for name, array in arrays.items()},
            float(np.mean([row.joules_per_read for row in rows])),
            float(np.mean([row.seconds_per_read for row in rows])),
            {part: float(np.mean([row.parts_j[part] for row in rows])) for part in rows[0].parts_j},
            tuple(sorted({flag for row in rows for flag in row.flags})),
            arrays,
            mean_ranges(rows),
        )

    def _estimate(self, name: str, array: Floats) -> Estimate:
        """Of numbers (value, stimulus, …) of several values of an axis."""
        several = len(array) > 1
        if name == "survival" and array.ndim == 3 and array.shape[2] == 3:
            d, blind, full = np.moveaxis(array if several else array[0], -1, 0)
            found = survival(d, blind, full, BOOTSTRAP_KEY)
            return found.estimate or Estimate.missing(found.reason)
        if self.measures[name]["statistic"] == "mean":
            return mean_estimate(array if several else array[0], BOOTSTRAP_KEY)
        statistic = STANDARD_MEASURES[name].statistic if name in STANDARD_MEASURES else None
        if statistic is None:
            return Estimate.missing("its statistic is of the study's own, and not stored")
        return bootstrap(
            statistic, array if several else array[0], key=BOOTSTRAP_KEY, several_keys=several
        )

    def compare(self, other: "CustomRun", measure: str) -> dict[str, Estimate]:
        """A measure here less there at each point that both have, by its label: means over stimuli,
        paired, with 95 % intervals. Raises SettingError for runs without a common point, of other
        stimuli, and for measures that are no means.
        """
        for run in (self, other):
            if measure not in run.measures:
                raise SettingError.of("measure", measure, "is none of the run", run.measures)
        if self.measures[measure]["statistic"] != "mean":
            rule = "is no mean over stimuli, so its difference has no interval of pairs"
            raise SettingError.of("measure", measure, rule)
        there = {_place(row): row.per_stimulus[measure] for row in other.rows}
        pairs = {
            point_text(row.point): (row.per_stimulus[measure], there[_place(row)])
            for row in self.rows
            if _place(row) in there
        }
        if not pairs:
            raise SettingError.of("other", rule="has no point in common with this run")
        if any(len(a) != len(b) for a, b in pairs.values()):
            raise SettingError.of("other", rule="is of other stimuli")
        return {name: mean_estimate(a - b, BOOTSTRAP_KEY) for name, (a, b) in pairs.items()}

    @property
    def plot(self) -> RunPlots:
        """Figures of the run: `plot.curve(x, y)`, `plot.front(y)`, `plot.heatmap(x, y, measure)`,
        `plot.survival(x)`.
        """
        return RunPlots(self.rows, self.axes, self.measures)

    def __iter__(self) -> Iterator[PointResult]:
        return iter(self.rows)

    __repr__ = card_title

    def _repr_html_(self) -> str:
        return str(self.frame().to_html(index=False, float_format=lambda one: f"{one:.4g}"))

    def __str__(self) -> str:
        """A card: how much of it is done, and what failed first."""
        done = f"{len(self.rows)} of {self.planned} finished, {len(self.failed)} failed"
        title = str(self.facts["title"]).removeprefix("study: ")
        rows = [("study", title), ("points", done)]
        if self.failed:
            rows.append(("failed", next(iter(self.failed.values())).splitlines()[-1]))
        return card(f"run: {self.folder}", rows)


def open_custom_run(run_folder: AnyPath) -> CustomRun:
    """Read a run of a study with axes; raises StochsimError where there is none, or damage."""
    with Store.open(as_path("run_folder", run_folder)) as store:
        if not is_custom(store):
            raise StochsimError(f"{run_folder}: not the run of a study with axes")
        return CustomRun(store)


def is_custom(store: Store) -> bool:
    """Whether a store is of a study with axes."""
    return FACTS in store.about()


def needed(name: str) -> Any:
    """A package that is an extra; raises StochsimError that says how to install it."""
    try:
        return importlib.import_module(name)
    except ImportError:
        raise StochsimError(
            f"this needs the package {name}: pip install 'stochsim[frames]'"
        ) from None


def _place(row: PointResult) -> str:
    return json.dumps(row.point, sort_keys=True)


def _coordinate(value: Any) -> Any:
    return "none" if value is None else value


def _plain_row(row: PointResult) -> dict[str, Any]:
    return {
        name: "" if value is None or value != value else value
        for name, value in row.columns().items()
    }
