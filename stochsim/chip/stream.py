"""Successive draws, each with new noise: for loops that put a chip's output back into it."""

import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from stochsim.keys import fold_in
from stochsim.settings import check_whole

Drawn = TypeVar("Drawn")


class Stream(Generic[Drawn]):
    """Draws of a chip one after another: call number n has the key `fold_in(key, "stream", n)`, so
    that no two share their noise, and the same calls of another stream of this key give the same.

    position: the number of the next call; a stream that starts there goes on where another one
    stopped. Several threads may share a stream (which of them gets which number is up to them);
    processes need a key each. Raises SettingError for a key or a position out of range.

    >>> import stochsim as ss
    >>> from stochsim.program import random_program
    >>> program, x = random_program((6, 3), (4, 4, 4), sigma=5.0)
    >>> chip = ss.Chip(program, ss.load_hardware("digital-45nm", bits=4))
    >>> stream = chip.stream(key=0)
    >>> steps = [stream.sample(x["layer 1"], reads=100).codes for _ in range(3)]
    >>> bool((steps[0] == steps[1]).all()), stream
    (False, Stream(key=0, position=3))
    >>> again = chip.stream(key=0, position=2).sample(x["layer 1"], reads=100)
    >>> bool((again.codes == steps[2]).all())
    True
    """

    def __init__(self, draw: Callable[..., Drawn], key: int, position: int = 0) -> None:
        self._draw = draw
        self.key = check_whole("key", key, 0, 2**64)
        self.position = check_whole("position", position, 0, 2**64)
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(key={self.key}, position={self.position})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._draw, self.key, self.position)

    def sample(self, x: Any, reads: int = 1, **options: Any) -> Drawn:
        """What `sample(x, reads, key, …)` gives with the key of this call; the next call has
        another. Options are those of `sample`. A call that raises has not counted.
        """
        drawn: Drawn = self.next(lambda key: self._draw(x, reads, key, **options))
        return drawn

    def next(self, draw: Callable[[int], Any]) -> Any:
        """What `draw(key)` gives with the key of this call."""
        with self._lock:
            drawn = draw(fold_in(self.key, "stream", self.position))
            self.position += 1
        return drawn
