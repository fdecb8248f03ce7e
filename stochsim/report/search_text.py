"""What a search says in sentences: the answer, where the models differ, how far the search went."""

import math
from typing import Any

from stochsim.energy import ADC_MODELS, format_energy, price
from stochsim.search import OWN, Answer, Measured, Outcome, Setting, Space
from stochsim.studies import AXES

MODEL_WORDS = {
    "zigzag": "ZigZag's model",
    "accelergy": "Accelergy's regression",
    "walden": "Walden's law",
    "schreier": "Schreier's law",
    "rekhi": "Rekhi's floor",
    OWN: "the chip's own prices",
}


def axis_words(axis: str, value: Any) -> str:
    """One value of a setting: "4-bit weights", "noise ×0.5", "64 rows"."""
    name, _, layer = axis.partition(".")
    return AXES[name].text(value) + (f" of '{layer}'" if layer else "")


def axis_name(axis: str) -> str:
    """An axis by itself: "weight bits"."""
    name, _, layer = axis.partition(".")
    return AXES[name].words + (f" of {layer}" if layer else "")


def setting_words(space: Space, setting: Setting, axes: tuple[str, ...] = ()) -> str:
    """The setting on the axes with a choice, or on those named."""
    chosen = axes or space.free or tuple(space.axes)
    return ", ".join(
        axis_words(name, value) for name, value in space.named(setting).items() if name in chosen
    )


def joules_words(outcome: Outcome, measured: Measured, model: str) -> str:
    """What is minimised with its unit: "651 pJ per read", "2.6 nJ per sample of 4 averaged
    reads".
    """
    joules = outcome.joules(measured, model)
    per = "read" if measured.reads == 1 else f"sample of {measured.reads} averaged reads"
    if outcome.effective:
        per = "effective sample"
    return f"{format_energy(joules)} per {per}"


def quality_words(outcome: Outcome, measured: Measured) -> str:
    """S or D with its interval, whichever the answer is about."""
    if outcome.request.file.objective.against_survival:
        return f"S = {measured.s}"
    return f"D = {measured.d} sd"


def headline(outcome: Outcome) -> str:
    """The answer in a sentence, under the first model."""
    first = outcome.first
    priced = (
        f"ADCs by {MODEL_WORDS[first.model]}" if first.model != OWN else "the chip's own prices"
    )
    what = (
        f"{joules_words(outcome, first.shown, first.model)}, "
        f"{quality_words(outcome, first.shown)} ({priced})"
    )
    words = setting_words(outcome.space, first.shown.setting)
    if outcome.rule is None:
        return _front_headline(outcome, first, words, what)
    found = (
        "measured so far"
        if outcome.measured and len(outcome.measured) < outcome.space.size
        else "there are"
    )
    if first.chosen is None:
        return f"No setting {found} keeps {outcome.rule}: the nearest is {words}, at {what}."
    return f"The cheapest setting that keeps {outcome.rule} is {words}: {what}."


def _front_headline(outcome: Outcome, first: Answer, words: str, what: str) -> str:
    if not first.front:
        return "No setting measured has finite joules and a distance."
    low, high = first.front[0], first.front[-1]
    ends = [
        f"{format_energy(outcome.joules(each, first.model))} ({quality_words(outcome, each)})"
        for each in (low, high)
    ]
    count = len(first.front)
    return (
        f"The front has {count} setting{'s' if count != 1 else ''}, from {ends[0]} to "
        f"{ends[1]}; it bends at {words}: {what}."
    )


