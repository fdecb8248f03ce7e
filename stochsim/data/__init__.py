"""Data: natural image patches and digits, shipped with packages and never downloaded."""

from stochsim.data.checks import check_data, check_stimuli
from stochsim.data.dataset import Dataset, load_dataset
from stochsim.data.settings import DataSettings
from stochsim.data.stimuli import evaluation_stimuli
from stochsim.data.whitening import CLIP, Whitening

__all__ = [
    "CLIP",
    "DataSettings",
    "Dataset",
    "Whitening",
    "check_data",
    "check_stimuli",
    "evaluation_stimuli",
    "load_dataset",
]
