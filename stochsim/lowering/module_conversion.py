"""`convert`: a torch module becomes a noisy low-bit one."""

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import fx

from stochsim.hardware import HARDWARE_RULE, Hardware, rounding_named
from stochsim.lowering.calls_of_modules import check_call
from stochsim.lowering.capture import copied, plain_attention
from stochsim.lowering.captured_products import captured_products, check_same
from stochsim.lowering.chip_module import ChipModule
from stochsim.lowering.comparison import (
    ConversionErrors,
    layer_errors,
    note_mixing_parts,
    output_errors,
    warn_of,
)
from stochsim.lowering.compensated_weights import compensated_weights, on_codes
from stochsim.lowering.example_inputs import are_integers, inputs_and_stimuli
from stochsim.lowering.fitted_books import formats_of
from stochsim.lowering.fitted_grids import RANGES, WEIGHT_SCALES
from stochsim.lowering.graph_network import Network
from stochsim.lowering.ids_of_tables import CheckedIds
from stochsim.lowering.layers_of_sites import GridRules, Widths, layers_of, put_in, widths_of
from stochsim.lowering.left_in_float import LeftInFloat, left_in_float
from stochsim.lowering.observing import observed
from stochsim.lowering.other_sizes import OtherSizes
from stochsim.lowering.outputs_of_modules import signature_of
from stochsim.lowering.products import LAYERS, Site
from stochsim.lowering.quantised_sites import take_affine_inputs
from stochsim.lowering.queries import (
    first_line,
    part_of,
)
from stochsim.lowering.random_parts import check_all_keyed
from stochsim.lowering.same_layers import known_products
from stochsim.lowering.signature import Inputs, Outputs
from stochsim.lowering.trees import Leaf
from stochsim.lowering.walks import evaluated
from stochsim.networks import is_learned
from stochsim.settings import (
    Argument,
    KeyPath,
    SettingError,
    StochsimError,
    check_arguments,
    check_choice,
    check_flag,
    check_whole,
    renamed_arguments,
)


