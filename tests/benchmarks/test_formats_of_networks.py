"""benchmarks/formats_of_networks.py: stored bits, the front, a run of one network."""

import pytest


def test_stored_bits_have_the_share_of_scales(load):
    bench = load("formats_of_networks")
    bits = {one.title: one.stored_bits for one in bench.FORMATS}
    assert bits["int4"] == 4
    assert bits["int4 per 32"] == 4.5
    assert bits["mxfp4"] == 4.25
    assert bits["nvfp4"] == 4.5
    assert bits["mxint8"] == 8.25


def test_the_front_has_what_no_other_beats(load):
    bench = load("formats_of_networks")
    one = bench.Format("int4")
    met = [(3.0, 1.0, one), (1.0, 5.0, one), (2.0, 6.0, one), (4.0, 1.0, one), (5.0, 0.5, one)]
    assert [row[:2] for row in bench._front(met)] == [(1.0, 5.0), (3.0, 1.0), (5.0, 0.5)]


@pytest.mark.slow
def test_a_network_runs_through(load):
    bench, shared = load("formats_of_networks"), load("_bench")
    figures = {one.name: one for one in bench.measure(shared.Options(True, None, None))}
    joules = figures["MLP, weights int4 (4 bits): energy"].value
    assert joules < figures["MLP, weights mxfp4 (4.25 bits): energy"].value
    lost = figures["MLP, weights and inputs int4 (4 bits), compensated: accuracy lost"]
    assert abs(lost.value) < 5
