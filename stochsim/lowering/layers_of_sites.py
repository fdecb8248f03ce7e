"""The layers of the chip for the products of a captured network, and their place in its graph."""

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import fx

from stochsim.formats import CodeBook
from stochsim.hardware import Hardware, InputRounding
from stochsim.lowering.emulated_layer import UNSIGNED_OUTPUTS, ChipLayer
from stochsim.lowering.fitted_books import (
    Formats,
    GridFormat,
    check_signs,
    fitted_dynamic,
)
from stochsim.lowering.fitted_grids import fitted, fitted_affine_to_weights, fitted_to_weights
from stochsim.lowering.given_grids import drop_repeated
from stochsim.lowering.graph_network import Network, keep_used
from stochsim.lowering.learned_books import learned_from
from stochsim.lowering.observing import Seen
from stochsim.lowering.on_grid import in_plain_operations
from stochsim.lowering.products import Site, source_of_codes
from stochsim.lowering.queries import origin_of
from stochsim.lowering.rounded_weights import round_weights
from stochsim.networks import (
    BookGrid,
    Grid,
    fitted_to_book,
    fitted_weights_to_book,
    is_learned,
)
from stochsim.program import LEAST_SCALE
from stochsim.settings import LARGEST, SettingError, plain

Widths = tuple[int, int, int]


class GridRules(NamedTuple):
    """How grids are fitted, and weights rounded to theirs; rounding: at random, by numbers of the
    key.
    """

    ranges: str
    weight_scales: str | int
    affine_inputs: bool = False
    affine_weights: bool = False
    compensates: bool = False
    rounding: InputRounding | None = None
    key: int = 0
    formats: Formats = MappingProxyType({})

    def book(self, side: str) -> CodeBook | None:
        """The values of a side's number format, None where it has integers."""
        return self.formats[side].book if side in self.formats else None

    @property
    def dynamic_inputs(self) -> GridFormat | None:
        """The format of inputs whose blocks have scales of their own values, None without any."""
        given = self.formats.get("inputs")
        return None if given is None or given.block_size is None else given

    @property
    def has_finer_scales(self) -> bool:
        """Whether weights have scales of neurons, or of parts of these."""
        given = self.formats.get("weights")
        has_blocks = given is not None and given.block_size is not None
        return self.weight_scales != "per-tensor" or has_blocks


def widths_of(
    sites: list[Site], hardware: Hardware, bits: Mapping[str, Widths], formats: Formats
) -> dict[str, Widths]:
    """Widths of weights, inputs and outputs of every layer, as the Hardware can have them."""
    own = hardware.precision
    sides = {"weight": own.weight_bits, "input": own.input_bits, "output": own.output_bits}
    for side, one in formats.items():
        sides[side.removesuffix("s")] = one.book.bits
        for site in sites:
            if side.removesuffix("s") in site.grids and not site.geometry.lookup:
                rule = f"cannot be given: '{site.name}' has a grid of its own there"
                raise SettingError.of(side, one.name, rule, section=("formats",))
    given = {site.name: {side: one.bits for side, one in site.grids.items()} for site in sites}
    chosen: dict[str, Widths] = {
        name: tuple((sides | widths).values())  # type: ignore[misc]
        for name, widths in given.items()
    }
    for name, widths in bits.items():
        if not isinstance(name, str):
            raise SettingError.of("bits", name, "should be names of layers", chosen)
        if name not in chosen:
            raise SettingError.unknown(name, chosen, section=("bits",))
        if not isinstance(widths, tuple | list) or len(widths) != 3:
            rule = "should be three widths, of weights, inputs and outputs"
            raise SettingError.of("", widths, rule, section=("bits", name))
        weights, inputs, outputs = plain(tuple(widths))
        chosen[name] = (weights, inputs, outputs)
        for (side, value), asked in zip((sides | given[name]).items(), chosen[name], strict=True):
            has_format = f"{side}s" in formats
            if (side in given[name] or has_format) and asked != value:
                why = "as the network is quantised"
                if has_format:
                    why = f"as its format {formats[f'{side}s'].name!r} in 'formats.{side}s' has"
                rule = f"should be {value} for its {side}s, {why}"
                raise SettingError.of(f"{side}_bits", asked, rule, section=("bits", name))
    for name, widths in chosen.items():
        try:
            hardware.with_precision(*widths)
        except SettingError as error:
            raise error.inside("bits", name) from None
    return chosen


