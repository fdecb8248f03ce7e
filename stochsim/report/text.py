"""Results in words and figures for display: labels, cliffs, prices.

Everything is computed from the results, nothing is assumed.
"""

import itertools
import math
from typing import Any

from stochsim.controls import CONTROLS
from stochsim.energy import format_energy
from stochsim.posterior import CLIFF_SURVIVAL, Estimate, Survival
from stochsim.report.variants import (
    Variant,
    network_words,
    quantised,
    variant_at,
)
from stochsim.settings import counted
from stochsim.studies import AXES, BIT_AXES, LEAST_PARTS, Result, Results

AXIS_WORDS = {name: AXES[name].words for name in ("bits", *BIT_AXES)}
INFINITE_ENERGY = (
    "∞: at noise ×0 the price of reliability, which falls as σ grows, is infinite; the other parts "
    "of the bill are finite"
)
ELBO_HINT = (
    "evidence lower bound, at most log p(x): of codes spread over their cells, neurons "
    "independent; of float networks and of circuits, of the Gaussian with the samples' moments; "
    "n/a where that has no density, as at noise 0 without codes"
)
OWN_DECODER = (
    "Every network learned a decoder, so each is compared with another posterior: there is no "
    "common D_blind and D_full, "
    "and S would flatter the networks that make their task easy. D and ELBO are shown alone."
)


def noise_label(noise: float, times: str = "×") -> str:
    """The multiple of the trained σ: "×1"."""
    return f"{times}{noise:g}"


def number(value: float, spec: str = ".3f") -> str:
    """A number for display; "n/a" for NaN, "∞" for infinity, with a true minus sign."""
    if math.isnan(value):
        return "n/a"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    return f"{value:{spec}}".replace("-", "−")


def estimate_words(estimate: Estimate | None, spec: str = ".3f") -> str:
    """`0.951 [0.930, 0.968]`, or n/a."""
    if estimate is None or not estimate.available:
        return "n/a"
    return (
        f"{number(estimate.value, spec)} [{number(estimate.low, spec)}, "
        f"{number(estimate.high, spec)}]"
    )


def available(survival: Survival | None) -> Estimate | None:
    """S where it is defined, else None."""
    return None if survival is None else survival.estimate


def has_reconstruction(results: Results) -> bool:
    """False for a scale mixture, whose stimuli are z A r: without the contrast z a read
    reconstructs nothing.
    """
    return results.study.model.kind != "gaussian_scale_mixture"


def chain_words(results: Results) -> str:
    """How recurrent networks were read where reads are of one chain; empty where every read is a
    chain of its own.
    """
    steps = results.study.measure.steps_between_reads
    every = "every step" if steps == 1 else f"every {steps} steps"
    return (
        f"recurrent networks on the chip: one chain per stimulus, a read {every}"
        if steps is not None
        else ""
    )


def survives(result: Result) -> bool:
    """Whether the 95 % lower bound of S reaches the cliff's 0.9."""
    estimate = available(result.survival)
    return estimate is not None and estimate.low >= CLIFF_SURVIVAL


def nearest_noise(results: Results) -> float:
    """The noise level that headlines a study: the one nearest to ×1 in ratio; 0 only where there is
    no other.
    """
    levels = sorted(results.study.grid.noise)
    return min(
        (level for level in levels if level > 0),
        key=lambda level: abs(math.log(level)),
        default=levels[0],
    )


def largest_widths(results: Results) -> dict[str, int]:
    """The largest width of each bit axis in the grid; none where nothing is quantised."""
    found = results.study.grid.widths()
    return (
        {name: max(widths[index] for widths in found) for index, name in enumerate(BIT_AXES)}
        if found
        else {}
    )


def fixed_at_largest(results: Results, axis: str) -> str:
    """How `Results.cliffs` names the other widths when each is kept at its largest; empty where the
    bits are tied.
    """
    if results.study.grid.bits is not None:
        return ""
    largest = largest_widths(results)
    return ", ".join(f"{name} {largest[name]}" for name in BIT_AXES if name != axis)


