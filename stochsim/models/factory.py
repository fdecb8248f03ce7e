"""From settings to a model."""

from numpy.typing import ArrayLike

from stochsim.models.base import GenerativeModel
from stochsim.models.linear_gaussian import LinearGaussian
from stochsim.models.settings import LinearGaussianSettings, SparseCodingSettings
from stochsim.models.sparse_coding import SparseCoding
from stochsim.settings import SettingError


def build_model(settings: SparseCodingSettings | LinearGaussianSettings, decoder: ArrayLike) -> GenerativeModel:
    """The model of these settings with decoder A (inputs, neurons); SettingError if the decoder has another number of neurons."""
    model = (
        SparseCoding(decoder, settings.noise_sd, settings.laplace_scale)
        if isinstance(settings, SparseCodingSettings)
        else LinearGaussian(decoder, settings.noise_sd)
    )
    if model.neurons != settings.neurons:
        raise SettingError(f"'decoder' has {model.neurons} columns; the rule is one per neuron, {settings.neurons}")
    return model
