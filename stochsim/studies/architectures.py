"""What a study needs to know of each architecture."""

from dataclasses import dataclass

from stochsim.networks import LAYERS


@dataclass(frozen=True)
class ArchitectureFacts:
    """An architecture: its name in words, its options of [network], whether its reads can be of
    one chain (`measure.thin`), and how tasks of its networks are labelled.
    """

    words: str
    options: tuple[str, ...] = ()
    has_chain: bool = False
    prefix: str = ""


ARCHITECTURES = {
    "single": ArchitectureFacts("single-layer"),
    "deep": ArchitectureFacts("multi-layer", ("hidden_per_neuron",), prefix="deep "),
    "recurrent": ArchitectureFacts(
        "recurrent", ("time_step", "steps"), has_chain=True, prefix="recurrent "
    ),
}
"""By name, in the order in which they are named and drawn."""

CIRCUIT = next(name for name, facts in ARCHITECTURES.items() if facts.has_chain)
"""The architecture whose time step and steps a hand-wired circuit takes."""


def owner_of_layer(layer: str) -> str:
    """The architecture that has a layer of this name; there must be one."""
    return next(kind for kind, names in LAYERS.items() if layer in names)
