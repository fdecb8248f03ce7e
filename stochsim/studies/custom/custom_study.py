"""A study of a user's own parts: a network or sampler, data, reference and measures, over axes."""

import inspect
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from stochsim.hardware import HARDWARE_RULE, Hardware, load_hardware
from stochsim.models import Reference
from stochsim.runs import Task
from stochsim.settings import (
    SettingError,
    card,
    card_title,
    check_kind,
    check_whole,
    counted,
    finite_array,
)
from stochsim.studies.custom.axis_targets import Parameters, check_axes, hardware_at
from stochsim.studies.custom.data import StudyData, study_data
from stochsim.studies.custom.designs import Point, checked_points, grid_points, points_without
from stochsim.studies.custom.fingerprint import fingerprint
from stochsim.studies.custom.measures import Measure, measures_of
from stochsim.studies.custom.subjects import (
    Asked,
    ChipSubject,
    SamplerSubject,
    is_network,
    options_of,
    programmed_already,
)

COLUMNS = (
    "joules_per_read",
    "joules_per_read_low",
    "joules_per_read_high",
    "seconds_per_read",
    "note",
    "flags",
)
"""Columns of results that measures and axes may not be called."""


class CustomStudy:
    """What to measure, of what, at which points.

    network: what runs on a chip: a torch module, a network of `train`, a Program, or a function
    that gives one of these. sampler: in place of a network, a function that gives reads (stimulus,
    read, …), or Samples. Functions are called with the values of those axes that their parameters
    name, and with `stimuli`, `reads`, `key` and `hardware` where they ask for these. data: see
    `study_data`. examples: stimuli that grids are fitted on, and that networks of `train` from a
    file are trained on as they are quantised; None for those of the data. hardware: a Hardware, or
    the name of a preset or chip file. measures: names of STANDARD_MEASURES, functions of (samples,
    truth), and Measures. reference: a Reference, or independent draws (stimulus, draw, neuron) of
    each stimulus's posterior. against: reads (stimulus, read, neuron) of the network before
    quantisation, for survival; None where it follows from the network. reads: of each stimulus;
    key: of them.

    axes: values by axis, each combination a point; or points, one by one, as `zipped_points`,
    `random_points` and `sobol_points` make them. An axis names a setting of the chip
    ("hardware.array.adc.bits"), "bits" of all widths or "weight_bits", "input_bits",
    "output_bits", "hardware" (a preset), "format" of weights and inputs or "weight_format", …, an
    option of `convert` ("weight_scales"), "reads", "key", "chip_key", "noise" (`sigma_scale`), or a
    parameter of a function of the user's. skip: points that are left out, see `points_without`.

    Raises SettingError for parts that do not fit each other, before anything runs.

    >>> import numpy as np
    >>> import stochsim as ss
    >>> import torch
    >>> x = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32)
    >>> module = torch.nn.Linear(6, 3)
    >>> with torch.no_grad():
    ...     labels = module(torch.from_numpy(x)).argmax(1)
    >>> study = ss.Study(
    ...     network=module,
    ...     data=(x, labels),
    ...     hardware="digital-45nm",
    ...     measures=["accuracy"],
    ...     axes={"bits": [2, 8], "hardware.noise.read_sigma_lsb": [0.0, 1.0]},
    ...     reads=4,
    ... )
    >>> print(study)
    study: 4 points of a network on digital-45nm
      axes      bits: 2, 8; hardware.noise.read_sigma_lsb: 0.0, 1.0
      measures  accuracy
      data      40 stimuli × 4 reads of each
    """

    def __init__(  # noqa: PLR0913 - public: parts are given by keyword
        self,
        *,
        axes: Mapping[str, Iterable[Any]] | Sequence[Point],
        data: Any = None,
        measures: Sequence[str | Callable[..., Any] | Measure] = (),
        network: Any = None,
        sampler: Callable[..., Any] | None = None,
        hardware: Hardware | str | None = None,
        examples: Any = None,
        reference: Any = None,
        against: Any = None,
        reads: int = 100,
        key: int = 0,
        skip: Sequence[Mapping[str, Any]] = (),
        **unknown: Any,
    ) -> None:
        for name in unknown:
            known = [one for one in inspect.signature(type(self)).parameters if one != "unknown"]
            raise SettingError.unknown(name, known)
        self.data: StudyData = study_data(data)
        self.hardware = load_hardware(hardware) if isinstance(hardware, str) else hardware
        if self.hardware is not None:
            check_kind("hardware", self.hardware, Hardware, HARDWARE_RULE)
        self.reads = check_whole("reads", reads, 1, 2**31)
        self.key = check_whole("key", key, 0, 2**64)
        self.measures = measures_of(measures, COLUMNS)
        self.examples = self.data.examples if examples is None else examples
        self.reference = _reference(self.data.reference if reference is None else reference)
        self.against = _against(self.data.against if against is None else against)
        self.subject = self._subject(network, sampler)
        self.points = self._points(axes, skip)
        self.axes = _axes_of(self.points)
        self._check_points()

    def _subject(self, network: Any, sampler: Any) -> ChipSubject | SamplerSubject:
        if (network is None) == (sampler is None):
            rule = "a study is of a network or of a sampler, one of the two"
            raise SettingError.of(("network", "sampler"), (network, sampler), rule)
        if sampler is not None:
            if not callable(sampler):
                rule = "should be a function that gives reads (stimulus, read, …)"
                raise SettingError.of("sampler", sampler, rule)
            return SamplerSubject(sampler, Parameters.of(sampler))
        if is_network(network):
            return ChipSubject(programmed_already(network), None, self.examples)
        if not callable(network):
            rule = "should be a torch module, a Program, a network of `train`, or a function of one"
            raise SettingError.of("network", network, rule)
        return ChipSubject(network, Parameters.of(network), self.examples)

    def _points(self, axes: Any, skip: Any) -> list[Point]:
        if isinstance(axes, Mapping):
            found = grid_points(axes)
        elif isinstance(axes, list | tuple):
            found = checked_points("axes", axes)
        else:
            rule = "should be values by axis, or a list of points, each a dict"
            raise SettingError.of("axes", axes, rule)
        found = points_without(found, skip)
        if not found:
            raise SettingError.of("axes", rule="there are no points")
        return found

    def _check_points(self) -> None:
        """Raise SettingError for points that differ in their axes or stand twice, axes that name
        nothing, and values that the chip or the reads cannot have.
        """
        names = set(self.axes)
        for number, point in enumerate(self.points):
            if set(point) != names:
                rule = f"point {number} has {sorted(point)}, others have {sorted(names)}"
                raise SettingError.of("axes", rule=rule)
        self._check_names()
        if len({json.dumps(point, sort_keys=True) for point in self.points}) < len(self.points):
            raise SettingError.of("axes", rule="a point stands there twice")
        for name, low, end in (("reads", 1, 2**31), ("key", 0, 2**64), ("chip_key", 0, 2**64)):
            for value in self.axes.get(name, ()):
                check_whole(f"axes.{name}", value, low, end)
        self._check_reference()
        self._check_chips()

    def _check_reference(self) -> None:
        """Raise SettingError for measures that compare with a reference where there is none, and
        for reads of a network that cannot be compared with so many draws.
        """
        compared = [one.name for one in self.measures if one.needs_reference]
        if not compared:
            return
        if self.reference is None:
            rule = f"'{compared[0]}' compares with draws: (stimulus, draw, neuron), or a Reference"
            raise SettingError.missing("reference", rule)
        for reads in self.axes.get("reads", [self.reads]):
            if isinstance(self.subject, ChipSubject):
                self.reference.check_reads(int(reads))

    def _check_names(self) -> None:
        on_chip = isinstance(self.subject, ChipSubject)
        if on_chip and self.hardware is None and "hardware" not in self.axes:
            rule = "a network needs a chip to run on: a Hardware or the name of a preset"
            raise SettingError.missing("hardware", rule)
        parameters = self.subject.parameters
        network = self.subject.network if isinstance(self.subject, ChipSubject) else None
        check_axes(
            self.axes,
            parameters,
            conversion=options_of(network) if on_chip else (),
            on_chip=on_chip,
            has_hardware=self.hardware is not None,
        )
        for name in self.axes:
            if name in COLUMNS or name in [one.name for one in self.measures]:
                rule = "is the name of a measure or column, too"
                raise SettingError.of(name, rule=rule, section=("axes",))
        given = {*(self.axes), "stimuli", "reads", "key", "hardware"}
        for name in parameters.needed if parameters else ():
            if name not in given:
                rule = f"the function's parameter '{name}' has no value: no axis is called so"
                raise SettingError.of("axes", rule=rule)

    def _check_chips(self) -> None:
        """Each chip once."""
        seen = set()
        for point in self.points:
            of_chip = {
                k: v
                for k, v in point.items()
                if k == "bits" or k.endswith("_bits") or k.startswith("hardware")
            }
            text = json.dumps(of_chip)
            if text not in seen:
                seen.add(text)
                try:
                    hardware_at(self.hardware, point)
                except SettingError as error:
                    raise error.inside("axes") if not _is_inside(error) else error from None

    @cached_property
    def hash(self) -> str:
        """A hash of all that changes the answer of a point, beside the point itself."""
        parts = {
            "network": getattr(self.subject, "network", None),
            "sampler": getattr(self.subject, "sampler", None),
            "data": {"stimuli": self.data.stimuli, "truth": self.data.truth},
            "examples": self.examples,
            "reference": None if self.reference is None else self.reference.to_arrays(),
            "against": self.against,
            "hardware": self.hardware,
            "measures": [(one.name, one.function, one.statistic) for one in self.measures],
        }
        found = {name: fingerprint(one, name) for name, one in parts.items()}
        return fingerprint([found, self.reads, self.key])

    @cached_property
    def tasks(self) -> dict[str, Task]:
        """A task for each point, by hash, in the order of the points."""
        found = {}
        for point in self.points:
            settings = json.dumps({"study": self.hash, "point": point}, sort_keys=True)
            task = Task("point", settings, (), point_text(point))
            found[task.hash] = task
        return found

    @property
    def measure_facts(self) -> dict[str, dict[str, str]]:
        """Name, unit, direction and statistic by measure, as a run has them."""
        return {
            one.name: {
                "name": one.name,
                "unit": one.unit,
                "better": one.better,
                "statistic": "mean" if one.is_mean else "",
            }
            for one in self.measures
        }

    def against_at(self, asked: Asked) -> np.ndarray | None:
        """Reads of the network before quantisation at a point, where survival is measured."""
        if self.reference is None or "survival" not in [one.name for one in self.measures]:
            return None
        return self.subject.against(asked) if self.against is None else self.against

    __repr__ = card_title

    def __str__(self) -> str:
        """A card: points, axes, measures, data."""
        kind = "a network" if isinstance(self.subject, ChipSubject) else "a sampler"
        chip = "" if self.hardware is None else f" on {self.hardware.name}"
        axes = "; ".join(f"{name}: {_values_text(values)}" for name, values in self.axes.items())
        stimuli = counted(self.data.count, "stimulus", "stimuli")
        rows = [
            ("axes", axes),
            ("measures", ", ".join(one.name for one in self.measures)),
            ("data", f"{stimuli} × {self.reads:,} reads of each"),
        ]
        return card(f"study: {counted(len(self.points), 'point', 'points')} of {kind}{chip}", rows)


