"""The benchmark runs on one network of each kind of measurement, after a short training."""

import pytest


@pytest.mark.slow
def test_classifiers_and_outputs_give_figures(load, monkeypatch):
    zoo, bench = load("conversion_zoo"), load("_bench")
    kinds = {kind: zoo.CLASSIFIERS[kind] for kind in ("MLP", "Monte-Carlo dropout")}
    monkeypatch.setattr(zoo, "CLASSIFIERS", kinds)
    monkeypatch.setattr(zoo, "READS", 20)
    figures = {one.name: one for one in zoo.measure(bench.Options(True, None, None))}
    assert figures["MLP, float: accuracy"].value > 20
    assert abs(figures["MLP, 8 bits: accuracy lost"].value) < 2
    assert 0 < figures["Monte-Carlo dropout, 8 bits: KL of the predictive law"].value < 0.05
    assert figures["U-Net, 8 bits: relative error of outputs"].value < 5
    assert figures["decoder, 8 bits: relative error of outputs"].value < 5
    assert figures["two inputs, float: accuracy"].value > 60
    assert abs(figures["two inputs, 8 bits: accuracy lost"].value) < 2
    shares = [one for name, one in figures.items() if name.endswith("that the bill prices")]
    assert len(shares) == 6
    assert {one.value for one in shares} == {100.0}
