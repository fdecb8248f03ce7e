"""A trained network, and the trainings that lead to one: decoder, float network, quantised network.

Stimuli come in as NumPy arrays, (stimulus, input).
"""

import dataclasses
import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike

from stochsim.chip import FloatChip, Samples
from stochsim.hardware import Hardware, Precision, check_hardware
from stochsim.models import ModelSettings, Reference, build_model
from stochsim.networks import (
    ArchitectureSettings,
    Draws,
    FeedForward,
    HardwareNoise,
    Network,
    NetworkSettings,
    build_network,
    one_thread,
    quantised_from_float,
    usual_torch,
)
from stochsim.settings import (
    AnyPath,
    SettingError,
    StochsimError,
    card,
    check_choice,
    check_flag,
    check_kind,
    check_rho,
    check_whole,
    counted,
    one_line,
)
from stochsim.training.checkpoint import read_network, write_network
from stochsim.training.fitting import Fitted, Floats, Progress, Training, fit_part
from stochsim.training.given_values import (
    checked_call,
    checked_decoder,
    checked_widths,
    training_stimuli,
    widths_of,
)
from stochsim.training.loop import TrainingDiverged, TrainResult, torch_generator
from stochsim.training.terms import ReliabilityCost, objective_of
from stochsim.training.train_settings import Method, TrainSettings

_METHODS = ("post-training", "quantisation-aware", "noise-aware")


