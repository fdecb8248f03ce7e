"""The seed promise, code for code: the kernels give the codes whose hashes plain NumPy has written
down (see codehashes.py), 10^8 of them in the slow tests.
"""

import json

import codehashes
import numpy as np
import pytest
from codehashes import ADC, ADDRESS, FEW_READS, HASHES, NEURONS, READS, SETTINGS, STIMULI
from stochsim_kernels import KERNEL_VERSION
from stochsim_kernels.array import crossbar
from stochsim_kernels.neuron import channel, drawing
from stochsim_kernels.reference import crossbar_sums, neuron_codes
from threadtest import threads

KNOWN = json.loads(HASHES.read_text())


def neurons(setting, stimuli, reads):
    """Codes by the kernels, (stimulus, read, neuron)."""
    numbers = channel.FAMILIES[setting.family], channel.ACTIVATIONS[setting.activation]
    z, step, c_min = codehashes.quantiser(setting)
    law = channel.neuron_law(*numbers, z, step, c_min, 2**setting.bits)
    drive = np.array([codehashes.drives(s, reads if setting.each else 1) for s in range(stimuli)])
    sigma, other = (np.full((1, 1), value) for value in (setting.sigma, setting.other))
    out = np.empty((stimuli, reads, NEURONS), np.int8)
    if setting.each:
        drawing.draw_each(drive, sigma, other, law, ADDRESS, out)
    else:
        drawing.draw(drive[:, 0], sigma, other, law, ADDRESS, out)
    return out


def conversions(stimuli, reads):
    """Codes of the ADCs by the kernels, (stimulus, read, column)."""
    readout = crossbar.readout(codehashes.channel(), np.ones((1, 1), np.int32), 1)
    partial = np.array([codehashes.positions(s) for s in range(stimuli)])
    streams = crossbar.draw_streams(ADDRESS, stimuli, readout, NEURONS)
    out = np.zeros((stimuli, reads, NEURONS), np.int32)
    event = crossbar.Event(0, 0, 0)
    crossbar.convert_partials(partial, readout, streams, event, ADDRESS.first_read, out)
    return out


def codes(name, stimuli, reads):
    return conversions(stimuli, reads) if name == ADC else neurons(SETTINGS[name], stimuli, reads)


def test_hashes_are_those_of_this_version():
    assert KNOWN["kernel_version"] == KERNEL_VERSION
    assert list(KNOWN["hashes"]) == [*SETTINGS, ADC]
    assert len(KNOWN["hashes"]) * STIMULI * READS * NEURONS > 10**8


@pytest.mark.parametrize("name", KNOWN["hashes"])
def test_few_codes_are_the_known_ones(name):
    """Every other key gives other codes, and one other code another hash."""
    ours = codes(name, 1, FEW_READS)
    assert codehashes.digest(ours) == KNOWN["hashes"][name]["few"]
    ours[0, -1, -1] ^= 1
    assert codehashes.digest(ours) != KNOWN["hashes"][name]["few"]


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("name", KNOWN["hashes"])
def test_all_codes_are_the_known_ones(name, count):
    with threads(count):
        assert codehashes.digest(codes(name, STIMULI, READS)) == KNOWN["hashes"][name]["all"]


def test_plain_arrays_are_the_plain_numbers():
    """The integers and conversions of codehashes.py, item by item by the reference
    implementation.
    """
    u = codehashes.integers(2, 3)
    key, layer, event, stimulus, read = (int(word) for word in ADDRESS)
    for r, n in [(0, 0), (1, 1), (2, 2), (0, 3), (1, 4), (2, NEURONS - 1)]:
        expected = neuron_codes.random31(key, layer, event, stimulus + 2, read + r, n)
        assert u[r, n] == expected
    adc = codehashes.channel()
    converted = codehashes.adc_codes(2, 3)
    for r, n in [(0, 0), (1, 1), (2, 2), (2, NEURONS - 1)]:
        bits = crossbar_sums.random32(key, layer, event, stimulus + 2, n, read + r)
        position = int(codehashes.positions(2)[n])
        assert converted[r, n] == crossbar_sums.draw_code(adc, 0, position, bits)


@pytest.mark.parametrize("name", SETTINGS)
def test_plain_codes_are_those_of_the_reference_implementation(name):
    """By thresholds of the plain law, of the first neurons."""
    setting = SETTINGS[name]
    z, step, c_min = codehashes.quantiser(setting)
    law = neuron_codes.PlainLaw(setting.family, setting.activation, z, step, c_min, 2**setting.bits)
    some = 3
    plain = codehashes.neuron_codes(setting, 1, 2)
    drive = codehashes.drives(1, 2 if setting.each else 1)[:, :some]
    table = neuron_codes.thresholds(drive, setting.sigma, setting.other, law)
    u = codehashes.integers(1, 2)[:, :some].astype(np.int64)
    assert np.array_equal(plain[:, :some], neuron_codes.count_codes(u, table, c_min))
