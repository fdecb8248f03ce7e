"""What chips and float networks return."""

from dataclasses import dataclass, field

import numpy as np

from stochsim.energy import Operations
from stochsim.program import Quantizer


@dataclass(frozen=True)
class Samples:
    """What a chip returns: codes (stimulus, read, neuron) int8 (None for a float network),
    operations counted, values by quantiser.
    """

    codes: np.ndarray | None
    operations: Operations
    quantizer: Quantizer | None = None
    _values: np.ndarray | None = field(default=None, repr=False)

    @property
    def values(self) -> np.ndarray:
        """Responses r = z + step c, (stimulus, read, neuron) float32, in units of the drive."""
        if self._values is not None:
            return self._values
        assert self.codes is not None
        assert self.quantizer is not None
        return self.quantizer.values(self.codes)