def layers_of(
    sites: list[Site], seen: dict[str, Seen], widths: dict[str, Widths], how: GridRules
) -> dict[str, ChipLayer]:
    """The layers of the chip, by name; a layer that reads another's codes shares its grid. Raises
    SettingError for examples, and weights, that are too large or too small for scales.
    """
    with np.errstate(all="ignore"):  # of values that no scale is for
        return _layers(sites, seen, widths, how)


def _layers(
    sites: list[Site], seen: dict[str, Seen], widths: dict[str, Widths], how: GridRules
) -> dict[str, ChipLayer]:
    by_last = {site.last: site for site in sites}
    layers: dict[str, ChipLayer] = {}
    weights: dict[Any, tuple[torch.nn.Parameter, Grid]] = {}
    biases: dict[Any, torch.nn.Parameter | None] = {}
    for site in sites:
        weight_bits, input_bits, output_bits = widths[site.name]
        of_weight, of_bias = site.shared
        has_own_scales = how.has_finer_scales and site.geometry.lookup > 0
        cells = (of_weight, weight_bits, has_own_scales)
        if cells not in weights:
            found = _grid_of_weights(site, weight_bits, how)
            _check_scales(site, "weights", found)
            if how.rounding is not None:
                of_neurons = site.weight.t() if site.geometry.lookup else site.weight
                round_weights(found, of_neurons, how.rounding, how.key, site.name)
            weights[cells] = site.weight, found.to(site.weight)
        weight, weight_grid = weights[cells]
        source = source_of_codes(site, by_last)
        own = seen[site.name]
        if source is not None and _reads(layers[source.name].output_grid, input_bits, how):
            input_grid = layers[source.name].output_grid
        elif "input" in site.grids:
            source = None
            input_grid = site.grids["input"].grid().to(weight)
            input_grid.shift = site.input_shift
        else:
            source = None
            input_grid = _grid_of_inputs(own, input_bits, how).to(weight)
        if input_grid.is_sign and site.geometry.input_dilation:
            raise _no_zeros(site)
        if "output" in site.grids:
            output_grid = site.grids["output"].grid()
        elif _keeps_rows(site, weight_grid, output_bits, how):
            output_grid = _grid_of_rows(weight_grid, output_bits)
        else:
            outputs = (own.outputs, output_bits, site.activation in UNSIGNED_OUTPUTS)
            output_grid = _fitted(*outputs, how, "outputs", own.output_extremes)
        _check_scales(site, "inputs", input_grid)
        _check_scales(site, "outputs", output_grid)
        layers[site.name] = ChipLayer(
            site.name,
            site.geometry,
            (weight, biases.setdefault(of_bias, _bias(site, weight_grid))),
            (weight_grid, input_grid, output_grid.to(weight)),
            site.activation,
            source is not None,
        )
    return layers


def _check_scales(site: Site, side: str, grid: Grid) -> None:
    """Raise SettingError for a grid whose scales no chip has, of what its values come from."""
    scales = grid.weight_scale().detach().double()
    wrong = scales[~((scales >= LEAST_SCALE) & (scales <= LARGEST))]
    if wrong.numel():
        rule = (
            f"should be of other sizes: the {side} of layer '{site.name}' would have a scale of "
            f"{float(wrong.flatten()[0]):.3g}, and scales are from 2^-126 = {LEAST_SCALE:.3g} to "
            f"{LARGEST:g}"
        )
        raise SettingError.of("module" if side == "weights" else "examples", rule=rule)


def _reads(grid: Grid, input_bits: int, how: GridRules) -> bool:
    """Whether a layer reads another's codes as they are, of so many bits and the same format; in
    dynamic blocks it reads values.
    """
    if how.dynamic_inputs is not None:
        return False
    book = how.book("inputs")
    is_same = grid.book == book
    if grid.book is not None and book is not None and is_learned(book.name):
        is_same = grid.book.name == book.name  # its values are learned, here and there
    return grid.bits == input_bits and is_same


def _grid_of_inputs(own: Seen, bits: int, how: GridRules) -> Grid:
    """The grid of the inputs of a layer that reads values."""
    if how.dynamic_inputs is not None:
        return fitted_dynamic(how.dynamic_inputs, own.input_extremes)
    return _fitted(own.inputs, bits, not own.is_signed, how, "inputs", own.input_extremes)