@dataclass(frozen=True, eq=False)
class TrainedNetwork:
    """A network, the decoder (input, neuron) it was trained with, rho, and what its training left.

    model, settings, stimuli (stimulus, input): what it was trained for, by and on, from which
    `quantise` and `reference` go on; None where that is not known. A file holds all but the
    stimuli.

    >>> import stochsim as ss
    >>> data = ss.load_dataset("digits", size=8, components=8, key=0)
    >>> model = ss.LinearGaussian(neurons=4, noise_sd=0.5)
    >>> network = ss.train(model, data.train, steps=20, key=0)
    >>> network.decoder_array.shape
    (8, 4)
    """

    network: Any
    decoder: torch.Tensor
    rho: float
    result: TrainResult
    model: ModelSettings | None = None
    settings: TrainSettings = field(default_factory=TrainSettings)
    stimuli: Floats | None = field(default=None, repr=False)
    __repr__ = one_line

    def __str__(self) -> str:
        """A card: architecture, widths, what it was trained for, and the terms it ended with."""
        s = self.network.settings
        widths = "float"
        if not s.is_float:
            sides = (
                (s.weight_bits, s.weight_format),
                (s.input_bits, s.input_format),
                (s.output_bits, s.output_format),
            )
            weights, inputs, outputs = (name or f"{bits}-bit" for bits, name in sides)
            widths = f"{weights} weights, {inputs} inputs, {outputs} outputs"
        model = "not known" if self.model is None else self.model.kind.replace("_", " ")
        left = self.result
        terms = [f"{name} {value:.4g}" for name, value in left.terms.items()]
        rows = [
            ("widths", widths),
            ("model", model),
            ("price of reliability", f"rho = {self.rho:g}, c = {left.c:g} nat, s = {left.s:g}"),
            ("training", f"{left.method or 'none'}, {left.steps:,} steps"),
            ("objective", ", ".join(terms) + " nat per stimulus" if terms else "not measured"),
        ]
        sizes = f"{counted(s.inputs, 'input', 'inputs')} -> "
        sizes += counted(s.neurons, "neuron", "neurons")
        return card(f"trained network: {s.architecture.kind}, {sizes}", rows)

    @property
    def decoder_array(self) -> Floats:
        """The decoder as float64, (input, neuron)."""
        return self.decoder.double().numpy()

    @usual_torch()
    def _settings_with(self, options: dict[str, Any]) -> TrainSettings:
        """The settings of this training with others in their place; raises SettingError for names
        that neither these nor `quantise` have.
        """
        known = type(self.settings).model_fields
        named = [one for one in inspect.signature(self.quantise).parameters if one != "options"]
        for name in options:
            if name not in known:
                raise SettingError.unknown(name, (*named, *known))
        return type(self.settings)(**(dict(self.settings) | options))

    def quantise(  # noqa: PLR0913 - public: settings are given by keyword
        self,
        bits: int | Precision,
        key: int,
        *,
        method: Method = "quantisation-aware",
        layer_bits: Mapping[str, int] | None = None,
        weight_format: str | None = None,
        input_format: str | None = None,
        hardware: Hardware | None = None,
        stimuli: ArrayLike | None = None,
        progress: Progress | None = None,
        **options: Any,
    ) -> "TrainedNetwork":
        """The network of these bits, one width for all or a Precision, from this float network on;
        its decoder stays.

        method, layer_bits, weight_format, input_format, hardware: see `training.train_quantised`,
        whose errors it raises.
        stimuli (stimulus, input): None for those that this network was trained on. options: in
        place of the settings that this network was trained by, see `TrainSettings`, such as
        `steps`, or `output_format`, the number format of outputs while the network is trained.

        >>> import stochsim as ss
        >>> data = ss.load_dataset("digits", size=8, components=8, key=0)
        >>> full = ss.train(ss.LinearGaussian(neurons=4, noise_sd=0.5), data.train, steps=20, key=0)
        >>> full.quantise(bits=4, key=0).network.settings.weight_bits
        4
        >>> fp4 = full.quantise(bits=4, key=0, weight_format="fp4-e2m1")
        >>> ss.to_program(fp4).readout.weight_book.name
        'fp4-e2m1'
        """
        key = check_whole("key", key, 0, 2**64)
        if isinstance(method, str) and method == "post-training" and options.get("weight_damping"):
            rule = "belongs to networks that are trained on, and 'post-training' rounds alone"
            raise SettingError.of(
                "weight_damping", options["weight_damping"], rule, also=("method",)
            )
        return train_quantised(
            self,
            self._stimuli(stimuli),
            self._model(),
            self._settings_with(options),
            widths_of(bits),
            key,
            method=method,
            layer_bits=layer_bits,
            weight_format=weight_format,
            input_format=input_format,
            hardware=hardware,
            progress=progress,
        )

    def reference(
        self, stimuli: ArrayLike, key: int, *, progress: Progress | None = None
    ) -> Reference:
        """The reference posterior of stimuli (stimulus, input) under this network's model and
        decoder; see `GenerativeModel.reference`.

        >>> import stochsim as ss
        >>> data = ss.load_dataset("digits", size=8, components=8, key=0)
        >>> model = ss.LinearGaussian(neurons=4, noise_sd=0.5)
        >>> full = ss.train(model, data.train, steps=20, key=0)
        >>> full.reference(data.held_out[:2], key=0).mean.shape
        (2, 4)
        """
        built = build_model(self._model(), self.decoder_array)
        return built.reference(stimuli, key, progress=progress)

    @usual_torch()
    def sample(
        self, stimuli: ArrayLike, reads: int, key: int, *, sigma_scale: float = 1.0
    ) -> Samples:
        """Samples (stimulus, read, neuron) of this float network, by no hardware at all, with its
        sigma times sigma_scale; raises StochsimError for a quantised one, which a Chip runs.

        >>> import stochsim as ss
        >>> data = ss.load_dataset("digits", size=8, components=8, key=0)
        >>> model = ss.LinearGaussian(neurons=4, noise_sd=0.5)
        >>> full = ss.train(model, data.train, steps=20, key=0)
        >>> full.sample(data.held_out[:2], reads=5, key=0).values.shape
        (2, 5, 4)
        """
        if not self.network.settings.is_float:
            raise StochsimError(
                "a quantised network is sampled on a chip: Chip(to_program(network), "
                "hardware).sample(…)"
            )
        chip = FloatChip(self.network.float_program(self.rho), sigma_scale)
        return chip.sample(stimuli, reads, key)

    def save(self, path: AnyPath) -> None:
        """Write it to one file, from which `load_network` gives it back, without its stimuli.

        >>> import stochsim as ss
        >>> data = ss.load_dataset("digits", size=8, components=8, key=0)
        >>> model = ss.LinearGaussian(neurons=4, noise_sd=0.5)
        >>> full = ss.train(model, data.train, steps=20, key=0)
        >>> full.save("full.safetensors")
        >>> ss.load_network("full.safetensors").rho
        0.0
        """
        fitted = Fitted(self.network, self.decoder, self.rho, self.result)
        write_network(path, fitted, self.model, self.settings)

    def _model(self) -> ModelSettings:
        if self.model is None:
            raise StochsimError(
                "the model that this network was trained for is not known; build_model(model, "
                "network.decoder_array) makes one"
            )
        return self.model

    def _stimuli(self, given: ArrayLike | None) -> Floats:
        if given is not None:
            return training_stimuli(given, self.decoder.shape[0])
        if self.stimuli is None:
            rule = "a network from a file has none: give those that it was trained on"
            raise SettingError.missing("stimuli", rule)
        return self.stimuli


