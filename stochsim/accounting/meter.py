"""The meter: the one place where operations are counted, by layer."""

import enum
from collections.abc import Iterable

import numpy as np

from stochsim.energy import Operation, Operations
from stochsim.hardware import Reliability
from stochsim.settings import SettingError, check_kind, check_real, check_whole


class Sharing(enum.IntEnum):
    """What shares a value or a count: the whole chip, all reads of a stimulus, all steps of a read,
    or one step alone.
    """

    CHIP = 0
    STIMULUS = 1
    READ = 2
    STEP = 3


class Meter:
    """Counts of operations by layer, of `reads` reads of each of `stimuli` stimuli.

    is_on: whether what is added is counted; what is costly to find out is asked only then.

    >>> from stochsim.accounting import Meter, Sharing
    >>> meter = Meter(stimuli=2, reads=10)
    >>> meter.add("readout", "random", 32, per=Sharing.READ)
    >>> meter.total.count("random")
    640
    """

    is_on = True

    def __init__(self, stimuli: int = 1, reads: int = 1) -> None:
        """Raises SettingError for what is no number of stimuli or reads."""
        stimuli = check_whole("stimuli", stimuli, 0, 2**63)
        reads = check_whole("reads", reads, 1, 2**63)
        self._times = {
            Sharing.CHIP: 1,
            Sharing.STIMULUS: stimuli,
            Sharing.READ: stimuli * reads,
        }
        self._counts: dict[str, dict[Operation, float]] = {}

    def add(
        self,
        layer: str,
        kind: str,
        count: float,
        *args: float,
        per: Sharing = Sharing.CHIP,
    ) -> None:
        """Count an operation of a kind with these arguments, `count` times for each read, each
        stimulus, or in all. Raises SettingError for what is no number, or no such operation.
        """
        if type(layer) is not str or type(per) is not Sharing or per not in self._times:
            self._refuse(layer, per)
        operation = Operation(kind, args)
        times = check_real("count", count) * self._times[per]
        own = self._counts.setdefault(layer, {})
        own[operation] = own.get(operation, 0) + times

    def _refuse(self, layer: object, per: object) -> None:
        """Raise SettingError for what is no name of a layer, and no sharing of counts."""
        check_kind("layer", layer, str, "should be the name of a layer")
        if type(per) is not Sharing or per not in self._times:
            raise SettingError.of("per", per, "should be a Sharing", map(str, self._times))

    def add_reliability(
        self,
        layer: str,
        reliability: Reliability,
        sigma: np.ndarray,
        times: np.ndarray | int,
        per: Sharing = Sharing.CHIP,
    ) -> None:
        """Count neurons that keep a noise level: `times` for each sigma.

        sigma: any shape, in units of the drive; times: the same shape, or one number.
        """
        for one, count in np.nditer([sigma, np.asarray(times)]):
            self.add(layer, "reliability", float(count), float(one) / reliability.s, per=per)

    @property
    def total(self) -> Operations:
        """Operations of all layers together."""
        summed: dict[Operation, float] = {}
        for own in self._counts.values():
            for operation, count in own.items():
                summed[operation] = summed.get(operation, 0) + count
        return Operations(summed)

    def by_layer(self, names: Iterable[str]) -> dict[str, Operations]:
        """Operations of each layer of these names, and first those of other rows that have any."""
        names = list(names)
        others = [one for one in self._counts if one not in names]
        found = {one: Operations(self._counts.get(one, {})) for one in (*others, *names)}
        return {one: counts for one, counts in found.items() if one in names or counts}


class _Off(Meter):
    """A meter that counts nothing."""

    is_on = False

    def add(
        self,
        layer: str,
        kind: str,
        count: float,
        *args: float,
        per: Sharing = Sharing.CHIP,
    ) -> None:
        """Count nothing."""


OFF = _Off()
"""A meter that counts nothing."""
