"""Hardware: the description of a chip as one frozen value, read from and written to TOML."""

from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from stochsim.energy import Energy, Operations, Price, ReliabilityLaw, price, price_operations, reliability_law
from stochsim.hardware.array import Array
from stochsim.hardware.measured import with_measured_files
from stochsim.hardware.parts import OPERATION_PRICES, Memory, Noise, Precision, Prices, RandomSource, Reliability
from stochsim.settings import SettingError, Settings, nearest, read_toml, write_toml


class Hardware(Settings):
    """A chip: bits, noise, prices and the price of reliability. Raises SettingError that names every field which breaks a rule.

    `sources` are notes on where the description comes from. `accumulator_bits` None means b_w + b_x + ⌈log2 inputs⌉, which no sum exceeds;
    narrower ones saturate at every addition, or wrap. `array` is an analog array in front of the neurons, None a digital product.
    """

    name: Annotated[str, Field(min_length=1)]
    description: str = ""
    sources: tuple[str, ...] = ()
    accumulator_bits: Annotated[int, Field(ge=2, le=64)] | None = None
    accumulator_overflow: Literal["saturate", "wrap"] = "saturate"
    precision: Precision
    noise: Noise = Noise()
    array: Array | None = None
    memory: Memory = Memory()
    prices: Prices
    reliability: Reliability = Reliability()
    random: RandomSource = RandomSource()

    @model_validator(mode="after")
    def _parts_agree(self) -> Self:
        if self.array is not None:
            self.array.check_widths(self.precision.weight_bits, self.precision.input_bits)
            if self.memory.weight_error_rates[1] > 0:
                raise SettingError("'memory.weight_read_errors': the weights of an array stay in its cells; valid: 'memory.weight_errors'")
            if self.noise.weight_noise == "explicit":
                raise SettingError("'noise.weight_noise' = 'explicit': an array has its own, 'array.cells.read_noise'")
        return self

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a TOML file, and the CSV files that it names; raises SettingError that names the file and what is wrong in it."""
        return cls.from_table(with_measured_files(read_toml(path), path.parent), where=str(path))

    def write(self, path: Path) -> None:
        """Write a TOML file from which `read` gives back an equal Hardware."""
        write_toml(path, self.to_table())

    def replace(self, **changes: Any) -> Self:
        """A copy with these fields changed, validated again."""
        return type(self)(**{**{name: getattr(self, name) for name in type(self).model_fields}, **changes})

    def with_precision(self, weight_bits: int | None = None, input_bits: int | None = None, output_bits: int | None = None) -> Self:
        """A copy with these bit widths; None keeps the present one."""
        present = self.precision
        return self.replace(
            precision=Precision(
                weight_bits=present.weight_bits if weight_bits is None else weight_bits,
                input_bits=present.input_bits if input_bits is None else input_bits,
                output_bits=present.output_bits if output_bits is None else output_bits,
            )
        )

    @property
    def random_bits_per_code(self) -> int:
        """Random bits drawn per output code and read: `random.random_bits_per_code`."""
        return self.random.random_bits_per_code

    def accumulator_width(self, inputs: int) -> int:
        """Bits of the sum over this many inputs: `accumulator_bits` where set, else b_w + b_x + ⌈log2 inputs⌉."""
        if self.accumulator_bits is not None:
            return self.accumulator_bits
        return self.precision.weight_bits + self.precision.input_bits + (max(1, inputs) - 1).bit_length()

    def reliability_law(self, rho: float) -> ReliabilityLaw:
        """E(σ) of this ρ on this chip; raises SettingError for a ρ that has neither e0_j nor a default."""
        return reliability_law(rho, self.prices.voltage_v, self.reliability.e_bit_j, self.reliability.e0_j)

    def price_table(self, rho: float | None = None) -> dict[str, Price]:
        """The price of each kind of operation; "hold" is among them where `rho` is given."""
        table = {kind: price(getattr(self.prices, kind)) for kind in OPERATION_PRICES}
        return table if rho is None else {**table, "hold": self.reliability_law(rho).price}

    def energy(self, operations: Operations, rho: float | None = None) -> Energy:
        """Joules of these operations on this chip; `rho` is needed where neurons are held at a noise level ("hold")."""
        holds = operations.count("hold") > 0
        if holds and rho is None:
            raise SettingError("rho is missing: the operations hold neurons at a noise level, whose price depends on rho")
        return price_operations(operations, self.price_table(rho if holds else None), self.prices.voltage_v)


_PRESETS = resources.files("stochsim.hardware") / "presets"


def presets() -> tuple[str, ...]:
    """Names of the hardware that comes with the package."""
    return tuple(sorted(entry.name.removesuffix(".toml") for entry in _PRESETS.iterdir() if entry.name.endswith(".toml")))


def preset(name: str) -> Hardware:
    """The hardware of this name; raises SettingError that names the nearest one."""
    if name not in presets():
        raise SettingError(f"hardware preset '{name}' is unknown: {nearest(name, presets())}")
    with resources.as_file(_PRESETS / f"{name}.toml") as path:
        return Hardware.read(path)
