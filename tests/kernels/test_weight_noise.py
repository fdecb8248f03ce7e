"""Weights read wrongly: explicit read noise against the lumped one, transient bit errors against
the reference implementation and the binomial law.
"""

import numpy as np
import pytest
from scipy import special, stats
from stattest import assert_frequencies, power
from stochsim_kernels.product import weight_noise
from stochsim_kernels.random import normal
from stochsim_kernels.random.address import DrawAddress
from stochsim_kernels.reference import bit_errors as reference
from threadtest import threads

KEY = 0xFEDC_BA98_7654_3210
FALSE_FAIL = 1e-6


def explicit(x, weight, sigma, reads, key=KEY, layer=0, event=1, first_stimulus=0, first_read=0):
    out = np.empty((len(x), reads, len(weight)))
    address = DrawAddress.of(key, layer, event, first_stimulus, first_read)
    weight_noise.explicit_drives(x, weight, np.broadcast_to(sigma, weight.shape), address, out)
    return out


def flipped_sums(x, w, bits, rate, first_stimulus=0, dtype=np.int64, key=KEY):
    sums = (x.astype(np.int64) @ w.astype(np.int64).T).astype(dtype)
    address = DrawAddress.of(key, 2, 3, first_stimulus)
    weight_noise.transient_flips(sums, x, w, bits, rate, address)
    return sums


def random_codes(shape, bits, seed=0):
    rng = np.random.default_rng(seed)
    return (
        2 * rng.integers(0, 2, shape) - 1
        if bits == 1
        else rng.integers(-(2 ** (bits - 1)), 2 ** (bits - 1), shape)
    ).astype(np.int8)


def test_normals_are_the_quantile_of_u():
    u = np.concatenate(
        [
            [0, 1, 2**30 - 1, 2**30, 2**31 - 1],
            np.random.default_rng(0).integers(0, 2**31, 100_000),
            2 ** np.arange(31),
        ]
    )
    out = np.empty(u.size)
    normal.fill_normals(u.astype(np.uint32), out)
    np.testing.assert_allclose(out, special.ndtri((u + 0.5) / 2**31), rtol=2e-15, atol=0)


@pytest.mark.parametrize("neurons", [1, 4, 5])
def test_explicit_drives_equal_the_reference_implementation(neurons):
    rng = np.random.default_rng(neurons)
    x = rng.normal(size=(2, 3))
    weight = rng.normal(size=(neurons, 3))
    sigma = rng.uniform(0, 1, (neurons, 3))
    for where in ((0, 0, 0, 0), (3, 2**32 - 1, 2**31, 2**40)):
        expected = reference.explicit_drives(x, weight, sigma, DrawAddress.of(KEY, *where), 4)
        np.testing.assert_allclose(
            explicit(x, weight, sigma, 4, KEY, *where), expected, rtol=1e-12, atol=1e-12
        )


def test_without_noise_the_drive_is_the_integer_product():
    x, w = random_codes((3, 65), 8, 1), random_codes((7, 65), 8, 2)
    drives = explicit(x.astype(float), w.astype(float), 0.0, 2)
    assert (drives == (x.astype(int) @ w.T.astype(int))[:, None]).all()


def test_any_split_gives_the_same_drives(monkeypatch):
    rng = np.random.default_rng(3)
    x, weight = rng.normal(size=(3, 9)), rng.normal(size=(5, 9))
    whole = explicit(x, weight, 0.3, 20, first_stimulus=5, first_read=7)
    assert np.array_equal(
        explicit(x[1:], weight, 0.3, 13, first_stimulus=6, first_read=14), whole[1:, 7:]
    )
    assert np.array_equal(
        explicit(x[2:], weight, 0.3, 1, first_stimulus=7, first_read=26), whole[2:, 19:]
    )
    monkeypatch.setattr(weight_noise, "_AT_ONCE", 100)
    assert np.array_equal(explicit(x, weight, 0.3, 20, first_stimulus=5, first_read=7), whole)


