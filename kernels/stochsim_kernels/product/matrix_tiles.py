"""Integer products by a processor's matrix unit (Intel AMX): 32 stimuli against 32 neurons at a
time, whose sums stay in four of its eight registers of 16 × 16 sums, "tiles".

Operands are the bytes of `packing`, in words of four inputs as `int_tiles` has them; a tile of
weights is 16 such words of 16 neurons. One instruction (tdpbusd: unsigned times signed, modulo
2^32) multiplies a tile of inputs, 16 stimuli × 64 bytes, by a tile of weights.
"""

import ctypes
import itertools
import sys
from functools import lru_cache
from typing import Any, NamedTuple

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from stochsim_kernels._jit import helper, inline, kernel
from stochsim_kernels.processor import MATRIX_UNIT, processor_has
from stochsim_kernels.product.int_tiles import COLUMNS
from stochsim_kernels.tasks import run_tasks

TILE = 16  # rows of a tile, and words or sums in a row of it
_SQUARE = 2 * TILE  # stimuli, and neurons, whose sums are held at once
_BLOCK = 4 * _SQUARE  # stimuli per task
_LINE = 4 * TILE  # bytes of a row of a tile
_TASKS_PER_THREAD = 4
_X, _W = (4, 5), (6, 7)  # tiles of inputs and of weights, behind those of sums

_I8 = ir.IntType(8)
_I64 = ir.IntType(64)
_POINTER = _I8.as_pointer()


@lru_cache
def has_matrix_unit() -> bool:
    """Has the processor that Numba compiles for a matrix unit that this process may use?

    Linux gives a process the state of its registers when it asks for it; threads and forked
    processes have it then too.
    """
    return processor_has(MATRIX_UNIT) and _may_use_tiles()


def _may_use_tiles() -> bool:
    """Ask Linux for the registers (arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILE_DATA)."""
    if sys.platform != "linux":
        return False
    try:
        return bool(ctypes.CDLL(None).syscall(158, 0x1023, 18) == 0)
    except (OSError, AttributeError):  # a C library without that call
        return False


class MatrixProduct(NamedTuple):
    """Both operands of a product and what is added to it, C-contiguous.

    codes: (stimulus, input) uint8; shift: 128 where they are those of signed codes, which then
    count 128 more, else 0; w: (panel of COLUMNS neurons, word, COLUMNS) int32, a multiple of 16
    words; terms: (neuron rounded up to COLUMNS,) int32.
    """

    codes: np.ndarray
    shift: int
    w: np.ndarray
    terms: np.ndarray


class Square(NamedTuple):
    """Where the sums of up to 32 stimuli and 32 neurons come from, int64: the first word of x, the
    words from stimulus to stimulus, the first word of w, how many words are multiplied, a multiple
    of 16, and the first neuron.
    """

    x_first: int
    x_stride: int
    w_first: int
    words: int
    neuron: int


class _Rows(NamedTuple):
    """Rows in memory, as values of LLVM: the address of the first, and bytes from row to row."""

    first: Any
    stride: Any


def _settings():
    """What the registers hold, as the processor is told: 16 rows of 64 bytes in each of eight."""
    told = np.zeros(64, np.uint8)
    told[0] = 1  # the only kind of settings that there is
    told[16:32].view(np.uint16)[:] = _LINE
    told[48:56] = TILE
    return bytearray(told.tobytes())


def _call(builder, name, *arguments):
    signature = ir.FunctionType(ir.VoidType(), [value.type for value in arguments])
    function = cgutils.get_or_insert_function(builder.module, signature, f"llvm.x86.{name}")
    builder.call(function, arguments)


def _tile(number):
    return ir.Constant(_I8, number)


def _rows(builder, array, first, stride_words):
    """Rows of words, the first of which starts at a word of an array."""
    start = builder.gep(array.data, [first])
    return _Rows(builder.bitcast(start, _POINTER), builder.shl(stride_words, _I64(2)))


def _at(builder, rows, row, byte):
    """The address of a byte of a row."""
    offset = builder.add(builder.mul(rows.stride, _I64(row)), byte)
    return builder.gep(rows.first, [offset])


def _move(builder, way, number, rows, row, byte):
    """Load or store a tile, whose first row is a row in memory, from a byte of it on."""
    _call(builder, way, _tile(number), _at(builder, rows, row, byte), rows.stride)


def _emit_square(builder, heights, x, w, words, terms, sums):
    """Write the sums of 16 stimuli for each of `heights` and of 32 neurons; terms: what they start
    with, a row for all stimuli.
    """
    squares = [(i, j, 2 * i + j) for i, j in itertools.product(heights, (0, 1))]
    for _, j, number in squares:
        _move(builder, "tileloadd64", number, terms, 0, _I64(_LINE * j))
    with cgutils.for_range(builder, builder.udiv(words, _I64(TILE))) as loop:
        panel = _at(builder, w, 0, builder.mul(loop.index, builder.mul(w.stride, _I64(TILE))))
        some = w._replace(first=panel)
        for j, number in enumerate(_W):
            _move(builder, "tileloadd64", number, some, 0, _I64(_LINE * j))
        byte = builder.mul(loop.index, _I64(_LINE))
        for i in heights:
            _move(builder, "tileloadd64", _X[i], x, TILE * i, byte)
        for i, j, number in squares:
            _call(builder, "tdpbusd", _tile(number), _tile(_X[i]), _tile(_W[j]))
    for i, j, number in squares:
        _move(builder, "tilestored64", number, sums, TILE * i, _I64(_LINE * j))


