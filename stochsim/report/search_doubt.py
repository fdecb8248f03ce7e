"""What a search says of its answer under prices that are known within ranges."""

from stochsim.report.search_text import MODEL_WORDS, setting_words
from stochsim.search import Outcome, rivals
from stochsim.settings import counted


def doubt_words(outcome: Outcome) -> str:
    """Whether the answer under the first model holds within the ranges of prices, and which price
    would decide; empty where a front was asked for, and where nothing or no other setting keeps
    the rule.
    """
    model = outcome.first.model
    found = rivals(outcome, model)
    if found is None or not found.others:
        return ""
    others = counted(found.others, "other setting that keeps it", "other settings that keep it")
    under = f"under {MODEL_WORDS[model]}"
    if not found.rivals:
        return (
            f"The answer is certain {under}: within the ranges of prices none of {others} is "
            "cheaper."
        )
    nearest, how = found.rivals[0]
    chosen = outcome.first.chosen
    assert chosen is not None
    words = setting_words(outcome.space, nearest.setting)
    share = how.difference / outcome.joules(chosen, model)
    return (
        f"The answer is not certain {under}: within the ranges of prices {len(found.rivals)} of "
        f"{others} may be cheaper. The nearest, {words}, takes {share:.1%} more; "
        f"{how.deciding}, known better, would decide."
    )
