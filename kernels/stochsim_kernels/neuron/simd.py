"""Blocks of neurons in vector registers: their streams, read after read, and what is loaded and
stored.

Written as vector operations of LLVM's own language, which compiles them for any processor. A loop
over neurons, left to the loop vectoriser, loads streams and thresholds again at every read and
takes about twice as long; here a block of neurons keeps them in registers for all reads.
"""

from typing import NamedTuple

from llvmlite import ir
from numba.core import cgutils, types

QUADS = 8  # of neurons in a block: 8 words of 64 bits, a vector of 512
LANES = 4 * QUADS  # neurons of a block
I8 = ir.IntType(8)
I16 = ir.IntType(16)
I32 = ir.IntType(32)
I64 = ir.IntType(64)
CODES = ir.VectorType(I8, LANES)
INTEGERS = ir.VectorType(I32, LANES)
PIECES = ir.VectorType(I16, LANES)
_WORDS = ir.VectorType(I64, QUADS)
_TOP = 1 << 63  # what the position r + 2^63 differs by from r: increments are odd


class Block(NamedTuple):
    """The neurons from `first` on, a multiple of 4, fewer than a whole block at the end, at reads
    start … stop - 1, one at least; int64.
    """

    first: int
    start: int
    stop: int


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
    if items is None:
        b.store(vector, b.inttoptr(place, vector.type.as_pointer())).align = 1
        return
    held = cgutils.alloca_once(b, vector.type)
    b.store(vector, held)
    source = b.ptrtoint(held, I64)
    size = vector.type.count // 2
    while size:  # by the bits of `items`: a call for each read would take longer than the codes
        kind = ir.IntType(8 * size).as_pointer()
        with b.if_then(b.icmp_unsigned("!=", b.and_(items, I64(size)), I64(0))):
            done = b.and_(items, I64(-2 * size))
            piece = b.load(b.inttoptr(b.add(source, done), kind))
            piece.align = 1
            b.store(piece, b.inttoptr(b.add(place, done), kind)).align = 1
        size //= 2


def as_values(context, b, signature, arguments):
    """Arguments of an intrinsic; arrays, which must be C-contiguous, as structures with data and
    shape.
    """
    assert all(kind.layout == "C" for kind in signature.args if isinstance(kind, types.Array))
    return [
        context.make_array(kind)(context, b, value) if isinstance(kind, types.Array) else value
        for kind, value in zip(signature.args, arguments, strict=True)
    ]


def emit(context, b, signature, arguments, body):
    """Emit body(items, *arguments) twice, for a whole block of neurons (items None) and for a last
    one of `items` neurons.

    Arrays become structures, as in `as_values`. The first argument is a `Block`, or the first
    neuron; the last one is `out` (read, neuron).
    """
    values = as_values(context, b, signature, arguments)
    alone = isinstance(signature.args[0], types.Integer)
    first = values[0] if alone else b.extract_value(values[0], 0)
    left = b.sub(b.extract_value(values[-1].shape, 1), first)
    with b.if_else(b.icmp_signed(">=", left, I64(LANES))) as (whole, last):
        for branch, items in ((whole, None), (last, left)):
            with branch:
                body(items, *values)
    return context.get_dummy_value()


def random_words(b, z):
    """`counter_rng.mix64` of every lane."""
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        z = b.mul(b.xor(z, b.lshr(z, splat(z.type, shift))), splat(z.type, factor))
    return b.xor(z, b.lshr(z, splat(z.type, 31)))


def streams_of(b, streams, first):
    """Seeds, just before read 0, and increments of the quads of a block of neurons, out of the
    array (2, quad).
    """
    quad = b.lshr(first, I64(2))
    return [load(b, address(b, streams, I64(row), quad), _WORDS, 8) for row in (0, 1)]


def paired_streams(b, streams, first):
    """`streams_of`, then the same 2^63 positions further on, where the top bit of a seed has
    changed, for increments are odd.
    """
    twice = ir.Constant(ir.VectorType(I32, 2 * QUADS), [*range(QUADS)] * 2)
    seed, gamma = (b.shuffle_vector(half, half, twice) for half in streams_of(b, streams, first))
    further = ir.Constant(seed.type, [0] * QUADS + [1 << 63] * QUADS)
    return b.xor(seed, further), gamma


def upper_pieces(b, state):
    """The upper 16 bits of u of a block, for a state of `streams_of`."""
    return b.bitcast(random_words(b, state), PIECES)


def halves(b, state):
    """2 u, or 2 u + 1, of a block, for a state of `paired_streams`."""
    drawn = b.bitcast(random_words(b, state), ir.VectorType(I16, 2 * LANES))
    order = [place for n in range(LANES) for place in (LANES + n, n)]  # the lower piece comes first
    places = ir.Constant(ir.VectorType(I32, 2 * LANES), order)
    return b.bitcast(b.shuffle_vector(drawn, drawn, places), INTEGERS)


def note_any(b, flags, place, write):
    """Emit write(lanes, place) where any lane of a block is flagged, which is rare: it writes to an
    address and gives the next one; `place` where none is flagged. lanes: the flags, bit by bit.
    """
    lanes = b.bitcast(flags, ir.IntType(LANES))
    before = b.block
    noting = b.append_basic_block("note")
    noted = b.append_basic_block("noted")
    b.cbranch(b.icmp_unsigned("!=", lanes, lanes.type(0)), noting, noted).set_weights([1, 1000])
    b.position_at_end(noting)
    following = write(lanes, place)
    b.branch(noted)
    b.position_at_end(noted)
    either = b.phi(I64)
    either.add_incoming(place, before)
    either.add_incoming(following, noting)
    return either


def store_word(b, word, place):
    """Write 64 bits to an address and give the next one."""
    b.store(word, b.inttoptr(place, I64.as_pointer())).align = 8
    return b.add(place, I64(8))


def each_read(b, stream, start, stop, body, *values):
    """Emit a loop over reads start … stop - 1, start < stop, that calls body(read, state, *values)
    once; body gives the values of the next read, each_read those behind the last one.

    stream: seeds, just before read 0, and increments; state: theirs at a read.
    """
    seed, gamma = stream
    begin = [start, b.add(seed, b.mul(gamma, broadcast(b, gamma.type, start))), *values]
    before = b.block
    loop = b.append_basic_block("reads")
    after = b.append_basic_block("after")
    b.branch(loop)
    b.position_at_end(loop)
    phis = [b.phi(value.type) for value in begin]
    state = b.add(phis[1], gamma)
    following = body(phis[0], state, *phis[2:])
    onward = [b.add(phis[0], I64(1)), state, *following]
    for phi, value, next_one in zip(phis, begin, onward, strict=True):
        phi.add_incoming(value, before)
        phi.add_incoming(next_one, b.block)
    b.cbranch(b.icmp_signed("<", onward[0], stop), loop, after)
    b.position_at_end(after)
    return following
