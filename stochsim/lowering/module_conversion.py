"""`convert`: any torch module of Linear, Conv1d, Conv2d, ReLU, Tanh and Sigmoid becomes a noisy
low-bit one.
"""

import copy
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import fx

from stochsim.hardware import HARDWARE_RULE, Hardware
from stochsim.lowering import products
from stochsim.lowering import trace as graphs
from stochsim.lowering.chip_module import ChipModule, LeftInFloat
from stochsim.lowering.emulated_layer import UNSIGNED_OUTPUTS, ChipLayer
from stochsim.lowering.example_inputs import checked_stimuli
from stochsim.lowering.graph_network import Network
from stochsim.lowering.grids import Grid, fitted, fitted_to_weights
from stochsim.lowering.observing import (
    STIMULI,
    Seen,
    observed,
    portions,
    same_random_numbers,
)
from stochsim.lowering.products import Site
from stochsim.lowering.random_parts import check_all_keyed, draws
from stochsim.lowering.window_products import geometry_of
from stochsim.settings import (
    Argument,
    SettingError,
    StochsimError,
    check_arguments,
    check_choice,
    check_whole,
    plain,
    renamed_arguments,
)

_SAME = 1e-3  # of the largest output: folding a batch normalisation rounds anew

Widths = tuple[int, int, int]


@renamed_arguments(calibration="examples")
def convert(  # noqa: PLR0913 - public: settings are given by keyword
    module: torch.nn.Module,
    hardware: Hardware,
    examples: Any = None,
    *,
    bits: Mapping[str, Widths] | None = None,
    strict: bool = False,
    keep_float: Sequence[str] = (),
    weight_scales: str = "per-tensor",
    key: int = 0,
    chip_key: int = 0,
) -> ChipModule:
    """A copy of `module` that computes as `hardware` does; the module itself is not changed.

    Every Linear, Conv1d and Conv2d, as a module or a function, with the ReLU, Tanh or Sigmoid that
    follows it, becomes a layer of the chip: inputs, weights and responses on grids of the
    Hardware's widths, or of those that `bits` gives for layers by name, {"conv1": (weights, inputs,
    outputs)}. Batch normalisation behind a layer is folded into it, with its running statistics.
    Everything else stays in float and is listed in `left_in_float`, with the reason. examples:
    stimuli (stimulus, …) of the kind that the network will see, array or tensor, a few hundred of
    them; on all of these, in whatever order, the grids are fitted by least squared error, and an
    input that is never negative there gets an unsigned grid.

    strict: a Linear, convolution or other product that cannot be converted is an error. keep_float:
    names of modules to leave in float as they are, not looked into. weight_scales: "per-tensor",
    one scale for all weights of a layer, or "per-channel", one for those of each neuron or output
    channel, which its sums are multiplied by. key: of the noise in training
    and of reads without a key; chip_key: which drawn instance of the chip. Raises StochsimError for
    a module that cannot be traced, computes something else when it is (it changes a value in place
    whose other uses see it), draws random numbers that no key can be given to, or has nothing to
    convert; SettingError for arguments of other types or in another order, and for wrong settings
    or examples.

    >>> import stochsim as ss
    >>> import torch
    >>> module = torch.nn.Sequential(torch.nn.Linear(6, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
    >>> examples = torch.randn(64, 6, generator=torch.Generator().manual_seed(0))
    >>> small = ss.convert(module, ss.load_hardware("digital-45nm", bits=4), examples)
    >>> small.sample(examples[:3], reads=10, key=0).shape     # (stimulus, read, output)
    (3, 10, 2)
    >>> list(small.layers)
    ['0', '2']
    """
    _check_types(module, hardware, examples)
    key = check_whole("key", key, 0, 2**64)
    chip_key = check_whole("chip_key", chip_key, 0, 2**64)
    _check_names(module, keep_float)
    if bits is not None and not isinstance(bits, Mapping):
        rule = "should be a mapping of layers to three widths, of weights, inputs and outputs"
        raise SettingError.of("bits", bits, rule)
    check_choice("weight_scales", weight_scales, WEIGHT_SCALES)
    x = checked_stimuli("examples", examples, module)
    how = _How(hardware, bits or {}, strict, keep_float, weight_scales == "per-channel")
    try:
        with torch.autocast(x.device.type, enabled=False):  # the module's own stays
            whole, in_float = _converted(module, x, how)
    except StochsimError:
        raise
    except _ERRORS as error:
        text = f"{type(error).__name__}: {graphs.first_line(error)}"
        raise StochsimError(f"{type(module).__name__} cannot be converted ({text})") from error
    return ChipModule(whole, hardware, in_float, x, key=key, chip_key=chip_key)


