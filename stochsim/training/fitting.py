"""What all trainings of one call share, and what each leaves."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from stochsim.models import ModelSettings
from stochsim.networks import HardwareNoise, Network
from stochsim.settings import SettingError
from stochsim.training.loop import Extra, TrainResult, fit
from stochsim.training.terms import ReliabilityCost
from stochsim.training.train_settings import TrainSettings

Floats = NDArray[np.floating]
Progress = Callable[[int, int], None]
_FIT_STIMULI = 4096


class Fitted(NamedTuple):
    """A network, the decoder (input, neuron) it was trained with, rho, and what its training
    left.
    """

    network: Network
    decoder: torch.Tensor
    rho: float
    result: TrainResult


@dataclass(frozen=True)
class Training:
    """Stimuli (stimulus, input), model, settings, price of reliability and key of a training;
    noise: of the chip that it is for.
    """

    stimuli: Floats
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
        rate = self.settings.nats_per_joule
        _, c, s = self.price
        return TrainResult(terms or {}, saturated_share, 0.0, c, s, rate)

    def fit(
        self,
        network: Network,
        decoder: torch.Tensor,
        learns_decoder: bool = False,
        extra: Extra | None = None,
    ) -> Fitted:
        """Train `network` in place and a copy of the decoder; see `loop.fit`, which raises
        TrainingDiverged.
        """
        if self.progress is not None and not callable(self.progress):
            rule = "should be a function of what is done and of all there is to do"
            raise SettingError.of("progress", self.progress, rule)
        decoder = decoder.clone()
        result = fit(
            network,
            as_tensor(self.stimuli),
            decoder,
            self.model,
            self.settings,
            self.price,
            self.key,
            learn_decoder=learns_decoder,
            progress=self.progress,
            noise=self.noise,
            extra=extra,
        )
        return Fitted(network, decoder, self.price.rho, result)


def fit_part(stimuli: Floats) -> torch.Tensor:
    """The part of stimuli (stimulus, input) on which scales are fitted, evenly spread."""
    return as_tensor(stimuli[:: max(1, len(stimuli) // _FIT_STIMULI)])


def as_tensor(array: Any) -> torch.Tensor:
    """An array as a float32 tensor of its shape."""
    return torch.tensor(array, dtype=torch.float32)
