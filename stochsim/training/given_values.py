"""What callers of trainings give: stimuli, a decoder, widths; checked, and as training takes it."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike

from stochsim.data import check_stimuli
from stochsim.hardware import Precision
from stochsim.models import ModelSettings, check_model
from stochsim.networks import MOST_BITS
from stochsim.settings import SettingError, check_kind, check_whole, real_array
from stochsim.training.fitting import Floats, as_tensor
from stochsim.training.train_settings import TrainSettings


def widths_of(bits: int | Precision) -> tuple[int, int, int]:
    """Bits of weights, inputs and outputs; raises SettingError for a width outside 1 to 8."""
    if isinstance(bits, Precision):
        return bits.weight_bits, bits.input_bits, bits.output_bits
    width = check_whole("bits", bits, 1, MOST_BITS + 1)
    return width, width, width


def training_stimuli(stimuli: ArrayLike, inputs: int | None = None) -> Floats:
    """Stimuli (stimulus, input) as training takes them; raises SettingError for another shape or
    type, NaN and infinity; inputs: how many numbers each has.
    """
    rule = "should be real numbers (stimulus, input), such as the `train` of a Dataset"
    array = real_array("stimuli", stimuli, rule)
    if array.ndim != 2 or not array.size:
        raise SettingError.of("stimuli", stimuli, rule)
    checked = check_stimuli(array, inputs or array.shape[1])
    is_fixed = checked.base is None and not checked.flags.writeable
    return checked if is_fixed else checked.copy()  # who writes into it later changes no network


def checked_call(
    stimuli: ArrayLike,
    model: ModelSettings,
    settings: TrainSettings,
    key: int,
    inputs: int | None = None,
) -> tuple[Floats, int]:
    """The stimuli and the key of a training; raises SettingError for what is no model, no settings
    of a training, no stimuli and no key; inputs: how many numbers each stimulus has.
    """
    check_model(model)
    check_kind("settings", settings, TrainSettings, "should be TrainSettings(steps=…, …)")
    return training_stimuli(stimuli, inputs), check_whole("key", key, 0, 2**64)


def checked_widths(field: str, widths: Sequence[int]) -> tuple[int, int, int]:
    """Bits of weights, inputs and outputs; raises SettingError for anything else."""
    if not isinstance(widths, tuple | list) or len(widths) != 3:
        rule = "should be bits of weights, inputs and outputs, as in (4, 4, 4)"
        raise SettingError.of(field, widths, rule)
    weight_bits, input_bits, output_bits = (
        check_whole(field, one, 1, MOST_BITS + 1) for one in widths
    )
    return weight_bits, input_bits, output_bits


def checked_decoder(decoder: ArrayLike, shape: tuple[int, ...]) -> torch.Tensor:
    """A decoder of this shape (input, neuron) as a float32 tensor; raises SettingError for another
    shape and what are no finite real numbers.
    """
    rule = f"should be finite real numbers (input, neuron), {shape}"
    array = real_array("decoder", decoder, rule)
    if array.shape != shape or not np.isfinite(array).all():
        raise SettingError.of("decoder", array, rule)
    return as_tensor(np.ascontiguousarray(array))