def swept_axes(results: Results) -> list[str]:
    """The bit axes along which the grid has more than one width (at least one axis is named)."""
    grid = results.study.grid
    if grid.bits is not None:
        return ["bits"]
    return [name for name in BIT_AXES if len(getattr(grid, name) or ()) > 1] or [BIT_AXES[-1]]


def widths_tested(results: Results, axis: str) -> tuple[int, ...]:
    """The widths of one axis, sorted."""
    return tuple(sorted(getattr(results.study.grid, axis)))


def results_at(
    results: Results, rho: float, noise: float, variant: Variant | None = None
) -> list[Result]:
    """The finished cells of quantised networks at one ρ and noise level, by widths; of one variant,
    or of all.
    """
    return [row for row in quantised(results, variant) if row.rho == rho and row.noise == noise]


def main_cliffs(results: Results) -> list[dict[str, Any]]:
    """The cliffs with every other width at its largest, each with its Result (key "result", None
    where there is no cliff).
    """
    rows = []
    for found in results.cliffs():
        if found["fixed"] == fixed_at_largest(results, found["axis"]) and found[
            "axis"
        ] in swept_axes(results):
            rows.append(found | {"result": _at_cliff(results, found)})
    return rows


def _at_cliff(results: Results, found: dict[str, Any]) -> Result | None:
    wanted = largest_widths(results)
    names = BIT_AXES if found["axis"] == "bits" else (found["axis"],)
    wanted |= dict.fromkeys(names, found["cliff"])
    rows = results_at(results, found["rho"], found["noise"], variant_at(found))
    return next(
        (row for row in rows if row.widths == tuple(wanted[name] for name in BIT_AXES)), None
    )


def cliff_words(results: Results, found: dict[str, Any], at_least: str = "≥") -> str:
    """One cliff: "6 bits (S >= 0.9 there and at every larger width tested)"; says so where a bound
    of the grid is met.
    """
    width = found["cliff"]
    tested = widths_tested(results, found["axis"])
    rule = f"S {at_least} {CLIFF_SURVIVAL:g}"
    if width is None:
        so_far = " so far" if results.missing else ""
        return f"none (no width tested keeps the whole interval of {rule}{so_far})"
    bits = f"{width} bit{'s' if width != 1 else ''}"
    if width == tested[-1]:
        return f"{bits} ({rule} there, the largest width tested)"
    if width == tested[0] and not results.missing:
        return f"{bits} ({rule} at every width tested: it may lie lower still)"
    return (
        f"{bits} ({rule} there and at every larger width "
        f"{'stored so far' if results.missing else 'tested'})"
    )


def fixed_words(found: dict[str, Any]) -> str:
    """The other widths of a cliff, as ", input bits 8, output bits 8"."""
    return ", " + found["fixed"].replace("_", " ") if found["fixed"] else ""


def energy_words(result: Result) -> str:
    """Joules per read with a prefix; ∞ where noise 0 would cost an infinite price, which
    INFINITE_ENERGY says.
    """
    return format_energy(result.per_read_j) if not math.isnan(result.per_read_j) else "n/a"


def has_infinite_energy(results: Results) -> bool:
    """Whether some row has infinite joules, which want a word."""
    return any(math.isinf(row.per_read_j) for row in results.summary)


def absences(results: Results) -> list[str]:
    """Why figures of the tables are n/a, each reason once."""
    reasons = {
        f"S n/a: {row.survival.reason}"
        for row in results.summary
        if row.survival is not None and row.survival.reason
    }
    if results.study.train.decoder == "shared" and any(
        row.survival is None for row in results.summary
    ):
        reasons.add(
            "S n/a of controls that are no network: there is no float network of their kind"
        )
    if results.study.train.decoder == "own":
        bounds = [row.estimates["elbo_nat"] for row in results.summary]
        absent = {one.reason.partition("; at ")[0] for one in bounds if not one.available}
        reasons |= {f"ELBO n/a, at one stimulus or more: {reason}" for reason in absent}
    if any(not row.is_quantised for row in results.summary):
        reasons.add("energy n/a: float networks and controls run on no chip")
    return sorted(reasons)


