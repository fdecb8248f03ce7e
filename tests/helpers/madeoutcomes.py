"""Outcomes of a search over a made-up table of settings."""

from typing import Any

from tinyoptimize import made, outcome_of, request_of

from stochsim.search.answer import Outcome

SLOW, FAST = (4, 4, 4, 1.0, 1, 3, 8), (4, 4, 4, 1.0, 1, 6, 16)
"""Many conversions of few bits, and few of many."""
CHEAP = (2, 4, 4, 1.0, 1, 3, 8)
ALONE = {"objective__adc_models": ["zigzag"]}


def differing(**changes: Any) -> Outcome:
    """Under Walden 100 conversions of 3 bits cost less than 40 of 6, under ZigZag and Rekhi more;
    the cheapest one loses the posterior.
    """
    request = request_of(**({"objective__adc_models": ["zigzag", "walden", "rekhi"]} | changes))
    return outcome_of(
        request,
        [
            made(request, SLOW, 0.95, {3: 100}),
            made(request, FAST, 0.96, {6: 40}),
            made(request, CHEAP, 0.5, {3: 10}),
        ],
    )


def agreeing() -> Outcome:
    """One setting is cheapest under every model."""
    request = request_of()
    return outcome_of(
        request,
        [
            made(request, SLOW, 0.95, {3: 10}),
            made(request, FAST, 0.96, {6: 40}),
            made(request, CHEAP, 0.5, {3: 5}),
        ],
    )


def failing() -> Outcome:
    request = request_of(objective__keep="S >= 0.99")
    return outcome_of(
        request, [made(request, SLOW, 0.95, {3: 10}), made(request, FAST, 0.96, {6: 40})]
    )