def _fitted(
    values: np.ndarray,
    bits: int,
    unsigned: bool,
    how: GridRules,
    side: str,
    extremes: tuple[float, float] | None,
) -> Grid:
    """The grid of values of the inputs or outputs of a layer."""
    book = how.book(side)
    if book is not None:
        if not unsigned:
            check_signs(book, side, side)
        if is_learned(book.name):
            return learned_from(values, book.name)
        return fitted_to_book(values, book, how.ranges, extremes)
    return fitted(values, bits, unsigned, how.ranges, extremes)


def _no_zeros(site: Site) -> SettingError:
    """The error of one-bit inputs that zeros should stand between."""
    rule = (
        f"should be 2 at least for its inputs: zeros stand between those of a transposed "
        f"convolution whose windows overlap, and ±scale has none; or keep_float=['{site.name}']"
    )
    return SettingError.of(site.name, 1, rule, section=("bits",))


def _keeps_rows(site: Site, grid: Grid, output_bits: int, how: GridRules) -> bool:
    """Whether the outputs' grid can have every value of a table, so that these are not rounded
    again.
    """
    is_plain = site.geometry.lookup and site.activation == "identity" and site.bias is None
    has_values = grid.book == how.book("outputs") and output_bits >= grid.bits
    return bool(is_plain) and not grid.is_of_neurons and has_values


def _grid_of_rows(grid: Grid, bits: int) -> Grid:
    """The finest grid of so many bits that has all values of a grid of weights."""
    if grid.book is not None:
        return BookGrid(grid.book, float(grid.weight_scale().detach()))
    more = bits - max(grid.bits, 2) if bits > 1 else 0
    return Grid(bits, float(grid.scale().detach()) / 2**more)


def _bias(site: Site, grid: Grid) -> torch.nn.Parameter | None:
    """The bias, less what the shift of the inputs adds to the sums of quantised weights."""
    if not site.input_shift:
        return site.bias
    with torch.no_grad():
        sums = grid(site.weight).double().flatten(1).sum(1)
        before = 0.0 if site.bias is None else site.bias.double()
        found = (before - site.input_shift * sums).to(site.weight)
    learned = site.weight.requires_grad if site.bias is None else site.bias.requires_grad
    return torch.nn.Parameter(found, learned)


def _grid_of_weights(site: Site, bits: int, how: GridRules) -> Grid:
    """The one that the module brings along, or one fitted to its weights."""
    if "weight" in site.grids:
        return site.grids["weight"].grid()
    weight = site.weight.t() if site.geometry.lookup else site.weight
    values = weight.detach().cpu().numpy()
    is_affine = how.affine_weights and bits > 1
    fit = fitted_affine_to_weights if is_affine else fitted_to_weights
    given = how.formats.get("weights")
    scales = how.weight_scales if given is None else given.block_size or how.weight_scales
    if site.geometry.lookup and isinstance(scales, int):
        scales = "per-channel"  # one row is read, so its values are not summed by blocks
    if given is not None:
        return fitted_weights_to_book(values, given, scales, how.ranges)
    return fit(values, bits, scales, how.ranges)


def put_in(
    network: Network, sites: list[Site], layers: Mapping[str, ChipLayer], kept: Collection[str]
) -> None:
    """The layers of the chip in place of the float ones; kept: paths of parts that stay."""
    made: dict[fx.Node, fx.Node] = {}
    for site in sites:
        made[site.last] = _call(network.graph, site, made.get(site.source, site.source))
    drop_repeated(
        network,
        {made[site.last] for site in sites if "input" in site.grids and not site.geometry.lookup},
        kept,
    )
    in_plain_operations(network)
    keep_used(network, layers)


def _call(graph: fx.Graph, site: Site, source: fx.Node) -> fx.Node:
    """A call of the layer in place of what a site takes along."""
    with graph.inserting_after(site.last):
        node = graph.call_module(site.name, (source,))
        node.meta = dict(site.last.meta)
        last = node
    own = origin_of(site.last).dtype
    if own != str(site.weight.dtype).removeprefix("torch."):  # under the module's own autocast
        with graph.inserting_after(node):
            kind = {"dtype": getattr(torch, own)}
            last = graph.call_function(torch.ops.aten._to_copy.default, (node,), kind)
            last.meta = dict(site.last.meta)
    site.last.replace_all_uses_with(last, lambda user: user not in (node, last))
    return last
