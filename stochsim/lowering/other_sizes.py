"""A converted network for inputs of other sizes than the examples': the module is captured again,
and its products are those layers of the chip that it has already.
"""

import copy
import pickle
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch

from stochsim.chip import Chip
from stochsim.lowering.capture import copied, plain_attention
from stochsim.lowering.captured_products import Signature, captured_products, check_same, values_of
from stochsim.lowering.comparison import ConversionWarning, note_mixing_parts
from stochsim.lowering.emulated_layer import ChipLayer
from stochsim.lowering.example_inputs import unlike_sizes
from stochsim.lowering.graph_network import Network
from stochsim.lowering.ids_of_tables import NoSuchId
from stochsim.lowering.layers_of_sites import put_in
from stochsim.lowering.outputs_of_modules import called, signature_of
from stochsim.lowering.products import Site, source_of_codes
from stochsim.lowering.quantised_sites import shift_input
from stochsim.lowering.queries import first_line, operation
from stochsim.lowering.random_parts import check_all_keyed
from stochsim.lowering.signature import Inputs, Outputs
from stochsim.lowering.taken_along import only_user
from stochsim.lowering.training_branches import branches_of_training, trains_otherwise
from stochsim.settings import SettingError, StochsimError, bounded, levels_to_user

MOST_SIZES = 16
"""Networks that are kept, each for inputs of other sizes."""

NO_MODULE = (
    "the sizes of its examples are all that a network knows which was read from files, or whose "
    "float module cannot be copied: convert once for each size"
)

_STIMULI = 8
Stimuli = Callable[[], torch.Tensor]
_ERRORS = (RuntimeError, TypeError, ValueError, LookupError, AttributeError, ArithmeticError)


@dataclass(eq=False)
class Sized:
    """A network for inputs of given sizes, and its chip.

    cells: for each layer that the network of the examples has not, such as a further step of a
    recurrent module, the one on whose cells it is. made_of: the chip of the examples' network whose
    layers `chip` has. shared: paths of parameters and buffers that it has from that network.
    """

    network: Network
    inputs: Inputs
    outputs: Outputs
    cells: Mapping[str, str] = field(default_factory=dict)
    shared: Sequence[str] = ()
    chip: Chip | None = None
    made_of: Chip | None = None


class KnownProduct(NamedTuple):
    """A product of the examples' network: the layer that it became, the operations that this one
    does, and what its input is shifted by.
    """

    layer: str
    along: tuple[str, ...]
    shift: float


def known_products(sites: Iterable[Site]) -> dict[str, list[KnownProduct]]:
    """The products of a network by their weights, those on the same weights in the order in which
    they run.
    """
    found: dict[str, list[KnownProduct]] = {}
    for site in sites:
        known = KnownProduct(site.name, _along(site), site.input_shift)
        found.setdefault(site.cells, []).append(known)
    return found


def _along(site: Site) -> tuple[str, ...]:
    """The operations from a product to the last that it takes along."""
    found, node = [operation(site.node)], site.node
    while node is not site.last:
        after = only_user(node)
        assert after is not None
        node = after
        found.append(operation(node))
    return tuple(found)


