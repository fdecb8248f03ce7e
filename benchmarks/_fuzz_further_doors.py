"""Further public functions with right arguments: wirings, workloads, prices, trainings, controls,
samples, streams, sections of settings.
"""

import dataclasses
from typing import Any

import numpy as np
from _fuzz_parts import (
    DIGITAL,
    LINEAR,
    STUDY,
    Door,
    array_chip_bill,
    chip_of,
    converted,
    dataset,
    layer_fields,
    normal,
    program_of,
    quantised,
    reference,
    run_program,
    trained,
)

import stochsim as ss
from stochsim import (
    accounting,
    controls,
    data,
    energy,
    hardware,
    lowering,
    models,
    networks,
    posterior,
    search,
    studies,
    training,
)
from stochsim import program as programs

SHORT = training.TrainSettings(steps=2, batch=8)


def _wirings() -> dict[str, Door]:
    def head(**given: Any) -> Any:
        own = program_of("log-sigma")
        return run_program(ss.Program(own.layers, programs.LogSigmaHead(**given), 1.0))

    def circuit(**given: Any) -> Any:
        own = program_of("recurrent")
        return run_program(ss.Program(own.layers, programs.Recurrent(**given), 1.0))

    def floats(**given: Any) -> Any:
        return str(programs.FloatProgram(**given))

    def graph(**given: Any) -> Any:
        own = program_of("graph")
        wiring = dataclasses.replace(own.wiring, **given)  # type: ignore[type-var]
        return str(ss.Program(own.layers, wiring, 1.0))

    def use(**given: Any) -> Any:
        shape = program_of("single").first.shape
        made = programs.LayerUse("readout", shape, **given)
        return programs.feed_forward_workload([made], DIGITAL.noise, 3)

    wiring: Any = program_of("graph").wiring
    single, circuit_shapes = program_of("single").shapes, program_of("recurrent").shapes
    return {
        "LogSigmaHead": Door(head, lambda: {"base": np.full(3, -1.0)}),
        "Recurrent": Door(
            circuit, lambda: {"table": 0.01 * normal(16, 3), "steps": 3, "radius": 0.5}
        ),
        "FloatProgram": Door(
            floats,
            lambda: {
                "layers": {"readout": programs.FloatLayer(normal(3, 4), normal(3))},
                "wiring": programs.FloatFeedForward(np.ones(3)),
                "rho": 1.0,
            },
        ),
        "FloatFeedForward": Door(programs.FloatFeedForward, lambda: {"sigma": np.ones(3)}),
        "Graph": Door(
            graph,
            lambda: {
                name: getattr(wiring, name)
                for name in ("nodes", "stimulus", "result", "shape", "dtype")
            },
        ),
        "LayerUse": Door(use, lambda: {"products": 3, "code_bits": 8, "draws": 1}),
        "log_sigma_workload": Door(
            programs.log_sigma_workload,
            lambda: {
                "shapes": program_of("log-sigma").shapes,
                "noise": DIGITAL.noise,
                "reads": 3,
            },
        ),
        "recurrent_workload": Door(
            programs.recurrent_workload,
            lambda: {
                "steps": 3,
                "shapes": circuit_shapes,
                "noise": DIGITAL.noise,
                "reads": 3,
                "steps_between_reads": 2,
            },
        ),
        "wiring.workload": Door(
            program_of("single").wiring.workload,
            lambda: {"shapes": single, "noise": DIGITAL.noise, "reads": 3},
        ),
        "Layer.noiseless_codes": Door(
            programs.Layer(**layer_fields()).noiseless_codes,
            lambda: {"integers": np.ones((2, 4), np.int8)},
        ),
    }


