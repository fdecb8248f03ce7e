"""Data, models and measures: public functions with right arguments."""

import dataclasses
import functools
from typing import Any

import numpy as np
from _fuzz_parts import (
    LINEAR,
    Door,
    built_model,
    dataset,
    given_as,
    method_of,
    normal,
    orthogonal_model,
    posterior_distance,
    reference,
    some_samples,
)

import stochsim as ss
from stochsim import data, models, posterior


def _data_and_models() -> dict[str, Door]:
    doors = {
        "load_dataset": Door(
            ss.load_dataset, lambda: {"kind": "digits", "size": 8, "components": 8, "key": 0}
        ),
        "evaluation_stimuli": Door(
            data.evaluation_stimuli, lambda: {"dataset": dataset(), "count": 8, "key": 0}
        ),
        "Dataset": Door(
            lambda **given: dataclasses.replace(dataset(), **given),
            lambda: {"train": dataset().train.copy(), "held_out": dataset().held_out.copy()},
        ),
        "SparseCoding": Door(
            ss.SparseCoding, lambda: {"neurons": 4, "noise_sd": 0.5, "laplace_scale": 1.0}
        ),
        "LinearGaussian": Door(ss.LinearGaussian, lambda: {"neurons": 4, "noise_sd": 0.5}),
        "GaussianScaleMixture": Door(
            ss.GaussianScaleMixture, lambda: {"neurons": 4, "noise_sd": 0.5}
        ),
        "build_model": Door(
            lambda **given: ss.build_model(**given).reference(normal(2, 8), 0),
            lambda: {"settings": LINEAR, "decoder": normal(8, 4)},
        ),
        "elbo": Door(
            models.elbo,
            lambda: {
                "values": some_samples(),
                "x": normal(3, 8),
                "decoder": normal(8, 4),
                "model": LINEAR,
                "sigma": np.ones(4),
            },
        ),
        "orthogonal_posterior_moments": Door(
            models.orthogonal_posterior_moments,
            lambda: {"model": orthogonal_model(), "x": normal(3, 4)},
        ),
        "reference.subset": Door(
            lambda **given: reference().subset(**given), lambda: {"which": 1, "n": 60}
        ),
        "reference.compare": Door(
            lambda **given: str(reference().compare(**given)),
            lambda: {
                "samples": some_samples(),
                "against": some_samples(),
                "key": 0,
                "directions": 4,
            },
        ),
        "Reference.from_draws": Door(
            ss.Reference.from_draws,
            lambda: {
                "draws": normal(3, 4, 10, 2).astype(np.float32),
                "diagnostics": models.Diagnostics(np.ones(3), np.ones(3), np.ones(3, np.int64)),
            },
        ),
        "Diagnostics": Door(
            models.Diagnostics,
            lambda: {
                "rhat": np.ones(3),
                "ess_per_draw": np.ones(3),
                "thinning": np.ones(3, np.int64),
            },
        ),
        "reference.save": Door(lambda **given: reference().save(**given), lambda: {"path": "ref"}),
        "Reference": Door(
            lambda **given: dataclasses.replace(reference(), **given),
            lambda: {
                "draws": np.asarray(reference().draws).copy(),
                "mean": reference().mean.copy(),
                "covariance": reference().covariance.copy(),
            },
        ),
    }
    rows = {"x": normal(3, 8), "r": normal(3, 4)}
    few = {"stimuli": normal(1, 8), "key": 0, "first_stimulus": 0}
    for kind in ("linear", "sparse", "mixture"):
        made = functools.partial(built_model, kind)
        doors |= {
            f"{kind} log_joint": Door(method_of(made, "log_joint"), given_as(**rows)),
            f"{kind} log_likelihood": Door(method_of(made, "log_likelihood"), given_as(**rows)),
            f"{kind} log_prior": Door(method_of(made, "log_prior"), given_as(r=normal(3, 4))),
            f"{kind} model.sample": Door(method_of(made, "sample"), given_as(count=3, key=0)),
            f"{kind} model.reference": Door(method_of(made, "reference"), given_as(**few)),
        }
    return doors


