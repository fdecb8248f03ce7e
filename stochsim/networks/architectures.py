"""The architectures of networks: what settings, studies and files need to know of each (no torch
here, so that a study can be checked at once).
"""

import enum
from dataclasses import dataclass

ONLY_LAYER = "readout"
"""Name of the layer of a network that has one."""


class Sigma(enum.Enum):
    """What the noise of a network's answers depends on, where its law is known in closed form."""

    NEURON = "one sd per neuron"
    STIMULUS = "one sd per neuron and stimulus"
    UNKNOWN = "no closed form"


@dataclass(frozen=True)
class ArchitectureFacts:
    """An architecture: its name in words, and the noise of its answers.

    layers: those whose weights may have a width of their own, the one on the stimulus first; none
    where there is one layer alone. options: its options of ArchitectureSettings, and of [network]
    in a study. learns_widths: whether widths can be learned. has_chain: whether its reads can be of
    one chain (`measure.steps_between_reads`). prefix: how its tasks are labelled.
    """

    words: str
    sigma: Sigma
    layers: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    learns_widths: bool = True
    has_chain: bool = False
    prefix: str = ""


ARCHITECTURES = {
    "single": ArchitectureFacts("single-layer", Sigma.NEURON),
    "deep": ArchitectureFacts(
        "multi-layer",
        Sigma.STIMULUS,
        layers=("hidden", "log_sigma", "readout"),
        options=("hidden_per_neuron",),
        learns_widths=False,  # hidden codes have none of their own
        prefix="deep ",
    ),
    "recurrent": ArchitectureFacts(
        "recurrent",
        Sigma.UNKNOWN,
        layers=("readout", "lateral"),
        options=("time_step", "steps"),
        has_chain=True,
        prefix="recurrent ",
    ),
}
"""By name, in the order in which they are named and drawn."""

CIRCUIT = next(name for name, facts in ARCHITECTURES.items() if facts.has_chain)
"""The architecture whose time step and steps a hand-wired circuit takes."""


def layers_of(kind: str) -> tuple[str, ...]:
    """Layers of an architecture whose weights may have a width of their own."""
    return ARCHITECTURES[kind].layers


def owners_of_layer(layer: str) -> list[str]:
    """The architectures that have a layer of this name."""
    return [kind for kind, facts in ARCHITECTURES.items() if layer in facts.layers]


def owner_of_option(option: str) -> str:
    """The architecture that an option belongs to."""
    return next(kind for kind, facts in ARCHITECTURES.items() if option in facts.options)


LAYER_NAMES = tuple(
    dict.fromkeys(name for facts in ARCHITECTURES.values() for name in facts.layers)
)
"""All layers of all architectures that may have a width of their own."""