def _accounts() -> dict[str, Door]:
    scaling = energy.Scaling(node_nm=28.0, voltage_v=0.9)
    adder = energy.price("add-horowitz-45nm") if "add-horowitz-45nm" in energy.PRICES else None
    some = adder or energy.price("adc-zigzag-28nm")
    law = energy.reliability_law(1.0)
    return {
        "energy_ratio": Door(
            energy.energy_ratio, lambda: {"scaling": scaling, "node_nm": 45.0, "voltage_v": 0.9}
        ),
        "scaled": Door(energy.scaled, lambda: {"price": some, "scaling": scaling}),
        "reliability_price_to_cost": Door(
            energy.reliability_price_to_cost, lambda: {"lam_nat_per_j": 1e12, "law": law}
        ),
        "price_lines": Door(energy.price_lines, lambda: {"price": some, "voltage_v": 0.9}),
        "part_kind": Door(energy.part_kind, lambda: {"operation_kind": "multiply"}),
        "cycles_by_layer": Door(
            accounting.cycles_by_layer,
            lambda: {"workload": chip_of("single").workload(3), "hardware": DIGITAL},
        ),
        "sensitivity_json": Door(accounting.sensitivity_json, lambda: {"bill": array_chip_bill()}),
        "hardware_table": Door(
            hardware.hardware_table, lambda: {"hardware": DIGITAL, "rhos": (0.0, 1.0)}
        ),
        "preset_path": Door(hardware.preset_path, lambda: {"name": "digital-45nm"}),
        "chip_path": Door(hardware.chip_path, lambda: {"source": "digital-45nm"}),
        "chip_files": Door(
            hardware.chip_files, lambda: {"path": hardware.preset_path("digital-45nm")}
        ),
        "Cells": Door(hardware.Cells, lambda: {"device": "rram-wan", "age_s": 10.0}),
        "Prices": Door(hardware.Prices, lambda: ss.load_hardware("digital-45nm").prices.to_table()),
    }


def _models_and_data() -> dict[str, Door]:
    return {
        "log_gamma_constant": Door(models.log_gamma_constant, lambda: {"shape": 2.0, "rate": 2.0}),
        "LinearGaussianModel": Door(
            models.LinearGaussianModel, lambda: {"decoder": normal(8, 4), "noise_sd": 0.5}
        ),
        "SparseCodingModel": Door(
            models.SparseCodingModel,
            lambda: {"decoder": normal(8, 4), "noise_sd": 0.5, "laplace_scale": 1.0},
        ),
        "GaussianScaleMixtureModel": Door(
            models.GaussianScaleMixtureModel,
            lambda: {
                "decoder": normal(8, 4),
                "noise_sd": 0.5,
                "contrast_shape": 2.0,
                "contrast_rate": 2.0,
            },
        ),
        "check_stimuli": Door(data.check_stimuli, lambda: {"x": normal(3, 4), "inputs": 4}),
        "DataSettings": Door(
            data.DataSettings, lambda: {"kind": "digits", "size": 8, "components": 8}
        ),
        "Whitening.fit": Door(
            data.Whitening.fit,
            lambda: {"pixels": normal(30, 9), "components": 4, "centre_each": False},
        ),
        "whitening.transform": Door(
            dataset().whitening.transform, lambda: {"pixels": normal(3, 64), "clip": True}
        ),
        "whitening.to_pixels": Door(
            dataset().whitening.to_pixels, lambda: {"x": normal(3, 8), "add_mean": True}
        ),
        "PlainReads": Door(
            lambda **given: str(reference().compare(posterior.PlainReads(**given))),
            lambda: {
                "values": reference().subset(2, 60),
                "step": 0.0,
                "independent": False,
                "period": None,
            },
        ),
        "used_elements": Door(studies.used_elements, lambda: {"decoder": normal(8, 4)}),
    }


def _draws() -> dict[str, Door]:
    def stream(x: Any, reads: Any, **given: Any) -> Any:
        return chip_of("single").stream(**given).sample(x, reads)

    def of_module(x: Any, **given: Any) -> Any:
        return converted().stream(**given)(x)

    def samples(**given: Any) -> Any:
        made = ss.Samples(**given)
        return made, str(made)

    def module(**given: Any) -> Any:
        own = converted()
        made = lowering.ChipModule(own.network, **given)
        return made.sample(normal(2, 4), 2, 0)

    own = converted()
    return {
        "chip.stream": Door(
            stream, lambda: {"x": normal(3, 4), "reads": 5, "key": 0, "position": 0}
        ),
        "converted.stream": Door(of_module, lambda: {"x": _tensor(), "key": 0, "position": 0}),
        "Samples": Door(
            samples,
            lambda: {
                "codes": np.zeros((2, 3, 4), np.int8),
                "operations": energy.Operations(),
                "quantizer": programs.Quantizer(4, 0.5),
                "independent": True,
                "period": None,
            },
        ),
        "ChipModule": Door(
            module,
            lambda: {
                "hardware": DIGITAL,
                "left_in_float": own.left_in_float,
                "examples": _tensor(),
                "key": 0,
                "chip_key": 0,
            },
        ),
        "converted.operations_by_layer": Door(
            own.operations_by_layer, lambda: {"x": _tensor(), "reads": 3}
        ),
        "converted.emulated": Door(own.emulated, lambda: {"x": _tensor()}),
        "float_program": Door(lowering.float_program, lambda: {"trained": trained()}),
    }


