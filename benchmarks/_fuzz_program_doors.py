"""Programs by hand: public functions with right arguments."""

from typing import Any

import numpy as np
from _fuzz_parts import (
    DIGITAL,
    SIGNED,
    Door,
    head_parts,
    layer_fields,
    normal,
    one_layer,
    program_of,
    recurrent_parts,
    run_program,
)

import stochsim as ss
from stochsim import accounting, chip, formats
from stochsim import program as programs


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
            lambda: {"layers": {"a": one_layer()}, "wiring": programs.FeedForward(), "rho": 1.0},
        ),
        "single_layer": Door(
            lambda **given: run_program(programs.single_layer(**given)),
            lambda: {"layer": one_layer(), "rho": 0.0},
        ),
        "feed_forward": Door(
            lambda **given: run_program(programs.feed_forward(**given)),
            lambda: {"layers": {"a": one_layer(3, 4), "b": one_layer(2, 3)}, "rho": 0.0},
        ),
        "with_log_sigma": Door(
            lambda **given: run_program(programs.with_log_sigma(**given)), head_parts
        ),
        "recurrent": Door(
            lambda **given: run_program(programs.recurrent(**given)), recurrent_parts
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
            lambda **given: one_layer(4).group(**given), lambda: {"number": 0, "groups": 2}
        ),
        "Quantizer.of_format": Door(
            lambda **given: programs.Quantizer.of_format(**given).law(0, 0),
            lambda: {"book": "fp4-e2m1", "scale": 0.5},
        ),
        "program.with_output": Door(
            lambda **given: run_program(program_of("single").with_output(**given)),
            lambda: {"output": programs.Quantizer.of_format("nf4", 2.0)},
        ),
        "with_output_format": Door(
            lambda **given: run_program(chip.with_output_format(**given)),
            lambda: {
                "program": program_of("single"),
                "hardware": DIGITAL,
                "name": "fp4-e2m1",
                "x": normal(6, 4),
                "key": 0,
            },
        ),
        "fitted_quantizer": Door(
            chip.fitted_quantizer, lambda: {"name": "lloyd-3", "numbers": normal(300)}
        ),
        "fitted_quantizer of neurons": Door(
            chip.fitted_quantizer,
            lambda: {"name": "nf4-per-neuron", "numbers": normal(300, 2)},
        ),
        "NeuronBooks": Door(
            lambda books: formats.NeuronBooks(books).encode(normal(5, 2)),
            lambda: {"books": (formats.code_book("int4"), formats.code_book("nf4"))},
        ),
        "CodeBook": Door(
            lambda **given: formats.CodeBook(**given).encode(normal(5)),
            lambda: {
                "values": (-2.0, -0.5, 0.0, 1.0),
                "edges": (-1.0, -0.2, 0.5),
                "ties": (True, False, True),
                "bit_patterns": (0.0, 1.0, -2.0, -0.5),
                "name": "own",
            },
        ),
        "code_book": Door(formats.code_book, lambda: {"name": "fp6-e2m3"}),
        "format_bits": Door(formats.format_bits, lambda: {"name": "lloyd-4"}),
        "block_format": Door(formats.block_format, lambda: {"name": "mxfp4"}),
        "lloyd_max": Door(formats.lloyd_max, lambda: {"numbers": normal(300), "bits": 3}),
        "program.save": Door(
            lambda **given: program_of("single").save(**given), lambda: {"folder": "saved"}
        ),
    }


def program_doors() -> dict[str, Door]:
    """All of them by name."""
    return {**_programs()}
