"""Figures of a run of a study with axes: a measure over its axes, and against joules."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stochsim.report.custom_view import CustomView
from stochsim.report.figures.style import new_figure, styled
from stochsim.settings import StochsimError

_MOST_PANELS = 4
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Okabe and Ito's, told apart by colour-blind eyes; as many as there are lines at most."""


@styled
def measure_figure(view: CustomView, measure: str) -> Figure:
    """A measure along the view's axis with 95 % intervals, or, where points lie on no lines,
    against each axis; beside it against joules of a read, with the front, where there is a bill.
    """
    axes = [view.x] if view.x is not None else list(view.axes)[:_MOST_PANELS]
    panels = len(axes) + view.has_bill
    figure, places = new_figure(1, panels, 3.6, sharey=True)
    for place in places[0]:
        place.set_prop_cycle(color=_COLOURS)
    for place, axis in zip(places[0], axes, strict=False):
        if view.x is not None:
            view.lines.curve(axis, measure, ax=place)
        else:
            view.plots.scatter(axis, measure, ax=place)
    if view.has_bill:
        _front(view, measure, places[0, -1])
    for place in places[0, 1:]:
        place.set_ylabel("")
    return figure


def _front(view: CustomView, measure: str, ax: Axes) -> None:
    try:
        view.plots.front(measure, ax=ax)
    except StochsimError:  # no point has both
        ax.set_axis_off()
