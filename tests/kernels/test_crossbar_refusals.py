"""What does not fit the bit-sliced array is refused."""

import numpy as np
import pytest
from crossbarcases import at, case
from stochsim_kernels.array import adc_channel, crossbar, crossbar_bits


def no_variance(call):
    return np.zeros((3, *call["x_words"].shape[1:3]), np.int32)


def zero_map(tiles, slices, columns, offset_columns=3):
    """A grid map of zeros; its offset may be of another number of columns."""
    return crossbar.GridMap(
        np.zeros((tiles, slices, columns)), np.zeros((tiles, slices, offset_columns))
    )


SHARED = adc_channel.shared_noise(1.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda call: {"x_words": call["x_words"][:, :1]}, "do not fit"),
        (
            lambda call: {"w_words": np.ascontiguousarray(call["w_words"][:, :1])},
            "the readout is for",
        ),
        (lambda call: {"variance": no_variance(call)[:2]}, "variance"),
        (lambda call: {"variance": no_variance(call) + 1}, "from 0 to 0"),
        (lambda call: {"out": np.zeros((3, 1, 8), np.int32)}, "out must be"),
        (lambda call: {"out": np.zeros((3, 1, 9), np.int64)}, "out must be"),
    ],
)
def test_a_draw_of_what_does_not_fit_is_refused(change, message):
    x_words, w_words, readout, *_ = case("exact")
    call = {
        "x_words": x_words,
        "w_words": w_words,
        "out": np.zeros((3, 1, 9), np.int32),
        "variance": None,
    }
    call = call | change(call)
    with pytest.raises(ValueError, match=message):
        crossbar.draw_crossbar(
            call["x_words"], call["w_words"], readout, at(), call["out"], call["variance"]
        )


@pytest.mark.parametrize(
    ("wiring", "message"),
    [
        ({"grid": zero_map(2, 2, 3)}, "must be"),
        ({"grid": zero_map(1, 2, 3, offset_columns=1)}, "must be"),
        ({"grid": zero_map(1, 2, 3), "p_min": 3}, "p_min"),
        (
            {"references": crossbar.References([-1], adc_channel.shared_noise(1.0))},
            "numbered from 0",
        ),
    ],
)
def test_a_readout_of_what_does_not_fit_is_refused(wiring, message):
    _, _, readout, *_ = case("exact")
    with pytest.raises(ValueError, match=message):
        crossbar.readout(readout.channel, np.ones((2, 2)), 1, **wiring)


@pytest.mark.parametrize(("codes", "bits"), [([[4]], 2), ([[-1]], 2), ([[0]], 0)])
def test_codes_that_do_not_fit_their_bits_are_refused(codes, bits):
    with pytest.raises(ValueError, match="bits"):
        crossbar_bits.pack_inputs(np.array(codes), 4, bits, 1)


def test_an_event_outside_the_array_is_refused():
    _, _, readout, *_ = case("exact")
    streams = crossbar.draw_streams(at(), 1, readout, 9)
    event = crossbar.Event(0, 0, 9)
    out = np.zeros((1, 1, 9), np.int32)
    with pytest.raises(ValueError, match="within"):
        crossbar.convert_partials(np.zeros((1, 9)), readout, streams, event, 0, out)


def test_more_events_than_are_left_are_refused():
    _, _, readout, *_ = case("exact")
    streams = crossbar.draw_streams(at(), 1, readout, 9)
    event = crossbar.Event(readout.tiles - 1, *(size - 1 for size in readout.factor.shape))
    out = np.zeros((1, 1, 9), np.int32)
    with pytest.raises(ValueError, match="2 events do not fit: 1 are left"):
        crossbar.convert_partials(np.zeros((2, 1, 9)), readout, streams, event, 0, out)
