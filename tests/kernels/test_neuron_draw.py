"""Drive -> codes by every way: each gives the codes of the plain count of
`channel.fill_thresholds`, code for code.
"""

import numpy as np
import pytest
from neuroncases import LAWS, call, drives, integers, plain, quantiser, sigmas, thresholds
from scipy import special
from stochsim_kernels.neuron import channel, drawing
from stochsim_kernels.random.address import DrawAddress
from stochsim_kernels.reference import neuron_codes as reference
from threadtest import threads


@pytest.mark.parametrize("bits", range(1, 9))
@pytest.mark.parametrize(("family", "activation"), LAWS)
def test_codes_are_those_of_the_plain_count(bits, family, activation):
    sigma, other = sigmas((3, 37))
    arguments = (sigma, other, family, activation, quantiser(bits), 23)
    drive = drives((3, 37), bits)
    assert np.array_equal(call(drawing.draw, drive, *arguments), plain(drive, *arguments))


@pytest.mark.parametrize("bits", range(1, 9))
@pytest.mark.parametrize(("family", "activation"), LAWS)
def test_codes_of_drives_that_differ_are_those_of_the_plain_count(bits, family, activation):
    sigma, other = sigmas((3, 11), seed=2)
    arguments = (sigma, other, family, activation, quantiser(bits), 29)
    drive = drives((3, 29, 11), bits)
    assert np.array_equal(call(drawing.draw_each, drive, *arguments), plain(drive, *arguments))


@pytest.mark.parametrize("bits", range(1, 9))
@pytest.mark.parametrize("activation", ["tanh", "sigmoid"])
@pytest.mark.parametrize("draw", [drawing.draw, drawing.draw_each])
def test_smooth_neurons_without_noise_on_and_beside_every_edge(draw, activation, bits):
    """The responses there come from NumPy, which may differ from the kernels' in the last place."""
    step = 2.0 / 2**bits
    grid = (-step / 2, step, 0, 2) if bits == 1 else quantiser(bits, step)
    edges = channel.inverse_edges(channel.ACTIVATIONS[activation], *grid)
    edges = edges[np.isfinite(edges)]
    drive = np.array([*edges, *np.nextafter(edges, -9), *np.nextafter(edges, 9), *drives(90, 3)])
    drive = drive[None]
    arguments = (0.0, 0.0, "gaussian", activation, grid, 3)
    given = drive[:, None].repeat(3, axis=1) if draw is drawing.draw_each else drive
    assert np.array_equal(call(draw, given, *arguments), plain(drive, *arguments))


@pytest.mark.parametrize("bits", range(6, 9))
@pytest.mark.parametrize(("family", "activation"), LAWS)
def test_few_reads_give_the_first_codes_of_many(bits, family, activation):
    sigma, other = sigmas((3, 37))
    arguments = (sigma, other, family, activation, quantiser(bits))
    drive = drives((3, 37), bits)
    many = call(drawing.draw, drive, *arguments, 40)
    for reads in (1, 2, 9, 10, 31, 32):
        assert np.array_equal(call(drawing.draw, drive, *arguments, reads), many[:, :reads])


@pytest.mark.parametrize("bits", range(1, 9))
@pytest.mark.parametrize("neurons", [1, 2, 7, 8, 15, 16, 17, 32, 63, 100])
def test_any_number_of_neurons(bits, neurons):
    drive = drives((2, neurons), bits)
    arguments = (0.3, 0.2, "gaussian", "relu", quantiser(bits, unsigned=True), 9)
    expected = plain(drive, *arguments)
    assert np.array_equal(call(drawing.draw, drive, *arguments), expected)
    assert np.array_equal(
        call(drawing.draw_each, np.repeat(drive[:, None], 9, axis=1), *arguments), expected
    )


@pytest.mark.parametrize(
    ("activation", "bits"),
    [("identity", b) for b in range(1, 9)] + [("relu", b) for b in range(2, 9)],
)
def test_integers_at_their_threshold(activation, bits):
    """Each drive such that its own u equals some threshold, or lies one below it: the codes differ
    by one from one to the other.
    """
    z, step, c_min, levels = quantiser(bits)
    edges = channel.inverse_edges(channel.ACTIVATIONS[activation], z, step, c_min, levels)
    shape = (4, 300, 9)
    sigma = 0.7
    u = integers(shape)
    random = np.random.default_rng(0)
    edge = random.choice(edges[np.isfinite(edges)], shape)
    codes = []
    for place in (u, u + 1):
        drive = edge - sigma * special.ndtri(place / 2**31)
        arguments = (sigma, 0.0, "gaussian", activation, quantiser(bits))
        table = thresholds(drive, *arguments)
        assert np.mean((table == place[:, :, None]).any(axis=2)) > 0.99  # the tie is met
        codes.append(call(drawing.draw_each, drive, *arguments, 300))
        assert np.array_equal(codes[-1], reference.count_codes(u, table, c_min))
    assert np.mean(codes[0] - codes[1] == 1) > 0.99


