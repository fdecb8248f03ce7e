"""`train`: a float network for a generative model, in one call."""

from typing import Any

from numpy.typing import ArrayLike

from stochsim.hardware import Hardware, check_hardware
from stochsim.models import ModelSettings, check_model
from stochsim.networks import ARCHITECTURES, ArchitectureSettings, usual_torch
from stochsim.settings import check_choice, check_rho, check_whole
from stochsim.training.fitting import Progress
from stochsim.training.given_values import training_stimuli
from stochsim.training.train_settings import TrainSettings
from stochsim.training.trained_network import (
    TrainedNetwork,
    learn_decoder,
    train_float,
)


@usual_torch()
def train(  # noqa: PLR0913 - public: settings are given by keyword
    model: ModelSettings,
    stimuli: ArrayLike,
    key: int,
    *,
    architecture: str | ArchitectureSettings = "single",
    rho: float = 0.0,
    decoder: ArrayLike | None = None,
    hardware: Hardware | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> TrainedNetwork:
    """A float network trained for `model` on stimuli (stimulus, input), with the decoder (input,
    neuron) that it learns at rho = 0, or with a given one.

    architecture: "single", "deep" or "recurrent", or ArchitectureSettings. rho: exponent of the
    price of reliability; 0 is the price at which training maximises the evidence lower bound.
    hardware: whose price of reliability holds, where `nats_per_joule` is among the options.
    options: of TrainSettings, such as steps, batch, learning_rate, device. Same key, same network,
    on one machine with the same versions.

    Raises SettingError for what is no model, no stimuli, or an unknown option; TrainingDiverged
    where a term of the objective stops being finite.

    >>> import stochsim as ss
    >>> data = ss.load_dataset("digits", size=8, components=8, key=0)
    >>> model = ss.SparseCoding(neurons=12, noise_sd=0.5, laplace_scale=1.0)
    >>> full = ss.train(model, data.train, steps=20, key=0)
    >>> full.sample(data.held_out[:2], reads=5, key=0).values.shape
    (2, 5, 12)
    """
    check_model(model)
    key = check_whole("key", key, 0, 2**64)
    rho = check_rho(rho)
    if hardware is not None:
        check_hardware(hardware)
    data = training_stimuli(stimuli)
    settings = TrainSettings(**options)
    full = learn_decoder(data, model, settings, key, progress, decoder=decoder)
    chosen = architecture
    if not isinstance(chosen, ArchitectureSettings):
        kind = check_choice("architecture", chosen, ARCHITECTURES)
        chosen = ArchitectureSettings(kind=kind)
    if chosen == ArchitectureSettings() and rho == 0 and settings.nats_per_joule is None:
        return full
    return train_float(
        full,
        data,
        model,
        settings,
        rho,
        key,
        architecture=chosen,
        hardware=hardware,
        progress=progress,
    )
