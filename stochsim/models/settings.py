"""The settings of the generative models, told apart by `kind`."""

from typing import Annotated, Literal

import pydantic

from stochsim.settings import Settings

Positive = Annotated[float, pydantic.Field(gt=0)]


class SparseCodingSettings(Settings):
    """Sparse coding: x ~ N(A r, noise_sd² I), r Laplace of scale `laplace_scale` (its mean size, in units of r) in every neuron."""

    kind: Literal["sparse_coding"] = "sparse_coding"
    neurons: Annotated[int, pydantic.Field(ge=1)]
    noise_sd: Positive
    laplace_scale: Positive


class LinearGaussianSettings(Settings):
    """Linear-Gaussian: x ~ N(A r, noise_sd² I), r ~ N(0, I)."""

    kind: Literal["linear_gaussian"] = "linear_gaussian"
    neurons: Annotated[int, pydantic.Field(ge=1)]
    noise_sd: Positive


ModelSettings = Annotated[SparseCodingSettings | LinearGaussianSettings, pydantic.Field(discriminator="kind")]
"""Any of them, as the type of a field; `kind` decides which."""
