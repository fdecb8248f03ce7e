"""Hardware: the description of a chip as one frozen value, read from and written to TOML."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from stochsim.energy import (
    KINDS,
    PRICES,
    Energy,
    Operations,
    Price,
    ReliabilityLaw,
    mixed_nodes,
    nodes_text,
    price,
    price_operations,
    reliability_law,
)
from stochsim.hardware import without_effect
from stochsim.hardware.accumulation import (
    FloatAccumulation,
    check_accumulators,
    check_beside_float_sums,
    check_digital_adders,
)
from stochsim.hardware.array import Array
from stochsim.hardware.inheritance import read_chip_files
from stochsim.hardware.parts import Memory, Noise, Precision, RandomSource, Reliability
from stochsim.hardware.price_settings import OPERATION_PRICES, Prices, over_scaled
from stochsim.hardware.provenance import addresses_of, description_of_edit, sources_that_hold
from stochsim.hardware.shown_settings import setting_rows
from stochsim.hardware.timing import Timing
from stochsim.settings import (
    AnyPath,
    SettingError,
    Settings,
    as_path,
    card,
    check_kind,
    check_whole,
    with_setting,
    write_toml,
)

HARDWARE_RULE = "should be a Hardware, as load_hardware('digital-45nm') gives one"
"""What is said where something else is given for a Hardware."""


class Hardware(Settings):
    """A chip: bits, noise, prices and the price of reliability.

    Raises SettingError that names every field which breaks a rule.

    `sources` say where the figures come from; one that opens with addresses ("prices.adc: …") is
    about these settings, and goes when they change. `accumulator_bits` None means as
    many as hold every sum (`accumulator_width`); narrower ones saturate at every addition, or wrap.
    `accumulator_format` is that of floating-point ones ("fp32", "bf16", "fp16", "tf32",
    "fp12-e4m7"): products of `accumulator_group` neighbouring inputs (None: one, or a block with a
    scale of its own) are added exactly, then to the accumulator, in the order of the inputs. Each
    such addition, and those of the scaled sum, the bias and the other drives of a circuit, is
    rounded as `accumulator_rounding` says: "nearest" (halves to even; as None is), "to-zero", or
    "stochastic-8", by 8 random bits; sums beyond the largest number take it.
    `array` is an analog array in front of the neurons, None a digital product. A setting that would
    move neither the output nor the bill is refused.

    >>> import stochsim as ss
    >>> chip = ss.load_hardware("rram-array", bits=4)
    >>> quiet = chip.with_({"noise.read_sigma": 0.0, "array.adc.bits": 6})
    >>> quiet.array.adc.bits, quiet.array.cells.device       # what is not named is as it was
    (6, 'rram-wan')
    >>> print(quiet)                             # doctest: +ELLIPSIS
    hardware: rram-array
      about        edited: array.adc.bits; before: RRAM array: 128 rows, 1-bit...
      bits         4 of weights, 4 of inputs, 4 of outputs
      clock        1 GHz
      array        rows 128, columns 128, cell_bits 1, cycle_bits 1, signs differential
      array.adc    bits 6, range auto, sigma_lsb 0.2887
      array.cells  device rram-wan, age_s 1.0
      random       random_bits_per_code 0
    """

    name: Annotated[str, Field(min_length=1, max_length=200)]
    description: str = ""
    sources: tuple[str, ...] = ()
    accumulator_bits: Annotated[int, Field(ge=2, le=64)] | None = None
    accumulator_overflow: Literal["saturate", "wrap"] = "saturate"
    accumulator_format: str | None = None
    accumulator_rounding: str | None = None
    accumulator_group: Annotated[int, Field(ge=1, le=2**20)] | None = None
    precision: Precision
    noise: Noise = Noise()
    array: Array | None = None
    memory: Memory = Memory()
    timing: Timing = Timing()
    prices: Prices
    reliability: Reliability = Reliability()
    random: RandomSource = RandomSource()

    @field_validator("sources")
    @classmethod
    def _addresses_are_known(cls, sources: tuple[str, ...]) -> tuple[str, ...]:
        addresses_of(sources, cls)
        return sources

    @field_validator("name")
    @classmethod
    def _is_printable(cls, name: str) -> str:
        if not name.isprintable():
            raise SettingError.of("", name, "should be printable text, on one line")
        return name

    @model_validator(mode="after")
    def _parts_agree(self) -> Self:
        if self.array is not None:
            self._check_array(self.array)
        self._check_programming()
        if self.timing.leakage_w > 0 and self.prices.leakage != "leakage-none":
            values = (self.timing.leakage_w, self.prices.leakage)
            raise SettingError.of(
                ("timing.leakage_w", "prices.leakage"), values, "give one of both"
            )
        self._check_effects()
        return self

    def _check_effects(self) -> None:
        """A setting that other sections leave without effect is refused."""
        integer = (self.accumulator_bits, self.accumulator_overflow)
        floating = (self.accumulator_rounding, self.accumulator_group)
        check_accumulators(integer, self.accumulator_format, floating)
        if self.accumulator_format is not None:
            check_beside_float_sums(self.accumulator_format, self.array, self.noise, self.memory)
            check_digital_adders(self.accumulator_format, self.prices.add)
        without_effect.check_cells(self.array, self.prices)
        without_effect.check_columns(self.array, self.prices)
        rounding = self.float_accumulation
        of_additions = 0 if rounding is None else rounding.random_bits
        without_effect.check_random(self.random, self.noise, self.prices, of_additions)
        without_effect.check_weights_read(self.memory, self.array, self.prices)
        without_effect.check_voltage(self.prices, self.reliability)

    def _check_array(self, array: Array) -> None:
        array.check_widths(self.precision.weight_bits, self.precision.input_bits)
        if self.memory.weight_error_rates[1] > 0:
            rule = "the weights of an array stay in its cells; valid: 'memory.weight_errors'"
            raise SettingError.of(
                "memory.weight_read_errors",
                self.memory.weight_read_errors,
                rule,
                also=("memory.transient_share",),
            )
        if self.noise.weight_noise == "explicit":
            rule = "an array has its own, 'array.cells.read_noise'"
            raise SettingError.of("noise.weight_noise", "explicit", rule)
        usual = Timing().multipliers
        if self.timing.multipliers != usual:
            rule = "an array multiplies in its columns"
            raise SettingError.of("timing.multipliers", self.timing.multipliers, rule, [usual])

    def _check_programming(self) -> None:
        """Programming has a price and a number of reads that share it, or neither."""
        reads = None if self.array is None else self.array.reads_per_programming
        name = self.prices.program
        free = without_effect.free_prices("program")
        if name not in free and reads is None:
            needed = "an array, whose cells are programmed"
            if self.array is not None:
                needed = "'array.reads_per_programming'"
            raise SettingError.of("prices.program", name, f"needs {needed}; without it", free)
        if name in free and reads is not None:
            valid = [
                entry.name
                for entry in PRICES.values()
                if entry.kind == "program" and entry.name not in free
            ]
            raise SettingError.of(
                "array.reads_per_programming",
                reads,
                f"'prices.program' = '{name}' costs nothing; valid: {', '.join(valid)}",
                also=("prices.program",),
            )

    def __str__(self) -> str:
        """A card: description, widths, clock, and the settings that are not at their default."""
        rows = setting_rows(self, self.precision, self.timing)
        if self.description:
            rows = [("about", " ".join(self.description.split())), *rows]
        return card(f"hardware: {self.name}", rows, "more sections")

    @classmethod
    def read(cls, path: AnyPath) -> Self:
        """Read a TOML file, what it inherits from and the CSV files that it names
        (stochsim.hardware.inheritance says how they are merged).

        Raises SettingError that names the file, the line and what is wrong there.
        """
        files = read_chip_files(as_path("path", path), Hardware)
        table = files.table()
        try:
            return cls(**table)
        except SettingError as error:
            raise files.located(error) from None

    def write(self, path: AnyPath) -> None:
        """Write a TOML file from which `read` gives back an equal Hardware; what was inherited
        stands in it.
        """
        write_toml(path, self.to_table())

    def replace(self, **changes: Any) -> Self:
        """A copy with these fields changed, as `with_` with their names: a table for a section is
        merged with it, an object takes its place.

        >>> import stochsim as ss
        >>> from stochsim.hardware import Array
        >>> chip = ss.load_hardware("rram-array", bits=4)
        >>> chip.replace(array={"rows": 64}).array.cells.device                    # as it was
        'rram-wan'
        >>> chip.replace(array=Array(rows=64)).array.cells.device            # an array of its own
        'ideal'
        """
        return self.with_(changes)

    def with_(self, settings: Mapping[str, Any]) -> Self:
        """A copy with these settings, {dotted address: value}, all changed at once and checked
        again; all others are as they were, sources of what changed are left out, and the
        description says what changed.

        An address leads through sections and tables ("prices.parameters.adc.node_nm"). A table is
        merged with the section or table in whose place it stands, key by key; None takes an entry
        of a table away; an object takes the place of a section whole; a section that the chip does
        not have is made of what is named and of defaults. Raises SettingError for an address that
        leads nowhere, an empty table, and for what the settings refuse.

        >>> import stochsim as ss
        >>> chip = ss.load_hardware("rram-array", bits=4)
        >>> chip.with_({"array.rows": 64, "array.adc.bits": 6}).array.cells.device  # as it was
        'rram-wan'
        """
        found = super().with_(settings)
        provenance = {
            "sources": sources_that_hold(self.sources, self, found, type(self)),
            "description": description_of_edit(self, found),
        }
        moved = {
            name: value
            for name, value in provenance.items()
            if name not in settings and value != getattr(self, name)
        }
        return with_setting(found, moved) if moved else found

    def with_precision(
        self,
        weight_bits: int | None = None,
        input_bits: int | None = None,
        output_bits: int | None = None,
    ) -> Self:
        """A copy with these bit widths; None keeps the present one."""
        present = self.precision
        return self.replace(
            precision=Precision(
                weight_bits=present.weight_bits if weight_bits is None else weight_bits,
                input_bits=present.input_bits if input_bits is None else input_bits,
                output_bits=present.output_bits if output_bits is None else output_bits,
            )
        )

    def with_price(self, kind: str, name: str, **parameters: float) -> Self:
        """A copy in which this kind of operation ("adc") has the price of this name, with these
        parameters where given.
        """
        return self.replace(prices=self.prices.with_price(kind, name, **parameters))

    @property
    def random_bits_per_code(self) -> int:
        """Random bits drawn per output code and read: `random.random_bits_per_code`."""
        return self.random.random_bits_per_code

    @property
    def accumulator_text(self) -> str:
        """How sums are held, "" where nothing is said of it.

        >>> import stochsim as ss
        >>> chip = ss.load_hardware("digital-45nm", bits=4)
        >>> chip.replace(accumulator_format="bf16", accumulator_group=16).accumulator_text
        'in bf16, nearest, 16 products at once'
        """
        found = self.float_accumulation
        if found is not None:
            at_once = "" if found.group is None else f", {found.group} products at once"
            return f"in {self.accumulator_format}, {found.rounding}{at_once}"
        if self.accumulator_bits is None:
            return ""
        return f"of {self.accumulator_bits} bits, {self.accumulator_overflow}"

    @property
    def float_accumulation(self) -> FloatAccumulation | None:
        """How products are added in floating point; None where sums are integers."""
        if self.accumulator_format is None:
            return None
        return FloatAccumulation.named(
            self.accumulator_format, self.accumulator_rounding, self.accumulator_group
        )

    def accumulator_width(self, inputs: int, widths: tuple[int, int] | None = None) -> int:
        """Bits of the sum over this many inputs: `accumulator_bits` where set, else as many as hold
        every sum: b_w + b_x + ⌈log2 inputs⌉, on an array those of all sums of its ADCs' codes;
        widths: (b_w, b_x), those of `precision` where None.
        """
        inputs = check_whole("inputs", inputs, 0, 2**63)
        if self.accumulator_bits is not None:
            return self.accumulator_bits
        weight_bits, input_bits = widths or (self.precision.weight_bits, self.precision.input_bits)
        if self.array is not None:
            return self.array.accumulator_width(inputs, weight_bits, input_bits)
        return weight_bits + input_bits + (max(1, inputs) - 1).bit_length()

    def reliability_law(self, rho: float) -> ReliabilityLaw:
        """E(σ) of this ρ on this chip; raises SettingError for a ρ that has neither e0_j nor a
        default.
        """
        return reliability_law(
            rho, self.prices.voltage_v, self.reliability.e_bit_j, self.reliability.e0_j
        )

    def price_table(self, rho: float | None = None) -> dict[str, Price]:
        """The price of each kind of operation on this chip; "reliability" is among them where
        `rho` is given.

        A voltage of the weights' memory enters their price as (V/Vmin)², `timing.leakage_w` is the
        price of a second.
        """
        table = {kind: self.prices.of(kind) for kind in OPERATION_PRICES}
        if self.memory.voltage_over_vmin is not None:
            table["weight_memory"] = over_scaled(
                table["weight_memory"], self.memory.voltage_over_vmin
            )
        if self.timing.leakage_w > 0:
            table["leakage"] = price("leakage-power").with_parameters(watts=self.timing.leakage_w)
        return table if rho is None else {**table, "reliability": self.reliability_law(rho).price}

    @property
    def nodes(self) -> dict[str, tuple[str, ...]]:
        """Kinds of operation by the technology node of their price, but for free prices, prices
        without a node and operations in float, which only networks with such parts count.

        >>> import stochsim as ss
        >>> ss.load_hardware("in-memory-28nm").nodes
        {'28 nm': ('adc', 'dac', 'multiply'), '45 nm': ('code_memory',)}
        """
        return nodes_text(self._nodes())

    @property
    def flags(self) -> tuple[str, ...]:
        """What is doubtful about the prices, whatever is counted: mixed technology nodes, an
        interpolated node.
        """
        doubts = (doubt for one in self.price_table().values() for doubt in one.doubts)
        return (*dict.fromkeys(doubts), *mixed_nodes(self._nodes()))

    def _nodes(self) -> list[tuple[float, str]]:
        return [
            (chosen.technology_nm, kind)
            for kind, chosen in self.price_table().items()
            if chosen.technology_nm is not None
            and not chosen.is_free
            and KINDS[kind].part != "float"
        ]

    def energy(self, operations: Operations, rho: float | None = None) -> Energy:
        """Joules of all these operations on this chip: `energy.all_operations_j`, and by part;
        `energy.divided(reads, "read")` are those of a read. `rho` is needed where neurons are kept
        at a noise level ("reliability").
        """
        check_kind("operations", operations, Operations, "should be Operations")
        has_reliability = operations.count("reliability") > 0
        if has_reliability and rho is None:
            rule = "the operations keep neurons at a noise level, whose price depends on it"
            raise SettingError.missing("rho", rule)
        return price_operations(
            operations, self.price_table(rho if has_reliability else None), self.prices.voltage_v
        )


def check_hardware(value: object) -> None:
    """Raise SettingError for what is no Hardware."""
    check_kind("hardware", value, Hardware, HARDWARE_RULE)
