"""Tasks on threads: one function, called for every task of a kernel.

Numba compiles the body of a `prange` five times over (in the function it calls, in its ufunc, in
two wrappers of that, and in the kernel around them), and everything that the body calls with it. So
there is one `prange` in all kernels, which calls a task by its address, with arguments that lie on
the stack of the kernel: a body is compiled twice, the loop over tasks once.
"""

import numpy as np
from llvmlite import ir
from numba import prange, types
from numba.core import cgutils
from numba.extending import intrinsic

from stochsim_kernels._jit import inline, threaded

_I32 = ir.IntType(32)
_I64 = ir.IntType(64)
_TASK = ir.FunctionType(ir.VoidType(), [_I64, _I64])  # address of the arguments, number of the task


def _frame(context, kinds):
    """The arguments of a task as they lie in memory, behind the code of an error, 0 without one."""
    return ir.LiteralStructType([_I32, *(context.get_data_type(kind) for kind in kinds)])


def _emit_task(context, builder, compiled, kinds):
    """A function of type `_TASK` that calls a compiled one (task, *arguments)."""
    module = builder.module
    task = ir.Function(module, _TASK, module.get_unique_name("stochsim_task"))
    task.linkage = "internal"
    inside = ir.IRBuilder(task.append_basic_block("entry"))
    frame = inside.inttoptr(task.args[0], _frame(context, kinds).as_pointer())
    arguments = [
        context.unpack_value(inside, kind, cgutils.gep_inbounds(inside, frame, 0, i + 1))
        for i, kind in enumerate(kinds)
    ]
    callee = context.declare_function(module, compiled.fndesc)
    status, _ = context.call_conv.call_function(
        inside, callee, types.none, (types.int64, *kinds), [task.args[1], *arguments]
    )
    with cgutils.if_unlikely(inside, status.is_error):
        inside.store(status.code, cgutils.gep_inbounds(inside, frame, 0, 0))
    inside.ret_void()
    return task


@intrinsic
def _prepare(typing_context, body, arguments):
    """(address of a function of type `_TASK` that calls body(task, *arguments), address of its
    arguments): integers. The arguments must outlive their use, see `_failed`.
    """
    kinds = tuple(arguments.types)
    typing_context.resolve_function_type(body, (types.int64, *kinds), {})
    compiled = body.dispatcher.overloads[(types.int64, *kinds)]

    def generate(context, builder, signature, values):
        frame = cgutils.alloca_once(builder, _frame(context, kinds))
        builder.store(_I32(0), cgutils.gep_inbounds(builder, frame, 0, 0))
        for i, value in enumerate(cgutils.unpack_tuple(builder, values[1])):
            place = cgutils.gep_inbounds(builder, frame, 0, i + 1)
            context.pack_value(builder, kinds[i], value, place)
        task = _emit_task(context, builder, compiled, kinds)
        context.active_code_library.add_linking_library(compiled.library)
        addresses = [builder.ptrtoint(task, _I64), builder.ptrtoint(frame, _I64)]
        return context.make_tuple(builder, signature.return_type, addresses)

    return types.UniTuple(types.int64, 2)(body, arguments), generate


@intrinsic
def _call(_context, task, frame, number):
    """Call a function of type `_TASK` by its address."""

    def generate(context, builder, _signature, values):
        task, frame, number = values
        builder.call(builder.inttoptr(task, _TASK.as_pointer()), [frame, number])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), generate


@intrinsic
def _failed(_context, frame, arguments):
    """The code of an error of any task, else 0; the arguments are kept alive until here."""

    def generate(_context, builder, _signature, values):
        return builder.load(builder.inttoptr(values[0], _I32.as_pointer()))

    return types.int32(types.int64, arguments), generate


@intrinsic
def _threads(_context):
    """How many threads Numba allows, asked by the name by which its own loops ask."""

    def generate(_context, builder, _signature, _values):
        signature = ir.FunctionType(_I64, [])
        asked = cgutils.get_or_insert_function(builder.module, signature, "get_num_threads")
        return builder.call(asked, [])

    return types.int64(), generate


@threaded
def _launch(task, frame, tasks):
    if tasks == 1 or _threads() == 1:
        for number in range(tasks):
            _call(task, frame, number)
    else:
        for number in prange(tasks):
            _call(task, frame, np.int64(number))


@inline
def run_tasks(body, tasks, arguments):
    """Call body(task, *arguments), a `helper` without a result, for task 0 … tasks - 1, on the
    threads that Numba allows; raises RuntimeError where one of them failed.
    """
    task, frame = _prepare(body, arguments)
    _launch(task, frame, tasks)
    if _failed(frame, arguments) != 0:
        raise RuntimeError("a task of a kernel failed, by want of memory or a division by zero")
