"""From the store to results: every cell's measures with intervals, survival and the cliff."""

import math
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stochsim.posterior import (
    CLIFF_SURVIVAL,
    Estimate,
    Survival,
    bootstrap,
    log_sd_correlation,
    mean_estimate,
    share_estimate,
    survival,
)
from stochsim.runs import Store
from stochsim.settings import AnyPath, StochsimError, as_path, card, card_title, plain
from stochsim.studies.axes import column_axes
from stochsim.studies.axis import Axis
from stochsim.studies.chips import chip_at
from stochsim.studies.cliffs import cliffs
from stochsim.studies.custom.custom_run import CustomRun, is_custom
from stochsim.studies.planner import Cell
from stochsim.studies.result import ALL_KEYS, MEASURES, Result, measure_estimate
from stochsim.studies.stored_effective import effective_estimates
from stochsim.studies.stored_run import BOOTSTRAP_KEY, StoredRun

Floats = NDArray[np.floating]
LEAST_PARTS = 20
"""Manufactured parts that a yield is given of, at least."""


class Results(StoredRun):
    """The results of a finished (or partly finished) run; cells that are not stored yet are left
    out and counted.
    """

    __repr__ = card_title

    def __str__(self) -> str:
        """A card: the folder, what of the plan is done, study and chip."""
        done = len(self.plan.tasks) - self.missing
        kind = self.study.model.kind.replace("_", " ")
        measure = self.study.measure
        rows = [
            ("study", f"{kind} on {self.study.data.kind}, chip {self.hardware.name}"),
            ("tasks", f"{done:,} of {len(self.plan.tasks):,} done"),
            ("cells", f"{self.finished_cells:,} of {len(self.plan.cells):,} finished"),
            ("measure", f"{measure.stimuli:,} stimuli × {measure.reads:,} reads of each"),
        ]
        return card(f"results: {self.folder}", rows)

    def _is_finished(self, cell: Cell) -> bool:
        """Whether everything that the cell needs is stored."""
        needs = (cell.samples, cell.float_samples, cell.prior_samples)
        return all(need in self.done for need in needs if need is not None)

    @cached_property
    def rows(self) -> list[Result]:
        """One Result per finished cell and key, and one over all keys where there are several;
        sorted by axes, then key.

        By architecture and method as the study names them; by widths, float last; by rho and noise;
        controls after all else.
        """
        rows = []
        for cells in self._finished:
            rows += [self._result([cell], str(cell.key)) for cell in cells]
            if 1 < len(self.study.grid.keys) == len(cells):
                rows.append(self._result(cells, ALL_KEYS))
        return rows

    @cached_property
    def _finished(self) -> list[list[Cell]]:
        """The finished cells of each place of the grid, by key; in the order of `rows`."""
        groups: dict[tuple[Any, ...], list[Cell]] = {}
        for cell in self.plan.cells:
            if self._is_finished(cell):
                groups.setdefault(self._place(cell), []).append(cell)
        return [sorted(cells, key=lambda cell: cell.key) for _, cells in sorted(groups.items())]

    def _place(self, cell: Cell) -> tuple[Any, ...]:
        """Where a cell stands among the rows: the same for all keys, different for different
        cells.
        """
        axes = [axis for axis in column_axes(self.study.grid) if axis.name != "key"]
        axes.sort(key=lambda axis: axis.sorted_last)
        places = [_place_on(axis, axis.given(self.study.grid), cell[axis.name]) for axis in axes]
        return bool(cell.control), *places

    @cached_property
    def summary(self) -> list[Result]:
        """One Result per place of the grid with a finished cell: of the one key, or over all of
        several; over those that are finished, its key "2 of 3", where others are not. Of several
        manufactured parts the first.
        """
        keys = len(self.study.grid.keys)
        if keys == 1:
            return [row for row in self.rows if self._is_of_first_part(row)]
        whole = (row for row in self.rows if row.is_of_all_keys)
        found = [
            next(whole) if len(cells) == keys else self._result(cells, f"{len(cells)} of {keys}")
            for cells in self._finished
        ]
        return [row for row in found if self._is_of_first_part(row)]

    def _is_of_first_part(self, row: Result) -> bool:
        """Whether a row is of the first manufactured part that the grid names, or of none."""
        return row.chip_key in (None, self.study.grid.parts[0].get("chip_key"))

    @cached_property
    def _parts(self) -> dict[tuple[Any, ...], list[Result]]:
        """The rows of all manufactured parts of each quantised network, setting and key."""
        found: dict[tuple[Any, ...], list[Result]] = {}
        for row in self.rows:
            if row.chip_key is not None:
                found.setdefault(_setting_of(row), []).append(row)
        return found

    def chip_yield(self, row: Result) -> Estimate | None:
        """The yield at a row's setting and key: the share of manufactured parts whose S is at least
        0.9 (its estimate, not the lower end), with a Wilson interval over parts.

        None where the grid names no parts; n/a below LEAST_PARTS of them, and where S is.
        """
        if row.chip_key is None:
            return None
        parts = self._parts.get(_setting_of(row), [])
        if len(parts) < LEAST_PARTS:
            return Estimate.missing(
                f"{len(parts)} chips are finished under all keys; a yield takes {LEAST_PARTS}"
            )
        found = [part.survival.estimate for part in parts if part.survival is not None]
        known = [s.value for s in found if s is not None]
        if len(known) < len(parts):
            return Estimate.missing("S is n/a")
        return share_estimate(sum(s >= CLIFF_SURVIVAL for s in known), len(known))

    @property
    def finished_cells(self) -> int:
        """Cells of the plan, each of one key, that are finished: those behind `summary`."""
        return sum(map(len, self._finished))

    @property
    def is_uneven(self) -> bool:
        """Whether some row of `summary` is over fewer keys than the study has."""
        return any(len(cells) < len(self.study.grid.keys) for cells in self._finished)

    def _result(self, cells: list[Cell], key: str) -> Result:
        rows = [self.stored(cell.samples) for cell in cells]
        tasks = [cell.samples for cell in cells]
        estimates = {
            name: measure_estimate(name, self.per_task(tasks, name), BOOTSTRAP_KEY)
            for name in MEASURES
        }
        estimates["log_sd_correlation"] = self._correlation(cells)
        estimates |= effective_estimates(rows, self.study.measure.reads, BOOTSTRAP_KEY)
        if rows[0].result.get("accuracy") is not None:
            accuracy = np.array([row.result["accuracy"] for row in rows])
            estimates["readout_accuracy"] = mean_estimate(
                accuracy[0] if len(cells) == 1 else accuracy, BOOTSTRAP_KEY
            )
        bills = [row.result.get("energy", {"parts_j": {}, "flags": []}) for row in rows]
        first = cells[0]
        c, s = self._price(first)
        return Result(
            values=first.values | {"key": key},
            cells=tuple(cells),
            estimates=estimates,
            survival=self._survival(cells, [cell.float_samples for cell in cells]),
            survival_absolute=self._survival(cells, [self._best_full(cell.key) for cell in cells]),
            energy_j={
                part: float(np.mean([bill["parts_j"][part] for bill in bills]))
                for part in bills[0]["parts_j"]
            },
            flags=tuple(sorted({flag for bill in bills for flag in bill["flags"]})),
            saturated_share=float(
                np.mean([row.result.get("saturated_share", 0.0) for row in rows])
            ),
            c=c,
            s=s,
            nats_per_joule=self.study.train.nats_per_joule if first.architecture else None,
            facts=_mean_facts([row.result.get("facts", {}) for row in rows]),
            independent=rows[0].result.get("independent"),
        )

    def _price(self, cell: Cell) -> tuple[float, float]:
        """c (nats) and s that the cell's network was trained under: those of the ELBO for a control
        that is no network's.
        """
        if not cell.architecture:
            return 1.0, 1.0
        return self.study.train.price(cell.rho, chip_at(self.hardware, cell.values))

    def _survival(self, cells: list[Cell], float_samples: list[str | None]) -> Survival | None:
        if any(task is None for task in [*float_samples, *(cell.prior_samples for cell in cells)]):
            return None
        return survival(*self._distances(cells, float_samples), BOOTSTRAP_KEY)

    def _distances(
        self, cells: list[Cell], float_samples: list[str | None]
    ) -> tuple[Floats, Floats, Floats]:
        """D of the cells, of draws that ignore the stimulus and of `float_samples`."""
        tasks = (
            [cell.samples for cell in cells],
            [str(cell.prior_samples) for cell in cells],
            [str(task) for task in float_samples],
        )
        of_cells, of_prior, of_float = (self.per_task(names, "d") for names in tasks)
        return of_cells, of_prior, of_float

    def _best_full(self, key: int) -> str | None:
        """The float samples with the smallest mean D among all rho of this key: what S_abs compares
        with.
        """
        tasks = {
            cell.float_samples
            for cell in self.plan.cells
            if cell.key == key and cell.float_samples in self.done
        }
        return (
            min(tasks, key=lambda task: (float(self.per_task([task], "d").mean()), task))
            if tasks
            else None
        )

    def _correlation(self, cells: list[Cell]) -> Estimate:
        """Correlation of log sd across stimuli, per neuron, then averaged over the used elements;
        interval over these neurons (and keys).
        """
        rows = []
        for cell in cells:
            pictures = self.pictures(cell)
            found = log_sd_correlation(pictures.sd, pictures.reference_sd)
            rows.append(np.where(self.used(cell), found, np.nan))
        return mean_estimate(
            rows[0] if len(rows) == 1 else np.stack(rows),
            BOOTSTRAP_KEY,
            "the chip's sd is 0 or constant",
        )

    def find(
        self,
        architecture: str = "single",
        widths: int | tuple[int, int, int] | None = None,
        rho: float = 0.0,
        noise: float = 1.0,
        *,
        control: str = "",
        method: str | None = None,
        key: str | None = None,
        **settings: Any,
    ) -> Result:
        """The one finished cell at these values of the axes; StochsimError where there is none.

        widths: one number for tied bits, or (weight, input, output), None for a float network or a
        control. method None: the study's first. key None: over all keys where there are several.
        settings: values on axes that are settings of the chip, its `chip_key` and formats
        (`weight_format`, …); the least, or first, of those not named.
        """
        widths = plain(widths)
        wanted = (widths,) * 3 if isinstance(widths, int) else widths
        trained = "" if widths is None else method or self.study.grid.method[0]
        place = (architecture, wanted, rho, noise, control, trained)
        grid = self.study.grid
        chip = settings
        if wanted is not None:
            formats = grid.formats(wanted) or [{}]
            chip = grid.chips()[0] | formats[0] | grid.parts[0] | settings
        several = len(self.study.grid.keys) > 1
        for row in self.rows:
            if key is None and row.is_of_all_keys != several:
                continue
            found = (row.architecture, row.widths, row.rho, row.noise, row.control, row.method)
            on_chip = all(row.values.get(name) == value for name, value in chip.items())
            if found == place and on_chip and key in (None, row.key):
                return row
        raise StochsimError(
            f"{self.folder}: no finished cell at (architecture, widths, rho, noise, control, "
            f"method) = {place}, key {key}{f', {chip}' if chip else ''}"
        )

    def per_stimulus(self, row: Result, measure: str = "d") -> Floats:
        """One of MEASURES per stimulus, (stimulus,), or (keys, stimulus) where the row is of
        several keys; NaN where n/a.
        """
        return self.per_task([cell.samples for cell in row.cells], measure)

    def difference(self, a: Result, b: Result, measure: str = "d") -> Estimate:
        """Mean of a measure at `a` less that at `b`, paired: of the same held-out stimuli and keys;
        with its 95 % interval.

        n/a where the measure is, at all stimuli of either; of one in nats, at any. Raises
        StochsimError for rows of different keys.
        """
        _check_same_keys(a, b)
        apart = self.per_stimulus(a, measure) - self.per_stimulus(b, measure)
        return measure_estimate(measure, apart, BOOTSTRAP_KEY, "n/a in one of the two")

    def survival_difference(self, a: Result, b: Result) -> Estimate:
        """S at `a` less S at `b`, resampled together over the same stimuli and keys; n/a where
        either is.
        """
        _check_same_keys(a, b)
        for row in (a, b):
            if row.survival is None or row.survival.estimate is None:
                return Estimate.missing(
                    row.survival.reason if row.survival else "no common posterior"
                )
        arrays = [
            array
            for row in (a, b)
            for array in self._distances(
                list(row.cells), [cell.float_samples for cell in row.cells]
            )
        ]
        return bootstrap(
            _survival_difference, *arrays, key=BOOTSTRAP_KEY, several_keys=arrays[0].ndim == 2
        )

    def cliffs(self) -> list[dict[str, Any]]:
        """The cliff of each architecture, method and chip of the grid per noise level and rho along
        each bit axis, the other widths named.

        Rows with architecture, method, settings, noise, rho, axis, fixed, cliff.
        """
        return cliffs(self.study.grid, self.summary)