class OtherSizes:
    """The networks of a converted module for inputs of other sizes than its examples', made when
    they are asked for first; those that were not used for longest are dropped.

    module: in float, a copy of its own, which is not changed; kept: paths of parts that stay in
    float; products: those of the examples' network.
    """

    def __init__(
        self,
        module: torch.nn.Module,
        kept: Sequence[str],
        products: Mapping[str, Sequence[KnownProduct]],
    ) -> None:
        self._module: torch.nn.Module | None = module
        self._pickled: bytes | None = None
        self._kept = tuple(kept)
        self._products = products
        self._buffers = frozenset(path for path, _ in module.named_buffers(remove_duplicate=False))
        self._made: OrderedDict[Any, Sized | None] = OrderedDict()

    def __getstate__(self) -> dict[str, Any]:
        """The module as bytes, for networks are read where its class is not known, too; None of one
        that pickle cannot hold.
        """
        state = {**self.__dict__, "_made": OrderedDict(), "_module": None}
        if self._module is not None:
            state["_pickled"] = _pickled(self._module)
        return state

    def __deepcopy__(self, memo: dict[int, Any]) -> "OtherSizes":
        """One for a copy of the network; the module is not changed, so they share it."""
        made = object.__new__(OtherSizes)
        made.__dict__.update(self.__dict__, _made=OrderedDict())
        return made

    def sized(self, base: Sized, inputs: Inputs, given: Any, x: Stimuli) -> Sized:
        """The network for these inputs. base: that of the examples; given: stimuli in their form,
        which `x` makes one tensor (stimulus, …).

        Raises SettingError for sizes that the module does not take, StochsimError for those at
        which it has products that the base has not.
        """
        key = _key(base, inputs, "evaluation")
        if key not in self._made:
            stimuli = x().detach()
            if len(stimuli) == 0:
                raise unlike_sizes("x", base.inputs, given, "no stimulus of these sizes was seen")
            self._made[key] = self._captured(base, inputs, stimuli, given)
        found = self._kept_one(key, base)
        assert found is not None
        return found

    def in_training(self, base: Sized, evaluated: Sized, x: Stimuli) -> Sized:
        """The network of the module's own training; `evaluated`, that of evaluation, where training
        computes nothing else than this with its dropouts and batch normalisations on, or cannot be
        captured, of which ConversionWarning warns. x: makes one tensor of the stimuli.

        Raises StochsimError for products and parameters that evaluation has not.
        """
        key = _key(base, evaluated.inputs, "training")
        if key not in self._made:
            stimuli = x().detach()[:_STIMULI]
            if len(stimuli) == 0:
                return evaluated
            self._made[key] = self._trained(base, evaluated.inputs, stimuli)
        return self._kept_one(key, base) or evaluated

    def _kept_one(self, key: Any, base: Sized) -> Sized | None:
        """The network that is kept under a key, with what it shares as the base has it now."""
        self._made.move_to_end(key)
        while len(self._made) > MOST_SIZES:
            self._made.popitem(last=False)
        found = self._made[key]
        if found is not None:
            _share(found.network, base.network, found.shared)
            found.network.training = base.network.training
        return found

    def _trained(self, base: Sized, inputs: Inputs, x: torch.Tensor) -> Sized | None:
        """The network of training; None where it is that of evaluation."""
        module = self._module_like(x)
        if module is None or not trains_otherwise(copied(module), inputs, x):
            return None
        own = copied(module)
        with torch.autocast(x.device.type, enabled=False), plain_attention():
            try:
                with branches_of_training(own):
                    signature = signature_of(own, x, [inputs])
                    network, sites, _ = captured_products(own, signature, x, self._kept, True)
            except (StochsimError, *_ERRORS) as error:
                _warn_of_evaluation(error)
                return None
            try:
                return self._on_layers(network, sites, base, signature)
            except StochsimError as error:
                text = (
                    f"in training the module has other parts than in evaluation: {error}; "
                    f"follows_training = False trains what it computes in evaluation"
                )
                raise StochsimError(text) from error

    def _captured(self, base: Sized, inputs: Inputs, x: torch.Tensor, given: Any) -> Sized:
        some = x[:_STIMULI]
        module = self._module_like(some)
        if module is None:
            raise unlike_sizes("x", base.inputs, given, NO_MODULE)
        with torch.autocast(x.device.type, enabled=False), plain_attention():
            try:
                called(module, inputs, some)
            except NoSuchId as error:
                raise error.renamed({("examples",): ("x",)}) from None
            except _ERRORS as error:
                why = f"the module does not take it: {bounded(first_line(error), 200)}"
                raise unlike_sizes("x", base.inputs, given, why) from None
            try:
                return self._made_of(base, inputs, some, module)
            except SettingError:
                raise
            except (StochsimError, *_ERRORS) as error:
                sizes = ", ".join(str(one.shape) for one in inputs.leaves)
                text = f"stimuli of {sizes}, unlike the examples: {first_line(error)}"
                raise StochsimError(text) from error

    def _module_like(self, x: torch.Tensor) -> torch.nn.Module | None:
        """The module on the device and in the numbers of x; None where there is none."""
        if self._module is None and self._pickled is not None:
            try:
                self._module = pickle.loads(self._pickled)
            except Exception:  # whatever the classes of a user's own raise, where they are known
                self._pickled = None
        if self._module is None:
            return None
        own = next((one for one in self._module.parameters() if one.is_floating_point()), x)
        if own.device == x.device and own.dtype == x.dtype:
            return self._module
        return copy.deepcopy(self._module).to(x.device, x.dtype)

    def _made_of(
        self, base: Sized, inputs: Inputs, x: torch.Tensor, module: torch.nn.Module
    ) -> Sized:
        """The module's own network for stimuli like x."""
        signature = signature_of(module, x, [inputs])
        network, sites, _ = captured_products(module, signature, x, self._kept)
        check_all_keyed(network, x)
        note_mixing_parts(network, x if len(x) > 1 else torch.cat([x, inputs.scaled(x, 2, 1)]))
        check_same(module, signature, x, values_of(network, x))
        return self._on_layers(network, sites, base, signature)

    def _on_layers(
        self, network: Network, sites: list[Site], base: Sized, signature: Signature
    ) -> Sized:
        """A network in float with the layers and parts of the base in it."""
        layers, cells = self._layers(network, sites, base.network)
        put_in(network, sites, layers, self._kept)
        shared = _shared(network, base.network, self._buffers)
        return Sized(network, *signature, cells, shared)

    def _layers(
        self, network: Network, sites: Sequence[Site], base: Network
    ) -> tuple[dict[str, ChipLayer], dict[str, str]]:
        """The layers for the sites, which take their names, and the cells of further ones."""
        by_last = {site.last: site for site in sites}
        layers: dict[str, ChipLayer] = {}
        cells: dict[str, str] = {}
        steps = dict.fromkeys(self._products, 0)
        for site in sites:
            known = self._known(site, steps)
            name = site.name
            is_further = steps[site.cells] > len(self._products[site.cells])
            layer = base.get_submodule(known.layer)
            assert isinstance(layer, ChipLayer)
            _check_like(site, layer, known)
            source = source_of_codes(site, by_last)
            before = None if source is None else layers[source.name]
            if known.shift and not site.input_shift:
                shift_input(network, site, known.shift)
            if is_further:
                while name in layers or self._has(name):
                    name += "_"
                cells[name] = known.layer
            site.name = name if is_further else known.layer
            layers[site.name] = _like(layer, site, before)
        return layers, cells

    def _has(self, name: str) -> bool:
        """Whether a layer of the examples' network has this name."""
        return any(one.layer == name for known in self._products.values() for one in known)

    def _known(self, site: Site, steps: dict[str, int]) -> KnownProduct:
        """The product of the examples' network that a site is, or follows on the same weights;
        steps: how many sites there were on each weights, which is counted up.
        """
        known = self._products.get(site.cells)
        if known is None:
            raise StochsimError(
                f"the product '{site.name}' is none of the layers that the module has for its "
                f"examples"
            )
        step = steps[site.cells]
        steps[site.cells] += 1
        return known[min(step, len(known) - 1)]


