"""Prices, bills and chip files: public functions with right arguments."""

from typing import Any

import numpy as np
from _fuzz_parts import DIGITAL, Door, bill_counts, chip_of, normal, one_bill

import stochsim as ss
from stochsim import accounting, energy, hardware, keys


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
            lambda n: dict(one_bill().total_operations * n), lambda: {"n": 2.0}
        ),
        "operations + operations": Door(
            lambda other: dict(one_bill().total_operations + other),
            lambda: {"other": one_bill().total_operations},
        ),
        "Energy": Door(energy.Energy, lambda: {"joules": {"add": 1e-12}}),
        "energy / number": Door(lambda n: one_bill().energy / n, lambda: {"n": 2.0}),
        "energy + energy": Door(lambda e: one_bill().energy + e, lambda: {"e": one_bill().energy}),
        "price_operations": Door(
            energy.price_operations,
            lambda: {"operations": one_bill().total_operations, "prices": table, "voltage_v": 0.9},
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
            rram.energy, lambda: {"operations": one_bill().total_operations, "rho": 1.0}
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
        "Tiling": Door(
            hardware.Tiling,
            lambda: {"rows": 8, "columns": 8, "inputs": 9, "neurons": 5, "slices": 2, "signs": 2},
        ),
        "nodal_conductance": Door(
            hardware.nodal_conductance,
            lambda: {"g_s": np.full((3, 2), 1e-5), "wire_ohm": 1.0},
        ),
        "nodal_shares": Door(
            hardware.nodal_shares,
            lambda: {"g_s": np.full((3, 2), 1e-5), "wire_ohm": 1.0},
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
                "counts": bill_counts(),
                "cycles": {"readout": 1.0},
                "stimuli": 3,
                "reads": 10,
                "rho": 1.0,
            },
        ),
        "bill.with_hardware": Door(
            lambda **given: str(one_bill().with_hardware(**given)),
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


def price_doors() -> dict[str, Door]:
    """All of them by name."""
    return {**_energies(), **_hardware(), **_accounts()}
