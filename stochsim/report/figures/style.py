"""How figures look, and how they become bytes: the same results give the same bytes, and no setting
of matplotlib leaks out.
"""

import functools
import io
from collections.abc import Callable, Sequence
from typing import Any, ParamSpec

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

INK = "#1b2733"
QUIET = "#66727f"
FAINT = "#c9d0d8"
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p", "*", "h")
PART_COLOURS = {
    "multiply": "#0072b2",
    "add": "#56b4e9",
    "converter": "#d55e00",
    "array": "#f0e442",
    "memory": "#009e73",
    "random": "#e69f00",
    "reliability": "#cc79a7",
    "leakage": "#999999",
    "programming": "#7a4b1e",
    "float": "#332288",
}
"""Okabe and Ito's colours, told apart by colour-blind eyes; a brown and Tol's indigo for the parts
that they do not reach.
"""

_SETTINGS: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 11.0,
    "axes.titlesize": 11.5,
    "axes.labelsize": 11.0,
    "axes.edgecolor": QUIET,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.color": INK,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "figure.constrained_layout.use": True,
    "figure.constrained_layout.w_pad": 0.09,
    "figure.constrained_layout.h_pad": 0.07,
    "svg.fonttype": "path",
    "svg.hashsalt": "stochsim",
}
WIDTH_INCHES = 9.4

P = ParamSpec("P")


def styled(build: Callable[P, Figure]) -> Callable[P, Figure]:
    """Run a function that builds a figure under this file's settings, and put back those that were
    there.
    """

    @functools.wraps(build)
    def run(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with matplotlib.rc_context(_SETTINGS):
            return build(*args, **kwargs)

    return run


def new_figure(
    rows: int, columns: int, height_inches: float, **grid: Any
) -> tuple[Figure, np.ndarray]:
    """A figure of the page's width with its axes (rows, columns)."""
    figure = Figure(figsize=(WIDTH_INCHES, height_inches))
    FigureCanvasAgg(figure)
    return figure, np.asarray(figure.subplots(rows, columns, squeeze=False, **grid))


def to_svg(figure: Figure) -> str:
    """The figure as SVG text without a date."""
    with matplotlib.rc_context(_SETTINGS):
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None})
        return text.getvalue()


def to_png(figure: Figure, dpi: int = 160) -> bytes:
    """The figure as PNG bytes."""
    with matplotlib.rc_context(_SETTINGS):
        data = io.BytesIO()
        figure.savefig(data, format="png", dpi=dpi, metadata={"Software": None})
        return data.getvalue()


def colours(count: int, name: str, low: float, high: float) -> list[tuple[float, ...]]:
    """`count` colours of an even, colour-blind-safe ramp, in order."""
    ramp = matplotlib.colormaps[name]
    return [tuple(ramp(low + (high - low) * index / max(1, count - 1))) for index in range(count)]


def noise_looks(levels: Sequence[float]) -> dict[float, tuple[tuple[float, ...] | str, str]]:
    """Colour and marker of each noise level, the same in every figure; noise 0 is ink."""
    ordered = sorted(levels)
    noisy = [level for level in ordered if level > 0]
    found = dict(zip(noisy, colours(len(noisy), "plasma", 0.08, 0.78), strict=True))
    return {
        level: (found.get(level, INK), MARKERS[index % len(MARKERS)])
        for index, level in enumerate(ordered)
    }


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Positions as near to `wanted` as a least distance `gap` within [low, high] allows, in the
    order given.
    """
    order = sorted(range(len(wanted)), key=lambda index: wanted[index])
    gap = min(gap, (high - low) / max(1, len(wanted) - 1))
    placed: list[float] = []
    for index in order:
        placed.append(max(wanted[index], placed[-1] + gap if placed else low))
    ceiling = high
    for rank in range(len(placed) - 1, -1, -1):
        placed[rank] = min(placed[rank], ceiling)
        ceiling = placed[rank] - gap
    result = [0.0] * len(wanted)
    for rank, index in enumerate(order):
        result[index] = placed[rank]
    return result


def label_ends(
    axes: Axes, ends: Sequence[tuple[float, float, str, object]], gap: float = 0.06
) -> None:
    """Names beside the right edge of `axes`, one per line end (x, y, text, colour), kept apart and
    led to their ends.
    """
    if not ends:
        return
    low, high = axes.get_ylim()
    heights = [min(1.0, max(0.0, (y - low) / (high - low))) for _, y, _, _ in ends]
    for (x, y, text, colour), height in zip(ends, spread(heights, gap, 0.02, 1.0), strict=True):
        axes.annotate(
            text,
            xy=(x, min(max(y, low), high)),
            xytext=(1.03, height),
            textcoords="axes fraction",
            color=colour,
            va="center",
            fontweight="bold",
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-",
                "color": colour,
                "lw": 0.7,
                "alpha": 0.6,
                "shrinkA": 1,
                "shrinkB": 3,
            },
        )
