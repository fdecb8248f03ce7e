"""What parts in float take, as float32 multiplications and additions: counts of plain algorithms,
by operation and shape.

An elementary function is counted as ten multiplications and ten additions: a reduction of its
range and a polynomial of the sixth degree, about what single-precision libraries take (Cephes'
expf: eight of each); a quotient as four of each, by Newton's iteration. Engineering defaults.
"""

import math
from collections.abc import Mapping

from torch import fx

from stochsim.lowering.queries import arguments, operation, origin_of

Work = tuple[float, float]
"""Multiplications and additions."""

_FUNCTION: Work = (10, 10)
_QUOTIENT: Work = (4, 4)


def _each(names: str, work: Work) -> dict[str, Work]:
    """The same work for all operations of these names."""
    return dict.fromkeys(names.split(), work)


_OF_VALUE: Mapping[str, Work] = {
    **_each(
        "add sub rsub neg abs relu relu6 clamp clamp_min clamp_max hardtanh threshold maximum "
        "minimum eq ne gt ge lt le sign where masked_fill floor ceil round trunc logical_not "
        "logical_and logical_or logical_xor bitwise_and bitwise_or bitwise_not isnan isinf "
        "isfinite fmod remainder floor_divide softshrink hardshrink tril triu",
        (0.0, 1.0),
    ),
    **_each("mul square dropout alpha_dropout feature_dropout", (1.0, 0.0)),
    **_each("feature_alpha_dropout batch_norm leaky_relu prelu rrelu", (1.0, 1.0)),
    **_each("addcmul lerp hardsigmoid hardswish", (2.0, 2.0)),
    **_each("div reciprocal addcdiv softsign", _QUOTIENT),
    **_each(
        "exp expm1 log log1p log2 log10 sqrt rsqrt sin cos tan atan atan2 tanh sigmoid erf pow "
        "softplus elu selu celu log_sigmoid",
        _FUNCTION,
    ),
    **_each("gelu silu mish glu", (12.0, 12.0)),
    "softmax": (14.0, 13.0),  # a function, a quotient; the largest, the difference, the sum
    "log_softmax": (10.0, 13.0),
    **_each("layer_norm group_norm instance_norm", (3.0, 4.0)),
    "rms_norm": (3.0, 1.0),
    **_each(
        "cat stack pad constant_pad_nd zeros ones full zeros_like ones_like full_like new_zeros "
        "new_ones new_full scalar_tensor arange eye fill _to_copy index_select gather scatter "
        "index select_scatter slice_scatter roll repeat repeat_interleave pixel_shuffle im2col "
        "pixel_unshuffle channel_shuffle upsample_nearest1d upsample_nearest2d embedding one_hot "
        "diagonal detach topk sort broadcast_tensors randn rand randint randn_like rand_like "
        "randint_like normal normal_functional uniform bernoulli exponential multinomial",
        (0.0, 0.0),
    ),
    "upsample_linear1d": (2.0, 1.0),
    "upsample_bilinear2d": (4.0, 3.0),
    "upsample_bicubic2d": (16.0, 15.0),
}
"""Of each value that an operation gives."""

_OF_READ: Mapping[str, Work] = {
    **_each(
        "sum mean amax amin max min any all argmax argmin cumsum avg_pool1d avg_pool2d avg_pool3d "
        "adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d median scatter_add",
        (0.0, 1.0),
    ),
    **_each("prod cumprod", (1.0, 0.0)),
    **_each("var std var_mean std_mean norm linalg_vector_norm", (1.0, 3.0)),
    "logsumexp": (10.0, 13.0),
    "_weight_norm": (2.0, 1.0),
}
"""Of each value that an operation reads."""

_PRODUCTS = ("linear", "conv1d", "conv2d", "conv3d", "bilinear")


def float_macs(node: fx.Node) -> float:
    """Multiply-adds of a product in float for each value that it gives; 0 for other parts."""
    name = operation(node)
    if name in _PRODUCTS:
        shape = origin_of(arguments(node)["weight"]).shape or (0,)
        return abs(math.prod(shape[1:] or shape))
    if name in ("matmul", "mm", "bmm", "mv", "dot"):
        shape = origin_of(node.all_input_nodes[0]).shape or (0,)
        return abs(shape[-1])
    if name in ("addmm", "baddbmm"):
        first = arguments(node)["mat1" if name == "addmm" else "batch1"]
        return abs((origin_of(first).shape or (0,))[-1])
    if name.startswith("conv_transpose"):
        given = arguments(node)
        weight = origin_of(given["weight"]).shape or (0,)
        return math.prod(weight[1:]) * _ratio(given["input"], node)
    return 0


def float_work(node: fx.Node) -> Work | None:
    """Multiplications and additions beside `float_macs`, for each value that a node gives; None for
    an operation that is not known.
    """
    name = operation(node)
    if float_macs(node):
        return 0.0, 0.0
    if name in _OF_VALUE:
        return _OF_VALUE[name]
    if name not in _OF_READ or not node.all_input_nodes:
        return None
    ratio = _ratio(node.all_input_nodes[0], node)
    multiplications, additions = _OF_READ[name]
    return multiplications * ratio, additions * ratio


def _ratio(read: fx.Node, given: fx.Node) -> float:
    """How many values are read for each that is given."""
    before, after = (origin_of(one).shape for one in (read, given))
    if before is None or after is None:
        return 1.0
    return abs(math.prod(before)) / max(abs(math.prod(after)), 1)
