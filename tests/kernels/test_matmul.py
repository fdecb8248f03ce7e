"""Integer products: exact at every width and shape by every arithmetic, and the rule that chooses
it.
"""

import itertools

import numpy as np
import pytest
from stochsim_kernels._jit import helper
from stochsim_kernels.product import matmul
from stochsim_kernels.product.matrix_tiles import has_matrix_unit
from stochsim_kernels.product.packing import Span
from stochsim_kernels.random.popcount import popcount64
from stochsim_kernels.reference import neuron_codes as reference
from threadtest import MOST, threads

WAYS = ("rule", "matrix", "bits", "bytes", "blas")


def codes(random, bits, shape, signed=True):
    if bits == 1 and signed:
        return (2 * random.integers(0, 2, shape) - 1).astype(np.int8)
    low = -(2 ** (bits - 1)) if signed else 0
    return random.integers(low, low + 2**bits, shape).astype(np.int8 if signed else np.uint8)


def skip_without_matrix_unit():
    if not has_matrix_unit():
        pytest.skip("a processor without a matrix unit (AMX)")


def choose(monkeypatch, way):
    """Bend the rule: planes of bits at any width, none of them, or a processor without dot
    products; "matrix" is where the processor has such a unit.
    """
    if way == "matrix":
        skip_without_matrix_unit()
    elif way != "rule":
        monkeypatch.setattr(matmul, "has_matrix_unit", lambda: False)
    if way in ("bytes", "bits"):
        monkeypatch.setattr(matmul, "MOST_PLANE_PAIRS", 0 if way == "bytes" else 64)
    monkeypatch.setattr(
        matmul, "processor_has", {"rule": matmul.processor_has}.get(way, lambda _: way != "blas")
    )


def check(x, w):
    product = matmul.integer_product(x, w)
    assert product.dtype == (np.int32 if matmul.accumulator_bound(x, w) < 2**31 else np.int64)
    assert np.array_equal(product, reference.integer_product(x, w))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("signed", [True, False])
def test_exact_at_every_width(way, signed, monkeypatch):
    choose(monkeypatch, way)
    for x_bits, w_bits in itertools.product(range(1, 9), repeat=2):
        random = np.random.default_rng(x_bits * 8 + w_bits)
        check(codes(random, x_bits, (17, 51), signed), codes(random, w_bits, (67, 51)))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("signed", [True, False])
def test_all_pairs_of_codes_over_two_inputs(way, signed, monkeypatch):
    """Every integer of up to 4 bits with every other, twice: 2^16 sums at 4 × 4 bits."""
    choose(monkeypatch, way)
    for x_bits, w_bits in itertools.product(range(1, 5), repeat=2):
        x_low = -(2 ** (x_bits - 1)) if signed else 0
        w_low = -(2 ** (w_bits - 1))
        x = np.array(list(itertools.product(range(x_low, x_low + 2**x_bits), repeat=2)), np.int8)
        w = np.array(list(itertools.product(range(w_low, w_low + 2**w_bits), repeat=2)), np.int8)
        check(x, w)


@pytest.mark.parametrize("way", WAYS)
def test_all_vectors_of_few_values(way, monkeypatch):
    """Signs, bits, ternary codes and odd integers, every vector of 3 inputs with every other."""
    choose(monkeypatch, way)
    for x_values, w_values in itertools.product(
        [(-1, 1), (0, 1), (-1, 0, 1), (-3, -1, 1, 3), (7,)], repeat=2
    ):
        check(
            *(
                np.array(list(itertools.product(values, repeat=3)), np.int8)
                for values in (x_values, w_values)
            )
        )


@pytest.mark.parametrize("way", WAYS)
def test_any_shape(way, monkeypatch):
    """Empty, one of a kind, and to either side of words, tiles, blocks and panels."""
    choose(monkeypatch, way)
    random = np.random.default_rng(0)
    edges = [
        (0, 5, 3),
        (4, 0, 3),
        (3, 5, 0),
        (0, 0, 0),
        (1, 1, 1),
        (5, 3, 63),
        (6, 4, 64),
        (7, 5, 65),
        (47, 31, 15),
        (48, 32, 16),
        (49, 33, 17),
    ]
    edges += [tuple(shape) for shape in random.integers(1, 150, (10, 3))] + [(3, 1000, 2)]
    for (stimuli, inputs, neurons), bits in itertools.product(edges, (1, 2, 8)):
        check(codes(random, bits, (stimuli, inputs)), codes(random, bits, (neurons, inputs)))
        assert matmul.integer_product(
            np.ones((stimuli, inputs), int), np.ones((neurons, inputs), int)
        ).shape == (stimuli, neurons)


