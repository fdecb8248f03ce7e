"""How does the energy of an operation grow with bits, under each model of the price book?

Ratios of 8 to 4 bits, and the laws as curves.

The choice of an ADC's model decides an answer: from 4 to 8 bits a conversion costs 1.0 to 256
times as much. The ratios are held against those of the sources, which are rounded. Nothing is
measured: every figure is a formula of the price book, evaluated. With --out, price_laws.png shows
each law over its valid range, dashed where the value at the nearer bound is used.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from _bench import Figure, Options, main

from stochsim.energy import ARGUMENTS, PRICES, Price, format_energy, price
from stochsim.hardware import Memory, bit_error_rate, preset
from stochsim.report.figures.style import INK, QUIET, spread

RATIOS = {
    "adc-rekhi": 1.0,
    "adc-accelergy": 1.85,
    "adc-zigzag-28nm": 2.16,
    "adc-walden": 16.0,
    "adc-schreier": 256.0,
    "adc-thermal": 256.0,
    "multiply-qkeras-45nm": 3.84,
    "add-qkeras-45nm": 2.0,
}
"""Energy at 8 bits over energy at 4 bits, as the sources give it."""

ROUNDING = 0.01 / 1.85
"""One unit in the last digit of the least precise of RATIOS, relative."""

WIDTHS = np.arange(1, 17)
FINE = np.arange(1, 48.01, 0.125)
SIZES = 2.0 ** np.arange(10, 28.01, 0.25)
VOLTAGES = np.linspace(0.7, 1.2, 51)


def equal_widths(chosen: Price, value: float) -> tuple[float, ...]:
    """Arguments of a price, all of this value."""
    return (value,) * len(ARGUMENTS[chosen.kind])


def ratio(name: str) -> float:
    """Energy at 8 bits over energy at 4 bits."""
    chosen = price(name)
    return chosen.energy_j(equal_widths(chosen, 8)) / chosen.energy_j(equal_widths(chosen, 4))


def ratio_figures() -> list[Figure]:
    """Each ratio beside its source's, then the largest relative difference, which must be one of
    rounding.
    """
    ratios = {name: ratio(name) for name in RATIOS}
    figures = [
        Figure(f"{name}: E(8 bit)/E(4 bit)", value, value, value, "1", f"source: {RATIOS[name]:g}")
        for name, value in ratios.items()
    ]
    off = max(abs(value / RATIOS[name] - 1) for name, value in ratios.items())
    return [
        *figures,
        Figure(
            "largest difference from the sources' ratios",
            off,
            off,
            off,
            "1",
            "relative",
            ROUNDING,
            "lower",
        ),
    ]


def measure(options: Options) -> list[Figure]:
    """The ratios; --quick changes nothing, for nothing is repeated."""
    if options.out is not None:
        picture(options)
    return ratio_figures()


def paid(kind: str) -> list[Price]:
    """The prices of a kind that are not free and need no value of the user's, the most expensive at
    8 bits first.
    """
    found = [each for each in PRICES.values() if each.kind == kind and not each.required]
    at_8 = {each.name: each.energy_j(equal_widths(each, 8)) for each in found}
    return sorted(
        (each for each in found if at_8[each.name] > 0), key=lambda each: -at_8[each.name]
    )


def draw_laws(panel: Any, prices: Sequence[Price], places: np.ndarray) -> None:
    """Joules (place,) of each price against its argument: solid where valid, dashed where clamped;
    names beside the right edge.
    """
    from matplotlib import colormaps

    ends = []
    for index, chosen in enumerate(prices):
        colour = colormaps["tab20" if len(prices) > 10 else "tab10"](index)
        joules = np.array([chosen.energy_j(equal_widths(chosen, place)) for place in places])
        clamped = np.array(
            [
                any(
                    "outside the model's range" in flag
                    for flag in chosen.flags(equal_widths(chosen, place))
                )
                for place in places
            ]
        )
        joules[joules == 0] = np.nan  # free at one bit: not on a logarithmic axis
        panel.plot(places, joules, "--", color=colour, lw=1.2, alpha=0.7)
        panel.plot(
            places,
            np.where(clamped, np.nan, joules),
            "o-" if (~clamped).sum() == 1 else "-",
            color=colour,
            lw=2,
            ms=4,
        )
        ends.append(
            (float(joules[-1]), chosen.name + (" (unv)" if chosen.tag == "unv" else ""), colour)
        )
    drawn = np.concatenate([line.get_ydata() for line in panel.lines])
    low, high = np.nanmin(drawn), np.nanmax(drawn)
    panel.set(
        yscale="log",
        ylim=(10.0 ** math.floor(math.log10(low)), 10.0 ** math.ceil(math.log10(high))),
    )
    label_right(panel, float(places[-1]), ends)


def label_right(panel: Any, x: float, ends: Sequence[tuple[float, str, Any]]) -> None:
    """Names at the ends of curves, kept apart on the logarithmic axis."""
    low, high = (math.log10(limit) for limit in panel.get_ylim())
    wanted = [(math.log10(joules) - low) / (high - low) for joules, _, _ in ends]
    for (joules, name, colour), height in zip(ends, spread(wanted, 0.062, 0.0, 1.0), strict=True):
        panel.annotate(
            name,
            (x, joules),
            (1.04, height),
            textcoords="axes fraction",
            color=colour,
            fontsize=8,
            va="center",
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": colour, "lw": 0.6, "shrinkA": 0, "shrinkB": 2},
        )


def draw_over_scaling(panel: Any) -> None:
    """Energy of a weight's bit against voltage, relative, and the share of bits in error that comes
    with it.
    """
    chip = preset("digital-45nm")
    joules = [
        chip.replace(memory=Memory(voltage_over_vmin=float(v)))
        .price_table()["weight_memory"]
        .energy_j((2.0**18,))
        for v in VOLTAGES
    ]
    full_j = chip.price_table()["weight_memory"].energy_j((2.0**18,))
    panel.plot(VOLTAGES, np.array(joules) / full_j, color=INK, lw=2)
    panel.set_ylabel("energy over that at Vmin, (V/Vmin)²")
    errors = panel.twinx()
    errors.plot(VOLTAGES, [bit_error_rate(float(v)) for v in VOLTAGES], color="#d55e00", lw=2)
    errors.set_yscale("log")
    errors.set_ylabel("share of bits in error", color="#d55e00")
    errors.tick_params(axis="y", colors="#d55e00")
    panel.set(xlabel="V/Vmin", title="memory.voltage_over_vmin (engineering default)")


def picture(options: Options) -> None:
    """price_laws.png: a panel per kind of operation."""
    from matplotlib.figure import Figure as Picture
    from matplotlib.ticker import FuncFormatter, NullLocator

    sheet = Picture(figsize=(15, 13), layout="constrained")
    panels = sheet.subplots(3, 2)
    kinds = {
        "adc": ("a conversion, analogue to digital", "bits", WIDTHS),
        "dac": ("a conversion, digital to analogue", "bits", WIDTHS),
        "multiply": ("a multiply of equal widths", "bits of both factors", FINE[FINE <= 32]),
        "add": ("an add", "bits of the accumulator", FINE),
        "memory": ("a bit of memory", "size of the memory, bits", SIZES),
    }
    for panel, (kind, (title, label, places)) in zip(panels.flat, kinds.items(), strict=False):
        draw_laws(panel, paid(kind), places)
        panel.set(title=title, xlabel=label)
        panel.yaxis.set_major_formatter(FuncFormatter(lambda joules, _: format_energy(joules, 1)))
        panel.yaxis.set_minor_locator(NullLocator())
        panel.grid(color=QUIET, alpha=0.15)
    panels[2, 0].set_xscale("log", base=2)
    draw_over_scaling(panels[2, 1])
    sheet.suptitle(
        "Laws of the price book: solid where valid, dashed where the value at the bound is used "
        "and flagged; (unv): unverified"
    )
    assert options.out is not None
    sheet.savefig(options.out / "price_laws.png", dpi=110)


if __name__ == "__main__":
    main(__doc__, measure)
