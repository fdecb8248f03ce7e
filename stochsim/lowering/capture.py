"""A torch module as a functional graph of ATen operations, by `torch.export`: in-place work and
aliases resolved, parameters by name, recurrent and attention modules in their parts.
"""

import contextlib
import copy
import functools
import gc
import io
import logging
import re
import warnings
from collections.abc import Collection, Iterator, Mapping
from types import SimpleNamespace
from typing import Any
from unittest import mock

import torch
from torch import fx
from torch._export import utils as torch_utils
from torch.distributions import Distribution
from torch.export import Dim, ExportedProgram
from torch.export.graph_signature import InputKind, OutputKind
from torch.fx.experimental.symbolic_shapes import GuardOnDataDependentSymNode
from torch.nn.modules import transformer

from stochsim.lowering.brevitas_quantisers import OnePart
from stochsim.lowering.graph_network import Network, drop_unused, put
from stochsim.lowering.origin import DOOR, Origin, shape_of
from stochsim.lowering.own_dropouts import recurrent_forms
from stochsim.lowering.queries import first_line, operation
from stochsim.lowering.signature import Inputs, Outputs
from stochsim.lowering.whole_operations import made_plain, made_whole, opaque_parts, own_forms
from stochsim.settings import StochsimError, bounded

_INTO_PARTS = (
    *("lstm", "gru", "rnn_tanh", "rnn_relu"),
    *("lstm_cell", "gru_cell", "rnn_tanh_cell", "rnn_relu_cell"),
    *("einsum", "tensordot", "cosine_similarity"),
)
"""Operations that are taken apart by torch's own decompositions; all others stay whole."""

_STIMULI = 7
_OF_SHAPES = ("_assert_tensor_metadata", "_assert_scalar", "sym_constrain_range_for_size")
_COPIES = ("clone", "lift_fresh_copy", "alias", "contiguous")
_VIEWS = ("view", "_unsafe_view", "unsafe_view", "reshape")
_EMPTY = {
    "empty": torch.ops.aten.zeros.default,
    "empty_like": torch.ops.aten.zeros_like.default,
    "new_empty": torch.ops.aten.new_zeros.default,
}
"""What memory holds by chance becomes zeros: it is written over, or the module is wrong."""


def captured(whole: "Wrapped", x: torch.Tensor, kept: Collection[str]) -> Network:
    """The graph of a module in evaluation for any number of stimuli like x (stimulus, …).

    Raises StochsimError that says what the module does that no graph can hold, and on which line.
    kept: parts which, where they cannot be captured, stay modules of torch.
    """
    parts: Mapping[str, torch.nn.Module] = {}
    module = whole.whole
    try:
        exported = _exported(whole, x)
    except Exception as error:  # whatever a user's own code, or torch, raises of it
        if not kept:
            raise _cannot_be_captured(module, error) from None
        try:
            with opaque_parts(whole, x, [f"{_PREFIX}{path}" for path in kept]) as parts:
                exported = _exported(whole, x)
        except Exception as other:
            raise _cannot_be_captured(module, other) from None
    network = _Reader(module, exported).network(parts)
    _simplify(network)
    return network


class Wrapped(torch.nn.Module):
    """A module that is called with one tensor (stimulus, …) and gives one, its parts under a name
    that no graph has. outputs: None for what the module itself gives.
    """

    def __init__(
        self, module: torch.nn.Module, inputs: Inputs, outputs: Outputs | None = None
    ) -> None:
        super().__init__()
        self.training = False  # its own alone: parts of the module have modes of their own
        self.whole = module
        self._inputs = inputs
        self._outputs = outputs

    def forward(self, x: torch.Tensor) -> Any:
        """What the module gives."""
        found = self._inputs.called(self.whole, x)
        return found if self._outputs is None else self._outputs.joined(found, x)


_PREFIX = "whole."


@contextlib.contextmanager
def plain_attention() -> Iterator[None]:
    """torch's attention in its parts: its fast path, which no graph has, gives zeros where a mask
    hides a position.
    """
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


