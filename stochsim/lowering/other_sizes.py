"""A converted network for inputs of other sizes than the examples': the module is captured again,
and its products are those layers of the chip that it has already.
"""

import copy
import warnings
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from stochsim.chip import Chip
from stochsim.lowering.capture import copied, plain_attention
from stochsim.lowering.captured_products import (
    CapturedProducts,
    Signature,
    captured_products,
    check_same,
    values_of,
)
from stochsim.lowering.comparison import ConversionWarning, note_mixing_parts, warn_of_layers
from stochsim.lowering.example_inputs import unlike_sizes
from stochsim.lowering.graph_network import Network
from stochsim.lowering.ids_of_tables import NoSuchId
from stochsim.lowering.layers_of_sites import put_in
from stochsim.lowering.outputs_of_modules import called, signature_of
from stochsim.lowering.queries import first_line
from stochsim.lowering.random_parts import check_all_keyed
from stochsim.lowering.same_layers import KnownProducts, layers_for, share, shared_paths
from stochsim.lowering.signature import Inputs, Outputs
from stochsim.lowering.training_branches import branches_of_training, may_branch, trains_otherwise
from stochsim.settings import SettingError, StochsimError, bounded, levels_to_user

MOST_SIZES = 16
"""Sizes whose networks are kept, of evaluation and of training."""

NO_MODULE = (
    "the sizes of its examples are all that a network knows which was read from a file or a "
    "pickle, or whose float module cannot be copied: convert once for each size"
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
        products: KnownProducts,
    ) -> None:
        self._module: torch.nn.Module | None = module
        self._may_branch = may_branch(module)
        self._kept = tuple(kept)
        self._products = products
        self._buffers = frozenset(path for path, _ in module.named_buffers(remove_duplicate=False))
        self._made: OrderedDict[Any, Sized | None] = OrderedDict()

    def __getstate__(self) -> dict[str, Any]:
        """Without the module, whose class may not be known where a pickle is read."""
        return {**self.__dict__, "_made": OrderedDict(), "_module": None}

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
            if len(stimuli) == 0:  # what would be read of zeros
                stimuli = stimuli.new_zeros((2, *stimuli.shape[1:]))
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
        alike = [one for one in self._made if one[0] == key[0]]  # of evaluation, or of training
        for one in alike[:-MOST_SIZES]:
            del self._made[one]
        found = self._made[key]
        if found is not None:
            share(found.network, base.network, found.shared)
            found.network.training = base.network.training
        return found

    def _trained(self, base: Sized, inputs: Inputs, x: torch.Tensor) -> Sized | None:
        """The network of training; None where it is that of evaluation."""
        module = self._module_like(x)
        if module is None and self._may_branch:
            _warn_of_evaluation("the module stayed behind as the network was pickled")
        if module is None or not trains_otherwise(copied(module), inputs, x):
            return None
        own = copied(module)
        with torch.autocast(x.device.type, enabled=False), plain_attention():
            try:
                with branches_of_training(own):
                    signature = signature_of(own, x, [inputs])
                    products = captured_products(own, signature, x, self._kept, True)
            except (StochsimError, *_ERRORS) as error:
                _warn_of_evaluation(
                    f"in training the module computes something else than in evaluation, which "
                    f"cannot be captured ({bounded(first_line(error), 300)})"
                )
                return None
            try:
                return self._on_layers(products, base, signature)
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
        products = captured_products(module, signature, x, self._kept)
        network = products.network
        check_all_keyed(network, x)
        note_mixing_parts(network, x if len(x) > 1 else torch.cat([x, inputs.scaled(x, 2, 1)]))
        check_same(module, signature, x, values_of(network, x))
        found = self._on_layers(products, base, signature)
        share(found.network, base.network, found.shared)
        if x.any():
            warn_of_layers(found.network, x)
        return found

    def _on_layers(self, found: CapturedProducts, base: Sized, signature: Signature) -> Sized:
        """A network in float with the layers and parts of the base in it."""
        layers, cells = layers_for(found, self._products, base.network)
        put_in(found.network, found.sites, layers, self._kept)
        shared = shared_paths(found.network, base.network, self._buffers)
        return Sized(found.network, *signature, cells, shared)


def _key(base: Sized, inputs: Inputs, mode: str) -> tuple[object, ...]:
    """What tells networks apart: sizes, and the numbers and device that the base is in."""
    like = next(base.network.parameters())
    return mode, tuple(one.shape for one in inputs.leaves), like.dtype, like.device


def _warn_of_evaluation(why: str) -> None:
    """Warn of a network whose training no graph holds."""
    text = f"{why}: calls in training follow its evaluation"
    warnings.warn(text, ConversionWarning, stacklevel=levels_to_user())