def _square(heights):
    """An intrinsic that writes the sums of a `Square` of so many tiles of stimuli to out, from a
    word on.
    """

    @intrinsic
    def write(_context, x, w, terms, square, out, first, stride):
        def codegen(context, builder, signature, arguments):
            def array(i):
                return context.make_array(signature.args[i])(context, builder, arguments[i])

            x_first, x_stride, w_first, words, neuron = cgutils.unpack_tuple(builder, arguments[3])
            operands = (
                _rows(builder, array(0), x_first, x_stride),
                _rows(builder, array(1), w_first, _I64(COLUMNS)),
                words,
                _rows(builder, array(2), neuron, _I64(0)),
                _rows(builder, array(4), arguments[5], arguments[6]),
            )
            _emit_square(builder, range(heights), *operands)
            return context.get_dummy_value()

        return types.void(x, w, terms, square, out, types.int64, types.int64), codegen

    return write


_write_square = _square(2)
_write_half = _square(1)


@intrinsic
def _start(_context):
    """Set the registers of this thread; `_stop` gives them back."""

    def codegen(context, builder, _signature, _arguments):
        settings = cgutils.global_constant(
            builder, "stochsim_tiles", ir.Constant(ir.ArrayType(_I8, 64), _settings())
        )
        _call(builder, "ldtilecfg", builder.bitcast(settings, _POINTER))
        return context.get_dummy_value()

    return types.void(), codegen


@intrinsic
def _stop(_context):
    def codegen(context, builder, _signature, _arguments):
        _call(builder, "tilerelease")
        return context.get_dummy_value()

    return types.void(), codegen


@inline
def _from_a_line(memory):
    """Bytes from the first cache line on."""
    return memory[-memory.ctypes.data % _LINE :]


@inline
def _pack(codes, shift, row_bytes, packed):
    """Write codes (stimulus, input) with the bits of shift changed to rows of bytes."""
    for s in range(codes.shape[0]):
        row = codes[s]
        into = packed[s * row_bytes : s * row_bytes + row.size]
        for i in range(row.size):
            into[i] = row[i] ^ np.uint8(shift)


@helper
def _fill_block(task, product, groups, out):
    """Some rows of `fill_matrix_product` for one group of panels of neurons."""
    codes, shift, w, terms = product
    stimuli, neurons = out.shape
    first = task // groups * _BLOCK
    last = min(first + _BLOCK, stimuli)
    group = task % groups
    start = group * w.shape[0] // groups * COLUMNS
    stop = min((group + 1) * w.shape[0] // groups * COLUMNS, neurons)
    words = w.shape[1]
    # an odd number of cache lines from row to row: rows of a tile then meet in no cache set
    stride = TILE * (words // TILE | 1)
    memory = np.empty((_BLOCK * 4 * stride + _LINE,), np.uint8)
    packed = _from_a_line(memory)
    _pack(codes[first:last], shift, 4 * stride, packed)
    x = packed[: _BLOCK * 4 * stride].view(np.int32)
    edge = np.empty((_SQUARE, _SQUARE), np.int32)
    _start()
    for n in range(start, stop, _SQUARE):
        w_first = n // COLUMNS * words * COLUMNS + n % COLUMNS
        for s in range(first, last, _SQUARE):
            square = Square((s - first) * stride, stride, w_first, words, n)
            if s + _SQUARE <= last and n + _SQUARE <= neurons:
                _write_square(x, w, terms, square, out, s * neurons + n, neurons)
                continue
            if s + TILE < last:
                _write_square(x, w, terms, square, edge, 0, _SQUARE)
            else:
                _write_half(x, w, terms, square, edge, 0, _SQUARE)
            for r in range(s, min(s + _SQUARE, last)):
                for c in range(n, min(n + _SQUARE, neurons)):
                    out[r, c] = edge[r - s, c - n]
    _stop()


@kernel
def fill_matrix_product(product, tasks, out):
    """See `multiply`; tasks: how many there should be at least, as far as neurons allow."""
    blocks = (out.shape[0] + _BLOCK - 1) // _BLOCK
    groups = max(1, min(product.w.shape[0], (tasks + blocks - 1) // max(1, blocks)))
    run_tasks(_fill_block, groups * blocks, (product, groups, out))


def multiply(product: MatrixProduct, out: np.ndarray) -> None:
    """Write terms + x times w to out (stimulus, neuron) int32, modulo 2^32, where
    `has_matrix_unit`.
    """
    if not has_matrix_unit():
        raise RuntimeError("this process has no matrix unit")
    fill_matrix_product(product, _TASKS_PER_THREAD * numba.get_num_threads(), out)
