"""What the reads of one stimulus ask of a chip, from shapes alone: how often each layer multiplies,
which codes pass the memory, which neurons draw random bits or keep a noise level.
"""

from collections.abc import Mapping
from typing import NamedTuple

from stochsim.program.layer import LayerShape

INPUT = "input"
"""The row of what belongs to the stimuli themselves: the random bits that round them."""


class LayerUse(NamedTuple):
    """How the reads of one stimulus use a layer (or one group of a convolution's channels).

    products: how often its sums are made. code_bits: bits of codes read and written. draws: how
    often its neurons draw random bits. holds: how often they are billed for the sigma of the
    program. additions: beside those of products. converts: whether the sum of a digital product is
    converted. is_stored: whether the memory holds its weights, or those of another layer that
    shares them.
    """

    layer: str
    shape: LayerShape
    products: int
    code_bits: int
    draws: int = 0
    holds: int = 0
    additions: int = 0
    converts: bool = True
    is_stored: bool = True


class Workload(NamedTuple):
    """Uses of layers by the reads of one stimulus, in the order in which they run.

    code_memory_bits: size of the memory of codes. rounded: inputs that are rounded stochastically,
    by the row of the bill that they belong to. float_macs: multiply-adds left in float32, by part.
    order: of the bill's rows, where parts in float are among them.
    """

    uses: tuple[LayerUse, ...]
    reads: int
    code_memory_bits: int
    rounded: Mapping[str, int]
    float_macs: Mapping[str, int] = {}
    order: tuple[str, ...] = ()

    @property
    def rows(self) -> tuple[str, ...]:
        """Names of the bill's rows, in order."""
        return self.order or tuple(dict.fromkeys(use.layer for use in self.uses))