@pytest.mark.parametrize("bits", [6, 7, 8])
def test_integers_at_their_threshold_where_drives_hold(bits):
    """As above, one read at a time."""
    u = integers((5, 1, 40))
    edges = channel.inverse_edges(channel.IDENTITY, *quantiser(bits))
    for place in (u, u + 1):
        drive = (
            np.random.default_rng(1).choice(edges, u.shape) - 0.7 * special.ndtri(place / 2**31)
        )[:, 0]
        arguments = (0.7, 0.0, "gaussian", "identity", quantiser(bits), 1)
        assert np.array_equal(call(drawing.draw, drive, *arguments), plain(drive, *arguments))


@pytest.mark.parametrize("scale", [1e-9, 1e-4, 1.0, 1e4])
@pytest.mark.parametrize("offset", [0.0, 1.0, -1e6, 1e12])
def test_places_are_exact_in_any_unit(scale, offset):
    """Step and noise from 1e-9 to 1e4, codes as far as 1e12 steps from 0: many drives close to an
    edge, noise of a thousandth of a step.
    """
    z = offset * scale
    step = scale
    c_min = -128
    levels = 256
    random = np.random.default_rng(0)
    steps = random.integers(-130, 130, (2, 50, 40)) + 0.5 + random.normal(0, 3e-4, (2, 50, 40))
    arguments = (
        np.array([0.001, 40.0])[:, None] * scale,
        0.0,
        "gaussian",
        "identity",
        (z, step, c_min, levels),
    )
    drive = z + steps * scale
    codes = call(drawing.draw_each, drive, *arguments, 50)
    assert np.array_equal(codes, plain(drive, *arguments, 50))
    assert np.unique(codes[0]).size > 200


@pytest.mark.parametrize("function", [drawing.draw, drawing.draw_each])
def test_no_noise_on_ties_and_edges_at_zero(function):
    """Without noise halves go to the even code; with ReLU and an edge at 0 exactly, where noise
    would always pass it.
    """
    for z in (0.125, -0.125, 0.0):
        for activation in ("identity", "relu"):
            drive = np.arange(-40, 40).reshape(2, 40) * 0.125 + 0.0
            sigma = np.where(np.arange(40) % 5 == 4, 0.1, 0.0)
            arguments = (sigma, 0.0, "gaussian", activation, (z, 0.25, -32, 64), 3)
            given = drive if function is drawing.draw else np.repeat(drive[:, None], 3, axis=1)
            assert np.array_equal(call(function, given, *arguments), plain(given, *arguments))


@pytest.mark.parametrize(
    ("bits", "family"), [(1, "gaussian"), (4, "gaussian"), (8, "gaussian"), (8, "uniform")]
)
def test_splits_and_threads_change_no_code(bits, family):
    """More reads than one task's share, two stimuli; split in stimuli, in reads, and on one thread
    or two.
    """
    reads = 300
    where = (0, 0, 4, 50)
    drive = drives((2, reads, 7), bits)
    arguments = (0.4, 0.3, family, "identity", quantiser(bits))
    for function, given in (
        (drawing.draw, np.ascontiguousarray(drive[:, 0])),
        (drawing.draw_each, drive),
    ):
        whole = call(function, given, *arguments, reads, where)
        assert np.array_equal(whole, plain(given, *arguments, reads, where))
        parts = [
            call(function, given[s : s + 1], *arguments, reads, (0, 0, 4 + s, 50)) for s in range(2)
        ]
        assert np.array_equal(whole, np.concatenate(parts))
        parts = [
            call(
                function,
                given if given.ndim == 2 else given[:, a:b],
                *arguments,
                b - a,
                (0, 0, 4, 50 + a),
            )
            for a, b in ((0, 1), (1, 258), (258, reads))
        ]
        assert np.array_equal(whole, np.concatenate(parts, axis=1))
        with threads():
            assert np.array_equal(whole, call(function, given, *arguments, reads, where))


