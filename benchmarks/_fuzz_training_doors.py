"""Trainings, converted modules and studies: public functions with right arguments."""

from typing import Any

import numpy as np
import torch
from _fuzz_parts import (
    DIGITAL,
    LINEAR,
    STUDY,
    Door,
    converted,
    copied,
    dataset,
    normal,
    quantised,
    torch_module,
    trained,
)

import stochsim as ss
from stochsim import networks
from stochsim.studies import plan_study
from stochsim.training import TrainSettings


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
                "module": torch_module(),
                "hardware": DIGITAL,
                "examples": examples(),
                "bits": {"0": (4, 4, 4)},
                "strict": False,
                "keep_float": ["2"],
                "weight_scales": "per-channel",
                "ranges": "minmax",
                "key": 0,
                "chip_key": 0,
            },
        ),
        "convert with formats": Door(
            lambda **given: ss.convert(torch_module(), DIGITAL, **given).sample(examples(), 2, 0),
            lambda: {
                "examples": examples(),
                "formats": {"weights": "nvfp4", "outputs": "fp4-e2m1"},
                "ranges": "mse",
            },
        ),
        "convert with groups": Door(
            lambda **given: ss.convert(torch_module(), DIGITAL, **given).sample(examples(), 2, 0),
            lambda: {"examples": examples(), "weight_scales": 2, "weight_grids": "affine"},
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
        "converted in training": Door(
            lambda **given: converted().train()(**given), lambda: {"x": examples(), "key": 0}
        ),
        "converted.emulated": Door(
            lambda **given: converted().emulated(**given), lambda: {"x": examples()}
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
            planned, lambda: {name: copied(one) for name, one in STUDY.items()}
        ),
        "Study": Door(
            lambda **given: str(ss.Study(**given)),
            lambda: (
                {name: copied(one) for name, one in STUDY.items() if name != "hardware"}
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
            ss.run_sweep, lambda: {"study": "nothing.toml", "run_folder": "out", "workers": 2}
        ),
        "run_optimize": Door(
            ss.run_optimize,
            lambda: {"study": "nothing.toml", "run_folder": "out", "workers": 2, "trials": 3},
        ),
        "write_report": Door(ss.write_report, lambda: {"run": "nothing"}),
    }


def _gaussian(stimuli: Any, reads: int, key: int, width: float = 1.0) -> np.ndarray:
    """A sampler of a user's."""
    return np.random.default_rng(key).normal(size=(len(stimuli), reads, 1))


def _objective(**given: Any) -> str:
    """Its figures, and whether a study of one measure has them."""
    found = ss.search.CustomObjective(**given)
    found.check({"off": {"better": "lower"}})
    return str(found.bounds)


def _density(z: torch.Tensor, stimulus: torch.Tensor) -> torch.Tensor:
    return -((z - stimulus) ** 2).sum() / 2


def _by_nuts(**given: Any) -> str:
    """With chains short enough for a trial: what they come to may be refused."""
    sizes = {"chains": 4, "draws": 200, "warm_up": 200}
    if any(type(given[name]) is int and given[name] > most for name, most in sizes.items()):
        return "too long for a trial"
    try:
        return str(ss.lowering.sampled_reference(_density, **given))
    except ss.StochsimError as error:
        if "R-hat" in str(error):
            return "chains that do not mix"
        raise


def _interval(**given: Any) -> str:
    found = ss.accounting.PriceRange(**given, basis="")
    return str(ss.accounting.JoulesInterval(given["joules"], (found,)).low)


def _own_studies() -> dict[str, Door]:
    def made(**parts: Any) -> str:
        return f"{ss.studies.CustomStudy(**parts)}{len(ss.studies.CustomStudy(**parts).tasks)}"

    axes = {"bits": [2, 4], "key": [0, 1]}
    return {
        "CustomStudy of a sampler": Door(
            made,
            lambda: {
                "sampler": _gaussian,
                "data": np.zeros((4, 1)),
                "measures": ["effective_samples"],
                "axes": {"width": [1.0, 2.0], "key": [0]},
                "reads": 10,
                "key": 0,
                "skip": [{"width": 1.0}],
            },
        ),
        "CustomStudy of a network": Door(
            made,
            lambda: {
                "network": torch_module(),
                "data": (normal(8, 4), np.zeros(8, int)),
                "hardware": DIGITAL,
                "measures": ["accuracy", "ece"],
                "axes": {"bits": [2, 4], "hardware.noise.read_sigma": [0.0, 1.0]},
                "reference": None,
                "against": None,
                "examples": None,
            },
        ),
        "grid_points": Door(ss.studies.grid_points, lambda: {"axes": dict(axes)}),
        "zipped_points": Door(ss.studies.zipped_points, lambda: {"axes": dict(axes)}),
        "random_points": Door(
            ss.studies.random_points, lambda: {"axes": dict(axes), "points": 3, "key": 0}
        ),
        "sobol_points": Door(
            ss.studies.sobol_points, lambda: {"axes": dict(axes), "points": 3, "key": 0}
        ),
        "points_without": Door(
            ss.studies.points_without,
            lambda: {"points": ss.studies.grid_points(axes), "skip": [{"bits": 2}]},
        ),
        "study_data": Door(
            ss.studies.study_data, lambda: {"given": (np.zeros((3, 2)), np.ones(3))}
        ),
        "Measure": Door(
            ss.studies.Measure,
            lambda: {"name": "m", "function": len, "unit": "", "better": "lower"},
        ),
        "RunOptions": Door(
            ss.studies.RunOptions,
            lambda: {"shard": "1/2", "retries": 1, "limit_s": 2.0, "dask": None, "as_json": False},
        ),
        "RunOptions.points": Door(
            lambda at: ss.studies.RunOptions(at=at).points(axes), lambda: {"at": ("bits=4",)}
        ),
        "CustomObjective": Door(
            _objective,
            lambda: {"minimise": "off", "against": ("joules_per_read",), "keep": ("off <= 3",)},
        ),
        "Bound.parse": Door(ss.search.Bound.parse, lambda: {"text": "accuracy >= 0.97"}),
        "read_custom_study": Door(
            ss.studies.read_custom_study, lambda: {"path": "nothing.toml", "allow_code": False}
        ),
        "merge_runs": Door(
            ss.studies.merge_runs, lambda: {"run_folders": ["nothing"], "into": "out"}
        ),
        "float_reads": Door(
            ss.lowering.float_reads,
            lambda: {"module": torch_module(), "stimuli": normal(8, 4), "reads": 2, "key": 0},
        ),
        "sampled_reference": Door(
            _by_nuts,
            lambda: {
                "stimuli": np.zeros((1, 1)),
                "neurons": 1,
                "key": 0,
                "chains": 2,
                "draws": 40,
                "warm_up": 20,
            },
        ),
        "spread_between": Door(
            ss.silicon.spread_between, lambda: {"residuals": {"a": 0.1, "b": -0.1}}
        ),
        "Macro.at": Door(
            lambda **given: str(ss.silicon.load_macro("colonnade").at(**given).tops_per_w),
            lambda: {"input_bits": 4, "weight_bits": 2, "voltage_v": 0.7},
        ),
        "Macro.with_values": Door(
            ss.silicon.load_macro("wang").with_values, lambda: {"values": {"output_lines": 32}}
        ),
        "JoulesInterval": Door(
            _interval, lambda: {"price": "adc", "joules": 2.0, "low": 1.0, "high": 3.0}
        ),
        "FloatAccumulation.named": Door(
            ss.hardware.FloatAccumulation.named,
            lambda: {"format_": "bf16", "rounding": "stochastic-8", "group": 4},
        ),
        "accumulators of a chip": Door(
            lambda **given: str(DIGITAL.replace(**given)),
            lambda: {
                "accumulator_format": "fp12-e4m7",
                "accumulator_rounding": "to-zero",
                "accumulator_group": 3,
            },
        ),
        "Macro.hardware": Door(
            lambda **given: ss.silicon.load_macro("neurram").hardware(**given),
            lambda: {"input_bits": 4, "output_bits": 6},
        ),
    }


def training_doors() -> dict[str, Door]:
    """All of them by name."""
    return {**_trainings(), **_modules(), **_studies(), **_own_studies()}