_ERRORS = (RuntimeError, TypeError, ValueError, LookupError, AttributeError, ArithmeticError)


WEIGHT_SCALES = ("per-tensor", "per-channel")


class _How(NamedTuple):
    """The settings of a conversion, as `convert` has them."""

    hardware: Hardware
    bits: Mapping[str, Widths]
    strict: bool
    keep_float: Sequence[str]
    per_channel: bool


def _converted(
    module: torch.nn.Module, x: torch.Tensor, how: _How
) -> tuple[Network, tuple[LeftInFloat, ...]]:
    """The network with its layers on the chip, and what is left in float."""
    network = graphs.traced(copy.deepcopy(module).eval(), how.keep_float)
    shapes = _shapes(network, x)
    sites, reasons = _sites(network, how.keep_float, shapes)
    if how.strict:
        _check_all_converted(sites, reasons)
    if not sites:
        raise StochsimError(
            f"{type(module).__name__} has nothing to convert: a Linear, Conv1d or Conv2d is needed"
        )
    check_all_keyed(network, x)
    products.fold_batch_norms(network, sites, shapes, how.keep_float)
    products.take_activations(network, sites, how.keep_float)
    widths = _widths(sites, how.hardware, how.bits)
    seen, found = observed(network, sites, x)
    _check_same(module, x, found)
    _put_in(network, sites, seen, widths, how.per_channel)
    in_float = tuple(
        _left(network, node, reasons)
        for node in graphs.calls(network.graph)
        if _is_left(network, node)
    )
    return Network.of(network, network.graph), in_float


def _check_same(module: torch.nn.Module, x: torch.Tensor, found: list[torch.Tensor]) -> None:
    """Raise StochsimError where the traced network gives something else than the module for the
    portions of x.
    """
    own = copy.deepcopy(module).eval()
    name = type(module).__name__
    size = apart = 0.0
    with torch.no_grad(), same_random_numbers():
        wanted = [own(some) for some in portions(x)]
    for expected, given in zip(wanted, found, strict=True):
        if not isinstance(expected, torch.Tensor) or expected.shape != given.shape:
            raise StochsimError(f"{name} gives no tensor of the same shape when it is traced")
        size = max(size, float(expected.abs().max()))
        apart = float(np.maximum(apart, float((expected - given).abs().max())))  # keeps NaN
    if not apart <= _SAME * size:
        raise StochsimError(
            f"{name} computes something else when it is traced: outputs differ by up to "
            f"{apart:.3g}, where the largest is {size:.3g}. Random numbers of no stimulus "
            f"(torch.rand(8)), and in-place calls whose result is not assigned (write h = "
            f"h.relu_()), cannot be converted"
        )


def _check_types(module: object, hardware: object, examples: object) -> None:
    """Raise SettingError for what is no torch module, no Hardware, or one of them for examples."""
    rule = "should be a torch module, as torch.nn.Sequential(…) makes one"
    stimuli = "should be stimuli (stimulus, …), a tensor or an array"
    arrays = (torch.Tensor, np.ndarray)
    check_arguments(
        "convert(module, hardware, examples)",
        Argument("module", module, torch.nn.Module, rule),
        Argument("hardware", hardware, Hardware, HARDWARE_RULE),
        Argument("examples", examples, arrays, stimuli, is_open=True),
    )


