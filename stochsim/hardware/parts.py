"""The parts of a Hardware: how many bits, which noise, which memory.

An error names every field that breaks a rule.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from stochsim.energy import Operation
from stochsim.hardware.input_rounding import Cut, InputRounding
from stochsim.hardware.measured_files import CsvText
from stochsim.settings import (
    Bits,
    NotNegative,
    Rate,
    Scale,
    SettingError,
    Settings,
    Sigma,
    check_positive,
    check_real,
    check_whole,
)


class Precision(Settings):
    """Bit widths of weights, inputs and outputs, 1 to 8 each.

    >>> import stochsim as ss
    >>> bits = ss.Precision(weight_bits=2, input_bits=4, output_bits=4)
    >>> ss.load_hardware("digital-45nm").replace(precision=bits).precision.weight_bits
    2
    """

    weight_bits: Bits
    input_bits: Bits
    output_bits: Bits


_READ_FORMS = ("read_sigma", "read_sigma_lsb", "read_sigma_fs")
"""The read noise by its units: drive, output steps, share of full scale."""


class Noise(Settings):
    """The noise a chip cannot avoid, on top of the σ that the network is trained to: not chosen by
    the network, and not billed.

    `read_sigma` (units of the drive), `read_sigma_lsb` (output steps) or `read_sigma_fs` (share of
    the outputs' full scale, 2^bits steps) is the standard deviation of the read noise, of the given
    family. `weight_sigma` (weight values) or `weight_sigma_lsb`
    (weight steps) is fresh Gaussian noise on every weight at every read; it is lumped at the output
    as one draw of standard deviation σ‖x‖, which is exact for independent Gaussians, so it is
    Gaussian whatever the family; weight_noise = "explicit" draws it for every weight, slowly, to
    check that. `dither` is noise that the output quantiser adds on purpose, fresh at every read:
    "stochastic" rounding (uniform, one step wide) or "triangular" (two uniforms, non-subtractive).
    `input_dither` = "stochastic" rounds the inputs at random, fresh at every read (in a recurrent
    circuit at every step): up with the probability of the remainder, so that the mean of an
    unclipped input is exact and its rounding error is noise. With `input_random_bits` = r that
    chance is a multiple of 2^-r: the remainder cut off ("floor", and None: two's complement),
    rounded ("nearest": an added half), or cut off from the size of the input ("zero": sign and
    magnitude), by `input_cut`; at r = 0 nothing is random. `measured_csv` replaces the whole
    neuron by a measured device: the text of a CSV file (in a chip's TOML file its name) with P(code
    | drive). Raises SettingError where two forms of one noise are given, or noises that cannot be
    together.

    >>> import stochsim as ss
    >>> chip = ss.load_hardware("digital-45nm", bits=4)
    >>> chip.replace(noise=ss.Noise(read_sigma_lsb=0.5)).noise.read_sigma_lsb
    0.5
    >>> chip.with_({"noise.read_sigma_lsb": 0.5}).noise == ss.Noise(read_sigma_lsb=0.5)
    True
    """

    family: Literal["gaussian", "logistic", "uniform"] = "gaussian"
    read_sigma: Sigma = 0.0
    read_sigma_lsb: Sigma = 0.0
    read_sigma_fs: Annotated[float, Field(ge=0, le=1)] | None = None
    weight_sigma: Sigma = 0.0
    weight_sigma_lsb: Sigma = 0.0
    weight_noise: Literal["lumped", "explicit"] = "lumped"
    dither: Literal["none", "stochastic", "triangular"] = "none"
    input_dither: Literal["none", "stochastic"] = "none"
    input_random_bits: Annotated[int, Field(ge=0, le=16)] | None = None
    input_cut: Cut | None = None
    measured_csv: CsvText = ""

    @model_validator(mode="after")
    def _one_form_of_each(self) -> Self:
        self._check_one_form(*_READ_FORMS)
        self._check_one_form("weight_sigma", "weight_sigma_lsb")
        if self.family != "gaussian" and not self.has_read_noise:
            rule = "is that of the read noise, of which there is none"
            raise SettingError.of("family", self.family, rule, ["gaussian"])
        if self.weight_noise == "explicit" and self.weight_sigma + self.weight_sigma_lsb == 0:
            rule = "draws 'weight_sigma' or 'weight_sigma_lsb', which are 0"
            raise SettingError.of("weight_noise", "explicit", rule, ["lumped"])
        if self.input_random_bits is not None and self.input_dither == "none":
            rule = "is for inputs that are rounded at random: 'input_dither' = 'stochastic'"
            raise SettingError.of("input_random_bits", self.input_random_bits, rule)
        if self.input_cut is not None and self.input_random_bits is None:
            rule = "is for a number of random bits, 'input_random_bits'"
            raise SettingError.of("input_cut", self.input_cut, rule)
        if self.dither != "none" and self.family != "gaussian" and self.has_read_noise:
            rule = "not both beside read noise; valid: family = 'gaussian', or no read noise"
            raise SettingError.of(("dither", "family"), (self.dither, self.family), rule)
        added = self.has_read_noise or self.weight_sigma + self.weight_sigma_lsb > 0
        if self.measured_csv and (added or self.dither != "none"):
            rule = (
                "a measured neuron holds all its noise; leave the other noises at 0 and 'dither' "
                "at 'none'"
            )
            raise SettingError.of("measured_csv", rule=rule, also=("dither",))
        return self

    def _check_one_form(self, *forms: str) -> None:
        given = {form: value for form in forms if (value := getattr(self, form) or 0) > 0}
        if len(given) > 1:
            rule = "only one of the two may be nonzero"
            raise SettingError.of(tuple(given), tuple(given.values()), rule)

    @property
    def input_rounding(self) -> InputRounding:
        """How inputs are rounded at random, where they are."""
        return InputRounding(self.input_random_bits, self.input_cut or "floor")

    @property
    def has_read_noise(self) -> bool:
        """Whether there is read noise, in whichever unit."""
        return any((getattr(self, form) or 0) > 0 for form in _READ_FORMS)

    def read_sigma_drive(self, output_step: float, levels: int | None = None) -> float:
        """Standard deviation of the read noise in units of the drive, for outputs with `levels`
        codes that are `output_step` apart; raises SettingError where a share of full scale is
        asked for without them.

        >>> from stochsim.hardware import Noise
        >>> Noise(read_sigma_fs=0.01).read_sigma_drive(0.25, levels=16)      # 1 % of 16 steps
        0.04
        """
        step = float(check_real("output_step", output_step))
        if not self.read_sigma_fs:
            return self.read_sigma + self.read_sigma_lsb * step
        if levels is None:
            rule = "'read_sigma_fs' is a share of full scale, so of as many steps"
            raise SettingError.missing("levels", rule)
        return self.read_sigma_fs * check_whole("levels", levels, 2, 2**32) * step

    def weight_sigma_value(self, weight_step: float) -> float:
        """Standard deviation of one weight's read noise in weight values, for weight codes that are
        `weight_step` apart.
        """
        step = float(check_real("weight_step", weight_step))
        return self.weight_sigma + self.weight_sigma_lsb * step


class Reliability(Settings):
    """The energy that buys reliability: E(σ) = e0 (s/σ)^ρ for ρ > 0, max(0, e_bit log2(s/σ)) at ρ =
    0.

    `s` is the reference noise in values. `e_bit_j` (joules per bit, ρ = 0) and `e0_j` (joules at σ
    = s, ρ > 0) override the defaults of ρ = 0, 1 and 2; every other ρ needs `e0_j`.
    """

    s: Scale = 1.0
    e_bit_j: NotNegative | None = None
    e0_j: NotNegative | None = None

    def operation(self, sigma: float) -> Operation:
        """The operation "keep one neuron at noise σ for one read"; `sigma` in units of the drive,
        as `s`.
        """
        return Operation("reliability", (float(check_real("sigma", sigma)) / self.s,))


class RandomSource(Settings):
    """The chip's own random numbers: how many bits it draws, and how good they are.

    `random_bits_per_code` are counted per source and read: 32 where noise is computed, 0 where it
    is physical. `threshold_bits` is the width of the random integer that is compared with
    thresholds (31: the simulator's own). `lfsr_bits` is the length of a maximal shift register that
    makes it, 8 to 32; 0 means an ideal generator. `neurons_per_source` neighbours share one source:
    their noise is the same.
    """

    random_bits_per_code: Annotated[int, Field(ge=0, le=2**20)] = 32
    threshold_bits: Annotated[int, Field(ge=1, le=31)] = 31
    lfsr_bits: Annotated[int, Field(ge=0, le=32)] = 0
    neurons_per_source: Annotated[int, Field(ge=1, le=2**20)] = 1

    @model_validator(mode="after")
    def _register_is_long_enough(self) -> Self:
        if self.lfsr_bits and self.lfsr_bits < max(8, self.threshold_bits):
            least = max(8, self.threshold_bits)
            rule = (
                f"should be 0 (none) or at least {least}, for 'threshold_bits' of it are compared"
            )
            raise SettingError.of("lfsr_bits", self.lfsr_bits, rule, also=("threshold_bits",))
        return self

    @property
    def is_ideal(self) -> bool:
        """Whether the numbers are as good as the simulator's own and no two neurons share them."""
        return self.threshold_bits == 31 and self.lfsr_bits == 0 and self.neurons_per_source == 1


class Memory(Settings):
    """Errors of the digital memories that hold weights and codes, as rates per bit.

    `weight_errors` are persistent: a fixed pattern per chip, nested as the rate grows.
    `weight_read_errors` and `code_errors` are transient: fresh whenever weights are read (once per
    stimulus) and codes are stored (every read). `weights_read` says how often weights are fetched
    from their memory: once per "stimulus", to stay beside the multipliers for all its reads, or at
    every "read". `voltage_over_vmin` sets `weight_errors`, and `transient_share` of them as
    `weight_read_errors` instead, by p = min(1/2, 10^(-2 - (v - 0.84)/decade)), an engineering
    default that no publication gives; at v = 0.84 that is 1 % for every `voltage_decade`. Raises
    SettingError where a rate and a voltage are both given, what belongs to a voltage without one,
    and transient errors of weights that are fetched at every read.

    >>> import stochsim as ss
    >>> from stochsim.hardware import Memory
    >>> chip = ss.load_hardware("digital-45nm", bits=4)
    >>> chip.replace(memory=Memory(weight_errors=1e-3)).memory.weights_read
    'stimulus'
    """

    weight_errors: Rate = 0.0
    weight_read_errors: Rate = 0.0
    code_errors: Rate = 0.0
    weights_read: Literal["stimulus", "read"] = "stimulus"
    voltage_over_vmin: Annotated[float, Field(gt=0, le=100)] | None = None
    voltage_decade: Annotated[float, Field(gt=0, le=100)] = 0.04
    transient_share: Rate = 0.0

    @model_validator(mode="after")
    def _rate_or_voltage(self) -> Self:
        if self.voltage_over_vmin is not None and self.weight_errors + self.weight_read_errors > 0:
            rule = "sets the error rates of weights: give a voltage or rates, not both"
            raise SettingError.of(
                "voltage_over_vmin",
                self.voltage_over_vmin,
                rule,
                also=("weight_errors", "weight_read_errors"),
            )
        if self.voltage_over_vmin is None:
            for name in ("voltage_decade", "transient_share"):
                if getattr(self, name) != type(self).model_fields[name].default:
                    rule = "belongs to 'voltage_over_vmin', which is not given"
                    raise SettingError.of(name, getattr(self, name), rule)
        if self.weights_read == "read" and self.weight_error_rates[1] > 0:
            transient = ("weight_read_errors", "transient_share")
            rule = (
                "transient errors of weights ('weight_read_errors', 'transient_share') are drawn "
                "once per stimulus"
            )
            raise SettingError.of("weights_read", "read", rule, ["stimulus"], also=transient)
        return self

    @property
    def weight_error_rates(self) -> tuple[float, float]:
        """Rates per bit of persistent and of transient weight errors."""
        if self.voltage_over_vmin is None:
            return self.weight_errors, self.weight_read_errors
        rate = bit_error_rate(self.voltage_over_vmin, self.voltage_decade)
        return rate * (1 - self.transient_share), rate * self.transient_share


def bit_error_rate(voltage_over_vmin: float, decade: float = 0.04) -> float:
    """Share of memory bits in error at V/Vmin: min(.5, 10^(−2 − (V/Vmin − .84)/decade)).

    An engineering default, not published: `decade` is how far V/Vmin falls for ten times the
    errors. Raises SettingError unless positive.

    >>> from stochsim.hardware import bit_error_rate
    >>> bit_error_rate(1.0)
    9.99999999999998e-07
    """
    voltage = check_positive("voltage_over_vmin", voltage_over_vmin)
    exponent = -2.0 - (voltage - 0.84) / check_positive("decade", decade)
    return min(0.5, 10.0 ** min(exponent, 0.0))
