"""What a call of the crossbar's kernel needs: arrays of its kinds, checks, events, tables."""

import numpy as np

from stochsim_kernels.array.crossbar_kernel import BLOCK, Span, Tables

_CHUNK = 256  # reads per task and event, and at most: its totals fit the second-level cache
_LEAST_CHUNK = 16


def own(array, dtype):
    """The array itself where it is contiguous and writable, else a copy: another kind of array
    would compile the kernel once more.
    """
    return np.require(array, dtype, ["C", "W"])


def check(readout, variance, out, shape):
    """Raise ValueError where out, or classes of variance, do not fit a readout and shape (stimulus,
    column).
    """
    if out.dtype != np.int32 or (out.shape[0], out.shape[2]) != shape or not out.flags.c_contiguous:
        raise ValueError(
            f"out must be int32 ({shape[0]}, read, {shape[1]}), contiguous; got {out.dtype} "
            f"{out.shape}"
        )
    if any(a.size and a.shape[-1] != shape[1] for a in (readout.grid, readout.group)):
        raise ValueError(
            f"gain {readout.grid.shape[1:]} and group {readout.group.shape} must have {shape[1]} "
            f"columns"
        )
    classes = readout.channel.entries.size // (readout.channel.positions << readout.channel.bits)
    if variance.size and not 0 <= variance.min() <= variance.max() < classes:
        raise ValueError(
            f"variance classes run from 0 to {classes - 1}; got {variance.min()} to "
            f"{variance.max()}"
        )


def span_of(readout, out, first, last):
    """The events of a call; reads per task: all where nothing is drawn, else as many as keep
    totals in the cache.
    """
    some = max(_LEAST_CHUNK, _CHUNK // max(1, last - first))
    if readout.channel.certain and not readout.group.size:
        some = out.shape[1]
    return Span(int(first), int(last), max(1, min(out.shape[1], some)))


def tables(readout):
    """The arrays of a readout, as the kernel takes them."""
    return Tables(readout.entries, readout.factor, readout.grid, _groups(readout.group))


def _groups(group):
    """(3, column): the reference of a column, counted from the first one of its block, an even one;
    that first one; how many from it on.
    """
    out = np.zeros((3, group.size), np.int32)
    for start in range(0, group.size, BLOCK):
        some = group[start : start + BLOCK]
        first = some.min() // 2 * 2
        out[0, start : start + BLOCK] = some - first
        out[1:, start : start + BLOCK] = [[first], [(some.max() - first) // 2 * 2 + 2]]
    return out
