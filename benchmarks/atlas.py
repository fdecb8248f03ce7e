"""The atlas: where does posterior sampling survive, and at how many joules, over architectures x
chips x number formats x bits of outputs x noise x keys?

One study file (studies/atlas/atlas.toml), run in parts, each of which goes on where it was stopped,
and put together. Small networks of 24 neurons for patches of natural images; S against the float
network of the same architecture and key. Plans of larger atlases are costed from points that are
measured and thrown away.
"""

import importlib
import os
import sys
from pathlib import Path
from typing import Any

import tomli_w
from _bench import Figure, Options, main

from stochsim.energy import format_energy
from stochsim.search import CustomAnswer, CustomObjective, choose
from stochsim.settings import read_toml
from stochsim.studies import (
    CustomRun,
    PointResult,
    dry_run,
    merge_runs,
    open_custom_run,
    read_custom_study,
    run_sweep,
    written,
)

FOLDER = Path(__file__).parent / "studies" / "atlas"
STUDY = FOLDER / "atlas.toml"
RUNS = Path("runs")
PARTS = 3
SURVIVES = 0.8
PLANS = {
    "9,600 points": {"key": 10, "format": 8, "output_bits": 4, "hardware": 5, "noise": 2},
    "a million points": {"key": 100, "format": 8, "output_bits": 6, "hardware": 5, "noise": 14},
}
_VALUES: dict[str, list[Any]] = {
    "format": ["int3", "int4", "fp4-e2m1", "nf4", "int5", "fp6-e2m3", "int6", "int8"],
    "output_bits": [2, 3, 4, 5, 6, 8],
    "hardware": [
        *("digital-45nm", "in-memory-28nm", "sram-array-28nm", "rram-array", "pcm-array"),
    ],
}
_QUICK: dict[str, list[Any]] = {"key": [0], "format": ["int4"], "architecture": ["single"]}


def run_atlas(quick: bool) -> CustomRun:
    """All parts, and the run that they make together."""
    study = STUDY
    _prepare()
    if quick:
        study = changed("atlas_quick", _QUICK)
    name = study.stem
    whole = RUNS / name
    if not whole.exists():
        parts = [RUNS / f"{name}_{number}_of_{PARTS}" for number in range(1, PARTS + 1)]
        for number, part in enumerate(parts, 1):
            run_sweep(study, part, allow_code=True, shard=f"{number}/{PARTS}")
        merge_runs(parts, whole)
    return open_custom_run(whole)


def _prepare() -> None:
    RUNS.mkdir(exist_ok=True)
    _find_networks()
    data = RUNS / "atlas_data.npz"
    if not data.exists():
        importlib.import_module("atlas_networks").write_data(data)


def _find_networks() -> None:
    """Let files of other folders name the networks, which lie beside the study."""
    if str(FOLDER) not in sys.path:
        sys.path.insert(0, str(FOLDER))


def changed(name: str, axes: dict[str, list[Any]]) -> Path:
    """The study with other values on these axes, as a file beside its runs."""
    _find_networks()
    table = read_toml(STUDY)
    table |= {"axes": table["axes"] | axes, "data": "atlas_data.npz"}
    path = RUNS / f"{name}.toml"
    path.write_text(tomli_w.dumps(table), encoding="utf-8")
    return path


def values_of(axis: str, count: int) -> list[Any]:
    """So many values of an axis."""
    if axis == "noise":
        return [round(0.25 * (1 + step), 2) for step in range(count)]
    return _VALUES.get(axis, list(range(count)))[:count]


def plan_figures() -> list[Figure]:
    """What larger atlases would take, from a few of their points."""
    found = []
    for name, sizes in PLANS.items():
        axes = {axis: values_of(axis, count) for axis, count in sizes.items()}
        study = read_custom_study(changed("atlas_plan", axes), allow_code=True)
        need = dry_run(study, timed=6)
        hours = need.seconds_with(1) / 3600
        said = f"{name}, {len(study.points):,} planned"
        found.append(Figure(f"{said}: time of one core", hours, hours, hours, "h", better="lower"))
        gigabytes = need.disk_bytes / 1e9
        ends = (gigabytes,) * 3
        found.append(Figure(f"{said}: disk", *ends, unit="GB", better="lower"))
    return found


def survival_figures(run: CustomRun) -> list[Figure]:
    """The share of settings that survive, by architecture and chip, and the cheapest of them."""
    found = []
    for architecture in run.axes["architecture"]:
        for chip in run.axes["hardware"]:
            at = {"architecture": architecture, "hardware": chip}
            rows = [row for row in run.over("key") if at.items() <= dict(row.point).items()]
            kept = [row for row in rows if row.estimates["survival"].low >= SURVIVES]
            share = len(kept) / len(rows)
            title = f"{architecture} on {chip}: settings with S >= {SURVIVES:g}"
            found.append(Figure(title, share, share, share, f"share of {len(rows)}"))
            if kept:
                best = min(kept, key=lambda row: row.joules_per_read)
                joules = best.joules
                value, low, high = (1e9 * one for one in (joules.joules, joules.low, joules.high))
                title = f"{architecture} on {chip}: the cheapest of them, {_named(best)}"
                found.append(Figure(title, value, low, high, "nJ per read", better="lower"))
    return found


def _named(row: PointResult) -> str:
    names = ("format", "output_bits", "noise")
    return ", ".join(f"{name} {row.point[name]}" for name in names)


def again(study: Path, row: PointResult) -> str:
    """The command that measures a point again, into a run of its own."""
    at = " ".join(f"--at {name}={written(value)}" for name, value in row.point.items())
    return f"stochsim sweep {os.path.relpath(study)} --allow-code --out runs/again {at}"


def front_of(run: CustomRun) -> CustomAnswer:
    """Settings that none beats in joules and S."""
    return choose(run, CustomObjective(against=("survival",)))


def publish(run: CustomRun, options: Options) -> None:
    """Rows as CSV, and the front as a figure."""
    assert options.out is not None
    run.write_csv(options.out / "atlas.csv")
    from matplotlib import pyplot

    names = run.axes["architecture"]
    figure, panels = pyplot.subplots(
        1, len(names), figsize=(11, 3.6), layout="constrained", sharey=True, squeeze=False
    )
    for ax, architecture in zip(panels[0], names, strict=True):
        run.plot.front("survival", at={"architecture": architecture}, ax=ax)
        ax.set(title=architecture, ylim=(-0.6, 1.1))
        ax.axhline(SURVIVES, color="0.6", linestyle=":")
    figure.savefig(options.out / "atlas.png", dpi=110)
    pyplot.close(figure)


def measure(options: Options) -> list[Figure]:
    """All figures."""
    run = run_atlas(options.quick)
    print(run)
    front = front_of(run)
    print(front)
    example = run.rows[0]
    print(f"\nany point again, such as the first:\n  {again(STUDY, example)}")
    cheapest = front.best[0].point
    print(f"{format_energy(front.best[0].reported.joules_per_read)} at {cheapest}")
    if options.out is not None:
        publish(run, options)
    return [*survival_figures(run), *([] if options.quick else plan_figures())]


if __name__ == "__main__":
    main(__doc__, measure)
