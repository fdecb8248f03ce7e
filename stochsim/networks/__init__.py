"""The PyTorch + Brevitas front end: quantisers and the networks that use them."""

from stochsim.networks.feed_forward import FeedForward, NetworkSettings, quantised_from_float
from stochsim.networks.quantizers import optimal_step

__all__ = ["FeedForward", "NetworkSettings", "optimal_step", "quantised_from_float"]
