"""Where random numbers are drawn: the words that a draw is a pure function of."""

from typing import NamedTuple

import numpy as np


class DrawAddress(NamedTuple):
    """Key, layer and event word, and the absolute indices of the first stimulus and read of a call.

    Stimuli, reads and neurons of a call are counted on from here. Kernels are compiled for a key of
    64 unsigned bits and indices of 64 signed ones: `DrawAddress.of` makes them so.
    """

    key: np.uint64
    layer: int
    event: int
    first_stimulus: int = 0
    first_read: int = 0

    @classmethod
    def of(
        cls, key: int, layer: int, event: int, first_stimulus: int = 0, first_read: int = 0
    ) -> "DrawAddress":
        """The address of any integers, NumPy's too.

        Raises OverflowError for a key that is negative or has more than 64 bits.
        """
        rest = (int(word) for word in (layer, event, first_stimulus, first_read))
        return cls(np.uint64(key), *rest)