@pytest.mark.parametrize("way", WAYS)
def test_any_integer_type_and_memory_order(way, monkeypatch):
    choose(monkeypatch, way)
    random = np.random.default_rng(1)
    large = random.integers(0, 120, (40, 60))
    w = codes(random, 5, (33, 20))
    for dtype in (np.int8, np.uint8, np.int16, np.uint16, np.int64, np.uint64):
        x = large.astype(dtype)
        for view in (
            x[:, :20],
            x[::2, ::3],
            x[::-1, 40:],
            x.T[:30, :20],
            np.asfortranarray(x[:, :20]),
        ):
            check(view, np.asfortranarray(w))
    check(random.integers(0, 2, (9, 20)).astype(bool), w)
    check(large[:, :20], random.integers(0, 2, (9, 20)).astype(bool))


@pytest.mark.parametrize(
    ("x_code", "w_code", "inputs"),
    [(-128, -128, 131_071), (-128, 128, 131_072), (255, -128, 65_793), (255, 127, 9)],
)
def test_extremes_at_the_edge_of_32_bits(x_code, w_code, inputs):
    """The largest sums that int32 holds, the first that need int64, and four products in a row far
    beyond 16 bits.
    """
    x, w = np.full((2, inputs), x_code, np.int16), np.full((3, inputs), w_code, np.int16)
    x[1] = np.arange(inputs) % 2 * x_code
    w[1] = -w[1] // 2
    assert abs(matmul.accumulator_bound(x, w) - 2**31) < 2**15 or inputs == 9
    check(x, w)


def test_correction_may_pass_32_bits_where_the_sum_does_not():
    """-128 times the sum of the weights wraps around, and back."""
    x, w = np.full((2, 200_000), -8, np.int8), np.full((2, 200_000), 127, np.int8)
    x[1] = 7
    w[1, ::2] = -100
    assert 128 * int(w[0].sum(dtype=np.int64)) > 2**31 > matmul.accumulator_bound(x, w)
    check(x, w)


@pytest.mark.parametrize(
    ("x", "w", "bound", "features", "expected"),
    [
        (Span(-1, 1, (1,)), Span(-1, 1, (1,)), 1024, "avx512vnni avx512vpopcntdq", "bits"),
        (Span(-1, 1, (1,)), Span(-4, 3, (0, 1, 2)), 4096, "avx512vnni avx512vpopcntdq", "bits"),
        (Span(-2, 1, (0, 1)), Span(-2, 1, (0, 1)), 4096, "avx512vnni avx512vpopcntdq", "bytes"),
        (Span(-1, 1, (1,)), Span(-1, 1, (1,)), 1024, "", "bits"),
        (Span(-1, 1, (1,)), Span(-1, 1, (0, 1)), 1024, "avx512vnni", "bytes"),
        (
            Span(-128, 127, tuple(range(8))),
            Span(-128, 127, tuple(range(8))),
            2**31 - 1,
            "avx512vnni",
            "bytes",
        ),
        (
            Span(0, 255, tuple(range(8))),
            Span(-128, 127, tuple(range(8))),
            2**20,
            "avx512vnni",
            "bytes",
        ),
        (
            Span(-128, 127, tuple(range(8))),
            Span(-128, 127, tuple(range(8))),
            2**31,
            "avx512vnni",
            "float64",
        ),
        (
            Span(-1, 255, tuple(range(9))),
            Span(-128, 127, tuple(range(8))),
            2**20,
            "avx512vnni",
            "float32",
        ),
        (
            Span(0, 255, tuple(range(8))),
            Span(0, 128, tuple(range(8))),
            2**20,
            "avx512vnni",
            "float32",
        ),
        (Span(-8, 7, tuple(range(4))), Span(-8, 7, tuple(range(4))), 2**24 - 1, "", "float32"),
        (Span(-8, 7, tuple(range(4))), Span(-8, 7, tuple(range(4))), 2**24, "", "float64"),
        (Span(-1, 1, (1,)), Span(0, 2**40, tuple(range(41))), 2**53 - 1, "avx512vnni", "float64"),
        (Span(-1, 1, (1,)), Span(0, 0, (0,)), 2**31, "avx512vnni", "float64"),
        (Span(-1, 1, (1,)), Span(-1, 1, (1,)), 1024, "amx avx512vnni avx512vpopcntdq", "matrix"),
        (Span(0, 255, (0,)), Span(-128, 127, (0,)), 2**31 - 1, "amx", "matrix"),
        (Span(0, 255, (0,)), Span(-128, 127, (0,)), 2**31, "amx", "float64"),
        (Span(-1, 255, (0,) * 9), Span(-128, 127, (0,)), 2**20, "amx avx512vnni", "float32"),
    ],
)
def test_rule(x, w, bound, features, expected, monkeypatch):
    monkeypatch.setattr(matmul, "has_matrix_unit", lambda: "amx" in features)
    monkeypatch.setattr(matmul, "processor_has", lambda feature: feature in features.split())
    assert matmul.arithmetic(x, w, bound) == expected


