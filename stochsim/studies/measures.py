"""The distances from a task's reference and the measures beside them, for all samples that are
compared with that reference.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from stochsim.chip import Chip
from stochsim.keys import fold_in
from stochsim.models import Reference
from stochsim.posterior import PosteriorDistance, compare, effective_samples
from stochsim.studies.job import Job

Floats = NDArray[np.floating]
_LARGE_BYTES = 200_000_000
_KEPT = 2
_kept: dict[Any, tuple[Reference, PosteriorDistance]] = {}


def _reference_and_distance(
    path: Path, reads: int, directions: int, key: int
) -> tuple[Reference, PosteriorDistance]:
    """Kept from task to task: those of the last two references, of one alone where it is above 200
    MB.
    """
    place = (path, reads, directions, key)
    if place not in _kept:
        most = 1 if path.stat().st_size > _LARGE_BYTES else _KEPT
        while len(_kept) >= most:  # before the new one is read
            del _kept[next(iter(_kept))]
        reference = Reference.load(path)
        sets = (reference.subset(0, reads), reference.subset(1, reads))
        to_posterior = PosteriorDistance(
            sets,
            reference.mean,
            reference.sd,
            directions=directions,
            key=fold_in(key, "directions"),
        )
        _kept[place] = (reference, to_posterior)
    return _kept[place]


def as_list(array: Any) -> list[float]:
    """Numbers as JSON takes them."""
    return [float(value) for value in array]


class Panel:
    """The distance to the posterior and the measures beside it, for one reference and one set of
    measure settings.
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self.measure = job.settings["measure"]
        self.reads: int = self.measure["reads"]
        self.steps_between_reads: int | None = self.measure.get("steps_between_reads")
        self.reference, self.to_posterior = _reference_and_distance(
            job.needs["reference"], self.reads, self.measure["directions"], job.key
        )
        self.stimuli, self.labels = job.stimuli(self.measure["stimuli"])
        self.read_key = fold_in(job.key, "reads")

    def distances(self, values: Floats) -> dict[str, list[float]]:
        """D and its parts, per stimulus."""
        found = self.to_posterior.distance(values)
        return {
            "d": as_list(found.total),
            "d_axes": as_list(found.axes),
            "d_projections": as_list(found.projections),
        }

    def measures(
        self, values: Floats, step: float, decoder: Floats
    ) -> tuple[dict[str, list[float]], dict[str, Any]]:
        """Per-stimulus measures, and arrays for pictures: mean and sd of chip and reference
        (stimulus, neuron).
        """
        reference = self.reference
        draws = reference.subset(0, self.reads)
        pair = {"inputs": self.stimuli, "dictionary": decoder}
        if self.job.model.kind == "gaussian_scale_mixture":
            pair = {}  # a stimulus is z A r there: without its contrast z, A r reconstructs nothing
        found = compare(values, reference.mean, reference.covariance, draws, step=step, **pair)
        named = self.distances(values) | {
            name: as_list(array) for name, array in found.per_stimulus().items()
        }
        pictures = {
            "mean": found.chip_mean,
            "sd": found.chip_sd,
            "reference_mean": reference.mean,
            "reference_sd": reference.sd,
        }
        return named, {
            name: np.ascontiguousarray(array, np.float32) for name, array in pictures.items()
        }

    def effective(self, chip: Chip, values: Floats) -> dict[str, Any]:
        """Effective samples per stimulus of the chip's reads, NaN where none varies, and whether
        reads are independent by construction.
        """
        independent = chip.reads_are_independent(self.steps_between_reads)
        found = effective_samples(
            values, independent, chip.register_period(self.steps_between_reads)
        )
        return {"effective_samples": as_list(found), "independent": independent}

    def accuracy(
        self, sample: Callable[[Floats, int, int], Floats], values: Floats
    ) -> list[float] | None:
        """Share of reads of each stimulus that a linear read-out, fitted on one read of every
        training stimulus, classifies rightly.
        """
        labels = self.job.dataset.train_labels
        if labels is None:
            return None
        single = sample(self.job.dataset.train, 1, fold_in(self.job.key, "read-out"))[:, 0]
        spread = single.std(0) + 1e-9
        fitted = LogisticRegression(max_iter=2000).fit(single / spread, labels)
        flat = fitted.predict((values / spread).reshape(-1, values.shape[2])).reshape(
            values.shape[:2]
        )
        return as_list((flat == self.labels[:, None]).mean(1))
