"""Model settings and the factory."""

import numpy as np
import pytest

from stochsim.models import (
    GaussianScaleMixtureModel,
    LinearGaussian,
    LinearGaussianModel,
    ModelSettings,
    SparseCoding,
    SparseCodingModel,
    build_model,
)
from stochsim.settings import SettingError, Settings


class Study(Settings):
    model: ModelSettings


SPARSE = {"kind": "sparse_coding", "neurons": 3, "noise_sd": 0.5, "laplace_scale": 1.0}


def test_kind_decides_and_every_setting_arrives():
    sparse = build_model(Study(model=SPARSE).model, np.eye(3))
    assert isinstance(sparse, SparseCodingModel)
    assert (sparse.noise_sd, sparse.laplace_scale) == (0.5, 1.0)
    gauss = build_model(
        Study(model={"kind": "linear_gaussian", "neurons": 3, "noise_sd": 0.25}).model, np.eye(3)
    )
    assert isinstance(gauss, LinearGaussianModel)
    assert gauss.noise_sd == 0.25
    contrast = {"contrast_shape": 3.0, "contrast_rate": 4.0}
    mixture = build_model(
        Study(
            model={"kind": "gaussian_scale_mixture", "neurons": 3, "noise_sd": 0.25} | contrast
        ).model,
        np.eye(3),
    )
    assert isinstance(mixture, GaussianScaleMixtureModel)
    assert (mixture.noise_sd, mixture.contrast_shape, mixture.contrast_rate) == (0.25, 3.0, 4.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "sparse"}, "sparse_coding"),
        ({"neurons": 0}, "neurons"),
        ({"noise_sd": -1.0}, "noise_sd"),
        ({"noise_sd": float("nan")}, "noise_sd"),
        ({"laplace_scal": 1.0}, "laplace_scale"),
        ({"kind": "gaussian_scale_mixture"}, "laplace_scale"),
        ({"kind": "gaussian_scale_mixtur"}, "gaussian_scale_mixture"),
    ],
)
def test_bad_settings_name_the_field(change, message):
    with pytest.raises(SettingError, match=message):
        Study(model=SPARSE | change)


def test_linear_gaussian_has_no_laplace_scale():
    with pytest.raises(SettingError, match="laplace_scale"):
        LinearGaussian(kind="linear_gaussian", neurons=3, noise_sd=1.0, laplace_scale=1.0)


@pytest.mark.parametrize(("field", "value"), [("contrast_shape", 0.4), ("contrast_rate", 0.0)])
def test_contrast_within_its_rules(field, value):
    with pytest.raises(SettingError, match=field):
        Study(
            model={"kind": "gaussian_scale_mixture", "neurons": 3, "noise_sd": 0.25, field: value}
        )


def test_decoder_of_another_width_is_refused():
    with pytest.raises(SettingError, match=r"'decoder' = .*one column per neuron"):
        build_model(SparseCoding(**SPARSE), np.eye(4))
