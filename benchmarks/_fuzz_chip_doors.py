"""Chips and what they draw: public functions with right arguments."""

import functools
from typing import Any

import numpy as np
from _fuzz_parts import DIGITAL, Door, chip_of, given_as, method_of, normal, program_of, randoms

import stochsim as ss
from stochsim import chip
from stochsim import program as programs


def _draws() -> dict[str, Door]:
    doors: dict[str, Door] = {}
    asked = {"x": normal(3, 4), "reads": 10}
    place = {"key": 0, "first_stimulus": 0, "first_read": 0, "count": True}
    for kind in ("single", "log-sigma", "recurrent", "graph", "array"):
        made = functools.partial(chip_of, kind)
        doors |= {
            f"{kind} chip.sample": Door(method_of(made, "sample"), given_as(**asked, **place)),
            f"{kind} chip.bill": Door(method_of(made, "bill"), given_as(**asked, rho=1.0)),
            f"{kind} chip.operations": Door(method_of(made, "operations"), given_as(**asked)),
            f"{kind} chip.workload": Door(method_of(made, "workload"), given_as(**asked)),
        }
    single = functools.partial(chip_of, "single")
    for name in ("drive", "sigmas", "trained_sigma", "thresholds", "probabilities"):
        doors[f"chip.{name}"] = Door(method_of(single, name), given_as(x=normal(3, 4)))
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
                "integers": {"readout": randoms().integers(-7, 8, (3, 4)).astype(np.int8)},
                "reads": 10,
            },
        ),
    }


def chip_doors() -> dict[str, Door]:
    """All of them by name."""
    return {**_draws(), **_chips()}