def price_words(results: Results) -> str:
    """Which prices the joules follow, the ADC's and reliability's named: they decide the
    answer.
    """
    if not results.study.grid.widths():
        return ""
    hardware = results.hardware
    table = hardware.price_table()
    adc = table["adc"].citation(hardware.prices.voltage_v)
    laws = [hardware.reliability_law(rho) for rho in sorted(results.study.grid.rho)]
    reliability = "; ".join(f"{law.price.formula} ({law.source}; {law.tag})" for law in laws)
    return (
        f"Joules follow the prices of {hardware.name}: "
        f"ADC {adc.name}, {adc.formula} {adc.unit} ({adc.source}); "
        f"multiply {table['multiply'].name}; reliability {reliability}."
    )


def baselines(results: Results) -> list[str]:
    """What S is measured between, one sentence per architecture and ρ, and per chip where a price
    trained the float networks.
    """
    grid = results.study.grid
    sentences = []
    chips = grid.chips() if results.study.train.nats_per_joule is not None else [{}]
    for kind, rho, chip in itertools.product(grid.architecture, sorted(grid.rho), chips):
        place = {"architecture": kind, "rho": rho} | chip
        rows = [row for row in results.summary if place.items() <= row.values.items()]
        survival = next((row.survival for row in rows if row.survival is not None), None)
        if survival is not None:
            parts = [
                network_words(results, kind, settings=tuple(chip.items())),
                f"ρ = {rho:g}" if len(grid.rho) > 1 else "",
            ]
            opening = ", ".join(part for part in parts if part)
            full = estimate_words(survival.d_full)
            blind = estimate_words(survival.d_blind)
            sentences.append(
                f"{opening}{': ' if opening else ''}float network D = {full}; ignoring the "
                f"stimulus D = {blind}"
            )
    return sentences


def part_words(results: Results) -> list[str]:
    """What is shown of a study's manufactured parts, as a sentence; none without them."""
    keys = sorted(results.study.grid.chip_keys or ())
    if not keys:
        return []
    chips = counted(len(keys), "chip", "chips")
    shown = f"Figures are of one of {chips} (chip key {keys[0]})"
    if len(keys) < LEAST_PARTS:
        return [f"{shown}; a yield takes {LEAST_PARTS} chips or more."]
    return [
        f"{shown}; the yield is the share of chips with S ≥ {CLIFF_SURVIVAL:g}, in the table with "
        "its 95 % Wilson interval over chips."
    ]


def control_words(results: Results) -> str:
    """What each control of the study is; empty without."""
    named = [f"{name}: {CONTROLS[name].text}" for name in results.study.grid.control]
    return f"Controls: {'; '.join(named)}." if named else ""


def missing_words(results: Results) -> str:
    """What an unfinished run lacks; empty where it is finished."""
    if not results.missing:
        return ""
    keys = len(results.study.grid.keys)
    cells = len(results.plan.cells)
    words = (
        f"{results.missing:,} of {len(results.plan.tasks):,} tasks not stored yet; "
        f"{results.finished_cells:,} of {cells:,} cells of the grid are shown"
    )
    if keys == 1:
        return f"{words}."
    whole = sum(row.is_of_all_keys for row in results.summary)
    rows = counted(len(results.summary), "row", "rows")
    if whole == len(results.summary):
        return f"{words}, a cell being of one key: {rows}, each over all {keys} keys."
    return (
        f"{words}, a cell being of one key: {rows}, {whole:,} of them over all {keys} keys, the "
        f"others over those finished so far."
    )
