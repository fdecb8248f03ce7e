"""What the fuzzer calls functions with: small programs, chips, models, networks, samples."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch

import stochsim as ss
from stochsim import models, posterior
from stochsim import program as programs

STUDY: dict[str, Any] = {
    "version": 1,
    "model": {"kind": "linear_gaussian", "neurons": 4, "noise_sd": 0.5},
    "data": {"kind": "digits", "size": 8, "components": 8},
    "train": {"steps": 5, "batch": 8, "learning_rate": 5e-3},
    "hardware": {"preset": "digital-45nm"},
    "grid": {"bits": [2, 4], "noise": [0, 1], "rho": [1.0], "keys": [0]},
    "measure": {"stimuli": 8, "reads": 100, "directions": 4},
}


WORK = ("reads", "count", "n", "resamples", "directions", "steps", "stimuli", "batch")
"""Arguments where a large number is a long run that was asked for, up to the memory there is."""

MOST_WORK = 10**5


class Door(NamedTuple):
    """A call with right arguments by name; `frozen`: arguments that are left as they are."""

    call: Callable[..., Any]
    arguments: Callable[[], dict[str, Any]]
    frozen: tuple[str, ...] = ()


DIGITAL = ss.load_hardware("digital-45nm", bits=4)
SIGNED = programs.Quantizer(4, 0.25)


def randoms(key: int = 0) -> np.random.Generator:
    return np.random.default_rng(key)


def normal(*shape: int) -> np.ndarray:
    """Standard normals, the same at every call."""
    return randoms().normal(size=shape)


def layer_fields(neurons: int = 3, inputs: int = 4) -> dict[str, Any]:
    """What a Layer is made of."""
    return {
        "weight_codes": randoms().integers(-7, 8, (neurons, inputs)).astype(np.int8),
        "weight_bits": 4,
        "weight_scale": 0.1,
        "input": SIGNED,
        "output": SIGNED,
        "bias": normal(neurons),
        "sigma": np.full(neurons, 0.3),
        "activation": "identity",
        "own_width": False,
    }


def one_layer(neurons: int = 3, inputs: int = 4, **changes: Any) -> programs.Layer:
    return programs.Layer(**{**layer_fields(neurons, inputs), **changes})


def layer_of(bits: ss.Precision) -> programs.Layer:
    """A layer of four inputs of these widths."""
    codes = np.ones((3, 4), np.int8)
    scales = [programs.Quantizer(one, 0.25) for one in (bits.input_bits, bits.output_bits)]
    return one_layer(
        weight_codes=codes, weight_bits=bits.weight_bits, input=scales[0], output=scales[1]
    )


def recurrent_parts() -> dict[str, Any]:
    table = 0.01 * normal(SIGNED.levels, 3)
    return {
        "readout": one_layer(),
        "lateral": one_layer(3, 3, weight_scale=0.01),
        "table": table,
        "steps": 3,
        "radius": 0.5,
        "rho": 1.0,
    }


def head_parts() -> dict[str, Any]:
    return {
        "hidden": (one_layer(5, 4, sigma=np.zeros(5)),),
        "log_sigma": one_layer(3, 5, sigma=np.zeros(3)),
        "readout": one_layer(3, 5),
        "base": np.full(3, -1.0),
        "rho": 1.0,
    }


@functools.cache
def program_of(kind: str) -> ss.Program:
    """A small program of each wiring, of four inputs."""
    if kind == "recurrent":
        return programs.recurrent(**recurrent_parts())
    if kind == "log-sigma":
        return programs.with_log_sigma(**head_parts())
    if kind == "graph":
        return converted().program
    return programs.single_layer(one_layer(), 1.0)


@functools.cache
def chip_of(kind: str) -> ss.Chip:
    """A chip with a program of this wiring, or with an array."""
    if kind == "array":
        return ss.Chip(program_of("single"), ss.load_hardware("rram-array", bits=4))
    return ss.Chip(program_of(kind), DIGITAL)


@functools.cache
def converted() -> Any:
    """A small network of torch on a chip."""
    return ss.convert(torch_module(), DIGITAL, torch.from_numpy(normal(16, 4)).float())


@functools.cache
def torch_module() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU(), torch.nn.Linear(3, 2)).eval()


@functools.cache
def dataset() -> ss.Dataset:
    """Small pictures of digits."""
    return ss.load_dataset("digits", size=8, components=8, key=0)


LINEAR = ss.LinearGaussian(neurons=4, noise_sd=0.5)
SPARSE = ss.SparseCoding(neurons=4, noise_sd=0.5, laplace_scale=1.0)
MIXTURE = ss.GaussianScaleMixture(neurons=4, noise_sd=0.5)


@functools.cache
def built_model(kind: str) -> Any:
    known: dict[str, Any] = {"linear": LINEAR, "sparse": SPARSE, "mixture": MIXTURE}
    settings = known[kind]
    return ss.build_model(settings, normal(8, 4))


@functools.cache
def trained() -> ss.TrainedNetwork:
    """A network after five steps."""
    return ss.train(LINEAR, dataset().train, steps=5, key=0)


@functools.cache
def quantised() -> ss.TrainedNetwork:
    """The same in 4 bits."""
    return trained().quantise(4, 0)


@functools.cache
def reference() -> ss.Reference:
    """The posterior of three stimuli."""
    return built_model("linear").reference(normal(3, 8), 0)


@functools.cache
def orthogonal_model() -> Any:
    return ss.build_model(SPARSE, np.eye(4))


def small_reference() -> ss.Reference:
    """A posterior of a few draws, so that its file is small."""
    draws = randoms().normal(size=(2, 4, 10, 3)).astype(np.float32)
    return ss.Reference.from_draws(
        draws, models.Diagnostics(np.ones(2), np.ones(2), np.ones(2, np.int64))
    )


def some_samples() -> np.ndarray:
    return reference().subset(2, 60)


@functools.cache
def posterior_distance() -> posterior.PosteriorDistance:
    sets = (reference().subset(0, 60), reference().subset(1, 60))
    return posterior.PosteriorDistance(sets, reference().mean, reference().sd, directions=4)


@functools.cache
def one_bill() -> ss.Bill:
    return chip_of("single").bill(normal(3, 4), 10)


def array_chip_bill() -> ss.Bill:
    """Of a chip with ADCs."""
    return chip_of("array").bill(normal(3, 4), 5)


def bill_counts() -> dict[str, Any]:
    return {"readout": one_bill().total_operations}


def method_of(make: Callable[[], Any], name: str) -> Callable[..., Any]:
    """A method of what `make` gives, looked up when it is called."""
    return lambda **given: getattr(make(), name)(**given)


def given_as(**arguments: Any) -> Callable[[], dict[str, Any]]:
    """These arguments, in a table of its own for each call."""
    return lambda: dict(arguments)


def run_program(program: ss.Program) -> Any:
    """What a chip of the program's own widths gives for three stimuli."""
    bits = ss.Precision(
        weight_bits=min(program.weight_bits, 8),
        input_bits=program.input.bits,
        output_bits=program.output.bits,
    )
    made = ss.Chip(program, ss.load_hardware("digital-45nm", bits=bits))
    x = normal(3, program.inputs)
    return made.sample(x, 5, 0), made.bill(x, 5)


def copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: copied(one) for name, one in value.items()}
    return list(value) if isinstance(value, list) else value
