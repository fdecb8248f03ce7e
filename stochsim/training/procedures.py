"""The trainings of a study, NumPy in and a checkpoint's content out: decoder, float network,
quantised network, learned widths.
"""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from stochsim.hardware import Hardware
from stochsim.models import ModelSettings
from stochsim.networks import (
    ARCHITECTURES,
    ArchitectureSettings,
    Draws,
    FeedForward,
    HardwareNoise,
    Network,
    NetworkSettings,
    build_network,
    quantised_from_float,
)
from stochsim.settings import SettingError, StochsimError
from stochsim.training.bit_price import BitPrice, learned_widths
from stochsim.training.loop import TrainingDiverged, TrainResult, torch_generator, train
from stochsim.training.terms import ReliabilityCost, objective_of
from stochsim.training.train_settings import Method, TrainSettings

Floats = NDArray[np.floating]
Progress = Callable[[int, int], None]
_FIT_STIMULI = 4096
_METHODS = ("post-training", "quantisation-aware", "noise-aware")


@dataclass(frozen=True)
class TrainedNetwork:
    """A network, the decoder (input, neuron) it was trained with, rho, and what its training
    left.
    """

    network: Any
    decoder: torch.Tensor
    rho: float
    result: TrainResult

    @property
    def decoder_array(self) -> Floats:
        """The decoder as float64, (input, neuron)."""
        return self.decoder.double().numpy()


@dataclass(frozen=True)
class _Task:
    """What all trainings of one call share."""

    stimuli: torch.Tensor
    model: ModelSettings
    settings: TrainSettings
    price: ReliabilityCost
    key: int
    progress: Progress | None = None
    noise: HardwareNoise | None = None

    def nothing(
        self, terms: dict[str, float] | None = None, saturated_share: float = 0.0
    ) -> TrainResult:
        """What is left where nothing was trained, or not to the end."""
        return TrainResult(
            terms or {},
            saturated_share,
            0.0,
            self.price.c,
            self.price.s,
            self.settings.nats_per_joule,
        )

    def run(
        self, network: Network, decoder: torch.Tensor, own: bool, extra: Any = None
    ) -> TrainedNetwork:
        decoder = decoder.clone()
        try:
            result = train(
                network,
                self.stimuli,
                decoder,
                self.model,
                self.settings,
                self.price,
                self.key,
                learn_decoder=own,
                progress=self.progress,
                noise=self.noise,
                extra=extra,
            )
        except TrainingDiverged as error:
            given = (error.network, error.decoder, self.price.rho, self.nothing())
            error.trained = TrainedNetwork(*given)  # type: ignore[attr-defined]
            raise
        return TrainedNetwork(network, decoder, self.price.rho, result)


def learn_decoder(
    stimuli: Floats,
    model: ModelSettings,
    settings: TrainSettings,
    key: int,
    progress: Progress | None = None,
) -> TrainedNetwork:
    """A float network and its decoder, learned together at rho = 0 and the settings' c and s from
    stimuli (stimulus, input).

    With `nats_per_joule` set these are 1, so that it is learned under the ELBO itself: a chip's
    price belongs to the networks that face it.
    """
    draws = torch_generator(key, "initial")
    inputs = stimuli.shape[1]
    network = FeedForward(NetworkSettings(inputs=inputs, neurons=model.neurons), draws)
    decoder = torch.randn(inputs, model.neurons, generator=draws) / np.sqrt(inputs)
    price = ReliabilityCost(0.0, settings.c, settings.s)
    return _Task(_tensor(stimuli), model, settings, price, key, progress).run(
        network, decoder, True
    )


def train_float(  # noqa: PLR0913 - public: settings are given by keyword
    start: TrainedNetwork,
    stimuli: Floats,
    model: ModelSettings,
    settings: TrainSettings,
    rho: float,
    key: int,
    own: bool = False,
    *,
    architecture: ArchitectureSettings | None = None,
    hardware: Hardware | None = None,
    progress: Progress | None = None,
) -> TrainedNetwork:
    """The float network of an architecture at this rho, from the single layer `start` on, trained
    on stimuli (stimulus, input); its decoder stays frozen unless `own`.

    hardware: whose price of reliability holds, where the settings have `nats_per_joule`. Raises
    SettingError for `nats_per_joule` without it.
    """
    chosen = architecture or ArchitectureSettings()
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
    return _Task(_tensor(stimuli), model, settings, price, key, progress).run(
        network, start.decoder, own
    )


