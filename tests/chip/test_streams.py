"""Streams give new noise at every call; a loop that repeats its noise is warned at its own line."""

import gc
import pickle
import threading
import types
import warnings
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from stochsim.chip import Chip, FloatChip, RepeatedNoiseWarning, repeated_noise
from stochsim.hardware import preset
from stochsim.keys import fold_in
from stochsim.program import float_single, random_program
from stochsim.settings import SettingError

READS = 200


def noisy_chip(sigma=5.0):
    program, inputs = random_program((6, 3), (4, 4, 4), sigma=sigma)
    hardware = preset("digital-45nm").with_precision(4, 4, 4)
    return Chip(program, hardware), np.repeat(inputs["layer 1"], 5, 0).astype(float)


def float_chip():
    program = float_single(np.eye(3), np.zeros(3), sigma=np.full(3, 0.1))
    return FloatChip(program), np.ones((5, 3))


@pytest.mark.parametrize("make", [noisy_chip, float_chip])
def test_call_number_n_has_a_key_of_its_own(make):
    chip, x = make()
    stream = chip.stream(7)
    drawn = [stream.sample(x, READS).values for _ in range(4)]
    there = [chip.sample(x, READS, fold_in(7, "stream", n)).values for n in range(4)]
    assert np.array_equal(drawn, there)
    assert len({one.tobytes() for one in drawn}) == 4


def test_a_stream_goes_on_from_a_position_and_from_a_pickle():
    chip, x = noisy_chip()
    stream = chip.stream(7)
    drawn = [stream.sample(x).codes for _ in range(3)]
    assert np.array_equal(chip.stream(7, position=2).sample(x).codes, drawn[2])
    copied = pickle.loads(pickle.dumps(stream))
    assert repr(copied) == repr(stream) == "Stream(key=7, position=3)"
    assert np.array_equal(copied.sample(x).codes, stream.sample(x).codes)


def test_another_key_gives_another_stream():
    chip, x = noisy_chip()
    assert not np.array_equal(
        chip.stream(1).sample(x, READS).codes, chip.stream(2).sample(x, READS).codes
    )


def test_a_call_that_raises_has_not_counted():
    chip, x = noisy_chip()
    stream = chip.stream(7)
    with pytest.raises(SettingError, match="stimuli"):
        stream.sample(np.full_like(x, np.nan))
    assert stream.position == 0


def test_threads_share_a_stream_without_sharing_noise():
    chip, x = noisy_chip()
    stream = chip.stream(7)
    start = threading.Barrier(4)

    def draw(_):
        start.wait()
        return [stream.sample(x, 20).codes.tobytes() for _ in range(25)]

    with ThreadPoolExecutor(4) as pool:
        drawn = [one for some in pool.map(draw, range(4)) for one in some]
    alone = chip.stream(7)
    assert sorted(drawn) == sorted(alone.sample(x, 20).codes.tobytes() for _ in range(100))


@pytest.mark.parametrize("wrong", [{"key": -1}, {"key": 1.5}, {"key": 0, "position": -1}])
def test_a_key_or_position_out_of_range_is_refused(wrong):
    chip, _ = noisy_chip()
    with pytest.raises(SettingError, match=next(reversed(wrong))):
        chip.stream(**wrong)


# ---- the warning


