"""The benchmark of accumulators on a tiny network: every accumulator has its three figures, few
bits cost quality, and few bits cost fewer joules.
"""

import pytest

import stochsim as ss


@pytest.mark.slow
def test_every_accumulator_has_its_figures(load, monkeypatch):
    accumulators, bench = load("accumulators"), load("_bench")
    tiny = {
        "MODEL": ss.SparseCoding(neurons=6, noise_sd=0.5, laplace_scale=1.0),
        "FORMATS": ("fp32", "fp6-e4m1"),
        "ROUNDINGS": ("nearest", "to-zero"),
        "READS": 200,
        "SIZES": (8, 16, 24),
        "REPEATS": 2,
    }
    for name, value in tiny.items():
        monkeypatch.setattr(accumulators, name, value)
    figures = accumulators.measure(bench.Options(True, None, None))
    values = {figure.name: figure.value for figure in figures}
    assert len(values) == 3 * (1 + 2 * 3) + 1
    names = [f"single, {name}" for name in ("integers", "fp32, nearest", "fp6-e4m1, to-zero")]
    exact, wide, narrow = (values[f"{name}: D"] for name in names)
    assert exact == pytest.approx(wide, rel=1e-3)
    assert narrow > exact
    cheap, dear = (values[f"single, {name}, nearest: joules"] for name in ("fp6-e4m1", "fp32"))
    assert cheap < dear
