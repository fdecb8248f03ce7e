"""What a network is built from, as settings (no torch here, so that a study can be checked at
once).
"""

from typing import Literal, Self

import pydantic

from stochsim.formats import BLOCK_FORMATS, check_format, input_formats, weight_formats
from stochsim.networks.architectures import (
    ARCHITECTURES,
    CIRCUIT,
    ONLY_LAYER,
    layers_of,
    owner_of_option,
)
from stochsim.networks.output_format_names import trained_format_bits
from stochsim.settings import Bits, Count, Scale, SettingError, Settings

WeightScales = Literal["per-tensor", "per-channel"]
"""Whether all weights of a layer share a scale, or those of each neuron have one."""


WeightRounding = Literal["nearest", "compensated", "stochastic"]
"""How weights get their codes: each by itself, so that errors make up for each other, or at random.
"""


class ArchitectureSettings(Settings):
    """The kind of network: one layer ("single"), hidden layer and two heads ("deep"), or a
    recurrent circuit ("recurrent").

    `hidden_per_neuron` belongs to "deep". `time_step` (dt/tau, fixed while the network learns) and
    `steps` (from rest to a read) belong to "recurrent".

    >>> from stochsim.networks import ArchitectureSettings
    >>> ArchitectureSettings(kind="deep", hidden_per_neuron=2).hidden_per_neuron
    2
    """

    kind: str = "single"
    hidden_per_neuron: int = pydantic.Field(default=4, ge=2, le=16)
    time_step: float = pydantic.Field(default=0.25, gt=0, le=1)
    steps: int = pydantic.Field(default=30, ge=1, le=10_000)

    @pydantic.field_validator("kind")
    @classmethod
    def _known_kind(cls, kind: str) -> str:
        if kind not in ARCHITECTURES:
            raise SettingError.of("", kind, choices=ARCHITECTURES)
        return kind

    @pydantic.model_validator(mode="after")
    def _belong_to_the_kind(self) -> Self:
        own = ("kind", *ARCHITECTURES[self.kind].options)
        for name, field in type(self).model_fields.items():
            if name not in own and getattr(self, name) != field.default:
                owner = owner_of_option(name)
                rule = f"belongs to kind = '{owner}', and kind = '{self.kind}' has no use for it"
                raise SettingError.of(name, getattr(self, name), rule, also=("kind",))
        return self


