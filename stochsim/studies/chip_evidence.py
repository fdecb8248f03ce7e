"""The evidence lower bound of a chip's codes."""

import numpy as np
from numpy.typing import NDArray

from stochsim.chip import Chip
from stochsim.models import ModelSettings, code_frequencies, elbo, elbo_of_codes
from stochsim.program import Quantizer, Recurrent
from stochsim.settings import SettingError

Floats = NDArray[np.floating]
_AT_ONCE = 4_000_000  # probabilities at a time: 32 MB


def chip_elbo(
    chip: Chip,
    codes: NDArray[np.int8],
    average: int,
    stimuli: Floats,
    decoder: Floats,
    model: ModelSettings,
) -> Floats:
    """Evidence lower bound (stimulus,), nats, of samples that are means of `average` reads in a
    row of codes (stimulus, read, neuron).

    Of codes spread over their cells, neurons independent: by P(code | stimulus) where the chip
    knows it in closed form, else by the codes' frequencies, as where several reads of a shift
    register, which depend on one another, make a sample. Of a recurrent circuit, whose neurons
    are correlated, by the Gaussian of the samples' moments. See `stochsim.models.evidence`.
    """
    output = chip.program.output
    sums = _summed(codes.astype(np.int64) - output.c_min, average)
    values = _values(output, _levels(chip, average), average)
    if isinstance(chip.program.wiring, Recurrent):
        if output.is_per_neuron:
            return elbo(output.exact_values(codes), stimuli, decoder, model)
        return elbo(values[sums], stimuli, decoder, model)
    found = np.empty(len(stimuli))
    at_once = max(1, _AT_ONCE // (values.shape[-1] * codes.shape[2]))
    for first in range(0, len(stimuli), at_once):
        part = slice(first, first + at_once)
        probabilities = _probabilities(chip, stimuli[part], sums[part], average)
        found[part] = elbo_of_codes(probabilities, values, stimuli[part], decoder, model)
    return found


def _values(output: Quantizer, sums: NDArray[np.int64], average: int) -> Floats:
    """The means (level,) of `average` values whose codes, counted from 0, have these sums; (neuron,
    level) where every neuron has values of its own.
    """
    if output.book is None:
        return output.exact_values(np.array(output.c_min)) + output.step / average * sums
    if average > 1:
        rule = f"should be 1 with outputs of '{output.book.name}': a sum of codes says no mean"
        raise SettingError.of("average", average, rule)
    return (
        output.value_table.T if output.is_per_neuron else output.exact_values(sums + output.c_min)
    )


def _levels(chip: Chip, average: int) -> NDArray[np.int64]:
    """The sums that `average` codes, counted from 0, can have."""
    return np.arange(average * (chip.program.output.levels - 1) + 1)


def _summed(codes: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Sums of `count` reads in a row: (stimulus, count · n, neuron) to (stimulus, n, neuron)."""
    return codes.reshape(len(codes), -1, count, codes.shape[2]).sum(axis=2)


def _probabilities(chip: Chip, x: Floats, sums: NDArray[np.int64], average: int) -> Floats:
    """P(sum of codes | stimulus), (stimulus, neuron, level); the frequencies among `sums` where
    the chip has no closed form, or sums codes that are not independent.
    """
    levels = len(_levels(chip, average))
    if average > 1 and not chip.reads_are_independent():
        return code_frequencies(sums, levels)
    try:
        single = chip.probabilities(x)
    except SettingError:
        return code_frequencies(sums, levels)
    return single if average == 1 else _of_sums(single, average, levels)


def _of_sums(single: Floats, count: int, levels: int) -> Floats:
    """Law of the sum of `count` independent codes, by the convolution theorem."""
    found = np.fft.irfft(np.fft.rfft(single, levels) ** count, levels)
    found = np.maximum(found, 0)
    return found / found.sum(axis=-1, keepdims=True)
