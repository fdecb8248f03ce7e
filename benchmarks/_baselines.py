"""What an expert would write in torch for the same works: buffers allocated once, everything in
place, constants folded beforehand.

Each function prepares its buffers and returns the work as a function without arguments; that
function returns the codes or sums, so that a test can compare them with those of the kernels where
there is no noise.
"""

import math
from collections.abc import Callable
from itertools import product
from typing import NamedTuple

import numpy as np
import torch

TorchWay = Callable[[], torch.Tensor]
# a buffer of 512 KB for 8 × 1,024 columns stays in the second-level cache: the fastest of 4 to 256
_READS_AT_ONCE = 16


def _float(values: np.ndarray) -> torch.Tensor:
    return torch.tensor(np.ascontiguousarray(values), dtype=torch.float32)


def neuron_codes(
    drive: np.ndarray, sigma: float, z: float, step: float, c_min: int, levels: int, reads: int
) -> TorchWay:
    """int8 codes (stimulus, read, neuron) of drives (stimulus, neuron), or (stimulus, read, neuron)
    where they differ from read to read.

    The division by the step is folded into the drives and into a row of sigmas, one for each
    neuron.
    """
    scaled_drive = _float((drive - z) / step)
    scaled_drive = scaled_drive[:, None, :] if drive.ndim == 2 else scaled_drive
    scaled_sigma = torch.full((drive.shape[-1],), sigma / step)
    buffer = torch.empty((len(drive), reads, drive.shape[-1]))
    codes = torch.empty(buffer.shape, dtype=torch.int8)
    draws = torch.Generator().manual_seed(1)

    def work() -> torch.Tensor:
        buffer.normal_(generator=draws)
        torch.addcmul(scaled_drive, buffer, scaled_sigma, out=buffer)
        return codes.copy_(buffer.round_().clamp_(c_min, c_min + levels - 1))

    return work


def float_product(x: np.ndarray, w: np.ndarray) -> TorchWay:
    """The product of ready float32 arrays x (stimulus, input) and w (neuron, input)."""
    x_float = _float(x)
    w_float = _float(w).T.contiguous()
    out = torch.empty(len(x), len(w))
    return lambda: torch.mm(x_float, w_float, out=out)


def byte_product(x: np.ndarray, w: np.ndarray) -> TorchWay:
    """torch's own product of int8 codes, to int32."""
    x_codes = torch.tensor(x)
    w_codes = torch.tensor(w).T
    return lambda: torch._int_mm(x_codes, w_codes)


def noisy_product(
    x: np.ndarray,
    w_codes: np.ndarray,
    x_step: float,
    scale: float,
    sigma_lsb: float,
    weight_sigma: float = 0.0,
    lumped: bool = False,
) -> TorchWay:
    """8-bit codes (stimulus, neuron) of x (stimulus, input) float32: quantise, multiply, add noise,
    quantise.

    scale: output steps per unit of x_codes @ w_codes, folded into the weights; sigma_lsb: output
    noise in output steps; weight_sigma: that of one weight, in weight codes. Weights are quantised
    once. Their noise is one fresh matrix per call, so all stimuli of a call share it; or, `lumped`,
    the law of a fresh matrix per stimulus, added to the output noise in variance.
    """
    x_float = _float(x)
    w_scaled = _float(w_codes * scale).T.contiguous()
    x_codes = torch.empty_like(x_float)
    out = torch.empty(len(x), len(w_codes))
    noise = torch.empty(len(x), len(w_codes))
    w_noise = torch.empty_like(w_scaled) if weight_sigma > 0 and not lumped else None
    codes = torch.empty(out.shape, dtype=torch.int8)
    draws = torch.Generator().manual_seed(1)

    def work() -> torch.Tensor:
        torch.mul(x_float, 1 / x_step, out=x_codes).round_().clamp_(-128, 127)
        weights = w_scaled
        if w_noise is not None:
            w_noise.normal_(generator=draws)
            weights = torch.add(w_scaled, w_noise, alpha=weight_sigma * scale, out=w_noise)
        torch.mm(x_codes, weights, out=out)
        noise.normal_(generator=draws)
        if lumped:
            sigma = (
                torch.linalg.vector_norm(x_codes, dim=1, keepdim=True)
                .mul_(weight_sigma * scale)
                .square_()
                .add_(sigma_lsb**2)
                .sqrt_()
            )
            out.addcmul_(noise, sigma)
        else:
            out.add_(noise, alpha=sigma_lsb)
        return codes.copy_(out.round_().clamp_(-128, 127))

    return work


class CrossbarWork(NamedTuple):
    """What a bit-sliced array is asked for: x_codes (stimulus, input) uint8 of `bits` bits; cells
    (slice, input, column) integers, 0 and 1, or -1 to 1 in differential columns; an ADC of
    `levels` levels from `lowest` on has steps of `lsb` cells.
    """

    x_codes: np.ndarray
    cells: np.ndarray
    sigma_lsb: float
    reads: int
    rows: int = 128
    lsb: float = 0.5
    bits: int = 4
    levels: int = 256
    lowest: int = 0


