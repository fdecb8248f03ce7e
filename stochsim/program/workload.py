"""What the reads of one stimulus ask of a chip, from shapes alone: how often each layer multiplies,
which codes pass the memory, which neurons draw random bits or keep a noise level.
"""

from collections.abc import Mapping
from typing import NamedTuple

from stochsim.hardware import Noise
from stochsim.program.layer import LATERAL, LOG_SIGMA, READOUT
from stochsim.program.layer_shape import LayerShape
from stochsim.settings import SettingError, check_kind, check_whole

INPUT = "input"
"""The row of what belongs to the stimuli themselves: the random bits that round them."""


class LayerUse(NamedTuple):
    """How the reads of one stimulus use a layer (or one group of a convolution's channels).

    products: how often its sums are made. code_bits: bits of codes read and written. draws: how
    often its neurons draw random bits. reliability: how often they are billed for the sigma of the
    program. additions: beside those of products. converts: whether the sum of a digital product is
    converted. is_stored: whether the memory holds its weights, or those of another layer that
    shares them. macs: multiply-adds of all products, None for one of each weight in each of them.
    weights_read: how many weights the memory gives whenever it is read, None for all. rereads:
    whether they are others at every read.
    """

    layer: str
    shape: LayerShape
    products: int
    code_bits: int
    draws: int = 0
    reliability: int = 0
    additions: int = 0
    converts: bool = True
    is_stored: bool = True
    macs: int | None = None
    weights_read: int | None = None
    rereads: bool = False

    @property
    def multiply_adds(self) -> int:
        """Of all products."""
        return self.products * self.shape.weights if self.macs is None else self.macs

    @property
    def weight_bits_read(self) -> int:
        """Bits that the memory gives whenever the layer's weights are read."""
        if self.weights_read is None:
            return self.shape.stored_weight_bits
        return self.weights_read * self.shape.weight_bits


FLOAT_BITS = 32
"""Bits of the numbers of parts that are left in float."""


PESSIMISTIC_MACS = 100
"""Multiply-adds in float32 for each value that a part without a price reads or gives: ten
elementary functions."""


class FloatWork(NamedTuple):
    """What the reads of one stimulus ask of a part in float32.

    macs: multiply-adds of products. multiplies, adds: beside them. values: that it gives, each of
    which is written and read again. drawn: random numbers.
    """

    macs: float = 0
    multiplies: float = 0
    adds: float = 0
    values: float = 0
    drawn: float = 0

    def plus(self, other: "FloatWork") -> "FloatWork":
        """Both together."""
        return FloatWork(*(one + more for one, more in zip(self, other, strict=True)))


class Workload(NamedTuple):
    """Uses of layers by the reads of one stimulus, in the order in which they run.

    code_memory_bits: size of the memory of codes. rounded: inputs that are rounded stochastically,
    by the row of the bill that they belong to. floats: what parts in float take, by part. order: of
    the bill's rows, where parts in float are among them. unpriced: parts in float that no price
    stands for, and the multiply-adds that each takes at most in all reads.
    """

    uses: tuple[LayerUse, ...]
    reads: int
    code_memory_bits: int
    rounded: Mapping[str, int]
    floats: Mapping[str, FloatWork] = {}
    order: tuple[str, ...] = ()
    unpriced: Mapping[str, float] = {}

    @property
    def macs(self) -> tuple[float, float]:
        """Multiply-adds of a read: of layers, and of parts in float."""
        of_layers = sum(use.multiply_adds for use in self.uses)
        in_float = sum(work.macs for work in self.floats.values())
        return of_layers / self.reads, in_float / self.reads

    @property
    def rows(self) -> tuple[str, ...]:
        """Names of the bill's rows, in order."""
        return self.order or tuple(dict.fromkeys(use.layer for use in self.uses))


NOISE_RULE = "should be a Noise, as `Hardware.noise` is"


