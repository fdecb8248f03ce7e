"""What a network is built from, as settings (no torch here, so that a study can be checked at once)."""

from typing import Annotated, Literal, Self

import pydantic

from stochsim.settings import Settings

Architecture = Literal["single", "deep", "recurrent"]
Bits = Annotated[int, pydantic.Field(ge=1, le=8)]
Positive = Annotated[float, pydantic.Field(gt=0)]


class ArchitectureSettings(Settings):
    """The kind of network: one layer ("single"), hidden layer and two heads ("deep"), or a recurrent circuit ("recurrent").

    `hidden_per_neuron` belongs to "deep". `time_step` (dt/tau, fixed while the network learns) and `steps` (from rest to a read) belong to
    "recurrent".
    """

    kind: Architecture = "single"
    hidden_per_neuron: int = pydantic.Field(default=4, ge=2, le=16)
    time_step: float = pydantic.Field(default=0.25, gt=0, le=1)
    steps: int = pydantic.Field(default=30, ge=1, le=10_000)

    @pydantic.model_validator(mode="after")
    def _belong_to_the_kind(self) -> Self:
        owners = {"hidden_per_neuron": "deep", "time_step": "recurrent", "steps": "recurrent"}
        for name, owner in owners.items():
            if self.kind != owner and getattr(self, name) != type(self).model_fields[name].default:
                raise ValueError(
                    f"'{name}' = {getattr(self, name)}: belongs to kind = '{owner}', and kind = '{self.kind}' has no use for it"
                )
        return self


class NetworkSettings(Settings):
    """What a network is built from. All three bit widths None: a float network; else each is 1 to 8.

    The scales are where Brevitas's learned scales start; at one bit they stay (the magnitude of the two values). `weight_scale` is that of
    the weights on the stimulus; `scales` holds those of further layers by name.
    """

    inputs: int = pydantic.Field(ge=1)
    neurons: int = pydantic.Field(ge=1)
    bias: bool = True
    architecture: ArchitectureSettings = ArchitectureSettings()
    weight_bits: Bits | None = None
    input_bits: Bits | None = None
    output_bits: Bits | None = None
    learned_bits: bool = False
    weight_scale: Positive = 1.0
    input_scale: Positive = 1.0
    output_scale: Positive = 1.0
    scales: dict[str, Positive] = pydantic.Field(default_factory=dict)

    @pydantic.model_validator(mode="after")
    def _all_or_none(self) -> Self:
        widths = (self.weight_bits, self.input_bits, self.output_bits)
        if len({bits is None for bits in widths}) > 1:
            raise ValueError("weight_bits, input_bits and output_bits are given together (a quantised network) or not at all (float)")
        if self.learned_bits and (self.weight_bits is None or min(bits or 0 for bits in widths) < 2):
            raise ValueError("'learned_bits' = true: widths are learned down to 2 bits, so each must start at 2 to 8")
        return self

    @property
    def is_float(self) -> bool:
        """True for a network without quantisers."""
        return self.output_bits is None

    @property
    def hidden(self) -> int:
        """Hidden units of a deep network."""
        return self.architecture.hidden_per_neuron * self.neurons
