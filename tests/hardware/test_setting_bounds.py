"""Values that overflow further in are refused where they come in."""

import pytest

from stochsim.hardware import (
    Adc,
    Array,
    Cells,
    Memory,
    Noise,
    RandomSource,
    read_channel_text,
    read_device_text,
)
from stochsim.settings import SettingError


@pytest.mark.parametrize(
    ("build", "most"),
    [
        (lambda value: Noise(read_sigma=value), 1e100),
        (lambda value: Noise(weight_sigma_lsb=value), 1e100),
        (lambda value: Array(adc=Adc(sigma_lsb=value)), 1e100),
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


@pytest.mark.parametrize("read", [read_device_text, read_channel_text])
@pytest.mark.parametrize(
    "text",
    [
        "root:x:0:0:secret\nname:y:1:1:secret\nlast:z:2:2:secret\n",
        "token\nsecret\nsecret\n",
        "[secret]\nkey = 'secret'\nother = 'secret'\n",
        "drive,secret p0,p1\n0,secret,1\n1,secret,0\n",
    ],
)
def test_nothing_of_a_file_that_is_no_table_is_repeated(read, text):
    """A chip file of another person may name any file that its reader can read."""
    with pytest.raises(SettingError) as error:
        read(text, "file.csv")
    assert "secret" not in str(error.value)
