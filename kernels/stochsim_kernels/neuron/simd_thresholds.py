"""Sixteen neurons at once, in registers: their random integers, read after read, compared with up
to 31 thresholds.

Written as vector operations of LLVM's own language, which compiles them for any processor. A loop
over neurons, left to the loop vectoriser, loads every threshold again at every read and takes about
twice as long; here a block of neurons keeps its streams and its thresholds in registers for all
reads. The code is found from its highest bit down: a comparison with the middle threshold gives the
bit and leaves the lower or the upper half of the list, so b comparisons and 2^b - 1 - b choices do
the work of 2^b - 1 comparisons and additions.
"""

import functools

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

LANES = 16  # neurons of a block: 8 words of 64 bits
WIDTHS = (1, 2, 3, 4, 5)  # bits of a code
I8 = ir.IntType(8)
I32 = ir.IntType(32)
I64 = ir.IntType(64)
CODES = ir.VectorType(I8, LANES)
INTEGERS = ir.VectorType(I32, LANES)
_WORDS = ir.VectorType(I64, LANES // 2)


def splat(kind, value):
    """A constant in all lanes."""
    return ir.Constant(kind, [value] * kind.count)


def broadcast(b, kind, value):
    """A run-time number in all lanes."""
    none = ir.Constant(kind, ir.Undefined)
    return b.shuffle_vector(
        b.insert_element(none, value, I32(0)), none, splat(ir.VectorType(I32, kind.count), 0)
    )


def address(b, array, row, item):
    """The address, as an integer, of array[row, item], for a C-contiguous array of two axes."""
    return b.ptrtoint(
        b.gep(array.data, [b.add(b.mul(b.extract_value(array.shape, 1), row), item)]), I64
    )


def load(b, place, kind, item_bytes, items=None):
    """A vector from an address, its first items only if a number of them is given."""
    pointer = b.inttoptr(place, kind.as_pointer())
    if items is not None:
        whole = pointer
        pointer = cgutils.alloca_once(b, kind)
        cgutils.raw_memcpy(b, pointer, whole, items, item_bytes)
    loaded = b.load(pointer)
    loaded.align = item_bytes  # as single items are
    return loaded


def store_bytes(b, vector, place, items=None):
    """Write a vector of bytes to an address, its first items only if a number of them is given."""
    pointer = b.inttoptr(place, vector.type.as_pointer())
    if items is None:
        b.store(vector, pointer).align = 1
    else:
        held = cgutils.alloca_once(b, vector.type)
        b.store(vector, held)
        cgutils.raw_memcpy(b, pointer, held, items, 1)


def emit(context, b, signature, arguments, body):
    """Emit body(items, *arguments) twice, for a whole block of neurons (items None) and for a last
    one of `items` neurons.

    Arrays become structures with data and shape; they must be C-contiguous. The last argument is
    `out` (read, neuron), the first `first`.
    """
    assert all(kind.layout == "C" for kind in signature.args if isinstance(kind, types.Array))
    values = [
        context.make_array(kind)(context, b, value) if isinstance(kind, types.Array) else value
        for kind, value in zip(signature.args, arguments, strict=True)
    ]
    left = b.sub(b.extract_value(values[-1].shape, 1), values[0])
    with b.if_else(b.icmp_signed(">=", left, I64(LANES))) as (whole, last):
        for branch, items in ((whole, None), (last, left)):
            with branch:
                body(items, *values)
    return context.get_dummy_value()


def _mix64(b, z):
    """`counter_rng.mix64` of every lane."""
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        z = b.mul(b.xor(z, b.lshr(z, splat(_WORDS, shift))), splat(_WORDS, factor))
    return b.xor(z, b.lshr(z, splat(_WORDS, 31)))


def each_read(b, streams, first, start, stop, body, *moving):
    """Emit a loop over reads start … stop - 1, start < stop, that calls body(halves, *places) once.

    halves: 32 random bits for each of the neurons first … first + LANES - 1; streams: the array (2,
    pair) of seeds, just before read 0, and increments; moving: (place, stride in bytes) of what
    moves on at each read.
    """
    pair = b.lshr(first, I64(1))
    seed, gamma = (load(b, address(b, streams, I64(row), pair), _WORDS, 8) for row in (0, 1))
    begin = [
        start,
        b.add(seed, b.mul(gamma, broadcast(b, _WORDS, start))),
        *(place for place, _ in moving),
    ]
    before = b.block
    loop = b.append_basic_block("reads")
    after = b.append_basic_block("after")
    b.branch(loop)
    b.position_at_end(loop)
    read, state, *places = phis = [b.phi(value.type) for value in begin]
    onward = [
        b.add(read, I64(1)),
        b.add(state, gamma),
        *(b.add(place, step) for place, (_, step) in zip(places, moving, strict=True)),
    ]
    body(
        b.bitcast(_mix64(b, onward[1]), INTEGERS), *places
    )  # neuron 2i owns the low half of word i
    for phi, value, later in zip(phis, begin, onward, strict=True):
        phi.add_incoming(value, before)
        phi.add_incoming(later, loop)
    b.cbranch(b.icmp_signed("<", onward[0], stop), loop, after)
    b.position_at_end(after)


def _count(b, u, thresholds, code):
    """code + #{k : u >= thresholds[k]}, for 2^b - 1 vectors of ascending thresholds."""
    while thresholds:
        middle = len(thresholds) // 2
        passed = b.icmp_unsigned(">=", u, thresholds[middle])
        code = b.add(code, b.select(passed, splat(CODES, middle + 1), splat(CODES, 0)))
        halves = zip(thresholds[:middle], thresholds[middle + 1 :], strict=True)
        thresholds = [b.select(passed, upper, lower) for lower, upper in halves]
    return code


def _emit_count(b, items, first, thresholds, streams, c_min, out):
    """All widths; the number of thresholds chooses one."""
    least = broadcast(b, CODES, c_min)
    reads = b.extract_value(out.shape, 0)
    neurons = b.extract_value(out.shape, 1)
    end = b.append_basic_block("end")
    choice = b.switch(b.extract_value(thresholds.shape, 0), end)
    for width in WIDTHS:
        block = b.append_basic_block(f"bits{width}")
        choice.add_case(I64(2**width - 1), block)
        b.position_at_end(block)
        rows = [
            load(b, address(b, thresholds, I64(k), first), INTEGERS, 4, items)
            for k in range(2**width - 1)
        ]

        def one_read(halves, place, rows=rows):
            store_bytes(b, _count(b, b.lshr(halves, splat(INTEGERS, 1)), rows, least), place, items)

        each_read(
            b, streams, first, I64(0), reads, one_read, (address(b, out, I64(0), first), neurons)
        )
        b.branch(end)
    b.position_at_end(end)


@intrinsic
def count_block(_context, first, thresholds, streams, c_min, out):
    """Write c_min + #{k : u >= threshold_k} to out (read, neuron), int8, one read at least, for up
    to LANES neurons from `first` on.

    thresholds: (levels - 1, neuron) uint32, ascending in level, levels = 2^b with b in WIDTHS (else
    nothing is written); streams: (2, pair) uint64, seeds just before the first read and increments,
    for whole blocks; c_min: int8. C-contiguous. Indices are not checked.
    """

    def generate(context, b, signature, arguments):
        return emit(context, b, signature, arguments, functools.partial(_emit_count, b))

    return types.void(types.int64, thresholds, streams, types.int8, out), generate
