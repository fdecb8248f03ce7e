"""What a study has to do: tasks with content hashes, each naming the tasks whose results it needs.

    decoder(key) -> reference(key) -> prior_samples(key)
                 -> float network(architecture, rho, key) -> float_samples(float network, noise)
                                                          -> control(name, float network)
                                                          -> network(bits, method, ...)
    network(bits, method, ...) -> chip_samples(network, noise)

With decoder = "own" every network learns a decoder, so every network has a reference of its
own.
"""

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from stochsim.controls import CONTROLS
from stochsim.hardware import HARDWARE_RULE, Hardware
from stochsim.runs import Task
from stochsim.settings import Argument, card, check_arguments, counted
from stochsim.studies.axes import BIT_AXES, NETWORK_FORMATS
from stochsim.studies.axis import TASK_KINDS
from stochsim.studies.planner import Cell, Place, Planner, key_words
from stochsim.studies.study import Study


@dataclass(frozen=True)
class Plan:
    """Tasks by hash, in an order in which they could run, and the grid's cells."""

    tasks: dict[str, Task]
    cells: tuple[Cell, ...]

    def __str__(self) -> str:
        """A card: tasks by kind, and the cells that they fill."""
        kinds = Counter(task.kind for task in by_priority(self.tasks.values()))
        named = [(kind.removesuffix("_samples"), kind, count) for kind, count in kinds.items()]
        tasks = [f"{count} {kind}" for short, kind, count in named if short == kind]
        samples = [f"{count} {short}" for short, kind, count in named if short != kind]
        on_chip = sum(cell.widths is not None for cell in self.cells)
        others = len(self.cells) - on_chip
        keys = {cell.key for cell in self.cells}
        rows = [
            ("tasks", ", ".join(tasks)),
            ("samples", ", ".join(samples)),
            ("cells", f"{on_chip} on the chip, {others} in float or of controls"),
            ("keys", ", ".join(map(str, sorted(keys)))),
        ]
        counts = (
            f"{counted(len(self.tasks), 'task', 'tasks')} for "
            f"{counted(len(self.cells), 'cell', 'cells')}"
        )
        return card(f"plan: {counts}", rows)


def by_priority(tasks: Iterable[Task]) -> list[Task]:
    """Tasks in the order in which they should start: by kind, and as they stand within a kind."""
    return sorted(tasks, key=lambda task: TASK_KINDS.index(task.kind))


def plan_study(study: Study, hardware: Hardware) -> Plan:
    """All tasks of a study on a Hardware; equal parts are one task, however many cells use them.

    Raises SettingError for arguments of other types, or in another order.

    >>> import stochsim as ss
    >>> study = ss.Study(
    ...     version=1,
    ...     model={"kind": "linear_gaussian", "neurons": 8, "noise_sd": 0.5},
    ...     data={"kind": "digits", "size": 8, "components": 16},
    ...     hardware={"preset": "digital-45nm"},
    ...     grid={"bits": [2, 4], "noise": [1.0]},
    ... )
    >>> plan = ss.studies.plan_study(study, ss.load_hardware("digital-45nm"))
    >>> len(plan.cells)
    2
    >>> print(plan)
    plan: 9 tasks for 2 cells
      tasks    1 decoder, 1 reference, 1 float, 2 network
      samples  1 prior, 1 float, 2 chip
      cells    2 on the chip, 0 in float or of controls
      keys     0
    """
    check_arguments(
        "plan_study(study, hardware)",
        Argument("study", study, Study, "should be a Study, as Study.read('study.toml') gives one"),
        Argument("hardware", hardware, Hardware, HARDWARE_RULE),
    )
    planner = Planner(study, hardware)
    cells = list[Cell]()
    for key in sorted(study.grid.keys):
        here = {"key": key}
        decoder = planner.decoder(here)
        reference = planner.reference(decoder, here, f"key {key}") if planner.shared else None
        prior_samples = planner.prior_samples(reference, here) if reference else None
        begun = _Begun(decoder, reference, prior_samples)
        for kind, rho in itertools.product(study.grid.architecture, sorted(study.grid.rho)):
            cells += _network_cells(planner, begun, here | {"architecture": kind, "rho": rho})
        cells += _other_cells(planner, begun, here)
    return Plan(planner.tasks, tuple(cells))


