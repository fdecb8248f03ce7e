"""benchmarks/formats.py: formats are fitted by least squared error; small networks run through."""

import numpy as np
import pytest

import stochsim as ss
from stochsim.chip import fitted_quantizer
from stochsim.formats import code_book

NUMBERS = np.random.default_rng(0).laplace(size=4000)


@pytest.fixture
def formats(load):
    return load("formats")


def error_of(quantizer) -> float:
    values = quantizer.exact_values(quantizer.codes(NUMBERS))
    return float(np.mean((values - NUMBERS) ** 2))


def test_scales_have_the_least_error_of_those_tried_and_books_less(formats) -> None:
    shared = [name for name in formats.FORMATS if not name.endswith("-per-neuron")]
    errors = {name: error_of(fitted_quantizer(name, NUMBERS)) for name in shared}
    for name in ("int4", "fp4-e2m1", "nf4"):
        found = fitted_quantizer(name, NUMBERS)
        for factor in (0.8, 1.25):
            other = type(found).of_format(code_book(name), factor * found.scale)
            assert errors[name] < error_of(other)
    for bits in (3, 4):
        others = [name for name in errors if name.endswith(f"-{bits}") or name == f"int{bits}"]
        assert errors[f"lloyd-{bits}"] == min(errors[name] for name in others)
    assert errors["lloyd-4"] < 0.4 * errors["lloyd-3"]


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["single", "deep", "recurrent"])
def test_small_networks_run_through(formats, architecture, monkeypatch) -> None:
    """D is that of the reads: without noise and at 8 bits it is the least but for chance."""
    tiny = {"STEPS": 60, "STIMULI": 6, "READS": 100, "FITTED_READS": 8}
    model = ss.SparseCoding(neurons=6, noise_sd=0.5, laplace_scale=1.0)
    for name, value in {**tiny, "MODEL": model}.items():
        monkeypatch.setattr(formats, name, value)
    own = ("int4", "lloyd-3", "lloyd-3-per-neuron", "fp4-e2m1")
    figures = {one.name: one for one in formats.figures_of(architecture, (0, 1), own)}
    title = formats.ARCHITECTURES[architecture]
    inside = formats.ALL_BITS if architecture == "deep" else {}
    names = ("int8", *own, *(f"{one}, all {b} bits" for b in inside for one in inside[b]))
    for name, bits in formats.IN_TRAINING[architecture]:
        few = f", all {bits} bits" if architecture == "deep" and bits == 4 else ""
        names = (*names, f"{name}, in training{few}")
    held = [one for one in formats.ON_THE_FRONT[architecture] if one in names]
    assert held
    even = 2 * len(formats.EVEN_BITS)  # trained so and plainly
    assert len(figures) == 4 * (len(names) + even) + 2 * len(held)
    for name in held:
        less = figures[f"{title}, outputs {name}: D less that of all even"]
        d = figures[f"{title}, outputs {name}: D"].value
        ends = [figures[f"{title}, all even, {bits} bits: D"].value for bits in formats.EVEN_BITS]
        assert less.value == pytest.approx(d - np.mean(ends), abs=abs(ends[0] - ends[1]) * 3)
    bars = {title for title, one in figures.items() if one.unit == "posterior sd" and one.bar}
    in_training = {f"{title}, outputs {name}: D" for name in names if name in formats.WITH_D_BAR}
    assert bars == in_training
    for name in names:
        survived = figures[f"{title}, outputs {name}: S"]
        assert survived.low <= survived.value <= survived.high
        covered = figures[f"{title}, outputs {name}: coverage of 90 % intervals"]
        assert 0.3 < covered.value < 1
    joules = [figures[f"{title}, outputs {name}: energy"].value for name in names[:3]]
    assert joules[0] > joules[1]
    # a circuit multiplies the values of its state, which Lloyd-Max has in fixed point of 22 bits
    assert (joules[1] > joules[2]) == (architecture != "recurrent")
