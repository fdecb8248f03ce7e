"""Stimuli of a converted network, as users give them: arrays or tensors, (stimulus, …)."""

from typing import Any

import numpy as np
import torch

from stochsim.settings import SettingError, StochsimError, real_array, rule_of_reals


def checked_stimuli(name: str, x: Any, module: torch.nn.Module) -> torch.Tensor:
    """Stimuli as a tensor in the numbers of the module; raises SettingError where they are missing,
    empty, of one axis, or not finite.
    """
    if x is None:
        rule = (
            "give stimuli (stimulus, …), a tensor or an array of what the network will see (a few "
            "hundred are enough)"
        )
        raise SettingError.missing(name, rule)
    check_has_numbers(module)
    like = next((one for one in module.parameters() if one.is_floating_point()), torch.zeros(()))
    if like.dtype not in (torch.float32, torch.float64):
        rule = "should compute in torch.float32 or torch.float64, as module.float() makes it"
        raise SettingError.of("module", like.dtype, rule)
    found = _real(name, x).to(like.dtype).to(like.device)
    if found.ndim < 2 or len(found) == 0:
        raise SettingError.of(name, found, "should be (stimulus, …), one stimulus at least")
    if not torch.isfinite(found).all():
        raise SettingError.of(name, found, "should be finite")
    return found


def _real(name: str, x: Any) -> torch.Tensor:
    """A tensor of real numbers; raises SettingError for anything else."""
    rule = "should be an array or a tensor of real numbers (stimulus, …)"
    if isinstance(x, torch.Tensor):
        if _has_no_reals(x):
            raise SettingError.of(name, x, rule_of_reals(rule))
        dense = x.detach().to_dense()
        # a copy has its numbers in memory, whatever kind of view x is
        return torch.empty(dense.shape, dtype=dense.dtype, device=dense.device).copy_(dense)
    array = real_array(name, x, rule)
    if array.dtype.kind == "u":  # torch has no unsigned integers of every width
        array = array.astype(np.float64)
    return torch.tensor(np.ascontiguousarray(array))  # a copy: it may be read-only


def check_has_numbers(module: torch.nn.Module) -> None:
    """Raise StochsimError for a module whose parameters have no numbers yet, or no shape."""
    for name, one in (*module.named_parameters(), *module.named_buffers()):
        if torch.nn.parameter.is_lazy(one):
            raise StochsimError(
                f"{type(module).__name__} cannot be converted: its '{name}' has no shape yet; call "
                f"the module once"
            )
        if one.is_meta:
            raise StochsimError(
                f"{type(module).__name__} cannot be converted: its '{name}' has no numbers (it is "
                f"on torch's meta device)"
            )


def are_integers(x: Any) -> bool:
    """Whether stimuli are whole numbers, such as those of characters."""
    if isinstance(x, torch.Tensor):
        return not (x.is_floating_point() or x.is_complex())
    return np.asarray(x).dtype.kind in "iu"


def check_tensor(name: str, x: Any) -> None:
    """Raise SettingError for what is no dense tensor of real numbers."""
    rule = "should be a tensor (stimulus, …) of real numbers, not sparse"
    if not isinstance(x, torch.Tensor) or _has_no_reals(x) or x.layout != torch.strided:
        raise SettingError.of(name, x, rule)


def _has_no_reals(x: torch.Tensor) -> bool:
    """Whether a tensor is of other numbers, of none, or no array of them."""
    others = x.is_complex() or x.is_quantized or x.dtype == torch.bool
    return others or x.is_meta or x.is_nested
