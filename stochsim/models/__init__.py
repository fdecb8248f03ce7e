"""Generative models: joint density, samples and a reference posterior that can be trusted."""

from stochsim.models.base import GenerativeModel
from stochsim.models.diagnostics import Diagnostics
from stochsim.models.factory import build_model
from stochsim.models.linear_gaussian import LinearGaussian
from stochsim.models.reference import Reference
from stochsim.models.scale_mixture import GaussianScaleMixture
from stochsim.models.settings import (
    GaussianScaleMixtureSettings,
    LinearGaussianSettings,
    ModelSettings,
    SparseCodingSettings,
)
from stochsim.models.sparse_coding import SparseCoding, orthogonal_posterior_moments

__all__ = [
    "Diagnostics",
    "GaussianScaleMixture",
    "GaussianScaleMixtureSettings",
    "GenerativeModel",
    "LinearGaussian",
    "LinearGaussianSettings",
    "ModelSettings",
    "Reference",
    "SparseCoding",
    "SparseCodingSettings",
    "build_model",
    "orthogonal_posterior_moments",
]
