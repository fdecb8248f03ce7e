"""The product of weights or inputs that have a scale for each block of inputs: a product of each
block, and digital arithmetic that multiplies their sums by the blocks' scales and adds them.
"""

import copy
from collections.abc import Callable
from typing import Self

import numpy as np

from stochsim.accounting import AdcUse, Meter
from stochsim.chip.product import Product, less_zero_points
from stochsim.chip.rng_address import Place
from stochsim.keys import fold_in
from stochsim.program import Layer


class BlockedProduct(Product):
    """Sums in units of the layer's `sum_scale` `input.unit`, float64: Σ factor (sums of a block -
    its zero points), the blocks in the order of their inputs; of dynamic inputs, whose integers
    have scales behind them (see `DynamicQuantizer.numbers`), each times its scale, too.

    parts: products of `layer.block(b)`. Noise of a block's product belongs to a key of its own.
    """

    def __init__(self, layer: Layer, parts: list[Product]) -> None:
        self.layer, self.parts = layer, parts
        self.is_digital = parts[0].is_digital
        self.sharing = parts[0].sharing
        self._factors = layer.block_factors
        self._blocks = [layer.block(number) for number in range(len(parts))]

    def numbered(self, steps: int) -> Self:
        """See `Product.numbered`."""
        made = copy.copy(self)
        made.parts = [part.numbered(steps) for part in self.parts]
        return made

    @property
    def adc_use(self) -> AdcUse | None:  # type: ignore[override]
        """That of the block whose ADCs are coarsest, with the largest share clipped of all."""
        found = [part.adc_use for part in self.parts if part.adc_use is not None]
        if not found:
            return None
        worst = min(found, key=lambda use: use.fineness)
        for use in found:
            worst = worst.with_clipping_of(use)
        return worst

    def sums(
        self, x_ints: np.ndarray, reads: int, key: int, first_stimulus: int, first_read: int
    ) -> np.ndarray:
        """See `Product.sums`."""
        return self._added(
            x_ints,
            lambda part, own, number: part.sums(
                own, reads, key_of_block(key, number), first_stimulus, first_read
            ),
        )

    def sums_of_rows(self, x_ints: np.ndarray, place: Place) -> np.ndarray:
        """See `Product.sums_of_rows`."""
        return self._added(
            x_ints,
            lambda part, own, number: part.sums_of_rows(
                own, place._replace(key=key_of_block(place.key, number))
            ),
        )

    def exact(self, x_ints: np.ndarray) -> np.ndarray:
        """See `Product.exact`."""
        return self._added(x_ints, lambda part, own, number: part.exact(own))

    def _added(
        self, x_ints: np.ndarray, sums_of: Callable[[Product, np.ndarray, int], np.ndarray]
    ) -> np.ndarray:
        total: np.ndarray | None = None
        for number, (part, block) in enumerate(zip(self.parts, self._blocks, strict=True)):
            own, scales = self.layer.numbers_of_block(x_ints, number)
            sums = less_zero_points(sums_of(part, own, number), own, block)
            if scales is not None:
                sums = scales.reshape(*scales.shape, *(1,) * (sums.ndim - scales.ndim)) * sums
            scaled = self._factors[number] * sums
            total = scaled if total is None else np.add(total, scaled, out=total)
        assert total is not None
        return total

    def report(self, meter: Meter, name: str, x_ints: np.ndarray, reads: int) -> None:
        """See `Product.report`."""
        for number, part in enumerate(self.parts):
            part.report(meter, name, self.layer.numbers_of_block(x_ints, number)[0], reads)


def key_of_block(key: int, number: int) -> int:
    """The key of what a block draws: the first has that of its layer."""
    return fold_in(key, "block", number) if number else key
