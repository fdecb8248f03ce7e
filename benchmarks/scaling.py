"""How do time and memory of a chip grow with batch, width, reads and bits?

Exponents of power laws, fitted in logarithms.

`Chip.sample` on two presets, a digital product and a bit-sliced array, without counting operations.
One quantity varies, the others stay at 64 stimuli, 256 inputs and neurons, 16 reads, 4 bits. Time:
turn by turn over the sizes, a turn is the best of five calls; one exponent per turn, of which the
median and the 10 % and 90 % quantiles are given. Memory: the peak over what was held before the
call, result included.

Exponents are those of the range of sizes shown, not of the limit: what every call pays, and what
every read pays, flatten them at small sizes. Codes and conversions grow with exponent 1 in batch
and reads, a product with 2 in width, an array's slices × cycles with 2 in bits.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from _bench import Figure, Options, main
from _memory import peak_bytes
from _speed import quantiles, seconds

from stochsim.chip import Chip
from stochsim.hardware import preset
from stochsim.program import Layer, Quantizer, single_layer

CHIPS = ("digital-45nm", "sram-array-28nm")
CALLS = 5
TURNS = 15
QUICK_TURNS = 3
COLOURS = dict(zip(CHIPS, ("tab:blue", "tab:orange"), strict=True))


@dataclass(frozen=True)
class Size:
    """What a call of Chip.sample is asked for; inputs and neurons are `width`, weights, inputs and
    outputs have `bits`.
    """

    batch: int = 64
    width: int = 256
    reads: int = 16
    bits: int = 4


AXES: dict[str, tuple[int, ...]] = {
    "batch": (16, 32, 64, 128, 256, 512),
    "width": (64, 128, 256, 512, 1024),
    "reads": (4, 8, 16, 32, 64, 128),
    "bits": (1, 2, 3, 4, 6, 8),
}


def sample_call(chip_name: str, size: Size) -> Callable[[], object]:
    """One call of Chip.sample for random weights and inputs; the noise is one output step."""
    random = np.random.default_rng(0)
    top = 2 ** (size.bits - 1)
    width = size.width
    weights = (
        random.integers(-top + 1, top, (width, width), dtype=np.int8)
        if size.bits > 1
        else 2 * random.integers(0, 2, (width, width)) - 1
    )
    scale = 1.0 / np.sqrt(width)
    inputs = Quantizer(size.bits, 2.0 / top)
    output = Quantizer(size.bits, 2.0 / top)
    layer = Layer(
        weights.astype(np.int8),
        size.bits,
        scale / top,
        inputs,
        output,
        np.zeros(width),
        np.full(width, output.step),
    )
    program = single_layer(layer)
    chip = Chip(program, preset(chip_name).with_precision(size.bits, size.bits, size.bits))
    x = random.normal(0, 1, (size.batch, width))
    return lambda: chip.sample(x, size.reads, 1, count=False)


def calls_along(
    chip_name: str, axis: str, values: tuple[int, ...], base: Size
) -> dict[int, Callable[[], object]]:
    """The calls of one axis, the other quantities as in `base`."""
    return {value: sample_call(chip_name, replace(base, **{axis: value})) for value in values}


def times_s(
    works: Mapping[int, Callable[[], object]], turns: int, calls: int = CALLS
) -> np.ndarray:
    """Seconds (turn, size), each the best of some calls, sizes in turn so that a busy machine slows
    all alike, after a round of warm-up.
    """
    for work in works.values():
        seconds(work)
    return np.array([[seconds(work, calls) for work in works.values()] for _ in range(turns)])


def peaks_bytes(works: Mapping[int, Callable[[], object]], turns: int) -> np.ndarray:
    """Peak memory (turn, size); a page at least, so that there is a logarithm."""
    return np.array(
        [[max(4096, peak_bytes(work)) for work in works.values()] for _ in range(turns)]
    )


def exponents(values: tuple[int, ...], measured: np.ndarray) -> np.ndarray:
    """Slopes (turn,) of log measured (turn, size) against log size, least squares."""
    x = np.log(values) - np.mean(np.log(values))
    slopes: np.ndarray = np.log(measured) @ x / (x @ x)
    return slopes


Measured = dict[tuple[str, str], tuple[np.ndarray, np.ndarray]]
"""Seconds and bytes, both (turn, size), of each (chip, axis)."""


def measure_all(axes: Mapping[str, tuple[int, ...]], base: Size, turns: int) -> Measured:
    """All times before all memory, whose measurement makes the C library slower."""
    works = {
        (chip, axis): calls_along(chip, axis, values, base)
        for chip in CHIPS
        for axis, values in axes.items()
    }
    times = {place: times_s(calls, turns) for place, calls in works.items()}
    return {
        place: (times[place], peaks_bytes(calls, min(turns, 3))) for place, calls in works.items()
    }


def exponent_figures(axes: Mapping[str, tuple[int, ...]], measured: Measured) -> list[Figure]:
    """Exponents of time, then of memory."""
    figures = []
    for what, index in (("time", 0), ("memory", 1)):
        for (chip, axis), found in measured.items():
            slope = quantiles(exponents(axes[axis], found[index]))
            span = f"{axis} {axes[axis][0]}–{axes[axis][-1]}"
            figures.append(Figure(f"{chip}: {what} ~ {axis}^k", *slope, "1", span, better="lower"))
    return figures


def measure(options: Options) -> list[Figure]:
    """4 turns with --quick, else 15."""
    measured = measure_all(AXES, Size(), QUICK_TURNS if options.quick else TURNS)
    if options.out is not None:
        picture(AXES, measured, options)
    return exponent_figures(AXES, measured)


def picture(axes: Mapping[str, tuple[int, ...]], measured: Measured, options: Options) -> None:
    """scaling.png: time above, memory below, one column per quantity; legends give the
    exponents.
    """
    from matplotlib.figure import Figure as Picture

    sheet = Picture(figsize=(3.2 * len(axes), 6), layout="constrained")
    panels = sheet.subplots(2, len(axes), sharex="col", sharey="row", squeeze=False)
    for (chip, axis), found in measured.items():
        for row, (unit, values) in enumerate(zip((1e-3, 1e6), found, strict=True)):
            panel = panels[row, list(axes).index(axis)]
            slope = float(np.median(exponents(axes[axis], values)))
            low, middle, high = np.quantile(values / unit, [0.1, 0.5, 0.9], axis=0)
            label = f"{chip}: exponent {slope:.2f}"
            panel.errorbar(
                axes[axis],
                middle,
                [middle - low, high - middle],
                fmt="o-",
                capsize=3,
                color=COLOURS[chip],
                label=label,
            )
            panel.set(xscale="log", yscale="log")
            panel.legend(fontsize=7, frameon=False)
    for column, (axis, ticks) in enumerate(axes.items()):
        panels[1, column].set_xlabel(axis)
        panels[1, column].set_xticks(ticks, [str(tick) for tick in ticks])
        panels[1, column].minorticks_off()
    panels[0, 0].set_ylabel("time of a call, ms")
    panels[1, 0].set_ylabel("peak memory of a call, MB")
    assert options.out is not None
    sheet.savefig(options.out / "scaling.png", dpi=150)


if __name__ == "__main__":
    main(__doc__, measure)