def warned(call, stimuli):
    """The warnings of one line that calls with each of the stimuli."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        for x in stimuli:
            call(x)
    return found


@pytest.mark.parametrize("make", [noisy_chip, float_chip])
def test_a_loop_with_one_key_is_warned_once_at_its_own_line(make):
    chip, x = make()
    found = warned(lambda one: chip.sample(one, READS, key=3), [x + 0.01 * n for n in range(9)])
    assert [one.category for one in found] == [RepeatedNoiseWarning]
    assert found[0].filename == __file__
    assert "key 3" in str(found[0].message)
    assert "stream(key)" in str(found[0].message)


def changing(x):
    return [x + 0.01 * n for n in range(9)]


def test_what_repeats_no_noise_is_not_warned():
    chip, x = noisy_chip()
    stream, keys = chip.stream(3), iter(range(100))
    assert not warned(lambda one: stream.sample(one, READS), changing(x))
    assert not warned(lambda one: chip.sample(one, READS, next(keys)), changing(x))
    assert not warned(lambda one: chip.sample(one, 1, 3, first_read=next(keys)), changing(x))
    assert not warned(lambda one: chip.sample(one, 1, 3, 5 * next(keys)), changing(x))


def test_the_same_stimuli_again_and_a_chip_without_noise_are_not_warned():
    chip, x = noisy_chip()
    assert not warned(lambda one: chip.sample(one, READS, key=3), [x] * 9)
    quiet, x = noisy_chip(sigma=0.0)
    assert not warned(lambda one: quiet.sample(one, READS, key=3), changing(x))


def test_calls_from_different_lines_are_not_warned():
    chip, x = noisy_chip()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        chip.sample(x, READS, key=3)
        chip.sample(x + 0.1, READS, key=3)
        chip.sample(x + 0.2, READS, key=3)


def test_a_loop_that_makes_its_chip_anew_is_warned():
    """Each new chip had a watch of its own, which saw one call."""
    chip, x = noisy_chip()
    program, hardware = chip.program, chip.hardware
    found = warned(lambda one: Chip(program, hardware).sample(one, READS, key=3), changing(x))
    assert [one.category for one in found] == [RepeatedNoiseWarning]
    program = float_chip()[0].program
    found = warned(lambda one: FloatChip(program).sample(one, READS, key=3), changing(np.eye(3)))
    assert [one.category for one in found] == [RepeatedNoiseWarning]


def test_a_second_loop_of_a_chip_is_warned_too():
    chip, x = noisy_chip()
    first = warned(lambda one: chip.sample(one, READS, key=3), changing(x))
    second = warned(lambda one: chip.sample(one, READS, key=3), changing(x))
    assert (len(first), len(second)) == (1, 1)
    assert first[0].lineno != second[0].lineno


def test_chips_that_differ_are_not_warned():
    """By program, hardware, sigma or chip key: their codes are compared, not put back."""
    chip, x = noisy_chip()
    hardware = chip.hardware
    chips = [Chip(noisy_chip()[0].program, hardware) for _ in range(9)]
    chips += [Chip(chip.program, hardware.with_({"noise.read_sigma": n})) for n in (1.0, 2.0, 3.0)]
    chips += [Chip(chip.program, hardware, sigma_scale=n) for n in (0.5, 2.0, 3.0)]
    chips += [Chip(chip.program, hardware, chip_key=n) for n in range(3)]
    stimuli = iter([x + 0.01 * n for n in range(len(chips))])
    assert not warned(lambda one: one.sample(next(stimuli), READS, key=3), chips)


def test_the_watch_keeps_no_program_alive_and_few_lines():
    chip, x = noisy_chip()
    for n in range(200):
        code = compile("chip.sample(x, 1, key=3)", f"line {n}", "single")
        run = types.FunctionType(code, {"chip": chip, "x": x})
        run()
    assert len(repeated_noise._seen) <= 64
    gone = weakref.ref(chip.program)
    del chip, run
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize("bits", [4, 8])
def test_the_last_read_is_drawn_and_none_beyond(bits):
    """2^39 reads of a stream have random bits of their own."""
    program, x = random_program((3, 2), (bits, bits, bits), sigma=0.5)
    chip = Chip(program, preset("digital-45nm").with_precision(bits, bits, bits))
    assert chip.sample(x["layer 1"], 10, 0, first_read=2**39 - 10).codes.shape == (1, 10, 2)
    with pytest.raises(SettingError, match=r"'first_read' = 549755813879: .* to 549755813878"):
        chip.sample(x["layer 1"], 10, 0, first_read=2**39 - 9)
