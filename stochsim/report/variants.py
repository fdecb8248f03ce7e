"""Which networks a study compares: quantised ones by architecture and method (a variant), float
ones and controls; and their names.
"""

from typing import NamedTuple

from stochsim.studies import FLOAT, Result, Results

ARCHITECTURE_WORDS = {
    "single": "single-layer",
    "deep": "multi-layer",
    "recurrent": "recurrent",
    "": "no network",
}


class Variant(NamedTuple):
    """Quantised networks of one architecture, trained by one method."""

    architecture: str
    method: str


def variants(results: Results) -> list[Variant]:
    """All of the study, in its order; none where nothing is quantised."""
    grid = results.study.grid
    return (
        [Variant(kind, method) for kind in grid.architecture for method in grid.method]
        if grid.widths()
        else []
    )


def variant_of(row: Result) -> Variant:
    """The variant of a quantised cell."""
    return Variant(row.architecture, row.method)


def quantised(results: Results, variant: Variant | None = None) -> list[Result]:
    """Finished cells of networks on the chip, of one variant or of all."""
    return [
        row for row in results.summary if row.is_quantised and variant in (None, variant_of(row))
    ]


def unquantised(results: Results) -> list[Result]:
    """Finished cells of float networks and of controls."""
    return [row for row in results.summary if not row.is_quantised]


def several_architectures(results: Results) -> bool:
    """Whether names of architectures tell anything apart."""
    return len(results.study.grid.architecture) > 1


def several_methods(results: Results) -> bool:
    """Whether names of methods do."""
    return len(results.study.grid.method) > 1 and bool(results.study.grid.widths())


def network_words(results: Results, architecture: str, method: str = "") -> str:
    """What tells these networks from the study's others: "multi-layer", "multi-layer, noise-aware";
    empty where nothing does.
    """
    parts = (
        [ARCHITECTURE_WORDS[architecture]]
        if several_architectures(results) and architecture
        else []
    )
    return ", ".join([*parts, *([method] if several_methods(results) and method else [])])


def row_words(results: Results, row: Result) -> str:
    """The same for a cell, the control's name among them."""
    named = network_words(results, row.architecture, row.method)
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
    return label if row.widths is None else f"{label} bit" if label == "1" else f"{label} bits"


def price_of_reliability(results: Results) -> str:
    """c, s and lambda of the study in words, for every table: "c = 1 nat, s = 1", or what lambda
    makes of them.
    """
    train, rhos = results.study.train, sorted(results.study.grid.rho)
    if train.exchange is None:
        return f"c = {train.c:g} nat, s = {train.s:g}"
    costs = ", ".join(
        f"{train.price(rho, results.hardware)[0]:.3g} nat at ρ = {rho:g}" for rho in rhos
    )
    return (
        f"λ = {train.exchange:g} nat/J on {results.hardware.name}, so c = {costs}, s = "
        f"{results.hardware.reliability.s:g}"
    )
