"""The smallest search: its file, and outcomes made up of settings with given distances and
conversions.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tinystudy

from stochsim.energy import Operation, Operations
from stochsim.posterior import Estimate, survival
from stochsim.search.answer import Outcome, answer
from stochsim.search.measured_setting import Measured
from stochsim.search.request import Request
from stochsim.search.search_settings import OptimizeFile
from stochsim.search.space import Setting
from stochsim.settings import write_toml

TINY: dict[str, Any] = {
    "version": 1,
    "model": {"kind": "linear_gaussian", "neurons": 8, "noise_sd": 0.5},
    "data": {"kind": "patches", "size": 4, "components": 8},
    "train": {"steps": 30, "batch": 32, "learning_rate": 5e-3},
    "hardware": {"preset": "sram-array-28nm"},
    "search": {
        "weight_bits": [2, 4],
        "input_bits": [4],
        "output_bits": [4],
        "adc_bits": [3, 6],
        "rows": [8, 16],
    },
    "objective": {"keep": "S >= 0.9", "trials": 6},
    "measure": {"stimuli": 8, "reads": 100, "directions": 8},
}
"""Eight settings."""


def changed(**changes: Any) -> dict[str, Any]:
    """TINY with changes: section__key=value; None takes the key (or the section) away."""
    return tinystudy.changed(TINY, **changes)


def request_of(**changes: Any) -> Request:
    """The checked request of changed(...)."""
    file = OptimizeFile.from_table(changed(**changes))
    request = Request(file, file.hardware.resolve(Path()))
    request.check()
    return request


def write_file(folder: Path, **changes: Any) -> Path:
    """The file of changed(...)."""
    path = folder / "mine.toml"
    write_toml(path, changed(**changes))
    return path


def made(
    request: Request,
    setting: Setting,
    s: float,
    conversions: Mapping[int, float],
    other_j: float = 0.0,
) -> Measured:
    """A setting with this S, this number of conversions of these bits per read, and joules of
    memory beside them (whole pJ).
    """
    blind, full = np.linspace(0.95, 1.05, 16), np.linspace(0.19, 0.21, 16)
    d = blind - s * (blind - full)
    counts = {Operation("adc", (bits,)): count for bits, count in conversions.items()}
    counts[Operation("code_memory", (65536,))] = other_j / 0.1557e-12  # about 0.156 pJ per bit
    found = survival(d, blind, full, 0)
    reads = request.reads(setting)
    return Measured(
        setting,
        request.chip(setting),
        0.0,
        reads,
        Estimate(d.mean(), d.min(), d.max()),
        found,
        (Operations(counts),),
    )


def outcome_of(request: Request, measured: list[Measured]) -> Outcome:
    """The outcome of a search that measured these."""
    answers = {model: answer(request, measured, model) for model in request.models}
    return Outcome(
        request, tuple(measured), answers, {"stochsim": "0.1.0"}, {"processor": "a processor"}, ""
    )