def train_quantised(  # noqa: PLR0913 - public: settings are given by keyword
    start: TrainedNetwork,
    stimuli: Floats,
    model: ModelSettings,
    settings: TrainSettings,
    widths: tuple[int, int, int],
    key: int,
    own: bool = False,
    *,
    method: Method = "quantisation-aware",
    layer_bits: Mapping[str, int] | None = None,
    hardware: Hardware | None = None,
    progress: Progress | None = None,
) -> TrainedNetwork:
    """The network of these (weight, input, output) bits, from the float network `start` on, at its
    rho and of its architecture, on stimuli (stimulus, input).

    layer_bits: weight bits of these layers ("hidden", "log_sigma", "readout" of a deep network;
    "readout", "lateral" of a recurrent one). "post-training": rounded, with fitted scales, and that
    is all; "quantisation-aware": trained on through its quantisers; "noise-aware": with the noise
    of `hardware` in the forward pass too, and the price on all the noise that a neuron has before
    its quantiser, trained or the chip's own. Raises SettingError for an unknown method, for
    "noise-aware" or `nats_per_joule` without a Hardware.
    """
    if method not in _METHODS:
        raise SettingError.of("method", method, choices=_METHODS)
    if method == "noise-aware" and hardware is None:
        rule = "needs the Hardware whose noise it trains with"
        raise SettingError.of("method", method, rule, also=("hardware",))
    fit = _fit(stimuli)
    aware = method == "noise-aware"
    draws = torch_generator(key, "fit")
    network = quantised_from_float(
        start.network, fit, *widths, draws, by_posterior=aware, layer_bits=layer_bits
    )
    price = ReliabilityCost(start.rho, *settings.price(start.rho, hardware))
    noise = HardwareNoise.of(hardware) if aware and hardware is not None else None
    task = _Task(_tensor(stimuli), model, settings, price, key, progress, noise)
    if method == "post-training":
        return _with(_untrained(network, start, fit, task), method=method)
    return _with(task.run(network, start.decoder, own), method=method)


def learn_bits(  # noqa: PLR0913 - public: settings are given by keyword
    start: TrainedNetwork,
    stimuli: Floats,
    model: ModelSettings,
    settings: TrainSettings,
    hardware: Hardware,
    key: int,
    *,
    first: tuple[int, int, int] = (8, 8, 8),
    method: Method = "quantisation-aware",
    progress: Progress | None = None,
) -> TrainedNetwork:
    """A network whose widths (weight, input, output) are learned on stimuli (stimulus, input) under
    their price, `nats_per_joule` times joules per read on `hardware`.

    Half of the steps learn widths, quantisation-aware from `first` on (Brevitas rounds them to
    whole bits, 2 at least; the gradient passes through); then the network of these widths is
    trained from `start` on by `method`, as any other of fixed widths. c and s are the settings'
    own, so that they do not move with `nats_per_joule`. Raises SettingError without
    `nats_per_joule`, and for a deep network.
    """
    bit_price = BitPrice(hardware, _checked_nats_per_joule(start, settings))
    fixed = settings.model_copy(update={"nats_per_joule": None})
    shorter = fixed.model_copy(update={"steps": max(1, settings.steps // 2)})
    price = ReliabilityCost(start.rho, settings.c, settings.s)
    task = _Task(_tensor(stimuli), model, shorter, price, key, progress)
    network = quantised_from_float(
        start.network, _fit(stimuli), *first, torch_generator(key, "fit"), learned_bits=True
    )
    widths = learned_widths(task.run(network, start.decoder, False, bit_price).network)
    chosen: dict[str, Any] = {"method": method, "hardware": hardware, "progress": progress}
    trained = train_quantised(start, stimuli, model, fixed, widths, key, **chosen)
    return _with(trained, nats_per_joule=settings.nats_per_joule)


def _checked_nats_per_joule(start: TrainedNetwork, settings: TrainSettings) -> float:
    """The `nats_per_joule` under which widths of this network are learned; raises SettingError
    where there is none, and for a deep network.
    """
    if settings.nats_per_joule is None:
        rule = "widths are learned under lambda [nat/J] times joules per read"
        raise SettingError.missing("nats_per_joule", rule)
    kind = start.network.settings.architecture.kind
    if not ARCHITECTURES[kind].learns_widths:
        learns = [name for name, facts in ARCHITECTURES.items() if facts.learns_widths]
        rule = "its hidden codes have no widths of their own to learn"
        raise SettingError.of("architecture", kind, rule, learns)
    return settings.nats_per_joule


def _untrained(
    network: Network, start: TrainedNetwork, fit: torch.Tensor, task: _Task
) -> TrainedNetwork:
    draws = Draws(torch_generator(task.key, "terms"))
    network.eval()
    with torch.no_grad():
        response = network.response(fit[:256], draws)
        terms = objective_of(fit[:256], response, start.decoder, task.model, task.price, draws)
    return TrainedNetwork(
        network,
        start.decoder.clone(),
        start.rho,
        task.nothing(terms.values(), network.saturated_share()),
    )


def _with(trained: TrainedNetwork, **changes: Any) -> TrainedNetwork:
    """The same with these entries of its result changed."""
    return dataclasses.replace(trained, result=dataclasses.replace(trained.result, **changes))


def _fit(stimuli: Floats) -> torch.Tensor:
    """The part of stimuli (stimulus, input) on which scales are fitted, evenly spread."""
    return _tensor(stimuli[:: max(1, len(stimuli) // _FIT_STIMULI)])


def _tensor(stimuli: Floats) -> torch.Tensor:
    return torch.tensor(stimuli, dtype=torch.float32)
