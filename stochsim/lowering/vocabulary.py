"""All that the graph of a saved network may say: functions, methods and modules by name, each with
the arguments that it takes. What is not here can be neither written nor read.
"""

import operator
from collections.abc import Mapping
from typing import Any

import torch
from torch.nn import functional

POOL = "input kernel_size stride padding"
_MAX_POOL = f"{POOL} dilation ceil_mode return_indices"
_CONV = "input weight bias stride padding dilation groups"
_SOFTMAX = "input dim _stacklevel dtype"

_TORCH = {
    "flatten": "input start_dim end_dim",
    "relu": "input",
    "tanh": "input",
    "sigmoid": "input",
    "cat": "tensors dim",
    "softmax": "input dim dtype",
    "add": "input other alpha",
    "mul": "input other",
    "mean": "input dim keepdim dtype",
    "reshape": "input shape",
    "squeeze": "input dim",
    "unsqueeze": "input dim",
    "permute": "input dims",
    "transpose": "input dim0 dim1",
    "sum": "input dim keepdim dtype",
    "log_softmax": "input dim dtype",
    "rand_like": "input",
    "randn_like": "input",
    "bernoulli": "input",
}
_FUNCTIONAL = {
    "relu": "input inplace",
    "softmax": _SOFTMAX,
    "log_softmax": _SOFTMAX,
    "max_pool1d": _MAX_POOL,
    "max_pool2d": _MAX_POOL,
    "avg_pool1d": f"{POOL} ceil_mode count_include_pad",
    "avg_pool2d": f"{POOL} ceil_mode count_include_pad divisor_override",
    "adaptive_avg_pool1d": "input output_size",
    "adaptive_avg_pool2d": "input output_size",
    "dropout": "input p training inplace",
    "leaky_relu": "input negative_slope inplace",
    "gelu": "input approximate",
    "elu": "input alpha inplace",
    "hardtanh": "input min_val max_val inplace",
    "relu6": "input inplace",
    "pad": "input pad mode value",
    "linear": "input weight bias",
    "conv1d": _CONV,
    "conv2d": _CONV,
}
_OPERATORS = {
    "add": "a b",
    "sub": "a b",
    "mul": "a b",
    "truediv": "a b",
    "getitem": "a b",
    "iadd": "a b",
    "imul": "a b",
    "neg": "a",
}

FUNCTIONS: dict[str, Any] = {
    **{f"torch.{name}": getattr(torch, name) for name in _TORCH},
    **{f"functional.{name}": getattr(functional, name) for name in _FUNCTIONAL},
    **{f"operator.{name}": getattr(operator, name) for name in _OPERATORS},
}
"""Functions by the names that files have for them."""

ARGUMENTS: dict[str, tuple[str, ...]] = {
    f"{place}.{name}": tuple(words.split())
    for place, both in (
        ("torch", _TORCH),
        ("functional", _FUNCTIONAL),
        ("operator", _OPERATORS),
    )
    for name, words in both.items()
}
"""What each function takes, in this order where it is given without a name."""

METHODS: dict[str, tuple[str, ...]] = {
    name: ("self", *words.split())
    for name, words in {
        "view": "*size",
        "reshape": "*shape",
        "flatten": "start_dim end_dim",
        "size": "dim",
        "dim": "",
        "permute": "*dims",
        "transpose": "dim0 dim1",
        "squeeze": "*dim",
        "unsqueeze": "dim",
        "contiguous": "",
        "relu": "",
        "tanh": "",
        "sigmoid": "",
        "mean": "*dim keepdim",
        "sum": "*dim keepdim",
        "softmax": "dim",
        "log_softmax": "dim",
        "add": "other alpha",
        "mul": "other",
        "sub": "other alpha",
        "div": "other rounding_mode",
        "clamp": "min max",
        "amax": "dim keepdim",
        "unflatten": "dim sizes",
    }.items()
}
"""Methods of tensors, as ARGUMENTS; any number of "*size" may be given without a name."""

WORDS: dict[str, tuple[str, ...]] = {
    "mode": ("constant", "reflect", "replicate", "circular"),
    "padding": ("same", "valid"),
    "padding_mode": ("zeros", "reflect", "replicate", "circular"),
    "approximate": ("none", "tanh"),
    "rounding_mode": ("trunc", "floor"),
}
"""Arguments and fields that may be words, and which."""

_DROPOUT = "p inplace"
_MAX = "kernel_size stride padding dilation return_indices ceil_mode"
_NORM = "num_features eps momentum affine track_running_stats"
_CONVOLUTION = (
    "in_channels out_channels kernel_size stride padding dilation groups bias padding_mode"
)
MODULES: dict[str, tuple[str, ...]] = {
    name: tuple(fields.split())
    for name, fields in {
        "Flatten": "start_dim end_dim",
        "Unflatten": "dim unflattened_size",
        "Identity": "",
        "Dropout": _DROPOUT,
        "Dropout1d": _DROPOUT,
        "Dropout2d": _DROPOUT,
        "ReLU": "inplace",
        "LeakyReLU": "negative_slope inplace",
        "Tanh": "",
        "Sigmoid": "",
        "Softmax": "dim",
        "LogSoftmax": "dim",
        "GELU": "approximate",
        "ELU": "alpha inplace",
        "Hardtanh": "min_val max_val inplace",
        "ReLU6": "inplace",
        "Softplus": "beta threshold",
        "MaxPool1d": _MAX,
        "MaxPool2d": _MAX,
        "AvgPool1d": "kernel_size stride padding ceil_mode count_include_pad",
        "AvgPool2d": "kernel_size stride padding ceil_mode count_include_pad divisor_override",
        "AdaptiveAvgPool1d": "output_size",
        "AdaptiveAvgPool2d": "output_size",
        "AdaptiveMaxPool1d": "output_size return_indices",
        "AdaptiveMaxPool2d": "output_size return_indices",
        "BatchNorm1d": _NORM,
        "BatchNorm2d": _NORM,
        "LayerNorm": "normalized_shape eps elementwise_affine",
        "Linear": "in_features out_features bias",
        "Conv1d": _CONVOLUTION,
        "Conv2d": _CONVOLUTION,
    }.items()
}
"""Types of modules, and the fields that say, with the sizes of weights, how one was made."""

ALSO_WRITTEN: Mapping[str, tuple[str, ...]] = {"ReLU6": ("min_val", "max_val")}
"""Fields that earlier files have and that say nothing."""


def name_of_function(function: Any) -> str | None:
    """The name of a function in files; None where it has none."""
    return next((name for name, one in FUNCTIONS.items() if one is function), None)


def fields_of(module: torch.nn.Module) -> dict[str, Any] | None:
    """The fields of a module that can be written; None where its type is none of MODULES."""
    name = type(module).__name__
    if getattr(torch.nn, name, None) is not type(module) or name not in MODULES:
        return None
    found = {field: getattr(module, field) for field in MODULES[name]}
    if "bias" in found:
        found["bias"] = module.bias is not None
    return found
