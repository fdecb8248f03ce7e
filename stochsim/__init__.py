"""stochsim: does a noisy low-bit network still sample the right posterior, and at how many joules?

The public names below load on first use, so `import stochsim` is quick and brings in neither torch
nor Numba.
"""

from typing import TYPE_CHECKING

from stochsim.lazy import lazy_names

__version__ = "0.1.0"

if TYPE_CHECKING:
    from stochsim.conversion import convert, load_converted
    from stochsim.data import Dataset, evaluation_stimuli, load_dataset
    from stochsim.deploy import (
        Bill,
        Chip,
        FloatChip,
        Program,
        Samples,
        compare_converters,
        export_program,
        float_program,
    )
    from stochsim.energy import Energy, Operations, format_energy, price
    from stochsim.hardware import Hardware, Noise, Precision, Timing, preset, presets
    from stochsim.keys import fold_in
    from stochsim.models import (
        GaussianScaleMixtureSettings,
        LinearGaussian,
        LinearGaussianSettings,
        Reference,
        SparseCoding,
        SparseCodingSettings,
        build_model,
    )
    from stochsim.networks import (
        ArchitectureSettings,
        FeedForward,
        NetworkSettings,
        quantised_from_float,
    )
    from stochsim.optimize import run_optimize
    from stochsim.posterior import Estimate, Survival, Yardstick, cliff, compare, survival
    from stochsim.report import write_report
    from stochsim.settings import SettingError, StochsimError
    from stochsim.sweep import Study, collect, run_sweep
    from stochsim.training import (
        Trained,
        TrainSettings,
        learn_bits,
        learn_decoder,
        load_network,
        objective,
        save_network,
        train,
        train_float,
        train_quantised,
    )

_FILES = {
    "stochsim.conversion": ("convert", "load_converted"),
    "stochsim.data": ("Dataset", "evaluation_stimuli", "load_dataset"),
    "stochsim.deploy": (
        *(
            "Bill",
            "Chip",
            "FloatChip",
            "Program",
            "Samples",
            "compare_converters",
            "export_program",
        ),
        "float_program",
    ),
    "stochsim.energy": ("Energy", "Operations", "format_energy", "price"),
    "stochsim.hardware": ("Hardware", "Noise", "Precision", "Timing", "preset", "presets"),
    "stochsim.keys": ("fold_in",),
    "stochsim.models": (
        *(
            "GaussianScaleMixtureSettings",
            "LinearGaussian",
            "LinearGaussianSettings",
            "Reference",
            "SparseCoding",
        ),
        *("SparseCodingSettings", "build_model"),
    ),
    "stochsim.networks": (
        "ArchitectureSettings",
        "FeedForward",
        "NetworkSettings",
        "quantised_from_float",
    ),
    "stochsim.optimize": ("run_optimize",),
    "stochsim.posterior": ("Estimate", "Survival", "Yardstick", "cliff", "compare", "survival"),
    "stochsim.report": ("write_report",),
    "stochsim.settings": ("SettingError", "StochsimError"),
    "stochsim.sweep": ("Study", "collect", "run_sweep"),
    "stochsim.training": (
        *(
            "TrainSettings",
            "Trained",
            "learn_bits",
            "learn_decoder",
            "load_network",
            "objective",
            "save_network",
        ),
        *("train", "train_float", "train_quantised"),
    ),
}

__all__ = [
    "ArchitectureSettings",
    "Bill",
    "Chip",
    "Dataset",
    "Energy",
    "Estimate",
    "FeedForward",
    "FloatChip",
    "GaussianScaleMixtureSettings",
    "Hardware",
    "LinearGaussian",
    "LinearGaussianSettings",
    "NetworkSettings",
    "Noise",
    "Operations",
    "Precision",
    "Program",
    "Reference",
    "Samples",
    "SettingError",
    "SparseCoding",
    "SparseCodingSettings",
    "StochsimError",
    "Study",
    "Survival",
    "Timing",
    "TrainSettings",
    "Trained",
    "Yardstick",
    "build_model",
    "cliff",
    "collect",
    "compare",
    "compare_converters",
    "convert",
    "evaluation_stimuli",
    "export_program",
    "float_program",
    "fold_in",
    "format_energy",
    "learn_bits",
    "learn_decoder",
    "load_converted",
    "load_dataset",
    "load_network",
    "objective",
    "preset",
    "presets",
    "price",
    "quantised_from_float",
    "run_optimize",
    "run_sweep",
    "save_network",
    "survival",
    "train",
    "train_float",
    "train_quantised",
    "write_report",
]

__getattr__ = lazy_names(__name__, _FILES)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
