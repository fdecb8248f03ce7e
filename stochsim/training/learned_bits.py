"""Widths of weights, inputs and outputs that are learned under their price in joules."""

from typing import Any

from stochsim.hardware import Hardware, check_hardware
from stochsim.models import ModelSettings
from stochsim.networks import ARCHITECTURES, quantised_from_float, usual_torch
from stochsim.settings import SettingError
from stochsim.training.bit_price import BitPrice, learned_widths
from stochsim.training.fitting import Floats, Progress, Training, fit_part
from stochsim.training.given_values import checked_call, checked_widths
from stochsim.training.loop import torch_generator
from stochsim.training.terms import ReliabilityCost
from stochsim.training.train_settings import Method, TrainSettings
from stochsim.training.trained_network import (
    TrainedNetwork,
    check_start,
    train_quantised,
    with_result,
)


@usual_torch()
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
    check_start(start)
    inputs = start.network.settings.inputs
    stimuli, key = checked_call(stimuli, model, settings, key, inputs)
    check_hardware(hardware)
    first = checked_widths("first", first)
    bit_price = BitPrice(hardware, _checked_nats_per_joule(start, settings))
    fixed = settings.model_copy(update={"nats_per_joule": None})
    shorter = fixed.model_copy(update={"steps": max(1, settings.steps // 2)})
    price = ReliabilityCost(start.rho, settings.c, settings.s)
    training = Training(stimuli, model, shorter, price, key, progress)
    draws = torch_generator(key, "fit")
    fit_on = fit_part(stimuli)
    scales = settings.weight_scales or "per-tensor"
    given: dict[str, Any] = {"learned_bits": True, "weight_scales": scales}
    network = quantised_from_float(start.network, fit_on, *first, draws, **given)
    widths = learned_widths(training.fit(network, start.decoder, extra=bit_price).network)
    chosen: dict[str, Any] = {"method": method, "hardware": hardware, "progress": progress}
    trained = train_quantised(start, stimuli, model, fixed, widths, key, **chosen)
    return with_result(trained, nats_per_joule=settings.nats_per_joule)


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