def copied(module: torch.nn.Module) -> torch.nn.Module:
    """A copy of a module, whose calls leave it as it is; itself where it has none."""
    try:
        return copy.deepcopy(module)
    except Exception:  # whatever a user's own parts raise, or tensors that are computed
        return module


def _exported(whole: Wrapped, x: torch.Tensor) -> ExportedProgram:
    # 0 and 1 would be constants, and torch 2.13 takes 2 for one in some layouts
    some = x[:_STIMULI].repeat(_STIMULI, *(1,) * (x.ndim - 1))[:_STIMULI]
    with _quiet(), _operations_listed_once(), _nothing_packed(), _few_collections():
        found = torch.export.export(
            whole, (some.clone(),), dynamic_shapes=({0: Dim.DYNAMIC},), strict=False
        )
        made_whole(found.graph_module)
        table = _decompositions()
        return found.run_decompositions(table | recurrent_forms(table) | own_forms())


@functools.cache
def _decompositions() -> dict[Any, Any]:
    """torch's own of `_INTO_PARTS`, by operation."""
    return {
        op: form
        for op, form in torch.export.default_decompositions().items()
        if op._schema.name.removeprefix("aten::") in _INTO_PARTS
    }


@contextlib.contextmanager
def _operations_listed_once() -> Iterator[None]:
    """torch lists its operations anew for each of some thirty namespaces, a third of a capture's
    time; none is added meanwhile.
    """
    name = "_materialize_cpp_cia_ops"
    if not hasattr(torch_utils, name):  # another version of torch
        yield
        return
    with mock.patch.object(torch_utils, name, functools.cache(getattr(torch_utils, name))):
        yield


