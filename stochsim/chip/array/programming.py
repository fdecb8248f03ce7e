"""The contents of a chip's cells: integer weight codes cut into slices, their faults, and the
conductances they are programmed to.

Everything here is drawn once per chip from its key and is the same for all its reads. Rows are
inputs, columns are neurons.
"""

from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np

from stochsim.hardware import (
    Device,
    Tiling,
    nodal_shares,
    relative_drop,
)
from stochsim.keys import generator
from stochsim.settings import SettingError, check_choice, check_whole, counted

COLUMNS = ("offset", "differential")

GRID = 256
"""Grid points per cell step: sums of conductances are exact integers in any order.

Rounding adds at most 1/512 of a step (sd 0.0011).
"""


class Sliced(NamedTuple):
    """Weights as cells (sign, slice, row, column) uint8, slices from the least significant; sign 0
    is added, sign 1 (if any) subtracted.

    W = scale Σ_slice 2^(cell_bits slice) (cells[0] - cells[1]) + offset, exactly.
    """

    cells: np.ndarray
    cell_bits: int
    scale: int
    offset: int

    def codes(self) -> np.ndarray:
        """The weight codes (neuron, input), int64."""
        place = 1 << self.cell_bits * np.arange(self.cells.shape[1], dtype=np.int64)
        sums = np.tensordot(place, self.cells.astype(np.int64), axes=(0, 1))
        return (self.scale * (sums[0] - sums[1] if len(sums) == 2 else sums[0]) + self.offset).T


def slice_weights(
    weight_codes: np.ndarray,
    weight_bits: int,
    cell_bits: int,
    columns: Literal["offset", "differential"] = "offset",
) -> Sliced:
    """Cut weight codes (neuron, input), -1 and 1 at one bit, into cells of `cell_bits` bits.

    "offset": one plane of W + 2^(b-1), or (W + 1)/2 at one bit. "differential": the magnitudes of
    positive and of negative weights in two planes of b - 1 bits (1 at one bit). Raises SettingError
    for cells wider than a plane, no rows or columns, and codes that do not fit.
    """
    check_choice("columns", columns, COLUMNS)
    codes = _checked_codes(weight_codes, weight_bits).T.astype(np.int16)
    plane_bits = weight_bits if columns == "offset" or weight_bits == 1 else weight_bits - 1
    if not 1 <= cell_bits <= plane_bits:
        rule = (
            f"should be from 1 to {plane_bits}, for {weight_bits}-bit weights in {columns} columns"
        )
        raise SettingError.of("cell_bits", cell_bits, rule)
    half = 1 << (weight_bits - 1)
    if columns == "differential" and weight_bits > 1 and codes.min() == -half:
        rule = (
            f"should be from {1 - half} to {half - 1}, for {weight_bits}-bit weights in "
            f"{columns} columns"
        )
        raise SettingError.of("weight_codes", -half, rule)
    planes, scale, offset = _planes(codes, weight_bits, columns)
    mask = (1 << cell_bits) - 1
    shifts = range(0, plane_bits, cell_bits)
    cells = np.stack(
        [
            np.stack([(plane >> shift & mask).astype(np.uint8) for shift in shifts])
            for plane in planes
        ]
    )
    return Sliced(cells, cell_bits, scale, offset)


