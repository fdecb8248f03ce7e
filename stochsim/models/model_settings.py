"""The settings of the generative models, distinguished by `kind`."""

from typing import Annotated, Literal

import pydantic

from stochsim.settings import Scale, SettingError, Settings

Neurons = Annotated[int, pydantic.Field(ge=1, le=2**20)]
"""How many neurons: more than a covariance of all pairs has room for."""

LEAST_SHAPE = 0.5
"""The smallest contrast_shape: down to it the quadrature over the contrast was checked."""


class SparseCoding(Settings):
    """Sparse coding: x ~ N(A r, noise_sd² I), r Laplace of scale `laplace_scale` (its mean size, in
    units of r) in every neuron.

    >>> import stochsim as ss
    >>> ss.SparseCoding(neurons=64, noise_sd=0.5, laplace_scale=1.0).neurons
    64
    """

    kind: Literal["sparse_coding"] = "sparse_coding"
    neurons: Neurons
    noise_sd: Scale
    laplace_scale: Scale


class LinearGaussian(Settings):
    """Linear-Gaussian: x ~ N(A r, noise_sd² I), r ~ N(0, I).

    >>> import stochsim as ss
    >>> model = ss.LinearGaussian(neurons=2, noise_sd=0.5)
    >>> ss.build_model(model, [[1.0, 0.0], [0.0, 1.0]]).posterior([[1.0, 0.0]])[0]
    array([[0.8, 0. ]])
    """

    kind: Literal["linear_gaussian"] = "linear_gaussian"
    neurons: Neurons
    noise_sd: Scale


class GaussianScaleMixture(Settings):
    """Gaussian scale mixture: x ~ N(z A r, noise_sd² I), r ~ N(0, I), contrast z ~
    Gamma(contrast_shape, contrast_rate) of mean shape/rate.

    The defaults of the contrast, Γ(2, 2), are those of Echeveste et al. (2020).

    >>> import stochsim as ss
    >>> ss.GaussianScaleMixture(neurons=64, noise_sd=0.5).contrast_shape
    2.0
    """

    kind: Literal["gaussian_scale_mixture"] = "gaussian_scale_mixture"
    neurons: Neurons
    noise_sd: Scale
    contrast_shape: Annotated[float, pydantic.Field(ge=LEAST_SHAPE, le=1e6)] = 2.0
    contrast_rate: Scale = 2.0


MODELS = (SparseCoding, LinearGaussian, GaussianScaleMixture)
"""All of them."""

ModelSettings = Annotated[
    SparseCoding | LinearGaussian | GaussianScaleMixture,
    pydantic.Field(discriminator="kind"),
]
"""Any of them, as the type of a field; `kind` decides which."""


def check_model(settings: object) -> None:
    """Raise SettingError for what are no settings of a model."""
    if not isinstance(settings, MODELS):
        rule = "should be a model, such as SparseCoding(neurons=64, noise_sd=0.5, laplace_scale=1)"
        names = [one.__name__ for one in MODELS]
        raise SettingError.of("model", settings, rule, names)
