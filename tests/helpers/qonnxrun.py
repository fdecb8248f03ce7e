"""Runs a QONNX file by the package qonnx."""

import warnings

import numpy as np


def executed(path, x):
    """Outputs of the graph in a file, stimulus by stimulus."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from qonnx.core.modelwrapper import ModelWrapper
        from qonnx.core.onnx_exec import execute_onnx
        from qonnx.transformation.infer_shapes import InferShapes

        model = ModelWrapper(str(path)).transform(InferShapes())
        name = model.graph.input[0].name
        out = model.graph.output[0].name
        return np.concatenate([execute_onnx(model, {name: one[None].numpy()})[out] for one in x]), [
            one.op_type for one in model.graph.node
        ]
