"""What the published figures said of modelled joules, kept as a table: these do not come with
stochsim.
"""

import math
import statistics
from collections.abc import Sequence
from importlib import resources

from stochsim.settings import read_toml
from stochsim.silicon.scoreboard import Score
from stochsim.silicon.spread import Spread, spread_between

MACHINE, ADC = "machine", "adc"
_FILE = resources.files("stochsim.silicon") / "residuals.toml"
_CONVERTERS = {
    "jia": "converter",
    "neurram": "neuron operations and control",
    "wang": "converter out (ADC)",
}
"""The part of each macro that is a converter, modelled by a price of another source."""


def recorded_spread(kind: str) -> Spread:
    """The spread of modelled joules between machines that were measured: of whole macros without
    any joule of their own ("machine"), or of their converters ("adc").

    >>> from stochsim.silicon import recorded_spread
    >>> sorted(recorded_spread("adc").by_macro)
    ['jia', 'neurram', 'wang']
    """
    with resources.as_file(_FILE) as path:
        return spread_between(read_toml(path)[kind])


def converter_residuals(scores: Sequence[Score]) -> dict[str, float]:
    """Mean log(modelled / measured) of the converters of scored macros."""
    found = {}
    for score in scores:
        part = _CONVERTERS.get(score.macro.name)
        logs = [math.log(one.ratio) for one in score.predicted("part") if one.row.part == part]
        if logs:
            found[score.macro.name] = statistics.fmean(logs)
    return found