def check_shapes(shapes: Mapping[str, LayerShape], needed: tuple[str, ...] = ()) -> None:
    """Raise SettingError for what are no shapes of layers by name, for none, and without those that
    are needed.
    """
    check_kind("shapes", shapes, Mapping, "should be LayerShapes by name, as `program.shapes` is")
    for name, shape in shapes.items():
        check_kind(f"shapes.{name}", shape, LayerShape, "should be a LayerShape")
    if not shapes:
        raise SettingError.of("shapes", {}, "should be of one layer at least")
    for name in needed:
        if name not in shapes:
            raise SettingError.missing(f"shapes.{name}")


def log_sigma_workload(shapes: Mapping[str, LayerShape], noise: Noise, reads: int = 1) -> Workload:
    """What `reads` reads of one stimulus ask of hidden layers and a head that sets sigma.

    As of layers one after another, but that the codes of `log_sigma` are read again where sigma is
    set, and the sigma that neurons are billed for depends on them.
    """
    check_shapes(shapes, (LOG_SIGMA, READOUT))
    check_kind("noise", noise, Noise, NOISE_RULE)
    reads = check_whole("reads", reads, 1, 2**31)
    uses = []
    for name, shape in shapes.items():
        draws = reads if name == READOUT or noise.dither != "none" else 0
        moved = shape.read_bits + shape.written_bits
        if name == READOUT:
            moved += shapes[LOG_SIGMA].written_bits
        uses.append(LayerUse(name, shape, reads, reads * moved, draws))
    return feed_forward_workload(uses, noise, reads)


def recurrent_workload(
    steps: int,
    shapes: Mapping[str, LayerShape],
    noise: Noise,
    reads: int = 1,
    steps_between_reads: int | None = None,
) -> Workload:
    """What `reads` reads of one stimulus ask of a circuit of these shapes.

    At every step codes are read and written, and what the stimulus and a neuron's own code give is
    added to the sum, all of which belongs to `lateral`, as the neurons do; the sum of `readout` is
    converted together with that of `lateral`. Inputs are read once per chain, or at every step
    where they are rounded anew. Every read is a chain of `steps` steps, or, with
    `steps_between_reads`, all reads are of one.
    """
    check_shapes(shapes, (READOUT, LATERAL))
    check_kind("noise", noise, Noise, NOISE_RULE)
    readout, lateral = shapes[READOUT], shapes[LATERAL]
    steps = check_whole("steps", steps, 1, 2**31)
    reads = check_whole("reads", reads, 1, 2**31)
    if steps_between_reads is not None:
        steps_between_reads = check_whole("steps_between_reads", steps_between_reads, 1, 2**31)
    taken = (
        reads * steps if steps_between_reads is None else steps + (reads - 1) * steps_between_reads
    )
    chains = reads if steps_between_reads is None else 1
    afresh = chains if noise.input_dither == "none" else taken
    codes = readout.written_bits
    of_stimulus = LayerUse(READOUT, readout, afresh, afresh * readout.read_bits, converts=False)
    of_codes = LayerUse(LATERAL, lateral, taken, taken * 2 * codes, draws=taken, reliability=taken)
    uses = (of_stimulus, of_codes._replace(additions=2 * taken * lateral.neurons))
    rounded = {} if noise.input_dither == "none" else {INPUT: afresh * readout.inputs}
    return Workload(uses, reads, readout.read_bits + codes, rounded)


def feed_forward_workload(uses: list[LayerUse], noise: Noise, reads: int) -> Workload:
    """Of layers that follow one another; the memory holds the codes of the stimulus and of all."""
    check_kind("noise", noise, Noise, NOISE_RULE)
    if not isinstance(uses, list | tuple) or not uses:
        raise SettingError.of("uses", uses, "should be LayerUses, one at least")
    for use in uses:
        check_kind("uses", use, LayerUse, "should be a LayerUse")
    reads = check_whole("reads", reads, 1, 2**31)
    first = uses[0].shape
    stored = first.read_bits + sum(use.shape.written_bits for use in uses)
    rounded = {} if noise.input_dither == "none" else {INPUT: reads * first.inputs}
    return Workload(tuple(uses), reads, stored, rounded)