@dataclass(frozen=True)
class _Begun:
    """Tasks that all networks of a key share; no reference where each has a posterior of its
    own.
    """

    decoder: str
    reference: str | None
    prior_samples: str | None


def _network_cells(planner: Planner, begun: _Begun, place: Place) -> Iterator[Cell]:
    """The cells of one architecture, rho and key on every chip of the grid: float, controlled,
    quantised. What does not depend on the chip stands there once.
    """
    for number, chip in enumerate(planner.grid.chips()):
        here = place | chip
        start = planner.float_network(begun.decoder, here)
        float_samples = None
        if begun.reference:
            float_samples = planner.float_samples(start, begun.reference, here | {"noise": 1.0})
        shared = {"float_samples": float_samples, "prior_samples": begun.prior_samples}
        if number == 0 or planner.priced:
            yield from _float_cells(
                planner, begun, start, here if planner.priced else place, shared
            )
        yield from _quantised_cells(planner, begun, start, here, shared)


def _float_cells(
    planner: Planner, begun: _Begun, start: str, place: Place, shared: dict[str, str | None]
) -> Iterator[Cell]:
    """The cells of a float network and of its controls."""
    grid = planner.grid
    controls = [name for name in grid.control if CONTROLS[name].by_network]
    if not (grid.float or controls):
        return
    reference = begun.reference or planner.reference(start, place, planner.tasks[start].label)
    tasks: dict[str, Any] = {"network": start, "reference": reference, **shared}
    for noise in sorted(grid.noise) if grid.float else ():
        here = place | {"noise": noise}
        yield planner.cell(here, samples=planner.float_samples(start, reference, here), **tasks)
    for name in controls:
        here = place | {"noise": 1.0, "control": name}
        yield planner.cell(here, samples=planner.control(start, reference, here), **tasks)


def _quantised_cells(
    planner: Planner, begun: _Begun, start: str, place: Place, shared: dict[str, str | None]
) -> Iterator[Cell]:
    """The cells of the networks that start from a float one."""
    grid = planner.grid
    for method, widths in itertools.product(grid.method, grid.widths()):
        named = dict(zip(BIT_AXES, widths, strict=True))
        for own in grid.formats(widths, NETWORK_FORMATS):
            there = place | named | own | {"method": method}
            yield from _cells_of_network(planner, begun, start, there, shared)


def _cells_of_network(
    planner: Planner, begun: _Begun, start: str, there: Place, shared: dict[str, str | None]
) -> Iterator[Cell]:
    """The cells of one quantised network."""
    network = planner.network(start, there)
    reference = begun.reference or planner.reference(network, there, planner.tasks[network].label)
    tasks: dict[str, Any] = {"network": network, "reference": reference, **shared}
    grid = planner.grid
    formats = grid.formats(tuple(there[name] for name in BIT_AXES), ("output_format",))
    for noise, one, part in itertools.product(sorted(grid.noise), formats, grid.parts):
        here = there | {"noise": noise} | one | part
        yield planner.cell(here, samples=planner.chip_samples(network, reference, here), **tasks)


def _other_cells(planner: Planner, begun: _Begun, place: Place) -> Iterator[Cell]:
    """Controls that are no network's: one cell per key, compared with the decoder's posterior;
    there is no float network to compare with.
    """
    for name in planner.grid.control:
        if not CONTROLS[name].by_network:
            here = place | {"rho": 0.0, "noise": 1.0, "control": name}
            reference = begun.reference or planner.reference(begun.decoder, here, key_words(place))
            yield planner.cell(
                here,
                network=begun.decoder,
                reference=reference,
                samples=planner.control(begun.decoder, reference, here),
                float_samples=None,
                prior_samples=begun.prior_samples,
            )
