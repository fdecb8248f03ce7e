"""Floating-point formats in QONNX: the operator FloatQuant, run by the package qonnx."""

import numpy as np
import pytest
import torch
from conversiontest import chip_of, seeded, stimuli
from qonnxrun import executed
from torch import nn

from stochsim.formats import code_book
from stochsim.lowering import convert
from stochsim.lowering.qonnx import _exported
from stochsim.lowering.qonnx_floats import FloatQuant
from stochsim.networks.book_grids import BookGrid
from stochsim.program import Quantizer
from stochsim.settings import StochsimError

PAIRS = [(x, m) for x in range(1, 6) for m in range(1, 7) if 1 + x + m <= 8]
NAMES = ["fp2-e1m0", *(f"fp{1 + x + m}-e{x}m{m}" for x, m in PAIRS)]
"""Every format with a mantissa that products take (not fp8-e6m1), those of the OCP among them, and
the one without whose only tie is at 0.
"""


def points(name: str, scale: float) -> np.ndarray:
    """Every value and edge of a format times a scale, float32, with both neighbours of each, halves
    of the smallest, numbers beyond the ends, and subnormal ones.
    """
    book = code_book(name)
    found = np.array([*book.values, *book.edges], np.float32) * np.float32(scale)
    least = np.float32(book.smallest_step * scale)
    more = [found, least * np.float32([0.5, 0.25, 1e-3]), np.float32([1e-40, 0.0, -0.0])]
    found = np.concatenate([*more, 1.5 * found[[0, -1]], np.float32([3e38, -3e38])])
    ends = np.float32(np.inf)
    return np.concatenate([found, np.nextafter(found, ends), np.nextafter(found, -ends)])


def written(name: str, scale: float, path) -> tuple[BookGrid, np.ndarray]:
    """The grid of a format, and what FloatQuant gives for its points, all but those that overflow
    over the scale.
    """
    grid = BookGrid(code_book(name), scale).float()
    x = points(name, scale)
    x = torch.from_numpy(x[np.abs(x) < 3e37])[None]
    quantised = FloatQuant(grid)
    path.write_bytes(_exported(quantised, (x,)))
    found, kinds = executed(path, x)
    assert kinds == ["FloatQuant"]
    with torch.no_grad():
        np.testing.assert_array_equal(quantised(x).numpy(), grid(x).numpy())
    return grid, np.stack([x[0].numpy(), found[0]])


@pytest.mark.slow
@pytest.mark.parametrize("scale", [1.0, 0.37])
@pytest.mark.parametrize("name", NAMES)
def test_every_value_edge_and_neighbour_becomes_what_the_chip_has(name, scale, tmp_path):
    grid, (x, found) = written(name, scale, tmp_path / "net.onnx")
    with torch.no_grad():
        np.testing.assert_array_equal(found, grid(torch.from_numpy(x)).numpy())
    if scale == 1:
        quantiser = Quantizer.of_format(name, scale)
        np.testing.assert_array_equal(found, quantiser.values(quantiser.codes(x)))


@pytest.mark.slow
def test_ties_without_a_mantissa_differ_so_such_formats_are_refused(tmp_path):
    """The negative control: FloatQuant rounds a half of significand 1 to 2, the larger value."""
    grid, (x, found) = written_without_check("fp3-e2m0", tmp_path / "net.onnx")
    own = grid(torch.from_numpy(x)).detach().numpy()
    assert set(x[found != own]) == {-3.0, 3.0}


def written_without_check(name: str, path) -> tuple[BookGrid, np.ndarray]:
    """See `written`."""
    grid = BookGrid(code_book(name), 1.0).float()
    x = torch.from_numpy(points(name, 1.0)[:-6])[None]
    path.write_bytes(_exported(FloatQuant(grid), (x,)))
    return grid, np.stack([x[0].numpy(), executed(path, x)[0][0]])


MODULES = {
    "linear": (lambda: nn.Sequential(nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 3)), (12,)),
    "convolution": (
        lambda: nn.Sequential(nn.Conv2d(2, 4, 3, padding=1, groups=2), nn.Tanh()),
        (2, 5, 5),
    ),
    "transposed": (lambda: nn.ConvTranspose1d(3, 4, 3, 2, 1), (3, 5)),
}


@pytest.mark.slow
@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize(
    "formats",
    [
        "fp4-e2m1",
        "fp8-e4m3",
        "fp8-e5m2",
        {"weights": "fp6-e2m3"},
        {"inputs": "fp8-e4m3"},
        {"outputs": "fp5-e2m2"},
    ],
    ids=str,
)
def test_networks_give_the_values_of_the_chip(module, formats, tmp_path):
    """To the last place of float32, in which scales are rounded once more beside integers."""
    make, shape = MODULES[module]
    x = stimuli(12, *shape)
    made = convert(seeded(make), chip_of(), x, formats=formats)
    made.export_qonnx(tmp_path / "net.onnx")
    found, kinds = executed(tmp_path / "net.onnx", x)
    own = made(x).numpy()
    np.testing.assert_allclose(found, own, rtol=1e-6, atol=1e-6 * np.abs(own).max())
    sides = 3 if isinstance(formats, str) else 1
    assert kinds.count("FloatQuant") >= sides
    assert ("Quant" in kinds) == (sides == 1)


@pytest.mark.slow
def test_tables_are_written_too(tmp_path):
    module = seeded(lambda: nn.Sequential(nn.Embedding(7, 4), nn.Linear(4, 3)))
    ids = torch.arange(7)[:, None].repeat(3, 2)
    made = convert(module, chip_of(), ids, formats="fp8-e4m3")
    made.export_qonnx(tmp_path / "net.onnx")
    found, kinds = executed(tmp_path / "net.onnx", ids)
    np.testing.assert_allclose(found, made(ids).numpy(), rtol=1e-6, atol=1e-7)
    assert "FloatQuant" in kinds


@pytest.mark.parametrize(
    ("formats", "what"),
    [
        ("nf4", "its weights have the format 'nf4', which QONNX has no operator for"),
        ({"inputs": "log2-4"}, "its inputs have the format 'log2-4', which QONNX has no operator"),
        ({"outputs": "power-4"}, "its outputs have the format 'power-4', which QONNX has no"),
        ({"weights": "mxfp4"}, "its weights have the format 'mxfp4', whose blocks QONNX has no"),
        ({"inputs": "nvfp4"}, "its inputs have the format 'nvfp4', whose blocks QONNX has no"),
        ({"weights": "fp3-e2m0"}, "'fp3-e2m0', whose ties QONNX rounds to the larger value"),
        ({"weights": "int4"}, "'int4', whose integers it has of networks that are converted with"),
    ],
)
def test_other_formats_are_an_error_that_names_them(formats, what, tmp_path):
    made = convert(seeded(lambda: nn.Linear(40, 3)), chip_of(), stimuli(12, 40), formats=formats)
    with pytest.raises(StochsimError, match=f"layer 'linear' cannot be written as QONNX: .*{what}"):
        made.export_qonnx(tmp_path / "net.onnx")


def test_scales_of_neurons_are_refused_as_those_of_integers_are(tmp_path):
    more = {"formats": "fp4-e2m1", "weight_scales": "per-channel"}
    made = convert(seeded(lambda: nn.Linear(12, 3)), chip_of(), stimuli(12, 12), **more)
    with pytest.raises(StochsimError, match="its weights have several scales"):
        made.export_qonnx(tmp_path / "net.onnx")
