"""Small studies of a user's own parts; functions stand here, where worker processes find them."""

import os
import signal
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

import stochsim as ss
from stochsim.studies import CustomStudy


def gaussian(stimuli, reads, key, width=1.0, shift=0.0):
    """Draws about the stimuli, of this width."""
    draws = np.random.default_rng(key).normal(size=(len(stimuli), reads, stimuli.shape[1]))
    return stimuli[:, None] + shift + width * draws


def mean_square(samples, truth):
    """Of the reads' distance from the truth, by stimulus."""
    return ((samples.values - truth[:, None]) ** 2).mean(axis=(1, 2))


def mean_output(samples, truth):
    """Of all reads and outputs, by stimulus."""
    return np.asarray(samples.values, np.float64).reshape(len(samples.values), -1).mean(axis=1)


def slow(stimuli, reads, key, seconds):
    """Draws, after a while."""
    time.sleep(seconds)
    return gaussian(stimuli, reads, key)


STIMULI = np.linspace(-1, 1, 12).reshape(6, 2)


def sampler_study(axes: Mapping[str, Any] | None = None, **parts: Any) -> CustomStudy:
    """Of draws about six stimuli of two numbers each."""
    given = {
        "sampler": gaussian,
        "data": (STIMULI, STIMULI),
        "measures": [mean_square],
        "axes": {"width": [0.5, 1.0], "key": [0, 1]} if axes is None else axes,
        "reads": 50,
    }
    return ss.Study(**(given | parts))


def linear_program() -> tuple[ss.Program, np.ndarray]:
    """A program of three noisy neurons of 4 bits, and stimuli in the midst of its range."""
    from stochsim.program import random_program

    program, inputs = random_program((6, 3), (4, 4, 4), sigma=2.0)
    return program, np.zeros((4, inputs["layer 1"].shape[1]))


def failing(stimuli, reads, key, fails):
    """Draws, or an error of the user's own."""
    if fails == "error":
        raise ValueError("no such sampler")
    if fails == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    return gaussian(stimuli, reads, key)


def without_a_key(stimuli, reads, key):
    """Draws that no key gives again."""
    return gaussian(stimuli, reads, int.from_bytes(os.urandom(8), "little"))


def killed_once(stimuli, reads, key, mark):
    """Draws; the first process that is asked for them ends without a word."""
    try:
        os.close(os.open(mark, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return gaussian(stimuli, reads, key)
    os.kill(os.getpid(), signal.SIGKILL)
    return None