@usual_torch()
def load_network(path: AnyPath) -> TrainedNetwork:
    """What `save` wrote; raises StochsimError for a file that is damaged or of another kind, or
    whose settings and arrays do not belong together.

    >>> import stochsim as ss
    >>> data = ss.load_dataset("digits", size=8, components=8, key=0)
    >>> model = ss.LinearGaussian(neurons=4, noise_sd=0.5)
    >>> full = ss.train(model, data.train, steps=20, key=0)
    >>> full.save("full.safetensors")
    >>> ss.load_network("full.safetensors").model == model
    True
    """
    fitted, model, settings = read_network(path)
    return TrainedNetwork(*fitted, model, settings)


def _fit(
    training: Training, network: Network, decoder: torch.Tensor, learns_decoder: bool
) -> TrainedNetwork:
    """The network trained in place; what diverged hangs on the error."""
    try:
        fitted = training.fit(network, decoder, learns_decoder)
    except TrainingDiverged as error:
        last = Fitted(error.network, error.decoder, training.price.rho, training.nothing())
        error.trained = _of(training, last)
        raise
    return _of(training, fitted)


def _of(training: Training, fitted: Fitted) -> TrainedNetwork:
    return TrainedNetwork(*fitted, training.model, training.settings, training.stimuli)


@usual_torch()
def learn_decoder(
    stimuli: Floats,
    model: ModelSettings,
    settings: TrainSettings,
    key: int,
    progress: Progress | None = None,
    *,
    decoder: ArrayLike | None = None,
) -> TrainedNetwork:
    """A float network and its decoder, learned together at rho = 0 and the settings' c and s from
    stimuli (stimulus, input); `decoder` (input, neuron): one that is given and stays.

    With `nats_per_joule` set these are 1, so that it is learned under the ELBO itself: a chip's
    price belongs to the networks that face it. Raises SettingError for a decoder of another shape,
    and for what is no model, settings, stimuli or key.
    """
    stimuli, key = checked_call(stimuli, model, settings, key)
    draws = torch_generator(key, "initial")
    inputs = stimuli.shape[1]
    network = FeedForward(NetworkSettings(inputs=inputs, neurons=model.neurons), draws)
    begun = torch.randn(inputs, model.neurons, generator=draws) / np.sqrt(inputs)
    if decoder is not None:
        begun = checked_decoder(decoder, tuple(begun.shape))
    price = ReliabilityCost(0.0, settings.c, settings.s)
    training = Training(stimuli, model, settings, price, key, progress)
    return _fit(training, network, begun, decoder is None)


@usual_torch()
def train_float(  # noqa: PLR0913 - public: settings are given by keyword
    start: TrainedNetwork,
    stimuli: Floats,
    model: ModelSettings,
    settings: TrainSettings,
    rho: float,
    key: int,
    *,
    learns_decoder: bool = False,
    architecture: ArchitectureSettings | None = None,
    hardware: Hardware | None = None,
    progress: Progress | None = None,
) -> TrainedNetwork:
    """The float network of an architecture at this rho, from the single layer `start` on, trained
    on stimuli (stimulus, input); its decoder stays frozen unless `learns_decoder`.

    hardware: whose price of reliability holds, where the settings have `nats_per_joule`. Raises
    SettingError for `nats_per_joule` without it.

    >>> import stochsim as ss
    >>> data = ss.load_dataset("digits", size=8, components=8, key=0)
    >>> model = ss.LinearGaussian(neurons=4, noise_sd=0.5)
    >>> full = ss.train(model, data.train, steps=20, key=0)
    >>> from stochsim.training import TrainSettings, train_float
    >>> short = TrainSettings(steps=20)
    >>> train_float(full, data.train, model, short, rho=1.0, key=0).rho
    1.0
    """
    check_start(start)
    inputs = start.network.settings.inputs
    stimuli, key = checked_call(stimuli, model, settings, key, inputs)
    rho = check_rho(rho)
    learns_decoder = check_flag("learns_decoder", learns_decoder)
    chosen = ArchitectureSettings() if architecture is None else architecture
    check_kind("architecture", chosen, ArchitectureSettings, "should be ArchitectureSettings(…)")
    if hardware is not None:
        check_hardware(hardware)
    network: Any = build_network(start.network.settings.model_copy(update={"architecture": chosen}))
    if chosen == start.network.settings.architecture:
        network.load_state_dict(start.network.state_dict())
    elif isinstance(start.network, FeedForward):
        network.start_from(start.network)
    else:
        raise StochsimError(
            f"a '{chosen.kind}' network starts from a single layer, not from "
            f"'{start.network.settings.architecture.kind}'"
        )
    price = ReliabilityCost(rho, *settings.price(rho, hardware))
    training = Training(stimuli, model, settings, price, key, progress)
    return _fit(training, network, start.decoder, learns_decoder)


