"""Training under the price of reliability: the objective with its terms apart, the loop, checkpoints. What needs torch loads lazily."""

from typing import TYPE_CHECKING

from stochsim.lazy import lazy_names
from stochsim.training.settings import TrainSettings

if TYPE_CHECKING:
    from stochsim.training.checkpoint import load_network, save_network
    from stochsim.training.loop import TrainResult, torch_generator, train
    from stochsim.training.objective import Terms, activity_cost, objective, reconstruction, reliability_cost

__all__ = [
    "Terms",
    "TrainResult",
    "TrainSettings",
    "activity_cost",
    "load_network",
    "objective",
    "reconstruction",
    "reliability_cost",
    "save_network",
    "torch_generator",
    "train",
]

__getattr__ = lazy_names(
    __name__,
    {
        "stochsim.training.checkpoint": ("load_network", "save_network"),
        "stochsim.training.loop": ("TrainResult", "torch_generator", "train"),
        "stochsim.training.objective": ("Terms", "activity_cost", "objective", "reconstruction", "reliability_cost"),
    },
)
