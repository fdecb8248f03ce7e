"""The benchmark runs: all its conversions and bills on a small part of the digits, after an epoch
or two.
"""

import pytest


@pytest.mark.long
@pytest.mark.slow
def test_every_conversion_and_bill_gives_a_figure(load, monkeypatch, tmp_path):
    conversion, bench = load("conversion"), load("_bench")
    sizes = conversion.Sizes(keys=1, epochs=(6, 1), held_out=40, reads=2)
    monkeypatch.setattr(conversion, "QUICK", sizes)
    kinds = {kind: conversion.NETWORKS[kind] for kind in ("linear", "depthwise")}
    monkeypatch.setattr(conversion, "NETWORKS", kinds)
    figures = {
        figure.name: figure for figure in conversion.measure(bench.Options(True, None, None))
    }
    assert figures["linear, float: accuracy"].value > 70
    assert figures["linear, 8 bits, no noise: accuracy lost"].value < 5
    lost = [
        figures[f"linear, {bits} bits, noisy chip, as it is: accuracy lost"].value
        for bits in (4, 2)
    ]
    assert lost[0] < lost[1]
    joules = {
        name.removeprefix("linear, 4 bits, rram-array: "): one.value
        for name, one in figures.items()
        if "4 bits, rram-array: " in name
    }
    assert joules["all layers"] == pytest.approx(joules["hidden"] + joules["last"], rel=1e-12)
    assert [one.bar for one in figures.values() if one.bar is not None] == [0.5, 2.0] * 2
    assert "depthwise, 4 bits, noisy chip, per channel, fine-tuned: accuracy lost" in figures
