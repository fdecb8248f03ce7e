"""How a network is trained, as settings (no torch here, so that a study can be checked at once)."""

from typing import Literal, Self

import pydantic

from stochsim.energy import reliability_price_to_cost
from stochsim.hardware import Hardware, check_hardware
from stochsim.networks import WeightRounding, WeightScales, trained_format_bits
from stochsim.settings import LARGEST, Scale, SettingError, Settings

MOST_STEPS = 10_000_000
"""Steps of one training: at a millisecond each, three hours."""

MOST_BATCH = 2**20
"""Stimuli of one step."""

Method = Literal["post-training", "quantisation-aware", "noise-aware"]


class TrainSettings(Settings):
    """Steps of Adam; c and s belong to the price of reliability; the learning rate falls to 2 % of
    its start on a cosine.

    `nats_per_joule` is the rate lambda between nats and joules: with it c and s are those of the
    Hardware that the network is trained for (c = lambda e0 rho, or lambda e_bit / ln 2 at rho = 0),
    and widths may be learned under their price in joules. `weight_scales`: whether all weights of a
    quantised layer share a scale ("per-tensor", None too), or those of each neuron have one; signs
    always share theirs. `weight_rounding`: each weight of a quantised network starts at its nearest
    code ("nearest", None too), at one with which the errors of a neuron's weights make up for each
    other on the stimuli ("compensated", Behdin et al. 2023), or at one of its two neighbours, drawn
    once ("stochastic"); training goes on from there to the nearest. `weight_damping`: nats for each
    weight of two bits and more at a squared step from the code that it is rounded to, which holds
    weights that would jump between two codes for ever; 0.03 served a network of 3,000 weights of 4
    bits. `output_format`: outputs of a quantised network have the values of this number format
    while it is trained (None: evenly spaced ones), such as "fp4-e2m1", whose scale is learned,
    "lloyd-4", fitted to the float network's answers, or "learned-4", whose values are learned.

    >>> from stochsim.training import TrainSettings
    >>> TrainSettings(steps=500).learning_rate
    0.005
    """

    steps: int = pydantic.Field(default=1500, ge=1, le=MOST_STEPS)
    batch: int = pydantic.Field(default=256, ge=1, le=MOST_BATCH)
    learning_rate: Scale = 5e-3
    c: Scale = 1.0
    s: Scale = 1.0
    nats_per_joule: float | None = pydantic.Field(default=None, gt=0, le=1e30)
    weight_scales: WeightScales | None = None
    weight_rounding: WeightRounding | None = None
    weight_damping: float | None = pydantic.Field(default=None, gt=0, le=1e6)
    output_format: str | None = None
    device: str = "cpu"

    @pydantic.model_validator(mode="after")
    def _known_format(self) -> Self:
        if self.output_format is not None:
            trained_format_bits(self.output_format)
        return self

    @pydantic.model_validator(mode="after")
    def _one_price(self) -> Self:
        for name in ("c", "s"):
            if self.nats_per_joule is not None and getattr(self, name) != 1.0:
                values = (getattr(self, name), self.nats_per_joule)
                rule = "not both: with nats_per_joule the Hardware's price sets c and s"
                raise SettingError.of((name, "nats_per_joule"), values, rule)
        return self

    def price(self, rho: float, hardware: Hardware | None) -> tuple[float, float]:
        """(c, s) of this rho; raises SettingError for `nats_per_joule` without a Hardware, or a rho
        without a price on it.
        """
        if self.nats_per_joule is None:
            return self.c, self.s
        if hardware is None:
            rule = (
                "needs a Hardware, whose joules it turns into nats; valid: hardware = ..., or c "
                "and s"
            )
            raise SettingError.of("nats_per_joule", self.nats_per_joule, rule, also=("hardware",))
        check_hardware(hardware)
        c = reliability_price_to_cost(self.nats_per_joule, hardware.reliability_law(rho))
        if not 1 / LARGEST <= c <= LARGEST and c != 0:
            rule = f"makes c = {c:.3g} nat at rho = {rho:g}: should be 1e-15 to 1e15"
            raise SettingError.of("nats_per_joule", self.nats_per_joule, rule)
        return c, hardware.reliability.s