@pytest.mark.parametrize(("family", "bits"), [("gaussian", 3), ("uniform", 7)])
def test_blocks_of_thresholds_change_no_code(family, bits, monkeypatch):
    drive = drives((7, 5), bits)
    arguments = (0.4, 0.3, family, "identity", quantiser(bits), 6)
    whole = call(drawing.draw, drive, *arguments)
    for at_once in (1, 3 * 5 * (2**bits - 1), 4 * 5 * (2**bits - 1)):
        monkeypatch.setattr(drawing, "_THRESHOLDS_AT_ONCE", at_once)
        assert np.array_equal(call(drawing.draw, drive, *arguments), whole)


def test_no_neurons_no_reads_no_stimuli():
    for stimuli, reads, neurons in ((0, 3, 4), (3, 0, 4), (3, 4, 0)):
        for bits in (2, 8):
            arguments = (0.4, 0.0, "gaussian", "identity", quantiser(bits), reads)
            assert call(drawing.draw, np.zeros((stimuli, neurons)), *arguments).shape == (
                stimuli,
                reads,
                neurons,
            )
            assert call(
                drawing.draw_each, np.zeros((stimuli, reads, neurons)), *arguments
            ).shape == (stimuli, reads, neurons)


def test_drives_of_another_shape_are_refused():
    with pytest.raises(
        ValueError, match=r"'drive' has the shape \(2, 3, 4\): \(2, 5, 4\) is needed"
    ):
        call(
            drawing.draw_each,
            np.zeros((2, 3, 4)),
            0.4,
            0.0,
            "gaussian",
            "identity",
            quantiser(8),
            5,
        )


def test_float32_drives_are_taken_as_they_are():
    drive = drives((2, 9, 5), 4).clip(-1e9, 1e9).astype(np.float32)
    arguments = (0.4, 0.0, "gaussian", "identity", quantiser(4), 9)
    assert np.array_equal(
        call(drawing.draw_each, drive, *arguments),
        call(drawing.draw_each, drive.astype(np.float64), *arguments),
    )


def test_each_kernel_is_compiled_once():
    """Arrays of other types, orders and flags, read-only ones too, are coerced to the one type that
    kernels are compiled for.
    """
    kernels = (channel.fill_thresholds, drawing.draw_codes, drawing._draw_without_thresholds)
    call(drawing.draw, np.zeros((3, 4)), 0.5, 0.0, "gaussian", "identity", quantiser(2), 1)
    call(drawing.draw, np.zeros((3, 4)), 0.5, 0.0, "gaussian", "identity", quantiser(8), 1)
    before = [len(kernel.signatures) for kernel in kernels]
    for drive in (
        np.zeros((3, 4)),
        np.zeros((4, 3)).T,
        np.broadcast_to(0.0, (3, 4)),
        np.zeros((3, 4), np.float32),
    ):
        for bits in (2, 8):
            arguments = (
                np.broadcast_to(0.5, (3, 4)),
                np.zeros((3, 4), np.float32),
                "gaussian",
                "identity",
                quantiser(bits),
                1,
            )
            call(drawing.draw, drive, *arguments)
            call(drawing.draw_each, drive[:, None], *arguments)
    assert [len(kernel.signatures) for kernel in kernels] == before


@pytest.mark.parametrize("draw", [drawing.draw, drawing.draw_each])
def test_reads_and_neurons_whose_random_bits_would_be_shared_are_refused(draw):
    """The last read, 2^39 - 1, is drawn; 2^26 neurons are as many as have words of their own."""
    law = channel.neuron_law(channel.GAUSSIAN, channel.IDENTITY, 0.0, 1.0, -8, 16)
    each = draw is drawing.draw_each

    def call_at(first_read, neurons=2):
        out = np.empty((1, 1, neurons), np.int8)
        drive = np.broadcast_to(np.float64(0), out.shape if each else (1, neurons))
        one = np.ones((1, 1))
        draw(drive, one, one, law, DrawAddress.of(1, 0, 0, first_read=first_read), out)

    call_at(2**39 - 1)
    with pytest.raises(ValueError, match=r"end at read 549755813889: should be at most"):
        call_at(2**39)
    with pytest.raises(ValueError, match=r"67108865 neurons: should be at most 67108864"):
        call_at(0, 2**26 + 1)
