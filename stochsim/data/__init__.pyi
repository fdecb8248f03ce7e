from .array_checks import check_data as check_data
from .array_checks import check_stimuli as check_stimuli
from .data_settings import DataSettings as DataSettings
from .dataset import Dataset as Dataset
from .dataset import load_dataset as load_dataset
from .stimuli import evaluation_stimuli as evaluation_stimuli
from .whitening import CLIP as CLIP
from .whitening import Whitening as Whitening
