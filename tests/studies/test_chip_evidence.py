"""The evidence lower bound of a chip's codes: never above the exact evidence, whatever the bits,
the noise and the chip.
"""

import functools

import numpy as np
import pytest
from scipy import stats

import stochsim as ss
from stochsim.models import elbo_of_codes
from stochsim.program import Quantizer, random_program
from stochsim.studies.chip_evidence import _of_sums, _probabilities, chip_elbo

NEURONS = 3
INPUTS = 6
NOISE_SD = 0.5
MODEL = ss.LinearGaussian(neurons=NEURONS, noise_sd=NOISE_SD)
DECODER = np.random.default_rng(0).normal(size=(INPUTS, NEURONS)) / 4


def evidence(x):
    covariance = DECODER @ DECODER.T + NOISE_SD**2 * np.eye(INPUTS)
    return stats.multivariate_normal(np.zeros(INPUTS), covariance).logpdf(x)


def chip_of(bits, noise, **changes):
    program, x = random_program((INPUTS, NEURONS), (bits, bits, bits), sigma=0.5)
    hardware = ss.load_hardware("digital-45nm", bits=bits).with_(changes)
    return ss.Chip(program, hardware, noise), 0.1 * x["layer 1"]


@pytest.mark.parametrize("noise", [0, 0.5, 1, 2, 4, 16])
@pytest.mark.parametrize("bits", range(1, 9))
def test_it_is_never_above_the_evidence(bits, noise):
    chip, x = chip_of(bits, noise)
    codes = chip.sample(x, 40, key=0).codes
    for average in (1, 4):
        found = chip_elbo(chip, codes, average, x, DECODER, MODEL)
        assert np.isfinite(found).all()
        assert (found <= evidence(x)).all()


@pytest.mark.parametrize("noise", [0, 1, 16])
@pytest.mark.parametrize("name", ["fp4-e2m1", "nf4", "log2-3", "fp6-e3m2"])
def test_with_a_number_format_it_is_never_above_either(name, noise):
    chip, x = chip_of(4, noise)
    output = Quantizer.of_format(name, 4 * chip.program.output.step)
    hardware = chip.hardware.with_precision(4, 4, output.bits)
    chip = ss.Chip(chip.program.with_output(output), hardware, noise)
    codes = chip.sample(x, 40, key=0).codes
    found = chip_elbo(chip, codes, 1, x, DECODER, MODEL)
    assert np.isfinite(found).all()
    assert (found <= evidence(x)).all()
    with pytest.raises(ss.SettingError, match=f"'average' = 4: should be 1 with .*{name}"):
        chip_elbo(chip, codes, 4, x, DECODER, MODEL)


def test_frequencies_take_the_place_of_what_a_chip_does_not_know():
    """The plug-in entropy of 20,000 reads is too low by at most 7 levels/(2 reads) of each neuron;
    a chip whose inputs are rounded stochastically has nothing else.
    """
    chip, x = chip_of(3, 1)
    codes = chip.sample(x, 20_000, key=0).codes
    exact = chip_elbo(chip, codes, 1, x, DECODER, MODEL)
    chip.probabilities = functools.partial(_unknown, chip)
    np.testing.assert_allclose(chip_elbo(chip, codes, 1, x, DECODER, MODEL), exact, atol=0.005)
    dithered, x = chip_of(3, 1, **{"noise.input_dither": "stochastic"})
    codes = dithered.sample(x, 400, key=0).codes
    assert (chip_elbo(dithered, codes, 1, x, DECODER, MODEL) <= evidence(x)).all()


def _unknown(chip, x):
    rule = "differs from read to read"
    raise ss.SettingError.of("inputs", rule=rule)


def test_means_of_reads_have_the_law_and_the_values_of_means():
    """Codes of two bits, -2 to 1, in means of 3: thirds of steps by hand, laws by np.convolve."""
    chip, x = chip_of(2, 1)
    step = chip.program.output.scale
    laws = [
        [functools.reduce(np.convolve, [neuron] * 3) for neuron in stimulus]
        for stimulus in chip.probabilities(x)
    ]
    values = step * np.arange(-6, 4) / 3
    expected = elbo_of_codes(np.array(laws), values, x, DECODER, MODEL)
    codes = chip.sample(x, 30, key=0).codes
    np.testing.assert_allclose(chip_elbo(chip, codes, 3, x, DECODER, MODEL), expected, rtol=1e-9)


def test_the_law_of_a_sum_is_the_convolution_of_its_parts():
    law = np.array([0.5, 0.2, 0.0, 0.3])
    expected = functools.reduce(np.convolve, [law] * 5)
    np.testing.assert_allclose(_of_sums(law[None, None], 5, 16)[0, 0], expected, atol=1e-15)


@pytest.mark.parametrize("average", [2, 4])
def test_the_law_of_sums_of_dependent_reads_is_how_often_they_occur(average):
    """A register of 8 bits gives the same 255 reads again and again: the sums of 255 · n reads in a
    row have the variance of what was drawn, which independent codes would not have.
    """
    chip, x = chip_of(4, 4, **{"random.lfsr_bits": 8, "random.threshold_bits": 8})
    codes = chip.sample(x, 255 * average, key=0).codes.astype(int) - chip.program.output.c_min
    sums = np.add.reduceat(codes, np.arange(0, codes.shape[1], average), axis=1)
    law = _probabilities(chip, x, sums, average)
    numbers = np.arange(law.shape[-1])
    mean = law @ numbers
    variance = law @ numbers**2 - mean**2
    np.testing.assert_allclose(mean, average * codes.mean(axis=1), rtol=1e-12)
    np.testing.assert_allclose(variance, sums.var(axis=1), rtol=1e-9, atol=1e-9)
    independent = _of_sums(chip.probabilities(x), average, law.shape[-1])
    of_independent = independent @ numbers**2 - (independent @ numbers) ** 2
    moved = np.abs(of_independent - sums.var(axis=1))
    assert np.max(moved) > 0.05 * np.max(sums.var(axis=1))


def test_the_law_of_sums_of_independent_reads_stays_in_closed_form():
    """By SciPy: the variance of a sum is the sum of variances, whatever the sums that were drawn
    here, none.
    """
    chip, x = chip_of(4, 4)
    single = chip.probabilities(x)
    law = _probabilities(chip, x, np.zeros((len(x), 1, NEURONS), int), 3)
    for stimulus in range(len(x)):
        for neuron in range(NEURONS):
            one, three = (
                stats.rv_discrete(values=(np.arange(len(p)), p))
                for p in (single[stimulus, neuron], law[stimulus, neuron])
            )
            assert three.var() == pytest.approx(3 * one.var(), rel=1e-6)
