"""The bill of a program whose layers' inputs are given, without running those before them."""

from collections.abc import Mapping

import numpy as np

from stochsim.accounting import Bill, Meter, add_fixed, cycles_by_layer
from stochsim.chip.layer_on_chip import ChipSettings, LayerOnChip
from stochsim.hardware import Hardware
from stochsim.program import Program
from stochsim.settings import SettingError, check_whole


def bill_of_inputs(
    program: Program,
    hardware: Hardware,
    integers: Mapping[str, np.ndarray],
    reads: int = 1,
    rho: float | None = None,
) -> Bill:
    """The bill of `reads` reads where what each layer reads is given, (stimulus, input) integers as
    `Layer.input.integers` gives them, in place of what the layers before it would.

    Neurons whose sigma is 0 are not billed and draw no random bits. rho: of the price of
    reliability, None for the program's own. Raises SettingError for integers that do not fit, and
    layers that do not fit the Hardware.
    """
    stimuli = _check_integers(program, integers)
    reads = check_whole("reads", reads, 1, 2**31)
    meter = Meter(stimuli, reads)
    workload = program.wiring.workload(program.shapes, hardware.noise, reads)
    dithers = hardware.noise.dither != "none"
    uses = [
        use if use.shape.has_noise else use._replace(reliability=0, draws=use.draws * int(dithers))
        for use in workload.uses
    ]
    workload = workload._replace(uses=tuple(uses))
    add_fixed(meter, hardware, workload, program.billed_sigma)
    settings = ChipSettings(hardware, 1.0, 0)
    for number, (name, layer) in enumerate(program.layers.items()):
        LayerOnChip(name, layer, settings, number, integers[name]).report(
            meter, integers[name], reads
        )
    price_rho = program.rho if rho is None else rho
    cycles = cycles_by_layer(workload, hardware)
    return Bill(hardware, meter.by_layer(program.layers), cycles, stimuli, reads, price_rho)


def _check_integers(program: Program, integers: Mapping[str, np.ndarray]) -> int:
    """Number of stimuli; SettingError for layers that are missing and shapes that do not fit."""
    if list(integers) != list(program.layers):
        rule = f"should be of the layers {list(program.layers)}"
        raise SettingError.of("integers", list(integers), rule)
    stimuli = len(next(iter(integers.values())))
    for name, layer in program.layers.items():
        if integers[name].shape != (stimuli, layer.inputs):
            rule = f"should have shape (stimulus, input) = {(stimuli, layer.inputs)}"
            raise SettingError.of("", integers[name], rule, section=("integers", name))
    return stimuli
