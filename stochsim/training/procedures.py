"""The three trainings of a study, NumPy in and a checkpoint's content out: decoder, float network, quantised network."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from stochsim.models import ModelSettings
from stochsim.networks import FeedForward, NetworkSettings, quantised_from_float
from stochsim.training.loop import TrainResult, torch_generator, train
from stochsim.training.settings import TrainSettings

Floats = NDArray[np.floating]
Progress = Callable[[int, int], None]
_FIT_STIMULI = 4096


@dataclass(frozen=True)
class Trained:
    """A network, the decoder (input, neuron) it was trained with, rho, and what its training left."""

    network: FeedForward
    decoder: torch.Tensor
    rho: float
    result: TrainResult

    @property
    def decoder_array(self) -> Floats:
        """The decoder as float64, (input, neuron)."""
        return self.decoder.double().numpy()


def learn_decoder(stimuli: Floats, model: ModelSettings, settings: TrainSettings, key: int, progress: Progress | None = None) -> Trained:
    """A float network and its decoder, learned together at rho = 0 from stimuli (stimulus, input)."""
    draws = torch_generator(key, "initial")
    inputs = stimuli.shape[1]
    network = FeedForward(NetworkSettings(inputs=inputs, neurons=model.neurons), draws)
    decoder = torch.randn(inputs, model.neurons, generator=draws) / np.sqrt(inputs)
    result = train(network, _tensor(stimuli), decoder, model, settings, 0.0, key, True, progress)
    return Trained(network, decoder, 0.0, result)


def train_float(
    start: Trained, stimuli: Floats, model: ModelSettings, settings: TrainSettings, rho: float, key: int, own: bool = False, **options: Any
) -> Trained:
    """The float network at this rho, from `start` on; its decoder stays frozen unless `own`. Options: progress."""
    network = FeedForward(start.network.settings)
    network.load_state_dict(start.network.state_dict())
    return _train_from(network, start, stimuli, model, settings, rho, key, own, **options)


def train_quantised(
    start: Trained,
    stimuli: Floats,
    model: ModelSettings,
    settings: TrainSettings,
    widths: tuple[int, int, int],
    key: int,
    own: bool = False,
    **options: Any,
) -> Trained:
    """The network of these (weight, input, output) bits, from the float network `start` on, at its rho. Options: progress."""
    fit = _tensor(stimuli[:: max(1, len(stimuli) // _FIT_STIMULI)])
    network = quantised_from_float(start.network, fit, *widths, generator=torch_generator(key, "fit"))
    return _train_from(network, start, stimuli, model, settings, start.rho, key, own, **options)


def _train_from(
    network: FeedForward,
    start: Trained,
    stimuli: Floats,
    model: ModelSettings,
    settings: TrainSettings,
    rho: float,
    key: int,
    own: bool,
    progress: Progress | None = None,
) -> Trained:
    decoder = start.decoder.clone()
    result = train(network, _tensor(stimuli), decoder, model, settings, rho, key, own, progress)
    return Trained(network, decoder, rho, result)


def _tensor(stimuli: Floats) -> torch.Tensor:
    return torch.tensor(stimuli, dtype=torch.float32)
