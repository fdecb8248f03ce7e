"""Which networks a study compares: quantised ones by architecture, method and chip (a variant),
float ones and controls; and their names.
"""

from typing import Any, NamedTuple

from stochsim.networks import ARCHITECTURES
from stochsim.studies import (
    AXES,
    FLOAT,
    Axis,
    Result,
    Results,
    column_axes,
)

ARCHITECTURE_WORDS = {name: AXES["architecture"].text(name) for name in (*ARCHITECTURES, "")}
ChipSettings = tuple[tuple[str, Any], ...]
"""(axis, value) on the axes that are settings of the chip."""


class Variant(NamedTuple):
    """Quantised networks of one architecture, trained by one method, on one chip of the grid."""

    architecture: str
    method: str
    settings: ChipSettings = ()


def variants(results: Results) -> list[Variant]:
    """All variants of the study, in its order; none where nothing is quantised."""
    grid = results.study.grid
    if not grid.widths():
        return []
    chips = [tuple(chip.items()) for chip in grid.ways()]
    return [
        Variant(kind, method, chip)
        for kind in grid.architecture
        for method in grid.method
        for chip in chips
    ]


def variant_of(row: Result) -> Variant:
    """The variant of a quantised cell."""
    return Variant(row.architecture, row.method, row.chip_settings)


def variant_at(cliff: dict[str, Any]) -> Variant:
    """The variant of one of `Results.cliffs`."""
    return Variant(cliff["architecture"], cliff["method"], cliff["settings"])


def quantised(results: Results, variant: Variant | None = None) -> list[Result]:
    """Finished cells of networks on the chip, of one variant or of all."""
    return [
        row for row in results.summary if row.is_quantised and variant in (None, variant_of(row))
    ]


def unquantised(results: Results) -> list[Result]:
    """Finished cells of float networks and of controls."""
    return [row for row in results.summary if not row.is_quantised]


def varied_axes(results: Results) -> list[Axis]:
    """The axes on which the study's networks differ: those whose values must be named."""
    study = results.study
    on_chip = bool(study.grid.widths())
    return [
        axis
        for axis in column_axes(study.grid)
        if axis.varies_network
        and len(axis.given(study.grid)) > 1
        and (on_chip or not axis.of_quantised or (axis.setting and study.train.nats_per_joule))
    ]


def is_varied(results: Results, name: str) -> bool:
    """Whether the study's networks differ on the axis of this name."""
    return name in [axis.name for axis in varied_axes(results)]


def network_words(
    results: Results, architecture: str, method: str = "", settings: ChipSettings = ()
) -> str:
    """What distinguishes these networks from the study's others: "multi-layer", "multi-layer,
    noise-aware", "multi-layer, 8 rows"; empty where nothing does.
    """
    values = {"architecture": architecture, "method": method} | dict(settings)
    named = [(axis, values.get(axis.name)) for axis in varied_axes(results)]
    return ", ".join(axis.text(value) for axis, value in named if value not in ("", None))


def float_words(row: Result) -> str:
    """What a float network is, by its architecture, and its chip where that trained it."""
    settings = [AXES[name].text(value) for name, value in row.chip_settings if value is not None]
    return ", ".join([ARCHITECTURE_WORDS[row.architecture], *settings])


def row_words(results: Results, row: Result) -> str:
    """The words of a cell's network and chip, and the name of its control."""
    named = network_words(results, *variant_of(row))
    return ", ".join(part for part in (named, row.control) if part)


def widths_label(row: Result) -> str:
    """One number where weight, input and output bits are tied, else weight/input/output; "float"
    where nothing is quantised.
    """
    if row.widths is None:
        return FLOAT
    return str(row.weight_bits) if len(set(row.widths)) == 1 else "/".join(map(str, row.widths))


def bits_words(row: Result) -> str:
    """The widths with their unit: "1 bit", "6 bits", "8/8/4 bits"."""
    label = widths_label(row)
    if row.widths is None:
        return label
    return f"{label} bit" if label == "1" else f"{label} bits"


def price_of_reliability(results: Results) -> str:
    """c, s and lambda of the study in words, for every table: "c = 1 nat, s = 1", or what lambda
    makes of them.
    """
    train = results.study.train
    rhos = sorted(results.study.grid.rho)
    if train.nats_per_joule is None:
        return f"c = {train.c:g} nat, s = {train.s:g}"
    costs = ", ".join(
        f"{train.price(rho, results.hardware)[0]:.3g} nat at ρ = {rho:g}" for rho in rhos
    )
    return (
        f"λ = {train.nats_per_joule:g} nat/J on {results.hardware.name}, so c = {costs}, s = "
        f"{results.hardware.reliability.s:g}"
    )
