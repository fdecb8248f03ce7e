"""Block formats: numbers of few bits that share a scale, which is stored beside them: MX, NVFP4."""

from dataclasses import dataclass

import numpy as np

from stochsim.formats.books import CodeBook
from stochsim.formats.books_of_neurons import PER_NEURON
from stochsim.formats.floating import float_format
from stochsim.formats.named_formats import (
    ELEMENTS_OF_BLOCKS,
    FITTED,
    FORMATS,
    code_book,
    no_format,
)
from stochsim.settings import SettingError, check_choice, check_kind, check_whole

_ROUNDING = 1e-12
_FLOAT32 = 1e-5
FP16 = "fp16"
E8M0 = "e8m0"
E4M3 = "fp8-e4m3"
SCALE_BITS = {FP16: 16, E8M0: 8, E4M3: 8}
"""Formats of the scales of blocks, and their bits: half precision, whose rounding is left out;
powers of two; E4M3, times one float32 for all blocks.
"""


@dataclass(frozen=True)
class BlockFormat:
    """Blocks of `block_size` neighbouring numbers of the format `element`, times a scale of the
    format `scale`, one of SCALE_BITS.

    Raises SettingError for what is no CodeBook, no size and no such scale.

    >>> from stochsim.formats import block_format
    >>> mxfp4 = block_format("mxfp4")
    >>> mxfp4.element.name, mxfp4.block_size, mxfp4.bits_per_number
    ('fp4-e2m1', 32, 4.25)
    """

    name: str
    element: CodeBook
    block_size: int
    scale: str

    def __post_init__(self) -> None:
        check_kind("name", self.name, str, "should be a name")
        check_kind("element", self.element, CodeBook, "should be a CodeBook")
        object.__setattr__(self, "block_size", check_whole("block_size", self.block_size, 1, 2**31))
        check_choice("scale", self.scale, SCALE_BITS)

    @property
    def bits_per_number(self) -> float:
        """Stored bits, a whole block's scale among its numbers."""
        return self.element.bits + SCALE_BITS[self.scale] / self.block_size


def _named(name: str) -> BlockFormat:
    element = code_book(ELEMENTS_OF_BLOCKS[name])
    if name == "nvfp4":
        return BlockFormat(name, element, 16, E4M3)
    return BlockFormat(name, element.scaled(2.0**-6) if name == "mxint8" else element, 32, E8M0)


BLOCK_FORMATS = {name: _named(name) for name in ELEMENTS_OF_BLOCKS}
"""Those of the OCP (Microscaling Formats 1.0), blocks of 32 with scales that are powers of two, and
NVFP4, blocks of 16 with scales in E4M3."""


def block_format(name: str) -> BlockFormat:
    """The block format of a name of BLOCK_FORMATS; raises SettingError for others, with the nearest
    one.
    """
    check_kind("format", name, str, "should be a name")
    if name in BLOCK_FORMATS:
        return BLOCK_FORMATS[name]
    if name.removesuffix(PER_NEURON) in ELEMENTS_OF_BLOCKS:
        raise no_format(name, ())
    if name in (*FORMATS, *FITTED) or float_format(name) is not None:
        rule = "names a number format without blocks; valid: "
        own = [one for one, element in ELEMENTS_OF_BLOCKS.items() if element == name]
        raise SettingError.of("format", name, rule + ", ".join(own or ELEMENTS_OF_BLOCKS))
    raise SettingError.of("format", name, choices=BLOCK_FORMATS)


def blocks_text(element: CodeBook, block_size: int, scale: str) -> str:
    """The name of a block format; its parts where it has none.

    >>> from stochsim.formats import code_book
    >>> blocks_text(code_book("fp4-e2m1"), 16, "fp8-e4m3"), blocks_text(code_book("nf4"), 8, "e8m0")
    ('nvfp4', 'nf4 in blocks of 8')
    """
    for name, one in BLOCK_FORMATS.items():
        if (element, block_size, scale) == (one.element, one.block_size, one.scale):
            return name
    return f"{element.name} in blocks of {block_size}"


def scales_on_format(
    scales: np.ndarray, scale: str, largest: float, covers: bool = False
) -> np.ndarray:
    """The scales of a format of SCALE_BITS that are nearest to these (of any shape, above 0), or
    the nearest that are not smaller: of powers of two by their logarithm; of E4M3 times the factor
    that `largest`, of all scales, needs to be its largest value.

    >>> import numpy as np
    >>> scales_on_format(np.array([0.3, 1.0, 1.5]), "e8m0", 1.5)
    array([0.25, 1.  , 2.  ])
    """
    check_choice("scale", scale, SCALE_BITS)
    if scale == E8M0:
        logs = np.log2(scales)
        found: np.ndarray = np.exp2(np.ceil(logs - _ROUNDING) if covers else np.rint(logs))
        return found
    if scale == FP16:
        return scales
    values = positive_e4m3()
    unit = largest / values[-1]
    edges = values[:-1] * (1 + _ROUNDING) if covers else (values[1:] + values[:-1]) / 2
    return np.asarray(unit * values[np.searchsorted(edges, scales / unit)])


def positive_e4m3() -> np.ndarray:
    """The values of E4M3 above 0, ascending."""
    values = np.array(code_book(E4M3).values)
    return values[values > 0]


def are_on_format(scales: np.ndarray, scale: str) -> bool:
    """Whether scales (of any shape, above 0) are of a format of SCALE_BITS, but for the rounding of
    float32; those of E4M3 with a factor for all. Half precision is not rounded to, so any are.

    >>> import numpy as np
    >>> are_on_format(np.array([0.25, 3.0]), "e8m0"), are_on_format(np.array([1.0, 1.125]), E4M3)
    (False, True)
    """
    if scale == E8M0:
        logs = np.log2(scales)
        return bool(np.all(np.abs(logs - np.rint(logs)) < _FLOAT32))
    if scale == FP16:
        return True
    values = positive_e4m3()
    for top in values:  # that of the largest scale
        parts = scales * (top / scales.max())
        nearest = values[np.abs(np.log(parts[..., None] / values)).argmin(-1)]
        if np.all(np.abs(parts / nearest - 1) < _FLOAT32):
            return True
    return False


def element_and_blocks(name: str) -> tuple[CodeBook, int | None, str]:
    """(element, block size, format of scales) of a name of BLOCK_FORMATS, or of `code_book`, whose
    numbers have no blocks. Raises SettingError for other names, with the nearest one.
    """
    check_kind("format", name, str, "should be a name")
    if name in BLOCK_FORMATS:
        found = BLOCK_FORMATS[name]
        return found.element, found.block_size, found.scale
    if name in FORMATS or float_format(name) is not None:
        return code_book(name), None, FP16
    raise no_format(name, (*FORMATS, *BLOCK_FORMATS))
