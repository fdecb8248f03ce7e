"""Reads of a converted network one after another."""

from typing import Any

import numpy as np

from stochsim.chip import Stream


class ModuleStream(Stream[np.ndarray]):
    """Reads of a converted network one after another, each with new noise (see `Stream`); called,
    it gives one read of the chip as a tensor, whether the network is in training or not.
    """

    def __init__(self, module: Any, key: int, position: int = 0) -> None:
        super().__init__(module.sample, key, position)
        self.module = module

    def __reduce__(self) -> tuple[Any, ...]:
        return ModuleStream, (self.module, self.key, self.position)

    def __call__(self, *args: Any, **named: Any) -> Any:
        """What the module gives for these inputs, of one read; no gradient."""
        x = self.module.inputs.bound(args, named)
        return self.next(lambda key: self.module.read(x, key))
