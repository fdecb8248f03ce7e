"""What chips and float networks return."""

from dataclasses import dataclass, field

import numpy as np

from stochsim.accounting import Bill
from stochsim.energy import Operations, format_energy
from stochsim.program import Quantizer
from stochsim.settings import (
    SettingError,
    StochsimError,
    card,
    check_kind,
    check_memory,
    counted,
    one_line,
    range_text,
)


@dataclass(frozen=True, eq=False)
class Samples:
    """What a chip returns: codes (stimulus, read, neuron) int8 (None for a float network, and for a
    graph, whose outputs need not be codes), operations counted, values by quantiser.

    counted: the bill of these reads, at the program's own rho; None where none was asked for, and
    of a float network. independent: whether reads are independent draws by construction; period:
    reads after which shift registers give the same numbers again, None without registers. stimuli
    (stimulus, input): what was sampled; None of a graph, whose stimuli may be large.

    >>> import stochsim as ss
    >>> from stochsim.program import random_program
    >>> program, x = random_program((6, 3), (4, 4, 4), sigma=0.5)
    >>> chip = ss.Chip(program, ss.load_hardware("digital-45nm", bits=4))
    >>> samples = chip.sample(x["layer 1"], reads=1000, key=0)
    >>> samples.codes.shape                          # (stimulus, read, neuron)
    (1, 1000, 3)
    >>> samples.values.dtype, samples.step
    (dtype('float32'), 1.0)
    >>> round(samples.bill.per_read_j * 1e12, 2)     # pJ
    7.68
    """

    codes: np.ndarray | None
    operations: Operations
    quantizer: Quantizer | None = None
    _values: np.ndarray | None = field(default=None, repr=False)
    counted: Bill | None = field(default=None, repr=False)
    independent: bool = True
    period: int | None = None
    stimuli: np.ndarray | None = field(default=None, repr=False)
    __repr__ = one_line

    def __post_init__(self) -> None:
        """Raises SettingError for what samples cannot hold: neither codes nor values, codes without
        a quantiser, and objects of other kinds.
        """
        kinds = (
            ("codes", (np.ndarray, type(None)), "should be an array, or None"),
            ("_values", (np.ndarray, type(None)), "should be an array, or None"),
            ("operations", Operations, "should be Operations"),
            ("quantizer", (Quantizer, type(None)), "should be a Quantizer, or None"),
            ("counted", (Bill, type(None)), "should be a Bill, or None"),
        )
        for name, own, rule in kinds:
            check_kind(name.removeprefix("_"), getattr(self, name), own, rule)
        if self._values is None and (self.codes is None or self.quantizer is None):
            rule = "need a quantiser to be values, or values beside them"
            raise SettingError.of(("codes", "quantizer"), rule=rule)
        for name, array in (("codes", self.codes), ("values", self._values)):
            if array is not None and array.ndim < 2:
                raise SettingError.of(name, array, "should be (stimulus, read, …)")

    @property
    def step(self) -> float:
        """Distance of neighbouring output values, of a number format the mean distance; 0 without a
        quantiser.
        """
        return self.quantizer.step if self.quantizer is not None else 0.0

    @property
    def bill(self) -> Bill:
        """Joules per read by part and layer, with the prices behind them; raises StochsimError
        where nothing was counted: samples of a float network, of `sample(count=False)` and of no
        stimuli.
        """
        if self.counted is None:
            if 0 in [one.shape[0] for one in (self.codes, self._values) if one is not None]:
                raise StochsimError("these samples have no bill: they are of no stimuli")
            raise StochsimError(
                "these samples have no bill: nothing was counted (a float network runs on no chip; "
                "of a chip ask for sample(…, count=True))"
            )
        return self.counted

    def __str__(self) -> str:
        """A card: sizes, codes, range of the values, joules."""
        codes = "none: values are not quantised"
        if self.codes is not None and self.quantizer is not None:
            low = self.quantizer.c_min
            high = low + self.quantizer.levels - 1
            bits = counted(self.quantizer.bits, "bit", "bits")
            own = "" if self.quantizer.book is None else f" of {self.quantizer.format_name}"
            codes = f"{bits}{own}, {low} to {high}"
        rows = [("codes", codes), ("values", self._range()), ("energy", self._energy())]
        return card(f"samples: {self._sizes()}", rows)

    def _energy(self) -> str:
        if self.counted is None:
            return "not counted"
        try:
            return f"{format_energy(self.counted.per_read_j)} per read"
        except StochsimError as error:
            return f"not priced: {error}"

    def _sizes(self) -> str:
        shapes = [one.shape for one in (self._values, self.codes) if one is not None]
        stimuli, reads, *outputs = shapes[0]
        words = ("neuron", "neurons") if len(outputs) == 1 else ("output", "outputs")
        last = [*map(str, outputs[:-1]), *(counted(size, *words) for size in outputs[-1:])]
        counts = (counted(stimuli, "stimulus", "stimuli"), counted(reads, "read", "reads"))
        return " × ".join([*counts, *last])

    def _range(self) -> str:
        """The least and the largest value, from the codes where there are any."""
        if not self.values.size:
            return "none"
        if self._values is None and self.codes is not None and self.quantizer is not None:
            ends = np.array([[self.codes.min()], [self.codes.max()]])
            text = range_text(self.quantizer.values(ends).ravel())
            is_even = self.quantizer.book is None
            steps = "steps of" if is_even else "uneven steps, on average"
            return f"{text}, in {steps} {self.step:.3g} (units of the drive)"
        return range_text([self.values.min(), self.values.max()])

    @property
    def values(self) -> np.ndarray:
        """Responses r = z + step c, (stimulus, read, neuron) float32, in units of the drive."""
        if self._values is not None:
            return self._values
        assert self.codes is not None
        assert self.quantizer is not None
        check_memory("values of samples", self.codes.shape, np.float32, copies=2)
        return self.quantizer.values(self.codes)