def _tensor() -> Any:
    import torch

    return torch.from_numpy(normal(3, 4)).float()


def _trainings() -> dict[str, Door]:
    stimuli = dataset().train[:32]
    common = {"stimuli": stimuli, "model": LINEAR, "settings": SHORT, "key": 0}
    case = {
        "trained": trained(),
        "model": LINEAR,
        "stimuli": dataset().held_out[:4],
        "reads": 10,
        "key": 0,
        "train_stimuli": stimuli,
        "settings": SHORT,
    }

    def control(name: Any, **given: Any) -> Any:
        return controls.control_samples(name, controls.ControlCase(**given)).values

    def noise(**given: Any) -> Any:
        return networks.HardwareNoise(**given)

    return {
        "learn_decoder": Door(training.learn_decoder, lambda: {**common, "decoder": normal(8, 4)}),
        "train_float": Door(
            training.train_float,
            lambda: {
                **common,
                "start": trained(),
                "rho": 1.0,
                "learns_decoder": False,
                "architecture": networks.ArchitectureSettings(kind="deep"),
                "hardware": DIGITAL,
            },
        ),
        "train_quantised": Door(
            training.train_quantised,
            lambda: {
                **common,
                "start": trained(),
                "widths": (4, 4, 4),
                "learns_decoder": False,
                "method": "quantisation-aware",
                "layer_bits": None,
                "hardware": DIGITAL,
            },
        ),
        "learn_bits": Door(
            training.learn_bits,
            lambda: {
                **common,
                "settings": training.TrainSettings(steps=2, batch=8, nats_per_joule=1e12),
                "start": trained(),
                "hardware": DIGITAL,
                "first": (8, 8, 8),
                "method": "quantisation-aware",
            },
        ),
        "trained.quantise(method)": Door(
            trained().quantise,
            lambda: {
                "bits": 4,
                "key": 0,
                "method": "noise-aware",
                "layer_bits": None,
                "hardware": DIGITAL,
            },
        ),
        "control_samples": Door(control, lambda: {"name": "shuffled-sigma", **case}),
        "check_control": Door(controls.check_control, lambda: {"name": "vae", "model": LINEAR}),
        "quantised.save": Door(quantised().save, lambda: {"path": "net"}),
    }


def _sections() -> dict[str, Door]:
    grid = STUDY["grid"]
    own = {
        **{name: STUDY[name] for name in ("version", "model", "data", "train", "measure")},
        "hardware": {"preset": "sram-array-28nm"},
        "search": {"weight_bits": [2, 4], "input_bits": [4], "output_bits": [4]},
        "objective": {"keep": "S >= 0.9", "trials": 6},
    }
    return {
        "GridSettings": Door(studies.GridSettings, lambda: dict(grid)),
        "MeasureSettings": Door(studies.MeasureSettings, lambda: dict(STUDY["measure"])),
        "HardwareSettings": Door(
            studies.HardwareSettings,
            lambda: {"preset": "digital-45nm", "noise": {"read_sigma": 0.1}},
        ),
        "OptimizeFile": Door(search.OptimizeFile, lambda: dict(own)),
        "Study.read": Door(ss.Study.read, lambda: {"path": "study.toml"}),
    }


def further_doors() -> dict[str, Door]:
    """All of them by name."""
    return {
        **_wirings(),
        **_accounts(),
        **_models_and_data(),
        **_draws(),
        **_trainings(),
        **_sections(),
    }
