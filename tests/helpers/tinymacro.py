"""A macro of two parts, whose figures are known by hand."""

from stochsim.silicon import Macro, Parameter
from stochsim.silicon.macro import Condition, Part


def tiny(**changes):
    """A macro of two parts: 4 f V² for each of 8 MACs, and a converter."""
    table = {
        "name": "tiny",
        "description": "two parts",
        "source": "made up",
        "node_nm": 65.0,
        "nominal_v": 1.0,
        "conditions": {
            "voltage_v": Condition(default=1.0, range=(0.8, 1.2)),
            "input_bits": Condition(default=1, range=(1, 4)),
        },
        "parameters": {
            "cell_f": Parameter(value=4e-15, unit="F", tag="derived", source="made up"),
            "adc_j": Parameter(value=1e-12, unit="J", tag="published", source="made up"),
            "cycle_s": Parameter(value=1e-9, unit="s", tag="published", source="made up"),
            "rows": Parameter(value=8, unit="rows", tag="published", source="made up"),
        },
        "inputs": "rows",
        "outputs": "1",
        "passes": "input_bits",
        "seconds": "input_bits * cycle_s",
        "energy": {
            "cells": Part(formula="input_bits * rows * cell_f * voltage_v**2"),
            "converter": Part(formula="input_bits * adc_j", doubt="one figure"),
        },
        "area": {"converter": Part(formula="rows")},
    }
    return Macro(**(table | changes))