class NetworkSettings(Settings):
    """What a network is built from.

    All three bit widths None: a float network; else each is 1 to 8.

    The scales are where Brevitas's learned scales start; at one bit they stay (the magnitude of the
    two values). `weight_scale` is that of the weights on the stimulus; `scales` holds those of
    further layers by name. `layer_bits` are widths of weights by layer, named as in
    `ARCHITECTURES`, in place of `weight_bits`. `weight_scales` "per-channel": a scale for the
    weights of each neuron, of two bits and more, which no file of settings holds. `weight_format`,
    `input_format`: number formats of as many bits, of `weight_formats()` and `input_formats()`, in
    place of integers; no file of settings holds the scales of such weights. `output_format`:
    outputs have the values of this number format, see `output_books`; `output_bits` are then those
    of a deep network's hidden codes, and of single layers those of the format.

    >>> from stochsim.networks import NetworkSettings
    >>> NetworkSettings(inputs=6, neurons=3, weight_bits=4, input_bits=4, output_bits=4).is_float
    False
    """

    inputs: Count
    neurons: Count
    bias: bool = True
    architecture: ArchitectureSettings = ArchitectureSettings()
    weight_bits: Bits | None = None
    input_bits: Bits | None = None
    output_bits: Bits | None = None
    layer_bits: dict[str, Bits] = pydantic.Field(default_factory=dict)
    learned_bits: bool = False
    output_format: str | None = None
    weight_scales: WeightScales = "per-tensor"
    weight_format: str | None = None
    input_format: str | None = None
    weight_scale: Scale = 1.0
    input_scale: Scale = 1.0
    output_scale: Scale = 1.0
    scales: dict[str, Scale] = pydantic.Field(default_factory=dict)

    @pydantic.model_validator(mode="after")
    def _all_or_none(self) -> Self:
        widths = (self.weight_bits, self.input_bits, self.output_bits)
        if len({bits is None for bits in widths}) > 1:
            rule = "are given together (a quantised network) or not at all (float)"
            raise SettingError.of(("weight_bits", "input_bits", "output_bits"), widths, rule)
        if self.learned_bits and (
            self.weight_bits is None or min(bits or 0 for bits in widths) < 2
        ):
            rule = "widths are learned down to 2 bits, so each must start at 2 to 8"
            others = ("weight_bits", "input_bits", "output_bits")
            raise SettingError.of("learned_bits", True, rule, also=others)
        return self

    @pydantic.model_validator(mode="after")
    def _scales_that_it_may_have(self) -> Self:
        if self.weight_scales != "per-tensor" and self.learned_bits:
            fields = ("weight_scales", "learned_bits")
            rule = "widths are learned where weights share a scale"
            raise SettingError.of(fields, (self.weight_scales, True), rule)
        return self

    @pydantic.model_validator(mode="after")
    def _output_format_that_it_may_have(self) -> Self:
        given, kind = self.output_format, self.architecture.kind
        if given is None:
            return self
        bits = trained_format_bits(given)
        if kind == CIRCUIT:
            rule = (
                "outputs of a recurrent network are its state, of evenly spaced values in "
                "training; `chip.with_output_format` gives it a format"
            )
            raise SettingError.of("output_format", given, rule, also=("architecture.kind",))
        if self.output_bits is None or self.learned_bits:
            rule = "belongs to quantised networks of given widths"
            others = ("output_bits", "learned_bits")
            raise SettingError.of("output_format", given, rule, also=others)
        if kind == "single" and self.output_bits != bits:
            rule = f"has {bits} bits, and outputs have {self.output_bits}"
            raise SettingError.of("output_format", given, rule, also=("output_bits",))
        return self

    @pydantic.model_validator(mode="after")
    def _formats_that_it_may_have(self) -> Self:
        known = {"weight": weight_formats, "input": input_formats}
        for side, names in known.items():
            given, bits = getattr(self, f"{side}_format"), getattr(self, f"{side}_bits")
            if given is not None:
                check_format(f"{side}_format", given, names(), bits)
                self._check_widths_beside(f"{side}_format")
        if self.weight_format in BLOCK_FORMATS and self.weight_scales != "per-tensor":
            fields = ("weight_format", "weight_scales")
            rule = "the format has scales of its own, of blocks"
            raise SettingError.of(fields, (self.weight_format, self.weight_scales), rule)
        return self

    def _check_widths_beside(self, field: str) -> None:
        """Raise SettingError for widths that are learned or of single layers beside a format."""
        others = ("learned_bits", "layer_bits") if field == "weight_format" else ("learned_bits",)
        for other in others:
            if getattr(self, other):
                rule = "a format has one width, that of all layers: leave one of the two out"
                values = (getattr(self, field), getattr(self, other))
                raise SettingError.of((field, other), values, rule)

    @pydantic.model_validator(mode="after")
    def _layers_of_its_kind(self) -> Self:
        kind = self.architecture.kind
        for name, bits in self.layer_bits.items():
            if not layers_of(kind):
                rule = f"a '{kind}' network has one layer of weights, whose width is weight_bits"
                raise SettingError.of("", bits, rule, section=("layer_bits", name))
            if name not in layers_of(kind):
                rule = f"no layer of a '{kind}' network"
                raise SettingError.unknown(name, layers_of(kind), rule, section=("layer_bits",))
        if self.layer_bits and self.weight_bits is None:
            rule = "a float network, without weight_bits, input_bits and output_bits, has no widths"
            raise SettingError.of("layer_bits", self.layer_bits, rule, also=("weight_bits",))
        if self.layer_bits and self.learned_bits:
            rule = "widths are given or learned; learned ones hold for all layers"
            fields = ("layer_bits", "learned_bits")
            raise SettingError.of(fields, (self.layer_bits, self.learned_bits), rule)
        return self

    def weight_bits_of(self, layer: str) -> int | None:
        """Bits of the weights of a layer, None in a float network."""
        return self.layer_bits.get(layer, self.weight_bits)

    def has_scales_of_neurons(self, layer: str) -> bool:
        """Whether the integer weights of each neuron of a layer have a scale."""
        bits = self.weight_bits_of(layer)
        is_even = self.weight_format is None
        return self.weight_scales == "per-channel" and is_even and bits is not None and bits > 1

    @property
    def first_layer(self) -> str:
        """Name of the layer on the stimulus."""
        return next(iter(layers_of(self.architecture.kind)), ONLY_LAYER)

    @property
    def is_float(self) -> bool:
        """True for a network without quantisers."""
        return self.output_bits is None

    @property
    def hidden(self) -> int:
        """Hidden units of a deep network."""
        return self.architecture.hidden_per_neuron * self.neurons
