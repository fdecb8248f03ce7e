"""What a study needs to know of each architecture."""

import enum
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from stochsim.networks import LAYERS
from stochsim.settings import SettingError


class Sigma(enum.Enum):
    """What the noise of a network's answers depends on, where its law is known in closed form."""

    NEURON = "one sd per neuron"
    STIMULUS = "one sd per neuron and stimulus"
    UNKNOWN = "no closed form"


@dataclass(frozen=True)
class ArchitectureFacts:
    """An architecture: its name in words, the noise of its answers, its options of [network],
    whether its reads can be of one chain (`measure.thin`), and how its tasks are labelled.
    """

    words: str
    sigma: Sigma
    options: tuple[str, ...] = ()
    has_chain: bool = False
    prefix: str = ""


ARCHITECTURES = {
    "single": ArchitectureFacts("single-layer", Sigma.NEURON),
    "deep": ArchitectureFacts(
        "multi-layer", Sigma.STIMULUS, ("hidden_per_neuron",), prefix="deep "
    ),
    "recurrent": ArchitectureFacts(
        "recurrent", Sigma.UNKNOWN, ("time_step", "steps"), has_chain=True, prefix="recurrent "
    ),
}
"""By name, in the order in which they are named and drawn."""

CIRCUIT = next(name for name, facts in ARCHITECTURES.items() if facts.has_chain)
"""The architecture whose time step and steps a hand-wired circuit takes."""


def owners_of_layer(layer: str) -> list[str]:
    """The architectures that have a layer of this name."""
    return [kind for kind, names in LAYERS.items() if layer in names]


def check_widths_used(field: str, widths: Sequence[int], kind: str, named: Collection[str]) -> None:
    """Raise SettingError where several weight widths are given to choose from, and every layer of
    this kind of network has a width of its own; named: the layers that have one.
    """
    if len(widths) > 1 and LAYERS[kind] and set(named) >= set(LAYERS[kind]):
        rule = (
            f"no layer of '{kind}' has these, since layer_bits names all; valid: one width, or a "
            f"layer less there"
        )
        raise SettingError.of(field, list(widths), rule)
