"""Every public function of Python, with right arguments that a fuzzer then makes wrong."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch

import stochsim as ss
from stochsim import accounting, chip, data, energy, hardware, keys, models, networks, posterior
from stochsim import program as programs
from stochsim.studies import plan_study
from stochsim.training import TrainSettings

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


def _random(key: int = 0) -> np.random.Generator:
    return np.random.default_rng(key)


def normal(*shape: int) -> np.ndarray:
    """Standard normals, the same at every call."""
    return _random().normal(size=shape)


def layer_fields(neurons: int = 3, inputs: int = 4) -> dict[str, Any]:
    """What a Layer is made of."""
    return {
        "weight_codes": _random().integers(-7, 8, (neurons, inputs)).astype(np.int8),
        "weight_bits": 4,
        "weight_scale": 0.1,
        "input": SIGNED,
        "output": SIGNED,
        "bias": normal(neurons),
        "sigma": np.full(neurons, 0.3),
        "activation": "identity",
        "own_width": False,
    }


def _layer(neurons: int = 3, inputs: int = 4, **changes: Any) -> programs.Layer:
    return programs.Layer(**{**layer_fields(neurons, inputs), **changes})


def layer_of(bits: ss.Precision) -> programs.Layer:
    """A layer of four inputs of these widths."""
    codes = np.ones((3, 4), np.int8)
    scales = [programs.Quantizer(one, 0.25) for one in (bits.input_bits, bits.output_bits)]
    return _layer(
        weight_codes=codes, weight_bits=bits.weight_bits, input=scales[0], output=scales[1]
    )


def _recurrent_parts() -> dict[str, Any]:
    table = 0.01 * normal(SIGNED.levels, 3)
    return {
        "readout": _layer(),
        "lateral": _layer(3, 3, weight_scale=0.01),
        "table": table,
        "steps": 3,
        "radius": 0.5,
        "rho": 1.0,
    }


def _head_parts() -> dict[str, Any]:
    return {
        "hidden": (_layer(5, 4, sigma=np.zeros(5)),),
        "log_sigma": _layer(3, 5, sigma=np.zeros(3)),
        "readout": _layer(3, 5),
        "base": np.full(3, -1.0),
        "rho": 1.0,
    }


@functools.cache
def program_of(kind: str) -> ss.Program:
    """A small program of each wiring, of four inputs."""
    if kind == "recurrent":
        return programs.recurrent(**_recurrent_parts())
    if kind == "log-sigma":
        return programs.with_log_sigma(**_head_parts())
    if kind == "graph":
        return converted().program
    return programs.single_layer(_layer(), 1.0)


@functools.cache
def chip_of(kind: str) -> ss.Chip:
    """A chip with a program of this wiring, or with an array."""
    if kind == "array":
        return ss.Chip(program_of("single"), ss.load_hardware("rram-array", bits=4))
    return ss.Chip(program_of(kind), DIGITAL)


@functools.cache
def converted() -> Any:
    """A small network of torch on a chip."""
    return ss.convert(_module(), DIGITAL, torch.from_numpy(normal(16, 4)).float())


@functools.cache
def _module() -> torch.nn.Module:
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
def _built(kind: str) -> Any:
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
    return _built("linear").reference(normal(3, 8), 0)


@functools.cache
def _orthogonal() -> Any:
    return ss.build_model(SPARSE, np.eye(4))


def small_reference() -> ss.Reference:
    """A posterior of a few draws, so that its file is small."""
    draws = _random().normal(size=(2, 4, 10, 3)).astype(np.float32)
    return ss.Reference.from_draws(
        draws, models.Diagnostics(np.ones(2), np.ones(2), np.ones(2, np.int64))
    )


def _samples() -> np.ndarray:
    return reference().subset(2, 60)


@functools.cache
def _distance() -> posterior.PosteriorDistance:
    sets = (reference().subset(0, 60), reference().subset(1, 60))
    return posterior.PosteriorDistance(sets, reference().mean, reference().sd, directions=4)


@functools.cache
def _bill() -> ss.Bill:
    return chip_of("single").bill(normal(3, 4), 10)


def array_chip_bill() -> ss.Bill:
    """Of a chip with ADCs."""
    return chip_of("array").bill(normal(3, 4), 5)


def _counts() -> dict[str, Any]:
    return {"readout": _bill().total_operations}


def _method(make: Callable[[], Any], name: str) -> Callable[..., Any]:
    """A method of what `make` gives, looked up when it is called."""
    return lambda **given: getattr(make(), name)(**given)


def _given(**arguments: Any) -> Callable[[], dict[str, Any]]:
    """These arguments, in a table of its own for each call."""
    return lambda: dict(arguments)


def _draws() -> dict[str, Door]:
    doors: dict[str, Door] = {}
    asked = {"x": normal(3, 4), "reads": 10}
    place = {"key": 0, "first_stimulus": 0, "first_read": 0, "count": True}
    for kind in ("single", "log-sigma", "recurrent", "graph", "array"):
        made = functools.partial(chip_of, kind)
        doors |= {
            f"{kind} chip.sample": Door(_method(made, "sample"), _given(**asked, **place)),
            f"{kind} chip.bill": Door(_method(made, "bill"), _given(**asked, rho=1.0)),
            f"{kind} chip.operations": Door(_method(made, "operations"), _given(**asked)),
            f"{kind} chip.workload": Door(_method(made, "workload"), _given(**asked)),
        }
    single = functools.partial(chip_of, "single")
    for name in ("drive", "sigmas", "trained_sigma", "thresholds", "probabilities"):
        doors[f"chip.{name}"] = Door(_method(single, name), _given(x=normal(3, 4)))
    return doors


def _chips() -> dict[str, Door]:
    def chain(**given: Any) -> Any:
        return chip_of("recurrent").sample(normal(3, 4), key=0, **given)

    def made(**given: Any) -> Any:
        return ss.Chip(**given).sample(normal(3, 4), 5, 0)

    return {
        "Chip": Door(
            made,
            lambda: {
                "program": program_of("single"),
                "hardware": DIGITAL,
                "sigma_scale": 1.0,
                "chip_key": 0,
                "calibration": normal(3, 4),
            },
        ),
        "chip.sample(steps_between_reads)": Door(
            chain, lambda: {"reads": 10, "steps_between_reads": 2}
        ),
        "chip.register_period": Door(
            lambda **given: chip_of("recurrent").register_period(**given),
            lambda: {"steps_between_reads": 2},
        ),
        "FloatChip": Door(
            lambda sigma_scale, x, reads, key, **given: chip.FloatChip(
                programs.float_single(**given), sigma_scale
            ).sample(x, reads, key),
            lambda: {
                "weight": normal(3, 4),
                "bias": normal(3),
                "sigma": np.ones(3),
                "rho": 1.0,
                "sigma_scale": 1.0,
                "x": normal(2, 4),
                "reads": 5,
                "key": 0,
            },
        ),
        "bill_of_inputs": Door(
            chip.bill_of_inputs,
            lambda: {
                "program": program_of("single"),
                "hardware": DIGITAL,
                "integers": {"readout": _random().integers(-7, 8, (3, 4)).astype(np.int8)},
                "reads": 10,
            },
        ),
    }


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


def _programs() -> dict[str, Door]:
    def quantizer(**given: Any) -> Any:
        made = programs.Quantizer(**given)
        return made.values(made.codes(normal(4)))

    def layer(**given: Any) -> Any:
        return run_program(programs.single_layer(programs.Layer(**given)))

    def by_hand(**given: Any) -> Any:
        return run_program(ss.Program(**given))

    def floats(**given: Any) -> Any:
        return chip.FloatChip(programs.float_recurrent(**given)).sample(normal(2, 4), 4, 0)

    def deep(**given: Any) -> Any:
        return chip.FloatChip(programs.float_deep(**given)).sample(normal(2, 4), 4, 0)

    shape = {"inputs": 4, "neurons": 3, "weight_bits": 4, "input_bits": 4, "output_bits": 4}
    return {
        "Quantizer": Door(quantizer, lambda: {"bits": 4, "scale": 0.5, "unsigned": False}),
        "Quantizer.codes": Door(SIGNED.codes, lambda: {"values": normal(3, 4)}),
        "Quantizer.values": Door(SIGNED.values, lambda: {"codes": np.arange(-8, 8, dtype=np.int8)}),
        "Layer": Door(layer, layer_fields),
        "Program": Door(
            by_hand,
            lambda: {"layers": {"a": _layer()}, "wiring": programs.FeedForward(), "rho": 1.0},
        ),
        "single_layer": Door(
            lambda **given: run_program(programs.single_layer(**given)),
            lambda: {"layer": _layer(), "rho": 0.0},
        ),
        "feed_forward": Door(
            lambda **given: run_program(programs.feed_forward(**given)),
            lambda: {"layers": {"a": _layer(3, 4), "b": _layer(2, 3)}, "rho": 0.0},
        ),
        "with_log_sigma": Door(
            lambda **given: run_program(programs.with_log_sigma(**given)), _head_parts
        ),
        "recurrent": Door(
            lambda **given: run_program(programs.recurrent(**given)), _recurrent_parts
        ),
        "random_program": Door(
            programs.random_program,
            lambda: {"sizes": (4, 3), "widths": (4, 4, 4), "sigma": 0.3, "key": 0, "stimuli": 2},
        ),
        "float_deep": Door(
            deep,
            lambda: {
                "hidden": (programs.FloatLayer(normal(5, 4), normal(5)),),
                "log_sigma": programs.FloatLayer(0.1 * normal(3, 5), -np.ones(3)),
                "readout": programs.FloatLayer(normal(3, 5), normal(3)),
                "rho": 1.0,
            },
        ),
        "float_recurrent": Door(
            floats,
            lambda: {
                "readout": programs.FloatLayer(normal(3, 4), normal(3)),
                "lateral": 0.1 * normal(3, 3),
                "wiring": programs.FloatRecurrent(
                    0.5, np.full(3, 0.1), np.ones(3), np.full(3, 0.2), 3
                ),
                "rho": 1.0,
            },
        ),
        "FloatLayer": Door(
            lambda **given: chip.FloatChip(
                programs.float_deep(
                    (programs.FloatLayer(**given),),
                    programs.FloatLayer(0.1 * normal(3, 5), -np.ones(3)),
                    programs.FloatLayer(normal(3, 5), normal(3)),
                )
            ).sample(normal(2, 4), 4, 0),
            lambda: {"weight": normal(5, 4), "bias": normal(5)},
        ),
        "FloatRecurrent": Door(
            programs.FloatRecurrent,
            lambda: {
                "time_step": 0.5,
                "shrink": np.full(3, 0.1),
                "width": np.ones(3),
                "sigma": np.full(3, 0.2),
                "steps": 3,
            },
        ),
        "Geometry": Door(
            programs.Geometry,
            lambda: {
                "kernel": (3, 3),
                "stride": (1, 1),
                "padding": ((1, 1), (1, 1)),
                "dilation": (1, 1),
                "groups": 1,
                "padding_mode": "zeros",
            },
        ),
        "LayerShape, layer_cycles": Door(
            lambda hardware, **given: accounting.layer_cycles(
                programs.LayerShape(**given), hardware
            ),
            lambda: {**shape, "has_noise": False, "hardware": DIGITAL},
        ),
        "Layer.group": Door(
            lambda **given: _layer(4).group(**given), lambda: {"number": 0, "groups": 2}
        ),
        "program.save": Door(
            lambda **given: program_of("single").save(**given), lambda: {"folder": "saved"}
        ),
    }


def _energies() -> dict[str, Door]:
    adc = energy.price("adc-zigzag-28nm")
    table = DIGITAL.price_table(1.0)
    return {
        "Operation": Door(
            lambda **given: hash(energy.Operation(**given)),
            lambda: {"kind": "multiply", "args": (4, 4)},
        ),
        "Operations": Door(
            lambda counts: dict(energy.Operations(counts)),
            lambda: {"counts": {energy.Operation("multiply", (4, 4)): 3}},
        ),
        "Operations.of": Door(
            lambda counts: dict(energy.Operations.of(counts)),
            lambda: {"counts": {energy.Operation("multiply", (4, 4)): 3}},
        ),
        "operations * number": Door(
            lambda n: dict(_bill().total_operations * n), lambda: {"n": 2.0}
        ),
        "operations + operations": Door(
            lambda other: dict(_bill().total_operations + other),
            lambda: {"other": _bill().total_operations},
        ),
        "Energy": Door(energy.Energy, lambda: {"joules": {"add": 1e-12}}),
        "energy / number": Door(lambda n: _bill().energy / n, lambda: {"n": 2.0}),
        "energy + energy": Door(lambda e: _bill().energy + e, lambda: {"e": _bill().energy}),
        "price_operations": Door(
            energy.price_operations,
            lambda: {"operations": _bill().total_operations, "prices": table, "voltage_v": 0.9},
        ),
        "format_energy": Door(energy.format_energy, lambda: {"joules": 1e-12, "digits": 3}),
        "price": Door(energy.price, lambda: {"name": "adc-zigzag-28nm"}),
        "price.energy_j": Door(adc.energy_j, lambda: {"args": (8,), "voltage_v": 0.9}),
        "price.flags": Door(adc.flags, lambda: {"args": (8,)}),
        "price.times": Door(adc.times, lambda: {"factor": 0.5, "words": "half"}),
        "price.with_parameters": Door(
            energy.price("adc-accelergy").with_parameters, lambda: {"frequency_hz": 1e9}
        ),
        "reliability_law": Door(
            energy.reliability_law,
            lambda: {"rho": 1.0, "voltage_v": 0.9, "e_bit_j": 1e-15, "e0_j": None},
        ),
        "ReliabilityLaw": Door(
            lambda sigma, **given: energy.ReliabilityLaw(**given).energy_j(sigma),
            lambda: {"rho": 1.0, "scale_j": 1e-15, "sigma": 0.5},
        ),
        "Scaling": Door(energy.Scaling, lambda: {"node_nm": 45.0, "voltage_v": 0.9}),
    }


def _hardware() -> dict[str, Door]:
    rram = ss.load_hardware("rram-array", bits=4)

    def sections(name: str, **given: Any) -> Any:
        made = getattr(hardware, name)(**given)
        return str(made)

    def section(name: str, right: dict[str, Any]) -> Door:
        return Door(lambda name=name, **given: sections(name, **given), lambda: dict(right))

    return {
        "Hardware": Door(lambda **given: str(hardware.Hardware(**given)), rram.to_table),
        "hardware.replace": Door(
            rram.replace, lambda: {"name": "mine", "array": rram.array, "noise": rram.noise}
        ),
        "hardware.with_": Door(
            rram.with_, lambda: {"settings": {"array.adc.bits": 6, "noise.read_sigma": 0.1}}
        ),
        "hardware.with_precision": Door(
            DIGITAL.with_precision, lambda: {"weight_bits": 4, "input_bits": 4, "output_bits": 4}
        ),
        "hardware.with_price": Door(
            rram.with_price,
            lambda: {"kind": "adc", "name": "adc-accelergy", "frequency_hz": 1e9},
        ),
        "hardware.energy": Door(
            rram.energy, lambda: {"operations": _bill().total_operations, "rho": 1.0}
        ),
        "hardware.accumulator_width": Door(DIGITAL.accumulator_width, lambda: {"inputs": 100}),
        "hardware.reliability_law": Door(DIGITAL.reliability_law, lambda: {"rho": 1.0}),
        "hardware.price_table": Door(DIGITAL.price_table, lambda: {"rho": 1.0}),
        "hardware.write": Door(DIGITAL.write, lambda: {"path": "chip.toml"}),
        "Hardware.read": Door(ss.Hardware.read, lambda: {"path": "chip.toml"}),
        "load_hardware": Door(ss.load_hardware, lambda: {"source": "digital-45nm", "bits": 4}),
        "preset": Door(ss.preset, lambda: {"name": "digital-45nm"}),
        "Precision": section("Precision", {"weight_bits": 4, "input_bits": 4, "output_bits": 4}),
        "Noise": section("Noise", {"read_sigma": 0.1, "input_dither": "stochastic"}),
        "Array": section(
            "Array",
            {"rows": 64, "columns": 64, "adc": {"bits": 6}, "cells": {"device": "rram-wan"}},
        ),
        "Adc": section("Adc", {"bits": 2, "sigma_lsb": 0.3, "inl_lsb": [0.0, 0.1, 0.0]}),
        "Timing": section("Timing", {"clock_hz": 1e9, "multipliers": 64}),
        "Memory": section("Memory", {"weight_errors": 1e-3}),
        "RandomSource": section("RandomSource", {"lfsr_bits": 31, "neurons_per_source": 2}),
        "Reliability": section("Reliability", {"e0_j": 1e-15, "s": 0.5}),
        "device": Door(hardware.device, lambda: {"name": "rram-wan"}),
        "bit_error_rate": Door(
            hardware.bit_error_rate, lambda: {"voltage_over_vmin": 0.9, "decade": 0.04}
        ),
        "relative_drop": Door(
            hardware.relative_drop,
            lambda: {"g_s": np.full((3, 2), 1e-5), "wire_ohm": 1.0},
        ),
        "read_channel_text": Door(
            hardware.read_channel_text,
            lambda: {"text": "drive,p0,p1\n-1,0.9,0.1\n1,0.1,0.9\n"},
        ),
        "read_device_text": Door(
            hardware.read_device_text, lambda: {"text": "g_us,programming_sigma_us\n1,.1\n9,.2\n"}
        ),
        "hardware.describe": Door(hardware.describe, lambda: {"hardware": rram}),
    }


def _data_and_models() -> dict[str, Door]:
    doors = {
        "load_dataset": Door(
            ss.load_dataset, lambda: {"kind": "digits", "size": 8, "components": 8, "key": 0}
        ),
        "evaluation_stimuli": Door(
            data.evaluation_stimuli, lambda: {"dataset": dataset(), "count": 8, "key": 0}
        ),
        "Dataset": Door(
            lambda **given: dataclasses.replace(dataset(), **given),
            lambda: {"train": dataset().train.copy(), "held_out": dataset().held_out.copy()},
        ),
        "SparseCoding": Door(
            ss.SparseCoding, lambda: {"neurons": 4, "noise_sd": 0.5, "laplace_scale": 1.0}
        ),
        "LinearGaussian": Door(ss.LinearGaussian, lambda: {"neurons": 4, "noise_sd": 0.5}),
        "GaussianScaleMixture": Door(
            ss.GaussianScaleMixture, lambda: {"neurons": 4, "noise_sd": 0.5}
        ),
        "build_model": Door(
            lambda **given: ss.build_model(**given).reference(normal(2, 8), 0),
            lambda: {"settings": LINEAR, "decoder": normal(8, 4)},
        ),
        "elbo": Door(
            models.elbo,
            lambda: {
                "values": _samples(),
                "x": normal(3, 8),
                "decoder": normal(8, 4),
                "model": LINEAR,
                "sigma": np.ones(4),
            },
        ),
        "orthogonal_posterior_moments": Door(
            models.orthogonal_posterior_moments,
            lambda: {"model": _orthogonal(), "x": normal(3, 4)},
        ),
        "reference.subset": Door(
            lambda **given: reference().subset(**given), lambda: {"which": 1, "n": 60}
        ),
        "reference.compare": Door(
            lambda **given: str(reference().compare(**given)),
            lambda: {"samples": _samples(), "against": _samples(), "key": 0, "directions": 4},
        ),
        "Reference.from_draws": Door(
            ss.Reference.from_draws,
            lambda: {
                "draws": normal(3, 4, 10, 2).astype(np.float32),
                "diagnostics": models.Diagnostics(np.ones(3), np.ones(3), np.ones(3, np.int64)),
            },
        ),
        "Diagnostics": Door(
            models.Diagnostics,
            lambda: {
                "rhat": np.ones(3),
                "ess_per_draw": np.ones(3),
                "thinning": np.ones(3, np.int64),
            },
        ),
        "reference.save": Door(lambda **given: reference().save(**given), lambda: {"path": "ref"}),
        "Reference": Door(
            lambda **given: dataclasses.replace(reference(), **given),
            lambda: {
                "draws": np.asarray(reference().draws).copy(),
                "mean": reference().mean.copy(),
                "covariance": reference().covariance.copy(),
            },
        ),
    }
    rows = {"x": normal(3, 8), "r": normal(3, 4)}
    few = {"stimuli": normal(1, 8), "key": 0, "first_stimulus": 0}
    for kind in ("linear", "sparse", "mixture"):
        made = functools.partial(_built, kind)
        doors |= {
            f"{kind} log_joint": Door(_method(made, "log_joint"), _given(**rows)),
            f"{kind} log_likelihood": Door(_method(made, "log_likelihood"), _given(**rows)),
            f"{kind} log_prior": Door(_method(made, "log_prior"), _given(r=normal(3, 4))),
            f"{kind} model.sample": Door(_method(made, "sample"), _given(count=3, key=0)),
            f"{kind} model.reference": Door(_method(made, "reference"), _given(**few)),
        }
    return doors


def _measures() -> dict[str, Door]:
    def distance(**given: Any) -> Any:
        made = posterior.PosteriorDistance(**given)
        return made.distance(_samples()), made.blind(0)

    covariance = np.stack([np.eye(4)] * 3)
    return {
        "PosteriorDistance": Door(
            distance,
            lambda: {
                "sets": (reference().subset(0, 60), reference().subset(1, 60)),
                "mean": reference().mean,
                "sd": reference().sd,
                "directions": 4,
                "key": 0,
            },
        ),
        "distance": Door(
            lambda **given: _distance().distance(**given), lambda: {"values": _samples()}
        ),
        "blind": Door(lambda **given: _distance().blind(**given), lambda: {"key": 0}),
        "blind_draws": Door(
            posterior.blind_draws, lambda: {"draws": _samples(), "count": 10, "key": 0}
        ),
        "unit_directions": Door(
            posterior.unit_directions, lambda: {"count": 4, "neurons": 3, "key": 0}
        ),
        "effective_sample_size": Door(
            posterior.effective_sample_size, lambda: {"values": _samples()}
        ),
        "effective_samples": Door(
            posterior.effective_samples,
            lambda: {"values": _samples(), "independent": False, "period": None},
        ),
        "bootstrap": Door(
            lambda values, **given: str(
                posterior.bootstrap(lambda rows: np.mean(rows, axis=1), values, **given)
            ),
            lambda: {"values": normal(5), "key": 0, "resamples": 100, "level": 0.95},
        ),
        "mean_estimate": Door(
            lambda **given: str(posterior.mean_estimate(**given)),
            lambda: {"array": normal(5), "key": 0, "reason": "none"},
        ),
        "sample_moments": Door(posterior.sample_moments, lambda: {"values": _samples()}),
        "gaussian_kl": Door(
            posterior.gaussian_kl,
            lambda: {
                "chip_mean": normal(3, 4),
                "chip": covariance.copy(),
                "mean": normal(3, 4),
                "covariance": covariance.copy(),
            },
        ),
        "expected_gaussian_kl": Door(
            posterior.expected_gaussian_kl,
            lambda: {"neurons": 3, "reads": 100, "reference_draws": 100},
        ),
        "log_sd_correlation": Door(
            posterior.log_sd_correlation,
            lambda: {"chip_sd": np.exp(normal(3, 4)), "sd": np.exp(normal(3, 4))},
        ),
        "compare": Door(
            lambda **given: posterior.compare(**given).per_stimulus(),
            lambda: {
                "values": _samples(),
                "mean": reference().mean,
                "covariance": reference().covariance,
                "draws": reference().subset(1, 60),
                "step": 0.1,
                "inputs": normal(3, 8),
                "dictionary": normal(8, 4),
            },
        ),
        "sampling_quality": Door(
            lambda **given: str(posterior.sampling_quality(**given)),
            lambda: {
                "to_posterior": _distance(),
                "draws": reference().subset(1, 60),
                "reads": posterior.as_reads("samples", _samples()),
                "against": _samples(),
                "key": 0,
            },
        ),
        "survival": Door(
            lambda **given: str(posterior.survival(**given)),
            lambda: {
                "d": normal(5),
                "d_blind": normal(5) + 9,
                "d_full": normal(5) - 1,
                "key": 0,
            },
        ),
        "cliff": Door(
            posterior.cliff,
            lambda: {
                "widths": [2, 4],
                "survivals": [posterior.survival(normal(5), normal(5) + 9, normal(5), 0)] * 2,
            },
        ),
        "thin_to_ess": Door(
            lambda **given: posterior.thin_to_ess(**given),
            lambda: {"values": normal(2, 400, 3), "reads": 20, "fraction": 0.8},
        ),
        "Estimate": Door(
            lambda **given: str(ss.Estimate(**given)),
            lambda: {"value": 0.5, "low": 0.4, "high": 0.6, "reason": ""},
        ),
    }


def _accounts() -> dict[str, Door]:
    def meter(stimuli: Any, reads: Any, **given: Any) -> Any:
        made = accounting.Meter(stimuli, reads)
        made.add(**given)
        return dict(made.total)

    doors = {
        "Bill": Door(
            lambda **given: str(ss.Bill(**given)),
            lambda: {
                "hardware": DIGITAL,
                "counts": _counts(),
                "cycles": {"readout": 1.0},
                "stimuli": 3,
                "reads": 10,
                "rho": 1.0,
            },
        ),
        "bill.with_hardware": Door(
            lambda **given: str(_bill().with_hardware(**given)),
            lambda: {"hardware": ss.load_hardware("digital-28nm", bits=4)},
        ),
        "Meter": Door(
            meter,
            lambda: {
                "stimuli": 3,
                "reads": 5,
                "layer": "a",
                "kind": "cell",
                "count": 3,
                "per": accounting.Sharing.READ,
            },
        ),
        "fold_in": Door(
            lambda key, name: keys.fold_in(key, name), lambda: {"key": 0, "name": "reads"}
        ),
        "generator": Door(
            lambda key, name: keys.generator(key, name).normal(),
            lambda: {"key": 0, "name": "reads"},
        ),
    }
    for name in ("price_shares", "alternatives", "compare_adc_models", "sensitivity_text"):
        doors[name] = Door(
            lambda name=name, **given: str(getattr(accounting, name)(**given)),
            lambda: {"bill": chip_of("array").bill(normal(3, 4), 5)},
        )
    return doors


def _trainings() -> dict[str, Door]:
    return {
        "train": Door(
            ss.train,
            lambda: {
                "model": LINEAR,
                "stimuli": dataset().train[:32].copy(),
                "key": 0,
                "architecture": "single",
                "rho": 0.0,
                "decoder": normal(8, 4),
                "hardware": DIGITAL,
                "progress": None,
                "steps": 2,
                "batch": 8,
                "learning_rate": 1e-3,
                "device": "cpu",
            },
            frozen=("steps", "progress"),  # what a function of the caller raises is the caller's
        ),
        "TrainSettings": Door(
            TrainSettings, lambda: {"steps": 2, "batch": 8, "learning_rate": 1e-3, "device": "cpu"}
        ),
        "NetworkSettings": Door(networks.NetworkSettings, lambda: {"inputs": 4, "neurons": 3}),
        "ArchitectureSettings": Door(
            networks.ArchitectureSettings, lambda: {"kind": "recurrent", "steps": 3}
        ),
        "trained.quantise": Door(
            lambda **given: trained().quantise(**given), lambda: {"bits": 4, "key": 0}
        ),
        "trained.sample": Door(
            lambda **given: trained().sample(**given),
            lambda: {"stimuli": dataset().held_out[:3].copy(), "reads": 5, "key": 0},
        ),
        "trained.reference": Door(
            lambda **given: trained().reference(**given),
            lambda: {"stimuli": dataset().held_out[:3].copy(), "key": 0},
        ),
        "trained.save": Door(lambda **given: trained().save(**given), lambda: {"path": "net"}),
        "to_program": Door(ss.to_program, lambda: {"trained": quantised()}),
    }


def _modules() -> dict[str, Door]:
    def examples() -> torch.Tensor:
        return torch.from_numpy(normal(16, 4)).float()

    return {
        "convert": Door(
            lambda **given: ss.convert(**given).sample(examples(), 2, 0),
            lambda: {
                "module": _module(),
                "hardware": DIGITAL,
                "examples": examples(),
                "bits": {"0": (4, 4, 4)},
                "strict": False,
                "keep_float": ["2"],
                "key": 0,
                "chip_key": 0,
            },
        ),
        "converted.sample": Door(
            lambda **given: converted().sample(**given),
            lambda: {"x": examples(), "reads": 3, "key": 0},
        ),
        "converted.bill": Door(
            lambda **given: converted().bill(**given), lambda: {"x": examples(), "reads": 3}
        ),
        "converted(x)": Door(
            lambda **given: converted()(**given),
            lambda: {"x": examples(), "key": 0, "first_stimulus": 0},
        ),
        "converted.export_qonnx": Door(
            lambda **given: converted().export_qonnx(**given), lambda: {"path": "net.onnx"}
        ),
    }


def _studies() -> dict[str, Door]:
    def planned(**table: Any) -> Any:
        return len(plan_study(ss.Study.from_table(table), DIGITAL).tasks)

    return {
        "Study.from_table": Door(
            planned, lambda: {name: _copied(one) for name, one in STUDY.items()}
        ),
        "Study": Door(
            lambda **given: str(ss.Study(**given)),
            lambda: (
                {name: _copied(one) for name, one in STUDY.items() if name != "hardware"}
                | {"hardware": {"preset": "digital-45nm"}}
            ),
        ),
        "open_run": Door(ss.open_run, lambda: {"run_folder": "nothing"}),
        "load_network": Door(ss.load_network, lambda: {"path": "nothing"}),
        "load_program": Door(ss.load_program, lambda: {"folder": "nothing"}),
        "load_converted": Door(
            ss.load_converted, lambda: {"folder": "nothing", "hardware": DIGITAL}
        ),
        "Reference.load": Door(ss.Reference.load, lambda: {"path": "nothing"}),
        "run_sweep": Door(
            ss.run_sweep, lambda: {"study_path": "nothing.toml", "run_folder": "out", "workers": 2}
        ),
        "run_optimize": Door(
            ss.run_optimize,
            lambda: {"file_path": "nothing.toml", "run_folder": "out", "workers": 2, "trials": 3},
        ),
        "write_report": Door(ss.write_report, lambda: {"run": "nothing"}),
    }


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _copied(one) for name, one in value.items()}
    return list(value) if isinstance(value, list) else value


def doors() -> dict[str, Door]:
    """All of them by name."""
    return {
        **_draws(),
        **_chips(),
        **_programs(),
        **_energies(),
        **_hardware(),
        **_data_and_models(),
        **_measures(),
        **_accounts(),
        **_trainings(),
        **_modules(),
        **_studies(),
    }
