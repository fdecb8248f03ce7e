"""Training under the price of reliability: the objective with its terms apart, the loop,
checkpoints. What needs torch loads lazily.
"""

from typing import TYPE_CHECKING

from stochsim.lazy import lazy_names
from stochsim.training.settings import Method, TrainSettings

if TYPE_CHECKING:
    from stochsim.training.checkpoint import load_network, save_network
    from stochsim.training.likelihood import activity_cost, reconstruction
    from stochsim.training.loop import TrainingDiverged, TrainResult, train
    from stochsim.training.procedures import (
        Trained,
        learn_bits,
        learn_decoder,
        train_float,
        train_quantised,
    )
    from stochsim.training.terms import Price, Terms, circuit_cost, objective, reliability_cost

__all__ = [
    "Method",
    "Price",
    "Terms",
    "TrainResult",
    "TrainSettings",
    "Trained",
    "TrainingDiverged",
    "activity_cost",
    "circuit_cost",
    "learn_bits",
    "learn_decoder",
    "load_network",
    "objective",
    "reconstruction",
    "reliability_cost",
    "save_network",
    "train",
    "train_float",
    "train_quantised",
]

__getattr__ = lazy_names(
    __name__,
    {
        "stochsim.training.checkpoint": ("load_network", "save_network"),
        "stochsim.training.likelihood": ("activity_cost", "reconstruction"),
        "stochsim.training.loop": ("TrainResult", "TrainingDiverged", "train"),
        "stochsim.training.procedures": (
            "Trained",
            "learn_bits",
            "learn_decoder",
            "train_float",
            "train_quantised",
        ),
        "stochsim.training.terms": (
            "Price",
            "Terms",
            "circuit_cost",
            "objective",
            "reliability_cost",
        ),
    },
)
