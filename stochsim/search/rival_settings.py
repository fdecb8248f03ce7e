"""Whether the answer is certain within the ranges of prices: which other settings may be cheaper,
and which price, known better, would decide.
"""

import math
from dataclasses import dataclass

from stochsim.accounting import Identified, JoulesInterval, compared, joules_interval
from stochsim.energy import ADC_MODELS, Operations
from stochsim.search.answer import Outcome
from stochsim.search.measured_setting import OWN, Measured


@dataclass(frozen=True)
class Rivals:
    """The other settings that keep the rule under a model, `others` in number; `rivals`: those
    that may be cheaper than the answer within the ranges of prices, the nearest first, each with
    how it compares.
    """

    others: int
    rivals: tuple[tuple[Measured, Identified], ...]


def interval(outcome: Outcome, measured: Measured, model: str) -> JoulesInterval:
    """What the objective minimises, with the ends that the ranges of prices give."""
    chip = measured.chip
    if model != OWN:
        chip = chip.with_price("adc", ADC_MODELS[model])
    factor = measured.samples_per_effective if outcome.effective else 1.0
    per = len(measured.operations) / measured.reads / factor
    whole = sum(measured.operations, Operations())
    return joules_interval(chip, whole, measured.rho, per)


def rivals(outcome: Outcome, model: str) -> Rivals | None:
    """The rivals of a model's answer; None for a front, and where nothing keeps the rule."""
    answer = outcome.answers[model]
    rule = outcome.rule
    if rule is None or answer.chosen is None:
        return None
    own = interval(outcome, answer.chosen, model)
    others = [
        each
        for each in outcome.measured
        if each is not answer.chosen
        and each.keeps(rule)
        and math.isfinite(outcome.joules(each, model))
    ]
    found = [(each, compared(own, interval(outcome, each, model))) for each in others]
    uncertain = [pair for pair in found if not pair[1].is_certain]
    uncertain.sort(key=lambda pair: pair[1].difference)
    return Rivals(len(others), tuple(uncertain))
