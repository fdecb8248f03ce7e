"""What a study needs to know of each architecture."""

import enum
from dataclasses import dataclass

from stochsim.networks import LAYERS


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
