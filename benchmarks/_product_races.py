"""Races of products: exact ones of integers, and the noisy product of 8 bits from float inputs to
codes.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from _bars import BARS, BYTES_BAR, PRODUCTS_SHARE
from _baselines import (
    byte_product,
    explicit_drives,
    float_product,
    noisy_product,
    saturating_product,
)
from _speed import KEY, Race
from stochsim_kernels.neuron import channel, drawing
from stochsim_kernels.product import accumulator, matmul, packing, weight_noise
from stochsim_kernels.random.address import DrawAddress

from stochsim.chip import Chip
from stochsim.hardware import preset
from stochsim.program import Layer, Quantizer, single_layer

BATCH, INPUTS, NEURONS = 512, 1024, 1024
BYTES = "int8 products of torch._int_mm"
FLOATS = "float32 products of torch"
WORDS = "words of 64 bits counted in a kernel"
IN_PLACE = "torch in place"


class NoisyWork(NamedTuple):
    """y = quantise(W x + noise): 8 bits each. x: (stimulus, input) float32; weight_sigma in weight
    codes, sigma in output steps.
    """

    x: np.ndarray
    w_codes: np.ndarray
    sigma_lsb: float
    weight_sigma: float
    x_step: float = 2.0**-5
    weight_step: float = 2.0**-8
    out_step: float = 2.0**-3


def noisy_work(
    weight_sigma: float = 0.0,
    sigma_lsb: float = 1.0,
    batch: int = BATCH,
    inputs: int = INPUTS,
    neurons: int = NEURONS,
) -> NoisyWork:
    """Inputs of standard deviation 1, uniform weights; outputs fill their codes."""
    random = np.random.default_rng(0)
    x = random.normal(0, 1, (batch, inputs)).astype(np.float32)
    return NoisyWork(
        x, random.integers(-127, 128, (neurons, inputs), dtype=np.int8), sigma_lsb, weight_sigma
    )


def noisy_by_kernels(work: NoisyWork) -> Callable[[], np.ndarray]:
    """The kernels one after the other, in buffers allocated once; weights packed once.

    Weight noise is lumped, fresh per stimulus.
    """
    weights = matmul.pack_weights(work.w_codes)
    address = DrawAddress.of(int(KEY), 0, 0)
    buffer = np.empty_like(work.x)
    x_codes = np.empty(work.x.shape, np.int8)
    shape = (len(work.x), len(work.w_codes))
    drive = np.empty(shape)
    sigma = np.full(shape, work.sigma_lsb)
    other = np.zeros(shape)
    codes = np.empty((shape[0], 1, shape[1]), np.int8)
    law = channel.neuron_law(channel.GAUSSIAN, channel.IDENTITY, 0.0, 1.0, -128, 256)
    scale = work.x_step * work.weight_step / work.out_step

    def run() -> np.ndarray:
        np.multiply(work.x, np.float32(1 / work.x_step), out=buffer)
        np.clip(np.rint(buffer, out=buffer), -128, 127, out=buffer)
        np.copyto(x_codes, buffer, casting="unsafe")
        np.multiply(matmul.product(x_codes, weights), scale, out=drive)
        if work.weight_sigma > 0:
            squares = np.einsum("ij,ij->i", buffer, buffer)
            sigma[:] = np.sqrt((work.weight_sigma * scale) ** 2 * squares + work.sigma_lsb**2)[
                :, None
            ]
        drawing.draw(drive, sigma, other, law, address, codes)
        return codes[:, 0]

    return run


def noisy_by_chip(work: NoisyWork) -> Callable[[], np.ndarray]:
    """The same by `Chip.sample`: one read of a digital chip."""
    neurons = len(work.w_codes)
    sigma = np.full(neurons, work.sigma_lsb * work.out_step)
    layer = Layer(
        work.w_codes,
        8,
        work.weight_step,
        Quantizer(8, work.x_step),
        Quantizer(8, work.out_step),
        np.zeros(neurons),
        sigma,
    )
    hardware = preset("digital-45nm").with_precision(8, 8, 8)
    if work.weight_sigma > 0:
        hardware = hardware.replace(noise=type(hardware.noise)(weight_sigma_lsb=work.weight_sigma))
    chip = Chip(single_layer(layer), hardware)

    def run() -> np.ndarray:
        codes = chip.sample(work.x, 1, int(KEY), count=False).codes
        assert codes is not None
        return codes[:, 0]

    return run


def noisy_by_torch(work: NoisyWork, lumped: bool = False) -> Callable[[], object]:
    """See `_baselines.noisy_product`."""
    scale = work.x_step * work.weight_step / work.out_step
    return noisy_product(
        work.x, work.w_codes, work.x_step, scale, work.sigma_lsb, work.weight_sigma, lumped
    )


def noisy_races() -> Iterator[Race]:
    """Without and with weight noise, by the chip and by its kernels alone; and against torch that
    lumps the weight noise as well.
    """
    macs = BATCH * INPUTS * NEURONS
    for label, weight_sigma, bar in zip(("", " and weights"), (0.0, 2.0), BARS.noisy, strict=True):
        work = noisy_work(weight_sigma)
        name = f"noisy product, 8 bits, noise on outputs{label}"
        theirs = noisy_by_torch(work)
        yield Race(name, macs, "product", noisy_by_chip(work), theirs, IN_PLACE, bar, (BYTES, 1.0))
        yield Race(
            f"{name}, kernels alone",
            macs,
            "product",
            noisy_by_kernels(work),
            theirs,
            IN_PLACE,
            None,
            (BYTES, 1.0),
        )
        if weight_sigma > 0:
            lumped = noisy_by_torch(work, lumped=True)
            yield Race(
                f"{name}, lumped by both",
                macs,
                "product",
                noisy_by_chip(work),
                lumped,
                IN_PLACE,
                None,
                (BYTES, 1.0),
            )


def codes_of(bits: int, shape: tuple[int, int]) -> np.ndarray:
    """Random codes, int8: -1 and 1 at one bit."""
    random = np.random.default_rng(bits)
    return (
        2 * random.integers(0, 2, shape, dtype=np.int8) - 1
        if bits == 1
        else random.integers(-(2 ** (bits - 1)), 2 ** (bits - 1), shape, dtype=np.int8)
    )


def integer_limit(x: np.ndarray, weights: matmul.PackedWeights) -> tuple[str, float]:
    """The rate that bounds an exact product, and how much of it a product of two codes takes: of
    the arithmetic that is chosen for them here.
    """
    spans = packing.span(x), weights.span
    bound = x.shape[1] * spans[0].magnitude * spans[1].magnitude
    way = matmul.arithmetic(*spans, bound)
    if way == "bits":
        return WORDS, len(spans[0].bits) * len(spans[1].bits) / 64
    return (BYTES, 1.0) if way in ("matrix", "bytes") else (FLOATS, 1.0)


def product_race(
    bits: int, shape: tuple[int, int, int] = (BATCH, INPUTS, NEURONS), bar: float | None = None
) -> Race:
    """Exact products of codes (weights packed once, inputs in the call) against torch's product of
    ready float32 arrays.
    """
    batch, inputs, neurons = shape
    x = codes_of(bits, (batch, inputs))
    w = codes_of(bits, (neurons, inputs))
    weights = matmul.pack_weights(w)
    name = f"product {bits} × {bits} bits, {batch} × {inputs} × {neurons}"
    return Race(
        name,
        batch * inputs * neurons,
        "product",
        lambda: matmul.product(x, weights),
        float_product(x, w),
        "torch float32",
        bar,
        integer_limit(x, weights),
        PRODUCTS_SHARE if bits in (1, 8) else None,
    )


def against_bytes() -> Race:
    """The 8-bit product against torch's own int8 product, which takes ready int8 codes as well."""
    x = codes_of(8, (BATCH, INPUTS))
    w = codes_of(8, (NEURONS, INPUTS))
    weights = matmul.pack_weights(w)
    name = f"product 8 × 8 bits, {BATCH} × {INPUTS} × {NEURONS}, int8"
    return Race(
        name,
        x.size * len(w),
        "product",
        lambda: matmul.product(x, weights),
        byte_product(x, w),
        "torch._int_mm",
        None,
        integer_limit(x, weights),
    )


