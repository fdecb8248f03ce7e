"""Ids that a module's embeddings are given, looked at before torch is."""

from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from stochsim.settings import SettingError


class NoSuchId(SettingError):
    """Examples hold an id that a table has not."""


class CheckedIds(TorchDispatchMode):
    """While it is on, an embedding that is given an id which its table has not raises NoSuchId
    that names the table, the id and the nearest one that it has; torch's own error names none of
    them, and on CUDA ends the process's use of the device.

    module: whose parameters the tables are.
    """

    def __init__(self, module: torch.nn.Module) -> None:
        super().__init__()
        self._names = {one.data_ptr(): name for name, one in module.named_parameters()}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """An operation of torch, as it is."""
        if func is torch.ops.aten.embedding.default:
            self._check(args[0], args[1])
        return func(*args, **(kwargs or {}))

    def _check(self, table: torch.Tensor, ids: torch.Tensor) -> None:
        rows = len(table)
        wrong = ids[(ids < 0) | (ids >= rows)]
        if ids.is_floating_point() or not wrong.numel():
            return
        found = int(wrong[0])
        path = self._names.get(table.data_ptr(), "").removeprefix("whole.")
        where = f" '{path}'" if path else ""
        rule = (
            f"gives an embedding the id {found}: should be from 0 to {rows - 1}, a row of its "
            f"table{where}; the nearest is {min(max(found, 0), rows - 1)}"
        )
        raise NoSuchId.of("examples", rule=rule)
