"""A space of settings small enough to enumerate: every one of them trained, run on the chip and
measured, and kept in a file per key.
"""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from stochsim._version import __version__
from stochsim.chip import Chip
from stochsim.data import evaluation_stimuli, load_dataset
from stochsim.hardware import Hardware, preset
from stochsim.keys import fold_in
from stochsim.lowering import to_program
from stochsim.models import SparseCoding, build_model
from stochsim.posterior import PosteriorDistance, survival
from stochsim.training import (
    TrainedNetwork,
    TrainSettings,
    learn_decoder,
    train_float,
    train_quantised,
)

AXES: dict[str, tuple[float, ...]] = {
    "weight_bits": (2, 3, 4, 6),
    "input_bits": (2, 4),
    "output_bits": (2, 3, 4, 6),
    "noise": (0.5, 1.0),
    "adc_bits": (4, 5, 6),
    "rows": (16, 64),
}
"""4 x 2 x 4 x 2 x 3 x 2 = 384 settings of one SRAM array in 28 nm."""
CHIP = "sram-array-28nm"
SIGMA_LSB = 0.1
NEURONS = 64
STIMULI = 32
READS = 200
DIRECTIONS = 64
STEPS = 600
Setting = tuple[float, ...]


def settings() -> list[Setting]:
    """Every setting, in the order of AXES."""
    return list(itertools.product(*AXES.values()))


def chip_of(setting: Setting) -> Hardware:
    """The array with these widths, ADCs and rows."""
    weight, inputs, outputs, _, adc, rows = setting
    hardware = preset(CHIP)
    assert hardware.array is not None
    own = hardware.array.adc.model_copy(update={"bits": int(adc), "sigma_lsb": SIGMA_LSB})
    array = hardware.array.model_copy(update={"rows": int(rows), "adc": own})
    return hardware.replace(array=array).with_precision(int(weight), int(inputs), int(outputs))


class Measured:
    """One key's decoder, float network and reference posterior, against which settings are
    measured.
    """

    def __init__(self, key: int) -> None:
        self.key = key
        self.data = load_dataset("patches", 8, 48, key)
        self.model: Any = SparseCoding(neurons=NEURONS, noise_sd=0.5, laplace_scale=1.0)
        self.train = TrainSettings(steps=STEPS)
        decoder = learn_decoder(self.data.train, self.model, self.train, fold_in(key, "decoder"))
        self.float = train_float(
            decoder, self.data.train, self.model, self.train, 0.0, fold_in(key, "float")
        )
        self.x = self.data.held_out[evaluation_stimuli(self.data, STIMULI, key)]
        reference = build_model(self.model, decoder.decoder_array).reference(
            self.x, fold_in(key, "reference")
        )
        sets = (reference.subset(0, READS), reference.subset(1, READS))
        self.to_posterior = PosteriorDistance(
            sets,
            reference.mean,
            reference.sd,
            directions=DIRECTIONS,
            key=fold_in(key, "directions"),
        )
        self.blind = self.to_posterior.blind(fold_in(key, "blind")).total
        self.networks: dict[tuple[int, ...], TrainedNetwork] = {}

    def network(self, widths: tuple[int, int, int]) -> TrainedNetwork:
        """The float network rounded to these widths."""
        if widths not in self.networks:
            key = fold_in(self.key, "network", *widths)
            self.networks[widths] = train_quantised(
                self.float,
                self.data.train,
                self.model,
                self.train,
                widths,
                key,
                method="post-training",
            )
        return self.networks[widths]

    def full(self) -> np.ndarray:
        """D (stimulus,) of the float network."""
        from stochsim.chip import FloatChip
        from stochsim.lowering import float_program

        values = (
            FloatChip(float_program(self.float), 1.0)
            .sample(self.x, READS, fold_in(self.key, "reads"))
            .values
        )
        return self.to_posterior.distance(values).total

    def at(self, setting: Setting, full: np.ndarray) -> dict[str, float]:
        """D, S with the lower end of its interval, and joules per read of one setting."""
        weight, inputs, outputs, noise = setting[:4]
        hardware = chip_of(setting)
        program = to_program(self.network((int(weight), int(inputs), int(outputs))))
        chip = Chip(program, hardware, noise, chip_key=fold_in(self.key, "chip"))
        samples = chip.sample(self.x, READS, fold_in(self.key, "reads"))
        d = self.to_posterior.distance(samples.values).total
        energy = hardware.energy(samples.operations, program.rho)
        joules = energy.divided(READS * STIMULI, "read").per_read_j
        found = survival(d, self.blind, full, fold_in(0, "results")).estimate
        s = (float("nan"),) * 2 if found is None else (found.value, found.low)
        return {
            "d": float(d.mean()),
            "joules": joules,
            "survival": s[0],
            "survival_low": s[1],
            "blind": float(self.blind.mean()),
        }


def grid(key: int, folder: Path) -> dict[Setting, dict[str, float]]:
    """The whole grid of one key: read from `folder` where it is kept for this version and space,
    else measured and kept.
    """
    about = {
        "version": __version__,
        "axes": AXES,
        "chip": chip_of(settings()[0]).to_table(),
        "measure": [NEURONS, STIMULI, READS, DIRECTIONS, STEPS],
    }
    text = json.dumps(about)
    path = folder / f"grid-{key}.json"
    if path.exists():
        kept = json.loads(path.read_text(encoding="utf-8"))
        if kept["about"] == json.loads(text):
            return dict(zip(settings(), kept["rows"], strict=True))
    rows = list(_measured(key))
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"about": json.loads(text), "rows": rows}), encoding="utf-8")
    return dict(zip(settings(), rows, strict=True))


def _measured(key: int) -> Iterator[dict[str, float]]:
    measured = Measured(key)
    full = measured.full()
    for setting in tqdm(settings(), desc=f"grid, key {key}", mininterval=10):
        yield measured.at(setting, full)