@contextlib.contextmanager
def _few_collections() -> Iterator[None]:
    """A capture makes many small objects that stay: collecting garbage as often as Python does by
    itself takes a fifth of its time.
    """
    before = gc.get_threshold()
    gc.set_threshold(max(20_000, before[0]), *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


@contextlib.contextmanager
def _nothing_packed() -> Iterator[None]:
    """Packing sequences raises StochsimError, where torch's own errors come later and say less."""

    def refuse(*_: Any) -> None:
        raise StochsimError(
            "packed sequences (pack_padded_sequence) have as many steps as their values say, which "
            "no graph can hold: let the module read padded sequences, and leave out by a mask what "
            "is padded"
        )

    stand_in = SimpleNamespace(_pack_padded_sequence=refuse)
    with mock.patch.object(torch.nn.utils.rnn, "_VF", stand_in):
        yield


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without torch's warnings and logs of a capture, what matters of which is in its errors, and
    without checks of values.
    """
    before = logging.root.manager.disable
    validates = Distribution._validate_args
    detects = transformer._detect_is_causal_mask
    logging.disable(logging.CRITICAL)
    # both look at values of tensors, and change nothing of what is computed
    Distribution.set_default_validate_args(False)
    transformer._detect_is_causal_mask = lambda mask, is_causal=None, size=None: bool(is_causal)
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
        Distribution.set_default_validate_args(validates)
        transformer._detect_is_causal_mask = detects


class _Reader:
    """Copies the graph of an ExportedProgram into a Network, its parameters as attributes."""

    def __init__(self, module: torch.nn.Module, exported: ExportedProgram) -> None:
        self._module = module
        self._exported = exported
        self._modules = dict(module.named_modules())
        self._network = Network()
        self._paths: dict[int, str] = {}

    def network(self, parts: Mapping[str, torch.nn.Module]) -> Network:
        """The network; parts: modules that are called as they are, by path."""
        for path, part in parts.items():
            put(self._network, path.removeprefix(_PREFIX), part)
        graph = self._network.graph
        nodes: dict[fx.Node, fx.Node] = {}
        inputs = {one.arg.name: one for one in self._exported.graph_signature.input_specs}
        for node in self._exported.graph.nodes:
            if node.op == "placeholder" and inputs[node.name].kind is not InputKind.USER_INPUT:
                if node.users:
                    nodes[node] = graph.get_attr(self._put(node, inputs[node.name]))
            elif node.op == "output":
                graph.output(nodes[self._result(node)])
                continue
            else:
                args, kwargs = fx.node.map_arg((node.args, node.kwargs), nodes.__getitem__)
                name = operation(node).strip("_") or node.name
                name = "reshape" if name in _VIEWS else name
                nodes[node] = graph.create_node(node.op, node.target, args, kwargs, name)
            if node in nodes:
                nodes[node].meta = {"origin": self._origin(node)}
        return self._network

    def _put(self, node: fx.Node, spec: Any) -> str:
        """The path of a parameter, buffer or constant, once for those that are one tensor."""
        exported = self._exported
        if spec.kind is InputKind.CONSTANT_TENSOR:
            value = exported.constants[spec.target]
        else:
            value = {**exported.constants, **exported.state_dict}[spec.target]
        if id(value) not in self._paths:
            path = spec.target.removeprefix(_PREFIX)
            self._paths[id(value)] = put(self._network, path, _copy(value))
        return self._paths[id(value)]

    def _result(self, output: fx.Node) -> fx.Node:
        """The one tensor that the module gives."""
        specs = self._exported.graph_signature.output_specs
        name = type(self._module).__name__
        for spec in specs:
            if spec.kind is OutputKind.BUFFER_MUTATION:
                buffer = spec.target.removeprefix(_PREFIX)
                raise StochsimError(
                    f"{name} changes its buffer '{buffer}' whenever it is called: reads of a chip "
                    f"do not depend on those before"
                )
        (given,) = output.args
        assert isinstance(given, tuple | list)
        pairs = zip(specs, given, strict=True)
        results = [one for spec, one in pairs if spec.kind is OutputKind.USER_OUTPUT]
        if len(results) != 1 or not isinstance(results[0], fx.Node):
            raise _no_result()
        if shape_of(results[0]) is None or (shape_of(results[0]) or (0,))[:1] != (-1,):
            raise _no_result()
        return results[0]

    def _origin(self, node: fx.Node) -> Origin:
        part = kind = ""
        of_calls = node.meta.get("nn_module_stack") or {}
        call = next((one.partition("@")[2] for one in reversed(of_calls)), "")
        stack = list(of_calls.values())
        paths = [str(one[0]).partition("@")[0].removeprefix(_PREFIX) for one in stack]
        modules = [(one, self._modules.get(one)) for one in paths]
        whole = [(one, found) for one, found in modules if isinstance(found, OnePart)]
        path, module = (whole or modules or [("", None)])[-1]
        if stack and not path:
            kind = DOOR
        if path and isinstance(module, OnePart):
            part, kind = path, module.kind
        elif path and module is not None:
            is_torch = type(module).__module__.startswith("torch.nn.modules")
            if is_torch or not any(True for _ in module.children()):
                part, kind = path, type(module).__name__
        value = node.meta.get("val")
        dtype = str(value.dtype).removeprefix("torch.") if isinstance(value, torch.Tensor) else ""
        return Origin(part, kind, shape_of(node), dtype, call=int(call or 0))


def _copy(value: torch.Tensor) -> torch.Tensor:
    copied = value.detach().clone()
    if isinstance(value, torch.nn.Parameter):
        return torch.nn.Parameter(copied, value.requires_grad)
    return copied


def _no_result() -> StochsimError:
    return StochsimError(
        "the network should give one tensor (stimulus, …), as many stimuli as it reads"
    )


def _simplify(network: Network) -> None:
    """Copies, whole slices and checks of shapes left out; the number of stimuli in a view's shape
    as -1, so that only few nodes need to ask for it.
    """
    graph = network.graph
    for node in list(graph.nodes):
        name = operation(node)
        if name in _OF_SHAPES:
            graph.erase_node(node)
        elif (name in _COPIES or _is_whole_slice(node, name)) and node.all_input_nodes:
            node.replace_all_uses_with(node.all_input_nodes[0])
            graph.erase_node(node)
        elif name == "copy":
            _write_over(graph, node)
        elif name in _EMPTY:
            node.target = _EMPTY[name]
            node.kwargs = {key: one for key, one in node.kwargs.items() if key != "memory_format"}
        elif name in _VIEWS:
            node.target = torch.ops.aten.reshape.default
            node.update_arg(1, _open(node.args[1]))
    made_plain(network)
    drop_unused(graph)
    for node in list(graph.nodes):
        if node.op == "placeholder" and not node.users and len(_placeholders(graph)) > 1:
            graph.erase_node(node)


def _write_over(graph: fx.Graph, node: fx.Node) -> None:
    """What is copied in place of what it is copied over, of its shape and numbers: torch's own
    operation has no gradient.
    """
    over, value = node.args[:2]
    before, after = node.meta["origin"], value.meta["origin"]  # type: ignore[union-attr]
    with graph.inserting_before(node):
        if after.dtype != before.dtype:
            kind = {"dtype": getattr(torch, before.dtype)}
            value = graph.call_function(torch.ops.aten._to_copy.default, (value,), kind)
            value.meta = dict(node.meta)
        if after.shape != before.shape or before.shape is None:
            zeros = graph.call_function(torch.ops.aten.zeros_like.default, (over,))
            zeros.meta = dict(node.meta)
            value = graph.call_function(torch.ops.aten.add.Tensor, (zeros, value))
            value.meta = dict(node.meta)
    node.replace_all_uses_with(value)  # type: ignore[arg-type]
    graph.erase_node(node)


def _placeholders(graph: fx.Graph) -> list[fx.Node]:
    return [node for node in graph.nodes if node.op == "placeholder"]


def _open(sizes: Any) -> list[Any]:
    """The sizes of a view, -1 for the one that is computed."""
    computed = [one for one in sizes if isinstance(one, fx.Node)]
    if len(computed) != 1 or -1 in sizes:
        return list(sizes)
    return [-1 if isinstance(one, fx.Node) else one for one in sizes]


def _is_whole_slice(node: fx.Node, name: str) -> bool:
    if name != "slice":
        return False
    start, end, step = (*node.args[2:], None, None, None)[:3]
    is_open = end is None or end == 2**63 - 1
    return bool(start in (0, None) and is_open and step in (1, None))


def _cannot_be_captured(module: torch.nn.Module, error: Exception) -> StochsimError:
    if isinstance(error, StochsimError):
        return error
    name = type(module).__name__
    reason = bounded(re.split(r" \(unhinted|\. {2}\(|! For more", first_line(error))[0], 300)
    if "specialized it to be a constant" in str(error) or "Constraints violated" in str(error):
        return StochsimError(
            f"{name} cannot be captured: it computes for one fixed number of stimuli "
            f"(torch.export: {reason}); write x.shape[0] for the number of stimuli, where it says "
            f"len(x) or a number"
        )
    part, line = _place(module, error)
    where = f"its part '{part}'" if part else "its own forward"
    advice = ""
    if isinstance(error, GuardOnDataDependentSymNode):
        advice = "; it decides by values of tensors, which no graph can hold: torch.where can"
    if "has no attribute 'value'" in str(error):
        advice = "; layers of Brevitas give plain tensors here: write getattr(x, 'value', x)"
    if part:
        advice += f"; or leave that part in float by keep_float=('{part}',)"
    return StochsimError(
        f"{name} cannot be captured: {where}{line} stops torch.export ({type(error).__name__}: "
        f"{reason}){advice}"
    )


def _place(module: torch.nn.Module, error: Exception) -> tuple[str, str]:
    """Where in the user's own code an error arose: the path of the part, and the line."""
    paths = {id(one): path for path, one in module.named_modules()}
    skipped = (*torch.__path__, __file__.rpartition("lowering")[0], "<")
    part = line = ""
    trace = error.__traceback__
    while trace is not None:  # the innermost ones are the last
        code = trace.tb_frame.f_code
        part = paths.get(id(trace.tb_frame.f_locals.get("self")), part)
        if not code.co_filename.startswith(skipped):
            file = code.co_filename.rpartition("/")[2]
            line = f" (line {trace.tb_lineno} of {file}, in {code.co_qualname})"
        trace = trace.tb_next
    return part, line