def _key(base: Sized, inputs: Inputs, mode: str) -> tuple[object, ...]:
    """What tells networks apart: sizes, and the numbers and device that the base is in."""
    like = next(base.network.parameters())
    return mode, tuple(one.shape for one in inputs.leaves), like.dtype, like.device


def _warn_of_evaluation(error: Exception) -> None:
    """Warn of a module whose training no graph can hold."""
    text = (
        f"in training the module computes something else than in evaluation, which cannot be "
        f"captured ({bounded(first_line(error), 300)}): calls in training follow its evaluation"
    )
    warnings.warn(text, ConversionWarning, stacklevel=levels_to_user())


def _pickled(module: torch.nn.Module) -> bytes | None:
    try:
        return pickle.dumps(module)
    except Exception:  # whatever a user's own parts raise
        return None


def _check_like(site: Site, layer: ChipLayer, known: KnownProduct) -> None:
    """Raise StochsimError where a layer does not compute what a site does."""
    own, other = site.geometry, layer.geometry
    if site.weight.shape != layer.weight.shape or (own.groups, own.lookup) != (
        other.groups,
        other.lookup,
    ):
        raise StochsimError(
            f"the product '{site.name}' has weights {tuple(site.weight.shape)}, where the layer "
            f"'{known.layer}' of the examples has {tuple(layer.weight.shape)}"
        )
    if _along(site) != known.along:
        has, had = (" + ".join(one) for one in (_along(site), known.along))
        raise StochsimError(
            f"the layer '{known.layer}' of the examples is {had}, and the product '{site.name}' "
            f"{has}"
        )


def _like(layer: ChipLayer, site: Site, before: ChipLayer | None) -> ChipLayer:
    """The layer itself, or one that shares all of its parameters and grids, where a site is called
    in another way. before: the layer whose codes the site reads.
    """
    takes_codes = before is not None and before.output_grid is layer.input_grid
    takes_codes = takes_codes and layer.takes_codes
    if (site.name, site.geometry, takes_codes) == (layer.name, layer.geometry, layer.takes_codes):
        return layer
    made = copy.copy(layer)  # with the same dicts of parameters and grids
    made.name, made.geometry, made.takes_codes = site.name, site.geometry, takes_codes
    return made


def _shared(network: Network, base: Network, buffers: Iterable[str]) -> list[str]:
    """Paths of what a network has from the base: all parameters, the module's own `buffers`, and
    constants that are equal. Raises StochsimError for a parameter that the base has not.
    """
    found: list[str] = []
    for node in network.graph.nodes:
        path = str(node.target)
        if node.op not in ("get_attr", "call_module") or path in found:
            continue
        own, other = _value(network, path), _value(base, path)
        if isinstance(own, ChipLayer):
            continue
        if isinstance(own, torch.nn.Parameter | torch.nn.Module):
            if not _are_alike(own, other):
                raise StochsimError(
                    f"its part '{path}' in float has parameters that the network of the examples "
                    f"has not"
                )
            found.append(path)
        elif _are_alike(own, other) and (path in buffers or torch.equal(own, other)):
            found.append(path)
    return found


def _are_alike(own: Any, other: Any) -> bool:
    """Whether two parts are of one kind and shape."""
    shapes = [getattr(one, "shape", None) for one in (own, other)]
    return type(own) is type(other) and shapes[0] == shapes[1]


def _value(network: torch.nn.Module, path: str) -> Any:
    """What stands at a path, None where nothing does."""
    found: Any = network
    for name in path.split("."):
        found = getattr(found, name, None)
    return found


def _share(network: Network, base: Network, paths: Iterable[str]) -> None:
    """Put what the base has at these paths into a network, wherever it was moved or loaded."""
    for path in paths:
        way, _, last = path.rpartition(".")
        owner, source = network.get_submodule(way), base.get_submodule(way)
        for name in ("_parameters", "_buffers", "_modules"):
            held = getattr(source, name)
            if last in held:
                getattr(owner, name)[last] = held[last]
