"""From settings to a model."""

from numpy.typing import ArrayLike

from stochsim.models.generative_model import GenerativeModel
from stochsim.models.linear_gaussian import LinearGaussianModel
from stochsim.models.model_settings import ModelSettings, check_model
from stochsim.models.scale_mixture import GaussianScaleMixtureModel
from stochsim.models.sparse_coding import SparseCodingModel
from stochsim.settings import SettingError

_KINDS: dict[str, type[GenerativeModel]] = {
    model.kind: model
    for model in (SparseCodingModel, LinearGaussianModel, GaussianScaleMixtureModel)
}


def build_model(settings: ModelSettings, decoder: ArrayLike) -> GenerativeModel:
    """The model of these settings with decoder A (inputs, neurons); SettingError for what are no
    settings of a model, or a decoder that has another number of neurons.

    The settings' fields besides `kind` and `neurons` are the arguments of the model's class.

    >>> import stochsim as ss
    >>> model = ss.build_model(ss.LinearGaussian(neurons=2, noise_sd=0.5), [[1.0, 0.0], [0.0, 2.0]])
    >>> x, r = model.sample(5, key=0)
    >>> x.shape, model.log_joint(x, r).shape
    ((5, 2), (5,))
    """
    check_model(settings)
    model = _KINDS[settings.kind](decoder, **settings.model_dump(exclude={"kind", "neurons"}))
    if model.neurons != settings.neurons:
        rule = f"should have one column per neuron, {settings.neurons}"
        raise SettingError.of("decoder", model.decoder, rule)
    return model
