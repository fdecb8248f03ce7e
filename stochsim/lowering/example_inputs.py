"""Stimuli of a converted network, as users give them: arrays or tensors, (stimulus, …)."""

from typing import Any

import numpy as np
import torch

from stochsim.settings import SettingError


def checked_stimuli(name: str, x: Any, module: torch.nn.Module) -> torch.Tensor:
    """Stimuli as a tensor in the numbers of the module; raises SettingError where they are missing,
    empty, of one axis, or not finite.
    """
    if x is None:
        raise SettingError(
            f"'{name}' is missing: give stimuli (stimulus, …), a tensor or an array of what the "
            f"network will see (a few hundred are enough)"
        )
    like = next((one for one in module.parameters() if one.is_floating_point()), torch.zeros(()))
    if like.dtype not in (torch.float32, torch.float64):
        raise SettingError(
            f"the module computes in {like.dtype}: convert it in torch.float32 or torch.float64, "
            f"as module.float() makes it"
        )
    found = (
        torch.as_tensor(np.asarray(x) if not isinstance(x, torch.Tensor) else x.detach())
        .to(like.dtype)
        .to(like.device)
    )
    if found.ndim < 2 or len(found) == 0:
        raise SettingError(
            f"'{name}' has shape {tuple(found.shape)}: should be (stimulus, …), one stimulus at "
            f"least"
        )
    if not torch.isfinite(found).all():
        raise SettingError(f"'{name}' has values that are not finite")
    return found