@renamed_arguments(calibration="examples")
def convert(  # noqa: PLR0913 - public: settings are given by keyword
    module: torch.nn.Module,
    hardware: Hardware,
    examples: Any = None,
    *,
    bits: Mapping[str, Widths] | None = None,
    strict: bool = False,
    keep_float: Sequence[str] = (),
    weight_scales: str | int = "per-tensor",
    ranges: str = "mse",
    input_grids: str = "symmetric",
    weight_grids: str = "symmetric",
    weight_rounding: str = "nearest",
    formats: str | Mapping[str, str] | None = None,
    key: int = 0,
    chip_key: int = 0,
) -> ChipModule:
    """A copy of `module` that computes as `hardware` does; the module itself is not changed.

    A module in training is taken as in evaluation; in one that is in evaluation, dropouts that are
    left in training stay on, and are drawn anew in every read. In training the result turns on what
    batch normalisation, RReLU and dropout do, those inside recurrent and attention modules too, and
    follows the module's branches on `self.training`.

    Every linear layer and 1- to 3-dimensional convolution, transposed ones too, as a module, a
    function, or inside a recurrent or attention module, with the ReLU, Tanh or Sigmoid that follows
    it, becomes a layer of the chip: inputs, weights and responses on
    grids of the Hardware's widths, or of those that `bits` gives for layers by name, {"conv1":
    (weights, inputs, outputs)}. So does every embedding: of its table of quantised weights each id,
    an input of one bit, reads one row. Batch normalisation behind a layer is folded into it, with
    its running statistics. Everything else stays in float and is listed in `left_in_float`, with
    the reason. examples: stimuli (stimulus, …) of the kind that the network will see, array or
    tensor, a few hundred of them; on all of these, in whatever order, the grids are fitted by least
    squared error, and an input that is never negative there gets an unsigned grid. Whole numbers go
    as such to a module that takes no others (an embedding).

    A module of several inputs has a tuple of them as examples, by position, or a dict, by name;
    they may be nested, and each tensor has as many stimuli. Floats arrive in the module's numbers,
    whole numbers and truth values in the examples' own; None, numbers, truth values and words are
    constants. What the module gives may be a tensor or any tuple, list, dict or dataclass of them.
    Inputs of other sizes on the axes after the first are taken wherever the module takes them, of
    which the result keeps a copy.

    strict: a Linear, convolution or other product that cannot be converted is an error. keep_float:
    names of modules to leave in float as they are, not looked into. weight_scales: "per-tensor",
    one scale for all weights of a layer; "per-channel", one for those of each neuron or output
    channel, which its sums are multiplied by; or a whole number g, per-group: one for every g
    weights of a neuron that stand next to each other (the last group may be smaller), by which the
    sums of groups are multiplied before they are added, and billed (tables are per-channel then).
    ranges: of all grids, "mse", least mean squared
    error; "minmax", so that no example is clipped (stochastic rounding of inputs is then without
    bias); "percentile", so that a thousandth is; "lsq", for training: steps start at 2 mean|v| / √Q
    for the largest integer Q, and are learned as LSQ does (Esser et al. 2020). input_grids: of
    inputs that have negative values and are no codes of another layer, "symmetric" about 0, or
    "affine", from their lowest value on (from 2 bits on): a constant is added before the layer and
    taken back by its bias. weight_grids: of weights, "symmetric", or "affine", from their lowest
    value on (from 2 bits on): the sum of a layer's inputs, times the code of weight 0, is taken
    from its sums by digital arithmetic, and billed. weight_rounding: "nearest", each weight takes
    its nearest value; "compensated", values with which the errors of a neuron's weights make up for
    each other on the examples (see `networks.compensated`), for which a thousand serve better than
    a hundred: the weights themselves are then on their grid; "stochastic", each takes one of its
    two neighbours by a number drawn for it once, by `key`, the upper with a chance that is the
    remainder, or by r random bits ("stochastic-8", "stochastic-8-nearest": see `hardware.Noise`
    for the law). The weights themselves stay in float: in training every call draws anew, and in
    evaluation the numbers stay those of the key, so a weight that moves changes its value where
    its chance passes its number. formats: the number format of all
    weights, inputs and outputs, or of those that a dict has, {"weights": "mxfp4", "inputs":
    "fp8-e4m3"}: a name of `stochsim formats list`, in place of integers. Block formats (MX, NVFP4)
    give blocks of weights fitted scales of their own, and blocks of a layer's inputs scales that
    follow from the values of each block as it is read; outputs have the values of the block's
    numbers and one fitted scale. "learned-4" of inputs and outputs: each layer's values start as
    Lloyd-Max of the examples and are parameters in training; a layer that reads another's codes has
    its values. key: of the noise in training and of reads
    without a key; chip_key: which drawn instance of the chip.

    The result's `errors` say how far it is from the module on all examples without noise, by layer,
    output and stimulus; ConversionWarning names a layer whose error rounding does not explain.
    Raises StochsimError for a module that cannot be captured by torch.export (it decides by values
    of tensors), computes something else when it is, changes its buffers, draws random numbers that
    no key can be given to, gives something else than tensors of the stimuli, or has nothing to
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
    if isinstance(module, ChipModule):
        raise SettingError.of(
            "module", module, "is converted already: give the module it was made of"
        )
    key = check_whole("key", key, 0, 2**64)
    chip_key = check_whole("chip_key", chip_key, 0, 2**64)
    _check_names(module, keep_float)
    if bits is not None and not isinstance(bits, Mapping):
        rule = "should be a mapping of layers to three widths, of weights, inputs and outputs"
        raise SettingError.of("bits", bits, rule)
    check_flag("strict", strict)
    grids = _grid_rules(ranges, weight_scales, (input_grids, weight_grids), formats)
    grids = grids._replace(
        compensates=weight_rounding == "compensated",
        rounding=rounding_named("weight_rounding", weight_rounding, ("compensated",)),
        key=key,
    )
    inputs, x = inputs_and_stimuli(examples, module)
    how = _How(hardware, bits or {}, strict, keep_float, grids)
    choices = [inputs]
    if isinstance(inputs.tree, Leaf) and are_integers(examples):
        choices.append(replace(inputs, tree=replace(inputs.tree, dtype=torch.int64)))
    try:
        with torch.autocast(x.device.type, enabled=False):  # the module's own stays
            found = _converted(module, x, choices, how)
    except StochsimError:
        raise
    except _ERRORS as error:
        text = f"{type(error).__name__}: {first_line(error)}"
        raise StochsimError(f"{type(module).__name__} cannot be converted ({text})") from error
    warn_of(found.errors.layers)
    made = ChipModule(
        found.network,
        hardware,
        found.left_in_float,
        x,
        key=key,
        chip_key=chip_key,
        signature=found.signature,
    )
    made.other_sizes = found.other_sizes
    made.errors = found.errors
    if grids.formats:
        _check_chip(made)
    return made


def _check_chip(made: ChipModule) -> None:
    """Raise SettingError for settings of the Hardware that have no law with a format, and formats
    that it cannot have.
    """
    fields = {"weight_book": "weights", "input": "inputs", "output": "outputs"}
    names: dict[KeyPath, KeyPath] = {(one,): ("formats", side) for one, side in fields.items()}
    try:
        made.chip()
    except SettingError as error:
        raise error.renamed(names) from None


_ERRORS = (RuntimeError, TypeError, ValueError, LookupError, AttributeError, ArithmeticError)


INPUT_GRIDS = ("symmetric", "affine")
WEIGHT_GRIDS = ("symmetric", "affine")


class _How(NamedTuple):
    """The settings of a conversion, as `convert` has them."""

    hardware: Hardware
    bits: Mapping[str, Widths]
    strict: bool
    keep_float: Sequence[str]
    grids: GridRules


class _Converted(NamedTuple):
    """A network with its layers on the chip, and what is known of it."""

    network: Network
    other_sizes: OtherSizes | None
    left_in_float: tuple[LeftInFloat, ...]
    errors: ConversionErrors
    signature: tuple[Inputs, Outputs]


def _grid_rules(ranges: str, weight_scales: Any, grids: tuple[str, str], formats: Any) -> GridRules:
    """The rules by which grids are fitted, of inputs and weights as `grids` says; raises
    SettingError for those that are none, or do not go together.
    """
    weight_scales = _checked_scales(weight_scales)
    check_choice("ranges", ranges, RANGES)
    names = {"input_grids": INPUT_GRIDS, "weight_grids": WEIGHT_GRIDS}
    for (name, choices), chosen in zip(names.items(), grids, strict=True):
        check_choice(name, chosen, choices)
        if ranges == "lsq" and chosen != "symmetric":
            rule = "LSQ has grids about 0 alone"
            raise SettingError.of(("ranges", name), (ranges, chosen), rule)
    are_affine = grids[0] == "affine", grids[1] == "affine"
    found = GridRules(ranges, weight_scales, *are_affine, formats=formats_of(formats))
    _check_formats(found)
    return found


def _check_formats(how: GridRules) -> None:
    """Raise SettingError for rules that number formats do not go with."""
    if not how.formats:
        return
    if how.ranges == "lsq":
        rule = "LSQ has integers alone"
        raise SettingError.of("ranges", how.ranges, rule, also=("formats",))
    if how.ranges != "mse" and any(is_learned(one.name) for one in how.formats.values()):
        rule = "values that are learned start at the least squared error, as 'mse' has it"
        raise SettingError.of("ranges", how.ranges, rule, also=("formats",))
    for side, is_affine in (("weights", how.affine_weights), ("inputs", how.affine_inputs)):
        if is_affine and side in how.formats:
            rule = "should be 'symmetric' beside a number format, which has a place for 0"
            raise SettingError.of(f"{side[:-1]}_grids", "affine", rule, also=("formats",))
    weights = how.formats.get("weights")
    if weights is not None and weights.block_size and how.weight_scales != "per-tensor":
        rule = f"should be left out: the format of weights has blocks of {weights.block_size}"
        raise SettingError.of("weight_scales", how.weight_scales, rule, also=("formats",))
    _check_dynamic_inputs(how)


def _check_dynamic_inputs(how: GridRules) -> None:
    """Raise SettingError for weights and inputs in blocks of different sizes."""
    inputs, weights = how.dynamic_inputs, how.formats.get("weights")
    if inputs is None:
        return
    of_weights = how.weight_scales if weights is None else weights.block_size or how.weight_scales
    if of_weights in WEIGHT_SCALES or of_weights == inputs.block_size:
        return
    is_format = weights is not None and weights.block_size is not None
    name = weights.name if weights is not None and is_format else f"weight_scales={of_weights}"
    rule = (
        f"has blocks of {inputs.block_size}, and weights have blocks of {of_weights} ({name}): "
        f"should be of one size, or weights without blocks"
    )
    raise SettingError.of("inputs", inputs.name, rule, section=("formats",))


def _checked_scales(given: Any) -> str | int:
    """Which weights share a scale: a word, or the size of a group."""
    rule = f"should be one of {', '.join(WEIGHT_SCALES)}, or the number of weights of a group"
    if isinstance(given, str):
        return check_choice("weight_scales", given, WEIGHT_SCALES, rule)
    if given is None or isinstance(given, float):
        raise SettingError.of("weight_scales", given, rule)
    return check_whole("weight_scales", given, 1, 2**31)


def _converted(
    module: torch.nn.Module, x: torch.Tensor, choices: list[Inputs], how: _How
) -> _Converted:
    """The network with its layers on the chip. choices: what the module may be called with, the
    first that it takes.
    """
    check_call(module, choices[0])
    with evaluated(module) if module.training else contextlib.nullcontext(), plain_attention():
        inputs, outputs = signature_of(module, x, choices)
        network, sites, reasons = captured_products(module, (inputs, outputs), x, how.keep_float)
        if how.strict and reasons:
            raise _not_all_converted(reasons)
        if not sites:
            which = f" ({_named(reasons)})" if reasons else ""
            raise StochsimError(
                f"{type(module).__name__} has nothing to convert: one of {LAYERS} is needed{which}"
            )
        check_all_keyed(network, x)
        note_mixing_parts(network, x if len(x) > 1 else torch.cat([x, inputs.scaled(x, 2, 1)]))
        widths = widths_of(sites, how.hardware, how.bits, how.grids.formats)
        with CheckedIds(network):
            seen, found = observed(network, sites, x)
        check_same(module, (inputs, outputs), x, found)
    if how.grids.affine_inputs:
        take_affine_inputs(network, sites, seen, widths, how.grids.ranges)
    others = _other_sizes(module, sites, how.keep_float)
    layers = layers_of(sites, seen, widths, how.grids)
    moved = {}
    if how.grids.compensates:
        moved = compensated_weights(network, sites, layers, x)
    with on_codes(sites, layers, moved):
        of_layers = layer_errors(network, sites, layers, x)
    put_in(network, sites, layers, how.keep_float)
    errors = ConversionErrors(of_layers, *output_errors(network, x, found, outputs))
    left = left_in_float(network, reasons, how.keep_float)
    return _Converted(network, others, left, errors, (inputs, outputs))


def _other_sizes(
    module: torch.nn.Module, sites: list[Site], kept: Sequence[str]
) -> OtherSizes | None:
    """What makes the network for other sizes; None of a module that cannot be copied."""
    own = copied(module)
    if own is module:
        return None
    return OtherSizes(own.eval() if own.training else own, kept, known_products(sites))


def _check_types(module: object, hardware: object, examples: object) -> None:
    """Raise SettingError for what is no torch module, no Hardware, or one of them for examples."""
    rule = "should be a torch module, as torch.nn.Sequential(…) makes one"
    stimuli = "should be stimuli (stimulus, …), a tensor or an array, or a tuple or dict of them"
    arrays = (torch.Tensor, np.ndarray)
    check_arguments(
        "convert(module, hardware, examples)",
        Argument("module", module, torch.nn.Module, rule),
        Argument("hardware", hardware, Hardware, HARDWARE_RULE),
        Argument("examples", examples, arrays, stimuli, is_open=True),
    )


def _not_all_converted(reasons: Mapping[fx.Node, str]) -> StochsimError:
    """The error that names each product left in float, with the reason."""
    return StochsimError(
        f"strict: {len(reasons)} of the network's products cannot be converted: {_named(reasons)}"
    )


def _named(reasons: Mapping[fx.Node, str]) -> str:
    return "; ".join(f"'{part_of(node)}': {why}" for node, why in reasons.items())


def _check_names(module: torch.nn.Module, keep_float: Sequence[str]) -> None:
    names = [name for name, _ in module.named_modules() if name]
    if isinstance(keep_float, str) or not isinstance(keep_float, Sequence):
        raise SettingError.of("keep_float", keep_float, "should be a list of names")
    for name in keep_float:
        if not isinstance(name, str) or name not in names:
            rule = "" if names else "the module has no parts"
            raise SettingError.of("keep_float", name, rule, names)
