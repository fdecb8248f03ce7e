"""The PyTorch + Brevitas front end: quantisers and the networks that use them.

What needs torch loads lazily.
"""

from typing import TYPE_CHECKING

from stochsim.lazy import lazy_names
from stochsim.networks.settings import LAYERS, Architecture, ArchitectureSettings, NetworkSettings

if TYPE_CHECKING:
    from stochsim.networks.base import Network, Response
    from stochsim.networks.deep import Deep
    from stochsim.networks.feed_forward import FeedForward
    from stochsim.networks.noise import Draws, HardwareNoise
    from stochsim.networks.quantise import build_network, quantised_from_float
    from stochsim.networks.quantizers import optimal_step
    from stochsim.networks.recurrent import Recurrent

__all__ = [
    "LAYERS",
    "Architecture",
    "ArchitectureSettings",
    "Deep",
    "Draws",
    "FeedForward",
    "HardwareNoise",
    "Network",
    "NetworkSettings",
    "Recurrent",
    "Response",
    "build_network",
    "optimal_step",
    "quantised_from_float",
]

__getattr__ = lazy_names(
    __name__,
    {
        "stochsim.networks.base": ("Network", "Response"),
        "stochsim.networks.deep": ("Deep",),
        "stochsim.networks.feed_forward": ("FeedForward",),
        "stochsim.networks.noise": ("Draws", "HardwareNoise"),
        "stochsim.networks.quantise": ("build_network", "quantised_from_float"),
        "stochsim.networks.quantizers": ("optimal_step",),
        "stochsim.networks.recurrent": ("Recurrent",),
    },
)
