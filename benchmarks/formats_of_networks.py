"""Which number format of weights, or of weights and inputs, keeps the accuracy of converted
networks, at how many stored bits and how many joules?

Classifiers of the zoo (conversion_zoo.py), trained in float, on a digital chip without noise;
outputs have 8 bits. "weights": inputs have 8 bits, too; "weights and inputs": both are of the
format, with blocks of inputs, where it has any, scaled as they are read. No further training;
weights have the codes with which errors of a neuron's weights make up for each other
("compensated"), fitted on 1,000 training pictures, and figures of the nearest codes stand beside
them. Formats without blocks have a scale for each neuron or channel, those named "per 32" one for
every 32 weights of a neuron, in 16 bits. Stored bits are those of a weight, its share of the scales
of blocks included. Losses are in accuracy on 1,000 test pictures, paired with the float network on
the same pictures. Joules are those of one picture, all of the bill.
"""

from typing import Any, NamedTuple

import numpy as np
from _bench import Figure, Options, main
from _zoo import MovedDigits
from conversion_zoo import EPOCHS, QUIET, Classifier, percent

from stochsim.formats import FP16, SCALE_BITS, element_and_blocks, format_bits
from stochsim.lowering import ChipModule, convert

KINDS = ("MLP", "ResNet-20", "vision transformer")
EXAMPLES, TESTED = 1000, 1000


class Format(NamedTuple):
    """A number format, and how many weights share a scale: None for those of a neuron, or for the
    blocks that the format has.
    """

    name: str
    group: int | None = None

    @property
    def title(self) -> str:
        """Its name, and the size of a group."""
        return self.name if self.group is None else f"{self.name} per {self.group}"

    @property
    def stored_bits(self) -> float:
        """Bits of a weight, with its share of the scales of blocks."""
        _, block, scale = element_and_blocks(self.name)
        size, of_scale = (block, SCALE_BITS[scale]) if block else (self.group, SCALE_BITS[FP16])
        return format_bits(self.name) + (of_scale / size if size else 0.0)

    def weight_scales(self) -> dict[str, Any]:
        """What `convert` is told of them."""
        has_blocks = element_and_blocks(self.name)[1] is not None
        return {} if has_blocks else {"weight_scales": self.group or "per-channel"}


FORMATS = (
    *(Format("int3"), Format("int3", 32), Format("fp3-e1m1"), Format("power-3")),
    *(Format("int4"), Format("int4", 32), Format("fp4-e2m1"), Format("fp4-e2m1", 32)),
    *(Format("nf4"), Format("nf4", 32), Format("power-4"), Format("log2-4")),
    *(Format("mxfp4"), Format("nvfp4"), Format("int6"), Format("mxfp6-e2m3")),
    *(Format("mxfp6-e3m2"), Format("int8"), Format("mxint8"), Format("mxfp8-e4m3")),
)
QUICK = (Format("int4"), Format("mxfp4"))
NOT_FOR_INPUTS = ("nf4", "power-3", "power-4", "log2-4")
"""Values without a common unit of few bits, so that products of two of them are wide."""


class Found(NamedTuple):
    """What one format does to one network: accuracy lost (picture,), in per cent, and joules."""

    lost: np.ndarray
    joules: float


class Case:
    """A float classifier, and what it does in other formats."""

    def __init__(self, data: MovedDigits, kind: str, epochs: int) -> None:
        self.own = Classifier(data, kind, epochs)
        self.examples = data.x[:EXAMPLES]

    def found(self, one: Format, sides: tuple[str, ...], rounding: str) -> Found:
        """On the chip, weights (and inputs) of the format."""
        made: ChipModule = convert(
            self.own.network,
            QUIET.with_precision(8, 8, 8),
            self.examples,
            formats=dict.fromkeys(sides, one.name),
            weight_rounding=rounding,
            **one.weight_scales(),
        )
        joules = made.bill(self.own.data.test[:1]).per_read_j
        return Found(self.own.lost(made), joules)


def figures_of(kind: str, case: Case, formats: tuple[Format, ...]) -> list[Figure]:
    """Losses and joules of all formats, and which have the least loss for their joules."""
    figures = [percent(f"{kind}, float: accuracy", 100 * case.own.right, None)]
    for sides in (("weights",), ("weights", "inputs")):
        title = " and ".join(sides)
        met: list[tuple[float, float, Format]] = []
        for one in formats:
            if "inputs" in sides and one.name in NOT_FOR_INPUTS:
                continue
            name = f"{kind}, {title} {one.title} ({one.stored_bits:g} bits)"
            for rounding in ("nearest", "compensated"):
                found = case.found(one, sides, rounding)
                figures.append(percent(f"{name}, {rounding}: accuracy lost", found.lost, None))
            joules = 1e9 * found.joules
            figures.append(Figure(f"{name}: energy", joules, joules, joules, "nJ/picture"))
            met.append((joules, float(found.lost.mean()), one))
            print(name, met[-1][:2], flush=True)
        for joules, lost, one in _front(met):
            name = f"{kind}, {title}, on the front: {one.title}: accuracy lost"
            figures.append(Figure(name, lost, lost, lost, f"% at {joules:.3g} nJ"))
    return figures


def _front(met: list[tuple[float, float, Format]]) -> list[tuple[float, float, Format]]:
    """Those that no other beats in joules and loss, by joules."""
    found: list[tuple[float, float, Format]] = []
    for one in sorted(met):
        if not found or one[1] < found[-1][1]:
            found.append(one)
    return found


def measure(options: Options) -> list[Figure]:
    """Three networks; one, two formats and fewer epochs with --quick."""
    data = MovedDigits()
    data.test, data.answers = data.test[:TESTED], data.answers[:TESTED]
    figures = []
    for kind in KINDS[:1] if options.quick else KINDS:
        case = Case(data, kind, 2 if options.quick else EPOCHS)
        figures += figures_of(kind, case, QUICK if options.quick else FORMATS)
    return figures


if __name__ == "__main__":
    main(__doc__, measure)
