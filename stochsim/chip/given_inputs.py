"""The bill of a program whose layers' inputs are given, without running those before them."""

from collections.abc import Mapping

import numpy as np

from stochsim.accounting import Bill, Meter, MultiplyAdds, add_fixed, cycles_by_layer
from stochsim.chip.layer_on_chip import ChipSettings, LayerOnChip
from stochsim.hardware import HARDWARE_RULE, Hardware
from stochsim.program import Program
from stochsim.settings import SettingError, check_kind, check_whole, finite, shaped_array


def bill_of_inputs(
    program: Program,
    hardware: Hardware,
    integers: Mapping[str, np.ndarray],
    reads: int = 1,
    rho: float | None = None,
) -> Bill:
    """The bill of `reads` reads where what each layer reads is given, (stimulus, input) integers as
    `Layer.input.integers` gives them, or what `Layer.input.numbers` gives of dynamic inputs, in
    place of what the layers before it would.

    Neurons whose sigma is 0 are not billed and draw no random bits. rho: of the price of
    reliability, None for the program's own. Raises SettingError for integers that do not fit, and
    layers that do not fit the Hardware.
    """
    check_kind("program", program, Program, "should be a Program, as to_program gives one")
    check_kind("hardware", hardware, Hardware, HARDWARE_RULE)
    integers = _checked_integers(program, integers)
    stimuli = len(next(iter(integers.values())))
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
    counts = meter.by_layer(program.layers)
    macs = MultiplyAdds(*workload.macs)
    return Bill(hardware, counts, cycles, stimuli, reads, price_rho, multiply_adds=macs)


def _checked_integers(
    program: Program, integers: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """What each layer reads, as integers of the type that its input has; SettingError for layers
    that are missing, shapes that do not fit, and integers that its codes do not stand for.
    """
    check_kind("integers", integers, Mapping, "should be arrays by layer, as in a dict")
    if list(integers) != list(program.layers):
        rule = f"should be of the layers {list(program.layers)}"
        raise SettingError.of("integers", list(integers), rule)
    stimuli = None
    found = {}
    for name, layer in program.layers.items():
        field = f"integers.{name}"
        array = shaped_array(field, integers[name], "stimulus, input", (stimuli, layer.numbers))
        stimuli = len(array)
        if layer.input.is_dynamic:
            found[name] = finite(field, array)
            continue
        valid = layer.input.integers(np.arange(layer.input.levels) + layer.input.c_min)
        if array.dtype.kind not in "iu" or not np.isin(array, valid).all() or not stimuli:
            rule = (
                f"should be integers from {valid.min()} to {valid.max()}, of one stimulus or more"
            )
            raise SettingError.of(field, array, rule)
        found[name] = array.astype(valid.dtype if layer.input.unsigned else np.int8, copy=False)
    return found
