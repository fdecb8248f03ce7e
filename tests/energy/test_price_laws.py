"""The benchmark of the price book's laws: its ratios are those of the sources, and its picture
shows every law that is not free.
"""

import argparse

from stochsim.energy import PRICES


def test_the_ratios_reach_their_bar_and_a_wrong_one_would_not(load, monkeypatch):
    laws = load("price_laws")
    *ratios, off = laws.ratio_figures()
    assert [figure.name.split(":")[0] for figure in ratios] == list(laws.RATIOS)
    assert off.verdict == "yes"
    monkeypatch.setitem(laws.RATIOS, "adc-walden", 15.9)
    assert laws.ratio_figures()[-1].verdict == "no"


def test_every_law_of_a_kind_is_drawn_the_most_expensive_first(load):
    laws = load("price_laws")
    names = [each.name for each in laws.paid("adc")]
    assert set(names) == {name for name, each in PRICES.items() if each.kind == "adc"} - {
        "adc-none"
    }
    assert names[0] == "adc-wan-130nm"
    assert names[-1] == "adc-thermal"


def test_the_picture(load, tmp_path):
    load("price_laws").picture(argparse.Namespace(out=tmp_path))
    assert (tmp_path / "price_laws.png").stat().st_size > 50_000
