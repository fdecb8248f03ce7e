"""A chip's reads held against the reference posterior: distance D, the measures beside it, survival
S, the cliff, and their intervals.
"""

from stochsim.posterior.comparison import Comparison, compare
from stochsim.posterior.distances import Distances, Yardstick, blind_draws, unit_directions
from stochsim.posterior.effective import (
    BY_CONSTRUCTION,
    MEASURED,
    NOTHING_VARIES,
    effective_sample_size,
    effective_samples,
)
from stochsim.posterior.intervals import Estimate, bootstrap, mean_estimate
from stochsim.posterior.moments import (
    expected_gaussian_kl,
    gaussian_kl,
    log_sd_correlation,
    sample_moments,
)
from stochsim.posterior.survival import CLIFF_SURVIVAL, LEAST_GAIN, Survival, cliff, survival
from stochsim.posterior.thinning import thin_to_ess

__all__ = [
    "BY_CONSTRUCTION",
    "CLIFF_SURVIVAL",
    "LEAST_GAIN",
    "MEASURED",
    "NOTHING_VARIES",
    "Comparison",
    "Distances",
    "Estimate",
    "Survival",
    "Yardstick",
    "blind_draws",
    "bootstrap",
    "cliff",
    "compare",
    "effective_sample_size",
    "effective_samples",
    "expected_gaussian_kl",
    "gaussian_kl",
    "log_sd_correlation",
    "mean_estimate",
    "sample_moments",
    "survival",
    "thin_to_ess",
    "unit_directions",
]