def _check_all_converted(sites: list[Site], reasons: dict[fx.Node, str]) -> None:
    """Raise StochsimError that names each product left in float, with the reason."""
    converted = {site.node for site in sites}
    left = [node for node in reasons if node not in converted]
    if left:
        found = "; ".join(f"'{graphs.name_of(node)}': {reasons[node]}" for node in left)
        raise StochsimError(
            f"strict: {len(left)} of the network's products cannot be converted: {found}"
        )


def _check_names(module: torch.nn.Module, keep_float: Sequence[str]) -> None:
    names = [name for name, _ in module.named_modules() if name]
    if isinstance(keep_float, str) or not isinstance(keep_float, Sequence):
        raise SettingError.of("keep_float", keep_float, "should be a list of names")
    for name in keep_float:
        if not isinstance(name, str) or name not in names:
            rule = "" if names else "the module has no parts"
            raise SettingError.of("keep_float", name, rule, names)


def _shapes(network: fx.GraphModule, x: torch.Tensor) -> dict[fx.Node, tuple[int, ...] | None]:
    """Shapes for all examples that are looked at; None too where the first axis is not
    that of the stimuli.
    """
    found = []
    for part in (x[:STIMULI], x[: (min(len(x), STIMULI) + 1) // 2]):
        walk = graphs.Shapes(network)
        try:
            with torch.no_grad():
                walk.run(part.clone())
        except (RuntimeError, ValueError, IndexError, TypeError) as error:
            rule = f"does not pass the network: {error}"
            raise SettingError.of("examples", part, rule) from None
        found.append((len(part), walk.found))
    (many, shapes), (few, fewer) = found
    shapes = {
        node: shape if shape and (shape[0], (fewer[node] or (0,))[0]) == (many, few) else None
        for node, shape in shapes.items()
    }
    (result,) = next(node for node in network.graph.nodes if node.op == "output").args
    if not isinstance(result, fx.Node) or shapes[result] is None:
        raise StochsimError(
            "the network should give one tensor (stimulus, …), as many stimuli as it reads"
        )
    return shapes


def _sites(
    network: fx.GraphModule, kept: Sequence[str], shapes: dict[fx.Node, Any]
) -> tuple[list[Site], dict[fx.Node, str]]:
    """What is converted, and for every product that is not, why."""
    layers: dict[fx.Node, Any] = {}
    reasons: dict[fx.Node, str] = {}
    for node in graphs.calls(network.graph):
        layer, why = products.product_of(network, node, kept)
        if layer is not None:
            why = _not_of_stimuli(node, shapes)
        if layer is not None and not why:
            layers[node] = layer
        elif why:
            reasons[node] = why
    names = _names(network, layers)
    sites = [Site(names[node], node, layer, shared=id(layer)) for node, layer in layers.items()]
    return sites, reasons


def _not_of_stimuli(node: fx.Node, shapes: dict[fx.Node, Any]) -> str:
    """Why a product cannot be a layer of the chip for what it reads or gives; "" where it can."""
    source = graphs.data_input(node)
    if source is None:
        return "what it reads does not depend on the stimuli"
    if shapes[node] is None or shapes[source] is None:
        return "the first axis of its input or output is not that of the stimuli"
    return ""


def _names(network: fx.GraphModule, sites: Collection[fx.Node]) -> dict[fx.Node, str]:
    """Names of their own for the sites: no name of a part that stays, nor of another site."""
    nodes = [node for node in network.graph.nodes if node.op == "call_module"]
    modules = {name for name, _ in network.named_modules()}
    taken = {str(node.target) for node in nodes if node not in sites}
    found: dict[fx.Node, str] = {}
    for node in sites:
        name = graphs.name_of(node)
        is_function = node.op != "call_module"
        while name in taken or (is_function and name in modules):
            name += "_again"
        taken.add(name)
        found[node] = name
    return found


def _widths(sites: list[Site], hardware: Hardware, bits: Mapping[str, Widths]) -> dict[str, Widths]:
    """Widths of weights, inputs and outputs of every layer, as the Hardware can have them."""
    own = hardware.precision
    chosen = {site.name: (own.weight_bits, own.input_bits, own.output_bits) for site in sites}
    for name, widths in bits.items():
        if name not in chosen:
            raise SettingError.unknown(name, chosen, section=("bits",))
        if not isinstance(widths, tuple | list) or len(widths) != 3:
            rule = "should be three widths, of weights, inputs and outputs"
            raise SettingError.of("", widths, rule, section=("bits", name))
        weights, inputs, outputs = plain(tuple(widths))
        chosen[name] = (weights, inputs, outputs)
    for name, widths in chosen.items():
        try:
            hardware.with_precision(*widths)
        except SettingError as error:
            raise error.inside("bits", name) from None
    return chosen


def _put_in(
    network: fx.GraphModule,
    sites: list[Site],
    seen: dict[str, Seen],
    widths: dict[str, Widths],
    per_channel: bool,
) -> None:
    """The layers of the chip in place of the float ones; a layer that reads another's codes shares
    its grid.
    """
    layers: dict[fx.Node, ChipLayer] = {}
    weights: dict[tuple[int, int], tuple[torch.nn.Parameter, torch.nn.Parameter | None, Grid]] = {}
    for site in sites:
        weight_bits, input_bits, output_bits = widths[site.name]
        if (site.shared, weight_bits) not in weights:
            weights[site.shared, weight_bits] = _parameters(site.module, weight_bits, per_channel)
        weight, bias, weight_grid = weights[site.shared, weight_bits]
        source = products.source_of_codes(network, site.node, layers)
        takes_codes = source is not None and layers[source].output_grid.bits == input_bits
        inputs, outputs, is_signed, _ = seen[site.name]
        if source is not None and takes_codes:
            input_grid = layers[source].output_grid
        else:
            input_grid = fitted(inputs, input_bits, not is_signed)
        output_grid = fitted(outputs, output_bits, site.activation in UNSIGNED_OUTPUTS)
        grids = (weight_grid.to(weight), input_grid.to(weight), output_grid.to(weight))
        geometry = geometry_of(site.module)
        layer = ChipLayer(site.name, geometry, (weight, bias), grids, site.activation, takes_codes)
        layers[site.node] = layer
        network.set_submodule(site.name, layer)
    graphs.drop_unused(network)


def _parameters(
    module: Any, bits: int, per_channel: bool
) -> tuple[torch.nn.Parameter, torch.nn.Parameter | None, Grid]:
    weight = torch.nn.Parameter(module.weight.detach().clone())
    bias = None if module.bias is None else torch.nn.Parameter(module.bias.detach().clone())
    return weight, bias, fitted_to_weights(weight.detach().cpu().numpy(), bits, per_channel)


_MEASURES = ("size", "getattr", "getitem", "dim", "len", "numel")


def _is_left(network: fx.GraphModule, node: fx.Node) -> bool:
    name, module = graphs.called(network, node)
    return not isinstance(module, ChipLayer) and name not in _MEASURES


def _left(network: fx.GraphModule, node: fx.Node, reasons: dict[fx.Node, str]) -> LeftInFloat:
    """What a node is, why it stays in float, and what it is billed for."""
    name, module = graphs.called(network, node)
    cost = "float32" if products.float_macs(network, node, (1,)) else "not priced"
    if node in reasons:
        why = reasons[node]
    elif graphs.passes_codes(network, node):
        why = "moves, compares or drops values and makes no new ones: codes stay codes"
        cost = "nothing"
    elif draws(network, node):
        why = "draws random numbers, by the chip's key for every stimulus and read"
        cost = "random bits"
    elif isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
        why = (
            "it does not follow a converted layer alone, or has no running statistics, so it "
            "cannot be folded"
        )
    else:
        why = "no product of weights, and not the ReLU, Tanh or Sigmoid of one layer alone"
    return LeftInFloat(graphs.name_of(node), name.lstrip("_"), why, cost)
