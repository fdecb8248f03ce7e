"""The networks without quantisers: what full precision samples, with
no noise but that of the network.
"""

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy import special
from stochsim_kernels.circuit import float_circuit
from stochsim_kernels.neuron import normal_cdf
from stochsim_kernels.random.integers import draw_integers

from stochsim.chip import memory_portions
from stochsim.chip.memory_portions import portions
from stochsim.chip.repeated_noise import NoiseWatch
from stochsim.chip.rng_address import NEURONS, Place
from stochsim.chip.samples import Samples
from stochsim.chip.stream import Stream
from stochsim.data import check_stimuli
from stochsim.energy import Operations
from stochsim.program import (
    LATERAL,
    LOG_SIGMA,
    READOUT,
    FloatFeedForward,
    FloatProgram,
    FloatRecurrent,
)
from stochsim.settings import (
    Argument,
    SettingError,
    card,
    card_title,
    check_arguments,
    check_draw,
    check_memory,
    check_sigma_scale,
    check_stable,
    renamed_arguments,
)

_STATES_AT_ONCE = (
    1 << 16
)  # of a recurrent network: 0.5 MB, which stay in the cache from step to step
# reads that are multiplied together, counted from read 0: a float sum may depend on its place in a
# matrix
_BLOCK = 64


class FloatChip:
    """A float network that is sampled without quantisers and without noise of a Hardware, by the
    same random integers as a Chip's.

    `sigma_scale` multiplies the program's sigma. Raises SettingError for what is no FloatProgram
    and a negative or non-finite `sigma_scale`, StochsimError for unstable recurrent weights.

    >>> import numpy as np
    >>> from stochsim.chip import FloatChip
    >>> from stochsim.program import float_single
    >>> program = float_single(np.eye(2), np.zeros(2), sigma=np.full(2, 0.1))
    >>> FloatChip(program).sample(np.ones((1, 2)), reads=1000, key=0).values.mean(axis=1).round(2)
    array([[1., 1.]], dtype=float32)
    """

    @renamed_arguments(noise="sigma_scale")
    def __init__(self, program: FloatProgram, sigma_scale: float = 1.0) -> None:
        rule = "should be a FloatProgram, as float_program gives one; a Program runs on a Chip"
        check_arguments("FloatChip(program)", Argument("program", program, FloatProgram, rule))
        self.sigma_scale = check_sigma_scale(sigma_scale)
        check_stable(program.radius)
        self.program = program
        self._noise_watch = NoiseWatch(program, self.sigma_scale)

    __repr__ = card_title

    def __str__(self) -> str:
        """A card: the program and its noise."""
        rows = [
            ("program", self.program.summary),
            ("sigma", f"as trained × {self.sigma_scale:g}"),
        ]
        return card("float chip: no hardware, no quantisers", rows)

    def sample(
        self, x: ArrayLike, reads: int, key: int, first_stimulus: int = 0, first_read: int = 0
    ) -> Samples:
        """Values (stimulus, read, neuron) = drive + sigma Phi^-1((u + 1/2) / 2^31), or the last
        state of a recurrent network's steps; no operations are counted.
        """
        program = self.program
        x = check_stimuli(x, program.inputs)
        draw = check_draw(len(x), reads, key, first_stimulus, first_read)
        shape = (len(x), draw.reads, program.neurons)
        most = memory_portions.DRIVES_AT_ONCE
        beside = x.nbytes + memory_portions.BYTES_OF_VALUE * min(math.prod(shape), most)
        check_memory("samples", shape, np.float32, beside=beside)
        place = Place(draw.key, draw.first_stimulus, draw.first_read)
        x = np.asarray(x, np.float64)
        self._noise_watch.see(x, place)
        if program.wiring.is_recurrent:
            values = _chains(program, self.sigma_scale, x, draw.reads, place)
        else:
            values = self._drawn(x, draw.reads, place)
        if not np.isfinite(values).all():
            rule = (
                "gives values beyond float32: its weights, its noise or the stimuli are too large"
            )
            raise SettingError.of("program", rule=rule)
        return Samples(None, Operations(), None, values, stimuli=x.copy())

    def _drawn(self, x: np.ndarray, reads: int, place: Place) -> np.ndarray:
        """Values (stimulus, read, neuron) float32 of a feed-forward network, made in portions."""
        mean, sigma = self.moments(x)
        scaled = np.broadcast_to(self.sigma_scale * sigma, mean.shape)
        values = np.empty((len(x), reads, self.program.neurons), np.float32)
        most = memory_portions.DRIVES_AT_ONCE
        for some, block in portions(len(x), reads, self.program.neurons, most):
            here = Place(
                place.key, place.first_stimulus + some.start, place.first_read + block.start
            )
            part = values[some, block]
            normal = special.ndtri((_integers(here, part.shape) + 0.5) / normal_cdf.ONE)
            part[...] = mean[some, None, :] + scaled[some, None, :] * normal
        return values

    def stream(self, key: int, position: int = 0) -> Stream[Samples]:
        """Successive samples with new noise at each call (see `Stream`)."""
        return Stream(self.sample, key, position)

    def moments(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean (stimulus, neuron) and sigma (stimulus, neuron; one row where all stimuli share it)
        of a feed-forward network.
        """
        layers, wiring = self.program.layers, self.program.wiring
        assert isinstance(wiring, FloatFeedForward)
        h = x
        for name, layer in layers.items():
            if name not in (LOG_SIGMA, READOUT):
                h = np.clip(_products(layer.weight, h) + layer.bias, -1.0, 1.0)
        readout = layers[READOUT]
        if wiring.sigma is not None:
            return np.asarray(h @ readout.weight.T + readout.bias), wiring.sigma[None]
        head = layers[LOG_SIGMA]
        sigma = np.exp(head.bias + _products(head.weight, h))
        return _products(readout.weight, h) + readout.bias, sigma


def _products(weight: np.ndarray, x: np.ndarray) -> np.ndarray:
    """weight (neuron, input) times each of x (stimulus, input) by itself, so that float sums do not
    depend on the others.
    """
    return np.asarray(np.matmul(weight, x[:, :, None])[:, :, 0])


def _integers(place: Place, shape: tuple[int, ...]) -> np.ndarray:
    """Random integers u, uint32 of this shape (stimulus, read, neuron)."""
    u = np.empty(shape, np.uint32)
    draw_integers(place.address(NEURONS), u)
    return u


def _chains(
    program: FloatProgram, sigma_scale: float, x: np.ndarray, reads: int, place: Place
) -> np.ndarray:
    """The last states (stimulus, read, neuron) float32 of independent chains; whole blocks of reads
    run, others are cut.
    """
    before = place.first_read % _BLOCK
    whole = -(-(before + reads) // _BLOCK) * _BLOCK
    out = np.empty((len(x), whole, program.neurons), np.float32)
    assert isinstance(program.wiring, FloatRecurrent)
    readout = program.layers[READOUT]
    push = program.wiring.time_step * (_products(readout.weight, x) + readout.bias)
    for some, block in portions(len(x), whole, program.neurons, _STATES_AT_ONCE, _BLOCK):
        here = Place(
            place.key, place.first_stimulus + some.start, place.first_read - before + block.start
        )
        out[some, block] = _run(program, sigma_scale, push[some], block.stop - block.start, here)
    return out[:, before : before + reads]


def _run(
    program: FloatProgram, sigma_scale: float, push: np.ndarray, reads: int, place: Place
) -> np.ndarray:
    """The last states (stimulus, read, neuron) float64 of a multiple of _BLOCK reads; push
    (stimulus, neuron): what the stimulus adds at every step.
    """
    wiring = program.wiring
    assert isinstance(wiring, FloatRecurrent)
    shape = (len(push), reads, program.neurons)
    step = wiring.step(program.layers[LATERAL].weight).T
    shrink = wiring.time_step * wiring.shrink
    added = float_circuit.FloatStep(push, shrink, 1 / wiring.width, sigma_scale * wiring.sigma)
    u = np.zeros(shape)
    moved = np.empty(shape)
    for t in range(wiring.steps):
        np.matmul(
            u.reshape(-1, _BLOCK, program.neurons),
            step,
            out=moved.reshape(-1, _BLOCK, program.neurons),
        )
        float_circuit.finish_step(u, added, place.at(t).address(NEURONS), moved)
        u, moved = moved, u
    return u