def crossbar(work: CrossbarWork, in_place: bool = True) -> TorchWay:
    """Accumulators (stimulus, read, column) of a bit-sliced array, float32: a loop over tiles,
    slices and cycles.

    One bit of x_codes per cycle. Planes of inputs and cells are ready float32 arrays before the
    work begins; the ADC's step is folded into those of the cells. With many reads the partial
    sums of a tile, slice and cycle are computed once, and the reads pass in parts that fit the
    cache. in_place: whether accumulators and buffers are allocated before the work begins.
    """
    stimuli = len(work.x_codes)
    slices, inputs, columns = work.cells.shape
    tiles = [slice(first, first + work.rows) for first in range(0, inputs, work.rows)]
    bits = range(work.bits)
    x_planes = [[_float(work.x_codes[:, tile] >> cycle & 1) for cycle in bits] for tile in tiles]
    w_planes = [[_float(plane[tile] / work.lsb) for plane in work.cells] for tile in tiles]
    at_once = max(n for n in range(1, _READS_AT_ONCE + 1) if work.reads % n == 0)
    shapes = (
        (stimuli, 1, columns),
        (stimuli, at_once, columns),
        (work.reads // at_once, stimuli, at_once, columns),
    )
    ready = [torch.empty(shape) for shape in shapes] if in_place else None
    draws = torch.Generator().manual_seed(1)
    highest = work.lowest + work.levels - 1

    def run() -> torch.Tensor:
        partial, codes, total = ready or [torch.empty(shape) for shape in shapes]
        total.zero_()
        for tile, piece, cycle in product(range(len(tiles)), range(slices), bits):
            torch.mm(x_planes[tile][cycle], w_planes[tile][piece], out=partial[:, 0])
            for part in total:
                codes.normal_(generator=draws)
                torch.add(partial, codes, alpha=work.sigma_lsb, out=codes)
                part.add_(codes.round_().clamp_(work.lowest, highest), alpha=2 ** (piece + cycle))
        return total

    return run


def saturating_product(x: np.ndarray, w: np.ndarray, bits: int) -> TorchWay:
    """Sums (stimulus, neuron) that are clipped to `bits` bits after each input: a rank-1 update
    and a clamp per input.
    """
    x_columns = _float(x).T.contiguous()
    w_columns = _float(w).T.contiguous()
    sums = torch.empty(len(x), len(w))
    limit = 2 ** (bits - 1)

    def work() -> torch.Tensor:
        sums.zero_()
        for i in range(len(x_columns)):
            sums.addr_(x_columns[i], w_columns[i]).clamp_(-limit, limit - 1)
        return sums

    return work


def explicit_drives(x: np.ndarray, w: np.ndarray, sigma: float, reads: int) -> TorchWay:
    """Drives (stimulus, read, neuron) with a fresh Gaussian on every weight at every stimulus and
    read.
    """
    x_float = _float(x)
    w_float = _float(w)
    cells = torch.empty_like(w_float)
    out = torch.empty(len(x), reads, len(w))
    draws = torch.Generator().manual_seed(1)

    def work() -> torch.Tensor:
        for s, r in product(range(len(x)), range(reads)):
            cells.normal_(generator=draws).mul_(sigma).add_(w_float)
            torch.mv(cells, x_float[s], out=out[s, r])
        return out

    return work


def gibbs_sweeps(
    linear: np.ndarray, gram: np.ndarray, inverse_scale: float, chains: int, sweeps: int
) -> TorchWay:
    """Coordinate-wise Gibbs of exp(-r'Gr/2 + linear'r - |r|/b), all chains of all stimuli in
    parallel, float64, from r = 0.

    linear: (stimulus, neuron). Each coordinate is drawn by the inverse of its distribution
    function, as torch's special functions give it.
    """
    start = torch.tensor(np.repeat(linear, chains, axis=0).T.copy())  # (neuron, chain)
    g = torch.tensor(gram)
    root = torch.tensor(np.sqrt(np.diag(gram)))
    state = torch.empty_like(start)
    field = torch.empty_like(start)
    uniform = torch.empty(start.shape[1], dtype=torch.float64)
    survival = torch.empty(start.shape[1], dtype=torch.float64)
    draws = torch.Generator().manual_seed(1)

    def update(i: int) -> None:
        pull = torch.add(field[i], state[i], alpha=float(g[i, i]))
        above = (inverse_scale - pull).div_(root[i])
        below = (inverse_scale + pull).div_(root[i])
        odds = torch.special.erfcx(below * math.sqrt(0.5)).div_(
            torch.special.erfcx(above * math.sqrt(0.5))
        )
        negative = uniform.uniform_(generator=draws) < odds.div_(odds + 1)
        edge = torch.where(negative, below, above)
        size = (
            torch.special.ndtri(
                torch.special.ndtr(-edge).mul_(survival.uniform_(1e-15, 1, generator=draws))
            )
            .neg_()
            .sub_(edge)
        )
        new = torch.where(negative, -size, size).div_(root[i])
        field.addr_(g[i], new - state[i], alpha=-1)
        state[i] = new

    def work() -> torch.Tensor:
        state.zero_()
        field.copy_(start)
        for _ in range(sweeps):
            for i in range(len(state)):
                update(i)
        return state

    return work
