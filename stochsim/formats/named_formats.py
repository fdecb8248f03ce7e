"""Number formats by name: integers, floating point, powers of two, companded, NF4."""

import functools
import itertools
import re
from collections.abc import Callable, Collection, Iterable, Iterator

import numpy as np
from scipy import special

from stochsim.formats.books import MOST_BITS, CodeBook
from stochsim.formats.books_of_neurons import PER_NEURON
from stochsim.formats.floating import FLOATING, float_format
from stochsim.settings import SettingError, check_kind, check_positive

_NAME = re.compile(r"(int|uint|log2-|power-)(\d{1,3})", re.ASCII)
_NF4_OFFSET = 0.9677083


def integers(bits: int) -> CodeBook:
    """int<b>: -2^(b-1) … 2^(b-1) - 1, in two's complement; -1 and 1 at one bit. Halves go to the
    even integer.
    """
    if bits == 1:
        return CodeBook((-1.0, 1.0), (), (), (-1.0, 1.0), "int1")
    half = 2 ** (bits - 1)
    values = np.arange(-half, half, dtype=float)
    patterns = np.roll(values, half)
    return CodeBook(tuple(values), (), (), tuple(patterns), f"int{bits}")


def unsigned_integers(bits: int) -> CodeBook:
    """uint<b>: 0 … 2^b - 1. Halves go to the even integer; at one bit to 1."""
    values = tuple(np.arange(2.0**bits))
    return CodeBook(values, name=f"uint{bits}")


def powers_of_two(bits: int) -> CodeBook:
    """log2-<b>: 0 and ±2^-k, k = 0 … 2^(b-1) - 2, the largest 1; a number goes to the nearest
    logarithm, so edges are geometric means, and that beside 0 the smallest value / √2.
    """
    magnitudes = 2.0 ** np.arange(2 - 2 ** (bits - 1), 1)
    upper = magnitudes / np.sqrt(2.0)
    values = (*-magnitudes[::-1], 0.0, *magnitudes)
    patterns = (0.0, *magnitudes, -0.0, *-magnitudes)
    return CodeBook(values, (*-upper[::-1], *upper), (), patterns, f"log2-{bits}")


def companded(bits: int, exponent: float = 2.0) -> CodeBook:
    """power-<b>: ±(i / n)^p for i = 0 … n = 2^(b-1) - 1; the compressed number, of size |x|^(1/p),
    is rounded to the nearest i / n, so edges are ((i + 1/2) / n)^p.
    """
    p = check_positive("exponent", exponent)
    n = 2 ** (bits - 1) - 1
    magnitudes = (np.arange(1, n + 1) / n) ** p
    upper = ((np.arange(n) + 0.5) / n) ** p
    values = (*-magnitudes[::-1], 0.0, *magnitudes)
    patterns = (0.0, *magnitudes, -0.0, *-magnitudes)
    return CodeBook(values, (*-upper[::-1], *upper), (), patterns, f"power-{bits}")


def normal_float() -> CodeBook:
    """nf4: 16 values from quantiles of the normal distribution, 0 and ±1 among them (Dettmers,
    Pagnoni, Holtzman, Zettlemoyer 2023, QLoRA).
    """
    upper = special.ndtri(np.linspace(_NF4_OFFSET, 0.5, 9)[:-1])
    lower = -special.ndtri(np.linspace(_NF4_OFFSET, 0.5, 8)[:-1])
    values = np.array([*lower, 0.0, *upper[::-1]]) / upper[0]
    return CodeBook(tuple(values), name="nf4")


_FAMILIES: dict[str, tuple[Callable[[int], CodeBook], int]] = {
    "int": (integers, 1),
    "uint": (unsigned_integers, 1),
    "log2-": (powers_of_two, 2),
    "power-": (companded, 2),
}
"""By the name without its bits: what makes it, and the fewest bits."""

FORMATS = (
    *(f"int{bits}" for bits in range(1, MOST_BITS + 1)),
    *(f"uint{bits}" for bits in range(1, MOST_BITS + 1)),
    *FLOATING,
    "nf4",
    *(f"log2-{bits}" for bits in range(2, MOST_BITS + 1)),
    *(f"power-{bits}" for bits in range(2, MOST_BITS + 1)),
)
"""Names of `code_book`; any fp<bits>-e<x>m<y> is one too."""


def code_book(name: str) -> CodeBook:
    """The code book of a name of FORMATS, or of any fp<bits>-e<x>m<y> up to 8 bits.

    Raises SettingError for other names, with the nearest one.

    >>> from stochsim.formats import code_book
    >>> code_book("log2-3").values
    (-1.0, -0.5, -0.25, 0.0, 0.25, 0.5, 1.0)
    """
    check_kind("format", name, str, "should be a name")
    floating = float_format(name)
    if floating is not None:
        return floating.code_book()
    if name == "nf4":
        return normal_float()
    found = _NAME.fullmatch(name)
    if not found:
        raise no_format(name, FORMATS)
    make, fewest = _FAMILIES[found[1]]
    bits = int(found[2])
    if name not in FORMATS:
        rule = f"should have {fewest} to {MOST_BITS} bits"
        least = [f"{found[1]}{fewest}"] if bits < fewest else ()
        raise SettingError.of("format", name, rule, least or FORMATS)
    return make(bits)


ELEMENTS_OF_BLOCKS = {
    "mxfp4": "fp4-e2m1",
    "mxfp6-e3m2": "fp6-e3m2",
    "mxfp6-e2m3": "fp6-e2m3",
    "mxfp8-e4m3": "fp8-e4m3",
    "mxfp8-e5m2": "fp8-e5m2",
    "mxint8": "int8",
    "nvfp4": "fp4-e2m1",
}
"""Formats of the numbers of block formats, see `block_format`."""