def _setting_of(row: Result) -> tuple[Any, ...]:
    """A row's values on all axes but the manufactured part."""
    return tuple(value for name, value in row.values.items() if name != "chip_key")


def _place_on(axis: Axis, names: tuple[Any, ...], value: Any) -> Any:
    """Where a value stands among those of its axis: names as the grid has them, numbers ascending;
    what has no value last.
    """
    if axis.choices is not None:
        return names.index(value) if value in names else len(names)
    return math.inf if value is None else value


def _mean_facts(facts: list[dict[str, float]]) -> dict[str, float]:
    return {name: float(np.mean([each[name] for each in facts])) for name in facts[0]}


def _check_same_keys(a: Result, b: Result) -> None:
    keys = [[cell.key for cell in row.cells] for row in (a, b)]
    if keys[0] != keys[1]:
        raise StochsimError(
            f"rows of keys {keys[0]} and {keys[1]}: only rows of the same keys can be compared as "
            f"pairs"
        )


def _survival_difference(d: Floats, blind: Floats, full: Floats, *other: Floats) -> Floats:
    """S of the first three less S of the other three, over drawn rows (resample, row) to
    (resample,).
    """
    first, second = (
        (b.mean(axis=1) - d.mean(axis=1)) / (b.mean(axis=1) - f.mean(axis=1))
        for d, b, f in ((d, blind, full), other)
    )
    return np.asarray(first - second)


