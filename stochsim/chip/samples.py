"""What chips and float networks return."""

from dataclasses import dataclass, field

import numpy as np

from stochsim.accounting import Bill
from stochsim.energy import Operations
from stochsim.program import Quantizer
from stochsim.settings import StochsimError


@dataclass(frozen=True)
class Samples:
    """What a chip returns: codes (stimulus, read, neuron) int8 (None for a float network, and for a
    graph, whose outputs need not be codes), operations counted, values by quantiser.

    counted: the bill of these reads, at the program's own rho; None where none was asked for, and
    of a float network. independent: whether reads are independent draws by construction; period:
    reads after which shift registers give the same numbers again, None without registers.
    """

    codes: np.ndarray | None
    operations: Operations
    quantizer: Quantizer | None = None
    _values: np.ndarray | None = field(default=None, repr=False)
    counted: Bill | None = field(default=None, repr=False)
    independent: bool = True
    period: int | None = None

    @property
    def step(self) -> float:
        """Distance of neighbouring output values; 0 without a quantiser."""
        return self.quantizer.step if self.quantizer is not None else 0.0

    @property
    def bill(self) -> Bill:
        """Joules per read by part and layer, with the prices behind them; raises StochsimError
        where nothing was counted: samples of a float network, and of `sample(count=False)`.
        """
        if self.counted is None:
            raise StochsimError(
                "these samples have no bill: nothing was counted (a float network runs on no chip; "
                "of a chip ask for sample(…, count=True))"
            )
        return self.counted

    @property
    def values(self) -> np.ndarray:
        """Responses r = z + step c, (stimulus, read, neuron) float32, in units of the drive."""
        if self._values is not None:
            return self._values
        assert self.codes is not None
        assert self.quantizer is not None
        return self.quantizer.values(self.codes)