FITTED = tuple(f"lloyd-{bits}" for bits in range(1, 7))
"""Formats whose values are fitted to numbers: see `lloyd_max`."""

_ALIKE = {
    "mx": tuple(ELEMENTS_OF_BLOCKS),
    "nv": tuple(ELEMENTS_OF_BLOCKS),
    "lloyd": FITTED,
    "fp4": ("fp4-e2m1",),
}
"""Formats that a name may mean, by how it starts."""


def no_format(name: str, choices: Collection[str]) -> SettingError:
    """The error of a name that is none of `choices`: what it names in other places, or the nearest
    of the choices; of formats alike, too.
    """
    alone = name.removesuffix(PER_NEURON)
    alike = next((own for start, own in _ALIKE.items() if name.lower().startswith(start)), ())
    if alone != name:
        alike = tuple(one + PER_NEURON for one in (*FITTED, *FORMATS))
    rule = ""
    if alone in ELEMENTS_OF_BLOCKS and alone != name:
        rule = f"has '{PER_NEURON}' behind a block format, whose scales are of blocks"
        return SettingError.of("format", name, f"{rule}; did you mean '{alone}'?")
    if name in ELEMENTS_OF_BLOCKS:
        rule = "names a block format, of numbers that share a scale: see `block_format`"
    elif name in FITTED or (alone != name and alone in (*FORMATS, *FITTED)):
        rule = "has values that are fitted to numbers: see `chip.fitted_quantizer`"
    elif name.lower().startswith("learn"):
        rule = (
            "values that are learned are of outputs in training: 'learned-1' to 'learned-6' as "
            "`output_format` of `quantise` or [train], or as `formats` of outputs of `convert`"
        )
    elif wide := _WIDE.match(name.lower()):
        rule = (
            f"has {wide[1]} bits, and formats have {MOST_BITS} at most; wider ones are of "
            f"accumulators: see `accumulator_format` of Hardware"
        )
    return SettingError.of("format", name, rule, () if rule else alike or choices)


_WIDE = re.compile(r"(?:b|t)?f(?:p|loat)?(9|[1-9]\d{1,2})(?!\d)", re.ASCII)
"""Floating point of more bits than a code has."""


def output_formats() -> tuple[str, ...]:
    """All names that outputs may have: those of FORMATS, of every fp<bits>-e<x>m<y>, of FITTED, the
    same with "-per-neuron" behind them, and those of block formats.
    """
    names = tuple(dict.fromkeys((*FORMATS, *_all_floating(), *FITTED)))
    return (*names, *(name + PER_NEURON for name in names), *ELEMENTS_OF_BLOCKS)


def _all_floating() -> Iterator[str]:
    """The names of every fp<bits>-e<x>m<y>."""
    pairs = itertools.product(range(1, MOST_BITS), range(MOST_BITS))
    return (f"fp{1 + x + m}-e{x}m{m}" for x, m in pairs if 1 + x + m <= MOST_BITS)


@functools.cache
def input_formats() -> tuple[str, ...]:
    """Names that inputs of our own networks may have: those of FORMATS and every fp<bits>-e<x>m<y>
    whose values are integers of one unit.

    >>> from stochsim.formats import input_formats
    >>> "fp4-e2m1" in input_formats(), "log2-8" in input_formats()
    (True, False)
    """
    names = dict.fromkeys((*FORMATS, *_all_floating()))
    return tuple(name for name in names if code_book(name).fixed_point is not None)


@functools.cache
def weight_formats() -> tuple[str, ...]:
    """Those that weights may have: of both signs, and block formats.

    >>> from stochsim.formats import weight_formats
    >>> "mxfp4" in weight_formats(), "uint4" in weight_formats()
    (True, False)
    """
    ends = {name: code_book(name).values for name in input_formats()}
    return (*(name for name, own in ends.items() if own[0] < 0 < own[-1]), *ELEMENTS_OF_BLOCKS)


def check_format(field: str, name: str, names: Iterable[str], bits: int | None) -> None:
    """Raise SettingError for a name that is none of these, and for one of other bits than a field
    has; None for a field of a float network.
    """
    names = tuple(names)
    side = field.rpartition(".")[2].removesuffix("_format")
    if name not in names and isinstance(name, str):
        if name in ELEMENTS_OF_BLOCKS or name.startswith("lloyd"):
            rule = f"{side}s of own networks have no such format; {_WHERE[name in FITTED]}"
            raise SettingError.of(field, name, rule)
        raise no_format(name, names).renamed({("format",): tuple(field.split("."))})
    if bits != format_bits(name):
        there = "a float network has none" if bits is None else f"'{side}_bits' is {bits}"
        raise SettingError.of(field, name, f"has {format_bits(name)} bits, and {there}")


_WHERE = {
    True: "values that are fitted are of outputs",
    False: "blocks are of weights, and of inputs of converted networks",
}


def is_fitted(name: str) -> bool:
    """Whether a name is one of FITTED."""
    return name in FITTED


def format_bits(name: str) -> int:
    """Bits of a format of FORMATS or FITTED, one for all neurons or, with "-per-neuron" behind its
    name, fitted to each, or of the numbers of a block format; raises SettingError for other names.

    >>> from stochsim.formats import format_bits
    >>> [format_bits(name) for name in ("fp6-e2m3", "lloyd-3-per-neuron")]
    [6, 3]
    """
    check_kind("format", name, str, "should be a name")
    alone = ELEMENTS_OF_BLOCKS.get(name, name.removesuffix(PER_NEURON))
    if alone in FITTED:
        return 1 + FITTED.index(alone)
    if alone in FORMATS or float_format(alone) is not None:
        return code_book(alone).bits
    raise no_format(name, (*FORMATS, *FITTED, *ELEMENTS_OF_BLOCKS))
