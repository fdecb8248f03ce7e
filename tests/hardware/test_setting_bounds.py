"""Values that overflow further in are refused where they come in."""

import pytest

from stochsim.hardware import Array, Cells, Converter, Memory, Noise, RandomSource
from stochsim.settings import SettingError


@pytest.mark.parametrize(
    ("build", "most"),
    [
        (lambda value: Noise(read_sigma=value), 1e100),
        (lambda value: Noise(weight_sigma_lsb=value), 1e100),
        (lambda value: Array(converter=Converter(sigma_lsb=value)), 1e100),
        (lambda value: Array(cells=Cells(read_sigma=value)), 1e100),
        (lambda value: Memory(voltage_over_vmin=value), 100),
        (lambda value: RandomSource(neurons_per_source=int(value)), 2**20),
        (lambda value: RandomSource(random_bits_per_code=int(value)), 2**20),
    ],
)
def test_what_would_overflow_is_refused(build, most):
    build(most)
    for value in (most * 1.01 + 1, 1e300):
        with pytest.raises(SettingError, match="should be less than or equal to"):
            build(value)