def test_rule_refuses_what_float64_cannot_hold():
    wide = Span(0, 2**40, tuple(range(41)))
    with pytest.raises(OverflowError, match="2\\^53"):
        matmul.arithmetic(wide, wide, 2**53)
    with pytest.raises(OverflowError, match=str(2**54)):
        matmul.integer_product(np.array([[2**53, 0]]), np.array([[1, 0]]))


@pytest.mark.parametrize(
    ("bits", "features"), [(1, ""), (8, "avx512vnni"), (8, ""), (1, "amx"), (8, "amx avx512vnni")]
)
def test_product_takes_the_way_of_the_rule(bits, features, monkeypatch):
    """Tiles do not call BLAS, BLAS does not call tiles, and a matrix unit does without both."""
    if "amx" in features:
        skip_without_matrix_unit()
        monkeypatch.setattr(matmul.int_tiles, "fill_product", None)
    monkeypatch.setattr(matmul, "has_matrix_unit", lambda: "amx" in features)
    monkeypatch.setattr(matmul, "processor_has", lambda feature: feature in features.split())
    x = codes(np.random.default_rng(2), bits, (9, 70))
    w = codes(np.random.default_rng(3), bits, (5, 70))
    if bits == 8 and not features:
        monkeypatch.setattr(matmul.int_tiles, "fill_product", None)
    else:
        monkeypatch.setattr(np, "matmul", None)
    assert np.array_equal(matmul.integer_product(x, w), reference.integer_product(x, w))


def test_worst_case_sums_just_beyond_float32_are_exact(monkeypatch):
    """1,041 products of 127 · 127 pass 2^24, and an odd sum there has no float32: the negative
    control that stays in float32 must fail.
    """
    choose(monkeypatch, "blas")
    x, w = np.full((1, 1041), 127, np.int8), np.full((1, 1041), 127, np.int8)
    x[0, 0] = 126
    w[0, 1] = 126
    exact = reference.integer_product(x, w)
    assert exact[0, 0] > 2**24
    assert matmul.integer_product(x, w).tolist() == exact.tolist()
    assert int(np.float32(exact[0, 0])) != exact[0, 0]


def test_smallest_code_counts_with_its_full_magnitude():
    assert (
        matmul.accumulator_bound(np.array([[-128]], np.int8), np.array([[-128]], np.int8))
        == 128 * 128
    )


def test_threads_change_nothing():
    random = np.random.default_rng(5)
    for bits in (1, 8):
        x, w = codes(random, bits, (133, 130)), codes(random, bits, (170, 130))
        for count in (1, MOST):
            with threads(count):
                check(x, w)


@pytest.mark.parametrize("way", ["matrix", "bytes"])
def test_weights_are_packed_once_and_from_a_copy(way, monkeypatch):
    choose(monkeypatch, way)
    random = np.random.default_rng(6)
    w = codes(random, 8, (9, 33))
    kept = w.copy()
    packed = matmul.pack_weights(w)
    w[:] = 0
    for bits in (1, 8):
        x = codes(random, bits, (7, 33))
        assert np.array_equal(matmul.product(x, packed), reference.integer_product(x, kept))
    monkeypatch.setattr(matmul.packing, "weight_bytes", None)
    assert np.array_equal(matmul.product(x[:3], packed), reference.integer_product(x[:3], kept))


def test_population_count():
    @helper
    def count(words, out):
        for i in range(words.size):
            out[i] = popcount64(words[i])

    words = np.random.default_rng(1).integers(0, 2**64, 1000, dtype=np.uint64)
    words[:4] = 0, 1, 2**63, 2**64 - 1
    out = np.empty_like(words)
    count(words, out)
    assert out.tolist() == [int(word).bit_count() for word in words]


def test_shapes_and_fractions_are_refused():
    for x, w in (((2, 3), (2, 4)), ((3,), (2, 3)), ((2, 3, 1), (2, 3)), ((2, 3), (3,))):
        with pytest.raises(ValueError, match="a product needs"):
            matmul.integer_product(np.ones(x, np.int8), np.ones(w, np.int8))
    with pytest.raises(ValueError, match="integer codes"):
        matmul.integer_product(np.ones((2, 3)), np.ones((2, 3), np.int8))
    with pytest.raises(ValueError, match="integer codes"):
        matmul.pack_weights(np.ones((2, 3), np.float32))