def difference_words(outcome: Outcome) -> str:
    """Whether the ADC model changes the answer, said in words."""
    if not outcome.request.has_adc:
        return (
            f"{outcome.request.hardware.name} has no ADCs, so there is no choice of "
            f"ADC model: there is one answer."
        )
    if len(outcome.answers) == 1:
        return (
            f"Found under {MODEL_WORDS[outcome.first.model]} alone; other models of ADC "
            f"energy may choose otherwise."
        )
    noun = "bend of the front" if outcome.rule is None else "choice"
    if all(answer.chosen is None for answer in outcome.answers.values()):
        return (
            "Under no ADC model does a setting keep it: the posterior does not depend on "
            "how ADCs are priced."
        )
    if outcome.agree:
        return (
            f"All {_number(len(outcome.answers))} ADC models agree on this "
            f"setting{_spread(outcome)}."
        )
    (base, same), *others = outcome.groups
    said = [f"The ADC model changes the answer: it holds under {_models(same)}."]
    for setting, models in others:
        here, there = _apart(outcome.space, setting, base)
        said.append(
            f"Under {_models(models)} the {noun} is {here} instead of "
            f"{there}{_saving(outcome, models)}."
        )
    return " ".join(said)


def _apart(space: Space, setting: Setting, base: Setting) -> tuple[str, str]:
    """Both settings on the axes where they differ."""
    own = space.named(setting)
    other = space.named(base)
    axes = tuple(name for name in space.axes if own[name] != other[name])
    return setting_words(space, setting, axes), setting_words(space, base, axes)


def _saving(outcome: Outcome, models: list[str]) -> str:
    """What the first model's choice would cost more there, where that can be said."""
    extra = [outcome.extra(model) for model in models]
    if any(math.isnan(share) for share in extra) or outcome.rule is None:
        return ""
    low, high = (100 * bound for bound in (min(extra), max(extra)))
    span = f"{low:.3g}" if f"{low:.3g}" == f"{high:.3g}" else f"{low:.3g} to {high:.3g}"
    return f", which would cost {span} % more there"


def _spread(outcome: Outcome) -> str:
    joules = [outcome.joules(answer.shown, model) for model, answer in outcome.answers.items()]
    low, high = min(joules), max(joules)
    if not (low > 0 and math.isfinite(high)):
        return ""
    return f"; only its joules differ, from {format_energy(low)} to {format_energy(high)}"


def _models(models: list[str]) -> str:
    names = [MODEL_WORDS[model] for model in models]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _number(count: int) -> str:
    return {2: "two", 3: "three", 4: "four", 5: "five"}.get(count, str(count))


def progress_words(outcome: Outcome) -> str:
    """How much of the space was measured, and what is around the answer."""
    done = len(outcome.measured)
    all_of_them = outcome.space.size
    if done >= all_of_them:
        return f"All {all_of_them} settings of the space were measured."
    near = outcome.neighbours()
    known = sum(measured is not None for _, _, measured in near)
    opening = f"{done} of {all_of_them} settings were measured"
    apart = "that differ from the answer by one step on one axis among them"
    if known == len(near) and outcome.rule is not None and outcome.first.chosen is not None:
        return f"{opening}, all {known} {apart}: none is cheaper and keeps {outcome.rule}."
    return f"{opening}, {known} of the {len(near)} {apart}; more trials may find more."


def model_price(outcome: Outcome, model: str) -> tuple[str, str]:
    """The ADC's price under a model, and its tag."""
    chosen = (
        outcome.request.hardware.price_table()["adc"] if model == OWN else price(ADC_MODELS[model])
    )
    return chosen.name, chosen.tag


def unverified_words(outcome: Outcome) -> str:
    """Which prices behind the answers are unsourced; empty where none is."""
    used = {
        c
        for model, answer in outcome.answers.items()
        for c in answer.shown.energy(model).prices
        if c.tag == "unv"
    }
    names = sorted(citation.name for citation in used)
    return (
        f"Unsourced figures, not checked against a publication: {', '.join(names)}. Answers that "
        f"rest on them are marked [unv]."
        if names
        else ""
    )


def flag_words(outcome: Outcome) -> list[str]:
    """Flags of the answers' bills, each once with the models that raise it."""
    found: dict[str, list[str]] = {}
    for model, answer in outcome.answers.items():
        for flag in answer.shown.energy(model).flags:
            found.setdefault(flag, []).append(model)
    everywhere = len(outcome.answers)
    return [
        flag if len(models) == everywhere else f"{flag} (under {_models(models)})"
        for flag, models in sorted(found.items())
    ]