def test_all_threads_give_the_same_errors():
    x, w = random_codes((6, 40), 8), random_codes((30, 40), 4)
    drives = explicit(x.astype(float), w.astype(float), 0.3, 5)
    sums = flipped_sums(x, w, 4, 0.02)
    with threads():
        assert np.array_equal(explicit(x.astype(float), w.astype(float), 0.3, 5), drives)
        assert np.array_equal(flipped_sums(x, w, 4, 0.02), sums)


READS = 5000
NEURONS = 6


def assert_lumped(residual, lumped_sigma):
    """Assert that residual (stimulus, read, neuron) is white with the lumped standard deviation:
    means 0, variances, covariances 0.

    False-fail rate 1e-6 in all. Means and variances by their exact laws under the lumped Gaussian;
    correlations between neurons, between stimuli and between successive reads by Student's t, which
    is exact for independent Gaussians.
    """
    z = residual / lumped_sigma
    columns = z.transpose(1, 0, 2).reshape(z.shape[1], -1)
    reads, count = columns.shape
    mean_limit = stats.norm.isf(FALSE_FAIL / 3 / (2 * count))
    assert np.abs(columns.mean(axis=0)).max() * np.sqrt(reads) <= mean_limit, "mean"
    total = (columns**2).sum()
    tail = min(stats.chi2.cdf(total, columns.size), stats.chi2.sf(total, columns.size))
    assert tail > FALSE_FAIL / 6, f"variance {total / columns.size:.3f} of the lumped one"
    both = np.concatenate([columns[:-1], columns[1:]], axis=1)
    correlation = np.corrcoef(both, rowvar=False)[:count][:, np.r_[0:count, count : 2 * count]]
    off = np.abs(correlation[np.triu(np.ones(correlation.shape, bool), 1)])
    t = off * np.sqrt((reads - 3) / (1 - off**2))
    assert t.max() <= stats.t.isf(FALSE_FAIL / 3 / (2 * off.size), reads - 3), "covariance"


def lumped_case(scale=1.0):
    """Residuals of explicit drives, with every cell's sigma times `scale`, and the lumped sigma
    (stimulus, 1, neuron) of scale 1.
    """
    rng = np.random.default_rng(9)
    x = rng.normal(size=(2, 8))
    weight = rng.normal(size=(NEURONS, 8))
    sigma = rng.uniform(0.1, 0.5, (NEURONS, 8))
    residual = explicit(x, weight, scale * sigma, READS) - (x @ weight.T)[:, None]
    return residual, np.sqrt(x**2 @ (sigma**2).T)[:, None]


def test_lumped_noise_equals_explicit_noise_in_mean_and_covariance():
    assert_lumped(*lumped_case())


def test_a_cell_sigma_5_percent_too_large_fails():
    """Power against sigma × 1.05 at 60,000 numbers: above 0.999, computed; the negative control
    drawn as well.
    """
    n = 2 * READS * NEURONS
    assert stats.chi2.sf(stats.chi2.isf(FALSE_FAIL / 6, n) / 1.05**2, n) > 0.999
    with pytest.raises(AssertionError, match="variance"):
        assert_lumped(*lumped_case(1.05))


def test_correlated_columns_and_repeated_reads_fail():
    """Two neurons that share a tenth of their variance, and noise kept for two reads: the variance
    alone would not see them.
    """
    residual, sigma = lumped_case()
    z = residual / sigma
    shared, kept = z.copy(), z.copy()
    shared[:, :, 1] = np.sqrt(0.9) * z[:, :, 1] + np.sqrt(0.1) * z[:, :, 0]
    kept[:, 1::2] = kept[:, ::2]
    for wrong in (shared, kept):
        with pytest.raises(AssertionError, match="covariance"):
            assert_lumped(wrong, 1.0)
    with pytest.raises(AssertionError, match="mean"):
        assert_lumped(z + 0.12, 1.0)


@pytest.mark.parametrize("bits", range(1, 9))
@pytest.mark.parametrize("rate", [0.0, 1e-9, 0.01, 0.3, 1.0])
def test_flipped_sums_equal_the_reference_implementation(bits, rate):
    x, w = random_codes((3, 11), 8, 1), random_codes((7, 11), bits, bits)
    for first_stimulus in (0, 2**31):
        address = DrawAddress.of(KEY, 2, 3, first_stimulus)
        expected = reference.transient_sums(x, w, bits, rate, address)
        for dtype in (np.int32, np.int64):
            assert np.array_equal(flipped_sums(x, w, bits, rate, first_stimulus, dtype), expected)