def _measures() -> dict[str, Door]:
    def distance(**given: Any) -> Any:
        made = posterior.PosteriorDistance(**given)
        return made.distance(some_samples()), made.blind(0)

    covariance = np.stack([np.eye(4)] * 3)
    return {
        "PosteriorDistance": Door(
            distance,
            lambda: {
                "sets": (reference().subset(0, 60), reference().subset(1, 60)),
                "mean": reference().mean,
                "sd": reference().sd,
                "directions": 4,
                "key": 0,
            },
        ),
        "distance": Door(
            lambda **given: posterior_distance().distance(**given),
            lambda: {"values": some_samples()},
        ),
        "blind": Door(lambda **given: posterior_distance().blind(**given), lambda: {"key": 0}),
        "blind_draws": Door(
            posterior.blind_draws, lambda: {"draws": some_samples(), "count": 10, "key": 0}
        ),
        "unit_directions": Door(
            posterior.unit_directions, lambda: {"count": 4, "neurons": 3, "key": 0}
        ),
        "effective_sample_size": Door(
            posterior.effective_sample_size, lambda: {"values": some_samples()}
        ),
        "effective_samples": Door(
            posterior.effective_samples,
            lambda: {"values": some_samples(), "independent": False, "period": None},
        ),
        "bootstrap": Door(
            lambda values, **given: str(
                posterior.bootstrap(lambda rows: np.mean(rows, axis=1), values, **given)
            ),
            lambda: {"values": normal(5), "key": 0, "resamples": 100, "level": 0.95},
        ),
        "mean_estimate": Door(
            lambda **given: str(posterior.mean_estimate(**given)),
            lambda: {"array": normal(5), "key": 0, "reason": "none"},
        ),
        "sample_moments": Door(posterior.sample_moments, lambda: {"values": some_samples()}),
        "gaussian_kl": Door(
            posterior.gaussian_kl,
            lambda: {
                "chip_mean": normal(3, 4),
                "chip": covariance.copy(),
                "mean": normal(3, 4),
                "covariance": covariance.copy(),
            },
        ),
        "expected_gaussian_kl": Door(
            posterior.expected_gaussian_kl,
            lambda: {"neurons": 3, "reads": 100, "reference_draws": 100},
        ),
        "log_sd_correlation": Door(
            posterior.log_sd_correlation,
            lambda: {"chip_sd": np.exp(normal(3, 4)), "sd": np.exp(normal(3, 4))},
        ),
        "compare": Door(
            lambda **given: posterior.compare(**given).per_stimulus(),
            lambda: {
                "values": some_samples(),
                "mean": reference().mean,
                "covariance": reference().covariance,
                "draws": reference().subset(1, 60),
                "step": 0.1,
                "inputs": normal(3, 8),
                "dictionary": normal(8, 4),
            },
        ),
        "sampling_quality": Door(
            lambda **given: str(posterior.sampling_quality(**given)),
            lambda: {
                "to_posterior": posterior_distance(),
                "draws": reference().subset(1, 60),
                "reads": posterior.as_reads("samples", some_samples()),
                "against": some_samples(),
                "key": 0,
            },
        ),
        "survival": Door(
            lambda **given: str(posterior.survival(**given)),
            lambda: {
                "d": normal(5),
                "d_blind": normal(5) + 9,
                "d_full": normal(5) - 1,
                "key": 0,
            },
        ),
        "cliff": Door(
            posterior.cliff,
            lambda: {
                "widths": [2, 4],
                "survivals": [posterior.survival(normal(5), normal(5) + 9, normal(5), 0)] * 2,
            },
        ),
        "thin_to_ess": Door(
            lambda **given: posterior.thin_to_ess(**given),
            lambda: {"values": normal(2, 400, 3), "reads": 20, "fraction": 0.8},
        ),
        "Estimate": Door(
            lambda **given: str(ss.Estimate(**given)),
            lambda: {"value": 0.5, "low": 0.4, "high": 0.6, "reason": ""},
        ),
    }


def model_doors() -> dict[str, Door]:
    """All of them by name."""
    return {**_data_and_models(), **_measures()}
