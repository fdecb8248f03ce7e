"""The arrays of a layer, checked, and their exact sums."""

from typing import Any

import numpy as np
from stochsim_kernels.product.matmul import integer_product, largest_magnitude

from stochsim.formats import CodeBook, NeuronBooks
from stochsim.program.dynamic_quantizer import DynamicQuantizer
from stochsim.program.quantizer import Quantizer, product_table
from stochsim.program.shapes import check_shape, check_values, kept, numbers
from stochsim.settings import SettingError, check_kind

ZERO_POINTS = "zero_points"
"""The array of a layer whose weights count from another integer than 0; there where it has one."""
WEIGHT_BOOK = "weight_book"
"""The field of a layer whose weights are of a number format; there where they are."""

_EXACT_IN_FLOAT64 = 2**53


def checked_codes(given: Any, bits: int, book: CodeBook | None) -> np.ndarray:
    """Codes of weights, (neuron, input) int8; raises SettingError for those that weights of so many
    bits, or of this book, have not.
    """
    codes = numbers("weight_codes", given, np.int8)
    if codes.ndim != 2 or codes.size == 0:
        rule = "should have shape (neuron, input), at least one of each"
        raise SettingError.of("weight_codes", codes, rule)
    half = 2 ** (bits - 1)
    low, high = -half, max(half - 1, 1)
    if book is not None:
        low, high = book.c_min, book.c_min + book.levels - 1
    elif bits == 1:
        check_values("weight_codes", codes, abs(codes) == 1, "should be -1 or 1 at one bit")
    are_right = (codes >= low) & (codes <= high)
    check_values("weight_codes", codes, are_right, f"should be from {low} to {high}")
    return kept(codes.astype(np.int8))


def checked_zero_points(
    given: Any, bits: int, axes: str, shape: tuple[int, ...]
) -> np.ndarray | None:
    """Zero points of this shape, int16, None of 0 alone; axes: what they count. Raises SettingError
    for those that codes of so many bits have not.
    """
    found = numbers(ZERO_POINTS, given, np.int16)
    check_shape(ZERO_POINTS, found, axes, shape)
    half = 2 ** (bits - 1)
    if bits == 1:
        rule = "there are none at one bit, whose weights are ±scale"
        raise SettingError.of(ZERO_POINTS, found, rule)
    are_right = (found >= -half) & (found < half)
    check_values(ZERO_POINTS, found, are_right, f"should be from {-half} to {half - 1}")
    return kept(found.astype(np.int16)) if found.any() else None


def check_weight_book(book: object, weight_bits: int, zero_points: Any) -> None:
    """Raise SettingError for what is no number format of weights of so many bits."""
    rule = "should be a CodeBook, as `stochsim.formats.code_book(name)` gives one"
    check_kind(WEIGHT_BOOK, book, CodeBook, rule)
    assert isinstance(book, CodeBook)
    if book.bits != weight_bits:
        rule = f"should be {book.bits}, as the book '{book.name}' has"
        raise SettingError.of("weight_bits", weight_bits, rule)
    if zero_points is not None:
        rule = "should be None beside a 'weight_book', whose values have a place for 0"
        raise SettingError.of(ZERO_POINTS, zero_points, rule, also=(WEIGHT_BOOK,))
    check_products(WEIGHT_BOOK, book)


def check_books_of_neurons(side: str, quantizer: Quantizer, number: int) -> None:
    """Raise SettingError for books of neurons that are not as many as there are."""
    if isinstance(quantizer.book, NeuronBooks) and quantizer.book.neurons != number:
        rule = f"has books of {quantizer.book.neurons} neurons: should be of {number}"
        raise SettingError.of(side, quantizer.format_name, rule)


def check_dynamic(given: Quantizer, output: Quantizer, block_size: int | None) -> None:
    """Raise SettingError for outputs with dynamic blocks, and for dynamic blocks of inputs of
    another size than those of weights. block_size: of weights, None for none.
    """
    if output.is_dynamic:
        rule = (
            "should have constant scales: one that follows from noisy codes of a block ties these "
            "to each other, and P(code | drive) has no closed form; see Quantizer.of_format"
        )
        raise SettingError.of("output", output.format_name, rule)
    own = given.block_size if isinstance(given, DynamicQuantizer) else None
    if own is None or block_size is None or own == block_size:
        return
    rule = (
        f"should have blocks of {block_size} inputs, as weights have (block_size = {block_size}): "
        f"it has blocks of {own}; or weights without blocks"
    )
    raise SettingError.of("input", given.format_name, rule)


def check_products(field: str, book: CodeBook | NeuronBooks) -> None:
    """Raise SettingError for a book whose values products cannot have."""
    try:
        product_table(book)
    except SettingError as error:
        raise error.renamed({("book",): (field,)}) from None


def summed(integers: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """integers (row, input) @ weights (neuron, input).T, float64, the nearest to the exact sums."""
    bound = weights.shape[1] * largest_magnitude(integers) * largest_magnitude(weights)
    if bound < _EXACT_IN_FLOAT64:
        return np.asarray(integers.astype(np.float64) @ weights.T.astype(np.float64))
    wholes = (one.astype(np.int64) for one in (integers, weights))
    return integer_product(*wholes).astype(np.float64)
