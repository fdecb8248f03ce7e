"""Reads of a torch module before it is converted: what survival compares a chip with."""

from typing import Any

import numpy as np
import torch

from stochsim.lowering.queries import first_line
from stochsim.settings import SettingError, check_kind, check_whole


def float_reads(module: torch.nn.Module, stimuli: Any, reads: int, key: int) -> np.ndarray:
    """What the module gives for stimuli (stimulus, …), called once for each read, float32
    (stimulus, read, …); dropouts and other parts that are in training draw by the key. Of a module
    without any all reads are the same. It stays as it was, and so does torch's own generator.
    Raises SettingError for stimuli that it does not take, and where it gives several tensors.

    >>> import numpy as np
    >>> import torch
    >>> from stochsim.lowering import float_reads
    >>> float_reads(torch.nn.Linear(3, 2), np.zeros((5, 3)), reads=4, key=0).shape
    (5, 4, 2)
    """
    check_kind("module", module, torch.nn.Module, "should be a torch module")
    reads = check_whole("reads", reads, 1, 2**31)
    seed = check_whole("key", key, 0, 2**64) % 2**63
    first = next(module.parameters(), torch.zeros(()))
    try:
        given = _tensors(stimuli, first)
        with torch.random.fork_rng(), torch.no_grad():
            torch.manual_seed(seed)
            found = [_called(module, given) for _ in range(reads)]
    except (RuntimeError, TypeError, ValueError, IndexError) as error:
        rule = f"the module does not take them ({first_line(error)})"
        raise SettingError.of("stimuli", stimuli, rule) from None
    if not all(isinstance(one, torch.Tensor) and one.ndim for one in found):
        raise SettingError.of("module", module, "should give one tensor (stimulus, …)")
    return np.stack([one.cpu().numpy().astype(np.float32) for one in found], axis=1)


def _tensors(stimuli: Any, like: torch.Tensor) -> Any:
    """Stimuli as tensors, floats in the numbers of the module."""
    if isinstance(stimuli, dict):
        return {name: _tensors(one, like) for name, one in stimuli.items()}
    if isinstance(stimuli, tuple):
        return tuple(_tensors(one, like) for one in stimuli)
    found = torch.as_tensor(stimuli)
    return found.to(like.dtype if found.is_floating_point() else found.dtype).to(like.device)


def _called(module: torch.nn.Module, given: Any) -> torch.Tensor:
    if isinstance(given, dict):
        return module(**given)
    return module(*given) if isinstance(given, tuple) else module(given)
