"""Scales of blocks on their formats: nearest, or the nearest that are not smaller, by a scan."""

import numpy as np
import pytest

from stochsim.formats import E4M3, E8M0, FP16, are_on_format, code_book, scales_on_format
from stochsim.settings import SettingError

SCALES = np.random.default_rng(0).lognormal(0, 2, 500)
LARGEST = float(SCALES.max())
VALUES = {
    E8M0: 2.0 ** np.arange(-60, 60),
    E4M3: LARGEST / 448 * np.array([one for one in code_book("fp8-e4m3").values if one > 0]),
}


@pytest.mark.parametrize("name", list(VALUES))
def test_scales_that_cover_are_the_nearest_that_are_not_smaller(name: str) -> None:
    found = scales_on_format(SCALES, name, LARGEST, covers=True)
    wanted = [VALUES[name][VALUES[name] >= one * (1 - 1e-12)].min() for one in SCALES]
    assert found == pytest.approx(np.array(wanted), rel=1e-9)
    assert are_on_format(found, name)
    on_format = VALUES[name][40:50]
    assert scales_on_format(on_format, name, LARGEST, covers=True) == pytest.approx(on_format)


def test_scales_are_the_nearest() -> None:
    found = scales_on_format(SCALES, E8M0, LARGEST)
    assert np.all(np.abs(np.log2(found / SCALES)) <= 0.5 + 1e-12)
    found = scales_on_format(SCALES, E4M3, LARGEST)
    wanted = VALUES[E4M3][np.abs(SCALES[:, None] - VALUES[E4M3]).argmin(1)]
    assert found == pytest.approx(wanted, rel=1e-9)
    assert not are_on_format(SCALES, E4M3)
    assert np.array_equal(scales_on_format(SCALES, FP16, LARGEST), SCALES)


def test_a_format_of_scales_that_is_none_names_the_nearest() -> None:
    with pytest.raises(SettingError, match="did you mean 'e8m0'"):
        scales_on_format(SCALES, "e8m1", LARGEST)