def point_text(point: Mapping[str, Any]) -> str:
    """A point as labels show it: "bits 4, key 0"."""
    return ", ".join(f"{name.removeprefix('hardware.')} {one}" for name, one in point.items())


def _values_text(values: Sequence[Any]) -> str:
    shown = ["none" if one is None else str(one) for one in values[:6]]
    return ", ".join(shown + ([f"… {len(values)} values"] if len(values) > len(shown) else []))


def _is_inside(error: SettingError) -> bool:
    return bool(error.field) and error.field[0] == "axes"


def _axes_of(points: Sequence[Point]) -> dict[str, list[Any]]:
    """Values by axis, in the order in which they come first."""
    return {name: list(dict.fromkeys(point.get(name) for point in points)) for name in points[0]}


def _reference(given: Any) -> Reference | None:
    """A Reference as it is, and draws (stimulus, draw, neuron) as one of independent draws."""
    if given is None or isinstance(given, Reference):
        return given
    draws = finite_array("reference", given, "stimulus, draw, neuron")
    mean = draws.mean(axis=1, dtype=np.float64)
    off = draws - mean[:, None]
    covariance = np.einsum("sdi,sdj->sij", off, off) / max(1, draws.shape[1] - 1)
    sd = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    try:
        return Reference(True, draws.astype(np.float32), mean, sd, covariance, None)
    except SettingError as error:
        raise error.inside("reference") from None


def _against(given: Any) -> np.ndarray | None:
    return None if given is None else finite_array("against", given, "stimulus, read, neuron")
