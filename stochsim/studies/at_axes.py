"""What stands at one place of a grid: a value on each axis."""

from dataclasses import dataclass
from typing import Any

from stochsim.studies.axes import AXES


@dataclass(frozen=True, kw_only=True)
class AtAxes:
    """Values by axis: those of `column_axes` of the study's grid.

    Widths, and settings of the chip, are None where nothing is quantised; `method` is then empty.
    `control` is empty for samples of a trained network, `architecture` for a control that is no
    network's.
    """

    values: dict[str, Any]

    def __getitem__(self, axis: str) -> Any:
        """The value on the axis of this name; KeyError where the grid does not have it."""
        return self.values[axis]

    @property
    def architecture(self) -> str:
        """The kind of network."""
        return str(self.values["architecture"])

    @property
    def method(self) -> str:
        """The method by which the network was trained."""
        return str(self.values["method"])

    @property
    def control(self) -> str:
        """What takes the place of the network's samples."""
        return str(self.values["control"])

    @property
    def weight_bits(self) -> int | None:
        """Bits of weights."""
        return self._bits("weight_bits")

    @property
    def input_bits(self) -> int | None:
        """Bits of inputs."""
        return self._bits("input_bits")

    @property
    def output_bits(self) -> int | None:
        """Bits of outputs."""
        return self._bits("output_bits")

    @property
    def rho(self) -> float:
        """Exponent of the price of reliability."""
        return float(self.values["rho"])

    @property
    def noise(self) -> float:
        """Multiple of the trained σ."""
        return float(self.values["noise"])

    @property
    def widths(self) -> tuple[int, int, int] | None:
        """(weight, input, output) bits, None where nothing is quantised."""
        weight = self.weight_bits
        inputs = self.input_bits
        output = self.output_bits
        if weight is None or inputs is None or output is None:
            return None
        return weight, inputs, output

    @property
    def chip_key(self) -> int | None:
        """The key of the manufactured part; None where the grid names none, and off the chip."""
        value = self.values.get("chip_key")
        return None if value is None else int(value)

    @property
    def chip_settings(self) -> tuple[tuple[str, Any], ...]:
        """(axis, value) on the axes by which the chip has one network in several ways."""
        found = self.values.items()
        return tuple((name, value) for name, value in found if AXES[name].is_of_the_chip)

    def _bits(self, name: str) -> int | None:
        value = self.values[name]
        return None if value is None else int(value)
