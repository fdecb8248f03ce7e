"""Checkpoints: trained networks as files of arrays (see settings/array_files.py)."""

import math
from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any, get_args

import numpy as np
import torch

from stochsim.models import ModelSettings
from stochsim.networks import NetworkSettings, build_network, network_class
from stochsim.settings import (
    BOUND_RULE,
    MOST_RHO,
    AnyPath,
    Format,
    SettingError,
    Settings,
    StochsimError,
    Stored,
    check_choice,
    is_bounded,
    read_arrays,
    strict,
    write_arrays,
)
from stochsim.training.fitting import Fitted
from stochsim.training.loop import TrainResult
from stochsim.training.train_settings import Method, TrainSettings

FORMAT = Format("stochsim-network", 4, "train it again, or run its study anew")
_KIND = "network"
_KIND_OF_GRID = ".kind"
"""What a grid's scale belongs to: see `networks.Grid`."""
_FACTS = tuple(one.name for one in fields(TrainResult) if one.name != "seconds")
_MOST_STEPS = 2**53
_MOST_TERMS = 64


class _TrainedFor(Settings):
    """The model that a network was trained for, and how."""

    model: ModelSettings | None = None
    training: TrainSettings


Contents = tuple[Fitted, ModelSettings | None, TrainSettings]
"""What a file holds: network, decoder, rho and what the training left; the model that it was
trained for, None where that is not known; and the settings of its training.
"""


def write_network(
    path: AnyPath, fitted: Fitted, model: ModelSettings | None, settings: TrainSettings
) -> None:
    """Write a network, the decoder (input, neuron) among it, to one file; raises SettingError for
    weights and facts that no file may hold, which `read_network` would refuse.
    """
    tensors = {f"network.{name}": one for name, one in fitted.network.state_dict().items()}
    tensors = {name: one.detach().cpu() for name, one in tensors.items()}
    tensors["decoder"] = fitted.decoder.detach().cpu()
    for name, one in tensors.items():
        _check_finite(name, one)
    arrays = {name: one.numpy() for name, one in tensors.items()}
    # What the key determines only: two trainings of one key write the same bytes.
    facts = {name: value for name, value in asdict(fitted.result).items() if name != "seconds"}
    _result(facts)
    table = fitted.network.settings.to_table()
    trained_for = _TrainedFor(model=model, training=settings).to_table()
    content = {"settings": table, "rho": fitted.rho, "result": facts, "trained_for": trained_for}
    write_arrays(path, FORMAT, Stored(_KIND, content, arrays))


def read_network(path: AnyPath) -> Contents:
    """What write_network wrote; raises StochsimError for a file that is damaged or of another
    kind, or whose settings and arrays do not belong together.
    """
    stored = read_arrays(path, FORMAT, (_KIND,), finite=False)
    try:
        tensors = {name: _tensor(name, one) for name, one in stored.arrays.items()}
        return _contents(stored.content, tensors)
    except SettingError as error:
        raise StochsimError(f"{path}: {error}") from None


def _tensor(name: str, array: np.ndarray) -> torch.Tensor:
    try:
        return torch.from_numpy(array)
    except TypeError:
        raise SettingError.of(name, array, "should be numbers that torch has") from None


def _contents(header: dict[str, Any], tensors: dict[str, torch.Tensor]) -> Contents:
    strict.exact_table("header", header, ("settings", "rho", "result", "trained_for"))
    settings = NetworkSettings.from_table(strict.table("settings", header["settings"]))
    result = _result(strict.exact_table("result", header["result"], _FACTS))
    rho = strict.number("rho", header["rho"], 0.0, MOST_RHO)
    state = {
        name.removeprefix("network."): value
        for name, value in tensors.items()
        if name.startswith("network.")
    }
    strict.only_arrays(tensors, {"decoder", *(f"network.{name}" for name in state)})
    decoder = _decoder(tensors["decoder"], settings)
    _check_size(settings, state)
    network = build_network(settings)
    _check_state(network.state_dict(), state)
    network.load_state_dict(state)
    network.eval()
    trained_for = _trained_for(header["trained_for"], settings)
    return Fitted(network, decoder, rho, result), trained_for.model, trained_for.training


def _trained_for(table: Any, settings: NetworkSettings) -> _TrainedFor:
    given = strict.table("trained_for", table)
    try:
        found = _TrainedFor.from_table(given)
    except SettingError as error:
        raise error.inside("trained_for") from None
    if found.model is not None and found.model.neurons != settings.neurons:
        rule = f"should be {settings.neurons}, as the network has"
        section = ("trained_for", "model")
        raise SettingError.of("neurons", found.model.neurons, rule, section=section)
    return found


def _result(facts: Mapping[str, Any]) -> TrainResult:
    """What the training left; its terms may be NaN, which no number of a setting may be."""
    terms = strict.table("result.terms", facts["terms"])
    strict.items("result.terms", list(terms), _MOST_TERMS)
    for name, value in terms.items():
        strict.identifier("result.terms", name)
        if not isinstance(value, float) or isinstance(value, bool):
            strict.number(f"result.terms.{name[:100]}", value)
    for name in ("saturated_share", "c", "s"):
        if not isinstance(facts[name], float):
            strict.number(f"result.{name}", facts[name])
    if facts["nats_per_joule"] is not None:
        strict.number("result.nats_per_joule", facts["nats_per_joule"])
    check_choice("result.method", facts["method"], ("", "trained", *get_args(Method)))
    strict.whole("result.steps", facts["steps"], 0, _MOST_STEPS)
    return TrainResult(**facts, seconds=math.nan)


def _decoder(decoder: torch.Tensor, settings: NetworkSettings) -> torch.Tensor:
    shape = (settings.inputs, settings.neurons)
    if tuple(decoder.shape) != shape or decoder.dtype != torch.float32:
        raise SettingError.of("decoder", decoder, f"should be float32 {shape}")
    _check_finite("decoder", decoder)
    return decoder


def _check_size(settings: NetworkSettings, state: Mapping[str, torch.Tensor]) -> None:
    """Raise SettingError, before anything is made, where the settings need more weights than the
    file has.
    """
    weights = network_class(settings).least_values(settings)
    found = sum(value.numel() for value in state.values())
    if weights > found:
        sizes = f"{settings.inputs} inputs and {settings.neurons} neurons"
        rule = f"{sizes} need {weights} weights, the file has {found}"
        raise SettingError.of("settings", rule=rule)


def _check_state(wanted: Mapping[str, torch.Tensor], state: Mapping[str, torch.Tensor]) -> None:
    """Raise SettingError unless there is one finite array of the right shape for each of the
    network's.
    """
    strict.only_arrays(state, set(wanted))
    for name, value in wanted.items():
        if state[name].shape != value.shape or state[name].dtype != value.dtype:
            rule = f"should be {value.dtype} {tuple(value.shape)}"
            raise SettingError.of(name, state[name], rule)
        if name.endswith(_KIND_OF_GRID) and not torch.equal(state[name], value):
            rule = "should be that of the number format which the settings name"
            raise SettingError.of(name, state[name], rule)
        _check_finite(name, state[name])


def _check_finite(name: str, value: torch.Tensor) -> None:
    if not is_bounded(value):
        raise SettingError.of(name, rule=BOUND_RULE)
