"""How exact the grid is on which ADCs that differ see partial sums: mean and variance of the codes
that its tables draw, against the Gaussian between ideal edges (SciPy), where the ADC's step is no
whole number of cell steps.
"""

from typing import Any

import numpy as np
import pytest
from arraytest import array_of, product_of, random_inputs, random_weights
from scipy.special import ndtr
from stochsim_kernels.array.adc_channel import AdcChannel, line_codes
from stochsim_kernels.reference.crossbar_sums import WHOLE, masses

from stochsim.chip.array import adc
from stochsim.chip.array.array_product import ArrayProduct
from stochsim.hardware import Adc, Cells

WEIGHTS, X = random_weights(4, 16, 128), random_inputs(4, 8, 128)
SIGMA = 0.2887
CASES: dict[str, dict[str, Any]] = {
    "offsets": {"adc": {"offset_sigma_lsb": 1e-9}, "cells": {}},
    "conductances": {"adc": {}, "cells": {"wire_ohm": 1e-9}},
}


def product_on_a_grid(case: str, bits: int) -> ArrayProduct:
    parts = CASES[case]
    converter = Adc(bits=bits, range="calibrated", sigma_lsb=SIGMA, **parts["adc"])
    array = array_of(converter, Cells(**parts["cells"]), rows=128)
    product: ArrayProduct = product_of(WEIGHTS, array, calibration=X.astype(float))
    assert product.conversion.gain.size
    assert product.range.lsb % 1 != 0
    return product


def masses_at(channel: AdcChannel, positions: np.ndarray) -> np.ndarray:
    """Those rows of the reference's `masses` that are at these positions, (position, code)."""
    cells = 1 << channel.bits
    entries = channel.entries.reshape(-1, cells)[positions].astype(np.int64)
    threshold, alias = np.divmod(entries, cells)
    line = channel.slope, channel.intercept, channel.shift, channel.base_last
    base = line_codes(positions, *line).astype(np.int64)[:, None]
    out = np.zeros((len(positions), channel.code_max - channel.code_min + 1), np.int64)
    shares = ((np.arange(cells), threshold), (alias, WHOLE // cells - threshold))
    for code, mass in shares:
        row, cell = mass.nonzero()
        np.add.at(out, (row, (base + code)[row, cell]), mass[row, cell])
    return out


@pytest.mark.filterwarnings("ignore::stochsim.chip.CoarseAdcWarning")
def test_masses_at_positions_are_those_of_the_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a coarse grid, for the reference goes through all of it in plain Python."""
    monkeypatch.setattr(adc, "_FINEST", 6)
    channel = product_on_a_grid("offsets", 4).conversion.channel
    wanted = masses(channel)
    assert (wanted.sum(1) == WHOLE).all()
    positions = np.random.default_rng(0).permutation(len(wanted))
    assert np.array_equal(masses_at(channel, positions), wanted[positions])


def worst(product: ArrayProduct, x: np.ndarray = X) -> tuple[float, float]:
    """The largest error of a code's mean, in the sd of a conversion √(σ² + 1/12), and of its
    variance, relative to that sd squared, over the partial sums of x.
    """
    found = product.conversion
    sums = np.unique(np.rint(product._clean_sums(x) * product.cells.unit).astype(np.int64))
    gain, offset = (int(each[0, 0, 0]) for each in (found.gain, found.offset))
    positions = np.clip((gain * sums + offset) >> found.shift, 0, found.channel.positions - 1)
    drawn = masses_at(found.channel, positions) / 2.0**32
    value = sums / product.cells.unit / product.range.lsb - product.range.c_min
    edges = np.arange(drawn.shape[1] - 1) + 0.5
    below = ndtr((edges - value[:, None]) / SIGMA)
    expected = np.diff(below, prepend=0.0, append=1.0)
    sd = np.sqrt(SIGMA**2 + 1 / 12)
    (mean, spread), (true_mean, true_spread) = map(_moments, (drawn, expected))
    bias = np.abs(mean - true_mean).max() / sd
    return float(bias), float(np.abs(spread - true_spread).max() / sd**2)


def _moments(law: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of codes with these probabilities (sum, code)."""
    codes = np.arange(law.shape[1])
    mean = law @ codes
    return mean, law @ codes**2 - mean**2


@pytest.mark.filterwarnings("ignore::stochsim.chip.CoarseAdcWarning")
@pytest.mark.parametrize("bits", [4, 6])
@pytest.mark.parametrize("case", CASES)
def test_codes_have_the_mean_and_variance_of_the_gaussian(case: str, bits: int) -> None:
    """A grid of 2^-10 LSB: half a point is 0.0017 of the noise's sd."""
    bias, variance = worst(product_on_a_grid(case, bits))
    assert bias < 0.0018
    assert variance < 0.0018


def test_a_coarser_grid_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """64 points to an LSB: up to 0.026 sd and 2.4 %."""
    monkeypatch.setattr(adc, "_FINEST", 6)
    bias, variance = worst(product_on_a_grid("conductances", 6))
    assert 0.01 < bias < 0.028
    assert 0.01 < variance < 0.026


def product_of_wide_cells(cell_bits: int, cycle_bits: int) -> tuple[ArrayProduct, np.ndarray]:
    """A product of 8-bit weights and inputs, with conductances between cell steps, and inputs."""
    weights, x = random_weights(8, 6, 128), random_inputs(8, 40, 128)
    converter = Adc(bits=8, range="calibrated", sigma_lsb=SIGMA)
    array = array_of(
        converter, Cells(wire_ohm=1e-9), rows=128, cell_bits=cell_bits, cycle_bits=cycle_bits
    )
    product: ArrayProduct = product_of(weights, array, 8, 8, calibration=x.astype(float))
    return product, x


@pytest.mark.filterwarnings("ignore::stochsim.chip.CoarseAdcWarning")
@pytest.mark.parametrize(("cell_bits", "cycle_bits"), [(1, 8), (4, 4), (8, 1), (8, 4), (8, 8)])
def test_codes_have_the_right_mean_whatever_cells_and_cycles_hold(
    cell_bits: int, cycle_bits: int
) -> None:
    """Half a grid point of 2^-10 LSB is 0.0005 LSB: partial sums of up to 2^31 units leave the
    rounding of a unit's gain far below that.
    """
    product, x = product_of_wide_cells(cell_bits, cycle_bits)
    bias, variance = worst(product, x)
    assert bias < 0.0018
    assert variance < 0.0018


def test_fewer_places_behind_the_grid_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gain of 34 binary places in all, half of one wrong for each of up to 2^31 units."""
    monkeypatch.setattr(adc, "_PLACES", 42)
    product, x = product_of_wide_cells(8, 8)
    assert worst(product, x)[0] > 0.03
