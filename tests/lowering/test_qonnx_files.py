"""QONNX: the exported graph, run by the package qonnx, gives the emulation's values."""

import importlib.util
import warnings

import numpy as np
import pytest
import torch
from conversiontest import chip_of, converted_small, seeded, stimuli
from qonnxrun import executed
from torch import nn

from stochsim.lowering import convert
from stochsim.settings import SettingError, StochsimError


@pytest.mark.slow
@pytest.mark.parametrize("widths", [(2, 2, 2), (4, 4, 4), (8, 8, 8), (1, 4, 3)])
def test_the_exported_graph_gives_the_same_integers(tmp_path, widths):
    converted, x = converted_small(chip_of(*widths))
    converted.export_qonnx(tmp_path / "net.onnx")
    values, kinds = executed(tmp_path / "net.onnx", x[:5])
    scale = float(converted.layers["8"].output_grid.scale().detach())
    assert np.array_equal(np.rint(values / scale), np.rint(converted(x[:5]).numpy() / scale))
    assert kinds.count("Conv") == 2
    assert {"Quant", "Tanh", "Sigmoid", "Relu"} <= set(kinds)
    assert ("BipolarQuant" in kinds) == (widths[0] == 1)


@pytest.mark.slow
def test_unsigned_inputs_and_groups_are_exported(tmp_path):
    x = stimuli(8, 2, 4, low=0.0)
    converted = convert(
        seeded(lambda: nn.Sequential(nn.Conv1d(2, 4, 2, groups=2), nn.ReLU())), chip_of(4, 4, 2), x
    )
    converted.export_qonnx(tmp_path / "net.onnx")
    assert np.allclose(executed(tmp_path / "net.onnx", x)[0], converted(x).numpy(), atol=1e-6)


@pytest.mark.parametrize(
    ("options", "bits", "what"),
    [
        ({"padding": 1}, (4, 1, 4), "padding of one-bit codes"),
        ({}, (4, 4, 1), "one-bit codes of 0 and a scale"),
        ({"padding": 1, "padding_mode": "reflect"}, (4, 4, 4), "padding 'reflect'"),
        ({"padding": "same", "kernel_size": 2}, (4, 4, 4), "wider on one side"),
    ],
)
@pytest.mark.filterwarnings("ignore:Using padding='same'")
def test_what_qonnx_cannot_hold_is_an_error_that_names_the_layer(tmp_path, options, bits, what):
    made = seeded(
        lambda: nn.Sequential(nn.Conv1d(1, 2, **{"kernel_size": 3, **options}), nn.ReLU())
    )
    converted = convert(made, chip_of(*bits), stimuli(8, 1, 5))
    with pytest.raises(StochsimError, match=f"layer '0' cannot be written as QONNX: .*{what}"):
        converted.export_qonnx(tmp_path / "net.onnx")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"accumulator_format": "bf16"}, "'hardware.accumulator_format' = 'bf16': QONNX has exact"),
        (
            {"accumulator_bits": 8},
            "'hardware.accumulator_bits' = 8: QONNX has exact sums.*may need 11 bits",
        ),
    ],
)
def test_accumulators_that_qonnx_lacks_are_refused(tmp_path, settings, words):
    x = stimuli(8, 12)
    hardware = chip_of(4, 4, 4).replace(**settings)
    converted = convert(seeded(lambda: nn.Linear(12, 3)), hardware, x)
    assert f", sums {hardware.accumulator_text}, " in str(converted).splitlines()[0]
    needed = max_sum(converted).bit_length() + 1
    with pytest.raises(SettingError, match=words.replace("11", str(needed))):
        converted.export_qonnx(tmp_path / "net.onnx")
    assert not (tmp_path / "net.onnx").exists()


@pytest.mark.slow
def test_accumulators_that_hold_every_sum_are_written(tmp_path):
    """And those of one bit fewer are not."""
    x = stimuli(8, 12)
    plain = convert(seeded(lambda: nn.Linear(12, 3)), chip_of(4, 4, 4), x)
    needed = max_sum(plain).bit_length() + 1
    narrow = chip_of(4, 4, 4).replace(accumulator_bits=needed - 1)
    with pytest.raises(SettingError, match=f"may need {needed} bits"):
        convert(seeded(lambda: nn.Linear(12, 3)), narrow, x).export_qonnx(tmp_path / "net.onnx")
    hardware = chip_of(4, 4, 4).replace(accumulator_bits=needed)
    converted = convert(seeded(lambda: nn.Linear(12, 3)), hardware, x)
    converted.export_qonnx(tmp_path / "net.onnx")
    assert np.allclose(executed(tmp_path / "net.onnx", x)[0], plain(x).numpy(), atol=1e-6)


def max_sum(converted) -> int:
    """The largest sum of products that the one layer can come to."""
    (layer,) = converted.program.layers.values()
    return int(np.abs(layer.weight_codes.astype(int)).sum(1).max()) * layer.input.largest_integer


def test_missing_packages_are_named(tmp_path, monkeypatch):
    converted, _ = converted_small(chip_of())
    import stochsim.lowering.qonnx  # noqa: F401 - Brevitas asks for packages of its own

    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *more: None if name == "onnxoptimizer" else found(name, *more),
    )
    with pytest.raises(
        StochsimError,
        match=r"needs the package (onnx and )?onnxoptimizer: install stochsim\[qonnx\]",
    ):
        converted.export_qonnx(tmp_path / "net.onnx")


class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.table, self.first, self.last = nn.Embedding(5, 4), nn.Linear(4, 6), nn.Linear(6, 3)

    def forward(self, x, ids):
        found = self.last(torch.relu(self.first(x + self.table(ids))))
        return {"best": found.argmax(-1), "scores": found}


def test_several_inputs_and_outputs_are_exported(tmp_path):
    x, ids = stimuli(8, 4), torch.arange(8) % 5
    converted = convert(seeded(Two), chip_of(4, 4, 4), (x, ids))
    converted.export_qonnx(tmp_path / "net.onnx")
    import onnx

    graph = onnx.load(str(tmp_path / "net.onnx")).graph
    kinds = [one.type.tensor_type.elem_type for one in graph.input[:2]]
    assert kinds == [onnx.TensorProto.FLOAT, onnx.TensorProto.INT64]
    assert [one.type.tensor_type.elem_type for one in graph.output] == kinds[::-1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from qonnx.core.modelwrapper import ModelWrapper
        from qonnx.core.onnx_exec import execute_onnx
        from qonnx.transformation.infer_shapes import InferShapes

        model = ModelWrapper(str(tmp_path / "net.onnx")).transform(InferShapes())
        given = {graph.input[0].name: x[3:4].numpy(), graph.input[1].name: ids[3:4].numpy()}
        best, scores = execute_onnx(model, given).values()
    wanted = converted(x[3:4], ids[3:4])
    assert np.allclose(scores, wanted["scores"].numpy(), atol=1e-6)
    assert np.array_equal(best, wanted["best"].numpy())