def saturating_race(
    batch: int = BATCH, inputs: int = INPUTS, neurons: int = NEURONS, bits: int = 16
) -> Race:
    """Accumulators that saturate after each addition, often."""
    x = codes_of(8, (batch, inputs))
    w = codes_of(8, (neurons, inputs))
    ours = lambda: accumulator.saturating_product(x, w, bits)  # noqa: E731
    return Race(
        f"product 8 × 8 bits, saturating at {bits} bits",
        x.size * len(w),
        "product",
        ours,
        saturating_product(x, w, bits),
        IN_PLACE,
    )


def explicit_race(sigma: float = 0.1, stimuli: int = 8, reads: int = 4, size: int = 256) -> Race:
    """Fresh noise on every weight at every read, drawn weight by weight."""
    random = np.random.default_rng(0)
    x = random.normal(0, 1, (stimuli, size))
    w = random.normal(0, 1, (size, size))
    sigmas = np.full(w.shape, sigma)
    out = np.empty((stimuli, reads, size))

    def ours() -> np.ndarray:
        weight_noise.explicit_drives(x, w, sigmas, DrawAddress.of(int(KEY), 0, 1), out)
        return out

    name = f"explicit weight noise, {size} × {size}"
    return Race(
        name,
        stimuli * reads * w.size,
        "weight",
        ours,
        explicit_drives(x, w, sigma, reads),
        IN_PLACE,
    )


def flips_race(rate: float = 1e-3) -> Race:
    """Weights read with bit errors, other ones for each stimulus: the time is per flip."""
    x = codes_of(8, (BATCH, INPUTS))
    w = codes_of(8, (NEURONS, INPUTS))
    sums = np.zeros((BATCH, NEURONS), np.int64)

    def ours() -> np.ndarray:
        weight_noise.transient_flips(sums, x, w, 8, rate, DrawAddress.of(int(KEY), 0, 1))
        return sums

    return Race(f"transient bit errors, rate {rate:g}", rate * 8 * w.size * BATCH, "flip", ours)


def product_races() -> Iterator[Race]:
    """All of them, one after the other."""
    yield from noisy_races()
    yield product_race(1, bar=BARS.signs)
    yield product_race(2)
    yield product_race(4)
    yield product_race(8, bar=BYTES_BAR)
    yield against_bytes()
    yield product_race(4, (4096, 48, 64))
    yield product_race(4, (1024, 784, 512))
    yield saturating_race()
    yield explicit_race()
    yield flips_race()
