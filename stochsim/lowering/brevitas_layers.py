"""Networks of Brevitas: their layers in torch's own operations and `OnGrid`, so that a capture is
small and shows each quantiser as one node.
"""

import contextlib
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn
from torch.func import functional_call

from stochsim.lowering.brevitas_quantisers import (
    OnePart,
    Reading,
    is_its_layer,
    learned_as,
)
from stochsim.lowering.brevitas_recurrent import Recurrent
from stochsim.lowering.trees import tensor_of
from stochsim.settings import StochsimError


@contextlib.contextmanager
def plain_layers(whole: nn.Module, x: torch.Tensor) -> Iterator[None]:
    """Rewrite the layers of Brevitas in `whole`, a copy that may be changed, as they compute for x
    (a few stimuli); within this context it can be captured.

    Raises StochsimError that names a layer which no chip's integers can express.
    """
    from unittest import mock

    import brevitas.nn as qnn
    from brevitas.nn import quant_mha

    biases = _biases(whole, x)
    written: dict[nn.Module, nn.Module] = {}
    for path, layer in list(whole.named_modules(remove_duplicate=False)):
        write = next((one for kinds, one in _ways(qnn).items() if isinstance(layer, kinds)), None)
        if write is None or not _is_there(whole, path, layer):
            continue
        if layer not in written:
            name = path.partition(".")[2] or type(layer).__name__
            written[layer] = write(layer, Reading(name, biases))
        whole.set_submodule(path, written[layer])
    for path, layer in whole.named_modules():
        if is_its_layer(type(layer)) and not isinstance(layer, qnn.QuantMultiheadAttention):
            name = path.partition(".")[2]
            raise StochsimError(
                f"'{name}' is a {type(layer).__name__} of Brevitas, which cannot be converted"
            )
    same = "check_tensors_same_ptr"  # asks for addresses, which captured tensors have not
    with mock.patch.object(quant_mha, same, lambda found: all(one is found[0] for one in found)):
        yield


def _is_there(whole: nn.Module, path: str, layer: nn.Module) -> bool:
    """Whether a layer has not been rewritten with one around it."""
    try:
        return whole.get_submodule(path) is layer
    except AttributeError:
        return False


def _ways(qnn: Any) -> dict[tuple[type, ...], Callable[[Any, Reading], nn.Module]]:
    """How layers are rewritten, by their classes; what is inside one is rewritten with it."""
    from brevitas.nn.quant_layer import QuantNonLinearActLayer, QuantWeightBiasInputOutputLayer

    return {
        (qnn.QuantLSTM, qnn.QuantRNN): Recurrent,
        (qnn.QuantEmbedding,): _embedding,
        (QuantWeightBiasInputOutputLayer,): _product,
        (QuantNonLinearActLayer,): _OneValue,
        (qnn.QuantEltwiseAdd,): _Sum,
        (qnn.QuantCat,): _Joined,
    }


def _biases(whole: nn.Module, x: torch.Tensor) -> dict[int, list[torch.Tensor]]:
    """The quantised biases of every use in its turn, by the identity of what quantises them: their
    grids depend on those of the inputs.
    """
    found: dict[int, list[torch.Tensor]] = {}

    def note(part: nn.Module, given: Any, result: Any) -> None:
        if result is not None:
            found.setdefault(id(part), []).append(tensor_of(result).detach().clone())

    quantisers = (getattr(part, "bias_quant", None) for part in whole.modules())
    hooks = [one.register_forward_hook(note) for one in quantisers if isinstance(one, nn.Module)]
    with torch.no_grad():
        whole(x.clone())
    for hook in hooks:
        hook.remove()
    return found


class _Quantised(OnePart):
    """What reads and gives values on grids."""

    def __init__(self, layer: Any, read: Reading) -> None:
        super().__init__(type(layer).__name__)
        self.before = read.quantiser(layer.input_quant)
        self.after = read.quantiser(layer.output_quant)


class _Product(_Quantised):
    """A layer of weights on a grid."""

    def __init__(self, layer: Any, product: Any, read: Reading) -> None:
        super().__init__(layer, read)
        values, self.weight_grid = read.weight(layer)
        product.weight = learned_as(layer, "weight", values)
        biases = read.biases(layer)
        self.biases = nn.ParameterList(learned_as(layer, "bias", one) for one in biases)
        product.bias = self.biases[0] if biases else None
        self.product = product
        self._uses = 0

    def forward(self, x: torch.Tensor, *more: Any) -> torch.Tensor:
        """Values of x, with the bias of this use, the first again after the last."""
        values = {"weight": self.weight_grid(self.product.weight)}
        if self.biases:
            values["bias"] = self.biases[self._uses % len(self.biases)]
        self._uses += 1
        return self.after(functional_call(self.product, values, (self.before(x), *more)))


def _product(layer: Any, read: Reading) -> nn.Module:
    """torch's own layer of the same kind and settings, with the quantisers around it."""
    kinds = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
    turned = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
    base = next((one for one in (*kinds, *turned) if isinstance(layer, one)), None)
    if base is None:
        raise read.refused(f"a {type(layer).__name__} is no product of torch's")
    taken = inspect.signature(base).parameters
    given = {name: getattr(layer, name) for name in taken if hasattr(layer, name)}
    given |= {"bias": False, "device": layer.weight.device, "dtype": layer.weight.dtype}
    return _Product(layer, base(**given), read)


class QuantEmbedding(nn.Embedding):
    """An embedding whose values lie on a grid of their own."""


def _embedding(layer: Any, read: Reading) -> nn.Module:
    """An embedding of the values that its weights have."""
    values, _ = read.weight(layer)
    sizes = (layer.num_embeddings, layer.embedding_dim, layer.padding_idx)
    return QuantEmbedding(*sizes, _weight=values).requires_grad_(layer.weight.requires_grad)


class _OneValue(OnePart):
    """An activation and a quantiser."""

    def __init__(self, layer: Any, read: Reading) -> None:
        super().__init__(type(layer).__name__)
        self.before = read.quantiser(layer.input_quant)
        self.after = read.quantiser(layer.act_quant)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Values on the grid."""
        found: torch.Tensor = self.after(self.before(x))
        return found


class _Sum(_Quantised):
    """The sum of two values on one grid."""

    def forward(self, x: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        """Values of both."""
        found: torch.Tensor = self.after(self.before(x) + self.before(other))
        return found


class _Joined(_Quantised):
    """Values on one grid, one behind the other."""

    def forward(self, values: list[torch.Tensor], dim: int = 1) -> torch.Tensor:
        """Values of all."""
        found: torch.Tensor = self.after(torch.cat([self.before(one) for one in values], dim))
        return found
