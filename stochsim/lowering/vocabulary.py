"""All that the graph of a saved network may say: operations of ATen by name, each with the
arguments of its schema, and arithmetic of sizes. What is not here can be neither written nor read.
"""

import operator
from typing import Any

import torch

_NAMES = """
_to_copy _weight_norm abs adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d
adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d add addcdiv addcmul addmm all
alpha_dropout amax amin any arange argmax argmin atan atan2 avg_pool1d avg_pool2d avg_pool3d baddbmm
batch_norm bernoulli bilinear bitwise_and bitwise_not bitwise_or bmm broadcast_tensors cat ceil celu
channel_shuffle chunk clamp clamp_max clamp_min constant_pad_nd conv1d conv2d conv3d
conv_transpose1d conv_transpose2d conv_transpose3d cos cosine_similarity cumprod cumsum detach
diagonal div dot dropout einsum elu embedding empty_like eq erf exp expand expm1 exponential eye
feature_alpha_dropout feature_dropout fill flatten flip floor floor_divide fmod full full_like
gather ge gelu glu group_norm gt hardshrink hardsigmoid hardswish hardtanh im2col index index_select
instance_norm isfinite isinf isnan layer_norm le leaky_relu lerp linalg_norm linalg_vector_norm
linear log log10 log1p log2 log_sigmoid log_softmax logical_and logical_not logical_or logical_xor
logsumexp lt masked_fill matmul max max_pool1d max_pool2d max_pool2d_with_indices max_pool3d maximum
mean median min minimum mish mm mul multinomial mv narrow ne neg new_full new_ones new_zeros norm
normal normal_functional one_hot ones ones_like pad permute pixel_shuffle pixel_unshuffle pow prelu
prod rand rand_like randint randint_like randn randn_like reciprocal relu relu6 remainder repeat
repeat_interleave reshape rms_norm roll round rrelu rsqrt rsub scalar_tensor scatter scatter_add
select select_scatter selu sigmoid sign silu sin slice slice_scatter softmax softplus softshrink
softsign sort split split_with_sizes sqrt square squeeze stack std std_mean sub sum sym_size t tan
tanh threshold topk transpose tril triu trunc unbind unflatten uniform unsafe_chunk unsafe_split
unsqueeze upsample_bicubic2d upsample_bilinear2d upsample_linear1d upsample_nearest1d
upsample_nearest2d var var_mean vdot where zeros zeros_like
"""


def _operations() -> dict[str, Any]:
    """The operations by the names that files have for them, all overloads that write nothing."""
    found = {}
    for name in _NAMES.split():
        packet = getattr(torch.ops.aten, name, None)
        for overload in () if packet is None else packet.overloads():
            one = getattr(packet, overload)
            if not one._schema.is_mutable and "names" not in {
                argument.name for argument in one._schema.arguments
            }:
                found[f"{name}.{overload}"] = one
    return found


OPERATIONS: dict[str, Any] = {
    **_operations(),
    **{
        f"operator.{name}": getattr(operator, name)
        for name in ("getitem", "add", "sub", "mul", "floordiv", "neg")
    },
}
"""What nodes may call, by the names that files have for it."""

_OF_OPERATORS = {"getitem": ("a", "b"), "neg": ("a",)}

WORDS: dict[str, tuple[str, ...]] = {
    "mode": ("constant", "reflect", "replicate", "circular"),
    "padding": ("same", "valid"),
    "approximate": ("none", "tanh"),
    "rounding_mode": ("trunc", "floor"),
}
"""Arguments that may be words, and which."""

LEFT_OUT = ("device", "layout", "pin_memory", "memory_format", "generator", "non_blocking")
"""Arguments that files do not have: where and how numbers lie in memory."""

DTYPES = (
    "float32",
    "float64",
    "bfloat16",
    "float16",
    "int64",
    "int32",
    "int16",
    "int8",
    "uint8",
    "bool",
)
"""Numbers that arguments may name."""


def name_of_operation(target: Any) -> str | None:
    """The name of an operation in files; None where it has none."""
    if isinstance(target, torch._ops.OpOverload):
        name = f"{target._schema.name.partition('::')[2]}.{target._overloadname}"
    else:
        name = f"operator.{getattr(target, '__name__', '')}"
    return name if OPERATIONS.get(name) is target else None


def places_of(name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names of an operation's arguments: those that may stand without one, and the others."""
    if name.startswith("operator."):
        return _OF_OPERATORS.get(name.removeprefix("operator."), ("a", "b")), ()
    own = OPERATIONS[name]._schema.arguments
    names = [one.name for one in own if one.name not in LEFT_OUT]
    only_named = {one.name for one in own if one.kwarg_only}
    placed = tuple(one for one in names if one not in only_named)
    return placed, tuple(one for one in names if one in only_named)
