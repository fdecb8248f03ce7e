"""Portions: memory stays small and no call of a kernel takes long, whatever the batch; codes do not
change with them.

Bytes are counted by tracemalloc with budgets made a hundred times smaller, calls by what kernels
are given.
"""

import tracemalloc
import warnings

import numpy as np
import pytest
from circuittest import hardware_of, recurrent_program, some_stimuli
from stochsim_kernels.circuit import integer_circuit
from stochsim_kernels.neuron import drawing

from stochsim.chip import Chip, FloatChip, digital_product, memory_portions
from stochsim.chip.array import array_product
from stochsim.hardware import Noise, load_hardware
from stochsim.program import float_single, random_program
from stochsim.settings import LargeMemoryWarning, StochsimError, large_memory

BUDGET = 80_000
"""Values of a portion: 640 kB of drives."""


@pytest.fixture
def budget(monkeypatch):
    """Lets everything take a hundredth."""
    monkeypatch.setattr(memory_portions, "DRIVES_AT_ONCE", BUDGET)
    monkeypatch.setattr(array_product, "_SUMS_AT_ONCE", BUDGET // 2)
    monkeypatch.setattr(digital_product, "_CHANGES_AT_ONCE", BUDGET // 8)


def chip_of(sizes, stimuli, name="digital-45nm", bits=8, sigma=0.0, **settings):
    """A chip of a random network, and its stimuli."""
    program, inputs = random_program(sizes, (bits,) * 3, sigma=sigma, stimuli=stimuli)
    hardware = load_hardware(name, bits=bits).with_(
        {key.replace("__", "."): value for key, value in settings.items()}
    )
    scale = next(iter(program.layers.values())).input.scale
    return Chip(program, hardware), inputs["layer 1"] * scale


def peak(work):
    """Bytes beyond what was held before, and the result."""
    work()
    tracemalloc.start()
    found = work()
    bytes_ = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return bytes_, found


JOBS = {
    "array": (((100, 60), 300, "rram-array"), {}),
    "array, deep": (((100, 60, 10), 300, "rram-array"), {}),
    "shared drives": (((100, 150, 10), 6000), {}),
    "transient errors": (
        ((50, 50, 50), 300),
        {"noise__read_sigma_lsb": 0.5, "memory__weight_read_errors": 1e-5},
    ),
}


@pytest.mark.parametrize("job", JOBS)
def test_a_batch_takes_little_more_than_its_portions(job, budget, monkeypatch):
    """Beyond samples and stimuli, less than what portions may take, and a fraction of what a batch
    in one piece takes; the codes are the same.
    """
    arguments, settings = JOBS[job]
    chip, x = chip_of(*arguments, **settings)
    x = x.astype(np.float32)
    work = lambda: chip.sample(x, 1, key=3, count=False).codes  # noqa: E731
    small, codes = peak(work)
    own = codes.nbytes + 2 * x.nbytes
    assert small - own < 60 * BUDGET
    monkeypatch.undo()
    large, same = peak(work)
    assert np.array_equal(codes, same)
    assert large - own > 1.5 * (small - own)


@pytest.mark.parametrize("name", ["thresholds", "probabilities", "drive", "sigmas"])
def test_what_a_chip_knows_is_found_in_portions(name, monkeypatch):
    chip, x = chip_of((20, 30), 200, sigma=0.5)
    whole = getattr(chip, name)(x)
    seen = []
    known = chip._runner.known_sigmas
    monkeypatch.setattr(
        chip._runner, "known_sigmas", lambda part: (seen.append(len(part)), known(part))[1]
    )
    monkeypatch.setattr(memory_portions, "DRIVES_AT_ONCE", 900)
    assert np.array_equal(getattr(chip, name)(x), whole)
    assert sum(seen) == 200
    assert max(seen) < 200


@pytest.mark.parametrize("name", ["thresholds", "probabilities", "drive", "sigmas"])
def test_large_results_are_announced(name, monkeypatch):
    chip, x = chip_of((20, 30), 200, sigma=0.5)
    work = getattr(chip, name)
    found = work(x)
    size = sum(one.nbytes for one in found) if name == "sigmas" else found.nbytes
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        work(x)
    monkeypatch.setattr(large_memory, "LARGE_BYTES", size - 1)
    monkeypatch.setattr("stochsim.settings.free_memory._ALWAYS", 0)
    with pytest.warns(LargeMemoryWarning, match=f"^{name[:5]}"):
        work(x)


def test_stimuli_that_samples_keep_are_announced(monkeypatch):
    chip, x = chip_of((100, 2), 1000)
    monkeypatch.setattr(large_memory, "LARGE_BYTES", x.nbytes)
    monkeypatch.setattr("stochsim.settings.free_memory._ALWAYS", 0)
    with pytest.warns(LargeMemoryWarning, match=r"^samples"):
        chip.sample(x, 1, key=0)


def calls_of(monkeypatch, module, name):
    """The shapes of what a kernel of this module fills, one for each call."""
    shapes = []
    kernel = getattr(module, name)
    monkeypatch.setattr(
        module, name, lambda *given: (shapes.append(given[-1].shape), kernel(*given))[1]
    )
    return shapes


@pytest.mark.parametrize("family", ["gaussian", "logistic", "uniform", "triangular"])
@pytest.mark.parametrize("reads", [1, 30])
def test_a_call_draws_as_many_codes_as_take_half_a_second(family, reads, monkeypatch):
    """By the time of a threshold; wherever a batch is parted, the codes are the same."""
    noise = {"noise__read_sigma_lsb": 0.5, "noise__family": family}
    if family == "triangular":
        noise = {"noise__dither": "triangular"}
    chip, x = chip_of((8, 12, 12), 20, bits=6, sigma=0.5, **noise)
    whole = chip.sample(x, reads, key=1, first_read=3).codes
    shapes = calls_of(monkeypatch, drawing, "_draw_without_thresholds")
    law = chip._runner.hidden[0].neurons.law
    monkeypatch.setattr(drawing, "_CALL_NS", 100 * 6 * drawing._NS_PER_THRESHOLD[law.family])
    most = drawing.codes_at_once(law)
    assert np.array_equal(chip.sample(x, reads, key=1, first_read=3).codes, whole)
    assert max(np.prod(shape) for shape in shapes) <= most
    assert len(shapes) >= 20 * reads * 12 // most


def test_slow_laws_have_short_calls():
    """Eight bits of logistic beside Gaussian noise: 3 µs for each of 8 thresholds at most."""
    noise = {"noise__family": "logistic", "noise__read_sigma_lsb": 0.5}
    law = chip_of((8, 12), 2, **noise)[0].neurons.law
    threads = drawing.numba.get_num_threads()
    assert drawing.codes_at_once(law) * 8 * 3e-6 <= 0.5 * threads
    assert drawing.stimuli_at_once(law, 256) * 255 * 256 * 3e-6 <= 0.5 * threads


def test_a_circuit_with_a_slow_law_runs_few_steps_at_a_time(monkeypatch):
    program = recurrent_program(6, steps=7)
    x = some_stimuli(5)
    chip = Chip(program, hardware_of(program, noise=Noise(read_sigma=0.2, family="logistic")))
    whole = chip.sample(x, 40, key=2, first_read=9).codes
    shapes = calls_of(monkeypatch, integer_circuit, "_run_chains")
    chip.sample(x, 40, key=2, first_read=9)
    before = len(shapes)
    monkeypatch.setattr(drawing, "_CALL_NS", 30 * 6 * drawing._NS_PER_THRESHOLD[1])
    assert np.array_equal(chip.sample(x, 40, key=2, first_read=9).codes, whole)
    assert len(shapes) - before >= 7
    assert max(np.prod(shape) for shape in shapes[before:]) <= max(
        4 * drawing.codes_at_once(chip.neurons.law), program.neurons
    )


def test_registers_of_a_chain_are_made_for_few_steps_at_a_time(monkeypatch):
    program = recurrent_program(3, steps=5)
    x = some_stimuli(3)
    hardware = hardware_of(program).with_({"random.lfsr_bits": 31})
    chip = Chip(program, hardware)
    whole = chip.sample(x, 4, key=2, steps_between_reads=9).codes
    monkeypatch.setattr("stochsim.chip.recurrent._STEPS_AT_ONCE", 2)
    assert np.array_equal(chip.sample(x, 4, key=2, steps_between_reads=9).codes, whole)


@pytest.mark.parametrize("name", ["digital-45nm", "rram-array"])
def test_no_stimuli_have_samples_and_no_bill(name):
    """With and without a count, as they have operations; a bill of them is refused."""
    chip, x = chip_of((20, 30), 2, name)
    for count in (False, True):
        samples = chip.sample(x[:0], 3, key=0, count=count)
        assert samples.codes.shape == (0, 3, 30)
        with pytest.raises(StochsimError, match="no bill: they are of no stimuli"):
            _ = samples.bill
    assert not chip.operations(x[:0], 3)
    with pytest.raises(StochsimError, match="'stimuli' = 0"):
        chip.bill(x[:0], 3)


def test_a_float_network_is_sampled_in_portions(monkeypatch):
    weight = np.random.default_rng(0).normal(size=(6, 5))
    chip = FloatChip(float_single(weight, np.zeros(6), sigma=np.full(6, 0.1)))
    x = np.random.default_rng(1).normal(size=(400, 5))
    work = lambda: chip.sample(x, 50, key=2, first_read=7).values  # noqa: E731
    large, whole = peak(work)
    monkeypatch.setattr(memory_portions, "DRIVES_AT_ONCE", 900)
    small, same = peak(work)
    assert np.array_equal(whole, same)
    assert small < 1.5 * whole.nbytes < 3 * whole.nbytes < large


@pytest.mark.parametrize("noise", ["lumped", "explicit"])
def test_reads_of_an_array_are_the_same_in_portions(noise, monkeypatch):
    """Of one stimulus, whose reads do not fit together, with noise of cells and of ADCs."""
    more = {"array__cells__read_noise": noise, "array__cells__read_sigma": 0.05}
    chip, x = chip_of((40, 6), 2, "rram-array", bits=3, **more)
    whole = chip.sample(x, 12, 3, count=False).codes
    monkeypatch.setattr(array_product, "_SUMS_AT_ONCE", 1)
    assert np.array_equal(chip.sample(x, 12, 3, count=False).codes, whole)
    assert len(np.unique(whole[0], axis=0)) > 1
