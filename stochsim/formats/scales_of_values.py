"""Scales of blocks that follow from the values of the block, at run time."""

import math

import numpy as np
from numpy.typing import NDArray

from stochsim.formats.block_formats import E4M3, E8M0, positive_e4m3
from stochsim.formats.books import CodeBook
from stochsim.formats.named_formats import code_book
from stochsim.settings import check_choice

EXPONENTS = (-127, 127)
"""The smallest and the largest of scales in E8M0 (OCP Microscaling Formats 1.0)."""

DYNAMIC_SCALES = (E8M0, E4M3)
"""Formats of scales that are found from the values of a block."""


def scales_of_blocks(
    largest: NDArray[np.float64], element: CodeBook, scale: str, unit: float = 1.0
) -> NDArray[np.float64]:
    """The scales of blocks whose largest sizes these are (of any shape, 0 or above), for numbers of
    the format `element`, in units of `unit`, the scale of all blocks; scale: of DYNAMIC_SCALES.

    "e8m0": 2^(floor(log2 largest) - e) for the exponent e of the largest number of `element`,
    within 2^-127 and 2^127 (OCP Microscaling Formats 1.0). "fp8-e4m3": the value of
    E4M3 nearest to largest / (unit · the largest number), halves to the even mantissa, from 2^-9 to
    448 (NVFP4). Numbers beyond the ends of `element` take its ends. Blocks of zeros have the
    smallest scale. Raises SettingError for another format of scales.

    >>> from stochsim.formats import code_book
    >>> fp4 = code_book("fp4-e2m1")
    >>> scales_of_blocks(np.array([6.0, 7.9, 8.0]), fp4, "e8m0")      # 7.9 becomes 6
    array([1., 1., 2.])
    >>> scales_of_blocks(np.array([6.0, 7.9, 0.001]), fp4, "fp8-e4m3")
    array([1.        , 1.375     , 0.00195312])
    """
    check_choice("scale", scale, DYNAMIC_SCALES)
    if scale == E8M0:
        above = np.frexp(largest / unit)[1] - 1 - largest_exponent(element)
        exponents = np.where(largest > 0, above, EXPONENTS[0])
        return np.ldexp(1.0, np.clip(exponents, *EXPONENTS))
    book = code_book(E4M3)
    with np.errstate(over="ignore"):  # far beyond the largest scale, which it takes
        nearest = book.decode(book.encode(largest / (unit * element.values[-1])))
    return np.asarray(np.maximum(nearest, positive_e4m3()[0]))


def largest_exponent(element: CodeBook) -> int:
    """The exponent of the largest number of a format: 2 of E2M1, whose largest is 1.5 · 2^2."""
    return math.frexp(element.values[-1])[1] - 1
