"""Distance D of a chip's reads from the reference posterior: sliced squared Wasserstein-2, per axis
and along fixed random directions.

In one dimension the optimal transport between two samples of equal size pairs them in order, W2² =
mean (sort(u) − sort(v))², so a distance costs one sort per line (Bonneel, Rabin, Peyré and Pfister
2015 for the sliced form). Both families of lines are kept apart: a random direction sums over many
coordinates, comes out Gaussian, and so cannot see the lattice of a low-bit code; axes see no
correlations.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stochsim.keys import generator
from stochsim.settings import (
    LARGEST,
    SettingError,
    bounded_array,
    check_memory,
    check_whole,
    finite_array,
    one_line,
)

Floats = NDArray[np.floating]


@dataclass(frozen=True)
class Distances:
    """Distances per stimulus, in units of the reference sd: arrays (stimulus,). total² = ½(axes² +
    projections²).
    """

    total: Floats
    axes: Floats
    projections: Floats
    __repr__ = one_line


def unit_directions(count: int, neurons: int, key: int) -> Floats:
    """`count` directions drawn evenly from the unit sphere, a pure function of the key: (direction,
    neuron). Raises SettingError for what is no number of either, and more than memory holds.
    """
    count = check_whole("count", count, 0, 2**31)
    neurons = check_whole("neurons", neurons, 1, 2**31)
    check_memory("directions", (count, neurons), np.float64, "take fewer")
    draws = generator(key, "directions", neurons).standard_normal((count, neurons))
    return draws / np.linalg.norm(draws, axis=1, keepdims=True)


def blind_draws(draws: Floats, count: int, key: int) -> Floats:
    """`count` draws (draw, neuron) from the even mixture of the posteriors in `draws` (stimulus,
    draw, neuron): the stimulus is ignored. Raises SettingError for other shapes.
    """
    draws = finite_array("draws", draws, "stimulus, draw, neuron")
    if 0 in draws.shape:
        raise SettingError.of("draws", draws, "should be at least one of each axis")
    count = check_whole("count", count, 0, 2**31)
    check_memory("draws", (count, draws.shape[2]), draws.dtype, "take fewer")
    random = generator(key, "blind")
    stimulus = random.integers(draws.shape[0], size=count)
    return draws[stimulus, random.integers(draws.shape[1], size=count)]


class PosteriorDistance:
    """Measures reads against one reference posterior; built once, used for every point of a sweep.

    sets: two independent sets of n reference draws, each (stimulus, n, neuron); the first is what
    reads are compared with, the second gives
        the floor: the distance that n draws of the reference itself have from the first set.
    mean, sd: of the whole reference, (stimulus, neuron); coordinates are scaled by the sd of that
    stimulus and neuron. directions: how many random directions, drawn once by `key`; they act on
    the scaled coordinates. Raises SettingError for shapes that disagree, values that are not
    finite, or an sd that is not positive. Memory: 4 bytes · stimuli · n · (neurons + directions),
    82 MB at 64 · 1,000 · (64 + 256).

    >>> import stochsim as ss
    >>> import numpy as np
    >>> from stochsim.posterior import PosteriorDistance
    >>> model = ss.build_model(ss.LinearGaussian(neurons=2, noise_sd=0.5), np.eye(2))
    >>> reference = model.reference([[1.0, 0.0], [0.0, 1.0]], key=0)
    >>> sets = (reference.subset(0, 1000), reference.subset(1, 1000))
    >>> distance = PosteriorDistance(sets, reference.mean, reference.sd)
    >>> right = distance.distance(reference.subset(2, 1000)).total
    >>> blind = distance.blind(key=0).total
    >>> bool((right < 0.1).all()), bool((blind > 0.5).all())
    (True, True)
    """

    def __init__(
        self,
        sets: tuple[Floats, Floats],
        mean: Floats,
        sd: Floats,
        *,
        directions: int = 256,
        key: int = 0,
    ) -> None:
        directions = check_whole("directions", directions, 1, 2**31)
        key = check_whole("key", key, 0, 2**64)
        sets, mean, sd = _checked_reference(sets, mean, sd)
        self.stimuli, self.n, self.neurons = sets[0].shape
        lines = self.neurons + directions
        check_memory("lines", (self.stimuli, lines, self.n), np.float32, "take fewer directions")
        self.mean = mean.astype(np.float64, copy=False)
        self.sd = sd.astype(np.float64, copy=False)
        self.directions = unit_directions(directions, self.neurons, key)
        self._projector = self.directions.astype(np.float32)
        self._second = sets[1]
        self._sorted = np.empty((self.stimuli, lines, self.n), np.float32)
        floor = np.empty((self.stimuli, lines))
        for stimulus in range(self.stimuli):
            self._sorted[stimulus] = self._sorted_lines(stimulus, sets[0][stimulus])
            floor[stimulus] = self._squared(stimulus, sets[1][stimulus])
        self._line_mean = self._sorted.mean(axis=2, dtype=np.float64)
        self._line_variance = self._sorted.var(axis=2, dtype=np.float64)
        self._floor = _family_means(floor, self.neurons)

    @property
    def floor(self) -> Distances:
        """Distances (stimulus,) of the second reference set from the first, nothing subtracted."""
        return _distances(self._floor)

    def distance(self, values: Floats, first: int = 0) -> Distances:
        """Distances of `values` (stimulus, read, neuron) from the reference of stimuli first, first
        + 1, …

        Each family is lessened by its floor in squares, max(0, W² − floor²), save at stimuli where
        all reads are equal: a constant has no sampling error of its own to forgive. Reads that
        depend on each other are taken as they are: the floor, of two independent sets of n,
        forgives less than their sampling error, so D comes out too large by it (`effective_samples`
        says by how few reads). Raises SettingError unless there are exactly n reads of finite
        value.
        """
        first = check_whole("first", first, 0, 2**32)
        values = self._checked_values(values, first)
        with np.errstate(over="ignore", invalid="ignore"):
            rows = [self._above_floor(first + i, reads) for i, reads in enumerate(values)]
        squared = np.array(rows, np.float64).reshape(-1, 2)
        if not np.isfinite(squared).all():
            raise SettingError.of("values", rule="are too far from the reference to be measured")
        return _distances(squared)

    def blind(self, key: int) -> Distances:
        """Distances (stimulus,) of n draws that ignore the stimulus.

        The draws are one sample of the mixture of these references, taken from the
        second sets, so that no draw is compared with itself, and held against every stimulus in
        that stimulus' own units.
        """
        draws = blind_draws(self._second, self.n, key)
        return self.distance(np.broadcast_to(draws, (self.stimuli, *draws.shape)))

    def _above_floor(self, stimulus: int, reads: Floats) -> Floats:
        """Squared distance (2,) over axes and over directions, less the floor where the reads
        vary.
        """
        if np.all(reads == reads[:1]):
            return _family_means(self._squared_of_constant(stimulus, reads[0]), self.neurons)
        return np.maximum(
            0.0, _family_means(self._squared(stimulus, reads), self.neurons) - self._floor[stimulus]
        )

    def _scaled(self, stimulus: int, reads: Floats) -> NDArray[np.float32]:
        return ((reads - self.mean[stimulus]) / self.sd[stimulus]).astype(np.float32)

    def _sorted_lines(self, stimulus: int, reads: Floats) -> NDArray[np.float32]:
        """`reads` (read, neuron) along every axis and direction, each line sorted: (neuron +
        direction, read).
        """
        axes = np.ascontiguousarray(self._scaled(stimulus, reads).T)
        lines = np.concatenate([axes, self._projector @ axes])
        lines.sort(axis=1)
        return lines

    def _squared(self, stimulus: int, reads: Floats) -> Floats:
        difference = self._sorted_lines(stimulus, reads)
        difference -= self._sorted[stimulus]
        return np.square(difference, out=difference).mean(axis=1, dtype=np.float64)

    def _squared_of_constant(self, stimulus: int, read: Floats) -> Floats:
        """Squared distances (neuron + direction,) of reads that all equal `read` (neuron,): squared
        bias plus the reference's variance, without a sort.
        """
        point = (read - self.mean[stimulus]) / self.sd[stimulus]
        line = np.concatenate([point, self.directions @ point])
        return np.square(line - self._line_mean[stimulus]) + self._line_variance[stimulus]

    def _checked_values(self, values: Floats, first: int) -> Floats:
        """Reads as finite floats of n reads and these neurons, of stimuli that the reference
        has.
        """
        values = finite_array(
            "values", values, "stimulus, read, neuron", (None, None, self.neurons)
        )
        if not len(values):
            raise SettingError.of("values", values, "should be of at least one stimulus")
        if values.shape[1] != self.n:
            rule = (
                f"should equal the n = {self.n} of the reference sets (thin the reads or draw "
                f"{self.n})"
            )
            raise SettingError.of("reads", values.shape[1], rule)
        if not 0 <= first <= self.stimuli - values.shape[0]:
            last = first + values.shape[0] - 1
            rule = f"stimuli {first} to {last}: the reference holds 0 to {self.stimuli - 1}"
            raise SettingError.of("first", first, rule)
        return values


def _checked_reference(
    sets: tuple[Floats, Floats], mean: Floats, sd: Floats
) -> tuple[tuple[Floats, Floats], Floats, Floats]:
    """Both sets, mean and sd as finite floats of shapes that agree."""
    if not isinstance(sets, tuple | list) or len(sets) != 2:
        rule = "should be two sets of draws, each (stimulus, n, neuron)"
        raise SettingError.of("sets", rule=rule)
    axes = "stimulus, n, neuron"
    first, second = (bounded_array(f"sets[{i}]", one, axes) for i, one in enumerate(sets))
    shape = first.shape
    if shape[1] < 2 or 0 in shape or second.shape != shape:
        rule = f"shapes {shape} and {second.shape}: should be equal, ({axes}), n of 2 or more"
        raise SettingError.of("sets", rule=rule)
    sizes = (shape[0], shape[2])
    mean = bounded_array("mean", mean, "stimulus, neuron", sizes)
    sd = bounded_array("sd", sd, "stimulus, neuron", sizes)
    if not (sd >= 1 / LARGEST).all():
        stimulus, neuron = np.argwhere(~(sd >= 1 / LARGEST))[0]
        rule = f"should be at least {1 / LARGEST:g}, at stimulus {stimulus}, neuron {neuron}"
        raise SettingError.of("sd", float(sd[stimulus, neuron]), rule)
    if np.array_equal(first, second):
        rule = (
            "are the same draws twice, whose distance is no floor; valid: two independent sets, as "
            "reference.subset(0, n) and reference.subset(1, n)"
        )
        raise SettingError.of("sets", rule=rule)
    return (first, second), mean, sd


def _family_means(lines: Floats, neurons: int) -> Floats:
    """Mean over the axes and mean over the directions of (…, neuron + direction): (…, 2)."""
    return np.stack(
        [lines[..., :neurons].mean(axis=-1), lines[..., neurons:].mean(axis=-1)], axis=-1
    )


def _distances(squared: Floats) -> Distances:
    return Distances(np.sqrt(squared.mean(axis=1)), np.sqrt(squared[:, 0]), np.sqrt(squared[:, 1]))
