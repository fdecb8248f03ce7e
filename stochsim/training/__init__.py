"""Training under the price of reliability: the objective with its terms apart, the loop, checkpoints. What needs torch loads lazily."""

from typing import TYPE_CHECKING

from stochsim.lazy import lazy_names
from stochsim.training.settings import TrainSettings

if TYPE_CHECKING:
    from stochsim.training.checkpoint import load_network, save_network
    from stochsim.training.loop import TrainResult, train
    from stochsim.training.procedures import Trained, learn_decoder, train_float, train_quantised
    from stochsim.training.terms import Terms, activity_cost, objective, reconstruction, reliability_cost

__all__ = [
    "Terms",
    "TrainResult",
    "TrainSettings",
    "Trained",
    "activity_cost",
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
        "stochsim.training.loop": ("TrainResult", "train"),
        "stochsim.training.procedures": ("Trained", "learn_decoder", "train_float", "train_quantised"),
        "stochsim.training.terms": ("Terms", "activity_cost", "objective", "reconstruction", "reliability_cost"),
    },
)
