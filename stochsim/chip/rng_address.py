"""Where a chip's random numbers live: a layer word for each of its parts, an event word for each
step and purpose.

Every number is a pure function of (key, layer, event, stimulus, neuron, read). Part `number` of a
chip of several layers adds it to its word. The neurons whose codes are read have number 0, whatever
the architecture, so the same key gives them the same noise.
"""

from typing import NamedTuple

import numpy as np
from stochsim_kernels.random.address import DrawAddress
from stochsim_kernels.random.normal import fill_normals

from stochsim.settings import SettingError

NEURONS, DIGITAL, ARRAY, INPUTS, PARTS = 0, 1 << 30, 1 << 31, 3 << 30, 7 << 29
SUMS = 1 << 29
"""Layer words: neurons; noise of a digital product; ADCs and cells of an array; inputs that
are rounded stochastically; parts in float that draw; sums that are rounded at random.
"""

FLIPS, WEIGHTS, STIMULUS_DRIVE = 0, 1, 2
"""Event words of a digital product: weight bits in error; noise of every weight; lumped noise of
sums of the stimulus that are made once per read and kept.
"""

_ROWS = 1 << 16
MOST_NUMBERED = 1 << 26
"""Numbers of one read, beyond which they would be those of the next."""


class Place(NamedTuple):
    """The key and absolute indices of a draw; step: 0 but in a recurrent circuit."""

    key: int
    first_stimulus: int
    first_read: int
    step: int = 0

    @property
    def draws(self) -> int:
        """The event word of what neurons and inputs draw at this step."""
        return 2 * self.step

    @property
    def errors(self) -> int:
        """The event word of bits that flip in codes stored at this step."""
        return 2 * self.step + 1

    def address(self, layer: int, event: int | None = None) -> DrawAddress:
        """The address of draws by this layer word; event: `draws` if not given."""
        event = self.draws if event is None else event
        return DrawAddress.of(self.key, layer, event, self.first_stimulus, self.first_read)

    def at(self, step: int) -> "Place":
        """This place at another step."""
        return self._replace(step=step)

    def read(self, number: int) -> "Place":
        """This place at a later read, counted from first_read."""
        return self._replace(first_read=self.first_read + number)

    def row(self, stimulus: int) -> int:
        """The number of the first read of this stimulus (counted from first_stimulus) where every
        read is a row of its own.
        """
        return (self.first_stimulus + stimulus) << 16 | self.first_read

    def check_rows(self, stimuli: int, reads: int) -> None:
        """Raise SettingError where rows (stimulus, read) cannot be numbered: each is counted in 16
        bits.
        """
        for name, first, what, count in (
            ("first_stimulus", self.first_stimulus, "stimuli", stimuli),
            ("first_read", self.first_read, "reads", reads),
        ):
            if first + count > _ROWS:
                rule = (
                    f"should be at most {_ROWS} together with the number of {what}, {count}, where "
                    f"inputs or noise differ from read to read inside the chip"
                )
                raise SettingError.of(name, first, rule, also=(what,))


def normals(u: np.ndarray) -> np.ndarray:
    """Phi^-1((u + 1/2) / 2^31), float64, of integers u, uint32 of any shape."""
    out = np.empty(u.shape)
    fill_normals(u.reshape(-1), out.reshape(-1))
    return out
