"""Programs by hand and at random."""

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np

from stochsim.keys import generator
from stochsim.program.layer import HIDDEN, LATERAL, LOG_SIGMA, READOUT, Layer
from stochsim.program.program import Program
from stochsim.program.quantizer import Quantizer
from stochsim.program.wiring import FeedForward, LogSigmaHead, Recurrent
from stochsim.settings import (
    SettingError,
    check_kind,
    check_memory,
    check_not_negative,
    check_whole,
    plain,
)


def single_layer(layer: Layer, rho: float = 0.0) -> Program:
    """A program of one layer.

    >>> from stochsim.program import random_program, single_layer
    >>> program, _ = random_program((6, 3), (4, 4, 4), sigma=0.5)
    >>> single_layer(program.layers["layer 1"]).neurons               # see Layer for one by hand
    3
    """
    return Program({READOUT: layer}, FeedForward(), rho)


def feed_forward(layers: Mapping[str, Layer], rho: float = 0.0) -> Program:
    """Layers one after another; the last is read.

    >>> from stochsim.program import random_program
    >>> from stochsim.program import feed_forward
    >>> program, _ = random_program((6, 4, 2), (4, 4, 4), sigma=0.5)
    >>> list(feed_forward(program.layers).layers)
    ['layer 1', 'layer 2']
    """
    return Program(layers, FeedForward(), rho)


def with_log_sigma(
    hidden: tuple[Layer, ...], log_sigma: Layer, readout: Layer, base: np.ndarray, rho: float = 0.0
) -> Program:
    """Hidden layers, then a readout whose noise `log_sigma` sets; see `LogSigmaHead`. Raises
    SettingError as it does.
    """
    check_kind("hidden", hidden, (tuple, list), "should be a tuple of layers")
    layers = hidden_names(tuple(hidden)) | {LOG_SIGMA: log_sigma, READOUT: readout}
    return Program(layers, LogSigmaHead(base), rho)


def hidden_names(hidden: tuple[Any, ...]) -> dict[str, Any]:
    """Hidden layers by name: "hidden", or "hidden 1", "hidden 2", … where there are several."""
    if len(hidden) == 1:
        return {HIDDEN: hidden[0]}
    return {f"{HIDDEN} {number}": layer for number, layer in enumerate(hidden, 1)}


def recurrent(
    readout: Layer,
    lateral: Layer,
    table: np.ndarray,
    steps: int,
    radius: float,
    rho: float = 0.0,
) -> Program:
    """A circuit; see `Recurrent`, also for the errors raised."""
    return Program({READOUT: readout, LATERAL: lateral}, Recurrent(table, steps, radius), rho)


def random_program(
    sizes: tuple[int, ...],
    widths: tuple[int, int, int],
    sigma: float,
    key: int = 0,
    stimuli: int = 1,
) -> tuple[Program, dict[str, np.ndarray]]:
    """Layers "layer 1", "layer 2", … of this shape (inputs, neurons, …), and what each reads, int8
    (stimulus, input): weights and inputs drawn uniformly over their codes.

    widths: bits of weights, of inputs and of all outputs. The last layer's neurons keep the noise
    level sigma, the others have no noise. Raises SettingError for fewer than two sizes, one below
    1, other than three widths, a key that is none, and weights that do not fit into memory.

    >>> from stochsim.program import random_program
    >>> program, inputs = random_program((784, 100, 10), (4, 4, 4), sigma=0.5)
    >>> print(program)
    program: feed-forward, 784 inputs -> 10 neurons
      layer    shape       weights  inputs  outputs  sigma
      layer 1  784 -> 100  4 bits   4 bits  4 bits   none
      layer 2  100 -> 10   4 bits   4 bits  4 bits   0.5
    """
    for field, values in (("sizes", sizes), ("widths", widths)):
        if not isinstance(values, tuple | list):
            raise SettingError.of(field, values, "should be a tuple of integers")
    sizes = plain(tuple(sizes))
    widths = plain(tuple(widths))
    are_whole = all(type(size) is int for size in sizes)
    if len(sizes) < 2 or not are_whole or min(sizes) < 1:
        rule = "should be at least one input and one layer of neurons, as in 784-100-10"
        raise SettingError.of("sizes", sizes, rule)
    if len(widths) != 3:
        raise SettingError.of("widths", widths, "should be bits of weights, inputs and outputs")
    sigma = check_not_negative("sigma", sigma)
    key = check_whole("key", key, 0, 2**64)
    stimuli = check_whole("stimuli", stimuli, 0, 2**31)
    fewer = "take fewer stimuli" if stimuli > 1 else "take a smaller network"
    check_memory("inputs", (stimuli, max(sizes[:-1])), np.int64, fewer)
    random = generator(key, "drawn network")
    weight_bits, *others = widths
    reads, gives = (Quantizer(bits, 1.0) for bits in others)
    layers = {}
    integers = {}
    for number, (inputs, neurons) in enumerate(itertools.pairwise(sizes), 1):
        check_memory("weights", (neurons, inputs), np.int64, "take a smaller network")
        own = np.full(neurons, sigma if number == len(sizes) - 1 else 0.0)
        weights = _drawn(random, Quantizer(weight_bits, 1.0), (neurons, inputs), narrow=True)
        name = f"layer {number}"
        layers[name] = Layer(weights, weight_bits, 1.0, reads, gives, np.zeros(neurons), own)
        integers[name] = _drawn(random, reads, (stimuli, inputs))
        reads = gives
    return feed_forward(layers), integers


def _drawn(
    random: np.random.Generator, codes: Quantizer, shape: tuple[int, int], narrow: bool = False
) -> np.ndarray:
    """Integers (any shape) of codes, drawn uniformly; a narrow range has one code less, so that all
    have pairs.
    """
    least = codes.c_min + int(narrow and codes.bits > 1)
    drawn = random.integers(least, codes.c_min + codes.levels, shape)
    return codes.integers(drawn.astype(np.int8))
