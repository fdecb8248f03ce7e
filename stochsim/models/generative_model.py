"""What every generative model offers: a likelihood of x around A r, a factorised prior on r, and a
reference posterior.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stochsim.data import check_stimuli
from stochsim.keys import generator
from stochsim.models.reference import Reference, reference_bytes
from stochsim.settings import (
    LARGEST,
    SettingError,
    announce_memory,
    bounded_array,
    card,
    card_title,
    check_memory,
    check_positive,
    check_whole,
    counted,
)

Progress = Callable[[int, int], None]
"""Called as progress(done, total) with coordinate updates, or whatever unit the model counts in."""


class GenerativeModel(ABC):
    """p(x, r) = N(x; A r, s_x² I) · exp(−Σ_i φ(r_i)) / constant, unless a model has a likelihood of
    its own.

    decoder: A, (inputs, neurons) float64, read-only. noise_sd: s_x, in units of x.
    """

    kind: ClassVar[str]

    def __init__(self, decoder: ArrayLike, noise_sd: float) -> None:
        """SettingError for a decoder that is not a finite matrix, or a noise that is not
        positive.
        """
        matrix = bounded_array("decoder", decoder, "inputs, neurons")
        if not matrix.size:
            raise SettingError.of("decoder", matrix, "should have one input and neuron at least")
        self.decoder: NDArray[np.float64] = matrix.astype(np.float64)  # a copy
        self.decoder.flags.writeable = False
        self.noise_sd = positive("noise_sd", noise_sd)

    __repr__ = card_title

    def __str__(self) -> str:
        """A card: sizes, the law and its numbers, noise_sd in units of the stimuli."""
        law = (type(self).__doc__ or "").split("\n\n")[0]
        numbers = [(name, f"{own:g}") for name, own in vars(self).items() if isinstance(own, float)]
        sizes = (
            f"{counted(self.inputs, 'input', 'inputs')}, "
            f"{counted(self.neurons, 'neuron', 'neurons')}"
        )
        rows = [("law", " ".join(law.split()).rstrip(".")), *numbers]
        return card(f"model: {self.kind.replace('_', ' ')}, {sizes}", rows)

    @property
    def inputs(self) -> int:
        """Numbers per stimulus."""
        return self.decoder.shape[0]

    @property
    def neurons(self) -> int:
        """Latent variables per stimulus."""
        return self.decoder.shape[1]

    @property
    @abstractmethod
    def log_prior_constant(self) -> float:
        """log p(r) + Σ_i φ(r_i), in nats: what normalises the prior."""

    @property
    def log_likelihood_constant(self) -> float:
        """−(inputs/2) log(2π s_x²), in nats: what normalises the likelihood."""
        return -0.5 * self.inputs * math.log(2 * math.pi * self.noise_sd**2)

    def activity_cost(self, r: NDArray[np.floating]) -> NDArray[np.float64]:
        """Σ_i φ(r_i) in nats, (…, neuron) to (…)."""
        r = np.asarray(r, np.float64)
        return self.expected_activity_cost(r**2, np.abs(r))

    @abstractmethod
    def expected_activity_cost(
        self, mean_square: NDArray[np.floating], mean_size: NDArray[np.floating]
    ) -> NDArray[np.float64]:
        """E Σ_i φ(r_i) in nats of random responses with E r_i² and E |r_i|, (…, neuron) to (…)."""

    @abstractmethod
    def _draw_prior(self, count: int, random: np.random.Generator) -> NDArray[np.float64]:
        """`count` draws of the prior, (count, neuron)."""

    def _draw_signal(
        self, r: NDArray[np.float64], random: np.random.Generator
    ) -> NDArray[np.float64]:
        """The stimuli before their noise, (count, inputs), of responses r (count, neuron)."""
        return r @ self.decoder.T

    def reference(
        self,
        stimuli: ArrayLike,
        key: int,
        *,
        first_stimulus: int = 0,
        progress: Progress | None = None,
    ) -> Reference:
        """The reference posterior of stimuli (stimulus, inputs).

        Stimulus s is keyed by the number first_stimulus + s, so a split into batches changes
        nothing. `progress` is called now and then. Raises SettingError for stimuli of another shape
        or not finite, StochsimError where no trustworthy reference is found.
        """
        x = check_stimuli(stimuli, self.inputs)
        if not len(x):
            raise SettingError.of("stimuli", x, "should be at least one stimulus")
        key = check_whole("key", key, 0, 2**64)
        first_stimulus = check_whole("first_stimulus", first_stimulus, 0, 2**32)
        numbers = first_stimulus + np.arange(len(x))
        announce_memory("a reference posterior", reference_bytes(len(x), self.neurons))
        found = self._reference(x, key, numbers, progress or _no_progress)
        return replace(found, stimuli=x.copy())

    @abstractmethod
    def _reference(
        self,
        x: NDArray[np.floating],
        key: int,
        numbers: NDArray[np.int64],
        progress: Progress,
    ) -> Reference:
        """`reference` of stimuli x (stimulus, inputs) that are keyed by these numbers
        (stimulus,).
        """

    def log_prior(self, r: NDArray[np.floating]) -> NDArray[np.float64]:
        """log p(r) in nats, normalised: −Σ_i φ(r_i) + `log_prior_constant`, (…, neuron) to (…);
        raises SettingError for responses of another shape, not finite or too large.
        """
        return self.log_prior_constant - self.activity_cost(self._responses(r))

    def log_likelihood(
        self, x: NDArray[np.floating], r: NDArray[np.floating]
    ) -> NDArray[np.float64]:
        """log p(x | r) in nats, normalised: −‖x − A r‖²/(2 s_x²) + `log_likelihood_constant`.

        x (…, inputs) and r (…, neuron) broadcast in the leading axes. Raises SettingError for
        other shapes, and numbers that are not finite or too large.
        """
        x, r = self._pair(x, r)
        return self._expected_log_likelihood(x, r @ self.decoder.T, np.zeros(()))

    def expected_log_likelihood(
        self, x: ArrayLike, mean: ArrayLike, signal_variance: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """E log p(x | r) in nats of random responses with the means (…, neuron); signal_variance
        (…): E ‖A r − A mean‖². A lower bound of it where the likelihood is not Gaussian.

        Raises SettingError as `log_likelihood`.
        """
        x, mean = self._pair(x, mean)
        return self._expected_log_likelihood(x, mean @ self.decoder.T, signal_variance)

    def _expected_log_likelihood(
        self,
        x: NDArray[np.float64],
        signal: NDArray[np.float64],
        signal_variance: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """The same of a mean signal A r (…, inputs)."""
        square = np.sum((x - signal) ** 2, axis=-1) + signal_variance
        return np.asarray(self.log_likelihood_constant - 0.5 * square / self.noise_sd**2)

    def log_joint(self, x: NDArray[np.floating], r: NDArray[np.floating]) -> NDArray[np.float64]:
        """log p(x, r) in nats, normalised; x and r as in log_likelihood."""
        return np.asarray(self.log_likelihood(x, r) + self.log_prior(r))

    def _responses(self, r: ArrayLike) -> NDArray[np.float64]:
        """Responses (…, neuron) in float64."""
        return bounded_array("r", r, "…, neuron", (self.neurons,)).astype(np.float64, copy=False)

    def _pair(self, x: ArrayLike, r: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Stimuli (…, inputs) and responses (…, neuron) whose leading axes broadcast."""
        x = bounded_array("x", x, "…, inputs", (self.inputs,)).astype(np.float64, copy=False)
        r = self._responses(r)
        try:
            np.broadcast_shapes(x.shape[:-1], r.shape[:-1])
        except ValueError:
            rule = f"leading axes {x.shape[:-1]} and {r.shape[:-1]}: should broadcast"
            raise SettingError.of(("x", "r"), rule=rule) from None
        return x, r

    def sample(self, count: int, key: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """`count` draws of the joint distribution: x (count, inputs) and the r (count, neuron)
        behind it.
        """
        count = check_whole("count", count, 0, 2**31)
        check_memory("draws", (count, self.inputs + self.neurons), np.float64, "take fewer")
        random = generator(check_whole("key", key, 0, 2**64), "sample", self.kind)
        r = self._draw_prior(count, random)
        return self._draw_signal(r, random) + self.noise_sd * random.standard_normal(
            (count, self.inputs)
        ), r


def _no_progress(done: int, total: int) -> None:
    """For those who want none."""


def positive(name: str, value: float) -> float:
    """`value` as a float, or a SettingError that names it."""
    found = check_positive(name, value)
    if not 1 / LARGEST <= found <= LARGEST:
        raise SettingError.of(name, value, f"should be from {1 / LARGEST:g} to {LARGEST:g}")
    return found