def test_unsigned_inputs_and_sums_that_are_a_view():
    x, w = np.array([[255, 0, 3]], np.uint8), random_codes((4, 3), 8)
    sums = np.zeros((1, 8), np.int64)
    address = DrawAddress.of(KEY, 2, 3)
    weight_noise.transient_flips(sums[:, ::2], x, w, 8, 0.2, address)
    expected = reference.transient_sums(x, w, 8, 0.2, address) - x.astype(int) @ w.T.astype(int)
    assert expected.any()
    assert np.array_equal(sums[:, ::2], expected)
    assert not sums[:, 1::2].any()


def test_all_bits_flipped_is_the_complement_and_one_bit_changes_sign():
    w = np.arange(-128, 128).astype(np.int8)[:, None]
    assert np.array_equal(
        flipped_sums(np.ones((1, 1), np.int8), w, 8, 1.0)[0], ~w[:, 0].astype(int)
    )
    signs = np.array([[-1], [1]], np.int8)
    assert flipped_sums(np.ones((1, 1), np.int8), signs, 1, 1.0).tolist() == [[1, -1]]


def test_any_split_in_stimuli_gives_the_same_flips():
    x, w = random_codes((6, 40), 8), random_codes((30, 40), 4)
    whole = flipped_sums(x, w, 4, 0.02)
    assert np.array_equal(
        np.concatenate([flipped_sums(x[:1], w, 4, 0.02), flipped_sums(x[1:], w, 4, 0.02, 1)]), whole
    )


@pytest.mark.parametrize(
    ("bits", "rate", "stimuli"), [(2, 0.2, 50), (4, 0.03, 100), (8, 0.01, 200)]
)
def test_bits_flip_independently_at_the_rate_and_a_rate_10_percent_too_large_fails(
    bits, rate, stimuli
):
    """All patterns of flipped bits in one code, seen as the value of a weight 0.

    False-fail rate 1e-6, power above 0.999, computed.
    """
    neurons = 1000
    patterns = np.arange(2**bits)
    values = flipped_sums(
        np.ones((stimuli, 1), np.int8), np.zeros((neurons, 1), np.int8), bits, rate
    ) & (2**bits - 1)
    ones = np.array([int(p).bit_count() for p in patterns])
    right, wrong = (share**ones * (1 - share) ** (bits - ones) for share in (rate, 1.1 * rate))
    counts = np.bincount(values.ravel(), minlength=2**bits)
    assert power(wrong, right, values.size) > 0.999
    assert_frequencies(counts, right)
    with pytest.raises(AssertionError):
        assert_frequencies(counts, wrong)


def test_flips_are_apart_in_stimuli_and_keys():
    x, w = np.ones((2, 50), np.int8), np.zeros((100, 50), np.int8)
    first, second = flipped_sums(x, w, 4, 0.1)
    assert not np.array_equal(first, second)
    assert not np.array_equal(first, flipped_sums(x[:1], w, 4, 0.1, key=KEY + 1)[0])


@pytest.mark.parametrize(
    ("shape", "bits", "rate", "message"),
    [
        ((1, 2), 4, 1.5, "rate = 1.5"),
        ((1, 2), 9, 0.1, "bits = 9"),
        ((1, 3), 4, 0.1, "do not fit"),
        ((2, 2), 4, 0.1, "do not fit"),
    ],
)
def test_impossible_flips_are_refused(shape, bits, rate, message):
    with pytest.raises(ValueError, match=message):
        weight_noise.transient_flips(
            np.zeros(shape, np.int64),
            np.ones((1, 5)),
            np.zeros((2, 5), np.int8),
            bits,
            rate,
            DrawAddress.of(KEY, 0, 0),
        )


def test_explicit_drives_of_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"weight \(2, 4\)"):
        explicit(np.ones((1, 3)), np.ones((2, 4)), 0.1, 2)