def open_run(run_folder: AnyPath) -> Any:
    """Open a run and read its results: Results, or a CustomRun of a study with axes. Raises
    StochsimError where there is no run, or the store or an artifact is damaged.

    >>> import stochsim as ss
    >>> from stochsim.settings import write_toml
    >>> write_toml("study.toml", {
    ...     "version": 1,
    ...     "model": {"kind": "linear_gaussian", "neurons": 4, "noise_sd": 0.5},
    ...     "data": {"kind": "digits", "size": 8, "components": 8},
    ...     "train": {"steps": 20},
    ...     "hardware": {"preset": "digital-45nm"},
    ...     "grid": {"bits": [4], "noise": [1.0]},
    ...     "measure": {"stimuli": 8, "reads": 100},
    ... })
    >>> _ = ss.run_sweep("study.toml", "runs/study", workers=1)
    >>> print(ss.open_run("runs/study"))
    results: runs/study
      study    linear gaussian on digits, chip digital-45nm
      tasks    7 of 7 done
      cells    1 of 1 finished
      measure  8 stimuli × 100 reads of each
    """
    store = _checked_store(run_folder)
    if is_custom(store):
        with store:
            return CustomRun(store)
    return Results(store)


def open_results(run_folder: AnyPath) -> Results:
    """The results of a run of a study with a grid; raises StochsimError as `open_run` does, and for
    a study with axes.
    """
    store = _checked_store(run_folder)
    if is_custom(store):
        store.close()
        raise StochsimError(f"{run_folder}: the run of a study with axes: `open_run` reads it")
    return Results(store)


def _checked_store(run_folder: AnyPath) -> Store:
    store = Store.open(as_path("run_folder", run_folder))
    store.check_artifacts()
    return store