def _planes(
    codes: np.ndarray, weight_bits: int, columns: Literal["offset", "differential"]
) -> tuple[list[np.ndarray], int, int]:
    """Planes of nonnegative integers (input, neuron), scale and offset of weight codes of that
    shape: codes = scale (first plane - second, if any) + offset.
    """
    if columns == "differential":
        return [np.maximum(codes, 0), np.maximum(-codes, 0)], 1, 0
    if weight_bits == 1:
        return [(codes + 1) // 2], 2, -1
    half = 1 << (weight_bits - 1)
    return [codes + half], 1, -half


def faulted(
    cells: np.ndarray, cell_bits: int, stuck_at_0_rate: float, stuck_at_1_rate: float, key: int
) -> np.ndarray:
    """Cells (sign, slice, row, column) uint8 of which these shares are stuck at 0 and at full
    conductance (all bits 1).

    One uniform number per cell and key is compared with the rates, so the cells stuck at one rate
    are stuck at every higher one. Raises SettingError for a rate outside 0 to 1 or a sum above 1.
    """
    _check_rate("stuck_at_0_rate", stuck_at_0_rate)
    _check_rate("stuck_at_1_rate", stuck_at_1_rate)
    if stuck_at_0_rate + stuck_at_1_rate > 1:
        rates = (stuck_at_0_rate, stuck_at_1_rate)
        rule = "should be at most 1 together"
        raise SettingError.of(("stuck_at_0_rate", "stuck_at_1_rate"), rates, rule)
    stuck = np.array(cells, np.uint8)
    for plane in np.ndindex(stuck.shape[:2]):
        uniform = generator(key, "stuck cells", *plane).random(stuck.shape[2:])
        stuck[plane][uniform < stuck_at_0_rate] = 0
        stuck[plane][uniform >= 1 - stuck_at_1_rate] = (1 << cell_bits) - 1
    return stuck


def bit_flipped(weight_codes: np.ndarray, bits: int, rate: float, key: int) -> np.ndarray:
    """Weight codes (neuron, input) int8 after the persistent bit errors of a digital memory; codes
    may become -2^(b-1).

    Each of the b two's-complement bits of each code (at one bit: its sign) flips where a uniform
    number of its own, fixed by the key, is below `rate`: the errors at one rate are among those at
    every higher one. Raises SettingError for codes that do not fit the bits.
    """
    codes = _checked_codes(weight_codes, bits).astype(np.int8)
    _check_rate("rate", rate)
    flips = np.zeros(codes.shape, np.uint8)
    for bit in range(bits):
        flips |= (generator(key, "bit errors", bit).random(codes.shape) < rate).astype(
            np.uint8
        ) << bit
    if bits == 1:
        return np.where(flips, -codes, codes)
    unused = 8 - bits  # to the top of the byte and back down, which extends the sign
    return ((codes.view(np.uint8) ^ flips) << unused).view(np.int8) >> unused


class Wires(NamedTuple):
    """The wires of a layer's tiles, ohm from one cell to the next, and how they are solved."""

    tiling: Tiling
    wire_ohm: float
    model: Literal["series", "nodal"] = "series"


class Programmed(NamedTuple):
    """The contents of cells, (sign, slice, row, column): conductance above g_min int32, in 1/256
    cell steps, read_variance float32, and off_conductance float32, the g_min below it in 1/256 cell
    steps, less what the wires take of it.

    A partial sum Σ x g of one read has Gaussian noise of variance Σ x² read_variance, in squares of
    1/256 cell steps. Currents are those of conductance + off_conductance.
    """

    conductance: np.ndarray
    read_variance: np.ndarray
    off_conductance: np.ndarray


def program_cells(
    cells: np.ndarray,
    cell_bits: int,
    device: Device,
    key: int,
    age_s: float | None = None,
    wires: Wires | None = None,
    compensate_drift: bool = False,
) -> Programmed:
    """Program cells (sign, slice, row, column) uint8 on one chip's devices and look at them at
    `age_s` (None: the first age of the device's law).

    A cell of code c aims at g_min + c (g_max - g_min)/(2^bits - 1), misses it by the device's
    programming noise, drifts, and loses what the wires of its tile take (None: nothing). Of each
    conductance g_min is subtracted, as an exact reference column beside it behind the same wires
    would: for a device with g_min > 0 the difference may be negative. `compensate_drift` multiplies
    everything, read noise too, by the one factor that restores the chip's total conductance. An
    ideal device without wires holds exactly 256 c. Raises SettingError for an age that the device
    does not have, for wires that take too much, and for tiles of another layer.
    """
    if int(np.max(cells, initial=0)) >> cell_bits:
        cell = counted(cell_bits, "bit", "bits")
        rule = f"should be from 0 to {(1 << cell_bits) - 1}, in cells of {cell}"
        raise SettingError.of("cells", np.max(cells), rule)
    step_us = (device.g_max_us - device.g_min_us) / ((1 << cell_bits) - 1)
    factor = _compensation(cells, step_us, device, key, age_s) if compensate_drift else 1.0
    conductance = np.empty(cells.shape, np.int32)
    variance = np.empty(cells.shape, np.float32)
    off = np.zeros(cells.shape if device.g_min_us > 0 else (1, 1, 1, 1), np.float32)
    law = (cells, step_us, device, key, age_s)
    behind = _behind_wires(cells.shape, _drawn(*law), wires)
    for plane, programmed_us, now_us in _drawn(*law):
        passed = factor * behind.passed[plane]
        sensed = GRID / step_us * passed * (now_us - device.g_min_us)
        conductance[plane] = np.rint(sensed + GRID / step_us * factor * behind.around_us[plane])
        variance[plane] = (
            GRID / step_us * passed * device.read_sigma_us(now_us, age_s, programmed_us)
        ) ** 2
        if device.g_min_us > 0:
            off[plane] = GRID / step_us * passed * device.g_min_us
    return Programmed(conductance, variance, np.broadcast_to(off, cells.shape))


def _drawn(
    cells: np.ndarray, step_us: float, device: Device, key: int, age_s: float | None
) -> Iterator[tuple[tuple[int, ...], np.ndarray, np.ndarray]]:
    """Plane, conductances in µS as programmed, and now: plane by plane, so that little memory is
    taken at a time.
    """
    for plane in np.ndindex(cells.shape[:2]):
        target_us = np.minimum(device.g_min_us + step_us * cells[plane], device.g_max_us)
        programmed_us = device.programmed_us(
            target_us, generator(key, "programming", *plane), age_s
        )
        yield (
            plane,
            programmed_us,
            device.drifted_us(programmed_us, age_s, generator(key, "drift", *plane), target_us),
        )


def _compensation(
    cells: np.ndarray, step_us: float, device: Device, key: int, age_s: float | None
) -> float:
    """Total conductance as programmed over that of now: drawing twice is cheaper than keeping all
    planes.
    """
    if device.drift is None:
        return 1.0
    sums = np.sum(
        [
            (programmed.sum(), now.sum())
            for _, programmed, now in _drawn(cells, step_us, device, key, age_s)
        ],
        axis=0,
    )
    return float(sums[0] / sums[1]) if sums[1] > 0 else 1.0


class _BehindWires(NamedTuple):
    """Share of the current of each cell that passes, and µS that empty cells seem to have because
    currents find a way around them; both (sign, slice, row, column).
    """

    passed: np.ndarray
    around_us: np.ndarray


def _behind_wires(
    shape: tuple[int, ...],
    drawn: Iterator[tuple[tuple[int, ...], np.ndarray, np.ndarray]],
    wires: Wires | None,
) -> _BehindWires:
    """What wires leave of the cells as drawn, whose conductances are needed all at once: the planes
    lie side by side on their rows. Raises SettingError as program_cells.
    """
    if wires is None or wires.wire_ohm == 0:
        return _BehindWires(np.broadcast_to(1.0, shape), np.broadcast_to(0.0, shape))
    tiling = wires.tiling
    if shape != (tiling.signs, tiling.slices, tiling.inputs, tiling.neurons):
        raise SettingError.of("wires", tiling, f"should be the tiles of cells of shape {shape}")
    g_us = np.empty(shape)
    for plane, _, now_us in drawn:
        g_us[plane] = now_us
    g_s = 1e-6 * tiling.side_by_side(g_us)
    passed = np.empty(g_s.shape)
    around_us = np.zeros(g_s.shape)
    for tile in tiling.tiles():
        if wires.model == "series":
            passed[tile] = 1.0 - relative_drop(g_s[tile], wires.wire_ohm)
        else:
            passed[tile], around_s = nodal_shares(g_s[tile], wires.wire_ohm)
            around_us[tile] = 1e6 * around_s
    return _BehindWires(tiling.planes(passed), tiling.planes(around_us))


def _checked_codes(weight_codes: np.ndarray, weight_bits: int) -> np.ndarray:
    """Weight codes (neuron, input) as an array; raises SettingError for codes that do not fit."""
    codes = np.asarray(weight_codes)
    weight_bits = check_whole("weight_bits", weight_bits, 1, 9)
    if codes.ndim != 2 or codes.size == 0 or codes.dtype.kind not in "iu":
        rule = "should be integers (neuron, input), one at least"
        raise SettingError.of("weight_codes", codes, rule)
    half = 1 << (weight_bits - 1)
    wrong = np.abs(codes) != 1 if weight_bits == 1 else (codes < -half) | (codes >= half)
    if wrong.any():
        allowed = "-1 or 1" if weight_bits == 1 else f"from {-half} to {half - 1}"
        rule = f"should be {allowed}, for weights of {counted(weight_bits, 'bit', 'bits')}"
        raise SettingError.of("weight_codes", codes[wrong][0], rule)
    return codes


def _check_rate(name: str, rate: float) -> None:
    """Raise SettingError unless a rate is from 0 to 1."""
    if not 0 <= rate <= 1:
        raise SettingError.of(name, rate, "should be from 0 to 1")