@usual_torch()
def train_quantised(  # noqa: PLR0913 - public: settings are given by keyword
    start: TrainedNetwork,
    stimuli: Floats,
    model: ModelSettings,
    settings: TrainSettings,
    widths: tuple[int, int, int],
    key: int,
    *,
    learns_decoder: bool = False,
    method: Method = "quantisation-aware",
    layer_bits: Mapping[str, int] | None = None,
    weight_format: str | None = None,
    input_format: str | None = None,
    hardware: Hardware | None = None,
    progress: Progress | None = None,
) -> TrainedNetwork:
    """The network of these (weight, input, output) bits, from the float network `start` on, at its
    rho and of its architecture, on stimuli (stimulus, input); its decoder stays frozen unless
    `learns_decoder`.

    layer_bits: weight bits of these layers ("hidden", "log_sigma", "readout" of a deep network;
    "readout", "lateral" of a recurrent one). weight_format, input_format: number formats of as many
    bits, such as "fp4-e2m1" (of weights "mxfp4", too), in place of integers. "post-training":
    rounded, with fitted scales, and that is all; "quantisation-aware": trained on through its
    quantisers; "noise-aware": with the noise of `hardware` in the forward pass too, and the price
    on all the noise that a neuron has before its quantiser, trained or the chip's own. Raises
    SettingError for an unknown method, for "noise-aware" or `nats_per_joule` without a Hardware,
    and for formats of other widths or without a model, StochsimError for a start that is quantised
    itself.

    >>> import stochsim as ss
    >>> data = ss.load_dataset("digits", size=8, components=8, key=0)
    >>> model = ss.LinearGaussian(neurons=4, noise_sd=0.5)
    >>> full = ss.train(model, data.train, steps=20, key=0)
    >>> from stochsim.training import TrainSettings, train_quantised
    >>> short = TrainSettings(steps=20)
    >>> ss.to_program(train_quantised(full, data.train, model, short, (2, 4, 4), key=0)).output.bits
    4
    """
    check_start(start)
    inputs = start.network.settings.inputs
    stimuli, key = checked_call(stimuli, model, settings, key, inputs)
    widths = checked_widths("widths", widths)
    learns_decoder = check_flag("learns_decoder", learns_decoder)
    check_choice("method", method, _METHODS)
    if layer_bits is not None and not isinstance(layer_bits, Mapping):
        rule = "should be a mapping of layers to bits of their weights"
        raise SettingError.of("layer_bits", layer_bits, rule)
    if method == "noise-aware" and hardware is None:
        rule = "needs the Hardware whose noise it trains with"
        raise SettingError.of("method", method, rule, also=("hardware",))
    if hardware is not None:
        check_hardware(hardware)
    if not start.network.settings.is_float:
        raise StochsimError("a quantised network starts from a float one, not from another")
    aware = method == "noise-aware"
    network = quantised_from_float(
        start.network,
        fit_part(stimuli),
        *widths,
        torch_generator(key, "fit"),
        by_posterior=aware,
        layer_bits=layer_bits,
        weight_scales=settings.weight_scales or "per-tensor",
        weight_rounding=settings.weight_rounding or "nearest",
        output_format=settings.output_format,
        weight_format=weight_format,
        input_format=input_format,
    )
    price = ReliabilityCost(start.rho, *settings.price(start.rho, hardware))
    noise = HardwareNoise.of(hardware) if aware and hardware is not None else None
    if noise is not None:
        noise.check_formats(network.settings.weight_format, network.settings.input_format)
    training = Training(stimuli, model, settings, price, key, progress, noise)
    if method == "post-training":
        trained = _of(training, _untrained(network, start, training))
    else:
        trained = _fit(training, network, start.decoder, learns_decoder)
        if not learns_decoder:
            with one_thread():
                draws = Draws(torch_generator(key, "offsets"))
                network.correct_offsets(start.network, fit_part(stimuli), draws, noise)
    return with_result(trained, method=method)


def check_start(start: object) -> None:
    """Raise SettingError for what is no trained network."""
    rule = "should be a TrainedNetwork, as `train` gives one"
    check_kind("start", start, TrainedNetwork, rule)


def _untrained(network: Network, start: TrainedNetwork, training: Training) -> Fitted:
    """The network as it is, with the terms of the objective on a part of the stimuli."""
    part = fit_part(training.stimuli)[:256]
    draws = Draws(torch_generator(training.key, "terms"))
    network.eval()
    with torch.no_grad():
        response = network.response(part, draws)
        terms = objective_of(part, response, start.decoder, training.model, training.price, draws)
    result = training.nothing(terms.values(), network.saturated_share())
    return Fitted(network, start.decoder.clone(), start.rho, result)


def with_result(trained: TrainedNetwork, **changes: Any) -> TrainedNetwork:
    """The same with these entries of its result changed."""
    return dataclasses.replace(trained, result=dataclasses.replace(trained.result, **changes))
